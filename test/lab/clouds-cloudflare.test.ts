// The emulated Cloudflare over HTTP: canonical forms, limits, conflicts, and what is published. It does not
// prove that the real provider agrees.

import { describe, expect, it } from "vitest";
import { createCloudflare, zoneIdOf } from "../../lab/clouds/cloudflare";
import { memoryStore } from "../../lab/clouds/store";
import { publicZoneKey } from "../../lab/clouds/zone-key";
import { clientOf, recorder, watched } from "./clouds-support";
import { cloudflareContract } from "./contract";

const zone = zoneIdOf("example.test");
const records = `/zones/${zone}/dns_records`;
function account() {
  const atParent: string[] = [];
  const { effects, infrastructure } = recorder({}, async () => atParent);
  const app = createCloudflare({
    infrastructure,
    store: memoryStore(),
    zones: [
      { name: "example.test", id: zone, accountId: "a".repeat(32) },
      { name: "example.org", id: zoneIdOf("example.org"), accountId: "a".repeat(32) },
    ],
  });
  watched(app, cloudflareContract);
  const call = clientOf(app, "/client/v4");
  const create = (fields: object) =>
    call("POST", records, { name: "example.test", ttl: 300, ...fields });
  const last = () => effects.filter(([, name]) => name === "example.test").at(-1);
  const published = () =>
    last()?.[2] as { name: string; type: string; rdata: string; ttlSeconds: number }[];
  const key = () => last()?.[3] as string | null;
  return { app, call, create, effects, published, key, atParent };
}

describe("the API", () => {
  it("refuses a call without a token", async () => {
    const { app } = account();
    const answer = await app.inject({ url: "/client/v4/zones" });
    expect(answer.statusCode).toBe(401);
    expect(answer.json().errors[0].code).toBe(10000);
    expect(answer.headers["x-should-retry"]).toBe("false");
  });

  it("refuses a token that is too short", async () => {
    const { app } = account();
    const { status, body } = await clientOf(app, "/client/v4", "short")("GET", "/zones");
    expect([status, body.errors[0].code]).toEqual([403, 9109]);
  });

  it("verifies a token", async () => {
    const { call } = account();
    expect((await call("GET", "/user/tokens/verify")).body.result.status).toBe("active");
  });

  it("publishes every zone once at its start", async () => {
    const { app, effects } = account();
    await app.ready();
    expect(effects).toEqual([
      ["publishZone", "example.test", [], null],
      ["publishZone", "example.org", [], null],
    ]);
  });
});

describe("zones", () => {
  it("are found by name and have an empty page after the last", async () => {
    const { call } = account();
    const first = await call("GET", "/zones?name=example.test");
    const second = await call("GET", "/zones?name=example.test&page=2");
    expect(first.body.result.map(({ id }: { id: string }) => id)).toEqual([zone]);
    expect(second.body.result).toEqual([]);
  });

  it("cannot be removed", async () => {
    const { call } = account();
    expect((await call("DELETE", `/zones/${zone}`)).status).toBe(403);
  });

  it("are told apart from malformed ids", async () => {
    const { call } = account();
    const malformed = await call("GET", "/zones/example.test");
    const foreign = await call("GET", `/zones/${"0".repeat(32)}`);
    expect([malformed.status, malformed.body.errors[0].code]).toEqual([404, 7003]);
    expect([foreign.status, foreign.body.errors[0].code]).toEqual([403, 9109]);
  });
});

describe("the state of a zone", () => {
  it("is what the lab says of it, and others stay active", async () => {
    const { call } = account();
    const said = await call("PUT", "/_lab/zones/example.test", { status: "pending" });
    expect([said.status, said.body]).toEqual([200, { status: "pending" }]);
    const { result } = (await call("GET", `/zones/${zone}`)).body;
    expect([result.status, result.activated_on]).toEqual(["pending", null]);
    const names = async (status: string) =>
      (await call("GET", `/zones?status=${status}`)).body.result.map(
        ({ name }: { name: string }) => name,
      );
    expect(await names("pending")).toEqual(["example.test"]);
    expect(await names("active")).toEqual(["example.org"]);
    await call("PUT", "/_lab/zones/example.test", { status: "active" });
    expect(await names("pending")).toEqual([]);
  });

  it.each([
    ["example.net", { status: "pending" }],
    ["example.test", { status: "asleep" }],
  ])("of %s cannot be %j", async (name, body) => {
    const { call } = account();
    const said = await call("PUT", `/_lab/zones/${name}`, body);
    expect(said.status).toBe(400);
    expect(said.body.message).toContain('"initializing" | "pending" | "active" | "moved"');
  });
});

describe("DNSSEC of a zone", () => {
  const dnssec = `/zones/${zone}/dnssec`;

  it("is off at first: no key is shown, and the zone is published unsigned", async () => {
    const { call, create, key } = account();
    await create({ type: "A", content: "192.0.2.1" });
    expect(key()).toBeNull();
    const { result } = (await call("GET", dnssec)).body;
    expect(result).toMatchObject({ status: "disabled", ds: null, key_tag: null });
  });

  it("is pending with the very key that signs, and active once its DS is at the parent", async () => {
    const { call, create, key, atParent } = account();
    const { result } = (await call("PATCH", dnssec, { status: "active" })).body;
    const { ds, dnskey } = publicZoneKey("example.test", key() ?? "");
    expect(result.status).toBe("pending");
    expect(result.ds).toBe(`example.test. 3600 IN DS ${ds}`);
    expect(ds).toBe(`${result.key_tag} ${result.algorithm} ${result.digest_type} ${result.digest}`);
    expect(dnskey).toBe(`${result.flags} 3 ${result.algorithm} ${result.public_key}`);
    atParent.push("1 13 2 AB");
    expect((await call("GET", dnssec)).body.result.status).toBe("pending");
    atParent.push(ds);
    expect((await call("GET", dnssec)).body.result).toEqual({ ...result, status: "active" });
    const before = key();
    await create({ type: "A", content: "192.0.2.1" });
    await call("PATCH", dnssec, { status: "active" });
    expect(key()).toBe(before);
  });

  it("goes on signing after it is switched off until the parent has no DS", async () => {
    const { call, create, key, atParent } = account();
    await call("PATCH", dnssec, { status: "active" });
    const { ds } = publicZoneKey("example.test", key() ?? "");
    atParent.push(ds);
    const { result } = (await call("PATCH", dnssec, { status: "disabled" })).body;
    expect(result.status).toBe("pending-disabled");
    expect(key()).not.toBeNull();
    atParent.pop();
    expect((await call("GET", dnssec)).body.result).toMatchObject({ status: "disabled", ds: null });
    await create({ type: "A", content: "192.0.2.1" });
    expect(key()).toBeNull();
    await call("PATCH", dnssec, { status: "active" });
    expect(publicZoneKey("example.test", key() ?? "").ds).toBe(ds);
  });

  it("has another key after it was deleted", async () => {
    const { call, key } = account();
    const { result } = (await call("PATCH", dnssec, { status: "active" })).body;
    await call("PATCH", dnssec, { status: "disabled" });
    expect((await call("DELETE", dnssec)).body.result).toBe("");
    expect(key()).toBeNull();
    const again = (await call("PATCH", dnssec, { status: "active" })).body.result;
    expect(again.ds).not.toBe(result.ds);
  });

  it("cannot be what it never is", async () => {
    const { call } = account();
    const { status, body } = await call("PATCH", dnssec, { status: "pending" });
    expect([status, body.errors[0].code]).toEqual([400, 1002]);
  });
});

describe("a record", () => {
  it.each([
    ["AAAA", { content: "2001:DB8:0:0::1" }, "2001:db8::1", "2001:db8::1"],
    ["CNAME", { content: "Mail.Example.ORG." }, "mail.example.org", "mail.example.org."],
    [
      "MX",
      { content: "mail.example.test", priority: 10 },
      "mail.example.test",
      "10 mail.example.test.",
    ],
    ["MX", { content: ".", priority: 0 }, ".", "0 ."],
    ["TXT", { content: "v=spf1 mx -all" }, "v=spf1 mx -all", '"v=spf1 mx -all"'],
    ["TXT", { content: '"a \\"b\\" \\\\"' }, '"a \\"b\\" \\\\"', '"a \\"b\\" \\\\"'],
    ["TXT", { content: '"a"   "b"' }, '"a" "b"', '"a" "b"'],
    ["TXT", { content: '"grün"' }, '"grün"', '"gr\\195\\188n"'],
    [
      "TXT",
      { content: `"${"a".repeat(255)}" "b"` },
      `"${"a".repeat(255)}" "b"`,
      `"${"a".repeat(255)}" "b"`,
    ],
    ["SRV", { data: { priority: 0, weight: 0, port: 0, target: "." } }, "0 0 .", "0 0 0 ."],
    [
      "SRV",
      { data: { priority: 0, weight: 1, port: 993, target: "mail.example.test" } },
      "1 993 mail.example.test",
      "0 1 993 mail.example.test.",
    ],
    [
      "TLSA",
      { data: { usage: 3, selector: 1, matching_type: 1, certificate: "ab".repeat(32) } },
      `3 1 1 ${"AB".repeat(32)}`,
      `3 1 1 ${"AB".repeat(32)}`,
    ],
    [
      "CAA",
      { data: { flags: "0", tag: "issue", value: "letsencrypt.org; accounturi=https://a" } },
      '0 issue "letsencrypt.org; accounturi=https://a"',
      '0 issue "letsencrypt.org; accounturi=https://a"',
    ],
  ])(
    "of type %s is shown and published in canonical form: %j",
    async (type, fields, content, rdata) => {
      const { create, published } = account();
      const { body } = await create({ type, ...fields });
      expect(body.errors).toEqual([]);
      expect(body.result.content).toBe(content);
      expect(published()).toEqual([{ name: "example.test", ttlSeconds: 300, type, rdata }]);
    },
  );

  it("splits a quoted TXT string of more than 255 bytes", async () => {
    const { create } = account();
    const { body } = await create({ type: "TXT", content: `"${"a".repeat(300)}"` });
    expect(body.result.content).toBe(`"${"a".repeat(255)}" "${"a".repeat(45)}"`);
  });

  it("publishes an unquoted TXT of more than 255 bytes in strings, and shows it as sent", async () => {
    const { create, published } = account();
    const { body } = await create({ type: "TXT", content: "a".repeat(300) });
    expect(body.result.content).toBe("a".repeat(300));
    expect(published()[0]?.rdata).toBe(`"${"a".repeat(255)}" "${"a".repeat(45)}"`);
  });

  it.each([
    ["@", "example.test"],
    ["Mail", "mail.example.test"],
    ["mail.example.org", "mail.example.org.example.test"],
    ["grün.example.test.", "xn--grn-ioa.example.test"],
    ["_dmarc.example.test", "_dmarc.example.test"],
  ])("named %s becomes %s", async (name, full) => {
    const { create } = account();
    const { body } = await create({ name, type: "TXT", content: "x" });
    expect(body.result.name).toBe(full);
  });

  it("returns the priority of SRV beside its data", async () => {
    const { create } = account();
    const data = { priority: 5, weight: 1, port: 993, target: "mail.example.test" };
    const { body } = await create({ type: "SRV", data });
    expect(body.result).toMatchObject({ priority: 5, data });
  });

  it.each([
    [{ type: "A", content: "1.2.3" }, 9005],
    [{ type: "AAAA", content: "1.2.3.4" }, 9006],
    [{ type: "MX", content: "mail.example.test" }, 9100],
    [{ type: "MX", content: "192.0.2.1", priority: 1 }, 9009],
    [{ type: "TLSA", content: "3 1 1 AB" }, 9101],
    [{ type: "A", content: "192.0.2.1", ttl: 59 }, 9021],
    [{ type: "A", content: "192.0.2.1", ttl: 86401 }, 9021],
    [{ type: "A", content: "192.0.2.1", comment: "x".repeat(101) }, 9313],
    [{ type: "A", content: "192.0.2.1", tags: ["a:b"] }, 9300],
    [{ type: "TXT", content: "x".repeat(4097) }, 9015],
    [{ type: "TXT", content: "x", name: "a..example.test" }, 9000],
    [{ type: "TXT", content: "x", proxied: true }, 9004],
  ])("is refused when it is %j", async (fields, code) => {
    const { create } = account();
    const { status, body, headers } = await create(fields);
    expect(status).toBe(400);
    expect(body.errors[0].code).toBe(1004);
    expect(body.errors[0].error_chain[0].code).toBe(code);
    expect(headers["x-should-retry"]).toBe("false");
  });

  it.each([
    [
      "TLSA",
      ["AB", "CD"].map((hex) => ({
        data: { usage: 3, selector: 1, matching_type: 1, certificate: hex.repeat(32) },
      })),
    ],
    [
      "CAA",
      ["issue", "issuewild"].map((tag) => ({ data: { flags: 0, tag, value: "letsencrypt.org" } })),
    ],
    ["MX", [10, 20].map((priority) => ({ content: "mail.example.test", priority }))],
  ])("of type %s may stand beside another of the same name", async (type, values) => {
    const { create, published } = account();
    for (const value of values) expect((await create({ type, ...value })).status).toBe(200);
    expect(published().map((each) => [each.name, each.type])).toEqual([
      ["example.test", type],
      ["example.test", type],
    ]);
  });

  it.each([
    [{ type: "A", content: "192.0.2.1" }, { type: "A", content: "192.0.2.1" }, 81058],
    [{ type: "TXT", content: "x" }, { type: "TXT", content: '"x"' }, 81058],
    [{ type: "A", content: "192.0.2.1" }, { type: "CNAME", content: "a.example.org" }, 81053],
    [{ type: "CNAME", content: "a.example.org" }, { type: "AAAA", content: "2001:db8::1" }, 81054],
  ])("like %j excludes %j", async (first, second, code) => {
    const { create } = account();
    await create(first);
    const { status, body } = await create(second);
    expect([status, body.errors[0].code]).toEqual([400, code]);
  });

  it("is replaced by PUT and changed by PATCH", async () => {
    const { create, call, published } = account();
    const { body } = await create({ type: "A", content: "192.0.2.1", comment: "why" });
    const path = `${records}/${body.result.id}?include_shadow_metadata=false`;
    const patched = await call("PATCH", path, { content: "192.0.2.2" });
    expect(patched.body.result).toMatchObject({ content: "192.0.2.2", comment: "why", ttl: 300 });
    const fields = { name: "example.test", type: "A", content: "192.0.2.3", ttl: 1 };
    const put = await call("PUT", path, { ...fields, comment: null });
    expect(put.body.result).toMatchObject({ id: body.result.id, comment: null, ttl: 1 });
    expect(published().map(({ rdata }) => rdata)).toEqual(["192.0.2.3"]);
  });

  it("is gone once it is deleted", async () => {
    const { create, call, published } = account();
    const { body } = await create({ type: "A", content: "192.0.2.1" });
    const path = `${records}/${body.result.id}`;
    expect((await call("DELETE", path)).body.result).toEqual({ id: body.result.id });
    for (const method of ["GET", "DELETE"] as const) {
      const again = await call(method, path);
      expect([again.status, again.body.errors[0].code]).toEqual([404, 81044]);
    }
    expect(published()).toEqual([]);
  });

  it("is found by exact name, type, and the beginning of its comment", async () => {
    const { create, call } = account();
    await create({ type: "A", content: "192.0.2.1", comment: "mail-host/lab: address" });
    await create({ name: "other.example.test", type: "A", content: "192.0.2.1" });
    for (const query of [
      "name.exact=example.test",
      "name=example.test&type=A",
      "comment.startswith=mail-host/",
    ]) {
      const { body } = await call("GET", `${records}?${query}`);
      expect(body.result.map(({ name }: { name: string }) => name)).toEqual(["example.test"]);
    }
    expect((await call("GET", `${records}?page=2`)).body.result).toEqual([]);
  });
});
