// The registrar of every domain: what it is told goes as DS records into the parent zone, whether or not
// it fits any key.

import { z } from "zod";
import { until } from "../host/run";
import type { Lab } from "../lab";

const rdata = /^(?:\S+\s+(?:\d+\s+)?IN\s+DS\s+)?(\d{1,5} \d{1,3} \d{1,3} (?:[0-9A-F]{2})+)$/i;

/** RDATA of a DS record; a whole record, as Cloudflare shows it, is taken for its RDATA. */
export const delegationSigner = z
  .string()
  .regex(rdata, {
    error: ({ input }) =>
      `DS: "${input}" is not <key tag> <algorithm> <digest type> <digest in hex>, such as 2371 13 2 1F98…`,
  })
  .transform((text) => rdata.exec(text)?.[1] ?? text);

/** What a registrar is told: all DS records of a domain. With none it is insecure, with null as at first. */
export const registration = z.object({ ds: z.array(delegationSigner).nullable() });

/** The DS records in the words of a command line: `none`, or records whole or split into words. */
export function delegationSignersIn(words: readonly string[]): string[] {
  const text = words.join(" ").trim();
  if (text === "none") return [];
  // A record ends with its digest, the only long word of it.
  return text.split(/(?<=[0-9A-F]{40})\s+/i).map((record) => {
    const read = delegationSigner.safeParse(record);
    if (!read.success) throw new Error(read.error.issues[0]?.message ?? record);
    return read.data;
  });
}

/** Hands each domain's DS record to the registrar and waits until the lab's resolvers validate it. */
export async function secureDelegations(
  lab: Lab,
  signers: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [domain, ds] of Object.entries(signers)) await lab.register(domain, [ds]);
  for (const domain of Object.keys(signers)) {
    // Resolvers may keep for a minute that the domain was insecure.
    await until(
      `${domain}: chain of trust`,
      90,
      async () => (await lab.validates(domain)) || undefined,
      250,
    );
  }
}
