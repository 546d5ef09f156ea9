// What a configuration may say, and what a wrong one is told. Does not prove that a cloud takes it.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { good, mistakesIn, read, sshKey, zoneId } from "../support/configuration";

describe("a good configuration", () => {
  it("gets a careful administrator's defaults", () => {
    expect(read(good)).toEqual({
      host: {
        name: "mail.example.test",
        zoneId,
        location: "nbg1",
        serverType: "cx23",
        image: "debian-13",
        volumeSize: 20,
        adminCidrs: ["198.18.0.0/24"],
        sshKeys: [sshKey],
        acmeDirectory: "https://acme-v02.api.letsencrypt.org/directory",
        keyGeneration: 1,
        generation: 1,
      },
      directory: {
        domains: [
          {
            name: "example.test",
            zoneId,
            dmarcPolicy: "quarantine",
            reportAddress: "postmaster@example.test",
          },
        ],
        mailboxes: [{ address: "alice@example.test", password: "generated", generation: 1 }],
        aliases: [],
      },
      lasting: true,
      adopt: [],
      dkim: { generation: 1, revoked: 0 },
      dnssec: false,
    });
  });

  it("may name the last day of a test stack", () => {
    expect(read({ ...good, lasting: "false", expires: "2026-12-01" }).expires).toBe("2026-12-01");
    expect(read({ ...good, lasting: "false" }).expires).toBeUndefined();
  });

  it("takes domains, mailboxes and aliases from a directory file besides its own", () => {
    const file =
      "mailboxes:\n  - address: Bob@Example.test\n    password: generated\naliases:\n  - {address: team@example.test, destinations: [alice@example.test, bob@example.test]}\n";
    const { directory } = read({ ...good, directory: "people.yaml" }, { "people.yaml": file });
    expect(directory.mailboxes.map(({ address }) => address)).toEqual([
      "alice@example.test",
      "bob@example.test",
    ]);
    expect(directory.aliases).toEqual([
      { address: "team@example.test", destinations: ["alice@example.test", "bob@example.test"] },
    ]);
  });

  it("takes a hash made the article's own way from the secret key of hashes", () => {
    const hash = "$5$0a1b2c3d4e5f67890a1b2c3d4e5f6789$3mYcQmhxRz8G6ZkzX1uV6f1nLZQ2lqk5yqJcR1Vh1d7";
    const { directory } = read({
      ...good,
      mailboxes: [{ address: "alice@example.test" }],
      hashes: { "alice@example.test": hash },
    });
    expect(directory.mailboxes[0]?.hash).toBe(hash);
  });

  it("reads the flat keys that `pulumi new` asks for as paths", () => {
    const flat = {
      "host.name": "mail.example.test",
      "host.adminCidrs[0]": "198.18.0.0/24",
      "host.sshKeys[0]": sshKey,
      "domains[0].name": "example.test",
      "domains[0].zoneId": zoneId,
      "mailboxes[0].address": "alice@example.test",
      "mailboxes[0].password": "generated",
    };
    expect(read(flat)).toEqual(read(good));
    expect(mistakesIn({ ...flat, host: good.host })).toHaveLength(3);
  });

  it("allows an alias beside a mailbox when it keeps a copy there", () => {
    expect(
      mistakesIn({
        ...good,
        aliases: [
          {
            address: "alice@example.test",
            destinations: ["alice@example.test", "a@elsewhere.test"],
          },
        ],
      }),
    ).toEqual([]);
  });

  it.each(["dev", "lab"])("stands in Pulumi.%s.yaml", (stack) => {
    const { config } = parse(readFileSync(`Pulumi.${stack}.yaml`, "utf8"));
    const values = Object.fromEntries(
      Object.entries(config).map(([k, v]) => [k.replace("mail-host:", ""), v]),
    );
    expect(mistakesIn(values)).toEqual([]);
  });
});

describe("a wrong configuration", () => {
  const cases: [what: string, values: Record<string, unknown>, expected: RegExp][] = [
    [
      "no host name",
      { ...good, host: { ...good.host, name: "mail" } },
      /^mail-host:host\.name \| "mail" is not a fully qualified host name.*mail\.example\.com.* \| set it with: pulumi config set --path 'mail-host:host\.name' <value>$/,
    ],
    [
      "an address as host name",
      { ...good, host: { ...good.host, name: "192.0.2.1", zoneId } },
      /host\.name \| "192\.0\.2\.1" is not/,
    ],
    [
      "an internationalised domain as typed",
      { ...good, domains: [...good.domains, { name: "bücher.test", zoneId }] },
      /domains\[1\]\.name \| "bücher\.test" .*xn--bcher-kva\.test/,
    ],
    [
      "no zone id",
      { ...good, domains: [{ name: "example.test", zoneId: "abc" }] },
      /domains\[0\]\.zoneId \| "abc" is not a Cloudflare id \(32 hex characters\)/,
    ],
    [
      "a zone id that is missing",
      { ...good, domains: [{ name: "example.test" }] },
      /domains\[0\]\.zoneId \| is missing: wanted is a Cloudflare id/,
    ],
    [
      "an address outside the domains",
      {
        ...good,
        mailboxes: [...good.mailboxes, { address: "eve@elsewhere.test", password: "generated" }],
      },
      /mailboxes\[1\]\.address \| "eve@elsewhere\.test" is outside the domains of this host; allowed: example\.test/,
    ],
    [
      "a duplicate mailbox",
      {
        ...good,
        mailboxes: [...good.mailboxes, { address: "Alice@example.test", password: "generated" }],
      },
      /mailboxes\[1\] \| "alice@example\.test" is a mailbox already, at mail-host:mailboxes\[0\].*config rm --path/,
    ],
    [
      "a duplicate alias",
      {
        ...good,
        aliases: [
          { address: "a@example.test", destinations: ["alice@example.test"] },
          { address: "a@example.test", destinations: ["alice@example.test"] },
        ],
      },
      /aliases\[1\] \| "a@example\.test" is a alias already|aliases\[1\] \| "a@example\.test" is an alias already/,
    ],
    [
      "an alias loop",
      {
        ...good,
        aliases: [
          { address: "a@example.test", destinations: ["b@example.test"] },
          { address: "b@example.test", destinations: ["a@example.test"] },
        ],
      },
      /aliases\[0\]\.destinations \| leads in a loop: a@example\.test → b@example\.test → a@example\.test/,
    ],
    [
      "a mailbox with neither hash nor generated password",
      { ...good, mailboxes: [{ address: "alice@example.test" }] },
      /mailboxes\[0\]\.password \| "alice@example\.test" has neither a hash nor a generated password/,
    ],
    [
      "a catch-all to nowhere",
      { ...good, aliases: [{ address: "@example.test", destinations: ["nobody@example.test"] }] },
      /aliases\[0\]\.destinations \| the catch-all "@example\.test" leads to "nobody@example\.test", which is neither a mailbox nor an alias here/,
    ],
    [
      "an alias that would take a mailbox's mail",
      { ...good, aliases: [{ address: "alice@example.test", destinations: ["a@elsewhere.test"] }] },
      /is a mailbox already, and this alias would take its mail away/,
    ],
    [
      "an unknown key",
      { ...good, colour: "blue" },
      /^mail-host:colour \| is a key that this program does not know; allowed: adopt, aliases, .* \| remove it with: pulumi config rm --path 'mail-host:colour'$/,
    ],
    [
      "an unknown key inside host",
      { ...good, host: { ...good.host, colour: "blue" } },
      /^mail-host:host\.colour \| is a key that this program does not know/,
    ],
    [
      "an unknown location",
      { ...good, host: { ...good.host, location: "mars1" } },
      /host\.location \| "mars1" is not a Hetzner location; allowed: fsn1, nbg1/,
    ],
    [
      "a network with host bits",
      { ...good, host: { ...good.host, adminCidrs: ["203.0.113.7/24"] } },
      /host\.adminCidrs\[0\] \| "203\.0\.113\.7\/24" is not a network/,
    ],
    [
      "a network of one machine's own",
      { ...good, host: { ...good.host, adminCidrs: ["fe80::%eth0/64"] } },
      /host\.adminCidrs\[0\] \| "fe80::%eth0\/64" is not a network/,
    ],
    [
      "no network for SSH",
      { ...good, host: { ...good.host, adminCidrs: [] } },
      /host\.adminCidrs \| \[\] names no network/,
    ],
    [
      "a hash for a stranger",
      { ...good, hashes: { "eve@example.test": `{SSHA512}${"A".repeat(88)}` } },
      /hashes\["eve@example\.test"\] \| "eve@example\.test" is not a mailbox/,
    ],
    [
      "a host outside every domain without its zone",
      { ...good, host: { ...good.host, name: "mx.other.test" } },
      /host\.zoneId \| is missing: "mx\.other\.test" lies in none of the domains/,
    ],
    [
      "an authority without TLS",
      { ...good, host: { ...good.host, acmeDirectory: "http://acme.test/dir" } },
      /host\.acmeDirectory \| "http:\/\/acme\.test\/dir" is not the https URL of an ACME directory/,
    ],
    [
      "a host with a name that it serves for a domain",
      { ...good, host: { ...good.host, name: "mta-sts.example.test" } },
      /host\.name \| "mta-sts\.example\.test" is a name that the host serves for example\.test/,
    ],
    [
      "a domain with a name that is served for another",
      {
        ...good,
        domains: [...good.domains, { name: "autoconfig.example.test", zoneId }],
      },
      /domains\[1\]\.name \| "autoconfig\.example\.test" is a name that this host serves for example\.test/,
    ],
    [
      "a domain without room for names below it",
      {
        ...good,
        domains: [
          ...good.domains,
          {
            name: `${["x", "y", "z"].map((l) => l.repeat(63)).join(".")}.${"w".repeat(39)}.test`,
            zoneId,
          },
        ],
      },
      /domains\[1\]\.name \| .* is longer than 235 characters/,
    ],
    [
      "a missing directory file",
      { ...good, directory: "gone.yaml" },
      /mail-host:directory \| "gone\.yaml" is not a file that can be read/,
    ],
  ];

  it.each(cases)(
    "is told of %s: the key, the value, what is allowed, the cure",
    (_what, values, expected) => {
      const found = mistakesIn(values);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(expected);
    },
  );

  it("is told of all its mistakes at once", () => {
    const values = {
      host: { ...good.host, name: "mail", location: "mars1" },
      domains: good.domains,
      mailboxes: [{ address: "x@y" }, ...good.mailboxes],
      colour: "blue",
    };
    expect(mistakesIn(values)).toHaveLength(4);
  });

  it("never shows a hash that it refuses", () => {
    const secret = "$1$secretsalt$secretdigest";
    expect(
      mistakesIn({ ...good, mailboxes: [{ address: "alice@example.test", hash: secret }] }).join(),
    ).not.toContain("secret");
    expect(
      mistakesIn({
        ...good,
        mailboxes: [{ address: "alice@example.test" }],
        hashes: { "alice@example.test": secret },
      }).join(),
    ).not.toContain("secretd");
  });
});

describe("the last day of a test stack", () => {
  it.each(["tomorrow", "2026-12-1", "01.12.2026", "2026-11-31", "2026-13-01", "1999-12-01"])(
    "is refused where it is no date: %s",
    (expires) => {
      expect(mistakesIn({ ...good, lasting: "false", expires })).toEqual([
        `mail-host:expires | "${expires}" is not a date of the calendar: year, month and day, e.g. 2026-12-01 | set it with: pulumi config set --path 'mail-host:expires' <value>`,
      ]);
    },
  );

  it("is refused on a lasting stack, with both ways out", () => {
    expect(mistakesIn({ ...good, expires: "2026-12-01" })).toEqual([
      'mail-host:expires | "2026-12-01" is the last day of a test stack, and this one is lasting | ' +
        "remove it with: pulumi config rm --path 'mail-host:expires'; on a test stack: pulumi config set mail-host:lasting false",
    ]);
  });
});
