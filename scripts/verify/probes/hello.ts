// The first words of TLS written by hand (RFC 5246, RFC 8446): what a host would agree to when a client
// offers just this. No library offers what is forbidden today, and each build of openssl offers
// something else; these bytes are the same everywhere.

import { randomBytes } from "node:crypto";
import type { Place } from "../context";
import { beforeTls } from "./smtp";

export type Version = "TLS 1.3" | "TLS 1.2" | "TLS 1.1" | "TLS 1.0" | "SSL 3.0";

export interface Offer {
  /** The newest version offered; no older one is, but by hosts that take less than they are offered. */
  readonly version: Version;
  readonly ciphers: readonly number[];
  readonly groups: readonly number[];
  readonly signatures: readonly number[];
}

export interface ServerHello {
  /** What was agreed to; undefined when the host refused. */
  readonly agreed?: {
    readonly version: Version;
    readonly cipher: number;
    /** Of the key exchange; undefined where the cipher has none. */
    readonly group?: number;
    /** How the host signed it; TLS 1.3 does so out of sight. */
    readonly signature?: number;
    readonly compressed: boolean;
    readonly extendedMasterSecret: boolean;
    readonly secureRenegotiation: boolean;
  };
}

const versionCodes: Readonly<Record<Version, number>> = {
  "TLS 1.3": 0x0304,
  "TLS 1.2": 0x0303,
  "TLS 1.1": 0x0302,
  "TLS 1.0": 0x0301,
  "SSL 3.0": 0x0300,
};
const extension = {
  serverName: 0,
  groups: 10,
  pointFormats: 11,
  signatures: 13,
  extendedMasterSecret: 23,
  versions: 43,
  pskModes: 45,
  keyShare: 51,
  renegotiation: 0xff01,
} as const;
const answerSeconds = 10;

const u16 = (...numbers: readonly number[]): Buffer =>
  Buffer.from(numbers.flatMap((number) => [number >> 8, number & 0xff]));

/** With its length before it, in so many bytes. */
function sized(bytes: 1 | 2 | 3, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
}

/** A whole ClientHello in its record. */
export function clientHello(name: string, { version, ciphers, groups, signatures }: Offer): Buffer {
  const newest = version === "TLS 1.3";
  const legacy = newest ? versionCodes["TLS 1.2"] : versionCodes[version];
  const extensions: (readonly [number, Buffer])[] = [
    [extension.serverName, sized(2, Buffer.from([0]), sized(2, Buffer.from(name)))],
    [extension.groups, sized(2, u16(...groups))],
    [extension.pointFormats, sized(1, Buffer.from([0]))],
    [extension.signatures, sized(2, u16(...signatures))],
    [extension.extendedMasterSecret, Buffer.alloc(0)],
    [extension.renegotiation, sized(1)],
  ];
  if (newest) {
    extensions.push(
      [extension.versions, sized(1, u16(versionCodes[version]))],
      [extension.pskModes, sized(1, Buffer.from([1]))],
      // Without a share the host has to say which group it would take (RFC 8446 4.2.8).
      [extension.keyShare, sized(2)],
    );
  }
  // In TLS 1.3 nothing but "none" may be offered.
  const compressions = newest ? [0] : [1, 0];
  const body = Buffer.concat([
    u16(legacy),
    randomBytes(32),
    sized(1, newest ? randomBytes(32) : Buffer.alloc(0)),
    sized(2, u16(...ciphers)),
    sized(1, Buffer.from(compressions)),
    ...(version === "SSL 3.0"
      ? []
      : [sized(2, ...extensions.flatMap(([type, data]) => [u16(type), sized(2, data)]))]),
  ]);
  const message = Buffer.concat([Buffer.from([1]), sized(3, body)]);
  return Buffer.concat([
    Buffer.from([22]),
    u16(Math.min(legacy, versionCodes["TLS 1.0"])),
    sized(2, message),
  ]);
}

/** The handshake messages that are there in whole, and whether an alert came. */
function messages(heard: Buffer): { handshake: Map<number, Buffer>; alert: boolean } {
  const parts: Buffer[] = [];
  let alert = false;
  for (let at = 0; at + 5 <= heard.length; ) {
    const end = at + 5 + heard.readUInt16BE(at + 3);
    if (end > heard.length) break;
    if (heard[at] === 21) alert = true;
    if (heard[at] === 22) parts.push(heard.subarray(at + 5, end));
    at = end;
  }
  const stream = Buffer.concat(parts);
  const handshake = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= stream.length; ) {
    const end = at + 4 + stream.readUIntBE(at + 1, 3);
    if (end > stream.length) break;
    handshake.set(stream[at] ?? 0, stream.subarray(at + 4, end));
    at = end;
  }
  return { handshake, alert };
}

function extensionsOf(hello: Buffer, from: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = from + 2; at + 4 <= hello.length; ) {
    const end = at + 4 + hello.readUInt16BE(at + 2);
    found.set(hello.readUInt16BE(at), hello.subarray(at + 4, end));
    at = end;
  }
  return found;
}

const versionOf = (code: number): Version => {
  const known: readonly Version[] = ["TLS 1.3", "TLS 1.2", "TLS 1.1", "TLS 1.0"];
  return known.find((version) => versionCodes[version] === code) ?? "SSL 3.0";
};

/** What the host said so far; undefined while that is not enough. */
export function serverHello(heard: Buffer, ended: boolean): ServerHello | undefined {
  const { handshake, alert } = messages(heard);
  const hello = handshake.get(2);
  if (hello === undefined) return alert || ended ? {} : undefined;
  const afterSession = 35 + (hello[34] ?? 0);
  const found = extensionsOf(hello, afterSession + 3);
  const selected = found.get(extension.versions)?.readUInt16BE(0);
  const version = versionOf(selected ?? hello.readUInt16BE(0));
  // The key exchange ends before "done" (14); a cipher without one has only that.
  const exchange = handshake.get(12);
  if (version !== "TLS 1.3" && exchange === undefined && !handshake.has(14) && !ended && !alert)
    return undefined;
  const named = exchange !== undefined && exchange[0] === 3;
  const signedAt = named ? 4 + (exchange[3] ?? 0) : 0;
  const share = found.get(extension.keyShare);
  return {
    agreed: {
      version,
      cipher: hello.readUInt16BE(afterSession),
      ...(share === undefined ? {} : { group: share.readUInt16BE(0) }),
      ...(named ? { group: exchange.readUInt16BE(1) } : {}),
      ...(named && version === "TLS 1.2" ? { signature: exchange.readUInt16BE(signedAt) } : {}),
      compressed: hello[afterSession + 2] !== 0,
      extendedMasterSecret: version === "TLS 1.3" || found.has(extension.extendedMasterSecret),
      secureRenegotiation: version === "TLS 1.3" || found.has(extension.renegotiation),
    },
  };
}

/** Offers this on a port and hangs up when the host has said what it thinks of it. */
export async function hello(place: Place, offer: Offer): Promise<ServerHello> {
  const { socket } = await beforeTls(place);
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    const consider = (ended: boolean) => {
      const answer = serverHello(heard, ended);
      if (answer === undefined) return;
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(answerSeconds * 1000, () => {
      socket.destroy();
      reject(new Error(`${place.address} port ${place.port} says nothing in TLS`));
    });
    socket.on("data", (data: Buffer) => {
      heard = Buffer.concat([heard, data]);
      consider(false);
    });
    socket.on("close", () => consider(true));
    socket.on("error", () => consider(true));
    socket.write(clientHello(place.name, offer));
    socket.resume();
  });
}
