// IMAP and SMTP with signs of every syntax in mailbox names, searches, addresses, headers and bodies: what
// is meant is reached, and the answers are the protocol's. Does not prove that a flood of them is borne.

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Conversation, imapLogin, lastLine, literal } from "../../support/conversation";
import { fragments, hostileText } from "../../support/hostile";
import { fetchMail, token } from "../../support/mail";
import { watchHost } from "../../support/survival";
import { domain, login, onHost, target } from "../../support/target";

const alice = `alice@${domain}`;
let expectUnharmed: () => void;

beforeAll(() => {
  expectUnharmed = watchHost();
});

describe("commands of a user who means harm", () => {
  it("reach no mailbox but the user's own, whatever its name", async () => {
    const { imap, answer } = await imapLogin(login(alice));
    expect(answer).toMatch(/^a OK /);
    const box = target.passwords[`bob@${domain}`] === undefined ? "carol" : "bob";
    const names = [
      ...[
        `../${box}`,
        `../${box}/Maildir`,
        `../../${domain}/${box}`,
        "a/../../x",
        "/etc/x",
        "/tmp/x",
        "~/x",
        `~${box}/x`,
      ],
      ...[
        "..",
        ".",
        "...",
        "..x",
        "x..y",
        "a/../b",
        "INBOX/../x",
        "cur",
        "dovecot-uidlist",
        "%",
        "*",
        "%{home}",
        "$HOME",
      ],
      ...[
        "x'; drop table users; -- ",
        '"',
        "\\",
        "x\r\ny",
        "x\ty",
        "\u202ex",
        "e\u0301",
        "&",
        "&-",
        "&Jjo-",
        "n".repeat(300),
        "",
      ],
      ...fragments.filter((fragment) => !fragment.includes("\0")),
      ...fc.sample(hostileText, 40).filter((text) => !text.includes("\0")),
    ];
    const ask = async (verb: string, name: string) => {
      const said = await imap.ask(`${verb} `, literal(name));
      expect(lastLine(said), `${verb} ${JSON.stringify(name)}`).toMatch(/^a (OK|NO|BAD) /);
      return lastLine(said).startsWith("a OK");
    };
    for (const name of names.filter((text) => !/^inbox$/i.test(text))) {
      const created = await ask("CREATE", name);
      // What was not made just now belongs to someone else, or to no one.
      const selected = await ask("SELECT", name);
      expect([name, selected && !created]).toEqual([name, false]);
      await imap.ask("UNSELECT");
      await ask('LIST ""', name);
      await ask("RENAME Trash.none", name);
      const deleted = await ask("DELETE", name.replace(/\.$/, ""));
      expect([name, deleted]).toEqual([name, created]);
    }
    imap.close();
  });

  it("are answered as the protocol wants it, also when they are none", async () => {
    const { imap } = await imapLogin(login(alice));
    expect(await imap.ask("EXAMINE INBOX")).toMatch(/^a OK /m);
    for (const text of [...fragments, ...fc.sample(hostileText, 40)]) {
      for (const key of ["SUBJECT", "BODY", "HEADER X"]) {
        const said = await imap.ask(`SEARCH CHARSET UTF-8 ${key} `, literal(text));
        expect(lastLine(said), `${key} ${JSON.stringify(text)}`).toMatch(/^a (OK|NO|BAD) /);
      }
    }
    for (const broken of [
      "SEARCH {-1}",
      "SEARCH {5",
      "FETCH 1:4294967296 (BODY[])",
      "FETCH 0 x",
      "SELECT",
      'SELECT "',
      "((((",
      "FETCH 1 BODY[HEADER.FIELDS (%s)]<9.>",
    ]) {
      expect(lastLine(await imap.ask(broken)), broken).toMatch(/^a (OK|NO|BAD) /);
    }
    imap.close();
  });
});

describe("mail from a stranger", () => {
  const local = alice.slice(0, alice.indexOf("@"));
  /** Says each command in a connection of its own, after EHLO and MAIL FROM; the replies to it. */
  const ask = (commands: readonly string[], opening: readonly string[]) =>
    Promise.all(
      commands.map(async (command) => {
        const smtp = await Conversation.open();
        await smtp.reply();
        for (const line of opening) await smtp.say(line);
        const { text } = await smtp.say(command);
        smtp.close();
        return [command, text] as const;
      }),
    );
  const oneLine = fc.sample(hostileText, 20).map((text) => text.replace(/[\r\n]/g, ""));
  const conformant = /^(\d{3}[ -]\P{Cc}*\r\n)+$/u;

  it("is taken for no address that only looks like a mailbox's", async () => {
    const recipients = [
      ...[
        `${alice} x`,
        `${alice}' or '1'='1`,
        `x' or '1'='1@${domain}`,
        `%@${domain}`,
        `_____@${domain}`,
        `${local}%@${domain}`,
      ],
      ...[
        `\uff41${alice.slice(1)}`,
        `${local}\u200b@${domain}`,
        `${local}e\u0301@${domain}`,
        `\u0430${alice.slice(1)}`,
        `${local}@\uff45${domain.slice(1)}`,
      ],
      ...[
        `"${local} "@${domain}`,
        `" ${local}"@${domain}`,
        `"${local}\\@x"@${domain}`,
        `"../${local}"@${domain}`,
        `../x/${local}@${domain}`,
      ],
      ...[
        `victim%elsewhere.test@${domain}`,
        `elsewhere.test!victim@${domain}`,
        `"victim@elsewhere.test"@${domain}`,
      ],
      ...[
        `@${domain}:victim@elsewhere.test`,
        `victim@elsewhere.test@${domain}`,
        `victim%elsewhere.test@${target.hostname}`,
      ],
      ...[
        `|id@${domain}`,
        `/etc/passwd@${domain}`,
        `:include:/etc/passwd@${domain}`,
        `-f@${domain}`,
        `${"x".repeat(2000)}@${domain}`,
      ],
    ].map((address) => `RCPT TO:<${address}>`);
    const replies = await ask(recipients, ["EHLO mx.elsewhere.test", "MAIL FROM:<>"]);
    for (const [command, reply] of replies) {
      expect(reply, command).toMatch(/^[45]/);
      expect(reply, command).toMatch(conformant);
    }
  });

  it("is answered as the protocol wants it, whatever name or sender it gives", async () => {
    const texts = [...fragments.map((text) => text.replace(/[\r\n]/g, "")), ...oneLine];
    const helo = await ask(
      texts.slice(0, 45).map((text) => `EHLO ${text}`),
      [],
    );
    const from = await ask(
      texts.slice(-45).map((text) => `MAIL FROM:<${text}@elsewhere.test>`),
      ["EHLO mx.elsewhere.test"],
    );
    for (const [command, reply] of [...helo, ...from]) {
      expect(reply, JSON.stringify(command)).toMatch(/^([245]\d\d[ -][^\n]*\n)+$/);
    }
  });

  it("arrives once and where it should, with anything in header and body", async () => {
    const subject = token();
    const smtp = await Conversation.open();
    await smtp.reply();
    const junk = [...fragments, ...fc.sample(hostileText, 60)].map((text) =>
      text.replace(/[\r\n\0]/g, " "),
    );
    const message = [
      `Subject: ${subject}`,
      `From: "x' or '1'='1" <${junk[0]}@elsewhere.test>`,
      ...junk.map((text, i) => `X-Junk-${i}: ${text}`),
      `To: ${junk.join(",")}`,
      `X-Long: ${"y".repeat(5000)}`,
      "",
      ...junk.map((text) => text.replace(/^\./, "..")),
    ].join("\r\n");
    const said: number[] = [];
    await smtp.say("EHLO mx.elsewhere.test");
    for (const line of [
      "MAIL FROM:<sender@elsewhere.test>",
      `RCPT TO:<"${local}"@${domain.toUpperCase()}>`,
      `RCPT TO:<${local}+{home}$'/../x@${domain}>`,
      "DATA",
      `${message}\r\n.`,
    ]) {
      said.push((await smtp.say(line)).code);
    }
    smtp.close();
    expect(said).toEqual([250, 250, 250, 354, 250]);
    const source = await fetchMail({ ...login(alice), subject });
    expect(source).toContain(`X-Long: ${"y".repeat(900)}`);
    expect(
      onHost(
        `grep --recursive --files-with-matches --fixed-strings 'Subject: ${subject}' /var/spool/mail/virtual | cut --delimiter=/ --fields=6-7 | sort --unique`,
      )
        .trim()
        .split("\n"),
    ).toEqual([`${domain}/${local}`]);
  });
});

describe("after all that, the host", () => {
  it("runs as before, and keeps mail in the homes of its users alone", () => expectUnharmed());
});
