// Whether a domain elsewhere lets receivers send it our domains' DMARC reports (RFC 7489 7.1). Without
// its word they send none, so that it is asked before anything is created.

import { Resolver } from "node:dns/promises";
import { type Directory, domainOf } from "../config/directory";
import type { Mistake } from "../config/mistakes";
import { authorisationName } from "./domain-records";

/** The texts at a name; rejects with a code such as ENOTFOUND. */
export type ResolveTexts = (name: string) => Promise<string[][]>;

const patient = () => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  return (name: string) => resolver.resolveTxt(name);
};

/** Domains whose reports would go where nobody wants them. A DNS that does not answer is no mistake. */
export async function unwantedReports(
  { domains }: Directory,
  resolveTexts: ResolveTexts = patient(),
): Promise<Mistake[]> {
  const own = new Set(domains.map(({ name }) => name));
  const found = await Promise.all(
    domains.map(async ({ name, reportAddress }, i): Promise<Mistake[]> => {
      const receiver = domainOf(reportAddress);
      const isOneOrganisation = name.endsWith(`.${receiver}`) || receiver.endsWith(`.${name}`);
      if (own.has(receiver) || isOneOrganisation) return [];
      const record = authorisationName(name, receiver);
      if (await answers(record, resolveTexts)) return [];
      return [
        {
          where: `mail-host:domains[${i}].reportAddress`,
          message: `"${reportAddress}" gets no reports of ${name} before ${receiver} says that it wants them`,
          cure: `ask its owner for this record: ${record} TXT "v=DMARC1"; or use an address here, e.g. postmaster@${name}`,
        },
      ];
    }),
  );
  return found.flat();
}

async function answers(name: string, resolveTexts: ResolveTexts): Promise<boolean> {
  try {
    const texts = await resolveTexts(name);
    return texts.some((pieces) => /^v=DMARC1\s*(;|$)/.test(pieces.join("")));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code !== "ENOTFOUND" && code !== "ENODATA";
  }
}
