// Keys and certificates of the foreign mail domains, made once for each lab. All of them share these: what
// a host shows differs, not who has the key.

import { generateKeyPair } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { run } from "../host/run";
import type { LabPaths } from "../paths";
import type { Authority } from "./authority";
import { mailDomains } from "./domains";

const pairSchema = z.object({ key: z.string(), cert: z.string() });

const credentialsSchema = z.object({
  /** The names that the first two certificates are for. */
  names: z.array(z.string()),
  /** Signed by the lab's authority. */
  trusted: pairSchema,
  "self-signed": pairSchema,
  /** Signed by the lab's authority, for a name that no host has. */
  misnamed: pairSchema,
  /** Private keys that sign mail, by algorithm. */
  dkim: z.object({ rsa: z.string(), ed25519: z.string() }),
});

export type WorldCredentials = z.infer<typeof credentialsSchema>;

/** Name of the server that publishes a domain's MTA-STS policy. */
export const policyHost = (domain: string): string => `mta-sts.${domain}`;

const mailHosts = mailDomains.map(({ host }) => host);
const policyHosts = mailDomains
  .filter(({ mtaSts }) => mtaSts !== null)
  .map(({ name }) => policyHost(name));

async function signatureKey(type: "rsa" | "ed25519"): Promise<string> {
  const { privateKey } =
    type === "rsa"
      ? await promisify(generateKeyPair)("rsa", { modulusLength: 2048 })
      : await promisify(generateKeyPair)("ed25519");
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

async function selfSigned(folder: string): Promise<z.infer<typeof pairSchema>> {
  const [key, cert] = [join(folder, "self-signed.key"), join(folder, "self-signed.pem")];
  const request = ["openssl", "req", "-x509", "-nodes", "-days", "3650"];
  const keyOptions = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const names = `subjectAltName=${mailHosts.map((name) => `DNS:${name}`).join(",")}`;
  const subject = ["-subj", "/CN=its own authority", "-addext", names];
  await run([...request, ...keyOptions, ...subject, "-keyout", key, "-out", cert]);
  const pair = { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
  await Promise.all([rm(key), rm(cert)]);
  return pair;
}

/** The credentials of a lab: those of a former supervisor where they are still for the same names. */
export async function openCredentials(
  paths: LabPaths,
  authority: Authority,
): Promise<WorldCredentials> {
  const folder = join(paths.state, "world");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "credentials.json");
  const names = [...mailHosts, ...policyHosts];
  const kept = await readFile(file, "utf8").catch(() => "null");
  const known = credentialsSchema.safeParse(JSON.parse(kept));
  if (known.success && known.data.names.join() === names.join()) return known.data;
  const [first = "", ...others] = names;
  const [trusted, misnamed, own, rsa, ed25519] = await Promise.all([
    authority.issue([first, ...others]),
    authority.issue(["another-name.test"]),
    selfSigned(folder),
    signatureKey("rsa"),
    signatureKey("ed25519"),
  ]);
  const made = { names, trusted, misnamed, "self-signed": own, dkim: { rsa, ed25519 } };
  await writeFile(`${file}.new`, JSON.stringify(made), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return made;
}
