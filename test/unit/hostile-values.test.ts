// Hostile text at every place where the configuration may hold a value: refused with a message that
// is safe to print, or taken and inert. Does not prove what the host does with what is taken.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { directoryRows } from "../../components/directory-rows";
import type { StackConfig } from "../../config";
import { ConfigurationError } from "../../config/mistakes";
import {
  alice,
  domains,
  expectSafeToPrint,
  good,
  hash,
  host,
  lowerCased,
  read,
  refusal,
  sshKey,
  type Values,
  zoneId,
} from "../support/configuration";
import { hostileText, spoiled } from "../support/hostile";

interface Place {
  /** A good value there. */
  readonly good: string;
  /** What a mistake there is called. */
  readonly key: string;
  readonly put: (text: string) => Values;
  readonly found: (config: StackConfig) => string | undefined;
  /** What an accepted value consists of. */
  readonly alphabet: RegExp;
}

const mailbox = (entry: Values): Values => ({ ...good, mailboxes: [alice, entry] });
const alias = (entry: Values): Values => ({ ...good, aliases: [entry] });
const name = /^[a-z0-9.-]{3,253}$/;
const address = /^[a-z0-9_.-]{1,64}@[a-z0-9.-]{3,253}$/;
const id = /^[0-9a-f]{32}$/;

const places: Readonly<Record<string, Place>> = {
  "the host's name": {
    good: host.name,
    key: "host",
    put: (text) => ({ ...good, host: { ...host, name: text } }),
    found: (config) => config.host.name,
    alphabet: name,
  },
  "the host's zone": {
    good: zoneId,
    key: "host.zoneId",
    put: (text) => ({ ...good, host: { ...host, zoneId: text } }),
    found: (config) => config.host.zoneId,
    alphabet: id,
  },
  "a network": {
    good: "2001:db8::/32",
    key: "host.adminCidrs[0]",
    put: (text) => ({ ...good, host: { ...host, adminCidrs: [text] } }),
    found: (config) => config.host.adminCidrs[0],
    alphabet: /^[0-9A-Fa-f.:]+\/(0|[1-9][0-9]{0,2})$/,
  },
  "an SSH key": {
    good: sshKey,
    key: "host.sshKeys[0]",
    put: (text) => ({ ...good, host: { ...host, sshKeys: [text] } }),
    found: (config) => config.host.sshKeys[0],
    alphabet: /^[ -~]+$/,
  },
  "a location": {
    good: "nbg1",
    key: "host.location",
    put: (text) => ({ ...good, host: { ...host, location: text } }),
    found: (config) => config.host.location,
    alphabet: /^[a-z0-9]+$/,
  },
  "a server type": {
    good: "cx23",
    key: "host.serverType",
    put: (text) => ({ ...good, host: { ...host, serverType: text } }),
    found: (config) => config.host.serverType,
    alphabet: /^[a-z]+[0-9]+$/,
  },
  "an adopted record": {
    good: zoneId,
    key: "adopt[0]",
    put: (text) => ({ ...good, adopt: [text] }),
    found: (config) => config.adopt[0],
    alphabet: id,
  },
  "a domain": {
    good: "second.test",
    key: "domains[1]",
    put: (text) => ({ ...good, domains: [...domains, { name: text, zoneId }] }),
    found: (config) => config.directory.domains[1]?.name,
    alphabet: name,
  },
  "a domain's zone": {
    good: zoneId,
    key: "domains[1].zoneId",
    put: (text) => ({ ...good, domains: [...domains, { name: "second.test", zoneId: text }] }),
    found: (config) => config.directory.domains[1]?.zoneId,
    alphabet: id,
  },
  "a mailbox": {
    good: "bob@example.test",
    key: "mailboxes[1]",
    put: (text) => mailbox({ address: text, password: "generated" }),
    found: (config) => config.directory.mailboxes[1]?.address,
    alphabet: address,
  },
  "an alias": {
    good: "team@example.test",
    key: "aliases[0]",
    put: (text) => alias({ address: text, destinations: [alice.address] }),
    found: (config) => config.directory.aliases[0]?.address,
    alphabet: /^[a-z0-9_.-]{0,64}@[a-z0-9.-]{3,253}$/,
  },
  "a destination": {
    good: "Bob@elsewhere.test",
    key: "aliases[0].destinations",
    put: (text) => alias({ address: "team@example.test", destinations: [text] }),
    found: (config) => config.directory.aliases[0]?.destinations[0],
    alphabet:
      /^[A-Za-z0-9!#&*+/=?^_`{|}~.][A-Za-z0-9!#&*+/=?^_`{|}~.-]{0,63}@[A-Za-z0-9.-]{3,253}$/,
  },
};

describe.each(Object.entries(places))("%s", (_, { good: value, key, put, found, alphabet }) => {
  it("is taken when it is good", () => {
    expect(found(read(put(value)))).toBe(value);
  });

  it("is refused by its key and in safe words, or taken unchanged and inert", () => {
    fc.assert(
      fc.property(fc.oneof(hostileText, spoiled(value)), (text) => {
        const refused = refusal(put(text));
        if (refused !== undefined) {
          expectSafeToPrint(refused);
          expect(refused.message).toContain(`mail-host:${key}`);
          return;
        }
        const taken = found(read(put(text))) ?? "";
        expect(taken).toMatch(alphabet);
        if (key !== "host.sshKeys[0]") expect(taken).not.toContain("@@");
        expect([text.trim(), lowerCased(text)]).toContain(taken);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a secret", () => {
  const marked = fc.tuple(hostileText, hostileText).map(([a, b]) => `${a}Secret${b}`);
  const anywhere: Readonly<Record<string, (secret: unknown) => Values>> = {
    "a hash": (secret) => mailbox({ address: "bob@example.test", hash: secret }),
    "a list as hash": (secret) => mailbox({ address: "bob@example.test", hash: [secret] }),
    "a password in the clear": (secret) =>
      mailbox({ address: "bob@example.test", password: secret }),
    "a mailbox that is no object": (secret) => ({ ...good, mailboxes: [alice, secret] }),
    "mailboxes that are no list": (secret) => ({ ...good, mailboxes: { bob: { hash: secret } } }),
    "an entry of hashes": (secret) => ({ ...good, hashes: { [alice.address]: secret } }),
    "hashes as a list": (secret) => ({ ...good, hashes: [secret] }),
  };

  it.each(Object.entries(anywhere))("is never shown when %s is refused", (_, put) => {
    fc.assert(
      fc.property(marked, (secret) => {
        const refused = refusal(put(secret));
        expect(refused?.message).toBeDefined();
        expect(refused?.message).not.toContain("Secret");
        if (refused !== undefined) expectSafeToPrint(refused);
      }),
    );
  });

  it.each(["{", "[", "", "mailboxes: [{hash: !vault ", "mailboxes: &a [*a, ", '{"mailboxes": ["'])(
    "is not shown by a directory file that begins with %j and breaks beside it",
    (before) => {
      const printed: unknown[] = [];
      const emit = process.emitWarning;
      process.emitWarning = (warning: unknown) => void printed.push(warning);
      try {
        fc.assert(
          fc.property(marked, (secret) => {
            const refused = refusal(
              { ...good, directory: "people.yaml" },
              { "people.yaml": `${before}${secret}` },
            );
            expect(refused?.message ?? "").not.toMatch(/Secret(?!.*: is a key)/);
            if (refused !== undefined) expectSafeToPrint(refused);
          }),
        );
      } finally {
        process.emitWarning = emit;
      }
      expect(printed).toEqual([]);
    },
  );

  it("that is a good hash is carried byte for byte", () => {
    const given = { ...good, mailboxes: [{ address: alice.address, hash }] };
    expect(directoryRows(read(given).directory, "seed").users).toEqual([
      { email: alice.address, crypt: hash },
    ]);
    fc.assert(
      fc.property(fc.oneof(hostileText, spoiled(hash)), (text) => {
        const values = { ...good, mailboxes: [{ address: alice.address, hash: text }] };
        if (refusal(values) !== undefined) return;
        const taken = directoryRows(read(values).directory, "seed").users[0]?.crypt ?? "";
        expect(taken).toMatch(/^[!-~]+$/);
        expect([text, `{ARGON2ID}${text}`]).toContain(taken);
      }),
    );
  });
});

describe("a key", () => {
  it("that is hostile is refused in safe words, whether it stands alone, in a path or in an object", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        for (const values of [
          { ...good, [`x${text}`]: "1" },
          { ...good, [`host.x${text}`]: "1" },
          { ...good, host: { ...host, [`x${text}`]: 1 } },
          { ...good, mailboxes: [{ ...alice, [`x${text}`]: 1 }] },
          { ...good, hashes: { [`x${text}`]: hash } },
        ]) {
          const refused = refusal(values);
          expect(refused).toBeInstanceOf(ConfigurationError);
          if (refused !== undefined) expectSafeToPrint(refused);
        }
      }),
    );
  });

  it("cannot break out of the quotes of the command that would remove it", () => {
    expect(refusal({ ...good, "x'; reboot #": "1" })?.mistakes[0]?.cure).toBe(
      `remove it with: pulumi config rm --path 'mail-host:["x'\\''; reboot #"]'`,
    );
  });

  it.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"])(
    "named %s is refused like any other that is not known",
    (key) => {
      const own = (value: unknown) =>
        JSON.parse(`{${JSON.stringify(key)}: ${JSON.stringify(value)}}`);
      const attempts: [string, Record<string, string>][] = [
        ["alone", { [key]: '{"lasting": "false"}' }],
        ["as a path", { [`${key}.lasting`]: "false" }],
        ["below host", { [`host.${key}.generation`]: "7" }],
        ["below host alone", { [`host.${key}`]: '{"generation": 7}' }],
        ["in host", { host: JSON.stringify({ ...host, ...own({ generation: 7 }) }) }],
        ["in a mailbox", { mailboxes: JSON.stringify([{ ...alice, ...own("x") }]) }],
        ["in hashes", { hashes: JSON.stringify(own(hash)) }],
        ["below hashes", { [`hashes.${key}`]: hash }],
      ];
      for (const [where, values] of attempts) {
        expect(
          refusal({ ...good, ...Object.fromEntries(Object.entries(values)) })?.message,
          where,
        ).toContain(key);
      }
      for (const text of [JSON.stringify(own([])), `${key}: {mailboxes: []}\n`]) {
        expect(refusal({ ...good, directory: "f" }, { f: text })?.message, text).toContain(
          `f: ${key === "__proto__" ? '["__proto__"]' : key}`,
        );
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
    },
  );

  it.each([
    "domains[4294967295].name",
    "domains[4294967294].name",
    "domains[-1].name",
    "domains[x].name",
  ])("%s, which is no place in a list, is refused at once", (key) => {
    expect(refusal({ ...good, [key]: "second.test" })?.message).toContain(`mail-host:${key}`);
  });
});

describe("two values that mail takes for one", () => {
  const twice: Readonly<Record<string, Values>> = {
    "a mailbox in capitals": mailbox({ address: "ALICE@example.TEST", password: "generated" }),
    "a domain in capitals": { ...good, domains: [...domains, { name: "EXAMPLE.test", zoneId }] },
    "a domain with a trailing dot": {
      ...good,
      domains: [...domains, { name: "example.test.", zoneId }],
    },
    "a mailbox in look-alikes": mailbox({
      address: "\u{ff41}lice@example.test",
      password: "generated",
    }),
    "a mailbox with the Kelvin sign": mailbox({
      address: "\u212aate@example.test",
      password: "generated",
    }),
    "a host with the Kelvin sign": { ...good, host: { ...host, name: "\u212amail.example.test" } },
    "a domain with the Kelvin sign": {
      ...good,
      domains: [...domains, { name: "\u212a.test", zoneId }],
    },
    "a destination with the Kelvin sign": alias({
      address: "a@example.test",
      destinations: ["x@\u212a.test"],
    }),
    "an alias in capitals": {
      ...good,
      aliases: ["team@example.test", "Team@example.test"].map((a) => ({
        address: a,
        destinations: [alice.address],
      })),
    },
    "a destination in capitals": alias({
      address: "team@example.test",
      destinations: ["bob@elsewhere.test", "Bob@elsewhere.test"],
    }),
    "a hash in capitals": {
      ...good,
      mailboxes: [{ address: alice.address }],
      hashes: { "alice@example.test": hash, "Alice@example.test": `{SSHA512}${"B".repeat(88)}` },
    },
    "a second hash": {
      ...good,
      mailboxes: [{ address: alice.address, hash }],
      hashes: { [alice.address]: hash },
    },
    "a mail domain that is the host": { ...good, host: { ...host, name: "example.test" } },
    "a domain that could be an address": {
      ...good,
      domains: [...domains, { name: "1.2.3", zoneId }],
    },
  };

  it.each(Object.entries(twice))("are not both taken: %s", (_, values) => {
    const refused = refusal(values);
    expect(refused?.mistakes).toHaveLength(1);
    if (refused !== undefined) expectSafeToPrint(refused);
  });
});
