// What the emulated Cloudflare account remembers.

import { z } from "zod";

const dnsRecord = z.object({
  id: z.string(),
  zoneId: z.string(),
  name: z.string(),
  type: z.string(),
  content: z.string(),
  /** The record's fields, for types that have more than one. */
  data: z.record(z.string(), z.union([z.string(), z.number()])).nullable(),
  priority: z.number().nullable(),
  proxied: z.boolean(),
  ttl: z.number(),
  comment: z.string().nullable(),
  settings: z.record(z.string(), z.boolean()),
  createdOn: z.string(),
  modifiedOn: z.string(),
  commentModifiedOn: z.string().nullable(),
});

const zoneDnssec = z.object({
  /** The zone's private key, PKCS#8 in PEM. */
  key: z.string(),
  wanted: z.enum(["active", "disabled"]),
  modifiedOn: z.string(),
});

/** A zone that is not active is one whose registrar still names other name servers. */
export const zoneStatus = z.enum(["initializing", "pending", "active", "moved"]);

/** Shape of the section `cloudflare` of the store. */
export const cloudflareState = z.object({
  records: z.array(dnsRecord),
  /** By zone id: the zones for which DNSSEC was ever switched on. */
  dnssec: z.record(z.string(), zoneDnssec).default({}),
  /** By zone id, where it is not `active`. */
  zoneStatus: z.record(z.string(), zoneStatus).default({}),
});

export type CloudflareState = z.infer<typeof cloudflareState>;
export type DnsRecord = z.infer<typeof dnsRecord>;
export type ZoneDnssec = z.infer<typeof zoneDnssec>;

/** An account without records. */
export function emptyAccount(): CloudflareState {
  return { records: [], dnssec: {}, zoneStatus: {} };
}
