// Attempts of strangers to have this host carry their mail to others. Does not prove what the host
// does with mail that claims to come from its own users: that is for SPF and DMARC.

import { describe, expect, it } from "vitest";
import { openEncrypted } from "../../support/conversation";
import { mailsElsewhere } from "../../support/elsewhere";
import { fetchMail, smtpDialogue, token } from "../../support/mail";
import { domain, login, onHost, secondDomain, target } from "../../support/target";

const { hostname, ipv4, ipv6, elsewhere } = target;
const alice = login(`alice@${domain}`);
/** Has a catch-all, so that any local part of it is somebody's. */
const catching = secondDomain;
const victim = `victim@${elsewhere.domain}`;

/** In every message of this file that must not be carried. */
const word = token();
const greeting = `EHLO mx.${elsewhere.domain}`;

/** The whole dialogue, so that a mail which is taken does go out and is seen at the end. */
const attempt = ({
  helo = greeting,
  from = `sender@${elsewhere.domain}`,
  to = victim,
  subject = word,
}) => [
  helo,
  `MAIL FROM:<${from}>`,
  `RCPT TO:<${to}>`,
  "DATA",
  `Subject: ${subject}\r\n\r\nCarried.\r\n.`,
  "QUIT",
];

describe("a stranger cannot relay", () => {
  it.each([
    ["a foreign address", victim, 554],
    ["a foreign address in upper case", victim.toUpperCase(), 554],
    ["a foreign address in mixed case", `Victim@${elsewhere.domain.replace("e", "E")}`, 554],
    ["a foreign address with a trailing dot", `${victim}.`, 554],
    ["the percent hack", `victim%${elsewhere.domain}@${domain}`, 554],
    ["the percent hack over the host's name", `victim%${elsewhere.domain}@${hostname}`, 554],
    ["the percent hack over localhost", `victim%${elsewhere.domain}@localhost`, 554],
    ["the percent hack over a catch-all", `victim%${elsewhere.domain}@${catching}`, 554],
    ["the percent hack without a domain", `victim%${elsewhere.domain}`, 554],
    ["the percent hack twice", `victim%${elsewhere.domain}%${domain}@${hostname}`, 554],
    ["a bang path", `${elsewhere.domain}!victim`, 554],
    ["a bang path over our domain", `${elsewhere.domain}!victim@${domain}`, 554],
    ["a bang path over a catch-all", `${elsewhere.domain}!victim@${catching}`, 554],
    ["a bang path over the host's name", `${hostname}!${elsewhere.domain}!victim`, 554],
    ["a bang path with the percent hack", `${elsewhere.domain}!victim%${domain}@${hostname}`, 554],
    ["a source route", `@${hostname}:${victim}`, 554],
    ["a source route of two hops", `@${hostname},@${domain}:${victim}`, 554],
    [
      "a source route with the percent hack",
      `@${hostname}:victim%${elsewhere.domain}@${domain}`,
      554,
    ],
    ["two domains", `${victim}@${domain}`, 554],
    ["two domains, the last with a trailing dot", `${victim}@${domain}.`, 554],
    ["two domains over a catch-all", `${victim}@${catching}`, 554],
    ["two domains, ours first", `alice@${domain}@${elsewhere.domain}`, 554],
    ["a quoted local part", `"${victim}"@${domain}`, 554],
    ["a quoted local part over a catch-all", `"${victim}"@${catching}`, 554],
    ["a quoted local part without a domain", `"${victim}"`, 554],
    ["a quoted percent hack", `"victim%${elsewhere.domain}"@${domain}`, 554],
    ["a quoted bang path", `"${elsewhere.domain}!victim"@${domain}`, 554],
    ["an extension with a domain", `alice+${victim}@${domain}`, 554],
    ["an extension with the percent hack", `alice+victim%${elsewhere.domain}@${domain}`, 554],
    ["another host's address literal", `victim@[${elsewhere.ipv4}]`, 554],
    ["another host's IPv6 literal", `victim@[IPv6:${elsewhere.ipv6}]`, 554],
    ["another host's bare address", `victim@${elsewhere.ipv4}`, 501],
    ["the host's own literal", `victim@[${ipv4}]`, 550],
    ["the host's own IPv6 literal", `victim@[IPv6:${ipv6}]`, 550],
    ["the host's own bare address", `victim@${ipv4}`, 501],
    ["the loopback literal", `victim@[127.0.0.1]`, 550],
    ["the percent hack over the host's own literal", `victim%${elsewhere.domain}@[${ipv4}]`, 554],
    ["a subdomain of our domain", `victim@sub.${domain}`, 554],
    ["a subdomain of the host", `victim@sub.${hostname}`, 554],
    ["a parent of our domain", `victim@${domain.split(".").slice(1).join(".")}`, 554],
    ["localhost", "alice@localhost", 550],
    ["a name below localhost", "victim@foo.localhost", 554],
    ["the host's name", `alice@${hostname}`, 550],
  ])("to %s: %s", async (_form, to, code) => {
    const replies = await smtpDialogue(attempt({ to }));
    expect(replies.map((reply) => reply.code)).toEqual([220, 250, 250, code]);
  });

  it.each([
    ["nobody", ""],
    ["a user of ours", alice.user],
    ["our postmaster", `postmaster@${domain}`],
    ["the host", `root@${hostname}`],
    ["localhost", "root@localhost"],
    ["the host's literal", `root@[${ipv4}]`],
    ["the recipient", victim],
    ["a source route over us", `@${hostname}:sender@${elsewhere.domain}`],
  ])("as %s: %s", async (_form, from) => {
    const replies = await smtpDialogue(attempt({ from }));
    expect(replies.map((reply) => reply.code)).toEqual([220, 250, 250, 554]);
  });

  it.each([
    ["the host itself", `EHLO ${hostname}`],
    ["the host itself, in HELO", `HELO ${hostname}`],
    ["our domain", `EHLO ${domain}`],
    ["localhost", "EHLO localhost"],
    ["the loopback literal", "EHLO [127.0.0.1]"],
    ["the IPv6 loopback literal", "EHLO [IPv6:::1]"],
    ["the host's literal", `EHLO [${ipv4}]`],
  ])("greeting as %s: %s", async (_form, helo) => {
    const replies = await smtpDialogue(attempt({ helo, from: alice.user }));
    expect(replies.map((reply) => reply.code)).toEqual([220, 250, 250, 554]);
  });

  it.each([
    ["over IPv6", {}],
    ["over IPv6 and greeting as the host", { helo: `EHLO ${hostname}`, from: alice.user }],
    ["over IPv6, as nobody", { from: "" }],
  ])("%s", async (_form, parts) => {
    const replies = await smtpDialogue(attempt(parts), { address: ipv6 });
    expect(replies.map((reply) => reply.code)).toEqual([220, 250, 250, 554]);
  });

  it("inside TLS", async () => {
    const session = await openEncrypted({ port: 25 });
    const replies = [];
    for (const line of attempt({}).slice(0, 3)) replies.push(await session.say(line));
    session.close();
    expect(replies.map((reply) => reply.code)).toEqual([250, 250, 554]);
  });

  it.each([
    `XCLIENT ADDR=127.0.0.1 NAME=localhost`,
    `XCLIENT LOGIN=${alice.user}`,
    "XFORWARD ADDR=127.0.0.1",
  ])("claiming to be another by %s", async (claim) => {
    const [, ehlo, answer] = await smtpDialogue([greeting, claim]);
    expect(ehlo?.text).not.toMatch(/XCLIENT|XFORWARD/);
    expect(answer?.code).toBe(550);
  });

  it("and none of these mails is anywhere: queue, mailboxes, or elsewhere", () => {
    const places = "/var/spool/postfix /var/mail/virtual";
    expect(onHost(`grep -rlF ${word} ${places} || true`)).toBe("");
    expect(mailsElsewhere(word)).toEqual([]);
  });
});

describe("mail that only looks relayed", () => {
  it.each([
    ["with a source route", `@${elsewhere.domain}:${alice.user}`],
    ["in upper case", alice.user.toUpperCase()],
    ["with a trailing dot", `${alice.user}.`],
    ["with a quoted local part", `"alice"@${domain}`],
    ["with an extension that names another", `alice+victim=${elsewhere.domain}@${domain}`],
  ])("reaches its mailbox %s: %s", async (_form, to) => {
    const subject = token();
    const replies = await smtpDialogue(attempt({ to, subject }));
    expect(replies.map((reply) => reply.code)).toEqual([220, 250, 250, 250, 354, 250, 221]);
    await fetchMail({ ...alice, subject });
  });
});
