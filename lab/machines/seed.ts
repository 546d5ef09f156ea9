// What a machine learns about itself on its first boot: the texts of Hetzner's metadata service, and
// the same facts as a NoCloud seed, since DataSourceHetzner reads DMI and nspawn has none.

import { stringify } from "yaml";
import type { ServerSpec } from "../clouds/infrastructure";
import { gatewayIpv4, gatewayIpv6, resolvers, serverIpv6 } from "../network/addresses";

/** User data as DataSourceHetzner hands it on: base64 is undone where the bytes are base64. */
export function decodedUserData(userData: string): Buffer {
  const plain = Buffer.from(userData, "utf8");
  const text = userData.replace(/[\r\n]/g, "");
  if (text === "" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return plain;
  return Buffer.from(text, "base64");
}

interface Subnet {
  readonly type: "static";
  readonly address: string;
  readonly gateway: string;
  readonly dns_nameservers: readonly string[];
  readonly ipv4?: true;
  readonly ipv6?: true;
}

/** cloud-init's network configuration, version 1. Hetzner gives IPv4 by DHCP; the lab writes it down. */
export function networkConfig(server: ServerSpec): string {
  const subnets: Subnet[] = [];
  if (server.addresses.ipv4 !== null) {
    subnets.push({
      type: "static",
      ipv4: true,
      address: `${server.addresses.ipv4}/32`,
      gateway: gatewayIpv4,
      dns_nameservers: resolvers.map(({ ipv4 }) => ipv4),
    });
  }
  if (server.addresses.ipv6Network !== null) {
    subnets.push({
      type: "static",
      ipv6: true,
      address: `${serverIpv6(server.addresses.ipv6Network)}/64`,
      gateway: gatewayIpv6,
      dns_nameservers: resolvers.map(({ ipv6 }) => ipv6),
    });
  }
  // No mac_address: networkd would match the permanent one, and a veth has none.
  return stringify({ version: 1, config: [{ type: "physical", name: "eth0", subnets }] });
}

/** The NoCloud seed's files by name. */
export function seedFiles(server: ServerSpec): Readonly<Record<string, string | Buffer>> {
  const metadata = {
    "instance-id": String(server.id),
    "local-hostname": server.name,
    "public-keys": [...server.sshPublicKeys],
  };
  return {
    "meta-data": stringify(metadata),
    "network-config": networkConfig(server),
    "user-data": decodedUserData(server.userData),
    "vendor-data": "",
  };
}

const networkZone = (location: string): string =>
  location === "ash"
    ? "us-east"
    : location === "hil"
      ? "us-west"
      : location === "sin"
        ? "ap-southeast"
        : "eu-central";

/** The answer of the metadata service to one path below `/hetzner/v1`; undefined is a 404. */
export function metadataAnswer(server: ServerSpec, path: string): string | undefined {
  const facts: Readonly<Record<string, string>> = {
    "availability-zone": `${server.location}-dc1`,
    hostname: server.name,
    "instance-id": String(server.id),
    "public-ipv4": server.addresses.ipv4 ?? "",
    region: networkZone(server.location),
  };
  const clean = path.replace(/\/+$/, "");
  if (clean === "/userdata") return server.userData;
  if (clean === "/metadata") {
    return stringify({
      ...facts,
      "instance-id": server.id,
      "local-ipv4": "",
      "public-keys": [...server.sshPublicKeys],
      "network-config": networkConfig(server),
      vendor_data: "",
    });
  }
  const name = clean.replace(/^\/metadata\//, "");
  if (name === "private-networks" || name === "local-ipv4") return "";
  return facts[name];
}
