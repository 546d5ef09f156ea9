// The emulated Hetzner Cloud over HTTP, without machines: state rules, error shapes, actions. It does not
// prove that the real provider agrees.

import { afterEach, describe, expect, it } from "vitest";
import { createHetznerCloud } from "../../lab/clouds/hetzner";
import type { Infrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore, type Store } from "../../lab/clouds/store";
import { type Answer, clientOf, recorder } from "./clouds-support";

const key =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f lab@example";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) {
    await close();
  }
});

function cloud(
  failing: Partial<Record<keyof Infrastructure, string>> = {},
  options: { store?: Store; actionMilliseconds?: number; serverLimit?: number } = {},
) {
  const { effects, infrastructure } = recorder(failing);
  const app = createHetznerCloud({
    infrastructure,
    store: memoryStore(),
    actionMilliseconds: 5,
    ...options,
  });
  closing.push(() => app.close());
  const call = clientOf(app, "/v1");

  /** Waits for the actions of an answer, as hcloud-go does, and returns the last state of each. */
  async function settle(answer: Answer) {
    const { action, actions = [], next_actions = [] } = answer.body;
    const ids = [action, ...actions, ...next_actions].flatMap((one) => (one ? [one.id] : []));
    for (;;) {
      const query = ids.map((id) => `id=${id}`).join("&");
      const polled = await call("GET", `/actions?${query}&page=1&sort=status&sort=id`);
      expect(polled.body.actions).toHaveLength(ids.length);
      if (polled.body.actions.every((one: { status: string }) => one.status !== "running")) {
        return polled.body.actions;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async function address(type: "ipv4" | "ipv6", name: string, location = "nbg1") {
    const answer = await call("POST", "/primary_ips", { name, type, location, auto_delete: false });
    expect(answer.status).toBe(201);
    return answer.body.primary_ip;
  }

  async function server(fields: object = {}) {
    const answer = await call("POST", "/servers", {
      name: "mail",
      server_type: "cx23",
      image: 310557660,
      location: "nbg1",
      ...fields,
    });
    expect(answer.body.error).toBeUndefined();
    await settle(answer);
    return (await call("GET", `/servers/${answer.body.server.id}`)).body.server;
  }

  async function volume(fields: object = {}) {
    const answer = await call("POST", "/volumes", {
      name: "mail",
      size: 10,
      location: "nbg1",
      format: "ext4",
      ...fields,
    });
    await settle(answer);
    return answer.body.volume;
  }

  return { app, call, effects, settle, address, server, volume };
}

describe("the API", () => {
  it("refuses a call without a token of 64 characters", async () => {
    const { app } = cloud();
    const { status, body } = await clientOf(app, "/v1", "short")("GET", "/servers");
    expect({ status, body }).toEqual({
      status: 401,
      body: { error: { code: "unauthorized", message: "unable to authenticate", details: null } },
    });
  });

  it("answers an unknown resource and an unknown path with a JSON error", async () => {
    const { call } = cloud();
    for (const path of ["/servers/999", "/volumes/999", "/nothing"]) {
      const { status, body } = await call("GET", path);
      expect([status, body.error.code]).toEqual([404, "not_found"]);
    }
  });

  it("names the fields of an invalid input", async () => {
    const { call } = cloud();
    const { status, body } = await call("POST", "/volumes", { name: "mail", size: 5 });
    expect(status).toBe(422);
    expect(body.error.code).toBe("invalid_input");
    expect(body.error.details.fields.map(({ name }: { name: string }) => name)).toEqual(["size"]);
  });

  it("answers 410 where datacenters were", async () => {
    const { call } = cloud();
    const { status, body } = await call("GET", "/datacenters");
    expect([status, body.error.code]).toEqual([410, "deprecated_api_endpoint"]);
  });

  it("pages through a list and ends with a null next page", async () => {
    const { call } = cloud();
    const first = await call("GET", "/server_types?per_page=10&page=1");
    const last = await call("GET", "/server_types?per_page=10&page=2");
    expect(first.body.server_types).toHaveLength(10);
    expect(first.body.meta.pagination.next_page).toBe(2);
    expect(last.body.meta.pagination.next_page).toBeNull();
  });

  it("finds one image for a name and an architecture", async () => {
    const { call } = cloud();
    const { body } = await call(
      "GET",
      "/images?architecture=arm&include_deprecated=true&name=debian-13",
    );
    expect(body.images.map(({ id }: { id: number }) => id)).toEqual([310557661]);
  });

  it("finds resources by label selector and refuses a malformed one", async () => {
    const { call, volume } = cloud();
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
    const { call } = cloud({}, { actionMilliseconds: 60 });
    const { body } = await call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
    expect(body.action.status).toBe("running");
    const early = await call("GET", `/actions/${body.action.id}`);
    expect(early.body.action.status).toBe("running");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const late = await call("GET", `/actions/${body.action.id}`);
    expect(late.body.action).toMatchObject({ status: "success", progress: 100, error: null });
  });

  it("fails with the message of the effect", async () => {
    const { call, settle } = cloud({ createVolume: "no space left" });
    const answer = await call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
    const [action] = await settle(answer);
    expect(action).toMatchObject({
      status: "error",
      error: { code: "action_failed", message: "no space left" },
    });
  });

  it("locks its server for other work", async () => {
    const { call, server } = cloud({}, { actionMilliseconds: 30 });
    const { id } = await server();
    await call("POST", `/servers/${id}/actions/poweroff`);
    const second = await call("POST", `/servers/${id}/actions/poweron`);
    expect([second.status, second.body.error.code]).toEqual([423, "locked"]);
  });

  it("meets a fault that a test has ordered", async () => {
    const { call, settle } = cloud();
    const error = { code: "action_failed", message: "ordered" };
    await call("POST", "/_lab/faults", { action: "create_volume", error });
    const answer = await call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
    expect((await settle(answer))[0].error).toEqual(error);
  });
});

describe("a primary IP", () => {
  it("has an address of its location and Hetzner's default PTR record", async () => {
    const { address, effects } = cloud();
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
    const { address, server, call } = cloud();
    const { id } = await address("ipv4", "four");
    await server({ public_net: { ipv4: id, enable_ipv6: false } });
    const { status, body } = await call("DELETE", `/primary_ips/${id}`);
    expect([status, body.error.code]).toEqual([422, "must_be_unassigned"]);
  });

  it("refuses to be unassigned from a running server", async () => {
    const { address, server, call } = cloud();
    const { id } = await address("ipv4", "four");
    await server({ public_net: { ipv4: id } });
    const { body } = await call("POST", `/primary_ips/${id}/actions/unassign`);
    expect(body.error.code).toBe("server_not_stopped");
  });

  it("refuses to be deleted while it is protected", async () => {
    const { address, settle, call } = cloud();
    const { id } = await address("ipv4", "four");
    await settle(
      await call("POST", `/primary_ips/${id}/actions/change_protection`, { delete: true }),
    );
    const { status, body } = await call("DELETE", `/primary_ips/${id}`);
    expect([status, body.error.code]).toEqual([423, "protected"]);
  });

  it("accepts an empty update", async () => {
    const { address, call } = cloud();
    const { id } = await address("ipv4", "four");
    expect((await call("PUT", `/primary_ips/${id}`, {})).status).toBe(200);
  });

  it("shows the same PTR records as its server, and returns to the default", async () => {
    const { address, server, settle, call, effects } = cloud();
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
    const { address, call } = cloud();
    const { id } = await address("ipv6", "six");
    const body = { ip: "2001:2:0:99::1", dns_ptr: "mail.example.test" };
    const answer = await call("POST", `/primary_ips/${id}/actions/change_dns_ptr`, body);
    expect(answer.body.error.details.fields[0].name).toBe("ip");
  });
});

describe("a server", () => {
  it("is created with its addresses, firewalls, keys and user data, and then started", async () => {
    const { address, call, server, effects } = cloud();
    const ipv4 = await address("ipv4", "four");
    const ipv6 = await address("ipv6", "six");
    const ssh = await call("POST", "/ssh_keys", { name: "me", public_key: `${key}\n` });
    const rules = [{ direction: "in", protocol: "tcp", port: "25", source_ips: ["0.0.0.0/0"] }];
    const firewall = await call("POST", "/firewalls", { name: "mail", rules });
    const made = await server({
      user_data: "#cloud-config\n",
      ssh_keys: [ssh.body.ssh_key.id],
      firewalls: [{ firewall: firewall.body.firewall.id }],
      public_net: { enable_ipv4: true, enable_ipv6: true, ipv4: ipv4.id, ipv6: ipv6.id },
    });
    expect(made.status).toBe("running");
    expect(made.locked).toBe(false);
    expect(made).not.toHaveProperty("datacenter");
    expect(effects.slice(1)).toEqual([
      [
        "createServer",
        {
          id: made.id,
          name: "mail",
          image: "debian-13",
          userData: "#cloud-config\n",
          sshPublicKeys: [key],
          location: "nbg1",
          addresses: { ipv4: "198.18.1.10", ipv6Network: "2001:2:0:10::/64" },
        },
      ],
      ["setFirewall", made.id, [{ ...rules[0], destination_ips: [] }]],
      ["startServer", made.id],
    ]);
  });

  it("refuses user data of more than 32768 bytes", async () => {
    const { call } = cloud();
    const fields = { name: "mail", server_type: "cx23", image: "debian-13", location: "nbg1" };
    const { status, body } = await call("POST", "/servers", {
      ...fields,
      user_data: "x".repeat(32769),
    });
    expect(status).toBe(422);
    expect(body.error.details.fields).toEqual([
      { name: "user_data", messages: ["Length must be between 0 and 32768."] },
    ]);
  });

  it("refuses a type that its location does not have", async () => {
    const { call } = cloud();
    const { status, body } = await call("POST", "/servers", {
      name: "mail",
      server_type: "cx23",
      image: "debian-13",
      location: "ash",
    });
    expect([status, body.error.code]).toEqual([412, "resource_unavailable"]);
  });

  it("refuses a name that is taken", async () => {
    const { call, server } = cloud();
    await server();
    const { status, body } = await call("POST", "/servers", {
      name: "mail",
      server_type: "cx23",
      image: "debian-13",
      location: "nbg1",
    });
    expect([status, body.error.code]).toEqual([409, "uniqueness_error"]);
  });

  it("refuses a primary IP of another server", async () => {
    const { call, server, address } = cloud();
    const { id } = await address("ipv4", "four");
    await server({ public_net: { ipv4: id } });
    const { body } = await call("POST", "/servers", {
      name: "second",
      server_type: "cx23",
      image: "debian-13",
      location: "nbg1",
      public_net: { ipv4: id },
    });
    expect(body.error.code).toBe("primary_ip_assigned");
  });

  it("is never started when it could not be created", async () => {
    const { call, settle, effects } = cloud({ createServer: "no such image" });
    const answer = await call("POST", "/servers", {
      name: "mail",
      server_type: "cx23",
      image: "debian-13",
      location: "nbg1",
    });
    const statuses = (await settle(answer)).map(({ status }: { status: string }) => status);
    expect(statuses).toEqual(["error", "error"]);
    expect(effects.map(([name]) => name)).not.toContain("startServer");
  });

  it("leaves volume and lasting address behind when it is deleted", async () => {
    const { call, settle, server, volume, address, effects } = cloud();
    const ip = await address("ipv4", "four");
    const { id } = await server({ public_net: { ipv4: ip.id } });
    const disk = await volume();
    await settle(await call("POST", `/volumes/${disk.id}/actions/attach`, { server: id }));
    effects.length = 0;
    const answer = await call("DELETE", `/servers/${id}`);
    expect(answer.status).toBe(200);
    await settle(answer);
    expect(effects).toEqual([
      ["powerOffServer", id],
      ["detachVolume", disk.id, id],
      ["deleteServer", id],
    ]);
    expect((await call("GET", `/servers/${id}`)).status).toBe(404);
    expect((await call("GET", `/volumes/${disk.id}`)).body.volume.server).toBeNull();
    const kept = (await call("GET", "/primary_ips")).body.primary_ips;
    expect(kept.map((one: { id: number }) => one.id)).toEqual([ip.id]);
    expect(kept[0].assignee_type).toBe("unassigned");
  });

  it("is not shut down a second time", async () => {
    const { call, settle, server, effects } = cloud();
    const { id } = await server();
    await settle(await call("POST", `/servers/${id}/actions/poweroff`));
    effects.length = 0;
    const [action] = await settle(await call("POST", `/servers/${id}/actions/shutdown`));
    expect([action.status, effects]).toEqual(["success", []]);
  });

  it("changes its type only while it is off", async () => {
    const { call, settle, server } = cloud();
    const { id } = await server();
    const wanted = { server_type: "cx33", upgrade_disk: false };
    const refused = await call("POST", `/servers/${id}/actions/change_type`, wanted);
    expect(refused.body.error.code).toBe("server_not_stopped");
    await settle(await call("POST", `/servers/${id}/actions/poweroff`));
    await settle(await call("POST", `/servers/${id}/actions/change_type`, wanted));
    const changed = (await call("GET", `/servers/${id}`)).body.server;
    expect([changed.server_type.name, changed.primary_disk_size]).toEqual(["cx33", 40]);
  });
});

describe("a volume", () => {
  it("is attached to one server at a time", async () => {
    const { call, settle, server, volume } = cloud();
    const { id } = await server();
    const disk = await volume();
    await settle(await call("POST", `/volumes/${disk.id}/actions/attach`, { server: id }));
    const again = await call("POST", `/volumes/${disk.id}/actions/attach`, { server: id });
    expect(again.body.error.code).toBe("volume_already_attached");
    const deletion = await call("DELETE", `/volumes/${disk.id}`);
    expect(deletion.body.error.code).toBe("resource_in_use");
  });

  it("grows and never shrinks", async () => {
    const { call, settle, volume, effects } = cloud();
    const { id } = await volume();
    await settle(await call("POST", `/volumes/${id}/actions/resize`, { size: 20 }));
    expect(effects.at(-1)).toEqual(["resizeVolume", id, 20]);
    const shrink = await call("POST", `/volumes/${id}/actions/resize`, { size: 10 });
    expect(shrink.body.error.code).toBe("invalid_input");
  });
});

describe("a firewall", () => {
  it("gives its server the union of all rules and reopens it when it is removed", async () => {
    const { call, settle, server, effects } = cloud();
    const made = await server({ labels: { role: "mail" } });
    const rule = (port: string) => ({
      direction: "in",
      protocol: "tcp",
      port,
      source_ips: ["0.0.0.0/0", "::/0"],
    });
    const apply_to = [{ type: "server", server: { id: made.id } }];
    const first = await call("POST", "/firewalls", { name: "a", rules: [rule("25")], apply_to });
    await settle(first);
    const selector = [{ type: "label_selector", label_selector: { selector: "role=mail" } }];
    const second = await call("POST", "/firewalls", {
      name: "b",
      rules: [rule("993")],
      apply_to: selector,
    });
    await settle(second);
    const ports = () => {
      const rules = effects.at(-1)?.[2] as { port: string }[] | null;
      return rules?.map(({ port }) => port) ?? null;
    };
    expect(ports()).toEqual(["25", "993"]);
    const refused = await call("DELETE", `/firewalls/${first.body.firewall.id}`);
    expect(refused.body.error.code).toBe("resource_in_use");
    const remove = async (id: number, remove_from: object[]) =>
      settle(await call("POST", `/firewalls/${id}/actions/remove_from_resources`, { remove_from }));
    await remove(first.body.firewall.id, apply_to);
    expect(ports()).toEqual(["993"]);
    await remove(second.body.firewall.id, selector);
    expect(ports()).toBeNull();
  });

  it("accepts null for no resources", async () => {
    const { call } = cloud();
    const { body } = await call("POST", "/firewalls", { name: "a" });
    const path = `/firewalls/${body.firewall.id}/actions`;
    const applied = await call("POST", `${path}/apply_to_resources`, { apply_to: null });
    const removed = await call("POST", `${path}/remove_from_resources`, { remove_from: [] });
    expect([applied.status, removed.status]).toEqual([201, 201]);
  });

  it("refuses a network with host bits", async () => {
    const { call } = cloud();
    const rules = [{ direction: "in", protocol: "tcp", port: "25", source_ips: ["10.0.0.1/8"] }];
    const { body } = await call("POST", "/firewalls", { name: "a", rules });
    expect(body.error.details.fields[0].name).toBe("rules.0.source_ips.0");
  });
});

describe("an SSH key", () => {
  it("has the MD5 fingerprint of its key and exists once", async () => {
    const { call } = cloud();
    const { body } = await call("POST", "/ssh_keys", { name: "a", public_key: key });
    expect(body.ssh_key.fingerprint).toMatch(/^(?:[0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    const again = await call("POST", "/ssh_keys", { name: "b", public_key: key });
    expect(again.status).toBe(409);
    expect(again.body.error.details.fields[0].name).toBe("public_key");
    expect((await call("PUT", `/ssh_keys/${body.ssh_key.id}`, {})).status).toBe(200);
    expect((await call("DELETE", `/ssh_keys/${body.ssh_key.id}`)).status).toBe(204);
  });
});
