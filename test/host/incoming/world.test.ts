// Mail from the world's domains, each sent as its own host or a forger would: what the host says of it,
// where it lies, what it refuses. Every signature and seal is of another make than what checks it here.

import { describe, expect, it } from "vitest";
import type { Delivery, OutgoingMail } from "../../../lab/world/mail";
import { sendFromElsewhere } from "../../support/elsewhere";
import { fetchMail, token } from "../../support/mail";
import { domain, login, target } from "../../support/target";

const alice = login(`alice@${domain}`);

const send = (mail: Partial<OutgoingMail>): Promise<Delivery> =>
  sendFromElsewhere({ from: "friend@elsewhere.test", to: alice.user, subject: token(), ...mail });

/** The only verdict in a delivered mail, unfolded. */
async function verdictOn(mail: Partial<OutgoingMail>, folder = "INBOX"): Promise<string> {
  const subject = token();
  expect(await send({ ...mail, subject })).toMatchObject({ accepted: true, code: 250 });
  const [head = ""] = (await fetchMail({ ...alice, subject, folder })).split(/\r?\n\r?\n/);
  const lines = head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/);
  const verdicts = lines.filter((line) => /^authentication-results:/i.test(line));
  expect(verdicts).toEqual([expect.stringContaining(`: ${target.hostname};`)]);
  return verdicts[0] ?? "";
}

describe("good mail", () => {
  it.each([4, 6] as const)("over IPv%d has a verdict in which all is well", async (family) => {
    const said = await verdictOn({ family });
    expect(said).toContain("dkim=pass header.d=elsewhere.test header.s=rsa");
    expect(said).toContain("dkim=pass header.d=elsewhere.test header.s=ed25519");
    expect(said).toContain("spf=pass");
    expect(said).toMatch(/dmarc=pass \(policy=reject\) header\.from=elsewhere\.test/);
  });

  it("keeps nothing of a verdict that came with it", async () => {
    const headers = [target.hostname, "mx.bank.test"].map(
      (host) => `Authentication-Results: ${host}; dkim=pass header.d=bank.test`,
    );
    expect(await verdictOn({ headers })).not.toContain("bank.test");
  });

  it("that others forwarded bears the word on their seals", async () => {
    const forwarders = [{ domain: "dane.test" }, { domain: "gmail.com" }];
    const said = await verdictOn({ forwarders });
    expect(said).toContain("arc=pass");
    expect(said).toMatch(/dmarc=pass/);
  });
});

describe("mail that its domain disowns", () => {
  it.each<[string, Partial<OutgoingMail>]>([
    ["from a host of its own", { from: "chief@forged-reject.test" }],
    ["in the header alone", { headerFrom: "chief@forged-reject.test" }],
    ["from another domain's host that signs", { from: "a@elsewhere.test", via: "dane.test" }],
    ["over IPv6", { from: "chief@forged-reject.test", family: 6 }],
  ])("is refused in the dialogue where the policy is to reject: %s", async (_how, mail) => {
    const delivery = await send(mail);
    expect(delivery).toMatchObject({ accepted: false, code: 554 });
    expect(delivery.reply).toContain("DMARC");
  });

  it.each<[string, Partial<OutgoingMail>]>([
    ["from a host of its own", { from: "chief@forged-quarantine.test" }],
    ["in the header alone", { headerFrom: "chief@forged-quarantine.test" }],
  ])("lies in Junk where the policy is quarantine: %s", async (_how, mail) => {
    expect(await verdictOn(mail, "Junk")).toContain("dmarc=fail");
  });

  it("is delivered with the word on it where the policy is to do nothing", async () => {
    expect(await verdictOn({ from: "chief@forged-none.test" })).toContain("dmarc=fail");
  });
});

describe("a broken signature", () => {
  it("is called so, and does no harm to a mail that its host may send", async () => {
    const said = await verdictOn({ tampered: true });
    expect(said).toContain("dkim=fail");
    expect(said).toContain("dmarc=pass");
  });

  it("of a forwarder is called so", async () => {
    const forwarders = [{ domain: "dane.test" }];
    const quarantined = { from: "a@elsewhere.test", forwarders, tampered: true };
    expect(await send(quarantined)).toMatchObject({ accepted: false, code: 554 });
    const own = { via: "elsewhere.test", forwarders: [{ domain: "elsewhere.test" }] };
    expect(await verdictOn({ ...own, tampered: true })).toContain("arc=fail");
  });
});

// A forgery that its domain does not mind is doubtful: a word against the sender decides.
describe("the block list", () => {
  const doubtful = (via: string, family: 4 | 6) => ({
    from: "chief@forged-none.test",
    via,
    family,
  });

  it.each([4, 6] as const)(
    "takes doubtful mail of a listed IPv%d address to Junk",
    async (family) => {
      await verdictOn(doubtful("listed.test", family), "Junk");
    },
  );

  it.each([4, 6] as const)("is no word against IPv%d when it gives an error", async (family) => {
    await verdictOn(doubtful("list-refuses.test", family), "INBOX");
    await verdictOn(doubtful("dane.test", family), "INBOX");
  });
});
