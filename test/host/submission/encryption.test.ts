// Where a login can begin, and that nothing said in the clear is obeyed inside TLS. Does not prove
// which versions and ciphers of TLS are spoken.

import { describe, expect, it } from "vitest";
import { Conversation, openEncrypted, plainLogin } from "../../support/conversation";
import { smtpDialogue } from "../../support/mail";
import { domain, login } from "../../support/target";

const auth = `AUTH PLAIN ${plainLogin(login(`alice@${domain}`))}`;
const greeting = "EHLO client.test";

describe("a login", () => {
  it.each([
    [25, 503],
    [587, 530],
  ])("is neither offered nor taken on port %d before TLS", async (port, code) => {
    const [, ehlo, answer] = await smtpDialogue([greeting, auth], { port });
    expect(ehlo?.text).toMatch(/^250-STARTTLS$/m);
    expect(ehlo?.text).not.toContain("AUTH");
    expect(answer?.code).toBe(code);
  });

  it("is neither offered nor taken on port 25 in TLS", async () => {
    const session = await openEncrypted({ port: 25 });
    const [ehlo, answer] = [await session.say(greeting), await session.say(auth)];
    session.close();
    expect(ehlo.text).not.toContain("AUTH");
    expect(answer.code).toBe(503);
  });

  it.each([465, 587])("is offered and taken on port %d in TLS", async (port) => {
    const session = await openEncrypted({ port });
    const [ehlo, answer] = [await session.say(greeting), await session.say(auth)];
    session.close();
    expect(ehlo.text).toMatch(/^250-AUTH PLAIN LOGIN$/m);
    expect(ehlo.text).not.toContain("STARTTLS");
    expect(answer.code).toBe(235);
  });
});

describe("a command that follows STARTTLS in the clear (CVE-2011-0411)", () => {
  it.each([
    [25, "NOOP"],
    [25, "EHLO injected.test"],
    [25, "EHLO injected.test\r\nMAIL FROM:<injected@elsewhere.test>"],
    [587, "NOOP"],
    [587, "EHLO injected.test"],
    [587, `EHLO injected.test\r\n${auth}`],
  ])("is not obeyed inside TLS on port %d: %s", async (port, injected) => {
    const session = await Conversation.open({ port });
    await session.reply();
    await session.say(greeting);
    session.send(`STARTTLS\r\n${injected}\r\n`);
    expect((await session.reply()).code).toBe(220);
    await session.encrypt();
    // Answers in the order of the questions: none to what was injected.
    const [noop, ehlo] = [await session.say("HELP"), await session.say(greeting)];
    session.send("QUIT\r\n");
    expect([noop.code, ehlo.code]).toEqual([214, 250]);
    expect((await session.replies()).map(({ code }) => code)).toEqual([221, 0]);
  });
});
