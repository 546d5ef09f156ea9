// How many questions an SPF record costs its reader at most (RFC 7208 4.6.4), and whether the records that
// it includes are there. Whom it lets through is mailauth's word.

import { spf } from "mailauth/lib/spf";
import { z } from "zod";
import { spfTerms } from "../../policy/spf-terms";
import type { Ask } from "./probes/dns";

/** Those TXT records of a name that call themselves this. */
export async function textsOf(ask: Ask, name: string, version: string): Promise<string[]> {
  const { records } = await ask(name, "TXT");
  const begins = new RegExp(`^${version}(?:[ ;]|$)`, "i");
  return records.filter((record) => begins.test(record));
}

export const spfRecords = (ask: Ask, name: string) => textsOf(ask, name, "v=spf1");

/** Lookups in the worst case, and what is wrong with what is included. */
export interface SpfCost {
  readonly lookups: number;
  readonly broken: readonly string[];
}

export async function spfCost(
  ask: Ask,
  name: string,
  above: readonly string[] = [],
): Promise<SpfCost> {
  const records = await spfRecords(ask, name);
  const [record] = records;
  if (record === undefined || records.length > 1)
    return { lookups: 0, broken: [`${name} has ${records.length} SPF records`] };
  if (above.includes(name)) return { lookups: 0, broken: [`${name} includes itself`] };
  const { asking, others, malformed } = spfTerms(record);
  const costs = await Promise.all(others.map((other) => spfCost(ask, other, [...above, name])));
  return {
    lookups: asking.length + costs.reduce((sum, { lookups }) => sum + lookups, 0),
    broken: [
      ...malformed.map((term) => `${name}: "${term}" is no term of SPF`),
      ...costs.flatMap(({ broken }) => broken),
    ],
  };
}

/** mailauth declares that records are texts, and reads MX records as Node has them. */
const AsDeclared = z.custom<string[]>(Array.isArray);

const nodeErrors: Readonly<Record<string, string>> = { NXDOMAIN: "ENOTFOUND", NOERROR: "ENODATA" };

/** Node's shape of an answer, for libraries that expect its resolver. */
export const nodeResolver = (ask: Ask) => async (name: string, type: string) => {
  const read = async () => {
    switch (type) {
      case "A":
      case "AAAA":
      case "CNAME":
      case "NS":
      case "PTR":
        return ask(name, type);
      case "TXT": {
        const answer = await ask(name, type);
        return { ...answer, records: answer.records.map((text) => [text]) };
      }
      case "MX": {
        const answer = await ask(name, type);
        const records = answer.records.map(({ preference: priority, exchange }) => ({
          priority,
          exchange,
        }));
        return { ...answer, records };
      }
      default:
        throw new Error(`no answer of type ${type} is foreseen`);
    }
  };
  const { code, records } = await read();
  if (code === "NOERROR" && records.length > 0) return AsDeclared.parse(records);
  throw Object.assign(new Error(`${name} ${type}: ${code}`), {
    code: nodeErrors[code] ?? "ESERVFAIL",
  });
};

/** What a receiver makes of mail from this address in the name of that domain: "pass", "fail" … */
export async function spfVerdict(
  ask: Ask,
  { address, domain, helo }: { address: string; domain: string; helo: string },
): Promise<string> {
  const { status } = await spf({
    ip: address,
    helo,
    sender: `postmaster@${domain}`,
    mta: "judge",
    resolver: nodeResolver(ask),
  });
  return status.result;
}
