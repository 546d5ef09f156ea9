// The terms of one SPF record and which of them cost their reader a lookup (RFC 7208 4.6.4). Pure; asks nobody.

/** What one record asks of its reader, without what it includes. */
export interface SpfTerms {
  /** Terms that each cost one lookup: include, a, mx, ptr, exists, redirect. */
  readonly asking: readonly string[];
  /** Names whose records are read as well; those with macros are not known beforehand. */
  readonly others: readonly string[];
  /** What is no term of SPF. */
  readonly malformed: readonly string[];
}

/** Lookups that a reader makes at most (RFC 7208 4.6.4). */
export const spfLookupLimit = 10;

export function isSpf(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

export function spfTerms(record: string): SpfTerms {
  const terms = record.split(/\s+/).slice(1);
  const known =
    /^(?:[-+?~]?(?:all|(?:a|mx)(?:[:/].*)?|ptr(?::.*)?|(?:ip4|ip6|include|exists):.+)|[a-z][\w.-]*=.*)$/i;
  return {
    asking: terms.filter((term) =>
      /^(?:[-+?~]?(?:a|mx|ptr|include|exists)(?:[:/].*)?|redirect=.*)$/i.test(term),
    ),
    others: terms.flatMap((term) => {
      const target = /^(?:[-+?~]?include:|redirect=)(.+)$/i.exec(term)?.[1];
      return target === undefined || target.includes("%") ? [] : [target.toLowerCase()];
    }),
    malformed: terms.filter((term) => term !== "" && !known.test(term)),
  };
}
