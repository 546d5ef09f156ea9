// What the host's commands print, read strictly: it becomes DNS records. Pure.

import { z } from "zod";

const Tlsa = z.string().regex(/^[0-9A-F]{64}$/, "is not a SHA-256 in upper-case hex");

const Certificate = z.object({
  account: z
    .string()
    .regex(/^https:\/\/[\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]+$/, "is not an https URL"),
  caaIdentity: z.string().regex(/^[A-Za-z0-9.-]+$/, "is not a domain name"),
  tlsa: z.tuple([Tlsa, Tlsa]).readonly(),
});

const Base64 = z.string().regex(/^[A-Za-z0-9+/]{40,}={0,2}$/, "is not base64");

const Keys = z.object({
  keys: z.array(
    z.object({
      generation: z.int(),
      selector: z.string().regex(/^(rsa|ed)[1-9][0-9]*$/, "is not a selector, e.g. rsa1"),
      type: z.enum(["rsa", "ed25519"]),
      publicKey: Base64,
    }),
  ),
});

/** What `mail-certificates host` prints. */
export function hostCertificate(line: string): z.output<typeof Certificate> {
  return read("mail-certificates", Certificate, line);
}

/** What `mail-dkim keys` prints. */
export function dkimKeys(line: string): z.output<typeof Keys>["keys"] {
  return read("mail-dkim", Keys, line).keys;
}

function read<T>(tool: string, schema: z.ZodType<T>, line: string): T {
  const result = schema.safeParse(parsed(line));
  if (result.success) return result.data;
  throw new Error(
    `${tool}: the host's answer cannot be read: ${JSON.stringify(line.slice(0, 200))}: ${z.prettifyError(result.error)}`,
  );
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
