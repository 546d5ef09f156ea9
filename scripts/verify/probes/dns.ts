// DNS as the judge needs it: with the resolver's word on DNSSEC, and every record type it reads. dns-packet
// writes and reads the messages, because neither Node's own resolver nor a JSON of dig's has both.

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import * as packet from "dns-packet";
import { z } from "zod";
import { Unreachable } from "../check";
import { remembered } from "./remembered";

const text = z.string();
const bytes = z.instanceof(Buffer);
/** Trailing dots, and capitals, mean nothing. */
const domainName = text.transform((name) => name.replace(/\.$/, "").toLowerCase());

const shapes = {
  A: text,
  AAAA: text,
  CNAME: domainName,
  NS: domainName,
  PTR: domainName,
  MX: z.object({ preference: z.number().default(0), exchange: domainName }),
  TXT: z
    .union([text, bytes, z.array(z.union([text, bytes]))])
    .transform((chunks) => [chunks].flat().join("")),
  SOA: z.object({ mname: domainName }),
  SRV: z.object({
    priority: z.number().default(0),
    weight: z.number().default(0),
    port: z.number(),
    target: domainName,
  }),
  CAA: z.object({ flags: z.number().default(0), tag: text, value: text }),
  DS: z.object({ keyTag: z.number(), algorithm: z.number(), digestType: z.number() }),
  TLSA: z.object({
    usage: z.number(),
    selector: z.number(),
    matchingType: z.number(),
    certificate: bytes.transform((data) => data.toString("hex")),
  }),
} as const;

export type RecordType = keyof typeof shapes;
export type RecordData = { readonly [T in RecordType]: z.output<(typeof shapes)[T]> };

/** For the compiler, to which the table above is one shape of many. */
const shapeOf: { readonly [T in RecordType]: z.ZodType<RecordData[T]> } = shapes;

/** The types leave out what the code of an answer is called. */
const Decoded = z.object({ rcode: text });

export interface Answer<T> {
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL` … */
  readonly code: string;
  /** Whether the resolver vouches for it by DNSSEC. */
  readonly authentic: boolean;
  /** Whether a name server with authority over the zone says so itself. */
  readonly authoritative: boolean;
  readonly records: readonly T[];
}

export interface How {
  /** Without the resolver's own DNSSEC validation. */
  readonly unchecked?: boolean;
  /** Ask this name server about its own zone, and not the resolver. */
  readonly server?: string;
}

export type Ask = <T extends RecordType>(
  name: string,
  type: T,
  how?: How,
) => Promise<Answer<RecordData[T]>>;

const questionSeconds = 4;
const attempts = 2;

function question(name: string, type: RecordType, { unchecked = false, server }: How): Buffer {
  const recursion = server === undefined ? packet.RECURSION_DESIRED : 0;
  return packet.encode({
    type: "query",
    id: randomInt(0xffff),
    flags: recursion | packet.AUTHENTIC_DATA | (unchecked ? packet.CHECKING_DISABLED : 0),
    questions: [{ type, name }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: packet.DNSSEC_OK,
        flag_do: true,
        options: [],
      },
    ],
  });
}

function overUdp(server: string, asked: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server) ? "udp6" : "udp4");
    const finish = (settle: () => void) => {
      clearTimeout(limit);
      socket.close();
      settle();
    };
    const limit = setTimeout(
      () => finish(() => reject(new Error("does not answer over UDP"))),
      questionSeconds * 1000,
    );
    socket.on("error", (error) => finish(() => reject(error)));
    socket.on("message", (answer) => {
      if (answer.readUInt16BE(0) === asked.readUInt16BE(0)) finish(() => resolve(answer));
    });
    socket.connect(53, server, () => socket.send(asked));
  });
}

function overTcp(server: string, asked: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server, port: 53 });
    let heard = Buffer.alloc(0);
    socket.setTimeout(questionSeconds * 1000, () =>
      socket.destroy(new Error("does not answer over TCP")),
    );
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("hangs up over TCP")));
    socket.on("data", (data) => {
      heard = Buffer.concat([heard, data]);
      if (heard.length < 2 || heard.length < 2 + heard.readUInt16BE(0)) return;
      resolve(heard.subarray(2, 2 + heard.readUInt16BE(0)));
      socket.destroy();
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(asked.length);
    socket.write(Buffer.concat([length, asked]));
  });
}

async function answerTo(server: string, asked: Buffer): Promise<packet.DecodedPacket> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = packet.decode(await overUdp(server, asked));
      return answer.flag_tc ? packet.decode(await overTcp(server, asked)) : answer;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENETUNREACH" || code === "EADDRNOTAVAIL")
        throw new Unreachable(`no way to ${server} from here (${code})`);
      if (attempt === attempts)
        throw new Error(
          `name server ${server}: ${error instanceof Error ? error.message : String(error)}`,
        );
    }
  }
}

/** Asks this resolver, unless a question names another server. */
export function resolverAt(resolver: string): Ask {
  const send = remembered((name: string, type: RecordType, how: How) =>
    answerTo(how.server ?? resolver, question(name, type, how)),
  );
  return async (name, type, how = {}) => {
    const answer = await send(name, type, how);
    const { flag_ad, flag_aa, answers = [] } = answer;
    return {
      code: Decoded.parse(answer).rcode,
      authentic: flag_ad,
      authoritative: flag_aa,
      records: answers
        .filter((record) => record.type === type)
        .map((record) => shapeOf[type].parse("data" in record ? record.data : undefined)),
    };
  };
}
