// A host that is broken on purpose while mail comes in, and mended again.

import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { hostIsReady } from "./cloud";
import { onHost } from "./target";
import { missingMail, startTraffic, type Traffic } from "./traffic";

/** Waits for a condition, which is asked often; fails with what was waited for. */
export async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; !holds(); ) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await pause(200);
  }
}

/** Starts the host's Rspamd anew, and waits until it takes mail. */
export async function restartRspamd(): Promise<void> {
  onHost("systemctl restart rspamd");
  await until("Rspamd", 60, () => onHost("ss -xl").includes("rspamd/milter.sock"));
}

/** Whether the host says that everything on it works. */
export const isReady = () =>
  onHost("systemctl is-active mail-ready.target || true").trim() === "active";

/** How many mails have met their fate so far. */
export const answersOf = ({ taken, postponed, refused, unanswered }: Traffic) =>
  taken.length + postponed.length + refused.length + unanswered.length;

/**
 * Breaks and mends the host under traffic, and shows that nothing is refused or lost. What was put off
 * meanwhile is tried again now rather than at the queue's next turn, unless the host does so `byItself`.
 */
export async function underTraffic(
  breakdown: (traffic: Traffic) => Promise<void>,
  mend: () => Promise<void>,
  { byItself = false }: { byItself?: boolean } = {},
): Promise<Traffic> {
  const traffic = startTraffic(2);
  try {
    await until("the first mails", 60, () => traffic.taken.length >= 3);
    const before = answersOf(traffic);
    try {
      await breakdown(traffic);
      expect(traffic.tried.length).toBeGreaterThan(before);
    } finally {
      await mend();
    }
    await hostIsReady();
    const mended = traffic.taken.length;
    await until("mail again", 60, () => traffic.taken.length >= mended + 3);
  } finally {
    await traffic.stop();
  }
  expect(traffic.refused).toEqual([]);
  expect(await missingMail(traffic.taken, { byItself })).toEqual([]);
  return traffic;
}
