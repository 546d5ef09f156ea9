// Mail between foreign domains: what is sent as asked for, and what the receiving host finds of it. One
// library signs, seals and checks here; that others find the same stands in the tests of the mail host.

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLab } from "../../lab/lab";
import { listedHost } from "../../lab/world/domains";
import type { OutgoingMail } from "../../lab/world/mail";

const lab = openLab(`test-${randomBytes(3).toString("hex")}`);

const word = () => `w${randomBytes(6).toString("hex")}`;

/** Sends a mail from one foreign domain to another; both ends of it. */
async function exchange(mail: Partial<OutgoingMail>) {
  const { subject = word() } = mail;
  const parties = { from: "one@elsewhere.test", to: "other@elsewhere.test" };
  const delivery = await lab.sendMail({ ...parties, ...mail, subject });
  if (!delivery.accepted) throw new Error(delivery.reply);
  const received = await lab.waitForMail(({ raw }) => raw.includes(subject));
  return { ...received, delivery };
}

const signature = (algorithm: "rsa" | "ed25519", result: string, domain = "elsewhere.test") => ({
  domain,
  selector: algorithm,
  algorithm: `${algorithm}-sha256`,
  result,
  comment: result === "neutral" ? "body hash did not verify" : "",
});
const both = (result: string, domain?: string) => [
  signature("rsa", result, domain),
  signature("ed25519", result, domain),
];

beforeAll(async () => {
  await lab.up();
});

afterAll(() => lab.down());

describe("mail from a foreign domain", () => {
  it.each([4, 6] as const)("authenticates over IPv%d", async (family) => {
    const { verdicts, envelope } = await exchange({ family });
    expect(verdicts).toEqual({
      spf: { result: "pass", domain: "elsewhere.test" },
      dkim: both("pass"),
      dmarc: { result: "pass", policy: "reject", domain: "elsewhere.test" },
      arc: { result: "none", seals: 0, comment: "" },
    });
    expect(envelope).toMatchObject({
      host: "mx.elsewhere.test",
      helo: "mx.elsewhere.test",
      clientAddress: family === 4 ? "198.19.25.1" : "2001:2:0:ffff::25",
      from: "one@elsewhere.test",
      to: ["other@elsewhere.test"],
      tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
    });
  });

  it.each([
    ["forged-spf.test", "none", "none"],
    ["forged-none.test", "fail", "none"],
    ["forged-quarantine.test", "fail", "quarantine"],
    ["forged-reject.test", "fail", "reject"],
  ])("from %s is found forged", async (domain, result, policy) => {
    const { verdicts } = await exchange({ from: `somebody@${domain}` });
    expect(verdicts).toMatchObject({
      spf: { result: "fail", domain },
      dkim: [],
      dmarc: { result, policy, domain },
    });
  });

  it("is found forged when another domain's host sends it, whatever that one signs", async () => {
    const { verdicts, envelope } = await exchange({ via: "dane.test" });
    expect(envelope.helo).toBe("mx.dane.test");
    expect(verdicts).toMatchObject({
      spf: { result: "fail", domain: "elsewhere.test" },
      dkim: both("pass", "dane.test"),
      dmarc: { result: "fail", policy: "reject" },
    });
  });

  it("is found forged when only the header lies", async () => {
    const { verdicts } = await exchange({ headerFrom: "chief@forged-reject.test" });
    expect(verdicts).toMatchObject({
      spf: { result: "pass", domain: "elsewhere.test" },
      dkim: both("pass"),
      dmarc: { result: "fail", policy: "reject", domain: "forged-reject.test" },
    });
  });

  it("bears the signatures that it is to bear", async () => {
    expect((await exchange({ signatures: ["ed25519"] })).verdicts.dkim).toEqual([
      signature("ed25519", "pass"),
    ]);
    expect((await exchange({ signatures: [] })).verdicts.dkim).toEqual([]);
  });

  it("keeps no signature when it is changed on the way", async () => {
    const { verdicts, raw } = await exchange({ tampered: true });
    expect(raw).toContain("This line was added on the way.");
    expect(verdicts.dkim).toEqual(both("neutral"));
  });

  it("bears given lines, and raw ones as they are", async () => {
    const forged = "Authentication-Results: mail.example.test; dkim=pass";
    expect((await exchange({ headers: [forged, "X-One: 1"] })).raw).toContain(
      `\r\n${forged}\r\nX-One: 1\r\nFrom: `,
    );
    const subject = word();
    const raw = `Subject: ${subject}\r\nFrom: <other@elsewhere.test>\r\n\r\nRaw.\r\n`;
    const { raw: arrived } = await exchange({ subject, raw });
    expect(arrived).toBe(raw);
  });

  it("comes from the address and with the greeting that are asked for", async () => {
    const { envelope } = await exchange({ source: listedHost.ipv6, helo: "liar.test" });
    expect(envelope).toMatchObject({ clientAddress: listedHost.ipv6, helo: "liar.test" });
    const { envelope: own } = await exchange({ from: "somebody@listed.test" });
    expect(own.clientAddress).toBe(listedHost.ipv4);
  });

  it("from nobody is judged by the greeting", async () => {
    const { verdicts } = await exchange({ from: "", headerFrom: "daemon@elsewhere.test" });
    expect(verdicts.spf).toEqual({ result: "pass", domain: "mx.elsewhere.test" });
  });

  it("from a domain that the lab has not is refused with its name", async () => {
    await expect(exchange({ via: "nowhere.test" })).rejects.toThrow(
      '"nowhere.test" is no foreign mail domain of this lab',
    );
  });
});

describe("a forwarder's seal", () => {
  const list = { domain: "dane.test", footer: "-- \r\nYou read the list." };

  it("vouches for what was broken after it was found good", async () => {
    const { verdicts, raw } = await exchange({ forwarders: [list] });
    expect(raw).toContain("You read the list.");
    expect(raw).toMatch(/^ARC-Authentication-Results: i=1; mx\.dane\.test;/m);
    expect(verdicts).toMatchObject({
      spf: { result: "fail" },
      dkim: both("neutral"),
      dmarc: { result: "fail" },
      arc: { result: "pass", seals: 1 },
    });
    expect(verdicts.arc.comment).toContain("spf=pass dkim=pass dkdomain=elsewhere.test");
    expect(verdicts.arc.comment).toContain("dmarc=pass");
  });

  it("is followed by the next forwarder's", async () => {
    const { verdicts } = await exchange({ forwarders: [list, { domain: "gmail.com" }] });
    expect(verdicts.arc).toMatchObject({ result: "pass", seals: 2 });
  });

  it("is broken by a change after it", async () => {
    const { verdicts } = await exchange({ forwarders: [list], tampered: true });
    expect(verdicts.arc).toMatchObject({ result: "fail", seals: 1 });
  });
});

describe("a strict sender", () => {
  const send = (to: string, enforce = true) =>
    lab.sendMail({ from: "one@elsewhere.test", to: `other@${to}`, enforce });

  it.each([
    ["elsewhere.test", { result: "none", mode: "none" }],
    ["mta-sts.test", { result: "valid", mode: "enforce" }],
    ["mta-sts-testing.test", { result: "invalid", mode: "testing" }],
  ])("delivers to %s and says what it found", async (domain, mtaSts) => {
    expect(await send(domain)).toMatchObject({ accepted: true, code: 250, mtaSts });
  });

  it.each([
    ["mta-sts-wrong.test", "MTA-STS: ERR_TLS_CERT_ALTNAME_INVALID"],
    ["mta-sts-self-signed.test", "MTA-STS: DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["mta-sts-no-tls.test", "MTA-STS: mx.mta-sts-no-tls.test offers no TLS"],
    ["mta-sts-other-mx.test", "MTA-STS: the policy does not name mx.mta-sts-other-mx.test"],
  ])("does not deliver to %s, and does where it is not to enforce", async (domain, reply) => {
    const refused = await send(domain);
    expect(refused).toMatchObject({ accepted: false, code: 0, reply });
    expect(refused.transcript.filter((line) => line.startsWith("C: MAIL"))).toEqual([]);
    expect(await send(domain, false)).toMatchObject({
      accepted: true,
      mtaSts: { result: "invalid", mode: "enforce" },
    });
  });

  it.each([
    ["dane.test", "valid", "none"],
    ["dane-right-mta-sts-wrong.test", "valid", "invalid"],
    ["dane-unsigned.test", "none", "none"],
  ])("delivers to %s, where DANE is %s and MTA-STS %s", async (domain, dane, mtaSts) => {
    expect(await send(domain)).toMatchObject({
      accepted: true,
      dane: { result: dane },
      mtaSts: { result: mtaSts },
    });
  });

  it.each([
    ["dane-wrong.test", "none"],
    ["dane-wrong-mta-sts-right.test", "valid"],
  ])("does not deliver to %s, where DANE is wrong and MTA-STS %s", async (domain, mtaSts) => {
    expect(await send(domain)).toMatchObject({
      accepted: false,
      reply: expect.stringMatching(/^DANE: none of the TLSA records fits: 3 1 1 /),
      mtaSts: { result: mtaSts },
    });
    expect(await send(domain, false)).toMatchObject({
      accepted: true,
      dane: { result: "invalid" },
    });
  });

  it("finds nobody at a domain whose signatures are broken", async () => {
    await expect(send("dnssec-broken.test")).rejects.toThrow(
      "queryMx ESERVFAIL dnssec-broken.test",
    );
  });

  it("says of TLS what there was", async () => {
    expect((await send("no-tls.test")).tls).toBeNull();
    expect((await send("elsewhere.test")).tls).toEqual({
      protocol: "TLSv1.3",
      cipher: "TLS_AES_256_GCM_SHA384",
      untrusted: null,
    });
  });
});

describe("a report", () => {
  it.each(["dmarc-reports", "tls-reports"])("to %s arrives as any mail", async (name) => {
    const { envelope } = await exchange({ from: "one@dane.test", to: `${name}@elsewhere.test` });
    expect(envelope.to).toEqual([`${name}@elsewhere.test`]);
  });
});
