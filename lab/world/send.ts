// Mail from the foreign domains to the world: over MX and SMTP, from their hosts' own addresses, with
// STARTTLS where it is offered. Runs inside the lab's network; others ask the supervisor.

import { readFile } from "node:fs/promises";
import { isIPv6, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import { z } from "zod";
import type { WorldCredentials } from "./credentials";
import { elsewhereDomain, type MailDomain, mailDomain } from "./domains";
import { addressOf, mailHostsOf } from "./lookups";
import type { Delivery, OutgoingMail } from "./mail";
import { knownDomain, madeMessage } from "./message";
import { distrust, judged, objection, publishedBy } from "./peer";

const smtpFailure = z.object({
  message: z.string(),
  response: z.string().optional(),
  responseCode: z.number().optional(),
});

const domainOf = (address: string): string => address.split("@").at(-1)?.toLowerCase() ?? "";

/** The domain whose host sends a mail. */
function originOf({ from, via }: OutgoingMail): MailDomain {
  return via === undefined
    ? (mailDomain(domainOf(from)) ?? knownDomain(elsewhereDomain))
    : knownDomain(via);
}

/** Notes a dialogue in the form of nodemailer's logger. */
function dialogueLogger(transcript: string[]) {
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
  const all = { trace: note, debug: note, info: note, warn: note, error: note, fatal: note };
  return { level: () => {}, ...all };
}

/** An SMTP session that fails as a whole: whatever breaks it rejects what is under way. */
class Session {
  readonly #connection: SMTPConnection;
  readonly #broken: Promise<never>;

  constructor(options: ConstructorParameters<typeof SMTPConnection>[0]) {
    this.#connection = new SMTPConnection(options);
    this.#broken = new Promise((_, reject) => {
      this.#connection.on("error", reject);
      this.#connection.on("end", () => reject(new Error("the host has hung up")));
    });
    this.#broken.catch(() => {});
  }

  /** Connects, greets, and takes TLS where it is offered. */
  open(): Promise<void> {
    const opened = new Promise<void>((resolve) => this.#connection.connect(() => resolve()));
    return Promise.race([opened, this.#broken]);
  }

  get tls(): TLSSocket | undefined {
    const socket: Socket | false | null = this.#connection._socket;
    return socket instanceof TLSSocket ? socket : undefined;
  }

  send(from: string, to: string[], message: string): Promise<string> {
    const sent = new Promise<string>((resolve, reject) => {
      this.#connection.send({ from, to }, message, (error, info) => {
        const refused = info?.rejectedErrors?.[0];
        if (error || refused || !info) reject(error ?? refused);
        else resolve(info.response);
      });
    });
    return Promise.race([sent, this.#broken]);
  }

  close(): void {
    this.#connection.close();
  }
}

/** Delivers a message to the first mail exchanger of the first recipient's domain. */
export async function deliver(
  mail: OutgoingMail,
  { credentials, caFile }: { readonly credentials: WorldCredentials; readonly caFile: string },
): Promise<Delivery> {
  const recipients = typeof mail.to === "string" ? [mail.to] : mail.to;
  const domain = domainOf(recipients[0] ?? "");
  const { message: raw, host: sender } = await madeMessage(mail, originOf(mail), credentials);
  const usual = sender.families.includes(4) ? 4 : 6;
  const family = mail.source === undefined ? (mail.family ?? usual) : isIPv6(mail.source) ? 6 : 4;
  const [host = domain] = await mailHostsOf(domain);
  const address = await addressOf(host, family);
  const published = await publishedBy(domain, host, family, caFile);
  const transcript: string[] = [];
  const session = new Session({
    host: address,
    port: 25,
    name: mail.helo ?? sender.host,
    localAddress: mail.source ?? (family === 4 ? sender.addresses.ipv4 : sender.addresses.ipv6),
    secure: false,
    tls: { rejectUnauthorized: false, servername: host, ca: await readFile(caFile) },
    connectionTimeout: 15_000,
    greetingTimeout: 30_000,
    socketTimeout: 60_000,
    debug: true,
    logger: dialogueLogger(transcript),
  });
  let tls: Delivery["tls"] = null;
  let security = judged(published, undefined);
  const outcome = (accepted: boolean, code: number, reply: string): Delivery => ({
    ...{ accepted, code, reply, host, address, tls, ...security, transcript, raw },
  });
  try {
    await session.open();
    const socket = session.tls;
    if (socket !== undefined) {
      const { standardName } = socket.getCipher();
      const protocol = socket.getProtocol() ?? "TLS";
      tls = { protocol, cipher: standardName, untrusted: distrust(socket) };
    }
    security = judged(published, socket);
    const reason = mail.enforce ? objection(security) : undefined;
    if (reason !== undefined) return outcome(false, 0, reason);
    const reply = await session.send(mail.from, recipients, raw);
    return outcome(true, Number(reply.slice(0, 3)), reply);
  } catch (error) {
    const failure = smtpFailure.parse(
      error instanceof Error
        ? Object.assign({ message: error.message }, error)
        : { message: String(error) },
    );
    return outcome(false, failure.responseCode ?? 0, failure.response ?? failure.message);
  } finally {
    session.close();
  }
}
