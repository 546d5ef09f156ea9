// What the maps answer to keys such as clients send, in a real MariaDB: the row that was meant, or none.
// Does not prove what Postfix and Dovecot let through to them.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderFiles } from "../../cloud-init/render";
import { directoryRows } from "../../components/directory-rows";
import { lowerCased, read, settings, sshKey } from "../support/configuration";
import {
  fragments,
  hostileText,
  legalDomain,
  legalForeignLocalPart,
  legalLocalPart,
  spoiled,
} from "../support/hostile";
import { withDatabase } from "./database";
import { type DebianRoot, debianRoot } from "./debian-root";

let root: DebianRoot;

beforeAll(async () => {
  root = await debianRoot(renderFiles(settings));
});
afterAll(() => root?.remove());

const zoneId = "0".repeat(32);
const host = { name: "mail.other.test", zoneId, adminCidrs: ["192.0.2.0/24"], sshKeys: [sshKey] };

/** One of many: as a configuration has it, and as the host gets it. */
function someDirectory() {
  const pick = <T>(arbitrary: fc.Arbitrary<T>, count: number) => [
    ...new Set(fc.sample(arbitrary, count)),
  ];
  const domains = pick(legalDomain, 10);
  const locals = pick(legalLocalPart, 20);
  const foreign = pick(legalForeignLocalPart, 20).map((local) => `${local}@Else.Where.test`);
  const destinations = [...new Map(foreign.map((d) => [lowerCased(d), d])).values()];
  const { directory } = read({
    host,
    domains: domains.map((name) => ({ name, zoneId })),
    mailboxes: domains.flatMap((name) =>
      locals.map((local) => ({ address: `${local}@${name}`, password: "generated" })),
    ),
    aliases: domains.map((name) => ({ address: `@${name}`, destinations })),
  });
  return directoryRows(directory, "seed");
}

type Rows = ReturnType<typeof directoryRows>;

/** What each map must answer, by key. */
function answers({ domains, users, aliases }: Rows): Readonly<Record<string, Map<string, string>>> {
  const alias = new Map<string, string>();
  const senders = new Map<string, string>();
  const boxes = new Set(users.map(({ email }) => email));
  for (const { mail, destination } of aliases) {
    const earlier = alias.get(mail);
    alias.set(mail, earlier === undefined ? destination : `${earlier},${destination}`);
    if (boxes.has(destination)) senders.set(mail, destination);
  }
  return {
    domains: new Map(domains.map((domain) => [domain, "1"])),
    mailbox: new Map(users.map(({ email }) => [email, "1"])),
    alias,
    senders,
  };
}

/** The letters that Postfix's case folding turns into ASCII (docs/decisions/0007). */
const foldedLetters: Readonly<Record<string, string>> = {
  ß: "ss",
  "\u1e9e": "ss",
  "\u017f": "s",
  "\u212a": "k",
  "\ufb00": "ff",
  "\ufb01": "fi",
  "\ufb02": "fl",
  "\ufb03": "ffi",
  "\ufb04": "ffl",
  "\ufb05": "st",
  "\ufb06": "st",
};
const folded = (key: string) =>
  [...lowerCased(key)].map((letter) => foldedLetters[letter] ?? letter).join("");

/** Fills the directory and asks each of the maps for all the keys; what was found, sorted. */
function lookUp(rows: Rows, keys: readonly Buffer[], maps: readonly string[]): string[] {
  const list = Buffer.concat(keys.flatMap((key) => [key, Buffer.from("\n")])).toString("base64");
  const { stdout, stderr, status } = withDatabase(
    root,
    `IFS= read -r document; mail-directory <<<"$document" >&2
    base64 -d >/tmp/keys
    for map in ${maps.join(" ")}; do
      postmap -q - "mysql:/etc/postfix/sql_$map.cf" </tmp/keys | sed "s/^/$map\t/"
    done`,
    `${JSON.stringify(rows)}\n${list}`,
  );
  // A key that breaks a query would end the run; one that is not UTF-8 is told of.
  expect(
    stderr
      .split("\n")
      .filter((line) => !/^(directory: |postmap: warning: .*non-UTF-8 key|$)/.test(line)),
  ).toEqual([]);
  expect(status).toBe(0);
  const inOrder = (line: string) => {
    const [map = "", key = "", value = ""] = line.split("\t");
    return `${map} ${key} ${value.split(",").sort().join(",")}`;
  };
  return stdout.split("\n").slice(0, -1).map(inOrder).sort();
}

/** A row's key in another guise, as someone would send it who wants another's mail. */
const guises: readonly ((key: string) => string)[] = [
  (key) => `${key} `,
  (key) => ` ${key}`,
  (key) => `${key}.`,
  (key) => key.replace("@", "@@"),
  (key) => key.replace(/^./, "%"),
  (key) => key.replace(/^./, "_"),
  (key) => key.replace("@", "%40"),
  (key) => `"${key.replace("@", '"@')}`,
  (key) => `${key}' -- `,
  (key) => `${key}\\`,
  (key) => key.toUpperCase(),
  // Full width, small capitals of mathematics, Cyrillic, accents apart and together.
  (key) =>
    key.replace(/[a-z]/, (letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0)),
  (key) =>
    key.replace(/[a-z]/, (letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0x1d3b9)),
  (key) => key.replace("a", "\u0430"),
  (key) => key.replace(/[aeiou]/, "$&\u0301"),
  (key) => key.replace(/[aeiou]/, "$&\u0301").normalize("NFC"),
  (key) => key.replace("ss", "ß").replace("k", "\u212a").replace("fi", "\ufb01"),
];

describe("a map, asked for what a client may send,", () => {
  it("finds every row of the directory, and no row for any other key", () => {
    const rows = someDirectory();
    const wanted = answers(rows);
    const own = [...new Set(Object.values(wanted).flatMap((map) => [...map.keys()]))];
    const hostile = fc.sample(
      fc.oneof(
        fc.constantFrom(...own).chain(spoiled),
        fc
          .tuple(fc.constantFrom(...own), fc.constantFrom(...guises))
          .map(([key, guise]) => guise(key)),
        hostileText,
        fc.constantFrom(...fragments).map((fragment) => fragment.repeat(200)),
      ),
      4000,
    );
    const keys = [
      ...new Set([...own, ...hostile, "@@version", "' or '1'='1", "x".repeat(5000)]),
    ].filter((key) => key !== "" && !/[\n\0\t]/.test(key));
    const expected = Object.entries(wanted).flatMap(([map, found]) =>
      keys.flatMap((key) => {
        const value = /\p{Cs}/u.test(key) ? undefined : found.get(folded(key));
        return value === undefined ? [] : [`${map} ${key} ${value.split(",").sort().join(",")}`];
      }),
    );
    expect(expected.length).toBeGreaterThan(own.length);
    const binary = fc
      .sample(fc.uint8Array({ minLength: 1, maxLength: 400 }), 500)
      .map((bytes) =>
        Buffer.from(bytes.map((byte) => (/[\n\0\t]/.test(String.fromCharCode(byte)) ? 255 : byte))),
      );
    const asked = [...keys.map((key) => Buffer.from(key)), ...binary];
    expect(lookUp(rows, asked, Object.keys(wanted))).toEqual(expected.sort());
  });

  it("takes eleven letters for ASCII and no other of those that have a case", () => {
    const names = [
      ..."abcdefghijklmnopqrstuvwxyz0123456789",
      "ss",
      "ff",
      "fi",
      "fl",
      "ffi",
      "ffl",
      "st",
    ];
    const rows = {
      domains: [],
      users: names.map((local) => ({ email: `${local}@example.test`, crypt: "x" })),
      aliases: [],
    };
    const letters = Array.from({ length: 0x11_0000 }, (_, point) => point)
      .filter((point) => point > 0x7f && (point < 0xd800 || point > 0xdfff))
      .map((point) => String.fromCodePoint(point))
      .filter((letter) =>
        /[\p{Changes_When_Casefolded}\p{Default_Ignorable_Code_Point}\p{Mn}]|[\p{Changes_When_NFKC_Casefolded}]/u.test(
          letter,
        ),
      );
    expect(letters.length).toBeGreaterThan(10_000);
    const keys = letters.flatMap((letter) => [`${letter}@example.test`, `a${letter}@example.test`]);
    expect(
      lookUp(
        rows,
        keys.map((key) => Buffer.from(key)),
        ["mailbox"],
      ),
    ).toEqual(
      Object.keys(foldedLetters)
        .map((letter) => `mailbox ${letter}@example.test 1`)
        .sort(),
    );
  });
});

describe("mail-directory", () => {
  it("refuses hostile rows in one line that repeats no hash, and what it takes is found again", () => {
    const columns = ["domain", "email", "crypt", "mail", "destination"] as const;
    const good = {
      domain: "a.test",
      email: "a@a.test",
      crypt: "{X}Secret",
      mail: "t@a.test",
      destination: "a@a.test",
    };
    const rows = fc.sample(
      fc
        .constantFrom(...columns)
        .chain((column) =>
          fc.oneof(hostileText, spoiled(good[column])).map((text) => ({ ...good, [column]: text })),
        ),
      25,
    );
    // A key that postmap would take for its standard input.
    rows.push({ ...good, domain: "-" });
    const documents = rows.map(({ domain, email, crypt, mail, destination }) =>
      JSON.stringify({
        domains: [domain],
        users: [{ email, crypt }],
        aliases: [{ mail, destination }],
      }),
    );
    const { stdout } = withDatabase(
      root,
      `while IFS= read -r document; do
        printf '%s\\n' "$document" | mail-directory >/tmp/said 2>&1 || { printf 'refused %s\\n' "$(grep -c '' /tmp/said) $(grep -c Secret /tmp/said)"; continue; }
        mariadb --batch --raw --skip-column-names maildb -e 'SELECT domain, email, crypt, mail, destination FROM domains, users, aliases' >/tmp/row
        IFS=$'\\t' read -r domain email crypt mail destination </tmp/row
        printf 'taken\\t%s\\t%s\\t' "$(cat /tmp/row)" "$(postmap -q "$domain" mysql:/etc/postfix/sql_domains.cf)"
        printf '%s\\t%s\\n' "$(postmap -q "$email" mysql:/etc/postfix/sql_mailbox.cf)" "$(postmap -q "$mail" mysql:/etc/postfix/sql_alias.cf)"
      done`,
      documents.map((document) => `${document}\n`).join(""),
    );
    const said = stdout.split("\n").slice(0, -1);
    expect(said).toHaveLength(rows.length);
    const alphabets = [
      /^(?!-)[a-z0-9.-]+$/,
      /^(?!-)[a-z0-9._@-]+$/,
      /^[!-~]+$/,
      /^(?!-)[a-z0-9._@-]+$/,
      /^[A-Za-z0-9!#&*+/=?^_`{|}~.@-]+$/,
    ];
    const expected = rows.map((row) => {
      const values = columns.map((column) => row[column]);
      const inert = values.every((value, i) => alphabets[i]?.test(value));
      return inert ? ["taken", ...values, "1", "1", row.destination].join("\t") : "refused 1 0";
    });
    expect(said.map((line, i) => [documents[i], line])).toEqual(
      expected.map((line, i) => [documents[i], line]),
    );
  });
});
