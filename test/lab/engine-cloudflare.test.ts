// The stand-in for the Cloudflare plugin on the real engine, against the emulated Cloudflare. Does not
// prove that the official plugin behaves the same, only what is known of it.

import * as cloudflare from "@pulumi/cloudflare";
import { describe, expect, it } from "vitest";
import { changes, failure, stackOf } from "./engine-support";
import { apiToken, emulatedZone, otherZoneId, zoneId } from "./engine-zone";

const association = { usage: 3, selector: 1, matchingType: 1 };
const host = "mail.example.com";
const mailHostRecords: Record<string, Omit<cloudflare.DnsRecordArgs, "zoneId" | "ttl">> = {
  mx: { name: "example.com", type: "MX", content: host, priority: 10 },
  "null-mx": { name: "mta-sts.example.com", type: "MX", content: ".", priority: 0 },
  "srv-imaps": {
    name: "_imaps._tcp.example.com",
    type: "SRV",
    priority: 0,
    data: { priority: 0, weight: 1, port: 993, target: host },
  },
  "srv-none": {
    name: "_imap._tcp.example.com",
    type: "SRV",
    priority: 0,
    data: { priority: 0, weight: 0, port: 0, target: "." },
  },
  ...Object.fromEntries(
    ["AB", "CD"].map((hex) => [
      `tlsa-${hex}`,
      {
        name: `_25._tcp.${host}`,
        type: "TLSA",
        data: { ...association, certificate: hex.repeat(32) },
      },
    ]),
  ),
  ...Object.fromEntries(
    ["issue", "issuewild"].map((tag) => [
      `caa-${tag}`,
      {
        name: host,
        type: "CAA",
        data: { flags: 0, tag, value: "letsencrypt.org; accounturi=https://acme.test/acct/1" },
      },
    ]),
  ),
  spf: { name: "example.com", type: "TXT", content: '"v=spf1 mx -all"' },
  dkim: {
    name: "rsa1._domainkey.example.com",
    type: "TXT",
    content: `"v=DKIM1; k=rsa; p=${"A".repeat(237)}" "${"B".repeat(155)}"`,
  },
};

describe("cloudflare", () => {
  const recordsOf = (zone: string) => `/client/v4/zones/${zone}/dns_records`;
  const address =
    (fields: Partial<cloudflare.DnsRecordArgs> = {}) =>
    async () => {
      const record = new cloudflare.DnsRecord("record", {
        zoneId,
        name: "mail.example.com",
        type: "A",
        content: "192.0.2.1",
        ttl: 300,
        comment: "mail-host/test: address",
        ...fields,
      });
      return { id: record.id, content: record.content, modifiedOn: record.modifiedOn };
    };

  it("creates, updates and deletes a record with the token as bearer", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(address(), zone.environment);
    const { outputs } = await stack.up();
    expect(await changes(stack)).toEqual({ same: 2 });
    const { summary } = await stack.up({ program: address({ content: "192.0.2.2" }) });
    expect(summary.resourceChanges).toEqual({ same: 1, update: 1 });
    await stack.destroy();
    const id = outputs.id?.value;
    expect(zone.requests).toEqual([
      {
        line: `POST ${recordsOf(zoneId)}`,
        authorization: `Bearer ${apiToken}`,
        body: {
          comment: "mail-host/test: address",
          content: "192.0.2.1",
          name: "mail.example.com",
          proxied: false,
          ttl: 300,
          type: "A",
        },
      },
      {
        line: `PUT ${recordsOf(zoneId)}/${id}`,
        authorization: `Bearer ${apiToken}`,
        body: {
          comment: "mail-host/test: address",
          content: "192.0.2.2",
          name: "mail.example.com",
          proxied: false,
          ttl: 300,
          type: "A",
        },
      },
      {
        line: `DELETE ${recordsOf(zoneId)}/${id}`,
        authorization: `Bearer ${apiToken}`,
        body: undefined,
      },
    ]);
  });

  it("sends null for a comment that is no longer wanted", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    const plain = async () => {
      new cloudflare.DnsRecord("record", {
        zoneId,
        name: "mail.example.com",
        type: "A",
        content: "192.0.2.1",
        ttl: 300,
      });
      return {};
    };
    await stack.up({ program: plain });
    expect(zone.requests.at(-1)?.body).toMatchObject({ comment: null });
    await stack.refresh();
    expect(await changes(stack, plain)).toEqual({ same: 2 });
  });

  it("replaces a record when its zone or its type changes", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(await changes(stack, address({ type: "TXT" }))).toEqual({ replace: 1, same: 1 });
    expect(await changes(stack, address({ zoneId: otherZoneId }))).toEqual({ replace: 1, same: 1 });
  });

  it("shows what the API canonicalised only after a refresh", async () => {
    const zone = await emulatedZone();
    const program = address({ type: "AAAA", content: "2001:DB8::1" });
    const stack = await stackOf(program, zone.environment);
    await stack.up();
    expect(await changes(stack)).toEqual({ same: 2 });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 1, update: 1 });
  });

  it("takes a CNAME's target for the same in any case", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(
      address({ type: "CNAME", content: "Mail.Example.NET" }),
      zone.environment,
    );
    await stack.up();
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("sends structured data by the API's names", async () => {
    const zone = await emulatedZone();
    const data = { usage: 3, selector: 1, matchingType: 1, certificate: "AB12" };
    await (
      await stackOf(address({ type: "TLSA", data, content: undefined }), zone.environment)
    ).up();
    expect(zone.requests[0]?.body).toMatchObject({
      data: { usage: 3, selector: 1, matching_type: 1, certificate: "AB12" },
    });
  });

  it("keeps every record of a mail host unchanged over a refresh", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(async () => {
      for (const [name, record] of Object.entries(mailHostRecords)) {
        new cloudflare.DnsRecord(name, {
          zoneId,
          ttl: 300,
          comment: "mail-host/test: why",
          ...record,
        });
      }
      return {};
    }, zone.environment);
    const records = Object.keys(mailHostRecords).length;
    expect((await stack.up()).summary.resourceChanges).toEqual({ create: records + 1 });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: records + 1 });
  });

  it.each([
    [
      "a certificate in lower case",
      { type: "TLSA", data: { ...association, certificate: "ab12" } },
    ],
    [
      "a service without the priority beside its data",
      { type: "SRV", data: { priority: 1, weight: 1, port: 993, target: "mail.example.com" } },
    ],
    [
      "a text of more than 255 bytes in one string",
      { type: "TXT", content: `"${"a".repeat(256)}"` },
    ],
  ])("shows after a refresh that the API keeps %s otherwise", async (_what, fields) => {
    const zone = await emulatedZone();
    const stack = await stackOf(address({ content: undefined, ...fields }), zone.environment);
    await stack.up();
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 1, update: 1 });
  });

  it("creates a record anew that somebody else removed", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    await zone.clear();
    await stack.refresh();
    expect(await changes(stack)).toEqual({ create: 1, same: 1 });
  });

  it("imports a record by zone and record id", async () => {
    const zone = await emulatedZone();
    const id = await zone.put({ name: "mail.example.com", content: "192.0.2.1" });
    const stack = await stackOf(async () => {
      const record = new cloudflare.DnsRecord(
        "record",
        { zoneId, name: "mail.example.com", type: "A", content: "192.0.2.1", ttl: 300 },
        { import: `${zoneId}/${id}` },
      );
      return { id: record.id };
    }, zone.environment);
    const { outputs, summary } = await stack.up();
    expect(outputs.id?.value).toBe(id);
    expect(summary.resourceChanges).toEqual({ create: 1, import: 1 });
  });

  it("reads zones by name, and all pages of records", async () => {
    const zone = await emulatedZone();
    // One more than the API puts on a page.
    const names = Array.from({ length: 101 }, (_, index) => `h${index}.example.com`);
    for (const name of names) await zone.put({ name, content: "192.0.2.1" });
    const stack = await stackOf(async () => {
      const found = await cloudflare.getZone({ filter: { name: "example.com" } });
      const { results } = await cloudflare.getDnsRecords({ zoneId: found.zoneId, type: "A" });
      return { nameServers: found.nameServers, names: results.map(({ name }) => name) };
    }, zone.environment);
    const { outputs } = await stack.up();
    expect(outputs.nameServers?.value).toEqual(["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"]);
    expect(outputs.names?.value).toEqual(names);
  });

  it("asks again after too many requests, and not when the API says so", async () => {
    const zone = await emulatedZone();
    await zone.failNext(429, { "retry-after-ms": "10" });
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(zone.requests).toHaveLength(2);
    await zone.failNext(500, { "x-should-retry": "false" });
    expect(await failure(stack.up({ program: address({ ttl: 600 }) }))).toContain("500");
    expect(zone.requests).toHaveLength(3);
  });

  it("refuses a malformed token without showing it", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.setConfig("cloudflare:apiToken", { value: "too-short", secret: true });
    const message = await failure(stack.up());
    expect(message).toContain("cloudflare:apiToken: must be 40 to 80");
    expect(message).not.toContain("too-short");
  });
});
