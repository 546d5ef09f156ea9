// The DNS records that a change touches, before and after, as people write them. Pure.

import { z } from "zod";
import { shownValue } from "../../components/mail-records";
import { type Change, isUnknown, type State } from "./plan";

/** One record; a side that is missing is a record that is not there. */
export interface RecordChange {
  readonly name: string;
  readonly type: string;
  readonly before?: string;
  readonly after?: string;
  /** Why the record is there. */
  readonly reason: string;
}

const Fields = z.object({
  flags: z.number().optional(),
  tag: z.string().optional(),
  value: z.string().optional(),
  priority: z.number().optional(),
  weight: z.number().optional(),
  port: z.number().optional(),
  target: z.string().optional(),
  usage: z.number().optional(),
  selector: z.number().optional(),
  matchingType: z.number().optional(),
  certificate: z.string().optional(),
});

const Inputs = z.object({
  name: z.string().default(""),
  type: z.string().default(""),
  content: z.string().optional(),
  data: z.unknown().optional(),
  priority: z.number().optional(),
  proxied: z.boolean().default(false),
  comment: z.string().default(""),
});

const Pointer = z.object({ dnsPtr: z.string().default(""), ipAddress: z.string().default("") });

const later = "known once the host has told it";

/** Records that are created, changed, replaced or deleted, sorted by name, type and value. */
export function recordChanges(changes: readonly Change[]): RecordChange[] {
  return changes
    .flatMap(({ type, before, after }): RecordChange[] => {
      const shown = type.startsWith("cloudflare:index/dnsRecord:")
        ? shownRecord
        : type.startsWith("hcloud:index/rdns:")
          ? shownPointer
          : undefined;
      if (shown === undefined) return [];
      const was = before && shown(before);
      const is = after && shown(after);
      const moved = was !== undefined && is !== undefined && was.name !== is.name;
      if (moved) return [withSides(was, was.value, undefined), withSides(is, undefined, is.value)];
      const either = is ?? was;
      return either === undefined ? [] : [withSides(either, was?.value, is?.value)];
    })
    .sort((a, b) =>
      [a.name, a.type, a.before ?? "", a.after ?? ""]
        .map((text, i) =>
          compareText(text, [b.name, b.type, b.before ?? "", b.after ?? ""][i] ?? ""),
        )
        .reduce((all, one) => all || one),
    );
}

interface Shown {
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly reason: string;
}

function withSides(
  { name, type, reason }: Shown,
  before: string | undefined,
  after: string | undefined,
): RecordChange {
  return {
    name,
    type,
    reason,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

function shownRecord({ inputs }: State): Shown {
  const { name, type, content, data, priority, proxied, comment } = Inputs.parse(inputs);
  const fields = Fields.safeParse(data ?? {});
  const value =
    isUnknown(content) || isUnknown(data) || !fields.success
      ? later
      : shownValue({
          type,
          ...(content === undefined ? {} : { content }),
          ...(priority === undefined ? {} : { priority }),
          data: definedOf(fields.data),
        });
  return {
    name,
    type,
    value: proxied ? `${value} (proxied)` : value,
    reason: comment.replace(/^mail-host\/[^:]*?:\s*/, ""),
  };
}

function definedOf(
  fields: z.output<typeof Fields>,
): Parameters<typeof shownValue>[0]["data"] & object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function shownPointer({ inputs }: State): Shown {
  const { dnsPtr, ipAddress } = Pointer.parse(inputs);
  return {
    name: isUnknown(ipAddress) ? "the new address" : ipAddress,
    type: "PTR",
    value: dnsPtr,
    reason: "receivers want the name that the host greets with",
  };
}

/** The same order in every language. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
