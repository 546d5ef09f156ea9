// Records that promise what the host serves, over mocks: written when it does. Does not prove that it does.

import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { slotOf } from "../../components/mail-records";
import { wantedRecords } from "../../components/record-plan";
import { policyUrl, type ServedArgs, type Verdicts } from "../../components/served";
import program from "../../index";
import { good, read, zoneId } from "../support/configuration";
import {
  type Calls,
  certificate,
  emptyClouds,
  type Recorded,
  settle,
  withMocks,
} from "../support/mocks";

const look = vi.hoisted(() => vi.fn<(args: ServedArgs) => Promise<Verdicts>>());
vi.mock("../../components/served", async (original) => ({
  ...(await original<object>()),
  lookAtServed: look,
}));

const webNames = ["mta-sts", "autoconfig", "autodiscover"].map((label) => `${label}.example.test`);
const allServed = new Map<string, string | undefined>(
  ["mail.example.test", ...webNames, policyUrl("example.test")].map((name) => [name, undefined]),
);
const liveClouds: Calls = {
  ...emptyClouds,
  "hcloud:index/getPrimaryIps:getPrimaryIps": () => ({
    primaryIps: [
      { type: "ipv4", ipAddress: "198.18.1.10", location: "nbg1" },
      { type: "ipv6", ipAddress: "2001:2:0:10::", location: "nbg1" },
    ],
  }),
};

async function run(values: Record<string, unknown> = {}, calls = liveClouds) {
  const recorded = withMocks({ ...good, ...values }, calls);
  const outputs = await program();
  await settle();
  return { recorded, outputs };
}

const recordsOf = (recorded: readonly Recorded[], type: string) =>
  recorded
    .filter((one) => one.type.startsWith("cloudflare:index/dnsRecord") && one.inputs.type === type)
    .map(({ name, inputs }): Record<string, unknown> => ({ resource: name, ...inputs }));
const policyOf = (recorded: readonly Recorded[]) =>
  recordsOf(recorded, "TXT").find(({ resource }) => resource === "example.test-mta-sts");

beforeEach(() => {
  look.mockReset();
  look.mockResolvedValue(allServed);
});

describe("the plan and the stack", () => {
  it("know the same records: what one forgot could not be refused, taken over or kept", async () => {
    const values = {
      domains: [
        ...good.domains,
        { name: "lists.example.test", zoneId, reportAddress: "alice@example.test" },
      ],
      dkim: { generation: 3, revoked: 1 },
    };
    const everything = new Map(allServed);
    for (const label of ["mta-sts", "autoconfig", "autodiscover"])
      everything.set(`${label}.lists.example.test`, undefined);
    everything.set(policyUrl("lists.example.test"), undefined);
    look.mockResolvedValue(everything);
    const { recorded } = await run(values);
    const made = recorded
      .filter(({ type }) => type.startsWith("cloudflare:index/dnsRecord"))
      .map(({ inputs }) => `${inputs.type} ${inputs.name}`);
    const wanted = wantedRecords(read({ ...good, ...values }));
    expect(made.sort()).toEqual(wanted.map(slotOf).sort());
  });
});

describe("a host that serves everything", () => {
  it("is looked at through its own address, for each of its names and the text of its policy", async () => {
    await run();
    expect(look.mock.calls).toEqual([
      [
        {
          address: "198.18.1.10",
          hostname: "mail.example.test",
          webNames,
          domains: ["example.test"],
          policy: expect.stringMatching(
            /^version: STSv1\nmode: enforce\nmx: mail\.example\.test\nmax_age: \d+\n$/,
          ),
        },
      ],
    ]);
  });

  it("gets its keys at port 25 as one set of two", async () => {
    const { recorded } = await run({ host: { ...good.host, keyGeneration: 4 } });
    const data = (key: string) => ({ usage: 3, selector: 1, matchingType: 1, certificate: key });
    expect(recordsOf(recorded, "TLSA")).toEqual([
      expect.objectContaining({
        resource: "mail-certificate-tlsa-4",
        name: "_25._tcp.mail.example.test",
        zoneId,
        data: data(certificate.tlsa[0] ?? ""),
      }),
      expect.objectContaining({
        resource: "mail-certificate-tlsa-5",
        data: data(certificate.tlsa[1] ?? ""),
      }),
    ]);
  });

  it("names the one account that may get certificates, at each name that it serves", async () => {
    const { recorded } = await run();
    const issuer = "ca.test; accounturi=https://ca.test/acct/1; validationmethods=http-01";
    expect(recordsOf(recorded, "CAA").map(({ name, data }) => ({ name, data }))).toEqual(
      expect.arrayContaining(
        ["mail.example.test", ...webNames].flatMap((name) => [
          { name, data: { flags: 0, tag: "issue", value: issuer } },
          { name, data: { flags: 0, tag: "issuewild", value: ";" } },
        ]),
      ),
    );
    expect(recordsOf(recorded, "CAA")).toHaveLength(8);
  });

  it("tells others that there is a policy; nothing is pending", async () => {
    const { recorded, outputs } = await run();
    expect(policyOf(recorded)?.content).toMatch(/^"v=STSv1; id=[0-9a-f]{32}"$/);
    expect(outputs.pending).toEqual([]);
    const published = await new Promise<{ type: string }[]>((resolve) =>
      pulumi.output(outputs.dnsRecords).apply(resolve),
    );
    const types = new Set(published.map(({ type }) => type));
    expect([...types].sort()).toEqual(["A", "AAAA", "CAA", "MX", "PTR", "SRV", "TLSA", "TXT"]);
  });

  it("gets another policy id exactly when its policy changes", async () => {
    const id = async (host: object) => policyOf((await run({ host })).recorded)?.content;
    const before = await id(good.host);
    expect(await id({ ...good.host, generation: 2, serverType: "cx33" })).toBe(before);
    look.mockResolvedValue(new Map([[policyUrl("example.test"), undefined]]));
    expect(await id({ ...good.host, name: "mx.example.test" })).not.toBe(before);
  });
});

describe("a host that serves some of it", () => {
  it("gets no record that promises the rest, and the outputs say why", async () => {
    look.mockResolvedValue(new Map(allServed).set("mail.example.test", "self-signed certificate"));
    const { recorded, outputs } = await run();
    expect(recordsOf(recorded, "TLSA")).toEqual([]);
    expect(recordsOf(recorded, "CAA")).toHaveLength(6);
    expect(policyOf(recorded)).toBeDefined();
    expect(outputs.pending).toEqual(
      ["CAA mail.example.test", "TLSA _25._tcp.mail.example.test"].map((record) => ({
        record,
        reason: "self-signed certificate",
      })),
    );
  });

  it("keeps what was written before, its policy under the same id", async () => {
    look.mockResolvedValue(new Map());
    const comment = "mail-host/dev: some reason";
    const standing = (type: string, name: string, content: string, i: number) => ({
      ...{ type, name, content, comment, priority: 0 },
      id: String(i).repeat(32),
    });
    const { recorded, outputs } = await run(
      {},
      {
        ...liveClouds,
        "cloudflare:index/getDnsRecords:getDnsRecords": () => ({
          results: [
            standing("TLSA", "_25._tcp.mail.example.test", "3 1 1 AA", 1),
            standing("TXT", "_mta-sts.example.test", '"v=STSv1; id=before"', 2),
            ...["mail.example.test", ...webNames].map((name, i) =>
              standing("CAA", name, '0 issue "ca.test"', i + 3),
            ),
          ],
        }),
      },
    );
    expect(recordsOf(recorded, "TLSA")).toHaveLength(2);
    expect(recordsOf(recorded, "CAA")).toHaveLength(8);
    expect(policyOf(recorded)?.content).toBe('"v=STSv1; id=before"');
    expect(outputs.pending).toEqual([]);
  });
});

describe("DNSSEC", () => {
  it("is switched on when asked for, and the DS shown for the registrar", async () => {
    const { recorded, outputs } = await run({ dnssec: "true" });
    const settings = recorded.filter(
      ({ type }) => type === "cloudflare:index/zoneDnssec:ZoneDnssec",
    );
    expect(settings.map(({ inputs }) => inputs)).toEqual([{ zoneId, status: "active" }]);
    const ds = await new Promise((resolve) => pulumi.output(outputs.ds).apply(resolve));
    expect(ds).toEqual({ "example.test": "example.test. 3600 IN DS 1 13 2 AB" });
  });

  it("is left alone otherwise", async () => {
    const { recorded, outputs } = await run();
    expect(recorded.filter(({ type }) => type.includes("zoneDnssec"))).toEqual([]);
    expect(outputs.ds).toEqual({});
  });
});
