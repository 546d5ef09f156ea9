// The host's strictest peer: what a receiving domain publishes of its TLS (DANE and MTA-STS), and whether
// a session keeps it. TLSA records of usage 3 alone are understood, which is what the world publishes.

import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { globalAgent } from "node:https";
import type { TLSSocket } from "node:tls";
import type { MTASTSPolicyResult } from "mailauth";
import { getPolicy, validateMx } from "mailauth/lib/mta-sts";
import { lookUp, lookUpVouched } from "./lookups";
import type { Delivery, Security } from "./mail";

/** What is published of a domain's host, before anything was said to it. */
export interface Published {
  readonly host: string;
  /** TLSA data, or why there is none to go by. */
  readonly tlsa: readonly string[] | Security;
  readonly policy: MTASTSPolicyResult;
}

const none = (detail: string): Security => ({ result: "none", detail });
const error = (detail: string): Security => ({ result: "error", detail });
const invalid = (detail: string): Security => ({ result: "invalid", detail });
const valid = (detail: string): Security => ({ result: "valid", detail });

/** TLSA records that a chain of signatures vouches for, from the MX record on (RFC 7672, section 2.2). */
async function publishedTlsa(
  domain: string,
  host: string,
  family: 4 | 6,
): Promise<readonly string[] | Security> {
  const tlsa = `_25._tcp.${host}`;
  const questions = [
    [domain, "MX"],
    [host, family === 4 ? "A" : "AAAA"],
    [tlsa, "TLSA"],
  ] as const;
  for (const [name, type] of questions) {
    const { status, secure, data } = await lookUpVouched(name, type);
    if (status !== "NOERROR" && status !== "NXDOMAIN") return error(`${name} ${type}: ${status}`);
    if (!secure) return none(`${name} ${type}: nothing vouches for the answer`);
    if (type !== "TLSA") continue;
    const usable = data.filter((record) => /^3 [01] [12] /.test(record));
    return usable.length > 0 ? usable : none(`${name} TLSA: no record that can be used`);
  }
  return none(`${tlsa}: not asked for`);
}

/** Asks for everything that a domain publishes of its host. */
export async function publishedBy(
  domain: string,
  host: string,
  family: 4 | 6,
  caFile: string,
): Promise<Published> {
  // mailauth asks over HTTPS as this process does by default, and the lab's roots come while it runs.
  globalAgent.options.ca = await readFile(caFile);
  const [tlsa, policy] = await Promise.all([
    publishedTlsa(domain, host, family),
    getPolicy(domain, undefined, { resolver: lookUp }),
  ]);
  return { host, tlsa, policy };
}

const digestOf = (bytes: Buffer, matching: string | undefined): string =>
  createHash(matching === "2" ? "sha512" : "sha256")
    .update(bytes)
    .digest("hex");

function fits(record: string, certificate: X509Certificate): boolean {
  const [, selector, matching, ...data] = record.split(" ");
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  const subject = selector === "1" ? key : certificate.raw;
  return digestOf(subject, matching) === data.join("").toLowerCase();
}

function daneOf({ host, tlsa }: Published, tls: TLSSocket | undefined): Security {
  if ("result" in tlsa) return tlsa;
  if (tls === undefined) return invalid(`${host} has TLSA records and offers no TLS`);
  const certificate = new X509Certificate(tls.getPeerCertificate().raw);
  const fitting = tlsa.find((record) => fits(record, certificate));
  return fitting === undefined
    ? invalid(`none of the TLSA records fits: ${tlsa.join(", ")}`)
    : valid(fitting);
}

/** Why the certificate of a session is not trusted for the host's name. */
export const distrust = (tls: TLSSocket): string | null =>
  tls.authorized ? null : String(tls.authorizationError);

function mtaStsOf({ host, policy: found }: Published, tls: TLSSocket | undefined): Security {
  const { policy, status } = found;
  if (status === "errored") return error(policy.error?.message ?? "the policy cannot be had");
  if (policy.mode === "none") return none("no policy");
  if (!validateMx(host, policy).valid) return invalid(`the policy does not name ${host}`);
  if (tls === undefined) return invalid(`${host} offers no TLS`);
  const reason = distrust(tls);
  return reason === null ? valid(`the policy names ${host}`) : invalid(reason);
}

/** Judges a session by what was published. */
export const judged = (
  published: Published,
  tls: TLSSocket | undefined,
): Pick<Delivery, "dane" | "mtaSts"> => ({
  dane: daneOf(published, tls),
  mtaSts: { ...mtaStsOf(published, tls), mode: published.policy.policy.mode },
});

/** Why a strict sender does not deliver. DANE decides where there is any (RFC 8461, section 2). */
export function objection({ dane, mtaSts }: Pick<Delivery, "dane" | "mtaSts">): string | undefined {
  if (dane.result === "invalid" || dane.result === "error") return `DANE: ${dane.detail}`;
  if (dane.result === "valid" || mtaSts.mode !== "enforce") return undefined;
  return mtaSts.result === "valid" ? undefined : `MTA-STS: ${mtaSts.detail}`;
}
