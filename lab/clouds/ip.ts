// Canonical forms of addresses and networks, as both clouds hand them out.

import * as net from "node:net";

/** RFC 5952 form of an IPv6 address, or undefined when it is none. */
export function canonicalIpv6(address: string): string | undefined {
  if (!net.isIPv6(address) || address.includes("%")) {
    return undefined;
  }
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

/** The form in which Go prints an address, or undefined when it is none. */
export function canonicalIp(address: string): string | undefined {
  return net.isIPv4(address) ? address : canonicalIpv6(address);
}

/** Tells whether an address is in a network such as `2001:2:0:10::/64`. */
export function isInNetwork(address: string, network: string): boolean {
  const [base, bits] = network.split("/");
  if (base === undefined || bits === undefined || net.isIP(address) !== net.isIP(base)) {
    return false;
  }
  const family = net.isIPv4(base) ? "ipv4" : "ipv6";
  const list = new net.BlockList();
  list.addSubnet(base, Number(bits), family);
  return list.check(address, family);
}

/** The bits of an address as one number, with its width. */
function bitsOf(address: string): { readonly value: bigint; readonly width: number } {
  if (net.isIPv4(address)) {
    const value = address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
    return { value, width: 32 };
  }
  const [head = "", tail] = (canonicalIpv6(address) ?? "::").split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const front = groups(head);
  const back = groups(tail ?? "");
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => "0");
  const value = [...front, ...zeros, ...back].reduce(
    (sum, group) => (sum << 16n) | BigInt(`0x${group}`),
    0n,
  );
  return { value, width: 128 };
}

/** The canonical form of a CIDR, or undefined when it is malformed or has host bits set. */
export function canonicalCidr(cidr: string): string | undefined {
  const [address, bitsText, ...rest] = cidr.split("/");
  if (address === undefined || bitsText === undefined || rest.length > 0) {
    return undefined;
  }
  const canonical = canonicalIp(address);
  if (canonical === undefined || !/^\d{1,3}$/.test(bitsText)) {
    return undefined;
  }
  const bits = Number(bitsText);
  const { value, width } = bitsOf(canonical);
  if (bits > width) {
    return undefined;
  }
  const hostMask = (1n << BigInt(width - bits)) - 1n;
  return (value & hostMask) === 0n ? `${canonical}/${bits}` : undefined;
}
