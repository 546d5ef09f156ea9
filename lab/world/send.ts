// Mail from elsewhere.test to the world: over MX and SMTP, from that host's own addresses, with
// STARTTLS where it is offered. Runs inside the lab's network; others ask the supervisor.

import { Resolver } from "node:dns/promises";
import { createTransport } from "nodemailer";
import { z } from "zod";
import { elsewhere, resolvers } from "../network/addresses";
import { elsewhereHost } from "./zones";

/** A message to send; `raw` is sent as it is, otherwise one is made of subject and text. */
export const outgoingMailSchema = z.object({
  from: z.string(),
  to: z.union([z.string(), z.array(z.string())]),
  subject: z.string().exactOptional(),
  text: z.string().exactOptional(),
  raw: z.string().exactOptional(),
  /** Address family of the connection. */
  family: z.union([z.literal(4), z.literal(6)]).exactOptional(),
});

export type OutgoingMail = z.infer<typeof outgoingMailSchema>;

/** What came of a message. */
export const deliverySchema = z.object({
  /** True when every recipient was taken and the message too. */
  accepted: z.boolean(),
  /** Code and text of the reply that decided. */
  code: z.number(),
  reply: z.string(),
  /** Host of the MX record, and the address that was tried. */
  host: z.string(),
  address: z.string(),
  tls: z.boolean(),
  /** The dialogue: `C:` and `S:` lines. */
  transcript: z.array(z.string()),
});

export type Delivery = z.infer<typeof deliverySchema>;

const smtpFailure = z.object({
  message: z.string(),
  response: z.string().optional(),
  responseCode: z.number().optional(),
});

async function addressOf(host: string, family: 4 | 6, resolver: Resolver): Promise<string> {
  const found = await (family === 4 ? resolver.resolve4(host) : resolver.resolve6(host));
  const first = found[0];
  if (first === undefined) throw new Error(`${host}: no address of family ${family}`);
  return first;
}

async function exchanger(domain: string, resolver: Resolver): Promise<string> {
  const found = await resolver.resolveMx(domain).catch(() => []);
  const best = [...found].sort((one, other) => one.priority - other.priority)[0];
  return best?.exchange ?? domain;
}

/** Delivers a message to the first mail exchanger of the first recipient's domain. */
export async function deliver(mail: OutgoingMail): Promise<Delivery> {
  const recipients = typeof mail.to === "string" ? [mail.to] : mail.to;
  const domain = recipients[0]?.split("@").at(-1) ?? "";
  const family = mail.family ?? 4;
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers(resolvers.map(({ ipv4 }) => ipv4));
  const host = await exchanger(domain, resolver);
  const address = await addressOf(host, family, resolver);
  const transcript: string[] = [];
  const note = (entry: unknown, ...rest: unknown[]): void => {
    const side = z.object({ tnx: z.enum(["client", "server"]) }).safeParse(entry);
    if (!side.success) return;
    const [format, ...values] = rest;
    const text = values.reduce<string>(
      (line, value) => line.replace("%s", String(value)),
      String(format),
    );
    for (const line of text.split(/\r?\n/).filter(Boolean)) {
      transcript.push(`${side.data.tnx === "client" ? "C" : "S"}: ${line}`);
    }
  };
  const logger = {
    level: () => {},
    trace: note,
    debug: note,
    info: note,
    warn: note,
    error: note,
    fatal: note,
  };
  const transport = createTransport({
    host: address,
    port: 25,
    name: elsewhereHost,
    localAddress: family === 4 ? elsewhere.ipv4 : elsewhere.ipv6,
    secure: false,
    tls: { rejectUnauthorized: false, servername: host },
    connectionTimeout: 15_000,
    greetingTimeout: 30_000,
    socketTimeout: 60_000,
    debug: true,
    logger,
  });
  const place = { host, address, transcript };
  const tls = (): boolean => transcript.some((line) => line === "C: STARTTLS");
  try {
    const sent = await transport.sendMail({
      envelope: { from: mail.from, to: recipients },
      ...(mail.raw === undefined
        ? {
            from: mail.from,
            to: recipients,
            subject: mail.subject ?? "a message from elsewhere",
            text: mail.text ?? "Hello.\n",
          }
        : { raw: mail.raw }),
    });
    const code = Number(sent.response.slice(0, 3));
    const accepted = sent.rejected.length === 0;
    return { accepted, code, reply: sent.response, tls: tls(), ...place };
  } catch (error) {
    const failure = smtpFailure.parse(
      error instanceof Error
        ? Object.assign({ message: error.message }, error)
        : { message: String(error) },
    );
    const reply = failure.response ?? failure.message;
    return { accepted: false, code: failure.responseCode ?? 0, reply, tls: tls(), ...place };
  } finally {
    transport.close();
  }
}
