// What a teardown would delete, counted before anybody is asked: from the state, the clouds and, where it
// answers, the host. Pure, but for the question to the host.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Marked } from "../clouds/marked";

/** What the host says that it holds. */
export interface OnHost {
  readonly mailboxes: number;
  readonly messages: number;
  readonly bytes: number;
  /** Mails on their way to others. */
  readonly queued: number;
}

export interface Losses {
  readonly stack: string;
  readonly hostname: string;
  /** Null where it does not answer; `why` says how it failed. */
  readonly host: OnHost | null;
  readonly why?: string;
  readonly addresses: readonly string[];
  readonly records: number;
  /** GiB. */
  readonly volumes: readonly number[];
  readonly servers: number;
}

/** Counts on the host; a line of JSON. Maildir keeps a message a file, in `new` or `cur`. */
const question = `
mail=/var/mail/virtual
messages=$(find "$mail" -type f \\( -path '*/cur/*' -o -path '*/new/*' \\) -printf '%s\\n' | awk '{ n++; b += $1 } END { printf "\\"messages\\":%d,\\"bytes\\":%.0f", n, b }')
mailboxes=$(mariadb --batch --skip-column-names --execute 'SELECT COUNT(*) FROM maildb.users')
printf '{%s,"mailboxes":%d,"queued":%d}\\n' "$messages" "$mailboxes" "$(postqueue -j | wc -l)"`;

const Counted = z.object({
  mailboxes: z.number(),
  messages: z.number(),
  bytes: z.number(),
  queued: z.number(),
});

/** Asks the host, with its key pinned as the state knows it; a text says why it does not answer. */
export function askHost(address: string, hostKey: string): OnHost | string {
  const folder = mkdtempSync(join(tmpdir(), "mail-host-teardown-"));
  try {
    const known = join(folder, "known_hosts");
    writeFileSync(known, `${address} ${hostKey}\n`);
    const flags = [
      ...["BatchMode=yes", "ConnectTimeout=5", "StrictHostKeyChecking=yes", "LogLevel=ERROR"],
      ...[`UserKnownHostsFile=${known}`, "GlobalKnownHostsFile=/dev/null"],
    ].flatMap((option) => ["-o", option]);
    const { stdout, stderr } = spawnSync("ssh", [...flags, `root@${address}`, question], {
      encoding: "utf8",
      timeout: 60_000,
    });
    const counted = /^\{.*\}$/m.exec(stdout ?? "")?.[0];
    if (counted !== undefined) return Counted.parse(JSON.parse(counted));
    return (stderr ?? "").trim().slice(0, 300) || "it does not answer";
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the clouds hold of the stack, beside what the host says. */
export function lossesOf({
  stack,
  hostname,
  addresses,
  host,
  marked,
}: {
  stack: string;
  hostname: string;
  addresses: readonly string[];
  host: OnHost | string;
  marked: readonly Marked[];
}): Losses {
  const of = (word: Marked["word"]) => marked.filter((thing) => thing.word === word);
  return {
    stack,
    hostname,
    ...(typeof host === "string" ? { host: null, why: host } : { host }),
    addresses,
    records: of("record").length,
    volumes: of("volume").map(({ size }) => size ?? 0),
    servers: of("server").length,
  };
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** As a person reads it before the deliberate word. */
export function lossesText({ stack, hostname, host, why, ...clouds }: Losses): string {
  const mail =
    host === null
      ? [`  its mail could not be counted: ${why}`]
      : [
          `  ${plural(host.mailboxes, "mailbox").replace("boxs", "boxes")}, ${plural(host.messages, "message")}, ${(host.bytes / 1_000_000).toFixed(1)} MB`,
          `  ${plural(host.queued, "mail")} in the queue, on the way to others`,
        ];
  return [
    `${hostname}, the stack ${stack}, would be deleted for good:`,
    ...mail,
    `  ${plural(clouds.servers, "server")}, ${plural(clouds.volumes.length, "volume")} (${clouds.volumes.join(", ") || 0} GiB) with keys and certificates`,
    `  ${plural(clouds.addresses.length, "address").replace("addresss", "addresses")} and their reputation: ${clouds.addresses.join(", ")}`,
    `  ${plural(clouds.records, "DNS record")}; records of others stay`,
  ].join("\n");
}
