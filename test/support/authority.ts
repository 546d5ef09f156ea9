// The certificate authority and the names that a host serves, as tests arrange them, and certificates as
// strangers see them. The authority is the lab's own; everything else works on a real host too.

import { spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { openLab } from "../../lab/lab";
import { presentDirectory } from "./directory";
import { recordsOf } from "./dns";
import { until } from "./outage";
import { onHost, target } from "./target";

export const authority = openLab(process.env.MAIL_HOST_LAB);

const kinds = ["mta-sts", "autoconfig", "autodiscover"] as const;

/** The names that a mail domain's web server has. */
export const webNames = (domain: string): string[] => kinds.map((kind) => `${kind}.${domain}`);

/** Every name that the host should have a certificate for. */
export const servedNames = (): string[] => [
  target.hostname,
  ...presentDirectory().domains.flatMap(webNames),
];

export const mailPorts = [25, 465, 587, 993] as const;

/** What a server shows to a client that trusts the world's authorities; undefined when it shows nothing. */
export function shownCertificate(
  port: number,
  name: string = target.hostname,
): { readonly certificate: X509Certificate; readonly trusted: boolean } | undefined {
  const startTls = port === 25 || port === 587 ? ["-starttls", "smtp"] : [];
  const trust = ["-CAfile", target.caFile, "-verify_hostname", name];
  const to = ["-connect", `${target.ipv4}:${port}`, "-servername", name];
  const { stdout } = spawnSync("openssl", ["s_client", ...to, ...startTls, ...trust], {
    input: "",
    encoding: "utf8",
    timeout: 20_000,
  });
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout)?.[0];
  if (pem === undefined) return undefined;
  return {
    certificate: new X509Certificate(pem),
    trusted: stdout.includes("Verify return code: 0 (ok)"),
  };
}

/** The data of TLSA 3 1 1 for a certificate's key (RFC 7671 5.1). */
export const tlsaOf = ({ publicKey }: X509Certificate): string =>
  createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex")
    .toUpperCase();

export const fingerprintOf = (name: string = target.hostname): string =>
  onHost(`openssl x509 -in /srv/mail-host/tls/${name}.pem -noout -fingerprint -sha256`)
    .trim()
    .replace(/^.*=/, "");

/** Whether every mail port shows the certificate that lies on the volume. */
export const allShowWhatIsThere = (): boolean => {
  const expected = fingerprintOf();
  return mailPorts.every((port) => shownCertificate(port)?.certificate.fingerprint256 === expected);
};

/** Makes the certificate of a name due, as the last third of its life does. */
export const makeDue = (name: string = target.hostname): void =>
  void onHost(`cd /srv/mail-host/acme && sed --in-place 's/ .*/ 0/' ${name}.issued`);

/** Forgets that a name waits. */
export const endWait = (name: string): void =>
  void onHost(`rm --force /srv/mail-host/acme/${name}.waits`);

/** Why a name waits, with when; nothing when it does not. */
export const waitOf = (name: string): string =>
  onHost(`cat /srv/mail-host/acme/${name}.waits 2>/dev/null || true`).trim();

/** Has the host do all that is due, as its timer does. */
export const lookForDue = (): string => onHost("/usr/local/sbin/mail-certificates 2>&1");

/** What the authority was asked about a name. */
export const askedAbout = (name: string): number =>
  readFileSync(join(authority.paths.log, "pebble.log"), "utf8").split(name).length - 1;

const Answer = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number() })),
});
const identical = 81058;

interface Published {
  readonly type: string;
  readonly name: string;
  readonly content?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Adds a record to the zone that its name lies in, unless it is there. */
export async function publish(record: Published): Promise<void> {
  const answer = await fetch(`${target.dns.endpoint}${await recordsOf(record.name)}`, {
    method: "POST",
    headers: { authorization: `Bearer ${target.dns.token}`, "content-type": "application/json" },
    body: JSON.stringify({ ...record, ttl: 60, proxied: false }),
  });
  const said = await answer.text();
  const { success, errors } = Answer.parse(JSON.parse(said));
  if (!success && !errors.every(({ code }) => code === identical)) throw new Error(said);
}

/** Has every web name of the host in the DNS, and the certificate of each. */
export async function withWebNames(): Promise<void> {
  const { domains } = presentDirectory();
  for (const domain of domains) {
    for (const name of webNames(domain)) {
      await publish({ type: "A", name, content: target.ipv4 });
      await publish({ type: "AAAA", name, content: target.ipv6 });
      endWait(name);
    }
  }
  onHost("systemctl start --no-block mail-certificates.service");
  await until("a certificate of every name", 120, () =>
    servedNames().every(
      (name) => shownCertificate(name === target.hostname ? 993 : 443, name)?.trusted,
    ),
  );
}

/** Ends all faults: the authority as it was, and a certificate with a long life for every name. */
export async function restoreAuthority(): Promise<void> {
  await authority.startAcme();
  for (const name of servedNames()) {
    endWait(name);
    makeDue(name);
  }
  lookForDue();
  await until("the new certificate on every mail port", 10, allShowWhatIsThere);
}
