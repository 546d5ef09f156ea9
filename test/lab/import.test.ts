// Records that are there already, on the real engine and the clouds' control planes alone: they come under the program
// without a moment in which one of them is gone. The host's own answers are recorded. Does not prove that Cloudflare
// keeps ids and times as its stand-in does.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { type ApiAddresses, createClouds, listen } from "../../lab/control-plane";
import { ensureEngine, withStandInCommands } from "../../lab/engine/install";
import { engineEnvironment, labTokens } from "../../lab/engine-run";
import { attempt, type Finished } from "../../lab/host/run";
import { labPaths } from "../../lab/paths";
import { type RecordedHost, startRecordedHost } from "../../lab/recorded-host";
import { recordedAnswer } from "../../scripts/preview/answers";
import { labConfiguration } from "../support/configuration";
import { cloudflareContract, watch } from "./contract";

const paths = labPaths("test-import");
const clouds = createClouds(noInfrastructure, memoryStore());
const seen = watch(clouds.cloudflare, cloudflareContract);
const zones = ["example.test", "second.test"].map(zoneIdOf);
const marked = "mail-host/lab:";

let apis: ApiAddresses;
let host: RecordedHost;
let engine: { readonly pulumi: string; readonly environment: Readonly<Record<string, string>> };

/** Any command where `pulumi` means the engine on these clouds. */
function withEngine(...argv: readonly string[]): Promise<Finished> {
  const status = { name: paths.name, machines: [], nameserver: null, elsewhere: null, acme: null };
  const environment = engineEnvironment(
    paths,
    { ...status, machinesPossible: false, apis },
    { ...engine.environment, ...host.environment },
  );
  return attempt(argv, {
    environment: { ...environment, PULUMI_STACK: "lab" },
    timeoutSeconds: 600,
  });
}

async function pulumi(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await withEngine(engine.pulumi, ...args);
  if (status !== 0) throw new Error(`pulumi ${args.join(" ")}:\n${stdout}\n${stderr}`);
  return stdout;
}
const up = (...options: readonly string[]) => pulumi("up", "--yes", "--skip-preview", ...options);

async function cloudflare(method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(
    path.startsWith("/_lab/") ? new URL(path, apis.cloudflare) : apis.cloudflare + path,
    {
      method,
      headers: {
        authorization: `Bearer ${labTokens.cloudflare}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  return answer.status === 204 ? undefined : answer.json();
}

const DnsRecord = z.looseObject({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  content: z.string().nullish(),
  comment: z.string().nullish(),
  modified_on: z.string(),
});
const Listed = z.object({ result: z.array(DnsRecord) });

/** Everything that stands in both zones, as Cloudflare says it. */
async function records() {
  const lists = await Promise.all(
    zones.map(async (zone) =>
      Listed.parse(await cloudflare("GET", `/zones/${zone}/dns_records`)).result.map((one) => ({
        ...one,
        zone,
      })),
    ),
  );
  return lists.flat();
}
const recordAt = async (name: string, type: string) => {
  const found = (await records()).filter((one) => one.name === name && one.type === type);
  expect(found).toHaveLength(1);
  return found[0];
};

/** What was asked of Cloudflare since this was called last, but for questions. */
async function changes(): Promise<string[]> {
  const Journal = z.array(z.object({ method: z.string(), path: z.string() }));
  const journal = Journal.parse(await cloudflare("GET", "/_lab/journal"));
  await cloudflare("DELETE", "/_lab/journal");
  return journal.filter(({ method }) => method !== "GET").map((one) => `${one.method} ${one.path}`);
}

const Steps = z.object({ steps: z.array(z.object({ op: z.string(), urn: z.string() })) });
const plannedSteps = async (...options: readonly string[]) =>
  Steps.parse(JSON.parse(await pulumi("preview", "--json", ...options)))
    .steps.filter(({ op }) => !["same", "refresh", "read"].includes(op))
    .map(({ op, urn }) => `${op} ${urn.split("::").at(-1)}`);

const Exported = z.looseObject({
  deployment: z.looseObject({
    resources: z.array(
      z.looseObject({
        urn: z.string(),
        type: z.string(),
        inputs: z
          .looseObject({ name: z.string().optional(), type: z.string().optional() })
          .optional(),
        dependencies: z.array(z.string()).optional(),
        propertyDependencies: z.record(z.string(), z.array(z.string()).nullable()).optional(),
      }),
    ),
  }),
});

/** Nobody makes by hand what only the host can tell: its keys, its certificates, its policy. */
const byHand = ({ name, type }: { name?: string | undefined; type?: string | undefined } = {}) =>
  type !== "CAA" && type !== "TLSA" && !/_domainkey|_mta-sts/.test(name ?? "");

/** Takes the records of a person's out of the state, as if it had never known them: the clouds are not asked. */
async function forgetRecords(): Promise<void> {
  const exported = Exported.parse(JSON.parse(await pulumi("stack", "export")));
  const { resources } = exported.deployment;
  const gone = new Set(
    resources
      .filter(({ type, inputs }) => type.endsWith(":DnsRecord") && byHand(inputs))
      .map(({ urn }) => urn),
  );
  const left = (urns: readonly string[] | null = []) =>
    (urns ?? []).filter((urn) => !gone.has(urn));
  exported.deployment.resources = resources
    .filter(({ urn }) => !gone.has(urn))
    .map((one) => ({
      ...one,
      dependencies: left(one.dependencies),
      propertyDependencies: Object.fromEntries(
        Object.entries(one.propertyDependencies ?? {}).map(([key, urns]) => [key, left(urns)]),
      ),
    }));
  const file = join(paths.pulumi, "without-records.json");
  writeFileSync(file, JSON.stringify(exported));
  await pulumi("stack", "import", "--file", file);
}

beforeAll(async () => {
  apis = await listen(clouds);
  host = await startRecordedHost({ command: recordedAnswer, page: () => undefined });
  engine = await withStandInCommands(await ensureEngine(() => {}));
  // Whatever a run that was killed has left.
  rmSync(paths.state, { recursive: true, force: true });
  mkdirSync(paths.pulumi, { recursive: true });
  await pulumi("stack", "init", "lab");
  // A host that runs, and its records as a person would have made them: by hand, with a TTL of their own.
  await up();
  await up();
  await forgetRecords();
  for (const { id, zone } of (await records()).filter(byHand))
    await cloudflare("PATCH", `/zones/${zone}/dns_records/${id}`, {
      comment: "by hand",
      ttl: 3600,
    });
  await changes();
});
afterAll(async () => {
  expect(seen.violations).toEqual([]);
  await clouds.hetzner.close();
  await clouds.cloudflare.close();
  await host.close();
  rmSync(paths.state, { recursive: true, force: true });
});

describe("records that a person made and that say what the program wants", () => {
  it("come under the program by `pulumi up`, and nothing of them changes: no id, no content, no time", async () => {
    const before = await records();
    expect(before.length).toBeGreaterThan(40);
    const said = await up();
    expect(said).toContain(`= ${before.filter(byHand).length} imported`);
    expect(await changes()).toEqual([]);
    expect(await records()).toEqual(before);
    const exported = Exported.parse(JSON.parse(await pulumi("stack", "export")));
    const ids = exported.deployment.resources
      .filter(({ type }) => type.endsWith(":DnsRecord"))
      .map(({ id }) => String(id).split("/").at(-1));
    expect(ids.sort()).toEqual(before.map(({ id }) => id).sort());
  });

  it("leave nothing for the next preview, with or without asking the clouds", async () => {
    expect(await plannedSteps()).toEqual([]);
    expect(await plannedSteps("--refresh")).toEqual([]);
    expect(await changes()).toEqual([]);
  });
});

describe("a record that says something else than the program wants", () => {
  it("is refused with three cures when the program's own wishes change, and the third changes it in place", async () => {
    const domains = zones.map((zoneId, i) => ({
      name: ["example.test", "second.test"][i],
      zoneId,
      dmarcPolicy: "reject",
    }));
    const file = ["--config-file", labConfiguration({ "mail-host:domains": domains })];
    const { status, stdout, stderr } = await withEngine(engine.pulumi, "preview", ...file);
    expect(status).not.toBe(0);
    const said = `${stdout}${stderr}`;
    expect(said).toContain("2 mistakes in the configuration; nothing was created or changed.");
    const before = [
      await recordAt("_dmarc.example.test", "TXT"),
      await recordAt("_dmarc.second.test", "TXT"),
    ];
    const cures = [...said.matchAll(/or have it changed in place[^:]*: (curl .*)/g)];
    expect(cures).toHaveLength(2);
    for (const [, cure = ""] of cures) {
      const there = cure.replaceAll("https://api.cloudflare.com/client/v4", apis.cloudflare);
      expect((await withEngine("bash", "-c", there)).status).toBe(0);
    }
    await changes();
    await up(...file);
    const after = [
      await recordAt("_dmarc.example.test", "TXT"),
      await recordAt("_dmarc.second.test", "TXT"),
    ];
    expect(after.map((one) => one?.id)).toEqual(before.map((one) => one?.id));
    expect(after.map((one) => one?.content)).toEqual([
      expect.stringContaining("p=reject"),
      expect.stringContaining("p=reject"),
    ]);
    expect(await changes()).toEqual([
      expect.stringMatching(/^(PUT|PATCH) .*\/dns_records\//),
      expect.stringMatching(/^(PUT|PATCH) .*\/dns_records\//),
    ]);
    expect(await plannedSteps(...file)).toEqual([]);
    await up();
  });

  it("comes under the program when it was not there: marked, recovered, changed in place", async () => {
    await forgetRecords();
    const mx = await recordAt("example.test", "MX");
    await cloudflare("PATCH", `/zones/${mx?.zone}/dns_records/${mx?.id}`, {
      content: "mx.old.test",
    });
    const refused = await withEngine(engine.pulumi, "preview");
    const cure = / MX: .*\n.*\n.*\n.*changed in place[^:]*: (curl .*)/.exec(
      `${refused.stdout}${refused.stderr}`,
    )?.[1];
    expect(cure).toBeDefined();
    const there = (cure ?? "").replaceAll("https://api.cloudflare.com/client/v4", apis.cloudflare);
    expect((await withEngine("bash", "-c", there)).status).toBe(0);
    const recovered = await withEngine("npm", "run", "--silent", "recover");
    expect(recovered.status, recovered.stderr).toBe(0);
    await changes();
    await up();
    expect(await recordAt("example.test", "MX")).toMatchObject({
      id: mx?.id,
      content: "mail.example.test",
      comment: expect.stringContaining(marked),
    });
    expect(
      (await changes()).filter((one) => !one.startsWith("PUT") && !one.startsWith("PATCH")),
    ).toEqual([]);
    expect(await plannedSteps()).toEqual([]);
  });
});

describe("a record that is listed under `adopt`", () => {
  const old = { type: "MX", name: "example.test", content: "mx.old.test", priority: 20, ttl: 300 };
  let spf: Awaited<ReturnType<typeof recordAt>>;
  let mx = "";
  beforeAll(async () => {
    // Taken over by import, and changed by its maker since then.
    spf = await recordAt("example.test", "TXT");
    await cloudflare("PATCH", `/zones/${zones[0]}/dns_records/${spf?.id}`, {
      content: '"v=spf1 mx include:_spf.other.test -all"',
    });
    const created = await cloudflare("POST", `/zones/${zones[0]}/dns_records`, old);
    mx = z.object({ result: z.object({ id: z.string() }) }).parse(created).result.id;
  });
  afterAll(async () => {
    await cloudflare("DELETE", `/zones/${zones[0]}/dns_records/${mx}`);
    const content = spf?.content ?? "";
    await cloudflare("PATCH", `/zones/${zones[0]}/dns_records/${spf?.id}`, { content });
    await up();
  });

  it("stays as it is, in place of the program's or beside them, and the next preview has nothing to do", async () => {
    expect(spf?.comment).toBe("by hand");
    const file = ["--config-file", labConfiguration({ "mail-host:adopt": [spf?.id ?? "", mx] })];
    const before = await records();
    await changes();
    await up(...file);
    expect(await changes()).toEqual([]);
    expect(await records()).toEqual(before);
    expect(await plannedSteps("--refresh", ...file)).toEqual([]);
  });
});

describe("the drift report", () => {
  const drift = () => withEngine("npx", "tsx", "scripts/ci/drift.ts", "--stack", "lab");
  const Firewalls = z.object({
    firewalls: z.array(z.object({ id: z.number(), rules: z.array(z.unknown()) })),
  });
  const hetzner = async (method: string, path: string, body?: object) => {
    const answer = await fetch(apis.hcloud + path, {
      method,
      headers: {
        authorization: `Bearer ${labTokens.hcloud}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.json();
  };

  it("says that nothing has drifted", async () => {
    const { status, stdout, stderr } = await drift();
    expect(stdout, stderr).toBe("Stack `lab` is as its program wants it.\n");
    expect(status).toBe(0);
  });

  it("names what was changed by hand", async () => {
    const said = Firewalls.parse(await hetzner("GET", "/firewalls?name=lab-mail"));
    await hetzner("POST", `/firewalls/${said.firewalls[0]?.id}/actions/set_rules`, { rules: [] });
    const { status, stdout, stderr } = await drift();
    expect(stdout, stderr).toContain(
      "| `mail-host-firewall` | `hcloud:index/firewall:Firewall` | was changed; would be changed back |",
    );
    expect(status).toBe(2);
  });

  it("does not call it drift when the question cannot be answered", async () => {
    const answer = { status: 401, body: { error: { code: "unauthorized", message: "no" } } };
    await fetch(new URL("/_lab/faults", apis.hcloud), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ path: "/v1/", times: 1000, answer }),
    });
    const { status, stdout, stderr } = await drift();
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("unauthorized");
  });
});
