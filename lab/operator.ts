// The operator's SSH key in a lab: derived from a sentence, the same everywhere, and therefore
// worth nothing outside a lab. It opens machines that no network but the lab's can reach.

import { createHash, createPrivateKey, createPublicKey } from "node:crypto";

const seed = createHash("sha256").update("mail-host lab operator").digest();
const comment = "operator@mail-host-lab";

const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");
const privateKey = createPrivateKey({
  key: Buffer.concat([pkcs8Prefix, seed]),
  format: "der",
  type: "pkcs8",
});
const publicPoint = createPublicKey(privateKey)
  .export({ format: "der", type: "spki" })
  .subarray(-32);

const field = (value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const publicBlob = Buffer.concat([field("ssh-ed25519"), field(publicPoint)]);

/** The operator's public key in authorized_keys format. */
export const operatorPublicKey = `ssh-ed25519 ${publicBlob.toString("base64")} ${comment}`;

/** The operator's private key in OpenSSH's own format, as `ssh-add -` reads it. */
export function operatorPrivateKey(): string {
  const check = Buffer.from("6c61626c", "hex");
  const secret = Buffer.concat([
    check,
    check,
    publicBlob,
    field(Buffer.concat([seed, publicPoint])),
    field(comment),
  ]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8].slice(0, (8 - (secret.length % 8)) % 8));
  const one = Buffer.from([0, 0, 0, 1]);
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    field("none"),
    field("none"),
    field(""),
    one,
    field(publicBlob),
    field(Buffer.concat([secret, padding])),
  ]);
  const lines = file.toString("base64").replace(/.{70}/g, "$&\n").trimEnd();
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
