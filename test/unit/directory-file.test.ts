// Directories at the edges: as large and as odd as the rules allow, and files that are none. Does not
// prove what the host does with them.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { renderFiles } from "../../cloud-init/render";
import { cloudConfig, withoutComments } from "../../cloud-init/user-data";
import { directoryRows } from "../../components/directory-rows";
import {
  alice,
  domains,
  expectSafeToPrint,
  good,
  host,
  lowerCased,
  read,
  refusal,
  zoneId,
} from "../support/configuration";
import { legalDomain, legalForeignLocalPart, legalLocalPart } from "../support/hostile";

describe("what is within the rules", () => {
  const directory = fc
    .tuple(
      fc.uniqueArray(legalDomain, { minLength: 1, maxLength: 3 }),
      fc.uniqueArray(legalLocalPart, { minLength: 1, maxLength: 4 }),
      fc.uniqueArray(legalForeignLocalPart, { minLength: 1, maxLength: 4, selector: lowerCased }),
    )
    .map(([names, locals, foreign]) => ({
      domains: names.map((domain) => ({ name: domain, zoneId })),
      mailboxes: names.flatMap((domain) =>
        locals.map((local) => ({ address: `${local}@${domain}`, password: "generated" })),
      ),
      aliases: names.map((domain) => ({
        address: `@${domain}`,
        destinations: foreign.map((local) => `${local}@else.where.test`),
      })),
    }));
  const settings = { ...host, name: "mail.other.test", zoneId };

  it("is taken from configuration, YAML and JSON alike, and carried to the rows byte for byte", () => {
    fc.assert(
      fc.property(directory, (lists) => {
        const config = read({ host: settings, ...lists });
        for (const text of [
          stringify(lists),
          JSON.stringify(lists),
          `\ufeff${JSON.stringify(lists, null, "\t")}`,
          `\ufeff${stringify(lists)}`.replaceAll("\n", "\r\n"),
        ]) {
          expect(read({ host: settings, directory: "f" }, { f: text })).toEqual(config);
        }
        const rows = directoryRows(config.directory, "seed");
        expect(rows.domains).toEqual(lists.domains.map((domain) => domain.name).sort());
        expect(rows.users.map(({ email }) => email)).toEqual(
          lists.mailboxes.map((entry) => entry.address).sort(),
        );
        const carried = rows.aliases.filter(({ mail }) => mail.startsWith("@"));
        expect(new Set(carried.map(({ mail, destination }) => `${mail} ${destination}`))).toEqual(
          new Set(lists.aliases.flatMap((a) => a.destinations.map((d) => `${a.address} ${d}`))),
        );
      }),
      { numRuns: 50 },
    );
  });

  it("changes no file's number of lines, and leaves user data whole", () => {
    const shape = (domain: string) => {
      const { host: taken, directory: lists } = read({
        host: { ...settings, name: `mail.${domain}` },
        domains: [{ name: domain, zoneId }],
        mailboxes: [{ address: `a@${domain}`, password: "generated" }],
      });
      return renderFiles({
        hostname: taken.name,
        postmaster: `postmaster@${lists.domains[0]?.name}`,
        acmeDirectory: taken.acmeDirectory,
        adminCidrs: taken.adminCidrs.join(" "),
        volumeDevice: "/dev/disk/by-id/scsi-0HC_Volume_1",
        databasePassword: "a",
      });
    };
    const lines = shape("example.test").map(({ path, content }) => [
      path,
      content.split("\n").length,
    ]);
    fc.assert(
      fc.property(
        legalDomain.filter((domain) => domain.length <= 58),
        (domain) => {
          const files = shape(domain);
          expect(files.map(({ path, content }) => [path, content.split("\n").length])).toEqual(
            lines,
          );
          const { write_files: written, fqdn } = parse(cloudConfig(`mail.${domain}`, files));
          expect(fqdn).toBe(`mail.${domain}`);
          expect(written.map(({ content }: { content: string }) => content)).toEqual(
            files.map(({ content }) => withoutComments(content)),
          );
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe("ten thousand entries", () => {
  const many = (make: (i: number) => unknown) => Array.from({ length: 10_000 }, (_, i) => make(i));
  const within = (limitMs: number, what: () => void) => {
    const start = performance.now();
    what();
    expect(performance.now() - start).toBeLessThan(limitMs);
  };

  it.each([
    ["YAML", stringify],
    ["JSON", JSON.stringify],
  ])("are read from %s in seconds", (_, write) => {
    const text = write({
      mailboxes: many((i) => ({ address: `u${i}@example.test`, password: "generated" })),
    });
    within(5000, () => {
      const { directory } = read({ host, domains, directory: "f" }, { f: text });
      expect(directory.mailboxes).toHaveLength(10_000);
    });
  });

  it.each<[string, Record<string, unknown>]>([
    [
      "form one ring",
      {
        aliases: many((i) => ({
          address: `u${i}@example.test`,
          destinations: [`u${(i + 1) % 10_000}@example.test`],
        })),
      },
    ],
    [
      "are strangers to as many domains",
      {
        domains: [...domains, ...many((i) => ({ name: `d${i}.test`, zoneId }))],
        mailboxes: many((i) => ({ address: `u${i}@stranger.test`, password: "generated" })),
      },
    ],
    ["are the same", { mailboxes: many(() => alice) }],
    ["are nothing", { mailboxes: many(() => null) }],
    [
      "are hyphens without end",
      { mailboxes: many(() => ({ address: `${"a-".repeat(31)}!@example.test` })) },
    ],
  ])("that %s are refused in seconds and a few megabytes", (_, lists) => {
    within(5000, () => {
      const refused = refusal({ ...good, ...lists });
      expect(refused?.message.length).toBeLessThan(5_000_000);
    });
  });
});

describe("a directory file", () => {
  const entry = "{address: bob@example.test, password: generated}";
  it.each([
    ["nothing", "", "it holds no lists"],
    ["a mark of byte order", "\ufeff", "it holds no lists"],
    ["a list", "[]", "it holds no lists"],
    ["a word", "mailboxes", "it holds no lists"],
    [
      "a key twice",
      `{"mailboxes": [], "mailboxes": [${entry}]}`,
      "duplicate key at line 1, column 19",
    ],
    [
      "two documents",
      `mailboxes: []\n---\nmailboxes: [${entry}]`,
      "multiple docs at line 2, column 1",
    ],
    ["a tag", "mailboxes: [!!js/function 'x']", "tag resolve failed at line 1"],
    ["an alias of nothing", "mailboxes: [*a]", "it holds no lists, or lists without end"],
    [
      "a bomb of aliases",
      `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghi"].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${"abcdefgh"[i]}`)}]`).join("\n")}`,
      "without end",
    ],
    ["a merge of keys", `mailboxes: [{<<: ${entry}}]`, 'f: mailboxes[0]["<<"]: is a key'],
    [
      "a list that holds itself",
      "domains: &a [*a]",
      "domains[0]: a value without end is not a domain",
    ],
    [
      "no as an address",
      "mailboxes: [{address: no}]",
      'mailboxes[0].address: "no" is not an address',
    ],
    [
      "a number as an address",
      "mailboxes: [{address: 1e3}]",
      "mailboxes[0].address: 1000 is not a mail address",
    ],
    [
      "a truth as an address",
      "mailboxes: [{address: true}]",
      "mailboxes[0].address: true is not a mail address",
    ],
    ["a date as a domain", "domains: [{name: 2001-01-01}]", 'domains[0].name: "2001-01-01" is not'],
    ["no number at all", "mailboxes: [{generation: .nan}]", "mailboxes[0].generation: NaN is not"],
    ["mailboxes as an object", `mailboxes: ${entry}`, "f: mailboxes: is not a list"],
  ])("with %s is refused in one line", (_, text, expected) => {
    const refused = refusal({ ...good, directory: "f" }, { f: text });
    expect(refused?.message).toContain(expected);
    if (refused !== undefined) expectSafeToPrint(refused);
  });
});
