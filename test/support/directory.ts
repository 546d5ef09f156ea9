// The directory as it is on the host, for tests that need mailboxes which the stack does not have.

import { z } from "zod";
import type { DirectoryRows } from "../../components/directory-rows";
import { onHost } from "./target";

const Rows = z.object({
  domains: z.array(z.string()),
  users: z.array(z.object({ email: z.string(), crypt: z.string() })),
  aliases: z.array(z.object({ mail: z.string(), destination: z.string() })),
});

/** Every row of the host's database. */
export function presentDirectory(): DirectoryRows {
  const select = `SELECT JSON_OBJECT(
    'domains', (SELECT JSON_ARRAYAGG(domain) FROM domains),
    'users', (SELECT JSON_ARRAYAGG(JSON_OBJECT('email', email, 'crypt', crypt)) FROM users),
    'aliases', (SELECT JSON_ARRAYAGG(JSON_OBJECT('mail', mail, 'destination', destination)) FROM aliases))`;
  return Rows.parse(
    JSON.parse(
      onHost(
        "mariadb --batch --raw --skip-column-names --default-character-set=utf8mb4 maildb",
        select,
      ),
    ),
  );
}

/** Replaces the directory, as the program does. */
export function putDirectory(rows: DirectoryRows): void {
  onHost("/usr/local/sbin/mail-directory", JSON.stringify(rows));
}
