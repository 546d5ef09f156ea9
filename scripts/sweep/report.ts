// What `npm run sweep` found and did: data for machines, lines for a person. Pure.

import type { Marked } from "../clouds/marked";
import type { LeftAlone } from "../clouds/removal";
import type { StackInClouds } from "./stale";

/** A thing as it is told. */
interface Told {
  readonly what: string;
  readonly stack: string;
  readonly expires?: string;
}

export interface Sweep {
  /** In UTC. What has an earlier last day is past. */
  readonly today: string;
  /** Nothing was removed: this is what would be. */
  readonly dryRun: boolean;
  readonly removed: readonly Told[];
  /** Past its day, and not removed. */
  readonly leftAlone: readonly (Told & { readonly reason: string; readonly cure: string })[];
  /** Stacks that the backend was made to forget. */
  readonly states: readonly string[];
  /** Stacks of this project that are not past a day. */
  readonly kept: readonly {
    readonly stack: string;
    readonly expires?: string;
    readonly things: number;
  }[];
  /** Why states could not be looked at, or not be removed. */
  readonly unseen: readonly string[];
  /** What the clouds and the backend hold past its day now, asked again at the end. */
  readonly remaining: readonly string[];
}

export const told = ({ what, stack, expires }: Marked): Told => ({
  what,
  stack,
  ...(expires === undefined ? {} : { expires }),
});

export const toldLeftAlone = ({ thing, reason, cure }: LeftAlone) => ({
  ...told(thing),
  reason,
  cure,
});

export const keptStack = ({ stack, expires, things }: StackInClouds) => ({
  stack,
  ...(expires === undefined ? {} : { expires }),
  things: things.length,
});

export const removedLine = (dryRun: boolean, { what, stack, expires }: Told) =>
  `${dryRun ? "would go" : "removed "}     ${what} of ${stack}, past ${expires}`;

/** Everything but what was told while it was done. */
export function sweepText(sweep: Sweep): string {
  const { dryRun, leftAlone, states, kept, unseen, remaining } = sweep;
  const lines = [
    ...states.map((stack) => `${dryRun ? "would go" : "removed "}     state of ${stack}`),
    ...leftAlone.map(
      ({ what, stack, reason, cure }) =>
        `left alone   ${what} of ${stack}: ${reason}\n             ${cure}`,
    ),
    ...kept.map(
      ({ stack, expires, things }) =>
        `kept         ${stack}: ${things} things, ${expires === undefined ? "not all of them with a last day" : `until ${expires}`}`,
    ),
    ...unseen.map((why) => `not seen     ${why}`),
  ];
  const end = dryRun
    ? "A dry run: nothing was removed."
    : remaining.length + unseen.length === 0
      ? `Nothing past its day is left: no server, address, volume, firewall, key, record or state (${sweep.today}).`
      : remaining.length === 0
        ? "Nothing past its day is left of what was seen."
        : `Still there, past its day:\n${remaining.map((what) => `  ${what}`).join("\n")}`;
  return [...lines, end].join("\n");
}
