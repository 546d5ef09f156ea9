// What the daemons tell strangers of themselves: never their version, by which the next hole would
// be looked up. Does not prove that versions cannot be told from behaviour.

import { expect, it } from "vitest";
import { Conversation, lastLine, openEncrypted } from "../../support/conversation";
import { deliver, fetchMail, token } from "../../support/mail";
import { domain, login, onHost, target } from "../../support/target";

const alice = login(`alice@${domain}`);

/** Major and minor number of each daemon, as nothing but a part of its version would show it. */
const versions = onHost("postconf -h mail_version; dovecot --version; ssh -V 2>&1")
  .split("\n")
  .flatMap((line) => /\d+\.\d+/.exec(line)?.[0] ?? []);
const telling = new RegExp(
  `(?<![\\d.])(?:${versions.map((version) => version.replace(".", "\\.")).join("|")})|Debian|\\bdeb\\d`,
);

const questions = ["EHLO client.test", "HELP", "NOOP", "RSET", "VRFY root", "QUIT"];

it("the versions that must not show are known", () => {
  expect(versions.length).toBe(3);
  for (const version of versions) expect(`ESMTP Daemon ${version}.1`).toMatch(telling);
});

it.each([
  [25, [220, 250, 214, 250, 250, 502, 221]],
  [587, [220, 250, 214, 250, 530, 530, 221]],
])("port %d tells no version in the clear", async (port, codes) => {
  const session = await Conversation.open({ port });
  const replies = [await session.reply()];
  for (const question of questions) replies.push(await session.say(question));
  expect(replies[0]?.text).toBe(`220 ${target.hostname} ESMTP\r\n`);
  expect(replies.map(({ code }) => code)).toEqual(codes);
  expect(replies.map(({ text }) => text).join("")).not.toMatch(telling);
});

it.each([25, 465, 587])("port %d tells no version in TLS", async (port) => {
  const session = await openEncrypted({ port });
  const replies = [];
  for (const question of questions) replies.push(await session.say(question));
  expect(replies.map(({ code }) => code)).toEqual([250, 214, 250, 250, 502, 221]);
  expect(replies.map(({ text }) => text).join("")).not.toMatch(telling);
});

it("IMAP tells no version, before or after the login", async () => {
  const ask = ["CAPABILITY", 'ID ("name" "client")', "NOOP"];
  const logIn = `LOGIN "${alice.user}" "${alice.password}"`;
  const imap = await Conversation.open({ port: 993 });
  const greeting = await imap.hear(/\n/);
  const answers = [];
  for (const command of [...ask, logIn, ...ask, "LOGOUT"]) answers.push(await imap.ask(command));
  expect(greeting).toMatch(/^\* OK \[CAPABILITY [^\]]*\] Dovecot ready\.\r\n$/);
  expect(answers.map(lastLine)).toEqual(Array(8).fill(expect.stringMatching(/^a OK /)));
  expect([greeting, ...answers].join("")).not.toMatch(telling);
});

it("SSH tells the version that its protocol demands (RFC 4253 4.2), and no more", async () => {
  const ssh = await Conversation.open({ port: 22 });
  const banner = await ssh.hear(/\n/);
  ssh.close();
  expect(banner).toMatch(/^SSH-2\.0-OpenSSH_[\dp.]+\r\n/);
});

it("a mail that the host has received tells no version", async () => {
  const subject = token();
  await deliver({ to: alice.user, subject });
  const mail = await fetchMail({ ...alice, subject });
  expect(mail).toContain(`by ${target.hostname} (Postfix) with ESMTP`);
  expect(mail).not.toMatch(telling);
});
