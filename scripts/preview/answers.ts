// What a mail host that serves everything answers to the engine's commands, with public keys that stand for any
// host's. They open nothing: there are no private halves.

import { gunzipSync } from "node:zlib";
import { parseDocument } from "yaml";
import { z } from "zod";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzCqPj6tqmLOxdC3b6pCKuYPcHqM1ZZZmhm2lJ7oXcE";
const rsaKey =
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArecordedForPreviewsOnly0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000IDAQAB";
const ed25519Key = "cmVjb3JkZWQgZm9yIHByZXZpZXdzIG9ubHksIDMyIGI=";
const certificate = {
  account: "https://acme-v02.api.letsencrypt.org/acme/acct/1000000000",
  caaIdentity: "letsencrypt.org",
};

/** What stands for the recorded keys where people read them. */
export const recordedTexts = [
  [rsaKey, "<RSA key>"],
  [ed25519Key, "<Ed25519 key>"],
  [certificate.account, "<account>"],
] as const;

/** Of the keys that the host serves. */
export const recordedDigests = /\b0{56}[0-9A-F]{8}\b/g;

/** What a command of the engine prints on such a host; one that only works prints nothing. */
export function recordedAnswer(command: string): string {
  const keys = /mail-dkim keys \S+ (\d+) (\d+)/.exec(command);
  if (keys !== null) return dkimAnswer(Number(keys[1]), Number(keys[2]));
  const generation = /mail-certificates host (\d+)/.exec(command)?.[1];
  if (generation !== undefined) {
    const tlsa = [0, 1].map((next) => recordedDigest(Number(generation) + next));
    return JSON.stringify({ ...certificate, tlsa });
  }
  if (command.includes("ssh-keyscan")) return hostKey;
  if (command.includes("mail-outbound")) {
    return JSON.stringify({ port25: "open", detail: "recorded for previews" });
  }
  return "";
}

/** Of each generation's key, and the same each time: SHA-256 in upper-case hex (RFC 7671). */
const recordedDigest = (generation: number): string =>
  generation.toString(16).toUpperCase().padStart(64, "0");

function dkimAnswer(newest: number, revoked: number): string {
  const generations = Array.from({ length: newest - revoked }, (_, i) => revoked + 1 + i);
  return JSON.stringify({
    keys: generations.flatMap((generation) => [
      { generation, selector: `rsa${generation}`, type: "rsa", publicKey: rsaKey },
      { generation, selector: `ed${generation}`, type: "ed25519", publicKey: ed25519Key },
    ]),
  });
}

const CloudConfig = z.looseObject({
  write_files: z.array(z.object({ path: z.string(), content: z.string() })),
});

/** What cloud-init is told by user data, plain or compressed; undefined where that is no host's. */
export function cloudConfigOf(userData: string): z.output<typeof CloudConfig> | undefined {
  const isPlain = userData.startsWith("#cloud-config");
  const bytes = Buffer.from(userData, isPlain ? "utf8" : "base64");
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = isGzip ? gunzipSync(bytes).toString() : bytes.toString();
  return CloudConfig.safeParse(parseDocument(text).toJS()).data;
}
