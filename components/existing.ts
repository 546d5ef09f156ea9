// What is already there in both clouds, asked before anything is created: the zones' names, DNS
// records that are not ours, where this stack's addresses live, which SSH keys Hetzner knows.

import * as cloudflare from "@pulumi/cloudflare";
import * as hcloud from "@pulumi/hcloud";
import type { StackConfig } from "../config";
import type { Mistake } from "../config/mistakes";
import { firstAddress } from "./mail-address";
import type { HostAddresses } from "./mail-records";

/** A DNS record as Cloudflare lists it. */
export interface ExistingRecord {
  readonly id: string;
  readonly zoneId: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly priority?: number;
  readonly proxied?: boolean;
  readonly comment?: string;
}

/** A zone as Cloudflare shows it. */
export interface ExistingZone {
  readonly name: string;
  readonly status: string;
  /** Cloudflare's, which the registrar must name. */
  readonly nameServers: readonly string[];
}

/** What was found. */
export interface Existing {
  /** By id; a text says why the zone cannot be read. */
  readonly zones: ReadonlyMap<string, ExistingZone | string>;
  /** Everything in these zones, whoever made it. */
  readonly records: readonly ExistingRecord[];
  /** Where this stack's own addresses are, and what they are. */
  readonly addresses: readonly {
    readonly type: string;
    readonly ip: string;
    readonly location: string;
  }[];
  /** The same as records want them; empty where there is none yet. */
  readonly ownAddresses: HostAddresses;
  /** Hetzner's SSH keys that this stack did not make: id by `type base64`. */
  readonly foreignSshKeys: ReadonlyMap<string, string>;
}

/** Labels on everything that can carry them: whose it is, and of a test stack its last day. */
export function stackLabels(stack: string, expires?: string): Record<string, string> {
  return { project: "mail-host", stack, ...(expires === undefined ? {} : { expires }) };
}

/** Asks both clouds; changes nothing. */
export async function readExisting(config: StackConfig, stack: string): Promise<Existing> {
  const zoneIds = [...new Set(placesOf(config).map(({ zoneId }) => zoneId))];
  const labels = stackLabels(stack);
  const selector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const [zones, found, sshKeys] = await Promise.all([
    Promise.all(zoneIds.map(readZone)),
    hcloud.getPrimaryIps({ withSelector: selector }),
    hcloud.getSshKeys({}),
  ]);
  const addresses = found.primaryIps.map(({ type, ipAddress, location }) => ({
    type,
    ip: ipAddress,
    location,
  }));
  const ipv6 = addresses.find(({ type }) => type === "ipv6")?.ip;
  return {
    zones: new Map(zones.map(({ zoneId, zone }) => [zoneId, zone])),
    records: zones.flatMap(({ records }) => records),
    addresses,
    ownAddresses: {
      ipv4: addresses.find(({ type }) => type === "ipv4")?.ip ?? "",
      ipv6: ipv6 === undefined ? "" : firstAddress(ipv6),
    },
    foreignSshKeys: new Map(
      sshKeys.sshKeys
        .filter((key) => key.labels?.stack !== stack || key.labels?.project !== labels.project)
        .map((key) => [keyMaterial(key.publicKey), String(key.id)]),
    ),
  };
}

/** More than any zone holds; the provider stops at a thousand by itself. */
const allRecords = 1_000_000;

/** A zone and everything in it, or why it cannot be read. */
async function readZone(zoneId: string): Promise<{
  zoneId: string;
  zone: ExistingZone | string;
  records: readonly ExistingRecord[];
}> {
  try {
    const [{ name, status, nameServers }, { results }] = await Promise.all([
      cloudflare.getZone({ zoneId }),
      cloudflare.getDnsRecords({ zoneId, maxItems: allRecords }),
    ]);
    const records = results.map(({ id, name: at, type, content, priority, proxied, comment }) => ({
      id,
      zoneId,
      name: at,
      type,
      content,
      ...(type === "MX" || type === "SRV" ? { priority } : {}),
      proxied,
      comment,
    }));
    return { zoneId, zone: { name, status, nameServers }, records };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    // Everything else, such as a cloud that does not answer, is no mistake of the configuration's.
    if (!/: 40[034] /.test(said)) throw error;
    return { zoneId, zone: said, records: [] };
  }
}

/** `type base64` of a public key: what makes two keys the same, whatever their comments. */
export function keyMaterial(publicKey: string): string {
  return publicKey.split(" ").slice(0, 2).join(" ");
}

/** Names and the zones that they are configured with. */
function placesOf({ host, directory }: StackConfig) {
  return [
    { key: "host.zoneId", name: host.name, zoneId: host.zoneId },
    ...directory.domains.map(({ name, zoneId }, i) => ({
      key: `domains[${i}].zoneId`,
      name,
      zoneId,
    })),
  ];
}

/** Zones that cannot be written to, or not with this effect, each with what mends it. Pure. */
export function wrongZones(config: StackConfig, { zones }: Existing): Mistake[] {
  const cureFor = (key: string, name: string) =>
    `set it with: pulumi config set --path 'mail-host:${key}' <id of the zone of ${name}>`;
  const places = placesOf(config);
  const strayed = places.flatMap(({ key, name, zoneId }) => {
    const zone = zones.get(zoneId);
    if (typeof zone !== "object" || name === zone.name || name.endsWith(`.${zone.name}`)) return [];
    return [
      {
        where: `mail-host:${key}`,
        message: `"${zoneId}" is the zone "${zone.name}", in which "${name}" does not lie`,
        cure: cureFor(key, name),
      },
    ];
  });
  const unusable = [...zones].flatMap(([zoneId, zone]) => {
    const { key, name } = [...places].reverse().find((place) => place.zoneId === zoneId) ?? {};
    const where = `mail-host:${key}`;
    if (typeof zone === "string") {
      return [
        {
          where,
          message: `"${zoneId}" cannot be read at Cloudflare: ${zone.trim().slice(0, 300)}`,
          cure: `${cureFor(key ?? "", name ?? "")}; the token needs Zone:Read and DNS:Edit on that zone`,
        },
      ];
    }
    if (zone.status === "active") return [];
    return [
      {
        where,
        message: `the zone "${zone.name}" is not active at Cloudflare but ${zone.status}, so that nobody sees its records`,
        cure: `have its registrar name these as its name servers, and wait for Cloudflare to notice: ${zone.nameServers.join(", ")}`,
      },
    ];
  });
  return [...strayed, ...unusable];
}

/** A location that is not where the stack lives. Pure. */
export function movedLocation({ host }: StackConfig, { addresses }: Existing): Mistake[] {
  const elsewhere = addresses.find(({ location }) => location !== host.location);
  if (elsewhere === undefined) return [];
  return [
    {
      where: "mail-host:host.location",
      message: `"${host.location}" is not where this stack lives: its addresses and its volume are bound to "${elsewhere.location}"`,
      cure: `keep it with: pulumi config set --path 'mail-host:host.location' ${elsewhere.location}; to move, back up, and restore into a new stack there, which gets new addresses`,
    },
  ];
}
