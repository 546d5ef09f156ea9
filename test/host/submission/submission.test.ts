// Mail of the host's own users to the world. Does not prove that the world likes it.

import { describe, expect, it } from "vitest";
import { mailElsewhere } from "../../support/elsewhere";
import { submit, token } from "../../support/mail";
import { domain, login, target } from "../../support/target";

const { user, password } = login(`alice@${domain}`);

describe("a user", () => {
  it.each([465, 587] as const)("sends to the world through port %d", async (port) => {
    const subject = token();
    await submit({ user, password, to: `friend@${target.elsewhere.domain}`, subject, port });
    const mail = await mailElsewhere(subject);
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
