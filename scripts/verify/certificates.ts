// What a certificate says of itself. Node reads all of it but the algorithm it was signed with.

import { createHash, type X509Certificate } from "node:crypto";
import type { RecordData } from "./probes/dns";

const oids: Readonly<Record<string, string>> = {
  "06082a8648ce3d040302": "ECDSA with SHA-256",
  "06082a8648ce3d040303": "ECDSA with SHA-384",
  "06082a8648ce3d040304": "ECDSA with SHA-512",
  "06092a864886f70d01010b": "RSA with SHA-256",
  "06092a864886f70d01010c": "RSA with SHA-384",
  "06092a864886f70d01010d": "RSA with SHA-512",
  "06092a864886f70d01010a": "RSA-PSS",
  "06032b6570": "Ed25519",
};

/** Where the content of a DER element begins and ends. */
function element(der: Buffer, at: number): { begin: number; end: number } {
  const first = der[at + 1] ?? 0;
  const octets = first < 0x80 ? 0 : first & 0x7f;
  const begin = at + 2 + octets;
  return { begin, end: begin + (octets === 0 ? first : der.readUIntBE(at + 2, octets)) };
}

/** The algorithm of the signature on it, if it is one with SHA-2. */
export function soundSignature({ raw }: X509Certificate): string | undefined {
  // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER … }, … }
  const body = element(raw, element(raw, 0).begin);
  const algorithm = element(raw, body.end);
  const oid = raw.subarray(algorithm.begin, element(raw, algorithm.begin).end);
  return oids[oid.toString("hex")];
}

/** A key that is too weak, in words; undefined when it is strong enough. */
export function weakKey({ publicKey }: X509Certificate): string | undefined {
  const { modulusLength = 0, namedCurve = "" } = publicKey.asymmetricKeyDetails ?? {};
  switch (publicKey.asymmetricKeyType) {
    case "ec":
      return ["prime256v1", "secp384r1", "secp521r1"].includes(namedCurve)
        ? undefined
        : `ECDSA on ${namedCurve}`;
    case "rsa":
    case "rsa-pss":
      return modulusLength >= 3072 ? undefined : `RSA of ${modulusLength} bits`;
    case "ed25519":
    case "ed448":
      return undefined;
    default:
      return String(publicKey.asymmetricKeyType);
  }
}

export const daysLeft = ({ validTo }: X509Certificate, now = Date.now()): number =>
  Math.floor((Date.parse(validTo) - now) / 86_400_000);

export const covers = (certificate: X509Certificate | undefined, name: string): boolean =>
  certificate?.checkHost(name, { subject: "never" }) !== undefined;

/** Whether a TLSA record means this certificate (RFC 6698 2.1). */
export function isMeant(certificate: X509Certificate, tlsa: RecordData["TLSA"]): boolean {
  const content =
    tlsa.selector === 0
      ? certificate.raw
      : certificate.publicKey.export({ type: "spki", format: "der" });
  const hash = (name: string) => createHash(name).update(content).digest("hex");
  switch (tlsa.matchingType) {
    case 0:
      return tlsa.certificate === content.toString("hex");
    case 1:
      return tlsa.certificate === hash("sha256");
    case 2:
      return tlsa.certificate === hash("sha512");
    default:
      return false;
  }
}

/** Whether a chain is as a TLSA record wants it: of use 3 its first certificate, of use 2 one above it. */
export function satisfies(
  chain: readonly X509Certificate[],
  name: string,
  tlsa: RecordData["TLSA"],
): boolean {
  const [own, ...above] = chain;
  if (tlsa.usage === 3) return own !== undefined && isMeant(own, tlsa);
  return (
    tlsa.usage === 2 && covers(own, name) && above.some((certificate) => isMeant(certificate, tlsa))
  );
}
