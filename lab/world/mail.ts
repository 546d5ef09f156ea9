// What the supervisor and those who ask it for mail say to each other: mail to send, what became of it,
// and what a foreign host found in the mail that it received.

import { z } from "zod";

const algorithm = z.enum(["rsa", "ed25519"]);

/** A message to send; `raw` is taken as it is, otherwise one is made of the other fields. */
export const outgoingMailSchema = z.object({
  /** Envelope sender. */
  from: z.string(),
  to: z.union([z.string(), z.array(z.string())]),
  /** Sender in the header; the envelope's unless said otherwise. */
  headerFrom: z.string().exactOptional(),
  subject: z.string().exactOptional(),
  text: z.string().exactOptional(),
  /** Lines put before the header as they are, such as a forged Authentication-Results. */
  headers: z.array(z.string()).exactOptional(),
  raw: z.string().exactOptional(),
  /** The foreign domain whose host sends it; that of the envelope sender, or elsewhere.test. */
  via: z.string().exactOptional(),
  /** Source address of the connection; one of the sending host unless said otherwise. */
  source: z.string().exactOptional(),
  /** Name given in EHLO; the sending host's own unless said otherwise. */
  helo: z.string().exactOptional(),
  /**
   * The host's DKIM signatures, as the domain of the header's sender. Both, where that domain is the host's own
   * and the message is not given raw; none otherwise.
   */
  signatures: z.array(algorithm).exactOptional(),
  /** Foreign domains that forward it, each sealing what it found (ARC); a footer breaks what was signed. */
  forwarders: z
    .array(z.object({ domain: z.string(), footer: z.string().exactOptional() }))
    .exactOptional(),
  /** Changes the body after everything was signed and sealed. */
  tampered: z.boolean().exactOptional(),
  /** Address family of the connection; IPv4 unless the source says otherwise. */
  family: z.union([z.literal(4), z.literal(6)]).exactOptional(),
  /** Does not deliver when DANE, or where there is none an enforced MTA-STS policy, is not fulfilled. */
  enforce: z.boolean().exactOptional(),
});

export type OutgoingMail = z.infer<typeof outgoingMailSchema>;

const sessionSchema = z.object({ protocol: z.string(), cipher: z.string() });

/** What a strict peer finds of the receiving domain. */
const securitySchema = z.object({
  /** `none`: nothing published, or not in a signed zone. `error`: the DNS gives no answer to rely on. */
  result: z.enum(["valid", "invalid", "none", "error"]),
  /** The reason in one sentence. */
  detail: z.string(),
});

export type Security = z.infer<typeof securitySchema>;

/** What came of a message. */
export const deliverySchema = z.object({
  /** True when every recipient was taken and the message too. */
  accepted: z.boolean(),
  /** Code and text of the reply that decided; code 0 when the sender itself gave up. */
  code: z.number(),
  reply: z.string(),
  /** Host of the MX record, and the address that was tried. */
  host: z.string(),
  address: z.string(),
  /** TLS of the session, and why its certificate is not trusted for the host's name; null in the clear. */
  tls: sessionSchema.extend({ untrusted: z.string().nullable() }).nullable(),
  dane: securitySchema,
  mtaSts: securitySchema.extend({ mode: z.string() }),
  /** The dialogue: `C:` and `S:` lines. */
  transcript: z.array(z.string()),
  /** The message as it was handed over. */
  raw: z.string(),
});

export type Delivery = z.infer<typeof deliverySchema>;

/** What authentication says of a message, in the words of RFC 8601. */
export const verdictsSchema = z.object({
  spf: z.object({ result: z.string(), domain: z.string() }),
  /** Each signature of the message, in its order. */
  dkim: z.array(
    z.object({
      domain: z.string(),
      selector: z.string(),
      algorithm: z.string(),
      result: z.string(),
      comment: z.string(),
    }),
  ),
  dmarc: z.object({ result: z.string(), policy: z.string(), domain: z.string() }),
  /** The chain, and the number of its last seal. */
  arc: z.object({ result: z.string(), seals: z.number(), comment: z.string() }),
});

export type Verdicts = z.infer<typeof verdictsSchema>;

/** What a receiving host notes of a message besides its bytes. */
export const envelopeSchema = z.object({
  receivedAt: z.string(),
  /** The receiving host. */
  host: z.string(),
  clientAddress: z.string(),
  /** Name that the client gave in HELO or EHLO. */
  helo: z.string(),
  from: z.string(),
  to: z.array(z.string()),
  /** TLS of the session; null when the message came in the clear. */
  tls: sessionSchema.nullable(),
});

export type ReceivedEnvelope = z.infer<typeof envelopeSchema>;

/** One message that a foreign domain received. */
export interface ReceivedMail {
  readonly envelope: ReceivedEnvelope;
  readonly verdicts: Verdicts;
  /** The message as it came over the wire. */
  readonly raw: string;
}
