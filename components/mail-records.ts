// Which DNS records a mail host and its domains need, and why. Pure: settings in, records out.

/** One DNS record. */
export interface MailRecord {
  /** Stable word that names the resource, e.g. `mx`; it is an identity and never changes meaning. */
  readonly key: string;
  readonly type: "A" | "AAAA" | "MX";
  /** Fully qualified, without trailing dot. */
  readonly name: string;
  /** As Cloudflare takes and returns it, e.g. `mail.example.com` for an MX record. */
  readonly content: string;
  /** MX preference (RFC 5321 5.1): the lowest is tried first. */
  readonly priority?: number;
  /** What would go wrong without it; the record's comment at Cloudflare. */
  readonly reason: string;
}

/** The names that lead to the host. They exist before the server does. */
export function hostRecords({
  hostname,
  ipv4,
  ipv6,
}: {
  hostname: string;
  ipv4: string;
  ipv6: string;
}): MailRecord[] {
  return [
    {
      key: "a",
      type: "A",
      name: hostname,
      content: ipv4,
      reason: "the mail host over IPv4; equals its PTR",
    },
    {
      key: "aaaa",
      type: "AAAA",
      name: hostname,
      content: ipv6,
      reason: "the mail host over IPv6; equals its PTR",
    },
  ];
}

/** The records of one domain that receives mail. They come last, when the host has proven itself. */
export function domainRecords({
  domain,
  hostname,
}: {
  domain: string;
  hostname: string;
}): MailRecord[] {
  return [
    {
      key: "mx",
      type: "MX",
      name: domain,
      content: hostname,
      priority: 10,
      reason: "mail for this domain goes to the mail host",
    },
  ];
}

/** Cloudflare's limit on the free plan (error 9313). */
const commentLimit = 100;

/** How a record says whose it is: `mail-host/<stack>`. The check of foreign records looks for it. */
export function recordMark(stack: string): string {
  return `mail-host/${stack}`;
}

/** The comment of a record, `mail-host/<stack>: <reason>`, cut to what Cloudflare takes. */
export function recordComment(stack: string, reason: string): string {
  const comment = `${recordMark(stack)}: ${reason}`;
  return comment.length <= commentLimit ? comment : `${comment.slice(0, commentLimit - 1)}…`;
}

/** Whether a comment marks a record of this stack. */
export function isOurs(stack: string, comment: string | undefined): boolean {
  const mark = recordMark(stack);
  if (comment === undefined || !comment.startsWith(mark)) return false;
  return /^(:| until=)/.test(comment.slice(mark.length));
}
