// The emulated Hetzner Cloud over HTTP, without machines: the API's general rules, actions, addresses and
// keys. It does not prove that the real provider agrees.

import { describe, expect, it } from "vitest";
import { clientOf, hetznerCloud, sshKey } from "./clouds-support";

describe("the API", () => {
  it("refuses a call without a token of 64 characters", async () => {
    const { app } = hetznerCloud();
    const { status, body } = await clientOf(app, "/v1", "short")("GET", "/servers");
    expect({ status, body }).toEqual({
      status: 401,
      body: { error: { code: "unauthorized", message: "unable to authenticate", details: null } },
    });
  });

  it("answers an unknown resource and an unknown path with a JSON error", async () => {
    const { call } = hetznerCloud();
    for (const path of ["/servers/999", "/volumes/999", "/nothing"]) {
      const { status, body } = await call("GET", path);
      expect([status, body.error.code]).toEqual([404, "not_found"]);
    }
  });

  it("names the fields of an invalid input", async () => {
    const { call } = hetznerCloud();
    const { status, body } = await call("POST", "/volumes", { name: "mail", size: 5 });
    expect(status).toBe(422);
    expect(body.error.code).toBe("invalid_input");
    expect(body.error.details.fields.map(({ name }: { name: string }) => name)).toEqual(["size"]);
  });

  it("answers 410 where datacenters were", async () => {
    const { call } = hetznerCloud();
    const { status, body } = await call("GET", "/datacenters");
    expect([status, body.error.code]).toEqual([410, "deprecated_api_endpoint"]);
  });

  it("pages through a list and ends with a null next page", async () => {
    const { call } = hetznerCloud();
    const first = await call("GET", "/server_types?per_page=10&page=1");
    const last = await call("GET", "/server_types?per_page=10&page=2");
    expect(first.body.server_types).toHaveLength(10);
    expect(first.body.meta.pagination.next_page).toBe(2);
    expect(last.body.meta.pagination.next_page).toBeNull();
  });

  it("finds one image for a name and an architecture", async () => {
    const { call } = hetznerCloud();
    const { body } = await call(
      "GET",
      "/images?architecture=arm&include_deprecated=true&name=debian-13",
    );
    expect(body.images.map(({ id }: { id: number }) => id)).toEqual([310557661]);
  });

  it("finds resources by label selector and refuses a malformed one", async () => {
    const { call, volume } = hetznerCloud();
    await volume({ name: "a", labels: { role: "mail", stage: "lab" } });
    await volume({ name: "b", labels: { role: "web" } });
    const names = async (selector: string) => {
      const { body } = await call("GET", `/volumes?label_selector=${encodeURIComponent(selector)}`);
      return body.volumes.map(({ name }: { name: string }) => name);
    };
    expect(await names("role=mail")).toEqual(["a"]);
    expect(await names("role in (mail,web),!stage")).toEqual(["b"]);
    expect(await names("role notin (web), stage")).toEqual(["a"]);
    expect(await names("role!=mail")).toEqual(["b"]);
    const malformed = await call("GET", "/volumes?label_selector=a%20b%20c");
    expect(malformed.body.error.code).toBe("invalid_input");
  });
});

describe("an action", () => {
  it("keeps running until its time has passed", async () => {
    const { call } = hetznerCloud({}, { actionMilliseconds: 60 });
    const { body } = await call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
    expect(body.action.status).toBe("running");
    const early = await call("GET", `/actions/${body.action.id}`);
    expect(early.body.action.status).toBe("running");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const late = await call("GET", `/actions/${body.action.id}`);
    expect(late.body.action).toMatchObject({ status: "success", progress: 100, error: null });
  });

  it("fails with the message of the effect", async () => {
    const { call, settle } = hetznerCloud({ createVolume: "no space left" });
    const answer = await call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
    const [action] = await settle(answer);
    expect(action).toMatchObject({
      status: "error",
      error: { code: "action_failed", message: "no space left" },
    });
  });

  it("locks its server for other work", async () => {
    const { call, server } = hetznerCloud({}, { actionMilliseconds: 30 });
    const { id } = await server();
    await call("POST", `/servers/${id}/actions/poweroff`);
    const second = await call("POST", `/servers/${id}/actions/poweron`);
    expect([second.status, second.body.error.code]).toEqual([423, "locked"]);
  });

  it("meets a fault that a test has ordered", async () => {
    const { call, settle } = hetznerCloud();
    const error = { code: "action_failed", message: "ordered" };
    await call("POST", "/_lab/faults", { action: "create_volume", error });
    const answer = await call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
    expect((await settle(answer))[0].error).toEqual(error);
  });
});

describe("a primary IP", () => {
  it("has an address of its location and Hetzner's default PTR record", async () => {
    const { address, effects } = hetznerCloud();
    const ipv4 = await address("ipv4", "four");
    const ipv6 = await address("ipv6", "six");
    const elsewhere = await address("ipv4", "far", "fsn1");
    expect([ipv4.ip, ipv6.ip, elsewhere.ip]).toEqual([
      "198.18.1.10",
      "2001:2:0:10::/64",
      "198.18.2.10",
    ]);
    const name = "static.10.1.18.198.clients.your-server.de";
    expect(ipv4.dns_ptr).toEqual([{ ip: "198.18.1.10", dns_ptr: name }]);
    expect(ipv6.dns_ptr).toEqual([]);
    expect(effects[0]).toEqual(["setPtr", "198.18.1.10", name]);
    expect([ipv4.assignee_type, ipv4.assignee_id]).toEqual(["unassigned", null]);
  });

  it("refuses to be deleted while it is assigned", async () => {
    const { address, server, call } = hetznerCloud();
    const { id } = await address("ipv4", "four");
    await server({ public_net: { ipv4: id, enable_ipv6: false } });
    const { status, body } = await call("DELETE", `/primary_ips/${id}`);
    expect([status, body.error.code]).toEqual([422, "must_be_unassigned"]);
  });

  it("refuses to be unassigned from a running server", async () => {
    const { address, server, call } = hetznerCloud();
    const { id } = await address("ipv4", "four");
    await server({ public_net: { ipv4: id } });
    const { body } = await call("POST", `/primary_ips/${id}/actions/unassign`);
    expect(body.error.code).toBe("server_not_stopped");
  });

  it("refuses to be deleted while it is protected", async () => {
    const { address, settle, call } = hetznerCloud();
    const { id } = await address("ipv4", "four");
    await settle(
      await call("POST", `/primary_ips/${id}/actions/change_protection`, { delete: true }),
    );
    const { status, body } = await call("DELETE", `/primary_ips/${id}`);
    expect([status, body.error.code]).toEqual([423, "protected"]);
  });

  it("accepts an empty update", async () => {
    const { address, call } = hetznerCloud();
    const { id } = await address("ipv4", "four");
    expect((await call("PUT", `/primary_ips/${id}`, {})).status).toBe(200);
  });

  it("shows the same PTR records as its server, and returns to the default", async () => {
    const { address, server, settle, call, effects } = hetznerCloud();
    const ipv4 = await address("ipv4", "four");
    const ipv6 = await address("ipv6", "six");
    const { id } = await server({ public_net: { ipv4: ipv4.id, ipv6: ipv6.id } });
    const change = async (path: string, ip: string, dns_ptr: string | null) =>
      settle(await call("POST", `${path}/actions/change_dns_ptr`, { ip, dns_ptr }));
    await change(`/primary_ips/${ipv4.id}`, ipv4.ip, "mail.example.test");
    await change(`/servers/${id}`, "2001:2:0:10:0:0:0:1", "mail.example.test");
    const shown = (await call("GET", `/servers/${id}`)).body.server.public_net;
    expect(shown.ipv4.dns_ptr).toBe("mail.example.test");
    expect(shown.ipv6.dns_ptr).toEqual([{ ip: "2001:2:0:10::1", dns_ptr: "mail.example.test" }]);
    const six = (await call("GET", `/primary_ips/${ipv6.id}`)).body.primary_ip;
    expect(six.dns_ptr).toEqual(shown.ipv6.dns_ptr);
    await change(`/primary_ips/${ipv4.id}`, ipv4.ip, null);
    await change(`/primary_ips/${ipv6.id}`, "2001:2:0:10::1", null);
    const name = "static.10.1.18.198.clients.your-server.de";
    expect(effects.slice(-2)).toEqual([
      ["setPtr", "198.18.1.10", name],
      ["setPtr", "2001:2:0:10::1", null],
    ]);
  });

  it("refuses a PTR record for a foreign address", async () => {
    const { address, call } = hetznerCloud();
    const { id } = await address("ipv6", "six");
    const body = { ip: "2001:2:0:99::1", dns_ptr: "mail.example.test" };
    const answer = await call("POST", `/primary_ips/${id}/actions/change_dns_ptr`, body);
    expect(answer.body.error.details.fields[0].name).toBe("ip");
  });
});

describe("an SSH key", () => {
  it("has the MD5 fingerprint of its key and exists once", async () => {
    const { call } = hetznerCloud();
    const { body } = await call("POST", "/ssh_keys", { name: "a", public_key: sshKey });
    expect(body.ssh_key.fingerprint).toMatch(/^(?:[0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    const again = await call("POST", "/ssh_keys", { name: "b", public_key: sshKey });
    expect(again.status).toBe(409);
    expect(again.body.error.details.fields[0].name).toBe("public_key");
    expect((await call("PUT", `/ssh_keys/${body.ssh_key.id}`, {})).status).toBe(200);
    expect((await call("DELETE", `/ssh_keys/${body.ssh_key.id}`)).status).toBe(204);
  });
});
