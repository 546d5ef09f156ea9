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

/** Shape of the section `cloudflare` of the store. */
export const cloudflareState = z.object({
  records: z.array(dnsRecord),
  /** Ids of the zones for which DNSSEC is switched on. */
  signedZones: z.array(z.string()),
});

export type CloudflareState = z.infer<typeof cloudflareState>;
export type DnsRecord = z.infer<typeof dnsRecord>;

/** An account without records. */
export function emptyAccount(): CloudflareState {
  return { records: [], signedZones: [] };
}
