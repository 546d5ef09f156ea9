// A mail host that is as it ought to be, as the judge's probes would find it: a plain object whose parts
// a test takes away or spoils. Nothing here touches the network.

import { createHash, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { dkimSign } from "mailauth/lib/dkim/sign";
import type { Context, Place, Reach } from "../../scripts/verify/context";
import type { RecordData, RecordType } from "../../scripts/verify/probes/dns";
import type { Offer, ServerHello, Version } from "../../scripts/verify/probes/hello";
import type { Page } from "../../scripts/verify/probes/web";
import { ciphers, groups, signatures } from "../../scripts/verify/tls-lists";
import { converse, type ModelServer } from "./model-server";

export const host = "mail.example.test";
export const domain = "example.test";
const ipv4 = "192.0.2.25";
const ipv6 = "2001:db8::25";
const alice = `alice@${domain}`;
const password = "a password";

export const certificate = (name: string) =>
  new X509Certificate(readFileSync(`test/fixtures/certificates/${name}.pem`));

/** `3 1 1` for the key of a certificate. */
export const tlsaOf = (name: string): RecordData["TLSA"] => ({
  usage: 3,
  selector: 1,
  matchingType: 1,
  certificate: createHash("sha256")
    .update(certificate(name).publicKey.export({ type: "spki", format: "der" }))
    .digest("hex"),
});

const keys = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ed25519: generateKeyPairSync("ed25519"),
};
const der = (key: KeyObject) => key.export({ type: "spki", format: "der" });
const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

export const rsaKey = (bits: number) =>
  `v=DKIM1; k=rsa; p=${der(generateKeyPairSync("rsa", { modulusLength: bits }).publicKey).toString("base64")}`;

/** What the host agrees to in TLS. */
export interface ModelTls {
  versions: Version[];
  ciphers: number[];
  groups: number[];
  signatures: number[];
  /** Takes the client's first choice, and not its own. */
  follows: boolean;
  compressed: boolean;
  extendedMasterSecret: boolean;
  secureRenegotiation: boolean;
  renegotiations: number;
  earlyData: number | undefined;
}

export interface World {
  /** Records by `<name> <type>`. */
  records: Record<string, unknown[]>;
  /** Response codes of names that have no records, where it is not NXDOMAIN. */
  codes: Record<string, string>;
  /** Names of zones whose answers the resolver does not vouch for. */
  unsigned: string[];
  /** Zones whose signatures do not validate. */
  bogus: string[];
  /** Addresses and ports that are not as one would expect: `192.0.2.25 25`. */
  reach: Record<string, Reach>;
  /** Name servers that do not answer for their zone. */
  lame: string[];
  tls: ModelTls;
  chain: string[];
  /** Another chain on this port. */
  chains: Record<number, string[]>;
  distrust: string | undefined;
  pages: Record<string, Page>;
  server: ModelServer;
  imapRefusal: string | undefined;
  /** Signs what users send with these keys. */
  signsWith: ("rsa" | "ed25519")[];
  /** Whether mails that users send to themselves arrive. */
  arrives: boolean;
  loggedIn: boolean;
  selectors: Record<string, string[]>;
}

const page = (contentType: string, text: string): Page => ({ status: 200, contentType, text });
const setting = (protocol: string, kind: string, port: number, socket: string) =>
  `<${kind} type="${protocol}"><hostname>${host}</hostname><port>${port}</port><socketType>${socket}</socketType><username>%EMAILADDRESS%</username></${kind}>`;
const outlook = (type: string, port: number) =>
  `<Protocol><Type>${type}</Type><Server>${host}</Server><Port>${port}</Port><SSL>on</SSL></Protocol>`;
const apple = (address: string) => `<?xml version="1.0"?><plist version="1.0"><dict>
  <key>PayloadType</key><string>Configuration</string><key>PayloadContent</key><array><dict>
  <key>PayloadType</key><string>com.apple.mail.managed</string>
  <key>EmailAccountType</key><string>EmailTypeIMAP</string>
  <key>EmailAddress</key><string>${address}</string>
  <key>IncomingMailServerHostName</key><string>${host}</string>
  <key>IncomingMailServerPortNumber</key><integer>993</integer>
  <key>IncomingMailServerUseSSL</key><true/>
  <key>IncomingMailServerUsername</key><string>${address}</string>
  <key>OutgoingMailServerHostName</key><string>${host}</string>
  <key>OutgoingMailServerPortNumber</key><integer>465</integer>
  <key>OutgoingMailServerUseSSL</key><true/>
  <key>OutgoingMailServerUsername</key><string>${address}</string>
  </dict></array></dict></plist>`;

export const urls = {
  policy: `https://mta-sts.${domain}/.well-known/mta-sts.txt`,
  autoconfig: (address: string) =>
    `https://autoconfig.${domain}/mail/config-v1.1.xml?emailaddress=${encodeURIComponent(address)}`,
  autodiscover: `https://autodiscover.${domain}/autodiscover/autodiscover.xml`,
  apple: (address: string) =>
    `https://autoconfig.${domain}/apple.mobileconfig?email=${encodeURIComponent(address)}`,
};
const postmaster = `postmaster@${domain}`;
const config = `<clientConfig version="1.1"><emailProvider id="${domain}"><domain>${domain}</domain>${setting("imap", "incomingServer", 993, "SSL")}${setting("smtp", "outgoingServer", 465, "SSL")}${setting("smtp", "outgoingServer", 587, "STARTTLS")}</emailProvider></clientConfig>`;
const discovered = `<Autodiscover><Response><Account>${outlook("IMAP", 993)}${outlook("SMTP", 465)}</Account></Response></Autodiscover>`;

/** Everything as it ought to be. */
export function world(): World {
  const caa = [
    { flags: 0, tag: "issue", value: "letsencrypt.org; accounturi=https://ca.test/acct/1" },
  ];
  const srv = (target: string, port: number) => [{ priority: 0, weight: 1, port, target }];
  const noMail = ["mta-sts", "autoconfig", "autodiscover"].flatMap((word) => [
    [`${word}.${domain} MX`, [{ preference: 0, exchange: "" }]],
    [`${word}.${domain} TXT`, ["v=spf1 -all"]],
    [`${word}.${domain} CAA`, caa],
  ]);
  const text = (address: string) => page("text/xml", apple(address));
  return {
    records: {
      ". NS": ["a.root-servers.net"],
      [`${domain} SOA`]: [{ mname: "ns1.dns.test" }],
      [`${domain} DS`]: [{ keyTag: 1, algorithm: 13, digestType: 2 }],
      [`${domain} NS`]: ["ns1.dns.test", "ns2.dns.test"],
      "ns1.dns.test AAAA": ["2001:db8::1"],
      "ns2.dns.test AAAA": ["2001:db8::2"],
      [`${domain} MX`]: [{ preference: 10, exchange: host }],
      [`${domain} TXT`]: ["v=spf1 mx -all", "another=word"],
      [`${host} A`]: [ipv4],
      [`${host} AAAA`]: [ipv6],
      [`${host} TXT`]: ["v=spf1 a -all"],
      [`${host} CAA`]: caa,
      [`_25._tcp.${host} TLSA`]: [tlsaOf("host"), tlsaOf("next")],
      [`_dmarc.${domain} TXT`]: [
        `v=DMARC1; p=quarantine; sp=reject; adkim=s; aspf=s; rua=mailto:${postmaster}`,
      ],
      [`rsa1._domainkey.${domain} TXT`]: [
        `v=DKIM1; k=rsa; p=${der(keys.rsa.publicKey).toString("base64")}`,
      ],
      [`ed1._domainkey.${domain} TXT`]: [
        `v=DKIM1; k=ed25519; p=${der(keys.ed25519.publicKey).subarray(-32).toString("base64")}`,
      ],
      [`_mta-sts.${domain} TXT`]: ["v=STSv1; id=20261124"],
      [`_smtp._tls.${domain} TXT`]: [`v=TLSRPTv1; rua=mailto:${postmaster}`],
      [`_submissions._tcp.${domain} SRV`]: srv(host, 465),
      [`_submission._tcp.${domain} SRV`]: srv(host, 587),
      [`_imaps._tcp.${domain} SRV`]: srv(host, 993),
      [`_imap._tcp.${domain} SRV`]: srv("", 0),
      [`_pop3._tcp.${domain} SRV`]: srv("", 0),
      [`_pop3s._tcp.${domain} SRV`]: srv("", 0),
      "25.2.0.192.in-addr.arpa PTR": [host],
      "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR": [host],
      "2.0.0.127.zen.spamhaus.org A": ["127.0.0.2"],
      "dbltest.com.dbl.spamhaus.org A": ["127.0.1.2"],
      "gmail-smtp-in.l.google.com A": ["192.0.2.99"],
      ...Object.fromEntries(noMail),
    },
    codes: { [`_domainkey.${domain}`]: "NOERROR" },
    unsigned: [],
    bogus: [],
    reach: {},
    lame: [],
    tls: {
      versions: ["TLS 1.3", "TLS 1.2"],
      ciphers: [...ciphers.good["TLS 1.3"], ...ciphers.good["TLS 1.2"]],
      groups: [...groups.good],
      signatures: [...signatures.good],
      follows: true,
      compressed: false,
      extendedMasterSecret: true,
      secureRenegotiation: true,
      renegotiations: 0,
      earlyData: 0,
    },
    chain: ["host"],
    chains: {},
    distrust: undefined,
    pages: {
      [urls.policy]: page(
        "text/plain",
        `version: STSv1\r\nmode: enforce\r\nmx: ${host}\r\nmax_age: 1209600\r\n`,
      ),
      [urls.autoconfig(postmaster)]: page("text/xml", config),
      [urls.autoconfig(alice)]: page("text/xml", config),
      [urls.autodiscover]: page("text/xml", discovered),
      [urls.apple(postmaster)]: text(postmaster),
      [urls.apple(alice)]: text(alice),
    },
    server: {
      greeting: `220 ${host} ESMTP`,
      name: host,
      extensions: { 25: ["PIPELINING", "SMTPUTF8"], 465: ["DSN"], 587: ["DSN"] },
      authentication: { 25: "", 465: "AUTH PLAIN LOGIN", 587: "AUTH PLAIN LOGIN" },
      authenticationInClear: "",
      starttls: true,
      relays: false,
      sizeLimit: 50_000_000,
      keepsToSize: true,
      addresses: ["postmaster", "abuse", "hostmaster", "webmaster", "alice"].map(
        (name) => `${name}@${domain}`,
      ),
      verifies: false,
      waits: true,
      endings: ["\r\n.\r\n"],
      user: alice,
      password,
      bindsEnvelope: true,
      bindsHeader: true,
      tellsUsersApart: false,
      sent: [],
    },
    imapRefusal: undefined,
    signsWith: ["rsa", "ed25519"],
    arrives: true,
    loggedIn: true,
    selectors: {},
  };
}

/** What a host agrees to when it is offered this. */
function agreement(tls: ModelTls, offer: Offer): ServerHello {
  if (!tls.versions.includes(offer.version)) return {};
  const first = (ours: readonly number[], theirs: readonly number[]) =>
    tls.follows
      ? theirs.find((one) => ours.includes(one))
      : ours.find((one) => theirs.includes(one));
  const cipher = first(tls.ciphers, offer.ciphers);
  const group = first(tls.groups, offer.groups);
  const signature = first(tls.signatures, offer.signatures);
  if (cipher === undefined || group === undefined || signature === undefined) return {};
  const { compressed, extendedMasterSecret, secureRenegotiation } = tls;
  return {
    agreed: {
      version: offer.version,
      cipher,
      group,
      ...(offer.version === "TLS 1.2" ? { signature } : {}),
      compressed,
      extendedMasterSecret,
      secureRenegotiation,
    },
  };
}

async function signed(message: string, types: readonly ("rsa" | "ed25519")[]): Promise<string> {
  const source = `${message.replace(/\r\n\.$/, "")}\r\n`;
  const headers = await Promise.all(
    types.map((type) => {
      const signature = {
        signingDomain: domain,
        selector: type === "rsa" ? "rsa1" : "ed1",
        privateKey: pem(keys[type].privateKey),
        canonicalization: "relaxed/relaxed",
        algorithm: type === "rsa" ? "rsa-sha256" : "ed25519-sha256",
      };
      // mailauth declares the former shape and reads the latter. By itself it asks the clock twice, and the
      // signature is wrong when a second ends in between.
      return dkimSign(source, { ...signature, signatureData: [signature], signTime: new Date() });
    }),
  );
  return headers.map(({ signatures: header }) => header).join("") + source;
}

/** The judge's view of that world. */
export function contextOf(it: World): Context {
  const zone = (name: string) => [domain, "test"].find((known) => name.endsWith(known)) ?? ".";
  const has = (name: string) => Object.keys(it.records).some((key) => key.startsWith(`${name} `));
  async function ask<T extends RecordType>(
    name: string,
    type: T,
    { unchecked = false, server }: { unchecked?: boolean; server?: string } = {},
  ) {
    const records = (it.records[`${name} ${type}`] ?? []) as RecordData[T][];
    const bogus = it.bogus.includes(zone(name)) && !unchecked;
    if (bogus) return { code: "SERVFAIL", authentic: false, authoritative: false, records: [] };
    const code = has(name) ? "NOERROR" : (it.codes[name] ?? "NXDOMAIN");
    const authoritative = server !== undefined && !it.lame.includes(server);
    return { code, authentic: !it.unsigned.includes(zone(name)), authoritative, records };
  }
  return {
    subject: {
      hostname: host,
      domains: [domain],
      selectors: it.selectors,
      addresses: [ipv4, ipv6],
      ...(it.loggedIn ? { login: { user: alice, password } } : {}),
    },
    ask,
    talk: async (talk) => converse(it.server, talk),
    hello: async (_place: Place, offer: Offer) => agreement(it.tls, offer),
    session: async ({ port }: Place) => ({
      chain: (it.chains[port] ?? it.chain).map(certificate),
      ...(it.distrust === undefined ? {} : { distrust: it.distrust }),
      renegotiations: it.tls.renegotiations,
    }),
    earlyData: async () => it.tls.earlyData,
    reach: async (address, port) =>
      it.reach[`${address} ${port}`] ?? (port === 25 ? "open" : "refused"),
    page: async (url) => it.pages[url] ?? { status: 404, contentType: "text/html", text: "" },
    arrival: async (_login, _place, subject) => {
      const mail = it.server.sent.find((sent) => sent.includes(subject));
      return mail === undefined || !it.arrives ? {} : { source: await signed(mail, it.signsWith) };
    },
    imapLogin: async () => it.imapRefusal,
  };
}

/** The check that must fail, what is wrong, and how to make it so. */
export type Defect = readonly [id: string, what: string, spoil: (it: World) => unknown];

/** Puts other values into a part of the world. */
export const set = <T extends object>(part: T, values: Partial<T>) => Object.assign(part, values);

/** Writes a page of the world anew. */
export function rewrite(it: World, url: string, change: (text: string) => string): void {
  const old = it.pages[url];
  if (old === undefined) throw new Error(`the model has no page ${url}`);
  it.pages[url] = { ...old, text: change(old.text) };
}
