// A certificate's life under mail: renewed in time and with its key, shown everywhere within seconds, and
// no session ended over it. What the authority does wrong is in another file.

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  allShowWhatIsThere,
  authority,
  fingerprintOf,
  lookForDue,
  makeDue,
  restoreAuthority,
  shownCertificate,
  tlsaOf,
  withWebNames,
} from "../../support/authority";
import { imapLogin, openEncrypted, smtpLogin } from "../../support/conversation";
import { until } from "../../support/outage";
import { domain, login, onHost, target } from "../../support/target";
import { missingMail, startTraffic } from "../../support/traffic";

const alice = login(`alice@${domain}`);
const web = `mta-sts.${domain}`;

beforeAll(withWebNames);
afterAll(restoreAuthority);

function keyShown(port: number, name: string): string {
  const { certificate } = shownCertificate(port, name) ?? {};
  if (certificate === undefined) throw new Error(`port ${port} shows no certificate`);
  return tlsaOf(certificate);
}

/** One session on each mail port, and whether each is still there. */
async function openSessions() {
  const incoming = await openEncrypted({ port: 25 });
  const submissions = [
    await smtpLogin(alice, { port: 465 }),
    await smtpLogin(alice, { port: 587 }),
  ].map(({ smtp }) => smtp);
  const { imap } = await imapLogin(alice);
  return {
    async answers(): Promise<string[]> {
      const said: string[] = [];
      for (const smtp of [incoming, ...submissions])
        said.push((await smtp.say("NOOP")).text.trim());
      return [...said, (await imap.ask("NOOP")).trim()];
    },
    close() {
      for (const session of [incoming, ...submissions, imap]) session.close();
    },
  };
}

describe("a renewal", () => {
  it("keeps the key, is shown on every port within seconds, and ends no session", async () => {
    const sessions = await openSessions();
    const traffic = startTraffic(2);
    try {
      await until("the first mails", 60, () => traffic.taken.length >= 3);
      for (const [name, port] of [
        [target.hostname, 993],
        [web, 443],
      ] as const) {
        const key = keyShown(port, name);
        const fingerprint = fingerprintOf(name);
        makeDue(name);
        lookForDue();
        expect(fingerprintOf(name)).not.toBe(fingerprint);
        await until("the new certificate", 10, () => {
          const { certificate, trusted } = shownCertificate(port, name) ?? {};
          return trusted === true && certificate?.fingerprint256 === fingerprintOf(name);
        });
        expect(keyShown(port, name)).toBe(key);
      }
      await until("the new certificate on every mail port", 10, allShowWhatIsThere);
      // Dovecot gives the processes of a former configuration five seconds, and Postfix none.
      for (const deadline = Date.now() + 8000; Date.now() < deadline; ) {
        expect(await sessions.answers()).toEqual([
          "250 2.0.0 Ok",
          "250 2.0.0 Ok",
          "250 2.0.0 Ok",
          expect.stringMatching(/^a OK NOOP completed/),
        ]);
        await pause(500);
      }
      const taken = traffic.taken.length;
      await until("mail afterwards", 60, () => traffic.taken.length >= taken + 3);
    } finally {
      sessions.close();
      await traffic.stop();
    }
    expect([...traffic.refused, ...traffic.unanswered]).toEqual([]);
    expect(await missingMail(traffic.taken)).toEqual([]);
    expect(onHost("systemctl is-active mail-ready.target").trim()).toBe("active");
  });

  it("comes when a third of the life is left, and not before", async () => {
    await authority.startAcme({ validitySeconds: 60 });
    makeDue();
    lookForDue();
    const short = fingerprintOf();
    const issued = Date.parse(shownCertificate(993)?.certificate.validFrom ?? "");
    while (Date.now() < issued + 38_000) {
      lookForDue();
      expect(Date.now() < issued + 40_000 ? fingerprintOf() : short).toBe(short);
    }
    await until("a renewal", 15, () => lookForDue() !== "" && fingerprintOf() !== short);
    expect(Date.now()).toBeLessThan(issued + 60_000);
  });

  it("comes by itself, with its timer", async () => {
    await authority.startAcme();
    const before = fingerprintOf();
    makeDue();
    await until("a renewal", 90, () => fingerprintOf() !== before);
    await until("the new certificate on every mail port", 10, allShowWhatIsThere);
  });
});
