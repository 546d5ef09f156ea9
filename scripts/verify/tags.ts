// Records made of tags, as DKIM, DMARC, MTA-STS and TLSRPT have them: `v=DMARC1; p=reject; rua=mailto:…`.

/** The tags of a record by their lower-case names; of two of a name, the first. */
export function tagsOf(record: string): Map<string, string> {
  const tags = new Map<string, string>();
  for (const part of record.split(";")) {
    const at = part.indexOf("=");
    const name = part.slice(0, at).trim().toLowerCase();
    if (at > 0 && !tags.has(name)) tags.set(name, part.slice(at + 1).trim());
  }
  return tags;
}

/** The mail addresses of a list of URIs, and what in it is none. */
export function mailAddresses(uris: string): { addresses: string[]; invalid: string[] } {
  const parts = uris
    .split(",")
    .map((uri) => uri.trim())
    .filter(Boolean);
  // DMARC lets a size follow: mailto:reports@example.com!10m
  const form = /^mailto:([^\s@!]+@[a-z0-9.-]+\.[a-z0-9-]+)(?:!\d+[kmgt]?)?$/i;
  return {
    addresses: parts.flatMap((uri) => form.exec(uri)?.[1]?.toLowerCase() ?? []),
    invalid: parts.filter((uri) => !form.test(uri)),
  };
}
