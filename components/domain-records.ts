// The DNS records of one domain that receives mail. Pure: settings in, records out.

import { createHash } from "node:crypto";
import { type Domain, domainOf, webLabels } from "../config/directory";
import { spfOf } from "./host-records";
import {
  authorityRecords,
  type CertificateAuthority,
  type MailRecord,
  nullMailRecord,
  type Place,
  textRecord,
} from "./mail-records";

/** What a domain's records depend on, besides the host's keys. */
export interface DomainRecordsArgs {
  readonly domain: Domain;
  readonly hostname: string;
  /** The smarthost's SPF mechanism. */
  readonly spf?: string | undefined;
  /** All domains of the stack: a report address in another one is authorised there. */
  readonly domains: readonly Domain[];
}

/** Everything that needs neither keys nor certificates. */
export function domainRecords({ domain, hostname, spf, domains }: DomainRecordsArgs): MailRecord[] {
  const { name, zoneId, dmarcPolicy, reportAddress } = domain;
  const place = (key: string, at = name): Place => ({ zoneId, key, name: at });
  const dmarc = `v=DMARC1; p=${dmarcPolicy}; sp=${dmarcPolicy}; adkim=s; aspf=s; rua=mailto:${reportAddress}`;
  return [
    {
      ...place("mx"),
      type: "MX",
      content: hostname,
      priority: 10,
      reason: "mail for this domain goes to the mail host",
    },
    textRecord(place("spf"), spfOf("mx", spf), "only the mail host sends for this domain"),
    textRecord(
      place("dmarc", `_dmarc.${name}`),
      dmarc,
      "what becomes of mail that only pretends to be ours",
    ),
    textRecord(
      place("tls-rpt", `_smtp._tls.${name}`),
      `v=TLSRPTv1; rua=mailto:${reportAddress}`,
      "others report mail that could not be encrypted",
    ),
    ...serviceRecords({ name, zoneId, hostname }),
    ...webLabels.flatMap((label) => [
      nullMailRecord(place(`${label}-mx`, `${label}.${name}`), "takes no mail, and says so"),
      textRecord(place(`${label}-spf`, `${label}.${name}`), "v=spf1 -all", "sends no mail"),
    ]),
    ...reportAuthorisation(domain, domains),
  ];
}

/** How mail programs find the host (RFC 6186, RFC 8314 5.1), and what they need not try. */
function serviceRecords({
  name,
  zoneId,
  hostname,
}: {
  name: string;
  zoneId: string;
  hostname: string;
}): MailRecord[] {
  const service = (label: string, port: number, reason: string): MailRecord => {
    const target = port === 0 ? "." : hostname;
    return {
      zoneId,
      key: `srv-${label}`,
      type: "SRV",
      name: `_${label}._tcp.${name}`,
      // Cloudflare returns the priority at both places.
      priority: 0,
      data: { priority: 0, weight: port === 0 ? 0 : 1, port, target },
      reason,
    };
  };
  return [
    service("submissions", 465, "mail programs send over TLS"),
    service("submission", 587, "mail programs send with STARTTLS"),
    service("imaps", 993, "mail programs read over TLS"),
    service("imap", 0, "not offered without TLS"),
    service("pop3", 0, "POP is not offered"),
    service("pop3s", 0, "POP is not offered over TLS either"),
  ];
}

/** A domain says that it wants another one's reports (RFC 7489 7.1). */
function reportAuthorisation(domain: Domain, domains: readonly Domain[]): MailRecord[] {
  const place = domainOf(domain.reportAddress);
  const receiver = domains.find(({ name }) => name === place && name !== domain.name);
  if (receiver === undefined) return [];
  return [
    textRecord(
      {
        zoneId: receiver.zoneId,
        key: "dmarc-reports",
        name: authorisationName(domain.name, receiver.name),
      },
      "v=DMARC1",
      "wants the other domain's DMARC reports",
    ),
  ];
}

/** Where a domain says that it wants the reports of another (RFC 7489 7.1). */
export function authorisationName(reported: string, receiver: string): string {
  return `${reported}._report._dmarc.${receiver}`;
}

/** Public half of a DKIM key, as the host tells it. */
export interface DkimKey {
  readonly generation: number;
  /** e.g. `rsa1`, `ed1`. */
  readonly selector: string;
  readonly type: "rsa" | "ed25519";
  /** Base64: SubjectPublicKeyInfo of RSA (RFC 6376 3.6.1), the 32 bytes of Ed25519 (RFC 8463 4). */
  readonly publicKey: string;
}

/** The keys' places before the keys are known: two selectors for each generation. */
export function dkimKeyPlaces(generation: number, revoked: number): DkimKey[] {
  return Array.from({ length: generation - revoked }, (_, i) => revoked + 1 + i).flatMap((number) =>
    dkimSelectors(number).map((place) => ({ ...place, publicKey: "" })),
  );
}

function dkimSelectors(generation: number) {
  return [
    { generation, selector: `rsa${generation}`, type: "rsa" },
    { generation, selector: `ed${generation}`, type: "ed25519" },
  ] as const;
}

/** One record for each key; those revoked last say so, with an empty key (RFC 6376 3.6.1). */
export function dkimRecords(
  { name: domain, zoneId }: Domain,
  { keys, revoked }: { readonly keys: readonly DkimKey[]; readonly revoked: number },
): MailRecord[] {
  const record = (
    { selector, type, publicKey }: Omit<DkimKey, "generation">,
    reason: string,
  ): MailRecord =>
    textRecord(
      { zoneId, key: `dkim-${selector}`, name: `${selector}._domainkey.${domain}` },
      `v=DKIM1; k=${type}; p=${publicKey}`,
      reason,
    );
  return [
    ...(revoked === 0 ? [] : dkimSelectors(revoked)).map((place) =>
      record({ ...place, publicKey: "" }, "a DKIM key that was revoked"),
    ),
    ...keys.map((key) => record(key, "others check the signatures under our mail")),
  ];
}

/** Up to 32 letters and digits (RFC 8461 3.1) that are others for any other policy. */
export function policyIdOf(policy: string): string {
  return createHash("sha256").update(policy).digest("hex").slice(0, 32);
}

/** Other servers fetch the policy again when the id changes (RFC 8461 3.1). */
export function policyRecord({ name, zoneId }: Domain, policyId: string): MailRecord {
  return textRecord(
    { zoneId, key: "mta-sts", name: `_mta-sts.${name}` },
    `v=STSv1; id=${policyId}`,
    "others read our policy: TLS with a valid certificate, always",
  );
}

/** Only the host's own account gets certificates for the names that it serves. */
export function webAuthorityRecords(
  { name: domain, zoneId }: Domain,
  authority: CertificateAuthority,
): MailRecord[] {
  return webLabels.flatMap((label) =>
    authorityRecords({ zoneId, key: `${label}-caa`, name: `${label}.${domain}` }, authority),
  );
}
