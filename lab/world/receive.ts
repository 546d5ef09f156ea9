// The foreign mail hosts: each listens on its own addresses, takes mail for its own domain in its own
// way, and keeps what it got with what it saw of the sender.

import { SMTPServer, type SMTPServerSession } from "smtp-server";
import { z } from "zod";
import { pause } from "../host/run";
import type { WorldCredentials } from "./credentials";
import { type MailDomain, mailDomains } from "./domains";
import type { Inbox } from "./inbox";
import type { ReceivedEnvelope } from "./mail";
import { verdictsOf } from "./verdicts";

const sizeLimit = 50 * 2 ** 20;
const slowSeconds = 4;

const withoutMapping = (address: string): string => address.replace(/^::ffff:/, "");

const refusal = (responseCode: number, message: string): Error =>
  Object.assign(new Error(message), { responseCode });

const cipherSchema = z.object({ name: z.string(), version: z.string() });

function envelopeOf(session: SMTPServerSession, host: string): ReceivedEnvelope {
  const { mailFrom, rcptTo } = session.envelope;
  const tls = session.secure ? cipherSchema.parse(session.tlsOptions) : undefined;
  return {
    receivedAt: new Date().toISOString(),
    host,
    clientAddress: withoutMapping(session.remoteAddress),
    helo: session.hostNameAppearsAs || "",
    from: mailFrom === false ? "" : mailFrom.address,
    to: rcptTo.map((recipient) => recipient.address),
    tls: tls === undefined ? null : { protocol: tls.version, cipher: tls.name },
  };
}

/** Puts off whom it does not know yet: the same client, sender and recipient must come again. */
class Greylist {
  readonly #known = new Set<string>();

  knows(session: SMTPServerSession, recipient: string): boolean {
    const { envelope, remoteAddress } = session;
    const sender = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
    const triplet = JSON.stringify([remoteAddress, sender, recipient]);
    const known = this.#known.has(triplet);
    this.#known.add(triplet);
    return known;
  }
}

function mailServer(domain: MailDomain, credentials: WorldCredentials, inbox: Inbox): SMTPServer {
  const { name, host, certificate, receives } = domain;
  const greylist = new Greylist();
  const server = new SMTPServer({
    ...(certificate === "none" ? {} : credentials[certificate]),
    name: host,
    banner: name,
    disabledCommands: certificate === "none" ? ["AUTH", "STARTTLS"] : ["AUTH"],
    disableReverseLookup: true,
    size: sizeLimit,
    onConnect: (_session, done) => {
      if (receives === "slowly") pause(slowSeconds * 1000).then(() => done(), done);
      else done();
    },
    onRcptTo: ({ address }, session, done) => {
      if (!address.toLowerCase().endsWith(`@${name}`)) done(refusal(550, "relay denied"));
      else if (receives === "second-try" && !greylist.knows(session, address))
        done(refusal(451, "4.7.1 greylisted, please come again"));
      else done();
    },
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("error", done);
      stream.on("end", () => {
        const keep = async (): Promise<void> => {
          const raw = Buffer.concat(parts);
          const envelope = envelopeOf(session, host);
          const { clientAddress, helo, from: sender } = envelope;
          const verdicts = await verdictsOf(raw, { clientAddress, helo, sender, host });
          await inbox.keep(raw, envelope, verdicts);
        };
        keep().then(() => done(), done);
      });
    },
  });
  server.on("error", (error) => process.stderr.write(`${host}: ${error.message}\n`));
  return server;
}

/** Starts every foreign mail host on each of its addresses. */
export async function serveMailHosts(credentials: WorldCredentials, inbox: Inbox): Promise<void> {
  const listening = mailDomains
    .filter(({ receives }) => receives !== "never")
    .flatMap((domain) =>
      domain.families.map((family) => {
        const address = family === 4 ? domain.addresses.ipv4 : domain.addresses.ipv6;
        const server = mailServer(domain, credentials, inbox);
        return new Promise<void>((resolve) => server.listen(25, address, () => resolve()));
      }),
    );
  await Promise.all(listening);
}
