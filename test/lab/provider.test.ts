// The real hcloud provider on the emulated cloud: the whole life of everything that a mail host is made
// of. Machines are not booted. Proves that emulator and provider agree, not that Hetzner does.

import * as hcloud from "@pulumi/hcloud";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { expect, it } from "vitest";
import { sshKey } from "./clouds-support";
import { changes } from "./engine-support";
import { reachableCloud } from "./provider-support";

interface Wishes {
  readonly stage: string;
  readonly volumeSize: number;
  readonly serverType: string;
  readonly port: string;
  readonly pointer: string;
  readonly userData: string;
}

const first: Wishes = {
  stage: "one",
  volumeSize: 10,
  serverType: "cx23",
  port: "25",
  pointer: "mail.example.test",
  userData: "#cloud-config\n",
};

const kinds = "ssh_keys primary_ips volumes firewalls servers".split(" ");

/** Ids by resource, to import what is there already. */
type Ids = Readonly<Record<string, string>>;

/** Key, addresses with their PTR records, volume, firewall and server, as `components/` has them. */
const mailHost = (wishes: Wishes, imported: Ids = {}) => {
  const location = "nbg1";
  const labels = { stage: wishes.stage };
  const options = (name: string, more: CustomResourceOptions = {}): CustomResourceOptions => ({
    ...more,
    ...(imported[name] === undefined ? {} : { import: imported[name] }),
  });
  return async () => {
    const key = new hcloud.SshKey("key", { name: "me", publicKey: sshKey, labels }, options("key"));
    const address = (type: "ipv4" | "ipv6") =>
      new hcloud.PrimaryIp(
        type,
        { name: `mail-${type}`, type, location, autoDelete: false, labels },
        options(type),
      );
    const ipv4 = address("ipv4");
    const ipv6 = address("ipv6");
    const pointer = (name: string, ip: hcloud.PrimaryIp, last: string) =>
      new hcloud.Rdns(
        name,
        {
          primaryIpId: ip.id.apply(Number),
          ipAddress: ip.ipAddress.apply((text) => `${text}${last}`),
          dnsPtr: wishes.pointer,
        },
        options(name),
      );
    const pointers = [pointer("ptr4", ipv4, ""), pointer("ptr6", ipv6, "")];
    const volume = new hcloud.Volume(
      "volume",
      { name: "mail", size: wishes.volumeSize, location, format: "ext4", labels },
      options("volume", { ignoreChanges: ["format"] }),
    );
    const sourceIps = ["0.0.0.0/0", "::/0"];
    const firewall = new hcloud.Firewall(
      "firewall",
      {
        name: "mail",
        labels,
        rules: [
          { direction: "in", protocol: "tcp", port: wishes.port, sourceIps },
          { direction: "in", protocol: "icmp", sourceIps },
        ],
      },
      options("firewall"),
    );
    const server = new hcloud.Server(
      "server",
      {
        name: "mail",
        serverType: wishes.serverType,
        image: "debian-13",
        location,
        userData: wishes.userData,
        sshKeys: [key.id],
        labels,
        keepDisk: true,
        firewallIds: [firewall.id.apply(Number)],
        publicNets: [
          {
            ipv4Enabled: true,
            ipv4: ipv4.id.apply(Number),
            ipv6Enabled: true,
            ipv6: ipv6.id.apply(Number),
          },
        ],
      },
      options("server", {
        deleteBeforeReplace: true,
        // The API never shows these, so an imported server cannot have them.
        ...(imported.server === undefined
          ? {}
          : { ignoreChanges: ["userData", "sshKeys", "keepDisk", "publicNets"] }),
      }),
    );
    const attachment = new hcloud.VolumeAttachment(
      "attachment",
      { volumeId: volume.id.apply(Number), serverId: server.id.apply(Number) },
      options("attachment", { deleteBeforeReplace: true }),
    );
    const named = { key, ipv4, ipv6, volume, firewall, server, attachment };
    const ids = Object.fromEntries(Object.entries(named).map(([name, { id }]) => [name, id]));
    return { ...ids, ptr4: pointers[0]?.id, ptr6: pointers[1]?.id };
  };
};

const idsIn = (outputs: Readonly<Record<string, { readonly value: unknown }>>): Ids =>
  Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, String(value)]));

it("creates, reads, updates, replaces, imports and removes all that a mail host is made of", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(mailHost(first));
  const settled = async (wishes: Wishes) => {
    await stack.refresh();
    expect(await changes(stack, mailHost(wishes))).toEqual({ same: 10 });
  };

  const created = await stack.up();
  expect(created.summary.resourceChanges).toEqual({ create: 10 });
  await settled(first);
  const [server] = await cloud.all("servers");
  expect(server).toMatchObject({ status: "running", labels: { stage: "one" } });
  expect(server.public_net.ipv4.dns_ptr).toBe(first.pointer);

  const changed = {
    ...first,
    stage: "two",
    volumeSize: 20,
    serverType: "cx33",
    port: "25-26",
    pointer: "mx.example.test",
  };
  const updated = await stack.up({ program: mailHost(changed) });
  expect(updated.summary.resourceChanges).toEqual({ same: 2, update: 8 });
  await settled(changed);
  const [after] = await cloud.all("servers");
  expect(after).toMatchObject({ id: server.id, labels: { stage: "two" } });
  expect(after.server_type.name).toBe("cx33");
  expect(after.public_net.ipv4.dns_ptr).toBe("mx.example.test");
  expect((await cloud.all("volumes"))[0].size).toBe(20);
  expect((await cloud.all("firewalls"))[0].rules[0].port).toBe("25-26");

  const anew = { ...changed, userData: "#cloud-config\n{}\n" };
  const replaced = await stack.up({ program: mailHost(anew) });
  expect(replaced.summary.resourceChanges).toEqual({ same: 8, replace: 2 });
  await settled(anew);
  const [second, ...others] = await cloud.all("servers");
  expect(others).toEqual([]);
  expect(second.id).not.toBe(server.id);
  expect(second.public_net.ipv4).toEqual(after.public_net.ipv4);
  expect((await cloud.all("volumes"))[0].server).toBe(second.id);

  const ids = idsIn(replaced.outputs);
  const other = await cloud.stack(mailHost(anew, ids));
  const taken = await other.up();
  expect(taken.summary.resourceChanges).toEqual({ create: 1, import: 9 });
  expect(await changes(other, mailHost(anew, ids))).toEqual({ same: 10 });

  await other.destroy();
  for (const kind of kinds) expect(await cloud.all(kind)).toEqual([]);
});

it("makes all of it anew when somebody else has removed everything", async () => {
  const cloud = await reachableCloud();
  const stack = await cloud.stack(mailHost(first));
  await stack.up();
  for (const kind of [...kinds].reverse()) {
    for (const { id } of await cloud.all(kind)) await cloud.call("DELETE", `/${kind}/${id}`);
    await expect.poll(() => cloud.all(kind)).toEqual([]);
  }
  const { summary } = await stack.up({ refresh: true });
  expect(summary.resourceChanges).toEqual({ create: 9, same: 1 });
  for (const kind of kinds) expect(await cloud.all(kind)).not.toEqual([]);
  expect(await changes(stack)).toEqual({ same: 10 });
});
