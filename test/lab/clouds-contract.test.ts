// Every route of both emulated clouds, called once and held against its contract; and the contract itself,
// which must catch an answer that is wrong. What the contract says is read from documentation, not proven.

import { describe, expect, it } from "vitest";
import { createCloudflare, zoneIdOf } from "../../lab/clouds/cloudflare";
import { createHetznerCloud } from "../../lab/clouds/hetzner";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { clientOf, hetznerCloud, sshKey, watched } from "./clouds-support";
import { cloudflareContract, hetznerContract, watch, whatIsWrong } from "./contract";

/** Calls every route of the emulated Hetzner Cloud. */
async function walkHetzner() {
  const { seen, call, settle, server, address, volume } = hetznerCloud();
  const done = async (...args: Parameters<typeof call>) => {
    const answer = await call(...args);
    await settle(answer);
    return answer;
  };
  const ipv4 = await address("ipv4", "four");
  const ipv6 = await address("ipv6", "six");
  const disk = await volume({ labels: { role: "mail" } });
  const key = (await call("POST", "/ssh_keys", { name: "me", public_key: sshKey })).body.ssh_key;
  const group = (await call("POST", "/placement_groups", { name: "apart", type: "spread" })).body
    .placement_group;
  const rules = ["tcp", "icmp"].map((protocol) => ({
    direction: "in",
    protocol,
    ...(protocol === "tcp" ? { port: "25", description: "mail" } : {}),
    source_ips: ["0.0.0.0/0", "::/0"],
  }));
  const wall = (await call("POST", "/firewalls", { name: "wall", rules })).body.firewall;
  const { id } = await server({
    ssh_keys: [key.id],
    placement_group: group.id,
    labels: { role: "mail" },
    public_net: { ipv4: ipv4.id, ipv6: ipv6.id },
  });

  const onServer = (verb: string, body?: object) =>
    done("POST", `/servers/${id}/actions/${verb}`, body);
  await onServer("reboot");
  await onServer("reset");
  await onServer("shutdown");
  await onServer("poweron");
  await onServer("poweroff");
  await onServer("enable_backup");
  await onServer("disable_backup");
  await onServer("change_type", { server_type: "cx33", upgrade_disk: true });
  await onServer("change_protection", { delete: true, rebuild: true });
  await onServer("change_protection", { delete: false, rebuild: false });
  const pointer = { ip: ipv4.ip, dns_ptr: "mail.example.test" };
  await onServer("change_dns_ptr", pointer);
  for (const route of seen.routes) {
    const verb = /^POST \/servers\/:id\/actions\/(\w+)$/.exec(route)?.[1];
    if (verb !== undefined && !seen.answered.has(route)) {
      await call("POST", `/servers/${id}/actions/${verb}`, {});
    }
  }

  const onDisk = (verb: string, body?: object) =>
    done("POST", `/volumes/${disk.id}/actions/${verb}`, body);
  await onDisk("attach", { server: id, automount: false });
  await onDisk("resize", { size: 20 });
  await onDisk("change_protection", { delete: false });

  const onWall = (verb: string, body: object) =>
    done("POST", `/firewalls/${wall.id}/actions/${verb}`, body);
  const targets = [
    { type: "server", server: { id } },
    { type: "label_selector", label_selector: { selector: "role=mail" } },
  ];
  await onWall("apply_to_resources", { apply_to: targets });
  await onWall("set_rules", { rules });

  const onIp = (verb: string, body?: object) =>
    done("POST", `/primary_ips/${ipv4.id}/actions/${verb}`, body);
  await onIp("change_dns_ptr", pointer);
  await onIp("change_protection", { delete: false });
  await onIp("unassign");
  await onIp("assign", { assignee_id: id, assignee_type: "server" });

  const { actions } = (await call("GET", `/servers/${id}/actions`)).body;
  await call("GET", `/actions/${actions[0].id}`);
  const owned = {
    servers: id,
    primary_ips: ipv4.id,
    volumes: disk.id,
    firewalls: wall.id,
    ssh_keys: key.id,
    placement_groups: group.id,
    images: 310557660,
    locations: 1,
    server_types: 114,
  };
  for (const [path, resource] of Object.entries(owned)) {
    await call("GET", `/${path}?page=1&per_page=50`);
    await call("GET", `/${path}/${resource}`);
    if (seen.routes.has(`PUT /${path}/:id`)) {
      await call("PUT", `/${path}/${resource}`, { name: `new-${path.replace("_", "-")}` });
    }
    if (seen.routes.has(`GET /${path}/actions`)) {
      await call("GET", `/${path}/actions`);
      const [one] = (await call("GET", `/${path}/${resource}/actions`)).body.actions;
      await call("GET", `/${path}/actions/${one.id}`);
      await call("GET", `/${path}/${resource}/actions/${one.id}`);
    }
  }
  for (const path of ["datacenters", "datacenters/1", "networks", "floating_ips"]) {
    await call("GET", `/${path}`);
  }
  for (const path of ["load_balancers", "certificates", "isos"]) {
    await call("GET", `/${path}`);
  }

  await onWall("remove_from_resources", { remove_from: targets });
  await onDisk("detach");
  await done("DELETE", `/servers/${id}`);
  const { servers: _gone, ...kept } = owned;
  for (const [path, resource] of Object.entries(kept)) {
    if (seen.routes.has(`DELETE /${path}/:id`)) await call("DELETE", `/${path}/${resource}`);
  }
  return seen;
}

/** Calls every route of the emulated Cloudflare. */
async function walkCloudflare() {
  const zone = zoneIdOf("example.test");
  const zones = [{ name: "example.test", id: zone, accountId: "a".repeat(32) }];
  const app = createCloudflare({ infrastructure: noInfrastructure, store: memoryStore(), zones });
  const seen = watched(app, cloudflareContract);
  const call = clientOf(app, "/client/v4");
  await call("GET", "/user/tokens/verify");
  await call("GET", "/zones?name=example.test");
  await call("POST", "/zones", { name: "example.org", account: { id: "a".repeat(32) } });
  await call("GET", `/zones/${zone}`);
  for (const method of ["PUT", "PATCH", "DELETE"] as const) await call(method, `/zones/${zone}`);
  await call("PATCH", `/zones/${zone}/dnssec`, { status: "active" });
  await call("GET", `/zones/${zone}/dnssec`);
  await call("DELETE", `/zones/${zone}/dnssec`);
  const values = [
    { type: "A", content: "192.0.2.1", comment: "why" },
    { type: "CNAME", name: "www.example.test", content: "mail.example.test" },
    { type: "MX", content: "mail.example.test", priority: 10 },
    { type: "SRV", data: { priority: 0, weight: 1, port: 993, target: "mail.example.test" } },
    { type: "CAA", data: { flags: 0, tag: "issue", value: "letsencrypt.org" } },
    { type: "TLSA", data: { usage: 3, selector: 1, matching_type: 1, certificate: "AB" } },
  ];
  const records = `/zones/${zone}/dns_records`;
  for (const value of values) {
    await call("POST", records, { name: "example.test", ttl: 300, ...value });
  }
  const { result } = (await call("GET", records)).body;
  const [{ id, name, type, content }] = result;
  await call("GET", `${records}/${id}`);
  await call("PUT", `${records}/${id}`, { name, type, content, ttl: 1, comment: null });
  await call("PATCH", `${records}/${id}`, { ttl: 60 });
  await call("DELETE", `${records}/${id}`);
  return seen;
}

const clouds = [
  { name: "Hetzner Cloud", contract: hetznerContract, walk: walkHetzner },
  { name: "Cloudflare", contract: cloudflareContract, walk: walkCloudflare },
];

/** Keys under which any name may stand. */
const open = new Set(["labels", "settings", "data"]);

/** Every copy of an answer that has one field more somewhere. */
function withOneMore(value: unknown): unknown[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) =>
      withOneMore(item).map((changed) => value.map((each, at) => (at === index ? changed : each))),
    );
  }
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.entries(value).flatMap(([key, field]) =>
    open.has(key) ? [] : withOneMore(field).map((changed) => ({ ...value, [key]: changed })),
  );
  return [{ ...value, unheard_of: 1 }, ...inner];
}

describe.each(clouds)("every route of the emulated $name", ({ contract, walk }) => {
  it("answers as the contract says, and is in the contract", async () => {
    const { routes, answered } = await walk();
    const known = Object.keys(contract.operations).sort();
    expect([...routes].sort()).toEqual(known);
    expect([...answered.keys()].sort()).toEqual(known);
  });

  it("could not answer with a field more unnoticed", async () => {
    const { answered } = await walk();
    let changes = 0;
    for (const [operation, answer] of answered) {
      const schema = contract.operations[operation]?.answer;
      for (const changed of schema === undefined ? [] : withOneMore(answer)) {
        changes += 1;
        expect(whatIsWrong(schema ?? {}, changed), `${operation}`).toBeDefined();
      }
    }
    expect(changes).toBeGreaterThan(answered.size);
  });
});

describe("the contract", () => {
  /** What the watch says of one call when the answer is changed on its way out. */
  async function saidOf(path: string, change: (answer: string) => string, status?: number) {
    const { app, call } = hetznerCloud();
    app.addHook("onSend", async (_request, reply, payload) => {
      if (status !== undefined) reply.code(status);
      return change(String(payload));
    });
    const { violations } = watch(app, hetznerContract);
    await call("GET", path);
    return violations;
  }

  it.each([
    ["a missing field", "/locations/1", /"city":"[^"]+",/, ""],
    ["null where there is always a value", "/locations/1", /"Falkenstein"/, "null"],
    ["a number as text", "/locations/1", /"id":1/, '"id":"1"'],
    ["a moment of another form", "/images/310557660", /2025-08-12T/, "12.08.2025 "],
    ["a refusal without a code", "/servers/1", /"code":"not_found",/, ""],
    ["a refusal with the code of another status", "/servers/1", /not_found/, "conflict"],
  ])("notices %s", async (_what, path, from, to) => {
    const [said] = await saidOf(path, (answer) => answer.replace(from, to));
    expect(said).toContain(`GET /v1${path}: `);
  });

  it("notices a wrong status, and a refusal of input that names no field", async () => {
    expect(await saidOf("/locations", (answer) => answer, 201)).toEqual([
      "GET /v1/locations: 201: answered: its status is not 200",
    ]);
    const refusal = hetznerContract.refusal(422);
    const error = { code: "invalid_input", message: "invalid input", details: null };
    expect(whatIsWrong(refusal, { error })).toBeDefined();
  });

  it("notices a request that should have been refused", async () => {
    const app = createHetznerCloud({ infrastructure: noInfrastructure, store: memoryStore() });
    const { violations } = watch(app, hetznerContract);
    const call = clientOf(app, "/v1");
    await call("GET", "/locations?colour=red");
    await call("POST", "/ssh_keys", { name: "me", public_key: sshKey, colour: "red" });
    expect(violations).toEqual([
      'GET /v1/locations?colour=red: 200: accepted a request: query parameter "colour" is not known',
      "POST /v1/ssh_keys: 201: accepted a request: it must NOT have additional properties",
    ]);
    await app.close();
  });
});
