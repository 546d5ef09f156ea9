// What TLS has names for, and which of it is good enough: internet.nl's lists (its "good" and "sufficient"),
// by the numbers of IANA's registry.

import type { Offer, Version } from "./probes/hello";

/** AEAD with an ephemeral key exchange on elliptic curves. */
const goodCiphers: Readonly<Record<number, string>> = {
  4865: "TLS_AES_128_GCM_SHA256",
  4866: "TLS_AES_256_GCM_SHA384",
  4867: "TLS_CHACHA20_POLY1305_SHA256",
  49195: "ECDHE-ECDSA-AES128-GCM-SHA256",
  49196: "ECDHE-ECDSA-AES256-GCM-SHA384",
  49199: "ECDHE-RSA-AES128-GCM-SHA256",
  49200: "ECDHE-RSA-AES256-GCM-SHA384",
  52392: "ECDHE-RSA-CHACHA20-POLY1305",
  52393: "ECDHE-ECDSA-CHACHA20-POLY1305",
};

/** Names of those that hosts still take; the others are shown by number. */
const badCiphers: Readonly<Record<number, string>> = {
  10: "DES-CBC3-SHA",
  47: "AES128-SHA",
  53: "AES256-SHA",
  51: "DHE-RSA-AES128-SHA",
  57: "DHE-RSA-AES256-SHA",
  60: "AES128-SHA256",
  61: "AES256-SHA256",
  103: "DHE-RSA-AES128-SHA256",
  107: "DHE-RSA-AES256-SHA256",
  156: "AES128-GCM-SHA256",
  157: "AES256-GCM-SHA384",
  158: "DHE-RSA-AES128-GCM-SHA256",
  159: "DHE-RSA-AES256-GCM-SHA384",
  4868: "TLS_AES_128_CCM_SHA256",
  4869: "TLS_AES_128_CCM_8_SHA256",
  49161: "ECDHE-ECDSA-AES128-SHA",
  49162: "ECDHE-ECDSA-AES256-SHA",
  49171: "ECDHE-RSA-AES128-SHA",
  49172: "ECDHE-RSA-AES256-SHA",
  49187: "ECDHE-ECDSA-AES128-SHA256",
  49188: "ECDHE-ECDSA-AES256-SHA384",
  49191: "ECDHE-RSA-AES128-SHA256",
  49192: "ECDHE-RSA-AES256-SHA384",
  52394: "DHE-RSA-CHACHA20-POLY1305",
};

const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

const isGood = (cipher: number) => cipher in goodCiphers;
const isNewest = (cipher: number) => cipher >= 0x1301 && cipher <= 0x1305;
const good = Object.keys(goodCiphers).map(Number);
/** All of TLS 1.2 and before: with RSA, DH and ECDH of every kind. */
const older = [...numbers(0x0001, 0x00c5), ...numbers(0xc001, 0xc0b5), ...numbers(0xcca8, 0xccae)];

/** Cipher suites of a version that are good enough, and those that are not. */
export const ciphers = {
  good: {
    "TLS 1.3": good.filter(isNewest),
    "TLS 1.2": good.filter((cipher) => !isNewest(cipher)),
  },
  bad: {
    "TLS 1.3": [0x1304, 0x1305],
    "TLS 1.2": older.filter((cipher) => !isGood(cipher)),
  },
  /** For versions that are not wanted at all. */
  any: older,
} as const;

const groupNames: Readonly<Record<number, string>> = {
  21: "secp224r1",
  22: "secp256k1",
  23: "secp256r1",
  24: "secp384r1",
  25: "secp521r1",
  29: "x25519",
  30: "x448",
  256: "ffdhe2048",
  257: "ffdhe3072",
  258: "ffdhe4096",
  259: "ffdhe6144",
  260: "ffdhe8192",
  4587: "SecP256r1MLKEM768",
  4588: "X25519MLKEM768",
  4589: "SecP384r1MLKEM1024",
};

export const groups = {
  good: [4588, 4587, 4589, 29, 23, 30, 24, 25],
  /** Old curves, and finite fields, which no AEAD cipher with ECDHE needs. */
  bad: {
    "TLS 1.3": [...numbers(1, 22), ...numbers(256, 260)],
    "TLS 1.2": [...numbers(1, 22), 26, 27, 28],
  },
} as const;

/** ECDSA, RSA-PSS and RSA with SHA-2, and EdDSA. */
const soundSignatures = [
  0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
  0x0807, 0x0808, 0x0301, 0x0303,
];

export const signatures = {
  good: soundSignatures,
  /** With SHA-1 and MD5. SHA-224 is of the family of SHA-2. */
  bad: [0x0201, 0x0202, 0x0203, 0x0101, 0x0103],
} as const;

const hex = (number: number) => `0x${number.toString(16).padStart(4, "0")}`;

export const cipherName = (cipher: number): string =>
  goodCiphers[cipher] ?? badCiphers[cipher] ?? `cipher suite ${hex(cipher)}`;
export const groupName = (group: number): string => groupNames[group] ?? `group ${hex(group)}`;

/** Everything that a modern client offers, in one version. */
export const modern = (version: "TLS 1.3" | "TLS 1.2"): Offer => ({
  version,
  ciphers: ciphers.good[version],
  groups: groups.good,
  signatures: signatures.good,
});

/** Everything that there ever was, in an older version. */
export const ancient = (version: Version): Offer => ({
  version,
  ciphers: ciphers.any,
  groups: [...groups.good, ...groups.bad["TLS 1.2"]],
  signatures: [...signatures.good, ...signatures.bad],
});
