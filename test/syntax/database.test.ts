// The SQL of the host in a real MariaDB, and each map of Postfix asked through it.
// Does not prove that Postfix and Dovecot use the answers well.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderFiles } from "../../cloud-init/render";
import { settings } from "../support/configuration";
import { withDatabase } from "./database";
import { type Answer, type DebianRoot, debianRoot } from "./debian-root";

let root: DebianRoot;

beforeAll(async () => {
  root = await debianRoot(renderFiles(settings));
});
afterAll(() => root?.remove());

const lines = ({ stdout }: Answer) => stdout.trim().split("\n");

const directory = {
  domains: ["example.com", "xn--bcher-kva.example"],
  users: [
    { email: "anna@example.com", crypt: "$5$salt$Hash" },
    { email: "bob@example.com", crypt: "{BLF-CRYPT}$2y$05$abc" },
    { email: "jose@example.com", crypt: "x" },
  ],
  aliases: [
    { mail: "anna@example.com", destination: "anna@example.com" },
    { mail: "bob@example.com", destination: "bob@example.com" },
    { mail: "team@example.com", destination: "anna@example.com" },
    { mail: "team@example.com", destination: "bob@example.com" },
    { mail: "chain@example.com", destination: "team@example.com" },
    { mail: "@example.com", destination: "bob@example.com" },
    { mail: "round@example.com", destination: "about@example.com" },
    { mail: "about@example.com", destination: "round@example.com" },
  ],
};

describe("the directory", () => {
  it("makes every lookup fail, and so every answer 4xx, before it is filled", () => {
    const said = withDatabase(
      root,
      "for map in alias domains mailbox senders; do ask $map example.com; done",
    );
    expect(said.stdout.match(/^postmap: fatal: table .*$/gm)?.length).toBe(4);
  });

  it("answers the queries of all maps, twice filled as once", () => {
    const said = withDatabase(
      root,
      `cat >/tmp/directory; mail-directory </tmp/directory; mail-directory </tmp/directory
      ask alias anna@example.com
      ask alias TEAM@example.com
      ask alias @example.com
      ask domains example.com
      ask domains xn--bcher-kva.example
      ask domains other.example
      ask mailbox Anna@Example.com
      ask mailbox jose@example.com
      ask mailbox josé@example.com
      ask senders anna@example.com
      ask senders chain@example.com
      ask senders round@example.com
      ask senders nobody@example.com`,
      JSON.stringify(directory),
    );
    expect(lines(said)).toEqual([
      "directory: 2 domains, 3 mailboxes, 8 aliases",
      "directory: 2 domains, 3 mailboxes, 8 aliases",
      "anna@example.com",
      "anna@example.com,bob@example.com",
      "bob@example.com",
      ...["1", "1", "status 1"],
      ...["1", "1", "status 1"],
      "anna@example.com",
      expect.stringMatching(
        /^(anna@example.com,bob@example.com|bob@example.com,anna@example.com)$/,
      ),
      ...["status 1", "status 1"],
    ]);
  });

  it("lets its reader read and nothing else", () => {
    const said = withDatabase(
      root,
      `mail-directory >/dev/null
      printf '[client]\\nuser=mail\\npassword=${settings.databasePassword}\\n' >/tmp/reader
      reader() { mariadb --defaults-file=/tmp/reader --skip-column-names maildb -e "$1" 2>&1 || true; }
      reader 'SELECT crypt FROM users LIMIT 1'
      for sql in 'DELETE FROM users' 'INSERT INTO domains VALUES (1)' 'DROP TABLE users' 'SELECT * FROM mysql.user'; do
        reader "$sql" | grep -o '^ERROR [0-9]*'; done`,
      JSON.stringify(directory),
    );
    expect(lines(said)).toEqual(["$5$salt$Hash", ...Array(4).fill("ERROR 1142")]);
  });

  const broken: readonly (readonly [string, string, string])[] = [
    ["is not JSON", "domains", "the input is not a JSON object"],
    ["is empty", "", "the input is not a JSON object"],
    ["lacks a list", '{"domains": [], "users": []}', "needs the lists"],
    [
      "holds a list too many",
      '{"domains": [], "users": [], "aliases": [], "more": []}',
      "needs the lists",
    ],
    [
      "names a domain twice",
      '{"domains": ["a.example", "a.example"], "users": [], "aliases": []}',
      "Duplicate entry 'a.example'",
    ],
    [
      "has a name in capitals",
      '{"domains": ["A.example"], "users": [], "aliases": []}',
      "CONSTRAINT `domains_new.domain` failed",
    ],
    [
      "has a mailbox without a hash",
      '{"domains": [], "users": [{"email": "a@b"}], "aliases": []}',
      "Field 'crypt' can't be set",
    ],
    ["has an empty address", '{"domains": [""], "users": [], "aliases": []}', "a row is empty"],
    [
      "has too long a name",
      JSON.stringify({ domains: ["a".repeat(256)], users: [], aliases: [] }),
      "Data too long for column 'domain'",
    ],
  ];

  it("stays as it was when the input is wrong, says why in one line, and shows no hash", () => {
    const script = broken.map(
      ([, text]) => `mail-directory 2>&1 <<'INPUT' || echo "status $?"\n${text}\nINPUT`,
    );
    const said = withDatabase(
      root,
      `mail-directory\n${script.join("\n")}
      ask mailbox anna@example.com; mariadb --skip-column-names maildb -e 'SHOW TABLES'`,
      JSON.stringify(directory),
    );
    expect(lines(said)).toEqual([
      "directory: 2 domains, 3 mailboxes, 8 aliases",
      ...broken.flatMap(([, , message]) => [
        expect.stringMatching(`^mail-directory: nothing has changed: .*${message}`),
        "status 1",
      ]),
      ...["1", "aliases", "domains", "users"],
    ]);
  });

  it("stays as it was when a statement that fills it is broken", () => {
    const said = withDatabase(
      root,
      `cat >/tmp/directory; mail-directory </tmp/directory
      cp /usr/local/share/mail-host/directory.sql /tmp/broken.sql
      sed -i 's/domain VARCHAR(255)/domain VARCHARS(255)/' /tmp/broken.sql
      mount --bind /tmp/broken.sql /usr/local/share/mail-host/directory.sql
      mail-directory </tmp/directory 2>&1 || echo "status $?"
      ask domains example.com`,
      JSON.stringify(directory),
    );
    expect(lines(said)).toEqual([
      "directory: 2 domains, 3 mailboxes, 8 aliases",
      expect.stringMatching(/^mail-directory: nothing has changed: ERROR .*VARCHARS/),
      "status 1",
      "1",
    ]);
  });

  it("is not asked by a broken query: MariaDB refuses it", () => {
    const said = withDatabase(
      root,
      `mail-directory >/dev/null
      sed 's/where mail/were mail/' /etc/postfix/sql_alias.cf >/tmp/sql_broken.cf
      postmap -q anna@example.com mysql:/tmp/sql_broken.cf 2>&1 || echo "status $?"`,
      JSON.stringify(directory),
    );
    expect(said.stdout).toContain("You have an error in your SQL syntax");
    expect(lines(said).at(-1)).toBe("status 1");
  });

  it("refuses text that is not UTF-8", () => {
    const said = withDatabase(
      root,
      `printf '{"domains": ["\\xff"], "users": [], "aliases": []}' | mail-directory 2>&1 || echo "status $?"`,
    );
    expect(lines(said)).toEqual([expect.stringContaining("iconv: illegal input"), "status 1"]);
  });
});
