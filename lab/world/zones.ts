// The lab's name space as zone files: root, top-level domains, reverse zones, the emulated clouds'
// zones and the foreign mail domain, each delegated from its parent. Pure: state in, texts out.

import type { ZoneRecord } from "../clouds/infrastructure";
import {
  cloudflareDns,
  type Dual,
  elsewhere,
  elsewhereDns,
  hetznerDns,
  registry,
  reverseName,
  rootServers,
} from "../network/addresses";

/** A zone with the name servers that its parent names for it. */
export interface Zone {
  /** Without trailing dot; empty for the root. */
  readonly origin: string;
  readonly nameservers: readonly string[];
  readonly records: readonly ZoneRecord[];
}

/** The foreign mail domain, and the name of its only host. */
export const elsewhereDomain = "elsewhere.test";
export const elsewhereHost = "mx.elsewhere.test";

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
): Zone[] {
  const elsewhereZone: Zone = {
    origin: elsewhereDomain,
    nameservers: [`ns.${elsewhereDomain}`],
    records: [
      ...addressRecords(`ns.${elsewhereDomain}`, elsewhereDns),
      ...addressRecords(elsewhereHost, elsewhere, 300),
      record(elsewhereDomain, "MX", `10 ${elsewhereHost}.`, 300),
      record(elsewhereDomain, "TXT", '"v=spf1 mx -all"', 300),
    ],
  };
  const cloudflareOwn: Zone = {
    origin: "cloudflare.com",
    nameservers: cloudflareNames,
    records: cloudflareGlue,
  };
  const leaves: Zone[] = [
    elsewhereZone,
    cloudflareOwn,
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
    [elsewhere.ipv4]: elsewhereHost,
    [elsewhere.ipv6]: elsewhereHost,
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
