// Mail that keeps coming while something breaks, and what became of each: answered with 250, with 4xx,
// with 5xx, or not at all.

import { setTimeout as pause } from "node:timers/promises";
import { createTransport } from "nodemailer";
import { expect } from "vitest";
import { hostIsReady } from "./cloud";
import { token } from "./mail";
import { domain, onHost, target } from "./target";

/** A mail that the host answered with 250, and so has taken over. */
export interface TakenMail {
  readonly subject: string;
  /** Postfix's name for it, from the answer. */
  readonly queueId: string;
}

/** What became of all mail so far. */
export interface Traffic {
  readonly taken: readonly TakenMail[];
  /** Answers of 400 to 499. */
  readonly postponed: readonly string[];
  /** Answers of 500 and above: what must not happen to mail that a healthy host would take. */
  readonly refused: readonly string[];
  /** Connections that failed or ended without an answer. */
  readonly unanswered: readonly string[];
  /** Hangs up and resolves when nothing is under way. */
  stop(): Promise<Traffic>;
}

/** Without it, only a part of a mail has arrived. */
const lastLine = "So ends the mail.";

/** Two mailboxes of the host, for mail that keeps coming. */
const users = [`alice@${domain}`, `bob@${domain}`];

/** Sends mail to port 25 from elsewhere without a pause, several at once, until stopped. */
export function startTraffic(lanes = 4): Traffic {
  const line = "A line of a mail that must not get lost, of seventy characters or so.\r\n";
  const text = `${line.repeat(460)}${lastLine}\r\n`;
  const taken: TakenMail[] = [];
  const postponed: string[] = [];
  const refused: string[] = [];
  const unanswered: string[] = [];
  let goesOn = true;
  const open = new Set<ReturnType<typeof createTransport>>();

  async function send(to: string): Promise<void> {
    const subject = token();
    const transport = createTransport({
      host: target.ipv4,
      port: 25,
      localAddress: target.elsewhere.ipv4,
      name: `mx.${target.elsewhere.domain}`,
      tls: { rejectUnauthorized: false },
      connectionTimeout: 10_000,
      greetingTimeout: 30_000,
      socketTimeout: 60_000,
    });
    open.add(transport);
    try {
      const from = `sender@${target.elsewhere.domain}`;
      const { response } = await transport.sendMail({ from, to, subject, text });
      taken.push({ subject, queueId: /queued as (\S+)/.exec(response)?.[1] ?? "" });
    } catch (error) {
      const code = Number(Reflect.get(Object(error), "responseCode") ?? 0);
      const said = `${subject} ${error instanceof Error ? error.message : String(error)}`;
      (code >= 500 ? refused : code >= 400 ? postponed : unanswered).push(said);
    } finally {
      open.delete(transport);
      transport.close();
    }
  }

  const running = Array.from({ length: lanes }, async (_, lane) => {
    for (let turn = lane; goesOn; turn++) {
      const to = users[turn % users.length];
      if (to !== undefined) await send(to);
    }
  });
  const traffic: Traffic = {
    taken,
    postponed,
    refused,
    unanswered,
    async stop() {
      goesOn = false;
      for (const transport of open) transport.close();
      await Promise.all(running);
      return traffic;
    },
  };
  return traffic;
}

/** Queue ids under which a mail lies whole in a mailbox, by subject; one id twice is one delivery made twice. */
export function storedMail(): Map<string, string[]> {
  const program = `/^Received:/ { id = "" }
    /\\(Postfix\\) with .* id / { sub(/.* id /, ""); sub(/[; ].*/, ""); id = $0 }
    /^Subject: / { subject = $2 }
    $0 ~ /^${lastLine}\r?$/ { print subject, id; nextfile }`;
  const listed = onHost(
    `find /var/spool/mail/virtual/ -type f \\( -path '*/new/*' -o -path '*/cur/*' \\) -exec awk '${program}' {} +`,
  );
  const stored = new Map<string, string[]>();
  for (const line of listed.split("\n").filter(Boolean)) {
    const [subject = "", id = ""] = line.split(" ");
    stored.set(subject, [...(stored.get(subject) ?? []), id]);
  }
  return stored;
}

/** Waits until every taken mail lies in a mailbox; those that do not when the queue is empty, or after so long. */
export async function missingMail(
  taken: readonly TakenMail[],
  seconds = 60,
): Promise<readonly TakenMail[]> {
  for (const deadline = Date.now() + seconds * 1000; ; ) {
    const queue = onHost("postqueue -j");
    const stored = storedMail();
    const missing = taken.filter(({ subject }) => !stored.has(subject));
    if (missing.length === 0 || queue === "" || Date.now() > deadline) return missing;
    await pause(300);
  }
}

/** Waits for a condition, which is asked often; fails with what was waited for. */
export async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; !holds(); ) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await pause(200);
  }
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
    await until("the first mails", 30, () => traffic.taken.length >= 3);
    await breakdown(traffic);
  } finally {
    await mend();
  }
  await hostIsReady();
  const before = traffic.taken.length;
  await until("mail again", 60, () => traffic.taken.length >= before + 3);
  await traffic.stop();
  expect(traffic.refused).toEqual([]);
  if (!byItself) onHost("postqueue -f");
  expect(await missingMail(traffic.taken)).toEqual([]);
  return traffic;
}
