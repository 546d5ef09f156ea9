// Rules of the DNS records: where mail goes, who may send, and why each record is there.

import { dnsName, type PlannedRecord, recordsOf } from "./dns-record";
import { type PlannedResource, type Rule, stackOf, text, type Violation } from "./resource";
import { isSpf, spfLookupLimit, spfTerms } from "./spf-terms";

export const neverProxied: Rule = {
  name: "mail-names-never-proxied",
  sentence: "No name of the mail host is proxied: mail would reach Cloudflare instead of the host.",
  check: (resources) =>
    recordsOf(resources)
      .filter(({ resource: { props } }) => "proxied" in props && props.proxied !== false)
      .map((record) => blame(record, "is proxied")),
};

export const mxPointsHome: Rule = {
  name: "mx-points-to-the-host",
  sentence:
    "Each MX points to a name with A and AAAA records whose addresses point back to it, or says that the name takes no mail.",
  check: (resources) => {
    const records = recordsOf(resources);
    return records
      .filter(({ type }) => type === "MX")
      .flatMap((record) => {
        const { content } = record;
        if (content === undefined || content === ".") return [];
        const target = dnsName(content);
        return (["A", "AAAA"] as const).flatMap((type) =>
          missingOnTheWay(target, type, { records, resources }).map((missing) =>
            blame(record, `points to ${target}, which ${missing}`),
          ),
        );
      });
  },
};

/** What a name lacks to be found over one protocol, and to be found again from its address. */
function missingOnTheWay(
  target: string,
  type: "A" | "AAAA",
  plan: { records: readonly PlannedRecord[]; resources: readonly PlannedResource[] },
): string[] {
  const addresses = plan.records.filter((one) => one.type === type && one.name === target);
  if (addresses.length === 0) return [`has no ${type} record`];
  const pointers = plan.resources.filter(({ type: kind }) => kind === "hcloud:index/rdns:Rdns");
  return addresses
    .filter(
      ({ content }) =>
        !pointers.some(
          (pointer) =>
            dnsName(text(pointer.props.dnsPtr) ?? "") === target &&
            isPointerOf(pointer, { type, content }, plan.resources),
        ),
    )
    .map(() => `no PTR record of its ${type === "A" ? "IPv4" : "IPv6"} address points back to`);
}

/** Whether a PTR stands at an address; where neither address is known yet, at one of the same family. */
function isPointerOf(
  pointer: PlannedResource,
  { type, content }: { type: "A" | "AAAA"; content: string | undefined },
  resources: readonly PlannedResource[],
): boolean {
  const at = text(pointer.props.ipAddress);
  if (at !== undefined && content !== undefined) return at.toLowerCase() === content.toLowerCase();
  if (at !== undefined) return at.includes(":") === (type === "AAAA");
  // Named after its address, e.g. `mail-address-ipv6-ptr`, as long as the cloud has not told it.
  const family = type === "A" ? "ipv4" : "ipv6";
  return resources.some(
    ({ type: kind, name, props }) =>
      kind === "hcloud:index/primaryIp:PrimaryIp" &&
      props.type === family &&
      pointer.name.startsWith(name),
  );
}

export const spfWithinTen: Rule = {
  name: "spf-within-ten-lookups",
  sentence: "Each SPF record costs its reader at most ten lookups (RFC 7208 4.6.4).",
  check: (resources) => {
    const records = recordsOf(resources).filter(
      ({ type, content }) => type === "TXT" && content !== undefined && isSpf(content),
    );
    const texts = new Map(records.map(({ name, content }) => [name, content ?? ""]));
    return records.flatMap((record) => {
      const lookups = lookupsOf(record.name, texts);
      return lookups <= spfLookupLimit
        ? []
        : [blame(record, `costs ${lookups} lookups, so that receivers read it as an error`)];
    });
  },
};

/** Lookups in the worst case; of what is included elsewhere, only the question itself is known. */
function lookupsOf(
  name: string,
  texts: ReadonlyMap<string, string>,
  above: readonly string[] = [],
): number {
  const record = texts.get(name);
  if (record === undefined) return 0;
  // A record that includes itself never ends; its reader gives up.
  if (above.includes(name)) return spfLookupLimit + 1;
  const { asking, others } = spfTerms(record);
  return others.reduce(
    (sum, other) => sum + lookupsOf(dnsName(other), texts, [...above, name]),
    asking.length,
  );
}

export const dmarcNeverNone: Rule = {
  name: "dmarc-never-none",
  sentence:
    "DMARC asks for quarantine or rejection, of all mail, below the domain as well; it is never `none`, in part, or a test.",
  check: (resources) =>
    recordsOf(resources)
      .filter(({ type, name }) => type === "TXT" && name.startsWith("_dmarc."))
      .flatMap((record) =>
        record.content === undefined
          ? []
          : weaknesses(record.content).map((weakness) => blame(record, weakness)),
      ),
};

/** What makes a DMARC record (RFC 7489 6.3, with `t` and `np` of its successor) ask for less than it should. */
function weaknesses(content: string): string[] {
  const tags = new Map(
    content.split(";").map((tag) => {
      const [key = "", ...value] = tag.split("=");
      return [key.trim().toLowerCase(), value.join("=").trim().toLowerCase()];
    }),
  );
  const asks = (tag: string) => /^(?:quarantine|reject)$/.test(tags.get(tag) ?? "");
  const share = tags.get("pct");
  return [
    ...(asks("p") ? [] : [`says p=${tags.get("p") ?? "nothing"}`]),
    ...["sp", "np"].flatMap((tag) =>
      tags.has(tag) && !asks(tag) ? [`says ${tag}=${tags.get(tag)}`] : [],
    ),
    ...(share === undefined || Number(share) === 100 ? [] : [`covers pct=${share} of the mail`]),
    ...(tags.get("t") === "y" ? ["is a test (t=y)"] : []),
  ];
}

export const everyRecordHasReason: Rule = {
  name: "no-record-without-a-reason",
  sentence:
    "Each record's comment says whose it is and why it is there: `mail-host/<stack>[ until=<date>]: <reason>`.",
  check: (resources) =>
    recordsOf(resources)
      // A record that was taken over keeps its maker's comment.
      .filter(({ resource }) => resource.ignoreChanges?.includes("comment") !== true)
      .filter(({ resource }) => !explains(text(resource.props.comment) ?? "", stackOf(resource)))
      .map((record) => blame(record, "has no reason of this stack's in its comment")),
};

/** A mark from this length on may leave a reason no room: Cloudflare takes 100 characters. */
const longMark = 30;

function explains(comment: string, stack: string): boolean {
  const mark = `mail-host/${stack}`;
  if (!comment.startsWith(mark)) return false;
  const rest = /^(?: until=\d{4}-\d{2}-\d{2})?:(?<reason>.*)$/s.exec(comment.slice(mark.length));
  if (rest === null) return false;
  const reason = rest.groups?.reason ?? "";
  return /^ \S/.test(reason) || (reason === "" && comment.length > longMark);
}

function blame({ resource, type, name }: PlannedRecord, what: string): Violation {
  return { resource: resource.urn, message: `${type} ${name} ${what}` };
}
