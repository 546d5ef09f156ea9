// The DNS records of a plan, as the rules read them. Pure.

import { shownValue } from "../components/mail-records";
import { type PlannedResource, text } from "./resource";

/** A record, with what is known of it. */
export interface PlannedRecord {
  readonly resource: PlannedResource;
  readonly type: string;
  /** In lower case, without trailing dot. */
  readonly name: string;
  /** As others read it: TXT without quotes. Undefined where it is not known yet, or stands in fields. */
  readonly content: string | undefined;
}

export function recordsOf(resources: readonly PlannedResource[]): PlannedRecord[] {
  return resources
    .filter(({ type }) => /^cloudflare:index\/(?:dnsRecord:DnsRecord|record:Record)$/.test(type))
    .map((resource) => {
      const { type, name, content } = resource.props;
      const kind = text(type) ?? "";
      const value = text(content);
      return {
        resource,
        type: kind,
        name: dnsName(text(name) ?? ""),
        content: value === undefined ? undefined : shownValue({ type: kind, content: value }),
      };
    });
}

/** A domain name as names compare (RFC 4343). */
export function dnsName(name: string): string {
  return name.toLowerCase().replace(/(?<=.)\.$/, "");
}
