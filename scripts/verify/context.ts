// What a judge may ask of the world: one method for each kind of probe, and the few questions that many
// checks begin with. Knows no check.

import type { Ask } from "./probes/dns";
import type { Offer, ServerHello } from "./probes/hello";
import type { Arrival, MailLogin } from "./probes/mailbox";
import type { Reply, Talk } from "./probes/smtp";
import type { Session } from "./probes/tls";
import type { Page } from "./probes/web";

/** Whom the judge looks at. */
export interface Subject {
  readonly hostname: string;
  readonly domains: readonly string[];
  /** DKIM selectors by domain, where somebody says which are in use. */
  readonly selectors: Readonly<Record<string, readonly string[]>>;
  /** Where the stack says that the host is. */
  readonly addresses: readonly string[];
  readonly login?: MailLogin;
}

/** A port of an address, and the name that a client asks for there. */
export interface Place {
  readonly address: string;
  readonly port: number;
  readonly name: string;
}

/** Whether a connection comes about. */
export type Reach = "open" | "refused" | "no answer" | "no route";

/** Everything that touches the network. */
export interface Probes {
  readonly ask: Ask;
  /** A conversation in SMTP. */
  talk(talk: Talk): Promise<readonly Reply[]>;
  /** The first words of TLS, by hand. */
  hello(place: Place, offer: Offer): Promise<ServerHello>;
  /** A whole handshake. */
  session(place: Place): Promise<Session>;
  /** How much early data the host would take; undefined where nobody here can tell. */
  earlyData(place: Place): Promise<number | undefined>;
  reach(address: string, port: number): Promise<Reach>;
  page(url: string, body?: string): Promise<Page>;
  /** Reads a mail that was just sent, and deletes it. */
  arrival(login: MailLogin, place: Place, subject: string): Promise<Arrival>;
  /** Logs in over IMAP; what the host said when it refused. */
  imapLogin(login: MailLogin, place: Place): Promise<string | undefined>;
}

export interface Context extends Probes {
  readonly subject: Subject;
}

/** The hosts that mail for these domains goes to; the host itself where there is no MX at all. */
export async function mailHosts({ ask, subject }: Context): Promise<string[]> {
  const exchanges = await Promise.all(
    subject.domains.map(async (domain) => (await ask(domain, "MX")).records),
  );
  const names = exchanges.flat().map(({ exchange }) => exchange);
  const hosts = [...new Set(names)].filter((name) => name !== "");
  return hosts.length === 0 ? [subject.hostname] : hosts;
}

/** Every address of a name. */
export async function addressesOf({ ask }: Context, name: string): Promise<string[]> {
  const answers = await Promise.all([ask(name, "A"), ask(name, "AAAA")]);
  return answers.flatMap(({ records }) => records);
}

/** Port 25 (or another) of every address of every mail host. */
export async function placesOf(context: Context, port = 25): Promise<Place[]> {
  const hosts = port === 25 ? await mailHosts(context) : [context.subject.hostname];
  const places = hosts.map(async (name) =>
    (await addressesOf(context, name)).map((address) => ({ address, port, name })),
  );
  return (await Promise.all(places)).flat();
}

/** The zone that a name lies in. */
export async function zoneOf({ ask }: Pick<Context, "ask">, name: string): Promise<string> {
  const { records } = await ask(name, "SOA", { unchecked: true });
  const parent = name.slice(name.indexOf(".") + 1);
  return records.length > 0 || !name.includes(".") ? name : zoneOf({ ask }, parent);
}

/** Names below a mail domain that the host serves over HTTPS. */
export const webNames = ({ subject }: Context): string[] =>
  subject.domains.flatMap((domain) =>
    ["mta-sts", "autoconfig", "autodiscover"].map((word) => `${word}.${domain}`),
  );
