// One Cloudflare record from one `MailRecord`: never proxied, marked as this stack's.

import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { recordComment } from "./mail-records";

/** A record whose content may still be unknown. */
export interface DnsRecordArgs {
  readonly zoneId: string;
  readonly type: string;
  readonly name: string;
  readonly content: pulumi.Input<string>;
  readonly priority?: number;
  readonly reason: string;
  /** `zone/record` of an identical record that someone else made; it is taken over as it is. */
  readonly importId?: string;
}

/** Cloudflare's "automatic": five minutes. */
const automaticTtl = 1;

/** Creates the record. An imported one keeps its maker's comment and TTL, which an import may not change. */
export function createDnsRecord(
  name: string,
  args: DnsRecordArgs,
  opts: pulumi.CustomResourceOptions,
): cloudflare.DnsRecord {
  const imported =
    args.importId === undefined
      ? {}
      : { import: args.importId, ignoreChanges: ["comment", "ttl", "settings", "tags"] };
  return new cloudflare.DnsRecord(
    name,
    {
      zoneId: args.zoneId,
      name: args.name,
      type: args.type,
      content: args.content,
      ttl: automaticTtl,
      proxied: false,
      comment: recordComment(pulumi.getStack(), args.reason),
      ...(args.priority === undefined ? {} : { priority: args.priority }),
    },
    { ...opts, ...imported },
  );
}
