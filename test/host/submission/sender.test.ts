// Whose mail the submission ports take, and in whose name: the envelope's. What the From header
// may say is proven in header-from.test.ts.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Conversation,
  openEncrypted,
  openLoggedIn,
  plainLogin,
} from "../../support/conversation";
import { mailsElsewhere } from "../../support/elsewhere";
import { fetchMail, smtpDialogue, token } from "../../support/mail";
import { domain, login, onHost, secondDomain, target } from "../../support/target";

const { hostname, elsewhere } = target;
const alice = login(`alice@${domain}`);
const bob = login(`bob@${domain}`);
const friend = `friend@${elsewhere.domain}`;

/** In every message of this file that must not be carried. */
const word = token();

/** Hands a mail over in an open session, as far as the server goes along; the last reply. */
async function send(
  session: Conversation,
  { from, to = friend, subject = word }: { from: string; to?: string; subject?: string },
): Promise<{ code: number; text: string }> {
  for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA"]) {
    const reply = await session.say(line);
    if (reply.code >= 400) return reply;
  }
  return session.say(`From: ${alice.user}\r\nSubject: ${subject}\r\n\r\nHello.\r\n.`);
}

describe("who has not logged in", () => {
  it.each([
    ["to the world", friend],
    ["to a user of this host", bob.user],
  ])("cannot send through port 587 before TLS %s", async (_form, to) => {
    const lines = ["EHLO client.test", `MAIL FROM:<${alice.user}>`, `RCPT TO:<${to}>`];
    const replies = await smtpDialogue(lines, { port: 587 });
    expect(replies.map(({ code }) => code)).toEqual([220, 250, 530]);
  });

  it.each([
    [465, "to the world", alice.user, friend],
    [465, "to a user of this host", alice.user, bob.user],
    [465, "as nobody", "", bob.user],
    [465, "as a stranger", `sender@${elsewhere.domain}`, bob.user],
    [587, "to the world", alice.user, friend],
    [587, "to a user of this host", alice.user, bob.user],
    [587, "as nobody", "", bob.user],
    [587, "as a stranger", `sender@${elsewhere.domain}`, bob.user],
  ])("cannot send through port %d in TLS %s", async (port, _form, from, to) => {
    const session = await openEncrypted({ port });
    await session.say("EHLO client.test");
    const { code } = await send(session, { from, to });
    session.close();
    expect(code).toBe(554);
  });
});

describe("a user who has logged in", () => {
  let session: Conversation;
  beforeEach(async () => {
    session = await openLoggedIn(alice);
  });
  afterEach(() => session.close());

  it.each([
    ["another user", bob.user],
    ["another user in upper case", bob.user.toUpperCase()],
    ["another user with an extension", `bob+alice@${domain}`],
    ["another user with a trailing dot", `${bob.user}.`],
    ["another user behind a source route", `@${domain}:${bob.user}`],
    ["another user in quotes", `"bob"@${domain}`],
    ["another user by the percent hack", `bob%${domain}@localhost`],
    ["another user of another domain", `carol@${secondDomain}`],
    ["an address that another's catch-all covers", `whoever@${secondDomain}`],
    ["an address of our domain that nobody has", `nobody@${domain}`],
    ["her own name in another domain", `alice@${secondDomain}`],
    ["her own name at the host", `alice@${hostname}`],
    ["root at the host", `root@${hostname}`],
    ["a name without a domain", "alice"],
    ["a stranger", `sender@${elsewhere.domain}`],
  ])("cannot send as %s: %s", async (_form, from) => {
    expect((await send(session, { from })).code).toBe(553);
  });

  it.each([
    ["herself", alice.user],
    ["herself in upper case", alice.user.toUpperCase()],
    ["herself with an extension", `alice+list@${domain}`],
    ["an alias that reaches her", `sales@${domain}`],
    ["nobody, as notices of receipt do (RFC 8098)", ""],
  ])("sends as %s: %s", async (_form, from) => {
    const subject = token();
    expect((await send(session, { from, to: bob.user, subject })).code).toBe(250);
    await fetchMail({ ...bob, subject });
  });

  it("cannot become another by logging in again", async () => {
    expect((await session.say(`AUTH PLAIN ${plainLogin(bob)}`)).code).toBe(503);
    expect((await send(session, { from: bob.user })).code).toBe(553);
  });

  it("cannot become another by XCLIENT", async () => {
    expect((await session.say(`XCLIENT LOGIN=${bob.user}`)).code).toBe(550);
    expect((await send(session, { from: bob.user })).code).toBe(553);
  });
});

it("and none of the refused mails is anywhere: queue, mailboxes, or elsewhere", () => {
  const places = "/var/spool/postfix /var/mail/virtual";
  expect(onHost(`grep -rlF ${word} ${places} || true`)).toBe("");
  expect(mailsElsewhere(word)).toEqual([]);
});
