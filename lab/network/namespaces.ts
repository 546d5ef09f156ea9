// The lab's network namespaces: one for the routers, one for each machine. Nothing here touches the
// namespace that the caller lives in; every command names the lab's.

import { mkdir, readdir, readFile, readlink, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerAddresses } from "../clouds/infrastructure";
import { attempt, run } from "../host/run";
import type { LabPaths } from "../paths";
import {
  gatewayIpv4,
  gatewayIpv6,
  resolvers,
  router,
  routerAddresses,
  serverIpv6,
} from "./addresses";
import { linkName } from "./firewall";

const configurationFolder = "/etc/netns";

/** Names of the namespaces of this lab that exist. */
export async function namespacesOf(paths: LabPaths): Promise<string[]> {
  const present = await readdir("/run/netns").catch(() => []);
  return present.filter(
    (name) => name === paths.namespace || name.startsWith(`${paths.namespace}.`),
  );
}

/** Processes that live in any of this lab's namespaces. */
export async function processesOf(paths: LabPaths): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await namespacesOf(paths)) {
    const listed = await attempt(["ip", "netns", "pids", name]);
    pids.push(...listed.stdout.split("\n").filter(Boolean).map(Number));
  }
  return pids.filter((pid) => pid !== process.pid);
}

const inside = (paths: LabPaths): string[] => ["ip", "netns", "exec", paths.namespace];

/** Argument vector that runs a command among the lab's routers, with the lab's resolver. */
export const inNetwork = (paths: LabPaths, argv: readonly string[]): string[] => [
  ...inside(paths),
  ...argv,
];

/** Makes the routers' namespace with all the addresses that it answers. */
export async function createRouter(paths: LabPaths): Promise<void> {
  const folder = join(configurationFolder, paths.namespace);
  await mkdir(folder, { recursive: true });
  const nameservers = resolvers.map(({ ipv4 }) => `nameserver ${ipv4}\n`).join("");
  await writeFile(join(folder, "resolv.conf"), nameservers);
  // Without this a system with nss-resolve would ask its own resolver, past the namespace.
  const nsswitch = await readFile("/etc/nsswitch.conf", "utf8").catch(() => "passwd: files\n");
  const hosts = `${nsswitch.replace(/^hosts:.*\n?/m, "")}\nhosts: files dns\n`;
  await writeFile(join(folder, "nsswitch.conf"), hosts);
  await run(["ip", "netns", "add", paths.namespace]);
  const settings = [
    "net.ipv6.conf.all.disable_ipv6=0",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.ip_nonlocal_bind=1",
  ];
  await run(inNetwork(paths, ["sysctl", "--quiet", "--write", ...settings]));
  const commands = [
    "link set lo up",
    ...routerAddresses.map((address) =>
      address.includes(":")
        ? `addr add ${address}/128 dev lo nodad`
        : `addr add ${address}/32 dev lo`,
    ),
  ];
  const batch = commands.map((command) => `${command}\n`).join("");
  await run(["ip", "-n", paths.namespace, "-batch", "-"], { input: batch });
}

/** Name of a machine's own namespace. */
export const machineNamespace = (paths: LabPaths, serverId: number): string =>
  `${paths.namespace}.${serverId}`;

/** Hetzner's MAC addresses start so; the rest is the server's id. */
export const macAddress = (serverId: number): string => {
  const hex = serverId.toString(16).padStart(8, "0").slice(-8);
  return `96:00:${(hex.match(/../g) ?? []).join(":")}`;
};

/** Makes a machine's namespace and its link to the routers afresh. */
export async function createLink(
  paths: LabPaths,
  serverId: number,
  addresses: ServerAddresses,
): Promise<void> {
  await deleteLink(paths, serverId);
  const namespace = machineNamespace(paths, serverId);
  const device = linkName(serverId);
  await run(["ip", "netns", "add", namespace]);
  const commands = [
    `link add ${device} type veth peer name eth0 address ${macAddress(serverId)} netns ${namespace}`,
    `link set ${device} addrgenmode none`,
    `addr add ${gatewayIpv4}/32 dev ${device}`,
    `link set ${device} up`,
    `addr add ${gatewayIpv6}/64 dev ${device} nodad`,
  ];
  if (addresses.ipv4 !== null) {
    commands.push(`route add ${addresses.ipv4}/32 dev ${device} src ${router.ipv4}`);
  }
  if (addresses.ipv6Network !== null) {
    commands.push(`route add ${addresses.ipv6Network} dev ${device} src ${router.ipv6}`);
  }
  const batch = commands.map((command) => `${command}\n`).join("");
  await run(["ip", "-n", paths.namespace, "-batch", "-"], { input: batch });
}

/** Removes a machine's namespace and link; what lives in it is dead already. */
export async function deleteLink(paths: LabPaths, serverId: number): Promise<void> {
  await attempt(["ip", "-n", paths.namespace, "link", "delete", linkName(serverId)]);
  const namespace = machineNamespace(paths, serverId);
  if ((await namespacesOf(paths)).includes(namespace))
    await run(["ip", "netns", "delete", namespace]);
}

/** Removes all namespaces of this lab and what their commands were given. */
export async function deleteNamespaces(paths: LabPaths): Promise<void> {
  for (const name of await namespacesOf(paths)) await run(["ip", "netns", "delete", name]);
  await rm(join(configurationFolder, paths.namespace), { recursive: true, force: true });
  await rmdir(configurationFolder).catch(() => {});
  const others = await readdir("/run/netns").catch(() => ["unknown"]);
  if (others.length === 0) {
    await attempt(["umount", "/run/netns"]);
    await rmdir("/run/netns").catch(() => {});
  }
}

/** True when a process runs in the network namespace that this one runs in. */
export const sharesNetwork = async (pid: number): Promise<boolean> => {
  const own = await readlink("/proc/self/ns/net");
  return (await readlink(`/proc/${pid}/ns/net`).catch(() => "")) === own;
};

/** The address that the world sees of a server, IPv6. */
export const publicIpv6 = (addresses: ServerAddresses): string | null =>
  addresses.ipv6Network === null ? null : serverIpv6(addresses.ipv6Network);
