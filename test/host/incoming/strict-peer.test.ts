// A peer that delivers only to what is proven: it finds the host's TLSA records and MTA-STS policy through
// the signed DNS and HTTPS, and a certificate that fits both.

import { expect, it } from "vitest";
import { sendFromElsewhere } from "../../support/elsewhere";
import { fetchMail, token } from "../../support/mail";
import { domain, login, target } from "../../support/target";

const alice = login(`alice@${domain}`);

it.each([4, 6] as const)(
  "a peer that insists on DANE and MTA-STS delivers over IPv%d",
  async (family) => {
    const subject = token();
    const mail = { from: "friend@elsewhere.test", to: alice.user, subject, family, enforce: true };
    expect(await sendFromElsewhere(mail)).toMatchObject({
      accepted: true,
      host: target.hostname,
      tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", untrusted: null },
      dane: { result: "valid", detail: expect.stringMatching(/^3 1 1 /) },
      mtaSts: { result: "valid", mode: "enforce" },
    });
    expect(await fetchMail({ ...alice, subject })).toContain(`Subject: ${subject}`);
  },
);

it("no peer delivers to a name of the host that is none for mail", async () => {
  const to = `anybody@autoconfig.${domain}`;
  await expect(sendFromElsewhere({ from: "friend@elsewhere.test", to })).rejects.toThrow(
    `autoconfig.${domain}: takes no mail (null MX, RFC 7505)`,
  );
});
