// What a change does to the directory, by the rows that the host is sent. Hashes are compared here and go no
// further. Pure.

import { z } from "zod";

const Rows = z.object({
  domains: z.array(z.string()),
  users: z.array(z.object({ email: z.string(), crypt: z.string() })),
  aliases: z.array(z.object({ mail: z.string(), destination: z.string() })),
});

/** Names of what comes, changes and goes, each sorted. */
export interface Differences {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** A mailbox changes with its password, an alias with its destinations. */
export interface DirectoryChange {
  readonly domains: Differences;
  readonly mailboxes: Differences;
  readonly aliases: Differences;
}

/** Undefined where a side cannot be read, as where the generated passwords are not there yet. */
export function directoryChange(before: unknown, after: unknown): DirectoryChange | undefined {
  const was = rowsOf(before);
  const is = rowsOf(after);
  if (was === undefined || is === undefined) return undefined;
  return {
    domains: differences(was.domains, is.domains),
    mailboxes: differences(was.mailboxes, is.mailboxes),
    aliases: differences(was.aliases, is.aliases),
  };
}

type Table = ReadonlyMap<string, string>;

function rowsOf(stdin: unknown): Record<keyof DirectoryChange, Table> | undefined {
  if (typeof stdin !== "string" || !stdin.startsWith("{")) return undefined;
  const { domains, users, aliases } = Rows.parse(JSON.parse(stdin));
  const mailboxes = new Map(users.map(({ email, crypt }) => [email, crypt]));
  const destinations = new Map<string, string>();
  for (const { mail, destination } of aliases) {
    // The row that keeps a catch-all from a mailbox's mail is nobody's alias.
    if (mail === destination && mailboxes.has(mail)) continue;
    destinations.set(mail, `${destinations.get(mail) ?? ""}${destination}\n`);
  }
  return {
    domains: new Map(domains.map((name) => [name, ""])),
    mailboxes,
    aliases: destinations,
  };
}

function differences(before: Table, after: Table): Differences {
  const names = (table: Table, wanted: (name: string, value: string) => boolean) =>
    [...table].flatMap(([name, value]) => (wanted(name, value) ? [name] : [])).sort();
  return {
    added: names(after, (name) => !before.has(name)),
    changed: names(after, (name, value) => before.has(name) && before.get(name) !== value),
    removed: names(before, (name) => !after.has(name)),
  };
}
