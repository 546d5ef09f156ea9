// Mail from elsewhere to the users of this host. Does not prove what other receivers think of us.

import { describe, expect, it } from "vitest";
import { deliver, fetchMail, smtpDialogue, token, withMailbox } from "../../support/mail";
import { domain, login, secondDomain } from "../../support/target";

const alice = login(`alice@${domain}`);
const bob = login(`bob@${domain}`);
const codes = (replies: readonly { code: number }[]) => replies.map(({ code }) => code);

describe("mail from elsewhere", () => {
  it.each([4, 6] as const)("is accepted over IPv%d and read over IMAPS", async (family) => {
    const subject = token();
    expect(codes(await deliver({ to: alice.user, subject, family }))).toEqual([
      220, 250, 250, 250, 354, 250, 221,
    ]);
    const source = await fetchMail({ ...alice, subject, family });
    expect(source).toContain(`Subject: ${subject}`);
    expect(source).toMatch(/Received: from mx\.elsewhere\.test/);
  });

  it("to an alias reaches everyone behind it", async () => {
    const subject = token();
    await deliver({ to: `sales@${domain}`, subject });
    await Promise.all([alice, bob].map((user) => fetchMail({ ...user, subject })));
  });

  it("to an address without an entry reaches the catch-all's mailbox in a domain that has one", async () => {
    const subject = token();
    await deliver({ to: `whoever@${secondDomain}`, subject });
    await fetchMail({ ...bob, subject });
  });

  it("to a mailbox is not taken by the catch-all of its domain", async () => {
    const subject = token();
    const carol = login(`carol@${secondDomain}`);
    await deliver({ to: carol.user, subject });
    await fetchMail({ ...carol, subject });
    const seen = await withMailbox(bob, (client) => client.search({ header: { subject } }));
    expect(seen).toEqual([]);
  });

  it("to an unknown recipient is refused with 550", async () => {
    const replies = await deliver({ to: `nobody@${domain}`, subject: token() });
    expect(replies[3]?.code).toBe(550);
  });

  it("to postmaster is accepted in every domain (RFC 5321 4.5.1)", async () => {
    const replies = await smtpDialogue([
      "EHLO mx.elsewhere.test",
      "MAIL FROM:<>",
      `RCPT TO:<postmaster@${domain}>`,
      `RCPT TO:<postmaster@${secondDomain}>`,
      "RCPT TO:<postmaster>",
      "QUIT",
    ]);
    expect(codes(replies)).toEqual([220, 250, 250, 250, 250, 250, 221]);
  });
});
