// Passwords and hashes that derive from one random secret in the state, so that ten thousand
// mailboxes are not ten thousand resources and a second `pulumi up` changes nothing. Pure.

import { createHash, hkdfSync } from "node:crypto";

/** Crockford's base 32 without what is easily misread, in lower case: 5 bits a character. */
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** What a password belongs to. A new generation is a new password. */
export interface PasswordOwner {
  readonly address: string;
  readonly generation: number;
}

function derive(
  secret: string,
  purpose: string,
  { address, generation }: PasswordOwner,
  bytes: number,
): Buffer {
  const info = `mail-host ${purpose}\n${address}\n${generation}`;
  return Buffer.from(hkdfSync("sha256", secret, "", info, bytes));
}

/** Five groups of five characters: 125 bits, typed without doubt, e.g. `7k3qd-0m2xv-…`. */
export function derivedPassword(secret: string, owner: PasswordOwner): string {
  const bytes = derive(secret, "password", owner, 25);
  const text = [...bytes].map((byte) => alphabet[byte % 32]).join("");
  return text.replace(/.{5}(?=.)/g, "$&-");
}

/**
 * The hash that stands in the database, in Dovecot's `{SSHA512}` form: base64 of digest and salt.
 * One round is enough here and only here: a password of 125 random bits cannot be guessed at any
 * speed, and a preview must hash ten thousand of them in seconds.
 */
export function derivedHash(secret: string, owner: PasswordOwner): string {
  const salt = derive(secret, "salt", owner, 16);
  const digest = createHash("sha512").update(derivedPassword(secret, owner)).update(salt).digest();
  return `{SSHA512}${Buffer.concat([digest, salt]).toString("base64")}`;
}
