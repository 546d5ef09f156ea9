// Mail that keeps coming while something breaks, and what became of each: answered with 250, with 4xx,
// with 5xx, or not at all.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

import { domain, onHost } from "./target";

/** What a sender has to tell of one mail: that it sets out, and later how it fared. */
export interface Event {
  readonly what: "tried" | "taken" | "postponed" | "refused" | "unanswered";
  readonly subject: string;
  /** The host's last words, or why there were none. */
  readonly said: string;
}

/** All mail so far. */
export interface Traffic {
  readonly tried: readonly Event[];
  /** Answered with 250: the host has taken them over. */
  readonly taken: readonly Event[];
  /** Answers of 400 to 499. */
  readonly postponed: readonly Event[];
  /** Answers of 500 and above: what must not happen to mail that a healthy host would take. */
  readonly refused: readonly Event[];
  /** Connections that failed or ended without an answer. */
  readonly unanswered: readonly Event[];
  /** Hangs up, whatever is under way. */
  stop(): Promise<void>;
}

/** Without it, only a part of a mail has arrived. */
export const lastLine = "So ends the mail.";

/** Two mailboxes of the host, for mail that keeps coming. */
export const recipients: readonly string[] = [`alice@${domain}`, `bob@${domain}`];

/** Sends mail to port 25 from elsewhere without a pause, several at once, until stopped. */
export function startTraffic(lanes = 4): Traffic {
  const program = ["--import", "tsx", join(__dirname, "sender.ts"), String(lanes)];
  const sender = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(sender, "close");
  const events: Record<Event["what"], Event[]> = {
    tried: [],
    taken: [],
    postponed: [],
    refused: [],
    unanswered: [],
  };
  createInterface({ input: sender.stdout }).on("line", (line) => {
    const event: Event = JSON.parse(line);
    events[event.what].push(event);
  });
  return {
    ...events,
    async stop() {
      sender.kill("SIGTERM");
      await ended;
    },
  };
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

/**
 * Waits until every taken mail lies in a mailbox; those that do not when the queue is empty, or after
 * three minutes. What was put off is tried again every few seconds rather than at the queue's next turn,
 * unless the host does so `byItself`. Once is not enough: what Postfix could not write down on a full
 * volume, it holds back for a minute (service_throttle_time of postconf(5)), and a flush meanwhile misses it.
 */
export async function missingMail(
  taken: readonly Event[],
  { byItself = false }: { byItself?: boolean } = {},
): Promise<readonly Event[]> {
  for (const deadline = Date.now() + 180_000; ; ) {
    const queue = onHost("postqueue -j");
    const stored = storedMail();
    const missing = taken.filter(({ subject }) => !stored.has(subject));
    if (missing.length === 0 || queue === "" || Date.now() > deadline) return missing;
    if (!byItself) onHost("postqueue -f");
    await pause(3000);
  }
}
