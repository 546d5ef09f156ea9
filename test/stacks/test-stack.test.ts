// Test stacks on the real engine and the clouds' control planes alone: one whose runner crashes is swept
// when its day is over, one that is interrupted takes itself down, and nothing else is touched. Does not
// prove that a host comes up and passes.

import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import type { Sweep } from "../../scripts/sweep/report";
import { dayOf } from "../../scripts/sweep/stale";
import { ask, engineRuns, inventory, killAt, signal } from "../support/interruption";

const lab = openLab("test-stacks");
const zone = zoneIdOf("example.test");
const zones = [zone];
const long = "2020-01-01";

const testStack = (...args: string[]) => ["npm", "run", "test-stack", "--", ...args, "--in-lab"];
const waits = () => engineRuns(lab, "ssh-keyscan");
const later = `NODE_OPTIONS=--import=${resolve("test/support/days-later.mjs")}`;

/** `npm run sweep`, three days from now where that is said. */
async function sweep(when: "today" | "later", ...args: string[]) {
  const command = ["npm", "run", "--silent", "sweep", "--", "--json", ...args];
  const { status, stdout, stderr } = await lab.withEngine(
    when === "today" ? command : ["env", later, ...command],
  );
  if (stdout === "") throw new Error(`sweep ended with ${status}: ${stderr}`);
  const swept: Sweep = JSON.parse(stdout);
  return { status, ...swept };
}

const volume = async (name: string, labels: Record<string, string>) =>
  (
    await ask(lab, "hcloud", "POST", "/volumes", {
      ...{ name, size: 10, location: "nbg1" },
      labels: { project: "mail-host", ...labels },
    })
  ).volume.id;
const record = (name: string, comment: string) =>
  ask(lab, "cloudflare", "POST", `/zones/${zone}/dns_records`, {
    ...{ type: "TXT", name: `${name}.example.test`, content: '"x"', ttl: 1, comment },
  });

/** Everything in both clouds, without what changes by itself: a volume is made in a moment. */
const things = async () =>
  JSON.parse(JSON.stringify(await inventory(lab, zones)).replaceAll('"creating"', '"available"'));
const names = async () => JSON.parse((await lab.pulumiOrThrow(["stack", "ls", "--json"])).stdout);
const stacks = async () => (await names()).map(({ name }: { name: string }) => name);

let others: unknown;
beforeAll(async () => {
  await lab.up({ withoutMachines: true });
  // What must never be swept: lasting, foreign, not yet past, and past in part.
  await volume("lasting", { stack: "dev" });
  await volume("unlike", { project: "another", stack: "test-a", expires: long });
  await volume("in-part", { stack: "test-part", expires: long });
  await record("in-part", "mail-host/test-part: without a day");
  await record("longer", `mail-host/test-longer until=2999-01-01: a day to come`);
  await record("foreign", `expires=${long} until=${long}: not ours`);
  others = await things();
});
afterAll(async () => {
  await lab.down();
});

describe("a test stack whose runner crashes", () => {
  const name = "test-crashed";
  const file = `Pulumi.${name}.yaml`;
  beforeAll(async () => {
    await killAt(lab, "the host key scan", waits, testStack("up", "--name", name));
  });

  it("leaves its things behind, with its own names and its day on each", async () => {
    expect(readFileSync(file, "utf8")).toMatch(/mail-host:expires: "\d{4}-\d\d-\d\d"/);
    const all: { labels?: Record<string, string>; comment?: string; name: string }[] =
      Object.values(await things()).flat() as never;
    const own = all.filter(({ labels, comment }) =>
      labels === undefined ? comment?.startsWith(`mail-host/${name} `) : labels.stack === name,
    );
    expect(own.length).toBeGreaterThan(15);
    for (const { labels, comment } of own)
      expect(labels?.expires ?? comment).toMatch(
        /^(mail-host\/test-crashed until=)?20\d\d-\d\d-\d\d/,
      );
  });

  it("is not touched before its day is over", async () => {
    const before = await things();
    const { status, removed, states, kept } = await sweep("today");
    expect({ status, removed, states }).toEqual({ status: 0, removed: [], states: [] });
    expect(kept.map(({ stack }) => stack)).toEqual(["dev", name, "test-longer", "test-part"]);
    expect(await things()).toEqual(before);
  });

  it("takes another day in place", async () => {
    await lab.pulumi(["cancel", "--yes", "--stack", name]);
    // The day after its own, which late in the evening is tomorrow already.
    const nextDay = (day: string) => dayOf(Date.parse(day) + 86_400_000);
    const text = readFileSync(file, "utf8").replace(/(?<=expires: ")[\d-]+/, nextDay);
    writeFileSync(file, text);
    const { stdout } = await lab.pulumi(["preview", "--json", "--stack", name]);
    const { steps }: { steps: { op: string; urn: string }[] } = JSON.parse(stdout);
    const marked = steps.filter(({ urn }) => /(hcloud|cloudflare):/.test(urn));
    const count = (op: string) => marked.filter((step) => step.op === op).length;
    expect(count("update")).toBeGreaterThan(15);
    expect(marked.filter(({ op }) => /replace|delete/.test(op))).toEqual([]);
  });

  it("would be removed after its day, says a dry run, which removes nothing", async () => {
    const before = await things();
    const { removed, states, dryRun } = await sweep("later", "--dry-run");
    expect({ dryRun, states }).toEqual({ dryRun: true, states: [name] });
    expect(removed.length).toBeGreaterThan(15);
    expect(await things()).toEqual(before);
    expect(existsSync(file)).toBe(true);
  });

  it("is removed after its day, state and configuration included, and nothing else is", async () => {
    const { status, removed, states, leftAlone, remaining } = await sweep("later");
    expect({ status, states, leftAlone, remaining }).toEqual({
      ...{ status: 0, states: [name], leftAlone: [], remaining: [] },
    });
    expect(new Set(removed.map(({ stack }) => stack))).toEqual(new Set([name]));
    expect(await things()).toEqual(others);
    expect(await stacks()).not.toContain(name);
    expect(existsSync(file)).toBe(false);
  });
});

describe("what is past its day and protected", () => {
  it("is left alone, and named with the reason", async () => {
    const id = await volume("protected", { stack: "test-kept", expires: long });
    const protection = (wanted: boolean) =>
      ask(lab, "hcloud", "POST", `/volumes/${id}/actions/change_protection`, { delete: wanted });
    await protection(true);
    const { status, leftAlone, remaining } = await sweep("today");
    expect(status).toBe(1);
    expect(leftAlone).toMatchObject([
      { what: `volume "protected" (${id})`, reason: "it is protected from deletion" },
    ]);
    expect(remaining).toEqual([`volume "protected" (${id}) of test-kept`]);
    await protection(false);
    expect(await sweep("today")).toMatchObject({ status: 0, remaining: [] });
    expect(await things()).toEqual(others);
  });
});

describe("a state whose resources these tokens do not see", () => {
  const name = "test-elsewhere";
  const configuration = `Pulumi.${name}.yaml`;
  const urn = (type: string, resource: string) =>
    `urn:pulumi:${name}::mail-host::${type}::${resource}`;
  const provider = { urn: urn("pulumi:providers:hcloud", "default"), id: randomUUID() };
  const resources = [
    { ...provider, type: "pulumi:providers:hcloud", custom: true },
    {
      ...{ urn: urn("hcloud:index/volume:Volume", "v"), id: "4711", custom: true },
      ...{ type: "hcloud:index/volume:Volume", provider: `${provider.urn}::${provider.id}` },
      inputs: { labels: { project: "mail-host", stack: name, expires: long } },
    },
  ];
  beforeAll(async () => {
    const file = join(mkdtempSync(join(tmpdir(), "mail-host-")), "state.json");
    writeFileSync(file, JSON.stringify({ version: 3, deployment: { resources } }));
    await lab.pulumiOrThrow(["stack", "init", name, "--no-select"]);
    await lab.pulumiOrThrow(["stack", "import", "--file", file, "--stack", name]);
    rmSync(configuration);
  });
  afterAll(async () => {
    await lab.pulumiOrThrow(["stack", "rm", "--yes", "--force", "--stack", name]);
    rmSync(configuration, { force: true });
  });

  it("is kept, past its day as it is, and named: only it leads to them", async () => {
    const { status, states, unseen } = await sweep("today");
    expect({ status, states }).toEqual({ status: 1, states: [] });
    expect(unseen).toEqual([
      expect.stringContaining(`state of ${name}: holds 1 resources that these tokens do not see`),
    ]);
    expect(await stacks()).toContain(name);
  });

  it("is nobody's to take over by its name", async () => {
    const { status, stderr } = await lab.withEngine(testStack("--name", name));
    expect(status).toBe(64);
    expect(stderr).toContain(`--name: a stack ${name} is there already`);
    expect(await stacks()).toContain(name);
  });
});

describe("a run of everything that is interrupted", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("by %s takes its stack down", async (name) => {
    const stack = `test-${name.toLowerCase()}`;
    const run = lab.withEngine(testStack("--name", stack));
    await until("the host key scan", 120, () => waits() || undefined);
    signal(lab, "npm run test-stack", name);
    const { status, stdout } = await run;
    expect(status).toBe(130);
    expect(stdout).toContain(`› ${name}: ends what runs`);
    expect(stdout).toContain(`› ${stack}: nothing is left`);
    expect(await things()).toEqual(others);
    expect(await stacks()).not.toContain(stack);
    expect(existsSync(`Pulumi.${stack}.yaml`)).toBe(false);
  });
});
