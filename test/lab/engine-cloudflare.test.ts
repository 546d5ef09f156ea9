// The stand-in for the Cloudflare plugin on the real engine, against a zone on loopback. Does not prove
// that the official plugin behaves the same, only what is known of it.

import * as cloudflare from "@pulumi/cloudflare";
import { describe, expect, it } from "vitest";
import { changes, failure, type Reply, serve, stackOf } from "./engine-support";

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
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(await changes(stack)).toEqual({ same: 2 });
    const { summary } = await stack.up({ program: address({ content: "192.0.2.2" }) });
    expect(summary.resourceChanges).toEqual({ same: 1, update: 1 });
    await stack.destroy();
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
        line: `PUT ${recordsOf(zoneId)}/record-1`,
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
        line: `DELETE ${recordsOf(zoneId)}/record-1`,
        authorization: `Bearer ${apiToken}`,
        body: undefined,
      },
    ]);
  });

  it("sends null for a comment that is no longer wanted", async () => {
    const zone = await fakeZone();
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
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(await changes(stack, address({ type: "TXT" }))).toEqual({ replace: 1, same: 1 });
    expect(await changes(stack, address({ zoneId: otherZoneId }))).toEqual({ replace: 1, same: 1 });
  });

  it("shows what the API canonicalised only after a refresh", async () => {
    const zone = await fakeZone();
    const program = address({ type: "AAAA", content: "2001:DB8::1" });
    const stack = await stackOf(program, zone.environment);
    await stack.up();
    zone.change("record-1", { content: "2001:db8::1" });
    expect(await changes(stack)).toEqual({ same: 2 });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 1, update: 1 });
  });

  it("takes a CNAME's target for the same in any case", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(
      address({ type: "CNAME", content: "Mail.Example.NET" }),
      zone.environment,
    );
    await stack.up();
    zone.change("record-1", { content: "mail.example.net" });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("keeps a record with structured data unchanged over a refresh", async () => {
    const zone = await fakeZone();
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
    zone.change("record-1", { content: "3 1 1 AB12" });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("creates a record anew that somebody else removed", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    zone.remove("record-1");
    await stack.refresh();
    expect(await changes(stack)).toEqual({ create: 1, same: 1 });
  });

  it("imports a record by zone and record id", async () => {
    const zone = await fakeZone();
    zone.put("there-before", {
      name: "mail.example.com",
      type: "A",
      content: "192.0.2.1",
      ttl: 300,
      proxied: false,
    });
    const stack = await stackOf(async () => {
      const record = new cloudflare.DnsRecord(
        "record",
        { zoneId, name: "mail.example.com", type: "A", content: "192.0.2.1", ttl: 300 },
        { import: `${zoneId}/there-before` },
      );
      return { id: record.id };
    }, zone.environment);
    const { outputs, summary } = await stack.up();
    expect(outputs.id?.value).toBe("there-before");
    expect(summary.resourceChanges).toEqual({ create: 1, import: 1 });
  });

  it("reads zones by name, and all pages of records", async () => {
    const zone = await fakeZone();
    for (const number of [1, 2, 3]) {
      zone.put(`r${number}`, {
        name: `h${number}.example.com`,
        type: "A",
        content: `192.0.2.${number}`,
      });
    }
    const stack = await stackOf(async () => {
      const found = await cloudflare.getZone({ filter: { name: "example.com" } });
      const { results } = await cloudflare.getDnsRecords({ zoneId: found.zoneId, type: "A" });
      return { nameServers: found.nameServers, names: results.map(({ name }) => name) };
    }, zone.environment);
    const { outputs } = await stack.up();
    expect(outputs.nameServers?.value).toEqual(["ada.ns.example", "bob.ns.example"]);
    expect(outputs.names?.value).toEqual(["h1.example.com", "h2.example.com", "h3.example.com"]);
  });

  it("asks again after too many requests, and not when the API says so", async () => {
    const zone = await fakeZone();
    zone.failNext({ status: 429, headers: { "retry-after-ms": "10" } });
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(zone.requests).toHaveLength(2);
    zone.failNext({ status: 500, headers: { "x-should-retry": "false" } });
    expect(await failure(stack.up({ program: address({ ttl: 600 }) }))).toContain("500");
    expect(zone.requests).toHaveLength(3);
  });

  it("refuses a malformed token without showing it", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.setConfig("cloudflare:apiToken", { value: "too-short", secret: true });
    const message = await failure(stack.up());
    expect(message).toContain("cloudflare:apiToken: must be 40 to 80");
    expect(message).not.toContain("too-short");
  });
});

/** A zone with what the API adds to each record; its pages hold two records. */
async function fakeZone() {
  const records = new Map<string, Record<string, unknown>>();
  const failures: { status: number; headers: Record<string, string> }[] = [];
  let created = 0;
  const zone = {
    id: zoneId,
    name: "example.com",
    name_servers: ["ada.ns.example", "bob.ns.example"],
  };
  const success = (result: unknown): Reply => ({
    status: 200,
    json: { success: true, errors: [], messages: [], result },
  });
  const put = (id: string, fields: object) => {
    const now = new Date().toISOString();
    const added = { id, proxiable: true, settings: {}, meta: {}, tags: [], comment: null };
    const record = { ...added, created_on: now, ...records.get(id), ...fields, modified_on: now };
    records.set(id, record);
    return record;
  };
  const { url, requests } = await serve(({ line, body }, { pathname, searchParams }) => {
    const failed = failures.shift();
    if (failed !== undefined) return { ...failed, json: { success: false, errors: [] } };
    const fields = typeof body === "object" && body !== null ? body : {};
    const [method] = line.split(" ");
    if (pathname === "/client/v4/zones") {
      return success(searchParams.get("name") === zone.name ? [zone] : []);
    }
    if (pathname === `/client/v4/zones/${zoneId}`) return success(zone);
    const id = /\/dns_records\/([^/]+)$/.exec(pathname)?.[1];
    if (method === "POST") {
      created += 1;
      return success(put(`record-${created}`, fields));
    }
    if (id === undefined) {
      const first = (Number(searchParams.get("page") ?? "1") - 1) * 2;
      return success([...records.values()].slice(first, first + 2));
    }
    if (!records.has(id)) {
      const errors = [{ code: 81044, message: "Record does not exist." }];
      return { status: 404, json: { success: false, errors, messages: [], result: null } };
    }
    if (method === "PUT") return success(put(id, fields));
    if (method === "DELETE") {
      records.delete(id);
      return success({ id });
    }
    return success(records.get(id));
  });
  return {
    requests,
    environment: { CLOUDFLARE_BASE_URL: `${url}/client/v4`, CLOUDFLARE_API_TOKEN: apiToken },
    put,
    change: put,
    remove: (id: string) => records.delete(id),
    failNext: (reply: { status: number; headers: Record<string, string> }) => failures.push(reply),
  };
}
