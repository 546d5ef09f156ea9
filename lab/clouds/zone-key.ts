// The key that signs a zone: one ECDSA P-256 key for everything (algorithm 13, flags 257), and what a
// parent or a resolver is told of it.

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";

const flags = 257;
const protocol = 3;
const algorithm = 13;
const sha256 = 2;

/** What the world may know of a zone's key. */
export interface PublicZoneKey {
  readonly flags: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly keyTag: number;
  /** SHA-256, upper-case hex. */
  readonly digest: string;
  /** Both coordinates, base64. */
  readonly publicKey: string;
  /** RDATA of the zone's DNSKEY record. */
  readonly dnskey: string;
  /** RDATA of the DS record at the parent. */
  readonly ds: string;
}

/** A new private key, PKCS#8 in PEM. */
export function newZoneKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ format: "pem", type: "pkcs8" }).toString();
}

/** RFC 4034, appendix B. */
function keyTagOf(rdata: Buffer): number {
  const sum = rdata.reduce((total, byte, at) => total + (at % 2 === 0 ? byte << 8 : byte), 0);
  return (sum + (sum >>> 16)) & 0xffff;
}

/** A name in wire format; the root's is one empty label. */
function wireName(name: string): Buffer {
  const labels = name.split(".").filter(Boolean);
  const parts = labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([...parts, Buffer.of(0)]);
}

/** The public half of a zone's private key. */
export function publicZoneKey(zone: string, privateKey: string): PublicZoneKey {
  const spki = createPublicKey(createPrivateKey(privateKey)).export({
    format: "der",
    type: "spki",
  });
  const coordinates = spki.subarray(-64);
  const rdata = Buffer.concat([
    Buffer.of(flags >> 8, flags & 255, protocol, algorithm),
    coordinates,
  ]);
  const keyTag = keyTagOf(rdata);
  const digest = createHash("sha256").update(wireName(zone)).update(rdata).digest("hex");
  const publicKey = coordinates.toString("base64");
  return {
    flags,
    algorithm,
    digestType: sha256,
    keyTag,
    digest: digest.toUpperCase(),
    publicKey,
    dnskey: `${flags} ${protocol} ${algorithm} ${publicKey}`,
    ds: `${keyTag} ${algorithm} ${sha256} ${digest.toUpperCase()}`,
  };
}
