// Hetzner's firewall as nftables text. It sits in the router, on both sides of the machine's link,
// so that nothing inside the machine can open it.

import type { FirewallRule } from "../clouds/infrastructure";
import { metadataAddress, resolvers } from "./addresses";

/** What the router needs to know of one machine's link. */
export interface Link {
  readonly serverId: number;
  /** `null` lets everything pass, as Hetzner does while no firewall is applied. */
  readonly rules: readonly FirewallRule[] | null;
  /** Hetzner drops mail to ports 25 and 465 of the world until the customer asks. */
  readonly blockOutgoingMail: boolean;
}

/** Name of the router's end of a server's link. */
export const linkName = (serverId: number): string => `m${serverId}`;

const always = [...resolvers.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]), metadataAddress];

const portMatch = (port: string | undefined): string =>
  port === undefined || port === "any" ? "" : ` dport ${port}`;

function protocolMatch(rule: FirewallRule, family: "ip" | "ip6"): string {
  switch (rule.protocol) {
    case "tcp":
    case "udp": {
      const port = portMatch(rule.port);
      return port === "" ? `meta l4proto ${rule.protocol}` : `${rule.protocol}${port}`;
    }
    case "icmp":
      return family === "ip" ? "meta l4proto icmp" : "meta l4proto ipv6-icmp";
    case "esp":
    case "gre":
      return `meta l4proto ${rule.protocol}`;
    default: {
      const unknown: never = rule.protocol;
      throw new Error(`firewall: protocol "${unknown}" is not known`);
    }
  }
}

function ruleLines(rule: FirewallRule): string[] {
  const inbound = rule.direction === "in";
  const addresses = inbound ? rule.source_ips : rule.destination_ips;
  return addresses.map((range) => {
    const family = range.includes(":") ? "ip6" : "ip";
    const everywhere = range.endsWith("/0");
    const address = everywhere
      ? `meta nfproto ${family === "ip" ? "ipv4" : "ipv6"}`
      : `${family} ${inbound ? "saddr" : "daddr"} ${range}`;
    return `${address} ${protocolMatch(rule, family)} accept`;
  });
}

const knownServices = (side: "saddr" | "daddr"): string[] =>
  always.map((address) => `${address.includes(":") ? "ip6" : "ip"} ${side} ${address} accept`);

/** A chain's statements: what may always pass, then the rules, then nothing else. */
function chain(
  rules: readonly FirewallRule[] | null,
  direction: "in" | "out",
  first: readonly string[],
): string[] {
  const own = (rules ?? []).filter((rule) => rule.direction === direction);
  const closed = rules !== null && (direction === "in" || own.length > 0);
  return [
    "ct state established,related accept",
    "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
    ...first,
    ...own.flatMap(ruleLines),
    closed ? "drop" : "accept",
  ];
}

/** A whole `nft -f` script that puts the firewall of one machine in place of its former one. */
export function firewallScript(link: Link): string {
  const table = `inet server_${link.serverId}`;
  const device = linkName(link.serverId);
  const blocked = link.blockOutgoingMail ? ["tcp dport { 25, 465 } drop"] : [];
  const lines = (statements: readonly string[]): string =>
    statements.map((statement) => `    ${statement}\n`).join("");
  return `table ${table} {}
delete table ${table}
table ${table} {
  chain to_server {
    type filter hook postrouting priority filter; policy accept;
    oifname != "${device}" accept
${lines(chain(link.rules, "in", knownServices("saddr")))}  }
  chain from_server {
    type filter hook prerouting priority filter; policy accept;
    iifname != "${device}" accept
${lines(chain(link.rules, "out", [...knownServices("daddr"), ...blocked]))}  }
}
`;
}
