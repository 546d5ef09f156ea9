// The foreign mail domains: what each one's host does, what it shows and what it publishes. Some
// misbehave on purpose, and their names say how. Adding a domain is adding a row.

import { type Dual, elsewhere, foreignHost } from "../network/addresses";

/** What the host shows in STARTTLS: a certificate for its name, its own signature, another name, or nothing. */
export type Certificate = "trusted" | "self-signed" | "misnamed" | "none";

/** One foreign mail domain. */
export interface MailDomain {
  readonly name: string;
  /** Name of its only mail host. */
  readonly host: string;
  readonly addresses: Dual;
  /** Address families that the host's name has. */
  readonly families: readonly (4 | 6)[];
  readonly certificate: Certificate;
  /** How port 25 takes mail: at once, at the second try, slowly, or not at all. */
  readonly receives: "readily" | "second-try" | "slowly" | "never";
  readonly spf: string;
  /** Policy in the DMARC record; null without one. */
  readonly dmarc: "none" | "quarantine" | "reject" | null;
  /** Signs what it sends, with keys that it publishes. */
  readonly dkim: boolean;
  /** TLSA records: of the certificate's key, or of no key. */
  readonly tlsa: "right" | "wrong" | null;
  /** MTA-STS policy: the mode, and the mail hosts that it allows. */
  readonly mtaSts: { readonly mode: "enforce" | "testing"; readonly mx: string } | null;
  /** The zone's signatures: right, absent, or of another key than its parent says. */
  readonly dnssec: "right" | "absent" | "wrong";
}

const domain = (
  name: string,
  addresses: Dual,
  particulars: Partial<MailDomain> = {},
): MailDomain => ({
  name,
  host: `mx.${name}`,
  addresses,
  families: [4, 6],
  certificate: "trusted",
  receives: "readily",
  spf: "v=spf1 mx -all",
  dmarc: "reject",
  dkim: true,
  tlsa: null,
  mtaSts: null,
  dnssec: "right",
  ...particulars,
});

/** Neither a host that may send as this domain nor a key that signs for it: its mail is forged. */
const forged = { spf: "v=spf1 -all", dkim: false } as const;
const enforced = (host: string) => ({ mode: "enforce", mx: host }) as const;

/** The domain that behaves, and that tests use unless they want something special. */
export const elsewhereDomain = "elsewhere.test";
export const elsewhereHost = `mx.${elsewhereDomain}`;

/** Every foreign mail domain. */
export const mailDomains: readonly MailDomain[] = [
  domain(elsewhereDomain, elsewhere),
  domain("gmail.com", foreignHost(1), { host: "gmail-smtp-in.l.google.com" }),

  domain("forged-spf.test", foreignHost(2), { ...forged, dmarc: null }),
  domain("forged-none.test", foreignHost(3), { ...forged, dmarc: "none" }),
  domain("forged-quarantine.test", foreignHost(4), { ...forged, dmarc: "quarantine" }),
  domain("forged-reject.test", foreignHost(5), { ...forged, dmarc: "reject" }),

  domain("dane.test", foreignHost(6), { certificate: "self-signed", tlsa: "right" }),
  domain("dane-wrong.test", foreignHost(7), { tlsa: "wrong" }),
  domain("mta-sts.test", foreignHost(8), { mtaSts: enforced("mx.mta-sts.test") }),
  domain("mta-sts-wrong.test", foreignHost(9), {
    certificate: "misnamed",
    mtaSts: enforced("mx.mta-sts-wrong.test"),
  }),
  domain("mta-sts-self-signed.test", foreignHost(10), {
    certificate: "self-signed",
    mtaSts: enforced("mx.mta-sts-self-signed.test"),
  }),
  domain("mta-sts-no-tls.test", foreignHost(11), {
    certificate: "none",
    mtaSts: enforced("mx.mta-sts-no-tls.test"),
  }),
  domain("mta-sts-other-mx.test", foreignHost(12), { mtaSts: enforced("mx.elsewhere.test") }),
  domain("mta-sts-testing.test", foreignHost(13), {
    certificate: "misnamed",
    mtaSts: { mode: "testing", mx: "mx.mta-sts-testing.test" },
  }),
  // DANE decides where there is both (RFC 8461, section 2).
  domain("dane-right-mta-sts-wrong.test", foreignHost(14), {
    certificate: "misnamed",
    tlsa: "right",
    mtaSts: enforced("mx.dane-right-mta-sts-wrong.test"),
  }),
  domain("dane-wrong-mta-sts-right.test", foreignHost(15), {
    tlsa: "wrong",
    mtaSts: enforced("mx.dane-wrong-mta-sts-right.test"),
  }),
  // A TLSA record that nobody vouches for means nothing.
  domain("dane-unsigned.test", foreignHost(16), { tlsa: "wrong", dnssec: "absent" }),
  domain("dnssec-broken.test", foreignHost(17), { dnssec: "wrong" }),
  domain("no-tls.test", foreignHost(18), { certificate: "none" }),

  domain("greylisting.test", foreignHost(19), { receives: "second-try" }),
  domain("slow.test", foreignHost(20), { receives: "slowly" }),
  domain("closed.test", foreignHost(21), { receives: "never" }),
  domain("ipv4-only.test", foreignHost(22), { families: [4] }),
  domain("ipv6-only.test", foreignHost(23), { families: [6] }),

  domain("listed.test", foreignHost(24)),
  domain("list-refuses.test", foreignHost(25)),
];

/** The foreign domain of this name. */
export const mailDomain = (name: string): MailDomain | undefined =>
  mailDomains.find((each) => each.name === name);

/** The addresses that the block list lists. */
export const listedHost: Dual = foreignHost(24);
/** The addresses that the block list answers as it answers those who ask through a public resolver. */
export const refusedHost: Dual = foreignHost(25);
