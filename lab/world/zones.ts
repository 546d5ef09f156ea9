// The lab's name space as zone files: root, top-level domains, reverse zones, the emulated clouds'
// zones and the foreign ones, each delegated from its parent. Pure: state in, texts out.

import type { ZoneRecord } from "../clouds/infrastructure";
import {
  acme,
  cloudflareDns,
  type Dual,
  hetznerDns,
  registry,
  reverseName,
  rootServers,
  smarthost,
} from "../network/addresses";
import { foreignPointers } from "./publications";
import { impostorHost, smarthostDomain } from "./smarthost";

/** A zone with the name servers that its parent names for it. */
export interface Zone {
  /** Without trailing dot; empty for the root. */
  readonly origin: string;
  readonly nameservers: readonly string[];
  readonly records: readonly ZoneRecord[];
  /** Leaves one of the lab's own zones without signatures, and its parent without its DS. */
  readonly unsigned?: true;
  /** What the parent has for DS records in place of those that fit the zone's key. */
  readonly delegationSigners?: readonly string[];
}

/** Where the world gets its certificates. */
export const acmeHost = "acme.test";

const day = 86_400;
// Hetzner and Cloudflare keep refusals for half an hour; a lab that builds and tears down cannot wait.
const negativeSeconds = 5;

const record = (name: string, type: string, rdata: string, ttlSeconds = day): ZoneRecord => ({
  name,
  ttlSeconds,
  type,
  rdata,
});

const addressRecords = (name: string, { ipv4, ipv6 }: Dual, ttlSeconds = day): ZoneRecord[] => [
  record(name, "A", ipv4, ttlSeconds),
  record(name, "AAAA", ipv6, ttlSeconds),
];

const rootNames = rootServers.map(([letter]) => `${letter}.root-servers.net`);
const rootGlue = rootServers.flatMap(([letter, ipv4, ipv6]) =>
  addressRecords(`${letter}.root-servers.net`, { ipv4, ipv6 }),
);
const registryName = "a.nic.test";
const hetznerName = "ns1.your-server.test";
const cloudflareNames = ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"];
const cloudflareGlue = cloudflareNames.flatMap((name, index) =>
  addressRecords(name, cloudflareDns[index === 0 ? 0 : 1]),
);

const delegation = (origin: string, nameservers: readonly string[]): ZoneRecord[] =>
  nameservers.map((nameserver) => record(origin, "NS", `${nameserver}.`));

const reverseZones = [
  "18.198.in-addr.arpa",
  "19.198.in-addr.arpa",
  "0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa",
];

const topLevelOf = (name: string): string => name.split(".").at(-1) ?? "";
const isWithin = (name: string, origin: string): boolean =>
  name === origin || name.endsWith(`.${origin}`);

/** Everything that the lab's name server answers with authority. */
export function internetZones(
  published: Readonly<Record<string, readonly ZoneRecord[]>>,
  pointers: Readonly<Record<string, string>>,
  foreign: readonly Zone[],
): Zone[] {
  const cloudflareOwn: Zone = {
    origin: "cloudflare.com",
    nameservers: cloudflareNames,
    records: cloudflareGlue,
  };
  const acmeZone: Zone = {
    origin: acmeHost,
    nameservers: cloudflareNames,
    records: addressRecords(acmeHost, acme),
  };
  const smarthostZone: Zone = {
    origin: smarthostDomain,
    nameservers: cloudflareNames,
    records: [smarthostDomain, impostorHost].flatMap((name) => addressRecords(name, smarthost)),
  };
  const leaves: Zone[] = [
    ...foreign,
    cloudflareOwn,
    acmeZone,
    smarthostZone,
    ...Object.entries(published).map(([origin, records]) => ({
      origin,
      nameservers: cloudflareNames,
      records,
    })),
  ];
  const origins = leaves.map(({ origin }) => origin);
  const delegated = (parent: string): ZoneRecord[] =>
    leaves
      .filter(({ origin }) => {
        const above = origins.filter((other) => other !== origin && isWithin(origin, other));
        return above.length === 0 && isWithin(origin, parent);
      })
      .flatMap(({ origin, nameservers, records }) => [
        ...delegation(origin, nameservers),
        ...records.filter(({ name, type }) => nameservers.includes(name) && /^A{1,4}$/.test(type)),
      ]);
  const topLevels = [...new Set(["test", "com", "net", "org", ...origins.map(topLevelOf)])];
  const registryZones = topLevels.map((origin) => ({
    origin,
    nameservers: [registryName],
    records: [
      ...delegated(origin),
      ...(origin === "net" ? [...delegation("root-servers.net", rootNames), ...rootGlue] : []),
      ...(origin === "test"
        ? [...addressRecords(registryName, registry), ...addressRecords(hetznerName, hetznerDns)]
        : []),
    ],
  }));
  const reversePointers = {
    ...pointers,
    ...foreignPointers,
    [acme.ipv4]: acmeHost,
    [acme.ipv6]: acmeHost,
  };
  const pointerRecords = Object.entries(reversePointers).map(([address, name]) =>
    record(reverseName(address), "PTR", `${name}.`, 60),
  );
  const arpa: Zone[] = [
    {
      origin: "arpa",
      nameservers: [registryName],
      records: ["in-addr.arpa", "ip6.arpa"].flatMap((name) => delegation(name, [registryName])),
    },
    ...["in-addr.arpa", "ip6.arpa"].map((origin) => ({
      origin,
      nameservers: [registryName],
      records: reverseZones
        .filter((zone) => isWithin(zone, origin))
        .flatMap((zone) => delegation(zone, [hetznerName])),
    })),
    ...reverseZones.map((origin) => ({
      origin,
      nameservers: [hetznerName],
      records: pointerRecords.filter(({ name }) => isWithin(name, origin)),
    })),
  ];
  const root: Zone = {
    origin: "",
    nameservers: rootNames,
    records: [
      ...rootGlue,
      ...[...topLevels, "arpa"].flatMap((name) => delegation(name, [registryName])),
      ...addressRecords(registryName, registry),
    ],
  };
  const rootServersZone: Zone = {
    origin: "root-servers.net",
    nameservers: rootNames,
    records: rootGlue,
  };
  return [root, rootServersZone, ...arpa, ...registryZones, ...leaves];
}

/** Puts the DS records of each zone into its parent. */
export function withDelegationSigners(
  zones: readonly Zone[],
  signersOf: (zone: Zone) => readonly string[],
): Zone[] {
  const parentOf = ({ origin }: Zone): string | undefined =>
    zones
      .map((zone) => zone.origin)
      .filter((other) => other !== origin && (other === "" || isWithin(origin, other)))
      .sort((one, other) => other.length - one.length)[0];
  const signers = zones.flatMap((zone) => {
    const parent = parentOf(zone);
    if (parent === undefined) return [];
    return signersOf(zone).map((ds) => ({ parent, ds: record(zone.origin, "DS", ds, 60) }));
  });
  return zones.map((zone) => ({
    ...zone,
    records: [
      ...zone.records,
      ...signers.filter(({ parent }) => parent === zone.origin).map(({ ds }) => ds),
    ],
  }));
}

/** A zone as a master file. */
export function renderZone(zone: Zone, serial: number): string {
  const origin = `${zone.origin}.`;
  const first = zone.nameservers[0] ?? "invalid";
  const soa = `${origin} 3600 IN SOA ${first}. hostmaster.${zone.origin === "" ? "" : origin} ${serial} 3600 600 604800 ${negativeSeconds}`;
  const lines = [
    soa.replace(/hostmaster\. /, "hostmaster.nic.test. "),
    ...zone.nameservers.map((name) => `${origin} ${day} IN NS ${name}.`),
    ...zone.records.map(
      ({ name, ttlSeconds, type, rdata }) => `${name}. ${ttlSeconds} IN ${type} ${rdata}`,
    ),
  ];
  return `${[...new Set(lines)].join("\n")}\n`;
}
