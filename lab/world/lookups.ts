// The world's questions to the lab's resolvers: in the shape that mailauth wants, and with the resolver's
// word on whether the answer is vouched for.

import { Resolver } from "node:dns/promises";
import type { DNSResolver } from "mailauth";
import { parse } from "yaml";
import { z } from "zod";
import { run } from "../host/run";
import { resolvers } from "../network/addresses";

const resolver = new Resolver({ timeout: 5000, tries: 2 });
resolver.setServers(resolvers.map(({ ipv4 }) => ipv4));

/** Asks without a view to DNSSEC, as mailauth does by itself: mail hosts come as objects, whatever its type says. */
export const lookUp: DNSResolver = async (name, type) =>
  z.custom<string[][]>().parse(await resolver.resolve(name, type));

/** The mail hosts of a domain, best first; the domain itself where it names none (RFC 5321, section 5.1). */
export async function mailHostsOf(domain: string): Promise<string[]> {
  const found = await resolver.resolveMx(domain).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENODATA" || error.code === "ENOTFOUND") return [];
    throw error;
  });
  const hosts = [...found].sort((one, other) => one.priority - other.priority);
  if (hosts.some(({ exchange }) => exchange === "")) {
    throw new Error(`${domain}: takes no mail (null MX, RFC 7505)`);
  }
  return hosts.length === 0 ? [domain] : hosts.map(({ exchange }) => exchange);
}

/** An address of a host. */
export async function addressOf(host: string, family: 4 | 6): Promise<string> {
  const found = await (family === 4 ? resolver.resolve4(host) : resolver.resolve6(host));
  const first = found[0];
  if (first === undefined) throw new Error(`${host}: no address of family ${family}`);
  return first;
}

const responseSchema = z.tuple([
  z.looseObject({
    message: z.looseObject({
      response_message_data: z.looseObject({
        status: z.string(),
        flags: z.string(),
        ANSWER_SECTION: z.array(z.string()).default([]),
      }),
    }),
  }),
]);

/** An answer with its DNSSEC status. */
export interface VouchedAnswer {
  /** e.g. `NOERROR`, `NXDOMAIN`; `SERVFAIL` is what a resolver says of a broken chain. */
  readonly status: string;
  /** Whether the resolver has checked the chain of signatures from the root. */
  readonly secure: boolean;
  /** Data of the records of that type. */
  readonly data: readonly string[];
}

/** Asks for records and for the resolver's word on them (AD), which Node's own resolver does not pass on. */
export async function lookUpVouched(name: string, type: string): Promise<VouchedAnswer> {
  const place = [`@${resolvers[0].ipv4}`, "+yaml", "+adflag", "+time=5", "+tries=2"];
  const said = await run(["dig", ...place, name, type]);
  const [{ message }] = responseSchema.parse(parse(said));
  const { status, flags, ANSWER_SECTION: answers } = message.response_message_data;
  const rows = answers.map((line) => line.split(" "));
  return {
    status,
    secure: flags.split(" ").includes("ad"),
    data: rows.filter((row) => row[3] === type).map((row) => row.slice(4).join(" ")),
  };
}
