// What is already there in both clouds, asked before anything is created: the zones' names, DNS
// records that are not ours, where this stack's addresses live, which SSH keys Hetzner knows.

import * as cloudflare from "@pulumi/cloudflare";
import * as hcloud from "@pulumi/hcloud";
import type { StackConfig } from "../config";
import type { Mistake } from "../config/mistakes";
import { isOurs } from "./mail-records";

/** A DNS record as Cloudflare lists it. */
export interface ExistingRecord {
  readonly id: string;
  readonly zoneId: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly priority?: number;
  readonly comment?: string;
}

/** What was found. */
export interface Existing {
  /** Zone names by id. */
  readonly zones: ReadonlyMap<string, string>;
  /** Records at the names that this stack wants, whoever made them. */
  readonly records: readonly ExistingRecord[];
  /** This stack's own addresses. */
  readonly addresses: readonly {
    readonly type: string;
    readonly ip: string;
    readonly location: string;
  }[];
  /** Hetzner's SSH keys that this stack did not make: id by `type base64`. */
  readonly foreignSshKeys: ReadonlyMap<string, string>;
}

/** Labels on everything that can carry them. */
export function stackLabels(stack: string): Record<string, string> {
  return { project: "mail-host", stack };
}

/** Asks both clouds; changes nothing. Rejects when a zone does not exist or a token may not read it. */
export async function readExisting(config: StackConfig, stack: string): Promise<Existing> {
  const wanted = [
    { zoneId: config.host.zoneId, name: config.host.name },
    ...config.directory.domains.map(({ zoneId, name }) => ({ zoneId, name })),
  ];
  const zoneIds = [...new Set(wanted.map(({ zoneId }) => zoneId))];
  const labels = stackLabels(stack);
  const selector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const [zones, records, addresses, sshKeys] = await Promise.all([
    Promise.all(
      zoneIds.map(async (zoneId) => [zoneId, (await cloudflare.getZone({ zoneId })).name] as const),
    ),
    Promise.all(wanted.map(readRecords)),
    hcloud.getPrimaryIps({ withSelector: selector }),
    hcloud.getSshKeys({}),
  ]);
  return {
    zones: new Map(zones),
    records: records.flat(),
    addresses: addresses.primaryIps.map(({ type, ipAddress, location }) => ({
      type,
      ip: ipAddress,
      location,
    })),
    foreignSshKeys: new Map(
      sshKeys.sshKeys
        .filter((key) => key.labels?.stack !== stack || key.labels?.project !== labels.project)
        .map((key) => [keyMaterial(key.publicKey), String(key.id)]),
    ),
  };
}

async function readRecords({
  zoneId,
  name,
}: {
  zoneId: string;
  name: string;
}): Promise<ExistingRecord[]> {
  const { results } = await cloudflare.getDnsRecords({ zoneId, name: { exact: name } });
  return results.map((record) => ({
    id: record.id,
    zoneId,
    name: record.name,
    type: record.type,
    content: record.content,
    ...(record.type === "MX" ? { priority: record.priority } : {}),
    comment: record.comment,
  }));
}

/** `type base64` of a public key: what makes two keys the same, whatever their comments. */
export function keyMaterial(publicKey: string): string {
  return publicKey.split(" ").slice(0, 2).join(" ");
}

/** Whatever stands in the way, each with the command that mends it. Pure. */
export function conflicts(config: StackConfig, stack: string, existing: Existing): Mistake[] {
  return [
    ...wrongZones(config, existing),
    ...foreignRecords(config, stack, existing),
    ...movedLocation(config, existing),
  ];
}

function wrongZones({ host, directory }: StackConfig, { zones }: Existing): Mistake[] {
  const places = [
    { where: "mail-host:host.zoneId", key: "host.zoneId", name: host.name, zoneId: host.zoneId },
    ...directory.domains.map(({ name, zoneId }, i) => ({
      where: `mail-host:domains[${i}].zoneId`,
      key: `domains[${i}].zoneId`,
      name,
      zoneId,
    })),
  ];
  return places.flatMap(({ where, key, name, zoneId }) => {
    const zone = zones.get(zoneId) ?? "";
    if (name === zone || name.endsWith(`.${zone}`)) return [];
    return [
      {
        where,
        message: `"${zoneId}" is the zone "${zone}", in which "${name}" does not lie`,
        cure: `set it with: pulumi config set --path 'mail-host:${key}' <id of the zone of ${name}>`,
      },
    ];
  });
}

const addressTypes = ["A", "AAAA", "CNAME"];

function foreignRecords(config: StackConfig, stack: string, existing: Existing): Mistake[] {
  return existing.records
    .filter((record) => standsInTheWay(record, config))
    .filter(
      (record) =>
        !isOurs(stack, record.comment) &&
        !config.adopt.includes(record.id) &&
        !isIdentical(record, config, existing),
    )
    .map((record) => ({
      where: `${record.name} ${record.type}`,
      message: `"${record.content}" is there already and not of this stack (record ${record.id})`,
      cure:
        `delete it: curl -X DELETE -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" https://api.cloudflare.com/client/v4/zones/${record.zoneId}/dns_records/${record.id}` +
        `\n      or keep it beside ours: pulumi config set --path 'mail-host:adopt[${config.adopt.length}]' ${record.id}`,
    }));
}

/** Address records matter at the host's name, MX at the domains'; a CNAME bars everything beside it (RFC 1034 3.6.2). */
function standsInTheWay(record: ExistingRecord, { host, directory }: StackConfig): boolean {
  const isHost = record.name === host.name;
  const isDomain = directory.domains.some(({ name }) => name === record.name);
  return (isHost && addressTypes.includes(record.type)) || (isDomain && record.type === "MX");
}

/** The same name, type and content as the record that this stack wants. */
export function isIdentical(
  record: ExistingRecord,
  { host }: StackConfig,
  { addresses }: Existing,
): boolean {
  if (record.type === "MX")
    return record.content.toLowerCase() === host.name && record.priority === 10;
  return addresses.some(({ type, ip }) =>
    type === "ipv4"
      ? record.type === "A" && ip === record.content
      : record.type === "AAAA" && `${ip}1` === record.content,
  );
}

function movedLocation({ host }: StackConfig, { addresses }: Existing): Mistake[] {
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

/** The id to import a record by, when an identical one exists that this stack did not make. */
export function importId(
  wanted: { name: string; type: string },
  { config, stack, existing }: { config: StackConfig; stack: string; existing: Existing },
): string | undefined {
  const twin = existing.records.find(
    (record) =>
      record.name === wanted.name &&
      record.type === wanted.type &&
      !isOurs(stack, record.comment) &&
      isIdentical(record, config, existing),
  );
  return twin === undefined ? undefined : `${twin.zoneId}/${twin.id}`;
}
