// The emulated Hetzner Cloud over HTTP, without machines: servers and what hangs on them. It does not prove
// that the real provider agrees.

import { describe, expect, it } from "vitest";
import { hetznerCloud, sshKey } from "./clouds-support";

describe("a server", () => {
  it("is created with its addresses, firewalls, keys and user data, and then started", async () => {
    const { address, call, server, effects } = hetznerCloud();
    const ipv4 = await address("ipv4", "four");
    const ipv6 = await address("ipv6", "six");
    const ssh = await call("POST", "/ssh_keys", { name: "me", public_key: `${sshKey}\n` });
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
          sshPublicKeys: [sshKey],
          location: "nbg1",
          addresses: { ipv4: "198.18.1.10", ipv6Network: "2001:2:0:10::/64" },
        },
      ],
      ["setFirewall", made.id, [{ ...rules[0], destination_ips: [] }]],
      ["startServer", made.id],
    ]);
  });

  it("refuses user data of more than 32768 bytes", async () => {
    const { call } = hetznerCloud();
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
    const { call } = hetznerCloud();
    const { status, body } = await call("POST", "/servers", {
      name: "mail",
      server_type: "cx23",
      image: "debian-13",
      location: "ash",
    });
    expect([status, body.error.code]).toEqual([412, "resource_unavailable"]);
  });

  it("refuses a name that is taken", async () => {
    const { call, server } = hetznerCloud();
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
    const { call, server, address } = hetznerCloud();
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
    const { call, settle, effects } = hetznerCloud({ createServer: "no such image" });
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
    const { call, settle, server, volume, address, effects } = hetznerCloud();
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
    const { call, settle, server, effects } = hetznerCloud();
    const { id } = await server();
    await settle(await call("POST", `/servers/${id}/actions/poweroff`));
    effects.length = 0;
    const [action] = await settle(await call("POST", `/servers/${id}/actions/shutdown`));
    expect([action.status, effects]).toEqual(["success", []]);
  });

  it("changes its type only while it is off", async () => {
    const { call, settle, server } = hetznerCloud();
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
    const { call, settle, server, volume } = hetznerCloud();
    const { id } = await server();
    const disk = await volume();
    await settle(await call("POST", `/volumes/${disk.id}/actions/attach`, { server: id }));
    const again = await call("POST", `/volumes/${disk.id}/actions/attach`, { server: id });
    expect(again.body.error.code).toBe("volume_already_attached");
    const deletion = await call("DELETE", `/volumes/${disk.id}`);
    expect(deletion.body.error.code).toBe("resource_in_use");
  });

  it("grows and never shrinks", async () => {
    const { call, settle, volume, effects } = hetznerCloud();
    const { id } = await volume();
    await settle(await call("POST", `/volumes/${id}/actions/resize`, { size: 20 }));
    expect(effects.at(-1)).toEqual(["resizeVolume", id, 20]);
    const shrink = await call("POST", `/volumes/${id}/actions/resize`, { size: 10 });
    expect(shrink.body.error.code).toBe("invalid_input");
  });
});

describe("a firewall", () => {
  it("gives its server the union of all rules and reopens it when it is removed", async () => {
    const { call, settle, server, effects } = hetznerCloud();
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
    const { call } = hetznerCloud();
    const { body } = await call("POST", "/firewalls", { name: "a" });
    const path = `/firewalls/${body.firewall.id}/actions`;
    const applied = await call("POST", `${path}/apply_to_resources`, { apply_to: null });
    const removed = await call("POST", `${path}/remove_from_resources`, { remove_from: [] });
    expect([applied.status, removed.status]).toEqual([201, 201]);
  });

  it("refuses a network with host bits", async () => {
    const { call } = hetznerCloud();
    const rules = [{ direction: "in", protocol: "tcp", port: "25", source_ips: ["10.0.0.1/8"] }];
    const { body } = await call("POST", "/firewalls", { name: "a", rules });
    expect(body.error.details.fields[0].name).toBe("rules.0.source_ips.0");
  });
});
