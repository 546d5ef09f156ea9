// One mail within another, told apart by what each server takes for its end (CVE-2023-51764): this
// host must see one mail, and hand on nothing in which the next server could see two.

import { describe, expect, it } from "vitest";
import { Conversation, openLoggedIn, type Reply } from "../../support/conversation";
import { mailElsewhere, mailsElsewhere } from "../../support/elsewhere";
import { fetchMail, token, withMailbox } from "../../support/mail";
import { domain, login, target } from "../../support/target";

const { elsewhere } = target;
const alice = login(`alice@${domain}`);
const friend = `friend@${elsewhere.domain}`;

/** Everything that somebody might take for the end of a mail, and that is none (RFC 5321 4.1.1.4). */
const endings = [
  "\n.\n",
  "\n.\r\n",
  "\r\n.\n",
  "\r.\r",
  "\r.\r\n",
  "\r\n.\r",
  "\r.\n",
  "\n.\r",
  "\r\n.\r\r\n",
  "\r\n\0.\r\n",
  "\r\n.\0\r\n",
  "\0.\0",
  "\r\n .\r\n",
  "\r\n. \r\n",
  "\r\n..\r\n",
  "\n..\n",
  "\v.\v",
  "\f.\f",
  "\u0085.\u0085",
  "\u2028.\u2028",
].map((ending) => [JSON.stringify(ending), ending]);

/** In the subject of every inner mail. */
const smuggled = token();

/** A mail with another in it, and all the replies to it. */
async function smuggle(
  session: Conversation,
  { from, to, subject, ending }: { from: string; to: string; subject: string; ending: string },
): Promise<Reply[]> {
  for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA"]) await session.say(line);
  const inner = `MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\nSubject: ${smuggled}\r\n\r\nInner.`;
  session.send(`From: <${from}>\r\nSubject: ${subject}\r\n\r\nOuter.${ending}${inner}\r\n.\r\n`);
  const end = await session.reply();
  session.send("QUIT\r\n");
  return [end, ...(await session.replies())];
}

/** The outer mail's text holds the inner one's commands: nobody has taken them for such. */
const expectInOne = (mail: string) => expect(mail).toMatch(/Outer\..*MAIL FROM:.*Inner\./s);

describe("a mail from elsewhere stays one mail", () => {
  it.each(endings)("with %s in it", async (_form, ending) => {
    const subject = token();
    const session = await Conversation.open();
    await session.reply();
    await session.say(`EHLO mx.${elsewhere.domain}`);
    const from = `sender@${elsewhere.domain}`;
    const replies = await smuggle(session, { from, to: alice.user, subject, ending });
    expect(replies.map(({ code }) => code)).toEqual([250, 221, 0]);
    expectInOne(await fetchMail({ ...alice, subject }));
  });

  it("with nothing of another in the mailbox", async () => {
    const found = await withMailbox(alice, (client) =>
      client.search({ header: { subject: smuggled } }),
    );
    expect(found).toEqual([]);
  });
});

describe("a user's mail stays one mail for the next server", () => {
  it.each(endings)("with %s in it", async (_form, ending) => {
    const subject = token();
    const session = await openLoggedIn(alice);
    const replies = await smuggle(session, { from: alice.user, to: friend, subject, ending });
    expect(replies.map(({ code }) => code)).toEqual([250, 221, 0]);
    const mail = await mailElsewhere(subject);
    expectInOne(mail);
    expect(mail.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
  });

  it("with the end of a mail in a chunk", async () => {
    const subject = token();
    const session = await openLoggedIn(alice);
    for (const line of [`MAIL FROM:<${alice.user}>`, `RCPT TO:<${friend}>`])
      await session.say(line);
    const inner = `MAIL FROM:<${alice.user}>\r\nDATA\r\nSubject: ${smuggled}\r\n\r\nInner.\r\n`;
    const message = `From: <${alice.user}>\r\nSubject: ${subject}\r\n\r\nOuter.\r\n.\r\n${inner}`;
    session.send(`BDAT ${message.length} LAST\r\n${message}QUIT\r\n`);
    const replies = await session.replies();
    expect(replies.map(({ code }) => code)).toEqual([250, 221, 0]);
    const mail = await mailElsewhere(subject);
    expectInOne(mail);
  });

  it("with nothing of another in what elsewhere received", () => {
    const mails = mailsElsewhere(smuggled);
    expect(mails.filter((mail) => !mail.includes("Outer."))).toEqual([]);
    expect(mails.length).toBe(endings.length + 1);
  });
});
