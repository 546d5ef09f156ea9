// The real hcloud provider on an emulated cloud that has a bad day: what the person at the keyboard gets
// to read, and what the next `up` makes of it. Proves nothing of Hetzner's own bad days.

import * as hcloud from "@pulumi/hcloud";
import { expect, it } from "vitest";
import { changes } from "./engine-support";
import { reachableCloud, refusal } from "./provider-support";

const volume =
  (fields: Partial<hcloud.VolumeArgs> = {}) =>
  async () => {
    const { id } = new hcloud.Volume("volume", {
      name: "mail",
      size: 10,
      location: "nbg1",
      ...fields,
    });
    return { id };
  };

const server =
  (fields: Partial<hcloud.ServerArgs> = {}) =>
  async () => {
    const { id } = new hcloud.Server("server", {
      name: "mail",
      serverType: "cx23",
      image: "debian-13",
      location: "nbg1",
      ...fields,
    });
    return { id };
  };

const error = (code: string, message: string) => ({ error: { code, message, details: null } });
const creation = { method: "POST", path: "/v1/volumes$" };

it("shows why an action failed, and the next up makes the resource anew", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(volume());
  const reason = { code: "action_failed", message: "no storage is left" };
  await cloud.order({ action: "create_volume", error: reason });
  expect(await refusal(stack.up())).toContain("no storage is left (action_failed");
  await stack.up();
  expect(await cloud.all("volumes")).toHaveLength(1);
  expect(await changes(stack)).toEqual({ same: 2 });
});

it("shows that an action was lost, and the next up makes the resource anew", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(volume());
  await cloud.order({ action: "create_volume", lost: true });
  expect(await refusal(stack.up())).toMatch(/actions? not found/);
  await stack.up();
  expect(await cloud.all("volumes")).toHaveLength(1);
  expect(await changes(stack)).toEqual({ same: 2 });
});

it("makes anew what somebody else removed", async () => {
  const cloud = await reachableCloud();
  const both = async () => {
    const firewall = new hcloud.Firewall("firewall", { name: "mail" });
    const made = new hcloud.Server("server", {
      name: "mail",
      serverType: "cx23",
      image: "debian-13",
      location: "nbg1",
      firewallIds: [firewall.id.apply(Number)],
    });
    const disk = new hcloud.Volume("volume", { name: "mail", size: 10, location: "nbg1" });
    new hcloud.VolumeAttachment("attachment", {
      volumeId: disk.id.apply(Number),
      serverId: made.id.apply(Number),
    });
    return { server: made.id, firewall: firewall.id };
  };
  const stack = await cloud.stack(both);
  const { outputs } = await stack.up();
  await cloud.call("DELETE", `/servers/${outputs.server?.value}`);
  await expect.poll(() => cloud.all("servers")).toEqual([]);
  await cloud.call("DELETE", `/firewalls/${outputs.firewall?.value}`);
  expect(await cloud.all("firewalls")).toEqual([]);
  const { summary } = await stack.up({ refresh: true });
  expect(summary.resourceChanges).toEqual({ create: 3, same: 2 });
  const [after] = await cloud.all("servers");
  expect(after.public_net.firewalls).toHaveLength(1);
  expect((await cloud.all("volumes"))[0].server).toBe(after.id);
});

it("says that a limit is reached", async () => {
  const cloud = await reachableCloud({ serverLimit: 0 });
  const stack = await cloud.stack(server());
  expect(await refusal(stack.up())).toContain("server limit reached (resource_limit_exceeded");
  expect(cloud.requests(/^POST \/v1\/servers /)).toEqual(["POST /v1/servers 403"]);
});

it("says that a server type is not to be had at a location", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(server({ location: "ash" }));
  expect(await refusal(stack.up())).toContain("(resource_unavailable");
});

it("says that a name is taken", async () => {
  const cloud = await reachableCloud();
  await cloud.call("POST", "/volumes", { name: "mail", size: 10, location: "nbg1" });
  const stack = await cloud.stack(volume());
  expect(await refusal(stack.up())).toContain("name is already used (uniqueness_error");
});

it("names the field of an invalid input", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(server({ name: "not a hostname" }));
  expect(await refusal(stack.up())).toMatch(/name => \[?must be a valid hostname/);
});

it("says that a resource is protected, and removes nothing", async () => {
  const cloud = await reachableCloud();
  const address = (deleteProtection: boolean) => async () => {
    new hcloud.PrimaryIp("address", {
      name: "mail",
      type: "ipv4",
      location: "nbg1",
      autoDelete: false,
      deleteProtection,
    });
    return {};
  };
  const stack = await cloud.stack(address(true));
  await stack.up();
  expect(await refusal(stack.destroy())).toContain("primary ip deletion is protected");
  expect(await cloud.all("primary_ips")).toHaveLength(1);
  await stack.up({ program: address(false) });
  await stack.destroy();
  expect(await cloud.all("primary_ips")).toEqual([]);
});

it("says that a server is locked", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(server());
  const { outputs } = await stack.up();
  await cloud.order({ action: "reboot_server", delayMilliseconds: 15_000 });
  await cloud.call("POST", `/servers/${outputs.id?.value}/actions/reboot`);
  expect(await refusal(stack.destroy())).toContain("server is locked (locked");
  expect(await cloud.all("servers")).toHaveLength(1);
});

it("does not ask again after an error of the server's own, and shows it", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(volume());
  await cloud.order({ ...creation, answer: { status: 500, body: error("server_error", "oops") } });
  expect(await refusal(stack.up())).toContain("oops (server_error");
  expect(cloud.requests(/^POST \/v1\/volumes /)).toEqual(["POST /v1/volumes 500"]);
});

it.each([
  [409, "conflict"],
  [429, "rate_limit_exceeded"],
  [504, "timeout"],
])("asks again after %i %s", async (status, code) => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(volume());
  await cloud.order({ ...creation, answer: { status, body: error(code, "later") } });
  await stack.up();
  expect(cloud.requests(/^POST \/v1\/volumes /)).toEqual([
    `POST /v1/volumes ${status}`,
    "POST /v1/volumes 201",
  ]);
});

it("waits for a slow answer and a slow action", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(volume());
  await cloud.order({ ...creation, delayMilliseconds: 2000 });
  await cloud.order({ action: "create_volume", delayMilliseconds: 2000 });
  const started = Date.now();
  await stack.up();
  expect(Date.now() - started).toBeGreaterThan(4000);
  expect(cloud.requests(/^GET \/v1\/actions/).length).toBeGreaterThan(10);
});

it("finds what a lost answer had made in its way, and says so", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(volume());
  const answer = { status: 504, body: error("timeout", "gateway timeout") };
  await cloud.order({ ...creation, when: "after", answer });
  expect(await refusal(stack.up())).toContain("name is already used (uniqueness_error");
  const [made] = await cloud.all("volumes");
  await cloud.call("DELETE", `/volumes/${made.id}`);
  await stack.up();
  expect(await cloud.all("volumes")).toHaveLength(1);
});
