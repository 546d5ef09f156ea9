// Cloudflare records from `MailRecord`s: never proxied, marked as this stack's.

import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { identityOf, type MailRecord, recordComment, shownValue, slotOf } from "./mail-records";

/** What is already there decides which records are made, and how. */
export interface RecordPlan {
  /** Slots of records that are not made: not served yet, or kept by an adopted one. */
  readonly leftOut: ReadonlySet<string>;
  /** `zone/record` ids by `identityOf`, of identical records that someone else made; they are taken over as they are. */
  readonly imports: ReadonlyMap<string, string>;
  /** Last day of a test stack. */
  readonly expires?: string;
}

/** What stands in the DNS because of this stack. */
export interface PublishedRecord {
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly reason: string;
}

/** Cloudflare's "automatic": five minutes. */
const automaticTtl = 1;

/**
 * Creates the records, named `<prefix>-<key>`, but for those that the plan leaves out. Where their
 * contents come from other resources, `later` has the same records with the contents filled in.
 */
export function createDnsRecords(
  prefix: string,
  records: readonly MailRecord[],
  {
    plan,
    later,
    ...opts
  }: pulumi.CustomResourceOptions & {
    readonly plan: RecordPlan;
    readonly later?: pulumi.Output<readonly MailRecord[]>;
  },
): { resources: pulumi.Resource[]; published: pulumi.Output<PublishedRecord[]> } {
  const wanted = records
    .filter((record) => !plan.leftOut.has(slotOf(record)))
    .map((record) => ({
      record,
      settled:
        later === undefined
          ? pulumi.output(record)
          : later.apply((all) => all.find(({ key }) => key === record.key) ?? missing(record)),
    }));
  return {
    resources: wanted.map(({ record, settled }) =>
      createDnsRecord(`${prefix}-${record.key}`, record, {
        ...opts,
        settled,
        importId: plan.imports.get(identityOf(record)),
        comment: recordComment(pulumi.getStack(), record.reason, plan.expires),
      }),
    ),
    published: pulumi.all(wanted.map(({ settled }) => settled)).apply((all) =>
      all.map((record) => ({
        name: record.name,
        type: record.type,
        value: shownValue(record),
        reason: record.reason,
      })),
    ),
  };
}

function missing({ type, name }: MailRecord): never {
  throw new Error(`${type} ${name}: the host has told no value for it`);
}

/**
 * An imported record keeps its maker's comment and TTL, which an import may not change. It stays where it is
 * when the program lets go of it: adopted later on it is its maker's again.
 */
function createDnsRecord(
  name: string,
  record: MailRecord,
  {
    settled,
    importId,
    comment,
    ...opts
  }: pulumi.CustomResourceOptions & {
    readonly settled: pulumi.Output<MailRecord>;
    readonly importId: string | undefined;
    readonly comment: string;
  },
): cloudflare.DnsRecord {
  const imported =
    importId === undefined
      ? {}
      : {
          import: importId,
          ignoreChanges: ["comment", "ttl", "settings", "tags"],
          retainOnDelete: true,
        };
  return new cloudflare.DnsRecord(
    name,
    {
      zoneId: record.zoneId,
      name: record.name,
      type: record.type,
      ...(record.data === undefined
        ? { content: settled.apply(({ content }) => content ?? "") }
        : { data: settled.apply(({ data }) => data ?? {}) }),
      ttl: automaticTtl,
      proxied: false,
      comment,
      ...(record.priority === undefined ? {} : { priority: record.priority }),
    },
    { ...opts, ...imported },
  );
}
