// Names and passwords with signs of every syntax: their owners get in by each port, and nobody else.
// Does not prove that a flood of attempts is borne.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { directoryRows } from "../../../components/directory-rows";
import { host, read, zoneId } from "../../support/configuration";
import {
  imapLogin,
  type Login,
  lastLine,
  openImap,
  plainLogin,
  smtpLogin,
} from "../../support/conversation";
import { presentDirectory, putDirectory } from "../../support/directory";
import { deliver, fetchMail, token, withMailbox } from "../../support/mail";
import { watchHost } from "../../support/survival";
import { domain, login, onHost, target } from "../../support/target";

const alice = `alice@${domain}`;

/** All labels as long as they may be, 253 characters together, below a local part of 64. */
const longDomain = `${"x".repeat(63)}.${"y".repeat(63)}.${"z".repeat(63)}.${"w".repeat(38)}.test`;
const longAddress = `${"l".repeat(64)}@${longDomain}`;

const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 0x20 + i));

/** Mailboxes whose owners brought their own hash, and what they type. */
const owners = {
  [longAddress]: { password: printable, make: "openssl passwd -6 -stdin" },
  [`quotes@${domain}`]: {
    password: "'\"\\`%{user}%u%s$HOME$(id);#@@ {}' or '1'='1",
    make: "openssl passwd -5 -stdin",
  },
  [`composed@${domain}`]: {
    password: "p\u00e4ssw\u00f6rd \u{1f511} \u05d0",
    make: "openssl passwd -6 -stdin",
  },
  [`thousand@${domain}`]: {
    password: "0123456789 ' %{} ".repeat(60).slice(0, 1000),
    make: 'doveadm pw -s ARGON2ID -p "$(cat)"',
  },
};

const local = alice.slice(0, alice.indexOf("@"));

/** Names that only look like a user's, or would mean something to SQL, to Dovecot or in a path. */
const names: readonly (string | Buffer)[] = [
  ...[
    `${alice}' or '1'='1`,
    "' or '1'='1' -- ",
    `${alice}'-- `,
    `${alice}\\`,
    `x' union select '${alice}`,
  ],
  ...[
    "(select email from users limit 1)",
    "@@version",
    "%{user}",
    "%u",
    "%{env:HOME}",
    "\u0024{user}",
  ],
  ...[
    `${alice} `,
    ` ${alice}`,
    `${alice}.`,
    `${alice}\t`,
    `${alice}\u0001`,
    `${alice}\r\nuser=${alice}`,
  ],
  ...[
    `${alice}\tuser=${alice}`,
    `../${alice}`,
    `${alice}/../../x`,
    `${local}@../${domain}`,
    `${local}+x@${domain}`,
  ],
  ...[
    `"${local}"@${domain}`,
    `${alice}*${alice}`,
    `<${alice}>`,
    local,
    `@${domain}`,
    "@",
    "",
    "%",
    "_____@%",
  ],
  ...[
    `\uff41${alice.slice(1)}`,
    `${local}\u200b@${domain}`,
    `${local}e\u0301@${domain}`,
    `\u0430${alice.slice(1)}`,
  ],
  ...[
    "x".repeat(3000),
    Buffer.from([0xff, 0xfe]),
    Buffer.concat([Buffer.from(alice), Buffer.from([0x80])]),
  ],
];

/** Guises of passwords that are not the password. */
const guises: readonly (readonly [user: string, password: string])[] = [
  [`composed@${domain}`, (owners[`composed@${domain}`]?.password ?? "").normalize("NFD")],
  [`thousand@${domain}`, (owners[`thousand@${domain}`]?.password ?? "").slice(0, 999)],
  [longAddress, printable.toLowerCase()],
  [longAddress, printable.trim()],
];

async function byImapLogin(attempt: Login, address = target.ipv4): Promise<string> {
  const { imap, answer } = await imapLogin(attempt, address);
  imap.close();
  return lastLine(answer);
}

async function byImapPlain(attempt: Login, address: string): Promise<string> {
  const imap = await openImap(address);
  await imap.ask("AUTHENTICATE PLAIN");
  imap.send(`${plainLogin(attempt)}\r\n`);
  const answer = await imap.answer();
  imap.close();
  return lastLine(answer);
}

async function bySmtp(attempt: Login, address = target.ipv4): Promise<string> {
  const { smtp, reply } = await smtpLogin(attempt, { address, port: 465 });
  smtp.close();
  return lastLine(reply.text);
}

/**
 * Every attempt to break in, all at once and over IPv6: Dovecot lets an address that fails wait up to
 * 15 seconds, while users elsewhere go on. What each was answered.
 */
async function knock() {
  const { password } = login(alice);
  const acting = { user: alice, password, actingFor: `bob@${domain}` };
  const ask = <T>(list: readonly T[], use: (item: T) => Promise<string>) =>
    Promise.all(list.map(async (item) => [String(item), await use(item)] as const));
  const [imap, sasl, smtp, disguised, impostors] = await Promise.all([
    ask(names, (user) => byImapLogin({ user, password }, target.ipv6)),
    ask(names.slice(0, 12), (user) => byImapPlain({ user, password }, target.ipv6)),
    ask(names.slice(0, 40), (user) => bySmtp({ user, password }, target.ipv6)),
    ask(guises, ([user, password]) => bySmtp({ user, password }, target.ipv6)),
    Promise.all([byImapPlain(acting, target.ipv6), bySmtp(acting, target.ipv6)]),
  ]);
  return { imap: [...imap, ...sasl], smtp: [...smtp, ...disguised], impostors };
}

let attempts: ReturnType<typeof knock>;
let rows: ReturnType<typeof presentDirectory> | undefined;
let expectUnharmed: () => void;

beforeAll(() => {
  expectUnharmed = watchHost();
  rows = presentDirectory();
  const { directory } = read({
    host: { ...host, zoneId },
    domains: [domain, longDomain].map((name) => ({ name, zoneId })),
    mailboxes: Object.entries(owners).map(([address, { password, make }]) => ({
      address,
      hash: onHost(make, password).trim(),
    })),
  });
  const more = directoryRows(directory, "");
  const known = new Set(rows.aliases.map(({ mail }) => mail));
  putDirectory({
    domains: [...rows.domains, longDomain],
    users: [...rows.users, ...more.users],
    aliases: [...rows.aliases, ...more.aliases.filter(({ mail }) => !known.has(mail))],
  });
  attempts = knock();
});

afterAll(() => {
  if (rows !== undefined) putDirectory(rows);
  onHost(
    `rm -rf /var/spool/mail/virtual/${longDomain} /var/spool/mail/virtual/${domain}/{quotes,composed,thousand}`,
  );
});

describe("a password", () => {
  it.each(Object.entries(owners))(
    "of signs of every kind opens %s by IMAP and SMTP",
    async (user, { password }) => {
      expect(await byImapLogin({ user, password })).toMatch(/^a OK /);
      expect(await bySmtp({ user, password })).toMatch(/^235 /);
      await withMailbox({ user: user.toUpperCase(), password }, async (client) => {
        expect(client.mailbox).toMatchObject({ path: "INBOX" });
      });
    },
  );
});

describe("the longest address that there may be", () => {
  it("receives, also with an extension", async () => {
    for (const to of [longAddress, longAddress.replace("@", "+{user}$'@").toUpperCase()]) {
      const subject = token();
      expect((await deliver({ to, subject })).map(({ code }) => code)).toEqual([
        220, 250, 250, 250, 354, 250, 221,
      ]);
      await fetchMail({ user: longAddress, password: printable, subject });
    }
  });
});

describe("a stranger who knows a password", () => {
  it("does not log in by IMAP with a name that only looks like a user's", async () => {
    for (const [name, answer] of (await attempts).imap) {
      expect(answer, name).toMatch(/^a (NO|BAD) |^\* BYE |^\[closed\]$/);
    }
  });

  it("does not log in by SMTP with a name or a password that only looks like a user's", async () => {
    for (const [name, answer] of (await attempts).smtp) {
      expect(answer, name).toMatch(/^(501|535|500 5\.5\.6|454) /);
    }
  });

  it("does not become someone else by asking to act for them", async () => {
    expect((await attempts).impostors).toEqual([
      expect.stringMatching(/^a NO /),
      expect.stringMatching(/^535 /),
    ]);
  });

  it("does not keep the user from logging in from the same address", async () => {
    await attempts;
    expect(await byImapLogin(login(alice), target.ipv6)).toMatch(/^a OK /);
  });
});

describe("after all that, the host", () => {
  it("runs as before, and keeps mail in the homes of its users alone", () => expectUnharmed());
});
