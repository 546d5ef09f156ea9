// What a check is and what can come of it. Knows no protocol.

import type { Context } from "./context";

/** internet.nl's groups in its order, then those of this program's own list. */
export const groups = [
  "IPv6",
  "DNSSEC",
  "Authentication marks",
  "STARTTLS",
  "Certificate",
  "DANE",
  "RPKI",
  "DNS and identity",
  "Services found by mail programs",
  "SMTP server",
  "TLS of every port",
] as const;

export type Group = (typeof groups)[number];

/** Something that is not as it ought to be. */
export interface Fault {
  readonly seen: string;
  readonly wanted: string;
  /** What to do about it. */
  readonly mend: string;
}

export type Result =
  | { readonly verdict: "pass" }
  | { readonly verdict: "fail"; readonly faults: readonly Fault[] }
  | { readonly verdict: "not applicable" | "not judged"; readonly why: string };

export interface Check {
  /** internet.nl's number of the subtest, or a word of ours. */
  readonly id: string;
  readonly group: Group;
  /** What is true when the check passes. */
  readonly sentence: string;
  readonly judge: (context: Context) => Promise<Result>;
}

/** A check with what came of it. */
export type Judged = Pick<Check, "id" | "group" | "sentence"> & Result;

export const pass: Result = { verdict: "pass" };
export const notApplicable = (why: string): Result => ({ verdict: "not applicable", why });
export const notJudged = (why: string): Result => ({ verdict: "not judged", why });
export const fail = (...faults: readonly Fault[]): Result => ({ verdict: "fail", faults });

/** Passes without a fault. */
export const faultsOf = (faults: readonly Fault[]): Result =>
  faults.length === 0 ? pass : fail(...faults);

/** Thrown by a probe that cannot be made from here: nothing is known, so nothing is judged. */
export class Unreachable extends Error {}

/** One result of several: a fault outweighs what is not judged, and that outweighs a pass. */
export function together(results: readonly Result[]): Result {
  const faults = results.flatMap((result) => (result.verdict === "fail" ? result.faults : []));
  if (faults.length > 0) return fail(...faults);
  const unknown = results.find(({ verdict }) => verdict === "not judged");
  const passed = results.find(({ verdict }) => verdict === "pass");
  return unknown ?? passed ?? results[0] ?? notApplicable("there is nothing of the kind");
}

/** The same question about several things, asked at once. */
export async function each<T>(
  things: readonly T[],
  judge: (thing: T) => Promise<Result>,
): Promise<Result> {
  return together(await Promise.all(things.map((thing) => judged(() => judge(thing)))));
}

async function judged(judge: () => Promise<Result>): Promise<Result> {
  try {
    return await judge();
  } catch (error) {
    if (error instanceof Unreachable) return notJudged(error.message);
    const seen = error instanceof Error ? error.message : String(error);
    return fail({ seen, wanted: "an answer", mend: "mend what the answer says, and ask again" });
  }
}

/** All checks at once; how much of the network they use at a time is the probes' business. */
export function judgeAll(checks: readonly Check[], context: Context): Promise<Judged[]> {
  return Promise.all(
    checks.map(async ({ id, group, sentence, judge }) => ({
      id,
      group,
      sentence,
      ...(await judged(() => judge(context))),
    })),
  );
}
