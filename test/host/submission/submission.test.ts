// Mail of the host's own users to the world. Does not prove that the world likes it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { submit, token } from "../../support/mail";
import { target } from "../../support/target";

const domain = target.hostname.split(".").slice(1).join(".");
const user = `alice@${domain}`;
const password = target.passwords[user] ?? "";

/** Waits until elsewhere has a mail with this subject. */
async function receivedElsewhere(subject: string): Promise<string> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const mail = readdirSync(target.elsewhere.inbox)
      .filter((file) => file.endsWith(".eml"))
      .map((file) => readFileSync(join(target.elsewhere.inbox, file), "utf8"))
      .find((text) => text.includes(subject));
    if (mail !== undefined) return mail;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`elsewhere received no mail with subject ${subject} within a minute`);
}

describe("a user", () => {
  it.each([465, 587] as const)("sends to the world through port %d", async (port) => {
    const subject = token();
    await submit({ user, password, to: `friend@${target.elsewhere.domain}`, subject, port });
    const mail = await receivedElsewhere(subject);
    expect(mail).toContain(`From: ${user}`);
  });

  it("with a wrong password is refused", async () => {
    await expect(
      submit({
        user,
        password: "wrong",
        to: `friend@${target.elsewhere.domain}`,
        subject: token(),
      }),
    ).rejects.toThrow(/535/);
  });

  it("cannot send as another address", async () => {
    await expect(
      submit({
        user,
        password,
        from: `bob@${domain}`,
        to: `friend@${target.elsewhere.domain}`,
        subject: token(),
      }),
    ).rejects.toThrow(/553/);
  });
});
