// Which stacks are past their last day. Pure. A stack is judged as a whole and for its latest day: where
// anything of it has a later day, or none, nothing of it is touched.

import type { Marked } from "../clouds/marked";

/** Today in UTC, as marks write a day. */
export const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** The last day of things that belong together; undefined when one of them has none, or there is nothing. */
export function lastDay(things: readonly { readonly expires?: string }[]): string | undefined {
  const days = things.map(({ expires }) => expires);
  return days.includes(undefined) ? undefined : days.sort().at(-1);
}

/** Whether a day has ended, everywhere on the UTC calendar. Text in this form sorts as time does. */
export const isPast = (day: string | undefined, today: string): boolean =>
  day !== undefined && day < today;

/** What the clouds hold of one stack. */
export interface StackInClouds {
  readonly stack: string;
  /** Its last day, if all of it has one. */
  readonly expires: string | undefined;
  readonly things: readonly Marked[];
}

/** What was found, stack by stack. */
export function stacksIn(found: readonly Marked[]): StackInClouds[] {
  const names = [...new Set(found.map(({ stack }) => stack))].sort();
  return names.map((stack) => {
    const things = found.filter((thing) => thing.stack === stack);
    return { stack, expires: lastDay(things), things };
  });
}
