// What others' mail says of itself, checked: SPF, DKIM, DMARC and ARC, what becomes of mail that fails, and
// that nobody outside can forge a verdict. Senders are subdomains of a zone of ours, sent from elsewhere.

import { generateKeyPairSync } from "node:crypto";
import { authenticate, dkimSign } from "mailauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishText, withdrawText } from "../../support/dns";
import { sendFromElsewhere } from "../../support/elsewhere";
import { deliverRaw, fetchMail, token } from "../../support/mail";
import { domain, login, onHost, secondDomain, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const friend = `sender@${target.elsewhere.domain}`;
const { publicKey, privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const key = { selector: "s", privateKey };

/** Name → text; sender domains of different faith. */
const published: Readonly<Record<string, string>> = {
  [`_dmarc.refuses.${secondDomain}`]: "v=DMARC1; p=reject",
  [`_dmarc.suspects.${secondDomain}`]: "v=DMARC1; p=quarantine",
  [`_dmarc.signs.${secondDomain}`]: "v=DMARC1; p=reject; adkim=s",
  [`s._domainkey.signs.${secondDomain}`]: `v=DKIM1; k=rsa; p=${publicKey.toString("base64")}`,
};

beforeAll(async () => {
  for (const [name, text] of Object.entries(published)) await publishText(name, text);
});
afterAll(async () => {
  for (const name of Object.keys(published)) await withdrawText(name);
});

function message({
  from,
  subject,
  more = "",
}: {
  from: string;
  subject: string;
  more?: string;
}): string {
  const date = new Date().toUTCString().replace("GMT", "+0000");
  return `${more}From: ${from}\r\nTo: ${alice.user}\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@elsewhere.test>\r\nDate: ${date}\r\n\r\nHello, this is an ordinary mail.\r\n`;
}

async function signed(text: string): Promise<string> {
  const signature = { signingDomain: `signs.${secondDomain}`, ...key };
  // By itself mailauth asks the clock twice, and the signature is wrong when a second ends in between.
  const signTime = new Date();
  const { signatures } = await dkimSign(text, {
    ...signature,
    signatureData: [signature],
    signTime,
  });
  return signatures + text;
}

/** A mail as a forwarder hands it on, with its verdict and its seal. */
async function sealed(subject: string): Promise<string> {
  const text = message({ from: friend, subject });
  const { headers } = await authenticate(text, {
    ip: target.elsewhere.ipv4,
    helo: `mx.${target.elsewhere.domain}`,
    sender: friend,
    mta: `mx.signs.${secondDomain}`,
    seal: { signingDomain: `signs.${secondDomain}`, ...key },
  });
  return headers + text;
}

/** The headers of a mail, unfolded, by lower-case name. */
const headers = (mail: string, name: string) =>
  (mail.split(/\r?\n\r?\n/)[0] ?? "")
    .replace(/\r?\n[ \t]+/g, " ")
    .split(/\r?\n/)
    .filter((line) => line.toLowerCase().startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trim());

/** Hands a mail over, which must be taken, and reads it where it has come to lie. */
async function received(text: string, subject: string, folder = "INBOX"): Promise<string> {
  expect(await deliverRaw({ to: alice.user, message: text })).toMatchObject({ code: 250 });
  return fetchMail({ ...alice, subject, folder });
}

/** The one verdict of a mail: the part after the host's name. */
function verdict(mail: string): string {
  const results = headers(mail, "authentication-results");
  expect(results).toHaveLength(1);
  const [id, ...rest] = results[0]?.split(";") ?? [];
  expect(id).toBe(target.hostname);
  return rest.join(";");
}

describe("the verdict on a mail", () => {
  it("says that the sending host may send for the envelope's domain (SPF)", async () => {
    const subject = token();
    const said = verdict(await received(message({ from: friend, subject }), subject));
    expect(said).toContain("spf=pass");
    expect(said).toContain("dkim=none");
  });

  it("says whose signature is right, and that DMARC is content with it", async () => {
    const subject = token();
    const text = await signed(message({ from: `anybody@signs.${secondDomain}`, subject }));
    const said = verdict(await received(text, subject));
    expect(said).toContain(`dkim=pass header.d=signs.${secondDomain} header.s=s`);
    expect(said).toMatch(/dmarc=pass \(policy=reject\) header\.from=signs\.second\.test/);
  });

  it("says whether a chain of seals is right (ARC)", async () => {
    const [whole, changed] = [token(), token()];
    const said = verdict(await received(await sealed(whole), whole));
    expect(said).toContain("arc=pass");
    const text = `${await sealed(changed)}And more.\r\n`;
    expect(verdict(await received(text, changed))).toContain("arc=fail");
  });
});

describe("mail that the From header's domain disowns (DMARC)", () => {
  it("is refused in the dialogue, with the reason, where that domain says reject", async () => {
    const subject = token();
    const text = message({ from: `boss@refuses.${secondDomain}`, subject });
    const reply = await deliverRaw({ to: alice.user, message: text });
    expect(reply.code).toBe(554);
    expect(reply.text).toContain("5.7.1");
    expect(reply.text).toContain("DMARC");
  });

  it("is refused too when its signature is broken", async () => {
    const subject = token();
    const text = await signed(message({ from: `anybody@signs.${secondDomain}`, subject }));
    const reply = await deliverRaw({ to: alice.user, message: text.replace("Hello", "Hallo") });
    expect(reply).toMatchObject({ code: 554, text: expect.stringContaining("DMARC") });
  });

  it("lies in Junk where that domain says quarantine", async () => {
    const subject = token();
    const text = message({ from: `boss@suspects.${secondDomain}`, subject });
    const mail = await received(text, subject, "Junk");
    expect(verdict(mail)).toContain("dmarc=fail");
    expect(headers(mail, "x-spam")).toEqual(["Yes"]);
  });
});

describe("mail that looks like spam", () => {
  it("lies in Junk", async () => {
    const subject = token();
    const text = `Subject: ${subject}\r\n\r\nBuy now.\r\n`;
    expect(headers(await received(text, subject, "Junk"), "x-spam")).toEqual(["Yes"]);
  });

  it("is refused when it says so itself (GTUBE)", async () => {
    const text = message({ from: friend, subject: token() });
    const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    const reply = await deliverRaw({ to: alice.user, message: `${text}${gtube}\r\n` });
    expect(reply.code).toBe(554);
  });
});

describe("a verdict that came with the mail", () => {
  const claim = "dkim=pass header.d=bank.test";
  it.each([
    ["as it would be ours", `Authentication-Results: ${target.hostname}; ${claim}`],
    ["in other case", `AUTHENTICATION-results: ${target.hostname.toUpperCase()}; ${claim}`],
    ["folded", `Authentication-Results:\r\n\t${target.hostname};\r\n ${claim}`],
    ["behind a comment", `Authentication-Results: (ours) ${target.hostname} (yes) 1; ${claim}`],
    ["in quotes", `Authentication-Results: "${target.hostname}"; ${claim}`],
    ["with a space before the colon", `Authentication-Results : ${target.hostname}; ${claim}`],
    [
      "several times",
      Array.from(
        { length: 5 },
        (_, i) => `Authentication-Results: ${target.hostname}; n=${i}; ${claim}`,
      ).join("\r\n"),
    ],
    ["of another host", `Authentication-Results: mx.bank.test; ${claim}`],
  ])("is not in the mailbox: %s", async (_form, line) => {
    const subject = token();
    const mail = await received(message({ from: friend, subject, more: `${line}\r\n` }), subject);
    expect(verdict(mail)).toContain("spf=pass");
    expect(mail.toLowerCase()).not.toContain("bank.test");
  });

  it.each([
    ["a parenthesis", `"x); ${claim}; y=("@${target.elsewhere.domain}`],
    ["a quote", `"x\\"; ${claim}; y=\\""@${target.elsewhere.domain}`],
  ])("does not come about by %s in the sender's address", async (_form, from) => {
    const subject = token();
    const text = message({ from: friend, subject });
    expect(await deliverRaw({ to: alice.user, message: text, from })).toMatchObject({ code: 250 });
    const said = verdict(await fetchMail({ ...alice, subject }));
    const withoutComments = said.replace(/"[^"]*"/g, '""').replace(/\([^()]*\)/g, "");
    expect(withoutComments).not.toContain("bank.test");
  });

  it.each([
    "X-Spam: Yes",
    "x-spam : yes",
    "X-Spam: No\r\nX-Spam: Yes",
    "X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=99\r\nX-Spamd-Result: default: True",
    "X-Rspamd-Action: reject",
  ])("does not steer Junk: %j", async (line) => {
    const subject = token();
    const mail = await received(message({ from: friend, subject, more: `${line}\r\n` }), subject);
    expect(mail).not.toMatch(/^X-R?spam/im);
  });
});

describe("a record that cannot be had", () => {
  it("refuses nobody for good", async () => {
    const subject = token();
    const text = message({ from: "boss@dnssec-broken.test", subject });
    expect(verdict(await received(text, subject))).toContain("dmarc=temperror");
  });
});

describe("the block list", () => {
  /** What Rspamd noted of a mail from the host of a foreign domain. */
  async function noted(foreign: string): Promise<string> {
    const subject = token();
    const sent = await sendFromElsewhere({ from: `x@${foreign}`, to: alice.user, subject });
    expect(sent.accepted).toBe(true);
    const mail = await fetchMail({ ...alice, subject });
    const id = /^Message-ID: <([^>]+)>/im.exec(mail)?.[1] ?? "";
    return onHost(`journalctl --unit=rspamd --output=cat --no-pager --grep='${id}'`);
  }

  it("weighs against a host that it lists", async () => {
    expect(await noted("listed.test")).toContain("RBL_SPAMHAUS_SBL(4.00)");
  });

  it("counts nothing where it answers that it will not say", async () => {
    const log = await noted("list-refuses.test");
    expect(log).toContain("R_SPF_ALLOW");
    expect(log).not.toContain("SPAMHAUS");
  });
});
