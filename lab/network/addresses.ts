// Addresses of the lab's internet: ranges that no real network uses, and the few well-known
// addresses that a machine knows by heart. They are the same in every lab; namespaces keep labs apart.

/** Root name servers by their real letters and addresses, as stock root hints have them. */
export const rootServers: readonly (readonly [letter: string, ipv4: string, ipv6: string])[] = [
  ["a", "198.41.0.4", "2001:503:ba3e::2:30"],
  ["b", "170.247.170.2", "2801:1b8:10::b"],
  ["c", "192.33.4.12", "2001:500:2::c"],
  ["d", "199.7.91.13", "2001:500:2d::d"],
  ["e", "192.203.230.10", "2001:500:a8::e"],
  ["f", "192.5.5.241", "2001:500:2f::f"],
  ["g", "192.112.36.4", "2001:500:12::d0d"],
  ["h", "198.97.190.53", "2001:500:1::53"],
  ["i", "192.36.148.17", "2001:7fe::53"],
  ["j", "192.58.128.30", "2001:503:c27::2:30"],
  ["k", "193.0.14.129", "2001:7fd::1"],
  ["l", "199.7.83.42", "2001:500:9f::42"],
  ["m", "202.12.27.33", "2001:dc3::35"],
];

/** One end of the lab that has both families. */
export interface Dual {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The routers themselves; what the engine and the tests come from. */
export const router: Dual = { ipv4: "198.18.0.1", ipv6: "2001:2::1" };
/** The emulated cloud APIs. */
export const apis: Dual = { ipv4: "198.18.0.2", ipv6: "2001:2::2" };
/** The cache of Debian's packages. */
export const packages: Dual = { ipv4: "198.18.0.3", ipv6: "2001:2::3" };
export const packagesPort = 3142;
export const hcloudPort = 8080;
export const cloudflarePort = 8081;

/** Name servers of the registries: top-level domains and reverse zones. */
export const registry: Dual = { ipv4: "198.18.0.10", ipv6: "2001:2::10" };
/** Hetzner's name server for reverse zones. */
export const hetznerDns: Dual = { ipv4: "198.18.0.11", ipv6: "2001:2::11" };
/** Cloudflare's two name servers of every zone. */
export const cloudflareDns: readonly [Dual, Dual] = [
  { ipv4: "198.18.0.53", ipv6: "2001:2::53" },
  { ipv4: "198.18.0.54", ipv6: "2001:2::54" },
];

/** Hetzner's recursive resolvers. */
export const resolvers: readonly [Dual, Dual] = [
  { ipv4: "185.12.64.1", ipv6: "2a01:4ff:ff00::add:1" },
  { ipv4: "185.12.64.2", ipv6: "2a01:4ff:ff00::add:2" },
];

/** Hetzner's metadata service, and the router that every machine sees. */
export const metadataAddress = "169.254.169.254";
export const gatewayIpv4 = "172.31.1.1";
export const gatewayIpv6 = "fe80::1";

/** The host of elsewhere.test, and the name server of all foreign mail domains. */
export const elsewhere: Dual = { ipv4: "198.19.25.1", ipv6: "2001:2:0:ffff::25" };
export const elsewhereDns: Dual = { ipv4: "198.19.25.53", ipv6: "2001:2:0:ffff::53" };
/** Where foreign mail domains publish their MTA-STS policies. */
export const foreignWeb: Dual = { ipv4: "198.19.25.80", ipv6: "2001:2:0:ffff::80" };
/** The host of another foreign mail domain, by its number. */
export const foreignHost = (number: number): Dual => ({
  ipv4: `198.19.25.${100 + number}`,
  ipv6: `2001:2:0:ffff::25:${number}`,
});
export const foreignHostNumbers: readonly number[] = Array.from({ length: 40 }, (_, i) => i + 1);

/** The ACME server of the lab's certificate authority. */
export const acme: Dual = { ipv4: "198.18.0.20", ipv6: "2001:2::20" };
export const acmePort = 14000;
/** A smarthost, for networks that block port 25. */
export const smarthost: Dual = { ipv4: "198.18.0.21", ipv6: "2001:2::21" };

const dualAddresses: readonly Dual[] = [
  router,
  apis,
  packages,
  registry,
  hetznerDns,
  ...cloudflareDns,
  ...resolvers,
  elsewhere,
  elsewhereDns,
  foreignWeb,
  ...foreignHostNumbers.map(foreignHost),
  acme,
  smarthost,
];

/** Everything that is answered by the router namespace itself. */
export const routerAddresses: readonly string[] = [
  ...dualAddresses.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]),
  ...rootServers.flatMap(([, ipv4, ipv6]) => [ipv4, ipv6]),
  metadataAddress,
];

/** What the authoritative name server listens on. */
export const nameserverAddresses: readonly string[] = [
  ...rootServers.flatMap(([, ipv4, ipv6]) => [ipv4, ipv6]),
  ...[registry, hetznerDns, ...cloudflareDns, elsewhereDns].flatMap(({ ipv4, ipv6 }) => [
    ipv4,
    ipv6,
  ]),
];

/** The address that a server takes of its /64: the first, as Hetzner's network configuration does. */
export const serverIpv6 = (network: string): string => network.replace(/\/\d+$/, "1");

const ipv6Groups = (address: string): string[] => {
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array.from({ length: gap }, () => "0"), ...after].map((group) =>
    group.padStart(4, "0"),
  );
};

/** Name under in-addr.arpa or ip6.arpa that holds the PTR record of an address. */
export function reverseName(address: string): string {
  if (!address.includes(":")) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const nibbles = ipv6Groups(address.toLowerCase()).join("").split("");
  return `${nibbles.reverse().join(".")}.ip6.arpa`;
}
