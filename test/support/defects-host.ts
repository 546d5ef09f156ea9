// Everything that can be wrong with what a mail host itself says, one thing at a time: the check that must
// fail, what is wrong, and how to make it so in a model of a host that is as it ought to be.

import {
  type Defect,
  domain,
  host,
  rewrite,
  rsaKey,
  set,
  tlsaOf,
  urls,
  type World,
} from "./judged";

const postmaster = `postmaster@${domain}`;
const without = (it: World, key: string) => Reflect.deleteProperty(it.records, key);
const thunderbird = (it: World, change: (text: string) => string) =>
  rewrite(it, urls.autoconfig(postmaster), change);
const tlsa = (it: World, ...records: object[]) =>
  set(it.records, { [`_25._tcp.${host} TLSA`]: records });
const dkim = (it: World, selector: string, ...records: string[]) =>
  set(it.records, { [`${selector}._domainkey.${domain} TXT`]: records });
const oldTls = (it: World) => {
  it.tls.versions.push("TLS 1.1");
  it.tls.ciphers.push(53);
};

export const hostDefects: readonly Defect[] = [
  ["14", "STARTTLS is not offered", (it) => set(it.server, { starttls: false })],
  ["15", "TLS 1.1 is spoken", oldTls],
  ["15", "TLS 1.3 is not", (it) => set(it.tls, { versions: ["TLS 1.2"] })],
  ["16", "a CBC suite is taken", (it) => it.tls.ciphers.push(49191)],
  ["16", "a DHE suite is taken", (it) => it.tls.ciphers.push(158)],
  ["17", "the client's order counts", (it) => it.tls.ciphers.push(49191)],
  ["18", "a finite field is taken", (it) => it.tls.groups.push(256)],
  ["18", "an old curve is taken", (it) => it.tls.groups.push(21)],
  ["19", "SHA-1 is taken", (it) => it.tls.signatures.push(0x0203)],
  ["20", "it compresses", (it) => set(it.tls, { compressed: true })],
  ["21", "it renegotiates insecurely", (it) => set(it.tls, { secureRenegotiation: false })],
  ["22", "clients renegotiate without end", (it) => set(it.tls, { renegotiations: 11 })],
  ["23", "early data is taken", (it) => set(it.tls, { earlyData: 16384 })],
  [
    "24",
    "there is no Extended Master Secret",
    (it) => set(it.tls, { extendedMasterSecret: false }),
  ],
  ["25", "the chain is not trusted", (it) => set(it, { distrust: "SELF_SIGNED_CERT_IN_CHAIN" })],
  ["26", "the key is RSA 2048", (it) => set(it, { chain: ["rsa2048"] })],
  ["27", "the signature is with SHA-1", (it) => set(it, { chain: ["sha1"] })],
  ["28", "the certificate is another host's", (it) => set(it, { chain: ["other-name"] })],
  ["29", "there is no CAA record", (it) => without(it, `${host} CAA`)],
  ["30", "there is no TLSA record", (it) => tlsa(it)],
  [
    "30",
    "there are only such as mail servers ignore",
    (it) => tlsa(it, { ...tlsaOf("host"), usage: 1 }),
  ],
  ["30", "they are not signed", (it) => it.unsigned.push(domain)],
  ["31", "the key is another", (it) => set(it, { chain: ["other-name"] })],
  ["32", "there is one record", (it) => tlsa(it, tlsaOf("host"))],
  ["32", "there is one record twice", (it) => tlsa(it, tlsaOf("host"), tlsaOf("host"))],
  [
    "32",
    "the second is for a certificate",
    (it) => tlsa(it, tlsaOf("host"), { ...tlsaOf("next"), selector: 0 }),
  ],
  ["signed", "only RSA signs", (it) => set(it, { signsWith: ["rsa"] })],
  ["signed", "nothing signs", (it) => set(it, { signsWith: [] })],
  ["signed", "the published key is another", (it) => dkim(it, "rsa1", rsaKey(2048))],
  ["signed", "the mail does not arrive", (it) => set(it, { arrives: false })],
  ["srv", "there is none for submissions", (it) => without(it, `_submissions._tcp.${domain} SRV`)],
  ["srv", "POP3 is not ruled out", (it) => without(it, `_pop3._tcp.${domain} SRV`)],
  [
    "srv",
    "a port is another",
    (it) =>
      set(it.records, {
        [`_imaps._tcp.${domain} SRV`]: [{ priority: 0, weight: 1, port: 143, target: host }],
      }),
  ],
  ["autoconfig", "it is not there", (it) => set(it, { pages: {} })],
  ["autoconfig", "it is no XML", (it) => thunderbird(it, (text) => text.replace("</port>", ""))],
  [
    "autoconfig",
    "it is without TLS",
    (it) => thunderbird(it, (text) => text.replace("SSL", "plain")),
  ],
  [
    "autoconfig",
    "it has no SMTP",
    (it) => thunderbird(it, (text) => text.replaceAll('"smtp"', '"imap"')),
  ],
  [
    "autoconfig",
    "it logs in by the local part",
    (it) => thunderbird(it, (text) => text.replace("%EMAILADDRESS%", "%EMAILLOCALPART%")),
  ],
  [
    "autodiscover",
    "it leads nowhere",
    (it) => rewrite(it, urls.autodiscover, (text) => text.replace(host, "gone.test")),
  ],
  [
    "autodiscover",
    "it is an error",
    (it) => rewrite(it, urls.autodiscover, () => "<Autodiscover><Response/></Autodiscover>"),
  ],
  [
    "apple",
    "it is another's",
    (it) => rewrite(it, urls.apple(postmaster), (text) => text.replaceAll("postmaster", "alice")),
  ],
  [
    "apple",
    "it holds no account",
    (it) => rewrite(it, urls.apple(postmaster), () => '<plist version="1.0"><dict/></plist>'),
  ],
  ["settings-log-in", "IMAP refuses", (it) => set(it, { imapRefusal: "NO" })],
  ["settings-log-in", "SMTP refuses", (it) => set(it.server, { password: "another" })],
  ["port-25", "it is closed", (it) => set(it.reach, { "192.0.2.25 25": "no answer" })],
  ["relay", "it relays", (it) => set(it.server, { relays: true })],
  ["unknown-recipient", "it takes every address", (it) => set(it.server, { relays: true })],
  [
    "postmaster",
    "abuse is not there",
    (it) =>
      set(it.server, { addresses: it.server.addresses.filter((one) => !one.startsWith("abuse")) }),
  ],
  ["vrfy", "VRFY answers", (it) => set(it.server, { verifies: true })],
  ["vrfy", "VRFY is announced", (it) => it.server.extensions[25].push("VRFY")],
  [
    "banner",
    "it names its version",
    (it) => set(it.server, { greeting: `220 ${host} ESMTP Postfix 3.10.1 (Debian)` }),
  ],
  ["early-talker", "it does not mind", (it) => set(it.server, { waits: false })],
  ["smuggling", "a bare LF ends a mail", (it) => it.server.endings.push("\n.\n")],
  ["size", "a larger mail is taken", (it) => set(it.server, { keepsToSize: false })],
  ["size", "none is announced", (it) => set(it.server, { sizeLimit: Number.NaN })],
  ["smtputf8", "such a mail does not arrive", (it) => set(it, { arrives: false })],
  ["extensions", "DSN is offered to strangers", (it) => it.server.extensions[25].push("DSN")],
  [
    "auth",
    "a login is offered on port 25",
    (it) => set(it.server.authentication, { 25: "AUTH PLAIN" }),
  ],
  [
    "auth",
    "a login is offered before TLS",
    (it) => set(it.server, { authenticationInClear: "AUTH PLAIN" }),
  ],
  [
    "auth",
    "an old mechanism is offered",
    (it) => set(it.server.authentication, { 465: "AUTH PLAIN CRAM-MD5" }),
  ],
  ["auth", "no login is offered", (it) => set(it.server.authentication, { 587: "" })],
  ["plain-ports", "port 143 is open", (it) => set(it.reach, { "192.0.2.25 143": "open" })],
  [
    "envelope-from",
    "any envelope address is taken",
    (it) => set(it.server, { bindsEnvelope: false }),
  ],
  ["header-from", "any From header is taken", (it) => set(it.server, { bindsHeader: false })],
  ["enumeration", "users are told apart", (it) => set(it.server, { tellsUsersApart: true })],
  ...[465, 587, 993].flatMap((port): Defect[] => [
    [`tls-${port}`, "TLS 1.1 is spoken", oldTls],
    [`tls-${port}`, "a CBC suite is taken", (it) => it.tls.ciphers.push(49191)],
    [`tls-${port}`, "a finite field is taken", (it) => it.tls.groups.push(256)],
    [`tls-${port}`, "early data is taken", (it) => set(it.tls, { earlyData: 1 })],
  ]),
  ["certificate-age", "it ends in a day", (it) => set(it, { chain: ["old"] })],
  ["certificate-age", "one port has another", (it) => set(it, { chains: { 993: ["next"] } })],
  ["certificate-age", "it is not trusted", (it) => set(it, { distrust: "CERT_HAS_EXPIRED" })],
];
