// The unmodified program on the real engine and the clouds' control planes alone: previews in seconds, each
// call held against the clouds' contracts. Does not prove that a host comes up.

import { readFileSync, rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { type ApiAddresses, createClouds, listen } from "../../lab/control-plane";
import { engineCaptured } from "../../lab/engine-run";
import { labPaths } from "../../lab/paths";
import { labConfiguration } from "../support/configuration";
import { cloudflareContract, hetznerContract, watch } from "./contract";

const paths = labPaths("preview");
const clouds = createClouds(noInfrastructure, memoryStore());
const seen = [
  watch(clouds.hetzner, hetznerContract),
  watch(clouds.cloudflare, cloudflareContract),
] as const;
let apis: ApiAddresses;

const pulumi = (args: readonly string[]) => {
  const nothing = { name: paths.name, machines: [], nameserver: null, elsewhere: null, acme: null };
  return engineCaptured(
    paths,
    { ...nothing, machinesPossible: false, apis },
    ["pulumi", ...args],
    false,
  );
};

async function preview(values: Record<string, unknown>, ...options: readonly string[]) {
  const { status, stdout, stderr } = await pulumi([
    "preview",
    ...options,
    "--config-file",
    labConfiguration(values),
  ]);
  return { status, stdout, said: `${stdout}${stderr}` };
}

async function cloudflare(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${apis.cloudflare}/${path}`, {
    method,
    headers: { authorization: `Bearer ${"0".repeat(40)}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return answer.json();
}

beforeAll(async () => {
  apis = await listen(clouds);
});
afterEach(() => {
  for (const { violations } of seen) expect(violations).toEqual([]);
});
afterAll(async () => {
  for (const { answered } of seen) expect(answered.size).toBeGreaterThan(0);
  await clouds.hetzner.close();
  await clouds.cloudflare.close();
  rmSync(paths.state, { recursive: true, force: true });
});

describe("a preview on the control planes alone", () => {
  it("shows the documented stack, and leaves its file as it was", async () => {
    const before = readFileSync("Pulumi.dev.yaml", "utf8");
    const { stdout, status } = await pulumi(["preview", "--stack", "dev"]);
    expect(status).toBe(0);
    expect(stdout).toContain("+ 54 to create");
    expect(readFileSync("Pulumi.dev.yaml", "utf8")).toBe(before);
  });

  it("tells all mistakes at once, and creates nothing", async () => {
    const { status, said } = await preview({
      "mail-host:host.name": "mail",
      "mail-host:colour": "blue",
    });
    expect(status).not.toBe(0);
    expect(said).toContain("2 mistakes in the configuration; nothing was created or changed.");
    expect(said).toContain('mail-host:host.name: "mail" is not a fully qualified host name');
    expect(said).toContain("remove it with: pulumi config rm --path 'mail-host:colour'");
    expect(said).not.toContain("at parseConfig");
  });

  it("carries the longest domain that there may be to its record unchanged", async () => {
    const name = `${["x", "y", "z"].map((letter) => letter.repeat(63)).join(".")}.${"w".repeat(31)}.second.test`;
    expect(name).toHaveLength(235);
    const domains = [
      { name: "example.test", zoneId: zoneIdOf("example.test") },
      { name: name.toUpperCase(), zoneId: zoneIdOf("second.test") },
    ];
    const address = `${"l".repeat(64)}@${name}`;
    const { status, stdout, said } = await preview(
      {
        "mail-host:domains": domains,
        "mail-host:mailboxes": [{ address, password: "generated" }],
        "mail-host:aliases": [
          { address: `@${name}`, destinations: ["A!#&*+/=?^_`{|}~-@elsewhere.test"] },
        ],
      },
      "--json",
    );
    expect(status, said).toBe(0);
    const records = JSON.parse(stdout).steps.flatMap(
      ({
        newState,
      }: {
        newState?: { type: string; inputs: { name: string; type: string; priority?: number } };
      }) =>
        newState?.type.startsWith("cloudflare:") &&
        newState.inputs.type === "MX" &&
        newState.inputs.priority === 10
          ? [newState.inputs.name]
          : [],
    );
    expect(records.sort()).toEqual(["example.test", name].sort());
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      "text that turns a terminal's lines around",
      { "mail-host:adopt": ["\u202e\u001b[31m"] },
      'mail-host:adopt[0]: "\\u{202e}\\u001b[31m" is not a Cloudflare id',
    ],
    [
      "a folder as its directory",
      { "mail-host:directory": "lab" },
      '"lab" is not a file that can be read',
    ],
  ])("refuses %s in plain words, and creates nothing", async (_, values, expected) => {
    const { status, said } = await preview(values);
    expect(status).not.toBe(0);
    expect(said).toContain("one mistake in the configuration; nothing was created or changed.");
    expect(said).toContain(expected);
    expect(said).not.toContain("\u202e");
    expect(said).not.toMatch(/hcloud:|cloudflare:|at parseConfig/);
  });

  it("refuses an existing MX that is not ours, until it is adopted or gone", async () => {
    const zone = zoneIdOf("example.test");
    const created = await cloudflare("POST", `zones/${zone}/dns_records`, {
      type: "MX",
      name: "example.test",
      content: "mx.old.test",
      priority: 5,
      ttl: 1,
    });
    const id = Reflect.get(Reflect.get(Object(created), "result"), "id");
    const refused = await preview({});
    expect(refused.status).not.toBe(0);
    expect(refused.said).toContain(
      'example.test MX: "5 mx.old.test" is there already and not of this stack',
    );
    expect(refused.said).toContain(`pulumi config set --path 'mail-host:adopt[0]' ${id}`);
    expect((await preview({ "mail-host:adopt": [id] })).status).toBe(0);
    await cloudflare("DELETE", `zones/${zone}/dns_records/${id}`);
    expect((await preview({})).status).toBe(0);
  });

  it("imports an MX that says the same already", async () => {
    const zone = zoneIdOf("example.test");
    const created = await cloudflare("POST", `zones/${zone}/dns_records`, {
      type: "MX",
      name: "example.test",
      content: "mail.example.test",
      priority: 10,
      ttl: 3600,
      comment: "by hand",
    });
    const { status, said } = await preview({});
    expect(status).toBe(0);
    expect(said).toMatch(/example\.test-mx\s+import/);
    await cloudflare(
      "DELETE",
      `zones/${zone}/dns_records/${Reflect.get(Reflect.get(Object(created), "result"), "id")}`,
    );
  });
});

describe("zones that do not fit", () => {
  const create = async (zone: string, fields: object) =>
    Reflect.get(
      Reflect.get(Object(await cloudflare("POST", `zones/${zone}/dns_records`, fields)), "result"),
      "id",
    );
  const status = async (value: string) => {
    const answer = await fetch(new URL("/_lab/zones/second.test", apis.cloudflare), {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ status: value }),
    });
    expect(answer.status).toBe(200);
  };

  it("are all refused at once: one that is pending, one with a second SPF, a proxied name", async () => {
    await status("pending");
    const zone = zoneIdOf("example.test");
    const ids = [
      await create(zone, { type: "TXT", name: "example.test", content: '"v=spf1 ~all"', ttl: 1 }),
      await create(zone, {
        ...{ type: "A", name: "mta-sts.example.test", content: "198.18.9.9" },
        ...{ ttl: 1, proxied: true },
      }),
    ];
    const { status: exit, said } = await preview({});
    expect(exit).not.toBe(0);
    expect(said).toContain("3 mistakes in the configuration; nothing was created or changed.");
    expect(said).toContain('the zone "second.test" is not active at Cloudflare but pending');
    expect(said).toContain('example.test TXT: "v=spf1 ~all" is there already');
    expect(said).toContain('mta-sts.example.test A: "198.18.9.9" is there already');
    for (const id of ids) await cloudflare("DELETE", `zones/${zone}/dns_records/${id}`);
    await status("active");
  });

  it("are refused when they are not there: the id is named, with the command that sets another", async () => {
    const domains = [{ name: "example.test", zoneId: "0".repeat(32) }];
    const { said } = await preview({
      "mail-host:domains": domains,
      "mail-host:mailboxes": [{ address: "alice@example.test", password: "generated" }],
      "mail-host:aliases": [],
    });
    expect(said).toContain(`"${"0".repeat(32)}" cannot be read at Cloudflare: `);
    expect(said).toContain("pulumi config set --path 'mail-host:domains[0].zoneId'");
  });
});

describe("a live stack", () => {
  it("is not moved to another location: what lives there is named", async () => {
    const answer = await fetch(`${apis.hcloud}/primary_ips`, {
      method: "POST",
      headers: { authorization: `Bearer ${"0".repeat(64)}`, "content-type": "application/json" },
      body: JSON.stringify({
        name: "lab-ipv4",
        type: "ipv4",
        location: "fsn1",
        labels: { project: "mail-host", stack: "lab" },
      }),
    });
    expect(answer.status).toBe(201);
    const { status, said } = await preview({});
    expect(status).not.toBe(0);
    expect(said).toContain(
      'mail-host:host.location: "nbg1" is not where this stack lives: its addresses and its volume are bound to "fsn1"',
    );
  });
});
