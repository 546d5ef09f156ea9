// Whom the judge looks at: from the outputs of the stack, or from what the caller says.

import { z } from "zod";
import type { Subject } from "./context";

/** Those outputs of the program that the judge reads. */
const Outputs = z.object({
  hostname: z.string(),
  ipv4: z.string(),
  ipv6: z.string(),
  dnsRecords: z.array(z.object({ type: z.string(), name: z.string(), value: z.string() })),
});

/** One spelling of an address, whoever wrote it. */
const canonical = (address: string): string =>
  address.includes(":") ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;

/** The subject that `pulumi stack output --json` describes. */
export function subjectOf(outputs: unknown): Subject {
  const read = Outputs.safeParse(outputs);
  if (!read.success) {
    throw new Error(
      `the stack has no mail host yet (${z.prettifyError(read.error).replaceAll("\n", " ")}); run \`pulumi up\`, or name one with --host and --domain`,
    );
  }
  const { hostname, ipv4, ipv6, dnsRecords } = read.data;
  const domains = dnsRecords
    .filter(({ type, value }) => type === "MX" && value.split(/\s+/).at(-1) === hostname)
    .map(({ name }) => name);
  const selectors: Record<string, string[]> = {};
  for (const { type, name } of dnsRecords) {
    const [, selector, domain] = /^([^.]+)\._domainkey\.(.+)$/.exec(name) ?? [];
    if (type === "TXT" && selector !== undefined && domain !== undefined)
      selectors[domain] = [...(selectors[domain] ?? []), selector];
  }
  return { hostname, domains, selectors, addresses: [ipv4, ipv6].map(canonical) };
}

/** The subject that a caller names. */
export function namedSubject(hostname: string, domains: readonly string[]): Subject {
  const lower = (name: string) => name.toLowerCase().replace(/\.$/, "");
  return { hostname: lower(hostname), domains: domains.map(lower), selectors: {}, addresses: [] };
}
