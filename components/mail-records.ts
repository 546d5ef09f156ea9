// What a DNS record is to this program, how it is written, and how it says whose it is. Pure.

/** One DNS record, as Cloudflare takes and returns it. */
export interface MailRecord {
  readonly zoneId: string;
  /** Stable word that names the resource, e.g. `mx`; it is an identity and never changes meaning. */
  readonly key: string;
  readonly type: "A" | "AAAA" | "CAA" | "MX" | "SRV" | "TLSA" | "TXT";
  /** Fully qualified, without trailing dot. */
  readonly name: string;
  /** A, AAAA, MX and TXT. */
  readonly content?: string;
  /** CAA, SRV and TLSA, which Cloudflare takes in fields. */
  readonly data?: RecordData;
  /** MX preference (RFC 5321 5.1), SRV priority: the lowest is tried first. */
  readonly priority?: number;
  /** What would go wrong without it; the record's comment at Cloudflare. */
  readonly reason: string;
}

/** In Cloudflare's names, which the provider writes in camel case. */
export interface RecordData {
  readonly flags?: number;
  readonly tag?: string;
  readonly value?: string;
  readonly priority?: number;
  readonly weight?: number;
  readonly port?: number;
  readonly target?: string;
  readonly usage?: number;
  readonly selector?: number;
  readonly matchingType?: number;
  readonly certificate?: string;
}

/** Where a record stands; one name may hold several of a type. */
export interface Place {
  readonly zoneId: string;
  readonly key: string;
  readonly name: string;
}

/** A TXT record. Longer strings come back from Cloudflare in quoted pieces of 255 bytes, so they are sent that way. */
export function textRecord(place: Place, text: string, reason: string): MailRecord {
  const pieces = text.match(/[\s\S]{1,255}/g) ?? [""];
  const quoted = pieces.map((piece) => `"${piece.replace(/["\\]/g, "\\$&")}"`);
  return { ...place, type: "TXT", content: quoted.join(" "), reason };
}

/** Where the host can be reached. */
export interface HostAddresses {
  readonly ipv4: string;
  /** As RFC 5952 writes it, and Cloudflare returns it. */
  readonly ipv6: string;
}

/** What leads from a name to the host. */
export function addressRecords(
  { zoneId, key, name }: Place,
  { ipv4, ipv6 }: HostAddresses,
  reason: (protocol: string) => string,
): MailRecord[] {
  const both = { zoneId, name };
  return [
    { ...both, key: `${key}a`, type: "A", content: ipv4, reason: reason("IPv4") },
    { ...both, key: `${key}aaaa`, type: "AAAA", content: ipv6, reason: reason("IPv6") },
  ];
}

/** A name that takes no mail (RFC 7505). */
export function nullMailRecord(place: Place, reason: string): MailRecord {
  return { ...place, type: "MX", content: ".", priority: 0, reason };
}

/** Which authority may issue certificates for a name, and for whom (RFC 8659, RFC 8657). */
export interface CertificateAuthority {
  /** e.g. `letsencrypt.org`. */
  readonly caaIdentity: string;
  /** URL of the host's account there. */
  readonly account: string;
}

/** Nobody but the host's own account gets a certificate for the name, and nobody one with a wildcard. */
export function authorityRecords(
  { zoneId, key, name }: Place,
  { caaIdentity, account }: CertificateAuthority,
): MailRecord[] {
  const caa = (suffix: string, tag: string, value: string, reason: string): MailRecord => ({
    zoneId,
    key: `${key}${suffix}`,
    name,
    type: "CAA",
    data: { flags: 0, tag, value },
    reason,
  });
  const issuer = `${caaIdentity}; accounturi=${account}; validationmethods=http-01`;
  return [
    caa("", "issue", issuer, "only the host's own account gets certificates for it"),
    caa("-wild", "issuewild", ";", "nobody gets a wildcard certificate below it"),
  ];
}

/** A name and a type: where at most one of this stack's values stands, or several that belong together. */
export function slotOf({ type, name }: { readonly type: string; readonly name: string }): string {
  return `${type} ${name}`;
}

/** One record of a slot. */
export function identityOf(record: Pick<MailRecord, "type" | "name" | "key">): string {
  return `${slotOf(record)} ${record.key}`;
}

/** A record's value as people write it: MX and SRV with their priority, TXT without quotes. */
export function shownValue({
  type,
  content,
  data,
  priority,
}: Pick<MailRecord, "content" | "data" | "priority"> & { readonly type: string }): string {
  const text = content ?? listedContent(data ?? {});
  if (type === "TXT") return unquoted(text);
  return priority === undefined ? text : `${priority} ${text}`;
}

/** What Cloudflare lists as the content of a record that it takes in fields. */
function listedContent(data: RecordData): string {
  if (data.tag !== undefined) return `${data.flags} ${data.tag} "${data.value}"`;
  if (data.certificate !== undefined)
    return `${data.usage} ${data.selector} ${data.matchingType} ${data.certificate}`;
  return `${data.weight} ${data.port} ${data.target}`;
}

/** The text of TXT content, which may be quoted, in pieces, or neither. */
function unquoted(content: string): string {
  if (!/^\s*"/.test(content)) return content;
  return [...content.matchAll(/"((?:[^"\\]|\\[\s\S])*)"/g)]
    .map(([, piece = ""]) => piece.replace(/\\([\s\S])/g, "$1"))
    .join("");
}

/** Cloudflare's limit on the free plan (error 9313). */
export const commentLimit = 100;

/** How a record says whose it is: `mail-host/<stack>`. The check of foreign records looks for it. */
export function recordMark(stack: string): string {
  return `mail-host/${stack}`;
}

/**
 * The comment of a record, `mail-host/<stack>: <reason>`, of a test stack `mail-host/<stack>
 * until=<its last day>: <reason>`. Where a stack's name leaves too little room the reason gives way,
 * whole: half of one explains nothing, and whose the record is must stand there.
 */
export function recordComment(stack: string, reason: string, expires?: string): string {
  const mark = `${recordMark(stack)}${expires === undefined ? "" : ` until=${expires}`}:`;
  const comment = `${mark} ${reason}`;
  return comment.length <= commentLimit ? comment : mark;
}

/** Whose a record is by its comment, and until which day; undefined when it is nobody's of this project. */
export function markOf(
  comment: string | undefined,
): { readonly stack: string; readonly expires?: string } | undefined {
  const [, stack, expires] =
    /^mail-host\/([\w.-]+)(?: until=(\d{4}-\d\d-\d\d))?:/.exec(comment ?? "") ?? [];
  if (stack === undefined) return undefined;
  return { stack, ...(expires === undefined ? {} : { expires }) };
}

/** Whether a comment marks a record of this stack. */
export function isOurs(stack: string, comment: string | undefined): boolean {
  return markOf(comment)?.stack === stack;
}
