// The bytes of a message before it is sent: composed, signed by its host, forwarded and sealed by others,
// and spoiled where it is to be.

import { authenticate, createSeal, dkimSign } from "mailauth";
import MailComposer from "nodemailer/lib/mail-composer";
import type { WorldCredentials } from "./credentials";
import { type MailDomain, mailDomain } from "./domains";
import type { OutgoingMail } from "./mail";
import { authentication } from "./verdicts";

const hash = "sha256";

/** The foreign domain of that name; one that there is not says which there are. */
export function knownDomain(name: string): MailDomain {
  const found = mailDomain(name);
  if (found === undefined) throw new Error(`"${name}" is no foreign mail domain of this lab`);
  return found;
}

async function compose(mail: OutgoingMail): Promise<string> {
  const { from, headerFrom = from, to, subject, text, headers = [] } = mail;
  const content = {
    from: headerFrom,
    to,
    subject: subject ?? "a message from elsewhere",
    text: text ?? "Hello.\n",
  };
  const built = await new MailComposer(content).compile().build();
  const lines = [...headers, built.toString("utf8")].join("\n");
  return lines.replace(/\r?\n/g, "\r\n");
}

async function signed(
  message: string,
  algorithms: readonly ("rsa" | "ed25519")[],
  domain: string,
  { dkim }: WorldCredentials,
): Promise<string> {
  const [first, ...others] = algorithms.map((algorithm) => ({
    signingDomain: domain,
    selector: algorithm,
    privateKey: dkim[algorithm],
    algorithm: `${algorithm}-${hash}`,
  }));
  if (first === undefined) return message;
  // By itself mailauth asks the clock twice, and the signature is wrong when a second ends in between.
  const options = { ...first, signatureData: [first, ...others], signTime: new Date() };
  const { signatures, errors } = await dkimSign(message, options);
  if (errors.length > 0) throw errors[0];
  return signatures + message;
}

/** One message on its way: its bytes, and the host that hands it on. */
interface Hop {
  readonly message: string;
  readonly host: MailDomain;
}

const addressFrom = ({ addresses, families }: MailDomain): string =>
  families.includes(4) ? addresses.ipv4 : addresses.ipv6;

/** What a forwarder makes of a message: its footer below, and its seal on what it had found above. */
async function forwarded(
  { message, host }: Hop,
  { domain, footer }: { readonly domain: string; readonly footer?: string },
  sender: string,
  { dkim }: WorldCredentials,
): Promise<Hop> {
  const forwarder = knownDomain(domain);
  const session = {
    clientAddress: addressFrom(host),
    helo: host.host,
    sender,
    host: forwarder.host,
  };
  const { arc } = await authenticate(message, authentication(session));
  const body = footer === undefined ? message : `${message}${footer}\r\n`;
  const seal = {
    signingDomain: domain,
    selector: "rsa",
    privateKey: dkim.rsa,
    algorithm: `rsa-${hash}`,
    authResults: arc === false ? "" : arc.authResults,
    cv: arc === false ? "none" : arc.status.result,
  };
  const { headers } = await createSeal(body, { seal });
  return { message: `${headers.join("\r\n")}\r\n${body}`, host: forwarder };
}

/** The message that is handed over, and the host that does it: the sender's, or the last forwarder's. */
export async function madeMessage(
  mail: OutgoingMail,
  origin: MailDomain,
  credentials: WorldCredentials,
): Promise<Hop> {
  const { raw, from, forwarders = [], tampered = false } = mail;
  const usual = raw === undefined && origin.dkim ? (["rsa", "ed25519"] as const) : [];
  const composed = raw ?? (await compose(mail));
  let hop: Hop = {
    message: await signed(composed, mail.signatures ?? usual, origin.name, credentials),
    host: origin,
  };
  for (const { domain, footer } of forwarders) {
    const step = footer === undefined ? { domain } : { domain, footer };
    hop = await forwarded(hop, step, from, credentials);
  }
  return tampered ? { ...hop, message: `${hop.message}This line was added on the way.\r\n` } : hop;
}
