// Mail that an alias sends on to another domain: its sender is rewritten (SRS), so that SPF passes there and
// bounces find back. Does not prove what the other side's SPF check says.

import { createHmac } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { hostIsReady } from "../../support/cloud";
import { receivedElsewhere, waitForElsewhere } from "../../support/elsewhere";
import { deliver, fetchMail, smtpDialogue, submit, token } from "../../support/mail";
import { domain, login, onHost, target } from "../../support/target";

const { hostname, elsewhere } = target;
/** Leads to alice and to somebody elsewhere. */
const circle = `circle@${domain}`;
/** Leads to a domain that does not exist. */
const gone = `gone@${domain}`;
const stranger = `Sender+Tag=1@${elsewhere.domain}`;
const rewritten = new RegExp(
  `^SRS0=[\\w+/]{6}=[A-Z2-7]{2}=${elsewhere.domain}=Sender\\+Tag=1@${hostname}$`.replaceAll(
    ".",
    "\\.",
  ),
  "i",
);

/** An address that sends mail on to the stranger, as this host signs it on a day some days from now. */
function srsAddress(user: string, daysAhead = 0): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const day = (Math.floor(Date.now() / 86_400_000) + daysAhead) % 1024;
  const stamp = `${alphabet[day >> 5]}${alphabet[day & 31]}`;
  const secret = onHost("cat /etc/postsrsd.secret").trim();
  const mac = createHmac("sha1", secret)
    .update(`${stamp}${elsewhere.domain}${user}`.toLowerCase())
    .digest("base64");
  return `SRS0=${mac.slice(0, 6)}=${stamp}=${elsewhere.domain}=${user}@${hostname}`;
}

const offer = (sender: string, recipient: string, subject: string) =>
  smtpDialogue([
    `EHLO mx.${elsewhere.domain}`,
    `MAIL FROM:<${sender}>`,
    `RCPT TO:<${recipient}>`,
    "DATA",
    `Subject: ${subject}\r\n\r\nHello.\r\n.`,
    "QUIT",
  ]);

describe("a mail that an alias sends on to another domain", () => {
  const subject = token();

  it("leaves with a sender of the host, in which the original is kept", async () => {
    expect((await deliver({ to: circle, subject, from: stranger })).at(-1)?.code).toBe(221);
    const mail = await waitForElsewhere(subject);
    expect(mail.envelope.to).toEqual([`friend@${elsewhere.domain}`]);
    expect(mail.envelope.from).toMatch(rewritten);
    expect(mail.raw).toContain(`\r\nFrom: <${stranger}>\r\nTo: <${circle}>\r\n`);
  });

  it("comes to a mailbox here with its sender as it was, and its header untouched", async () => {
    const mail = await fetchMail({ ...login(`alice@${domain}`), subject });
    expect(mail).toMatch(/^Return-Path: <Sender\+Tag=1@elsewhere\.test>\r\n/);
    expect(mail).toContain(`\r\nFrom: <${stranger}>\r\nTo: <${circle}>\r\n`);
    expect(mail).not.toContain("SRS0");
  });

  it("bounces to its original sender when the other domain does not take it", async () => {
    const bounced = token();
    await deliver({ to: gone, subject: bounced, from: stranger });
    const bounce = await waitForElsewhere(bounced);
    expect(bounce.envelope.from).toBe("");
    expect(bounce.envelope.to).toEqual([stranger]);
    expect(bounce.raw).toContain("nobody@gone.elsewhere.test");
  });
});

describe("mail of the host's own users", () => {
  it("leaves with their own address as its sender", async () => {
    const alice = login(`alice@${domain}`);
    const subject = token();
    await submit({ ...alice, to: `friend@${elsewhere.domain}`, subject });
    const mail = await waitForElsewhere(subject);
    expect(mail.envelope.from).toBe(alice.user);
  });
});

describe("an address that leads back to an original sender", () => {
  it("takes a bounce there, for three weeks", async () => {
    const subject = token();
    const replies = await offer("", srsAddress("Sender+Tag=1", -20), subject);
    expect(replies.at(-1)?.code).toBe(221);
    const bounce = await waitForElsewhere(subject);
    expect(bounce.envelope).toMatchObject({ from: "", to: [stranger] });
  });

  it.each([
    ["has expired", srsAddress("victim", -22)],
    ["is of a day to come", srsAddress("victim", 10)],
    ["has a hash of another address", srsAddress("sender").replace("=sender@", "=victim@")],
    ["has no hash", `SRS0=${elsewhere.domain}=victim@${hostname}`],
    ["has a hash too short", srsAddress("victim").replace(/=(..)..../, "=$1")],
    ["names another forwarder", `SRS1=AAAAAA=${elsewhere.domain}==AAAA=AA=a.test=b@${hostname}`],
  ])("is refused in the dialogue when it %s", async (_why, address) => {
    const [, , , recipient] = await offer("", address, token());
    expect(recipient?.code).toBe(550);
  });
});

describe("without postsrsd", () => {
  afterAll(async () => {
    onHost("systemctl start postsrsd.service");
    await hostIsReady();
  });

  it("mail is put off, and taken when it is there again", async () => {
    onHost("systemctl stop postsrsd.service");
    const subject = token();
    const codes = (await deliver({ to: circle, subject })).map(({ code }) => code);
    expect(codes.at(-1)).toBeGreaterThanOrEqual(400);
    expect(codes.at(-1)).toBeLessThan(500);
    onHost("systemctl start postsrsd.service");
    expect((await deliver({ to: circle, subject })).at(-1)?.code).toBe(221);
    await waitForElsewhere(subject);
    expect(await receivedElsewhere(subject)).toHaveLength(1);
  });
});
