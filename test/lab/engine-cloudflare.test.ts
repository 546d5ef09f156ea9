// The stand-in for the Cloudflare plugin on the real engine, against the emulated Cloudflare. Does not
// prove that the official plugin behaves the same, only what is known of it.

import * as cloudflare from "@pulumi/cloudflare";
import { describe, expect, it } from "vitest";
import { createCloudflare } from "../../lab/clouds/cloudflare";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { clientOf, watched } from "./clouds-support";
import { cloudflareContract } from "./contract";
import { changes, failure, stackOf } from "./engine-support";

const apiToken = "a".repeat(40);
const zoneId = "023e105f4ecef8ad9ca31a8372d0c353";
const otherZoneId = "123e105f4ecef8ad9ca31a8372d0c353";

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

  it("keeps a record with structured data unchanged over a refresh", async () => {
    const zone = await emulatedZone();
    const program = async () => {
      new cloudflare.DnsRecord("tlsa", {
        zoneId,
        name: "_25._tcp.mail.example.com",
        type: "TLSA",
        ttl: 300,
        data: { usage: 3, selector: 1, matchingType: 1, certificate: "AB12" },
      });
      return {};
    };
    const stack = await stackOf(program, zone.environment);
    await stack.up();
    expect(zone.requests[0]?.body).toMatchObject({
      data: { usage: 3, selector: 1, matching_type: 1, certificate: "AB12" },
    });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
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

/** A zone of the emulated Cloudflare, and what the provider asked of it. */
async function emulatedZone() {
  const accountId = "b".repeat(32);
  const zones = [
    { id: zoneId, name: "example.com", accountId },
    { id: otherZoneId, name: "example.org", accountId },
  ];
  const app = createCloudflare({ infrastructure: noInfrastructure, store: memoryStore(), zones });
  watched(app, cloudflareContract);
  const requests: { line: string; authorization: string | undefined; body: unknown }[] = [];
  const own = clientOf(app, "/client/v4");
  app.addHook("onSend", async ({ method, url, headers, body }, _reply, payload) => {
    const { authorization } = headers;
    if (authorization === `Bearer ${apiToken}`) {
      requests.push({ line: `${method} ${url.replace(/\?.*/, "")}`, authorization, body });
    }
    return payload;
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const records = `/zones/${zoneId}/dns_records`;
  return {
    requests,
    environment: { CLOUDFLARE_BASE_URL: `${url}/client/v4`, CLOUDFLARE_API_TOKEN: apiToken },
    /** Creates a record by hand and returns its id. */
    async put(fields: object): Promise<string> {
      return (await own("POST", records, { type: "A", ttl: 300, ...fields })).body.result.id;
    },
    /** Removes all records by hand. */
    async clear(): Promise<void> {
      for (const { id } of (await own("GET", records)).body.result) {
        await own("DELETE", `${records}/${id}`);
      }
    },
    async failNext(status: number, headers: object): Promise<void> {
      const errors = [{ code: 1000, message: "ordered" }];
      const body = { result: null, success: false, errors, messages: [] };
      const answer = { status, headers, body };
      await own("POST", "/_lab/faults", { path: "/dns_records", answer });
    },
  };
}
