// The one project of an emulated Hetzner account: its state, its actions, and what several resources need
// of each other. Routes are elsewhere.

import type { FirewallRule, Infrastructure } from "../infrastructure";
import type { Store } from "../store";
import type { Actions } from "./actions";
import { HetznerError, type HetznerErrorCode, notFound, notUnique } from "./errors";
import { labelSelector } from "./labels";
import type { Firewall, HetznerState, Labels, PrimaryIp, Server, Volume } from "./state";

/** What every route works on. */
export interface Project {
  readonly state: HetznerState;
  readonly store: Store;
  readonly actions: Actions;
  readonly infrastructure: Infrastructure;
  readonly serverLimit: number;
  /** Does one effect after the other for each subject, such as `server 12`. */
  inOrder(subject: string, effect: () => Promise<void>): Promise<void>;
}

/** Gives each subject a queue of effects. */
export function effectQueues(): Project["inOrder"] {
  const tails = new Map<string, Promise<void>>();
  return (subject, effect) => {
    const result = (tails.get(subject) ?? Promise.resolve()).then(effect);
    tails.set(
      subject,
      result.catch(() => {}),
    );
    return result;
  };
}

/** The next id; ids never repeat, whatever the type. */
export function takeId(project: Project): number {
  const id = project.state.nextId;
  project.state.nextId += 1;
  return id;
}

/** Finds by id or throws `not_found`. */
export function byId<Item extends { readonly id: number }>(
  items: readonly Item[],
  id: number | string,
  kind: string,
): Item {
  const found = items.find((item) => item.id === Number(id));
  if (found === undefined) {
    throw notFound(kind, id);
  }
  return found;
}

/** Throws `uniqueness_error` when another item has the name. */
export function requireUniqueName(
  items: readonly { readonly id: number; readonly name: string }[],
  name: string,
  ownId?: number,
): void {
  if (items.some((item) => item.name === name && item.id !== ownId)) {
    throw notUnique("name", "name is already used");
  }
}

/** Removes an item from its list. */
export function drop<Item extends { readonly id: number }>(items: Item[], id: number): void {
  const index = items.findIndex((item) => item.id === id);
  if (index >= 0) {
    items.splice(index, 1);
  }
}

/** Throws `protected` when a deletion is forbidden. */
export function requireUnprotected(isProtected: boolean, kind: string): void {
  if (isProtected) {
    throw new HetznerError("protected", `${kind} deletion is protected`);
  }
}

/** Does an effect that has no action; a rejection is answered as the given error. */
export async function effectNow(
  effect: () => Promise<void>,
  code: HetznerErrorCode = "server_error",
): Promise<void> {
  try {
    await effect();
  } catch (error) {
    throw new HetznerError(code, error instanceof Error ? error.message : String(error));
  }
}

/** The PTR name that Hetzner gives an IPv4 address of its own accord. */
export function defaultPointer(ip: string): string {
  return `static.${ip.split(".").reverse().join(".")}.clients.your-server.de`;
}

/** The PTR records of a primary IP as they are published. */
export function pointersOf(
  ip: PrimaryIp,
): readonly { readonly ip: string; readonly name: string }[] {
  if (ip.type === "ipv6") {
    return ip.pointers;
  }
  return [{ ip: ip.ip, name: ip.pointers[0]?.name ?? defaultPointer(ip.ip) }];
}

/** The addresses of a server. */
export function addressesOf(project: Project, server: Server) {
  const ipOf = (id: number | null) =>
    project.state.primaryIps.find((ip) => ip.id === id)?.ip ?? null;
  return { ipv4: ipOf(server.ipv4Id), ipv6Network: ipOf(server.ipv6Id) };
}

/** The volumes attached to a server. */
export function volumesOf(project: Project, serverId: number): readonly Volume[] {
  return project.state.volumes.filter((volume) => volume.serverId === serverId);
}

/** Servers that a label selector finds. */
export function selectedServers(project: Project, selector: string): readonly Server[] {
  const matches = labelSelector(selector);
  return project.state.servers.filter((server) => matches(server.labels));
}

/** Firewalls that filter a server with these labels, directly or by a selector. */
export function firewallsOf(
  project: Project,
  server: { readonly id: number; readonly labels: Labels },
): readonly Firewall[] {
  return project.state.firewalls.filter(
    (firewall) =>
      firewall.serverIds.includes(server.id) ||
      firewall.labelSelectors.some((selector) => labelSelector(selector)(server.labels)),
  );
}

/** Servers that a firewall filters. */
export function serversBehind(project: Project, firewall: Firewall): readonly Server[] {
  return project.state.servers.filter((server) => firewallsOf(project, server).includes(firewall));
}

/** Puts the union of a server's firewalls in place, as they are when its turn comes. */
export function renewFirewall(project: Project, serverId: number): Promise<void> {
  return project.inOrder(`server ${serverId}`, async () => {
    const server = project.state.servers.find(({ id }) => id === serverId);
    if (server === undefined) {
      return;
    }
    const firewalls = firewallsOf(project, server);
    const rules = firewalls.flatMap((firewall) =>
      firewall.rules.map(
        ({ direction, protocol, port, source_ips, destination_ips }): FirewallRule => ({
          direction,
          protocol,
          ...(port === null ? {} : { port }),
          source_ips,
          destination_ips,
        }),
      ),
    );
    await project.infrastructure.setFirewall(serverId, firewalls.length === 0 ? null : rules);
  });
}
