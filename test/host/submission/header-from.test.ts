// What the From header of a user's mail may say: one address, which leads to the login. Does not prove
// what other servers accept.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Conversation, openLoggedIn } from "../../support/conversation";
import { presentDirectory, putDirectory } from "../../support/directory";
import { receivedElsewhere } from "../../support/elsewhere";
import { fetchMail, token } from "../../support/mail";
import { restartRspamd } from "../../support/outage";
import { domain, login, onHost, secondDomain, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const bob = login(`bob@${domain}`);
const stranger = `sender@${target.elsewhere.domain}`;
/** In every message of this file that must not be carried. */
const word = token();

async function say(session: Conversation, from: string, headers: string) {
  for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${bob.user}>`, "DATA"]) {
    const reply = await session.say(line);
    if (reply.code >= 400) return reply;
  }
  const text = headers.replace(/\n/g, "\r\n");
  return session.say(`${text}\r\nTo: ${bob.user}\r\n\r\nHello.\r\n.`);
}

const encoded = (text: string) => `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`;

describe("a user", () => {
  let session: Conversation;
  beforeEach(async () => {
    session = await openLoggedIn(alice);
  });
  afterEach(() => session.close());

  it.each([
    ["another user", `From: ${bob.user}`],
    ["a stranger", `From: ${stranger}`],
    ["another user in upper case", `FROM: ${bob.user.toUpperCase()}`],
    ["another user in a folded line", `From:\n ${bob.user}`],
    ["another user in brackets", `From: Alice <${bob.user}>`],
    ["another user behind her own address as a name", `From: "${alice.user}" <${bob.user}>`],
    ["another user behind her own address as a comment", `From: (${alice.user}) ${bob.user}`],
    ["another user in an encoded word", `From: ${encoded(bob.user)}`],
    ["a name that is another user's address", `From: "${bob.user}" <${alice.user}>`],
    ["such a name in an encoded word", `From: ${encoded(bob.user)} <${alice.user}>`],
    ["a comment that is a stranger's address", `From: ${alice.user} (${stranger})`],
    ["herself and another user", `From: ${alice.user}, ${bob.user}`],
    ["a group", `From: us: ${alice.user}, ${bob.user};`],
    ["a group without members", "From: undisclosed:;"],
    ["two addresses in brackets", `From: <${alice.user}> <${bob.user}>`],
    ["a source route", `From: <@${domain}:${bob.user}>`],
    ["a quoted local part", `From: "bob"@${domain}`],
    ["a name without an address", "From: Alice"],
    ["nothing", "From:"],
    ["the host", `From: root@${target.hostname}`],
    ["an extension of another user", `From: bob+alice@${domain}`],
    ["an address of our domain that nobody has", `From: nobody@${domain}`],
    ["two headers, hers first", `From: ${alice.user}\nFrom: ${bob.user}`],
    ["two headers, hers last", `From: ${bob.user}\nFrom: ${alice.user}`],
    ["two headers, both hers", `From: ${alice.user}\nFrom: ${alice.user}`],
    ["a second header with a space before its colon", `From: ${alice.user}\nFrom : ${bob.user}`],
    ["a Sender that is another user", `From: ${alice.user}\nSender: ${bob.user}`],
    ["a Resent-From that is another user", `From: ${alice.user}\nResent-From: ${bob.user}`],
    ["no From header at all", "X-Nothing: here"],
  ])("cannot write as %s", async (_form, headers) => {
    const { code, text } = await say(session, alice.user, `${headers}\nSubject: ${word}`);
    expect(text).toMatch(/^55[04] 5\.7\.1 .*(From|Sender)/);
    expect(code).toBeGreaterThanOrEqual(550);
  });

  it.each([
    ["herself", `From: ${alice.user}`],
    ["herself in upper case", `FROM: ${alice.user.toUpperCase()}`],
    ["herself with a name", `From: Alice A. <${alice.user}>`],
    ["herself with a name in quotes", `From: "Alice, the <first>" <${alice.user}>`],
    ["herself with a name that is her address", `From: "${alice.user}" <${alice.user}>`],
    ["herself with an encoded name", `From: ${encoded("Älice @ home")} <${alice.user}>`],
    ["herself with a comment", `From: ${alice.user} (Alice)`],
    ["herself in a folded line", `From: Alice\n <${alice.user}>`],
    ["herself with an extension", `From: alice+list@${domain}`],
    ["an alias that leads to her", `From: Sales <sales@${domain}>`],
    ["herself, and Sender too", `From: ${alice.user}\nSender: ${alice.user}`],
  ])("writes as %s", async (_form, headers) => {
    const subject = token();
    const reply = await say(session, alice.user, `${headers}\nSubject: ${subject}`);
    expect(reply).toMatchObject({ code: 250 });
    await fetchMail({ ...bob, subject });
  });

  it("writes as a catch-all's address only where it leads to that user", async () => {
    const mine = await openLoggedIn(bob);
    const headers = (subject: string) => `From: whoever@${secondDomain}\nSubject: ${subject}`;
    expect(await say(mine, bob.user, headers(token()))).toMatchObject({ code: 250 });
    mine.close();
    expect((await say(session, alice.user, headers(word))).code).toBe(554);
  });

  it("writes as a new address seconds after the directory has it, and no longer than it does", async () => {
    const before = presentDirectory();
    const address = `fresh@${domain}`;
    const aliases = [...before.aliases, { mail: address, destination: alice.user }];
    const answer = async () =>
      (await say(session, alice.user, `From: ${address}\nSubject: ${word}`)).code;
    try {
      putDirectory({ ...before, aliases });
      const deadline = Date.now() + 10_000;
      while ((await answer()) !== 250) expect(Date.now()).toBeLessThan(deadline);
    } finally {
      putDirectory(before);
    }
    const deadline = Date.now() + 10_000;
    while ((await answer()) === 250) expect(Date.now()).toBeLessThan(deadline);
  });

  it("is put off, not refused, as long as the host does not know who may write as whom", async () => {
    const map = "/var/lib/mail-host/senders.map";
    onHost(`mv ${map} ${map}.away`);
    try {
      await restartRspamd();
      const { code } = await say(session, alice.user, `From: ${alice.user}\nSubject: ${word}`);
      expect(code).toBe(451);
    } finally {
      onHost(`mv ${map}.away ${map}`);
      await restartRspamd();
    }
  });
});

it("and none of the refused mails is anywhere but where it was allowed: elsewhere has none", async () => {
  expect(await receivedElsewhere(word)).toEqual([]);
  expect(onHost("postqueue -p")).toContain("Mail queue is empty");
});
