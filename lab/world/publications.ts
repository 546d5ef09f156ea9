// What the foreign mail domains publish in the DNS, and the block lists. Pure: the tables and the
// public halves of their keys in, zones out.

import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import type { ZoneRecord } from "../clouds/infrastructure";
import { type Dual, elsewhereDns, foreignWeb, reverseName } from "../network/addresses";
import { policyHost, type WorldCredentials } from "./credentials";
import { listedHost, type MailDomain, mailDomains, refusedHost } from "./domains";
import type { Zone } from "./zones";

const ttlSeconds = 300;
const nameserver = "ns.elsewhere.test";

const record = (name: string, type: string, rdata: string): ZoneRecord => ({
  name,
  ttlSeconds,
  type,
  rdata,
});

/** TXT data of any length, in strings of at most 255 characters. */
const text = (name: string, content: string): ZoneRecord =>
  record(name, "TXT", (content.match(/.{1,255}/g) ?? [""]).map((part) => `"${part}"`).join(" "));

const addresses = (name: string, { ipv4, ipv6 }: Dual, families: readonly (4 | 6)[] = [4, 6]) => [
  ...(families.includes(4) ? [record(name, "A", ipv4)] : []),
  ...(families.includes(6) ? [record(name, "AAAA", ipv6)] : []),
];

/** Data of a TLSA record for the key of a certificate: its own issuer (3), the key (1), SHA-256 (1). */
const tlsaOf = (certificate: string): string => {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return `3 1 1 ${createHash("sha256").update(key).digest("hex").toUpperCase()}`;
};
const tlsaOfNoKey = `3 1 1 ${createHash("sha256").update("no key").digest("hex").toUpperCase()}`;

/** A DS record that fits no key: whoever validates finds the zone bogus. */
const signerOfNoKey = `12345 13 2 ${createHash("sha256").update("no zone").digest("hex")}`;

/** DKIM records; each key's selector is its algorithm. */
function dkimRecords(domain: string, { dkim }: WorldCredentials): ZoneRecord[] {
  const der = (key: string) => createPublicKey(key).export({ type: "spki", format: "der" });
  const name = (selector: string) => `${selector}._domainkey.${domain}`;
  return [
    text(name("rsa"), `v=DKIM1; k=rsa; p=${der(dkim.rsa).toString("base64")}`),
    text(
      name("ed25519"),
      `v=DKIM1; k=ed25519; p=${der(dkim.ed25519).subarray(-32).toString("base64")}`,
    ),
  ];
}

function tlsaRecords(domain: MailDomain, credentials: WorldCredentials): ZoneRecord[] {
  const { tlsa, certificate, host } = domain;
  if (tlsa === null) return [];
  const right = tlsa === "right" && certificate !== "none";
  const data = right ? tlsaOf(credentials[certificate].cert) : tlsaOfNoKey;
  return [record(`_25._tcp.${host}`, "TLSA", data)];
}

const isWithin = (name: string, origin: string): boolean =>
  name === origin || name.endsWith(`.${origin}`);

/** The zone that a host's name is in: its domain's, or the last two labels of its own. */
const zoneOfHost = ({ name, host }: MailDomain): string =>
  isWithin(host, name) ? name : host.split(".").slice(-2).join(".");

function domainZones(domain: MailDomain, credentials: WorldCredentials): Zone[] {
  const { name, host, dmarc, mtaSts } = domain;
  const own = [
    record(name, "MX", `10 ${host}.`),
    text(name, domain.spf),
    ...(dmarc === null
      ? []
      : [text(`_dmarc.${name}`, `v=DMARC1; p=${dmarc}; rua=mailto:dmarc-reports@${name}`)]),
    text(`_smtp._tls.${name}`, `v=TLSRPTv1; rua=mailto:tls-reports@${name}`),
    ...(domain.dkim ? dkimRecords(name, credentials) : []),
    ...(mtaSts === null
      ? []
      : [
          text(`_mta-sts.${name}`, `v=STSv1; id=${mtaSts.mode}1`),
          ...addresses(policyHost(name), foreignWeb),
        ]),
  ];
  const ofHost = [
    ...addresses(host, domain.addresses, domain.families),
    text(host, "v=spf1 a -all"),
    ...tlsaRecords(domain, credentials),
  ];
  const zone = (origin: string, records: readonly ZoneRecord[]): Zone => ({
    origin,
    nameservers: [nameserver],
    ...(domain.dnssec === "absent" ? { unsigned: true } : {}),
    ...(domain.dnssec === "wrong" ? { delegationSigners: [signerOfNoKey] } : {}),
    records: [
      ...records,
      ...(isWithin(nameserver, origin) ? addresses(nameserver, elsewhereDns) : []),
    ],
  });
  const hostZone = zoneOfHost(domain);
  return hostZone === name
    ? [zone(name, [...own, ...ofHost])]
    : [zone(name, own), zone(hostZone, ofHost)];
}

/** A block list: whoever is on it, by the name that is asked for, with the answer and its reason. */
const blockList = (
  origin: string,
  listings: readonly (readonly [name: string, answer: string, reason: string])[],
): Zone => ({
  origin,
  nameservers: [nameserver],
  records: listings.flatMap(([name, answer, reason]) => [
    record(`${name}.${origin}`, "A", answer),
    text(`${name}.${origin}`, reason),
  ]),
});

const reversed = (address: string): string =>
  reverseName(address).replace(/\.(in-addr|ip6)\.arpa$/, "");
const listed = "https://www.spamhaus.org/query";
// What Spamhaus answers to those who ask through a public resolver: no word on the address.
const refused = ["127.255.255.254", "Error: open resolver"] as const;

/** Spamhaus' lists of addresses and of domains, with the entries by which users see that they answer. */
const blockLists: readonly Zone[] = [
  blockList("zen.spamhaus.org", [
    ...[listedHost.ipv4, listedHost.ipv6, "127.0.0.2"].map(
      (address) => [reversed(address), "127.0.0.2", listed] as const,
    ),
    ...[refusedHost.ipv4, refusedHost.ipv6].map(
      (address) => [reversed(address), ...refused] as const,
    ),
  ]),
  blockList("dbl.spamhaus.org", [
    ...["listed.test", "dbltest.com"].map((name) => [name, "127.0.1.2", listed] as const),
    ["list-refuses.test", ...refused],
  ]),
];

/** The zones of the foreign mail domains and the block lists. */
export const foreignZones = (credentials: WorldCredentials): Zone[] => [
  ...mailDomains.flatMap((domain) => domainZones(domain, credentials)),
  ...blockLists,
];

/** Names of the foreign hosts' addresses. */
export const foreignPointers: Readonly<Record<string, string>> = Object.fromEntries(
  mailDomains.flatMap(({ host, addresses: { ipv4, ipv6 } }) => [
    [ipv4, host],
    [ipv6, host],
  ]),
);
