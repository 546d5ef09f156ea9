// DNS records of one zone: validation across fields and across records, and the two ways to show one.

import * as crypto from "node:crypto";
import { z } from "zod";
import type { ZoneRecord } from "../infrastructure";
import { CloudflareError, invalidRecord } from "./errors";
import { asciiName, canonicalValue, isName } from "./rdata";
import type { DnsRecord } from "./state";

/** A zone of the account. */
export interface Zone {
  readonly name: string;
  readonly id: string;
  readonly accountId: string;
}

/** The body of POST, PUT and PATCH; what PATCH leaves out stays. */
export const recordBody = z.object({
  name: z.string(),
  type: z.string().transform((type) => type.toUpperCase()),
  content: z.string().nullish(),
  data: z.record(z.string(), z.unknown()).nullish(),
  priority: z.number().int().min(0).max(65535).nullish(),
  proxied: z.boolean().nullish(),
  ttl: z.number().nullish(),
  comment: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
  settings: z.record(z.string(), z.boolean().nullable()).nullish(),
});

/** A record as it was asked for. */
export type RecordBody = z.infer<typeof recordBody>;

const commentLimit = 100;
const recordLimitBytes = 4096;
const nameAndTypeLimit = 8192;
/** What Cloudflare answers for TTL 1, "automatic". */
const automaticTtlSeconds = 300;

const addressTypes = new Set(["A", "AAAA"]);
const proxiable = new Set(["A", "AAAA", "CNAME"]);

function fullName(name: string, zone: Zone): string {
  const ascii = asciiName(name.trim());
  const full =
    ascii === "@" || ascii === ""
      ? zone.name
      : ascii === zone.name || ascii.endsWith(`.${zone.name}`)
        ? ascii
        : `${ascii}.${zone.name}`;
  if (!isName(full)) {
    throw invalidRecord(9000, "DNS name is invalid.");
  }
  return full;
}

function checkTtl(ttl: number): number {
  if (ttl !== 1 && !(Number.isInteger(ttl) && ttl >= 60 && ttl <= 86400)) {
    throw invalidRecord(
      9021,
      "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.",
    );
  }
  return ttl;
}

function checkComment(comment: string | null): string | null {
  if (comment !== null && [...comment].length > commentLimit) {
    throw invalidRecord(
      9313,
      `DNS record comment exceeds the maximum length of ${commentLimit} characters.`,
    );
  }
  if (comment !== null && /[\r\n]/.test(comment)) {
    throw invalidRecord(9314, "DNS record comment must not contain line breaks.");
  }
  return comment === "" ? null : comment;
}

/** RDATA of a stored record. */
export function rdataOf(record: DnsRecord): string {
  const { type, content, data, priority } = record;
  const sent = { content, data: data ?? undefined, priority: priority ?? undefined };
  return canonicalValue(type, sent).rdata;
}

function checkNeighbours(record: DnsRecord, rdata: string, neighbours: readonly DnsRecord[]): void {
  const sameName = neighbours.filter(
    ({ id, zoneId, name }) => id !== record.id && zoneId === record.zoneId && name === record.name,
  );
  const sameType = sameName.filter(({ type }) => type === record.type);
  if (sameType.some((other) => rdataOf(other) === rdata)) {
    throw new CloudflareError(400, 81058, "An identical record already exists.");
  }
  const isCname = record.type === "CNAME";
  if (isCname && sameName.some(({ type }) => addressTypes.has(type) || type === "CNAME")) {
    throw new CloudflareError(
      400,
      81053,
      "An A, AAAA, or CNAME record with that host already exists.",
    );
  }
  if (addressTypes.has(record.type) && sameName.some(({ type }) => type === "CNAME")) {
    throw new CloudflareError(400, 81054, "A CNAME record with that host already exists.");
  }
  const total = sameType.reduce((sum, { content }) => sum + content.length, record.content.length);
  if (total > nameAndTypeLimit) {
    throw new CloudflareError(
      400,
      83011,
      `Combined content length of records with this name and type exceeds ${nameAndTypeLimit} characters.`,
    );
  }
}

const cnameSettings = { ipv4_only: false, ipv6_only: false, flatten_cname: false };

/** The record that a body asks for, or the reason why there cannot be one. */
export function makeRecord(
  zone: Zone,
  body: RecordBody,
  neighbours: readonly DnsRecord[],
  former?: DnsRecord,
): DnsRecord {
  const { type } = body;
  const name = fullName(body.name, zone);
  const value = canonicalValue(type, {
    content: body.content ?? undefined,
    data: body.data ?? undefined,
    priority: body.priority ?? undefined,
  });
  const proxied = body.proxied ?? false;
  if (proxied && !proxiable.has(type)) {
    throw invalidRecord(9004, "This DNS record type cannot be proxied.");
  }
  const tags = body.tags ?? [];
  if (tags.length > 0) {
    throw invalidRecord(9300, `DNS record has ${tags.length} tags, exceeding the quota of 0.`);
  }
  if (Buffer.byteLength(value.rdata) > recordLimitBytes) {
    throw invalidRecord(
      9015,
      `Record content exceeds the allowed length of ${recordLimitBytes} wire format bytes.`,
    );
  }
  const now = new Date().toISOString().replace("Z", "000Z");
  const comment = checkComment(body.comment ?? null);
  const sentSettings = Object.entries(body.settings ?? {}).flatMap(([key, on]) =>
    on === null ? [] : [[key, on] as const],
  );
  const record: DnsRecord = {
    id: former?.id ?? crypto.randomBytes(16).toString("hex"),
    zoneId: zone.id,
    name,
    type,
    content: value.content,
    data: value.data === null ? null : { ...value.data },
    priority: value.priority,
    proxied,
    ttl: proxied ? 1 : checkTtl(body.ttl ?? 1),
    comment,
    settings: type === "CNAME" ? { ...cnameSettings, ...Object.fromEntries(sentSettings) } : {},
    createdOn: former?.createdOn ?? now,
    modifiedOn: now,
    commentModifiedOn:
      comment === null ? null : comment === former?.comment ? former.commentModifiedOn : now,
  };
  checkNeighbours(record, value.rdata, neighbours);
  return record;
}

/** The API's rendering of a record. */
export function recordJson(record: DnsRecord): unknown {
  return {
    id: record.id,
    name: record.name,
    type: record.type,
    content: record.content,
    ...(record.data === null ? {} : { data: record.data }),
    ...(record.priority === null ? {} : { priority: record.priority }),
    proxiable: proxiable.has(record.type),
    proxied: record.proxied,
    ttl: record.ttl,
    settings: record.settings,
    meta: {},
    comment: record.comment,
    tags: [],
    created_on: record.createdOn,
    modified_on: record.modifiedOn,
    ...(record.commentModifiedOn === null ? {} : { comment_modified_on: record.commentModifiedOn }),
  };
}

/** The records of a zone as a name server needs them; NS at the apex is the name server's own. */
export function zoneRecords(zone: Zone, records: readonly DnsRecord[]): readonly ZoneRecord[] {
  return records
    .filter(
      ({ zoneId, type, name }) => zoneId === zone.id && !(type === "NS" && name === zone.name),
    )
    .map((record) => ({
      name: record.name,
      ttlSeconds: record.ttl === 1 ? automaticTtlSeconds : record.ttl,
      type: record.type,
      rdata: rdataOf(record),
    }));
}
