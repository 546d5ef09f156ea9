// The policy pack on the real engine, over the clouds' control planes alone: the program passes it, and a broken
// rule fails the preview with its sentence. Does not prove that each way to break a rule is seen.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { type ApiAddresses, createClouds, listen } from "../../lab/control-plane";
import { engineCaptured } from "../../lab/engine-run";
import { labPaths } from "../../lab/paths";
import { rules } from "../../policy/rules";
import { labConfiguration } from "../support/configuration";

const paths = labPaths("policy-pack");
const clouds = createClouds(noInfrastructure, memoryStore());
let apis: ApiAddresses;

async function preview(values: Record<string, unknown>, ...options: readonly string[]) {
  const nothing = { name: paths.name, machines: [], nameserver: null, elsewhere: null, acme: null };
  const { status, stdout, stderr } = await engineCaptured(
    paths,
    { ...nothing, machinesPossible: false, apis },
    [
      ...["pulumi", "preview", "--policy-pack", join(process.cwd(), "policy")],
      ...["--config-file", labConfiguration(values), ...options],
    ],
    false,
  );
  const said = `${stdout}${stderr}`;
  const told = [...said.matchAll(/\[mandatory\]\s+(\S+) {2}\(\S+ (\S+)\)/g)];
  return { status, said, told: told.map(([, rule, name]) => `${rule} ${name}`) };
}

beforeAll(async () => {
  apis = await listen(clouds);
});
afterAll(async () => {
  await clouds.hetzner.close();
  await clouds.cloudflare.close();
  rmSync(paths.state, { recursive: true, force: true });
});

describe("the policy pack", () => {
  it("passes the program", async () => {
    const { status, said } = await preview({});
    expect(status, said).toBe(0);
    expect(said).toContain("✅ mail-host@v");
  });

  it("fails a preview whose configuration breaks a rule, with its sentence", async () => {
    const { status, said, told } = await preview({
      "mail-host:domains.0.dmarcPolicy": "none",
      "mail-host:host.adminCidrs": ["198.18.0.0/24", "::/0"],
    });
    expect(status).not.toBe(0);
    expect(new Set(told)).toEqual(
      new Set([
        "dmarc-never-none example.test-dmarc",
        "ssh-from-configured-networks mail-host-firewall",
      ]),
    );
    for (const { name, sentence } of rules)
      expect(said.includes(sentence)).toBe(told.some((line) => line.startsWith(name)));
  });

  it("tells of every rule that a spoilt program breaks, and of no secret that is marked", async () => {
    const { status, said, told } = await preview({}, "--cwd", "test/fixtures/spoilt");
    expect(status).not.toBe(0);
    expect(new Set(told)).toEqual(
      new Set([
        "mail-names-never-proxied mail-address-a",
        "mx-points-to-the-host example.test-mx",
        "open-ports-as-intended mail-host-firewall",
        "ssh-from-configured-networks mail-host-firewall",
        "database-never-reachable mail-host-firewall",
        "spf-within-ten-lookups example.test-spf",
        "dmarc-never-none example.test-dmarc",
        "no-secret-in-plain-text mail-host-ready",
        "address-and-volume-protected mail-host-volume",
        "address-and-volume-protected mail-address-ipv4",
        "address-and-volume-protected mail-address-ipv6",
        "labels-on-everything mail-host-volume",
        "user-data-under-its-limit mail-host",
        "no-record-without-a-reason second.test-mx",
      ]),
    );
    expect(said).toContain("stdin of mail-host-ready holds a private key");
    expect(said).not.toContain("environment.password");
  });
});
