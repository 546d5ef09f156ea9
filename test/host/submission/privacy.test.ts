// What a user's mail tells the world of the user's machine: nothing; and what it must keep so that it can
// be traced on the host.

import { createTransport } from "nodemailer";
import { beforeAll, describe, expect, it } from "vitest";
import { mailElsewhere } from "../../support/elsewhere";
import { token } from "../../support/mail";
import { domain, login, onHost, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const forbidden = {
  "User-Agent": "SecretAgent/1.0",
  "X-Mailer": "SecretMailer 2",
  "X-Originating-IP": "[192.0.2.77]",
  "X-Spam-Status": "No, score=-99",
  "Authentication-Results": `${target.hostname}; dkim=pass header.d=bank.test`,
};
const hop =
  "from secret-laptop (unknown [192.0.2.77]) by secret-relay; Tue, 1 Jan 2030 00:00:00 +0000";
let mail = "";

beforeAll(async () => {
  const subject = token();
  const transport = createTransport({
    host: target.ipv4,
    port: 465,
    secure: true,
    name: "secret-laptop.example.org",
    tls: { rejectUnauthorized: false },
    auth: { user: alice.user, pass: alice.password },
  });
  await transport.sendMail({
    from: alice.user,
    to: `friend@${target.elsewhere.domain}`,
    subject,
    text: "Hello.",
    headers: { ...forbidden, Received: hop, "X-Kept": "yes" },
  });
  transport.close();
  mail = await mailElsewhere(subject);
});

describe("a mail that has left", () => {
  it.each(Object.keys(forbidden))("has no %s header", (name) => {
    expect(mail).not.toMatch(new RegExp(`^${name}:`, "im"));
  });

  it("names neither the client's address nor its name", () => {
    expect(mail).not.toContain("secret-");
    expect(mail).not.toContain("192.0.2.77");
    expect(mail).not.toContain("198.18.0.1");
  });

  it("keeps the other headers", () => {
    expect(mail).toContain("X-Kept: yes");
  });

  it("has a trace of the host alone, whose number finds the login in the host's log", () => {
    const received = mail.replace(/\r?\n[ \t]+/g, " ").match(/^Received: .*$/gim) ?? [];
    expect(received).toHaveLength(1);
    const id = /^Received: by \S+ \(Postfix\) (?:with ESMTPSA )?id (\w+)/.exec(
      received[0] ?? "",
    )?.[1];
    const log = onHost(`journalctl --unit=postfix --grep='${id}: client=' --output=cat --no-pager`);
    expect(log).toContain(`sasl_username=${alice.user}`);
  });

  it("carries no score", () => {
    expect(mail).not.toMatch(/^X-(Spam|Rspamd)/im);
  });
});
