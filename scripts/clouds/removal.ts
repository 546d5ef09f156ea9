// Removes marked things from the clouds, in the order that they allow: names first, so that none leads to
// an address that somebody else may get, then the server, then what it used. What is protected, or used
// by a server that stays, stays.

import { setTimeout as pause } from "node:timers/promises";
import { refused, removalCommand, request } from "./api";
import type { Marked } from "./marked";

/** What stays, why, and the command that removes it all the same. */
export interface LeftAlone {
  readonly thing: Marked;
  readonly reason: string;
  readonly cure: string;
}

export interface Removal {
  readonly removed: readonly Marked[];
  readonly leftAlone: readonly LeftAlone[];
}

const order = ["record", "server", "volume", "address", "firewall", "SSH key"] as const;

/** The things in the order of their removal. */
export const inOrder = (things: readonly Marked[]): Marked[] =>
  order.flatMap((word) => things.filter((thing) => thing.word === word));

/** Why a thing stays whatever happens; undefined where it may go. Pure. */
export function obstacle(thing: Marked, goes: readonly Marked[]): string | undefined {
  if (thing.isProtected) return "it is protected from deletion";
  const holder = thing.usedBy.find((id) => !goes.some(({ serverId }) => serverId === id));
  return holder === undefined ? undefined : `server ${holder} uses it, and stays`;
}

/** Servers that may go: what uses nothing else can be decided first. */
const goingServers = (things: readonly Marked[]) =>
  things.filter(({ word, isProtected }) => word === "server" && !isProtected);

/** What would go and what would stay. Pure. */
export function plan(things: readonly Marked[]): Removal {
  const servers = goingServers(things);
  const removed = inOrder(things).filter((thing) => obstacle(thing, servers) === undefined);
  const leftAlone = inOrder(things).flatMap((thing) => {
    const reason = obstacle(thing, servers);
    return reason === undefined ? [] : [stays(thing, reason)];
  });
  return { removed, leftAlone };
}

const stays = (thing: Marked, reason: string): LeftAlone => ({
  thing,
  reason,
  cure: thing.isProtected
    ? "take its protection off in the console, if nothing needs it"
    : removalCommand(thing.api, thing.path),
});

/** Removes what may go, one after the other, and tells of each. A cloud's refusal ends nothing but that one. */
export async function remove(
  things: readonly Marked[],
  tell: (thing: Marked) => void = () => {},
): Promise<Removal> {
  const removed: Marked[] = [];
  const leftAlone: LeftAlone[] = [...plan(things).leftAlone];
  for (const thing of plan(things).removed) {
    const servers = thing.word === "server" ? [thing] : removed;
    const reason =
      obstacle(thing, servers) ??
      (await erase(thing).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      ));
    if (reason === undefined) {
      removed.push(thing);
      tell(thing);
    } else leftAlone.push(stays(thing, reason));
  }
  return { removed, leftAlone };
}

/** How long a cloud may be busy with what was asked of it before. */
const patienceSeconds = 120;

/** Resolves when it is gone. */
async function erase({ api, path, word }: Marked): Promise<undefined> {
  const end = Date.now() + patienceSeconds * 1000;
  for (;;) {
    const answer = await request(api, "DELETE", path);
    if (answer.status < 300 || answer.status === 404) break;
    if (!isBusy(answer.body) || Date.now() > end) throw refused(api, "DELETE", path, answer);
    await pause(500);
  }
  // A deleted server is one that shuts down and then lets go of its volume and its addresses.
  while (word === "server" && (await request(api, "GET", path)).status !== 404) {
    if (Date.now() > end) throw new Error(`${path} is still there after ${patienceSeconds} s`);
    await pause(200);
  }
}

/** Hetzner's codes for what passes by itself. */
const isBusy = (body: string) =>
  /"(locked|conflict|resource_in_use|must_be_unassigned|rate_limit_exceeded)"/.test(body);
