// The DNS records of the host and of every name that leads to it. Pure: settings in, records out.

import { type Domain, webLabels } from "../config/directory";
import {
  addressRecords,
  authorityRecords,
  type CertificateAuthority,
  type HostAddresses,
  type MailRecord,
  textRecord,
} from "./mail-records";

/** The host's own name, and where it stands. */
export interface HostName {
  readonly name: string;
  readonly zoneId: string;
}

/** What leads to the host by its own name, and whether it may send in that name. */
export function hostRecords(
  { name, zoneId }: HostName,
  { spf, ...addresses }: HostAddresses & { readonly spf?: string | undefined },
): MailRecord[] {
  return [
    ...addressRecords(
      { zoneId, key: "", name },
      addresses,
      (protocol) => `the mail host over ${protocol}; equals its PTR`,
    ),
    textRecord(
      { zoneId, key: "spf", name },
      spfOf("a", spf),
      "only the host itself sends in its own name, as bounces do",
    ),
  ];
}

/** `a` or `mx`, the smarthost's mechanism where there is one, and nobody else. */
export function spfOf(own: "a" | "mx", smarthost: string | undefined): string {
  return ["v=spf1", own, ...(smarthost === undefined ? [] : [smarthost]), "-all"].join(" ");
}

const servedAt: Readonly<Record<(typeof webLabels)[number], string>> = {
  "mta-sts": "where others read the MTA-STS policy",
  autoconfig: "where Thunderbird finds its settings",
  autodiscover: "where Outlook finds its settings",
};

/** The names that the host serves for the domains. */
export function webNames(domains: readonly Pick<Domain, "name">[]): string[] {
  return domains.flatMap(({ name }) => webLabels.map((label) => `${label}.${name}`));
}

/** What leads to them. Like its own they exist before the server does. */
export function webRecords(
  domains: readonly Pick<Domain, "name" | "zoneId">[],
  addresses: HostAddresses,
): MailRecord[] {
  return domains.flatMap(({ name: domain, zoneId }) =>
    webLabels.flatMap((label) => {
      const name = `${label}.${domain}`;
      return addressRecords(
        { zoneId, key: `${name}-`, name },
        addresses,
        (protocol) => `${servedAt[label]}, over ${protocol}`,
      );
    }),
  );
}

/** What the host says of its certificate and its keys. */
export interface HostCertificate extends CertificateAuthority {
  /** SHA-256 of the public keys in use and next, in upper-case hex. */
  readonly tlsa: readonly [inUse: string, next: string];
}

/**
 * Written once the authority's certificate is being served. Each key's record is named by the key's
 * generation: when the next key becomes the one in use, its record stays as it is.
 */
export function certificateRecords(
  { name, zoneId }: HostName,
  { tlsa, keyGeneration, ...authority }: HostCertificate & { readonly keyGeneration: number },
): MailRecord[] {
  const reasons = [
    "the key that others meet at port 25 (DANE)",
    "the next key at port 25, public before it is used",
  ];
  return [
    ...authorityRecords({ zoneId, key: "caa", name }, authority),
    ...tlsa.map(
      (certificate, i): MailRecord => ({
        zoneId,
        key: `tlsa-${keyGeneration + i}`,
        type: "TLSA",
        name: `_25._tcp.${name}`,
        data: { usage: 3, selector: 1, matchingType: 1, certificate },
        reason: reasons[i] ?? "",
      }),
    ),
  ];
}
