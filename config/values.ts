// The kinds of values that a stack configuration is made of, each with a message that shows a good
// one. Alphabets are chosen so that an accepted value is inert wherever it later stands: in a file,
// a path, a DNS record or a database row.

import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { z } from "zod";

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Lower case for ASCII alone: `toLowerCase` also turns the Kelvin sign (U+212A) into a "k", and so
 * would take a look-alike for what it imitates.
 */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * Labels of letters, digits and hyphens, at least two, 253 octets together (RFC 1035 2.3.4, RFC 1123
 * 2.1). The last is not a number (RFC 3696 2), or Postfix takes the whole for an address.
 */
function isDomainName(value: string): boolean {
  const labels = value.split(".");
  return (
    value.length <= 253 &&
    labels.length >= 2 &&
    labels.every((l) => label.test(l)) &&
    !/^\d+$/.test(labels.at(-1) ?? "")
  );
}

function punycodeHint(value: string): string {
  const ascii = /[^\x20-\x7e]/.test(value) ? domainToASCII(value) : "";
  return ascii === ""
    ? ""
    : `; an internationalised name is written in its ASCII form, here "${ascii}"`;
}

function domainName(what: string, example: string) {
  return z
    .string(`is not ${what}, e.g. ${example}`)
    .overwrite(lowerCase)
    .refine(isDomainName, {
      error: ({ input }) =>
        `is not ${what}: lower-case labels of letters, digits and hyphens, e.g. ${example}${punycodeHint(String(input))}`,
    });
}

/** Fully qualified host name, e.g. `mail.example.com`. */
export const Hostname = domainName("a fully qualified host name", "mail.example.com").refine(
  (name) => name.length <= 63,
  "is longer than 63 characters, which is more than Hetzner takes for a server name",
);

/** Names below a mail domain, such as `_submissions._tcp.example.com`, must fit into 253 characters too. */
const longestMailDomain = 253 - "_submissions._tcp.".length;

/** A domain that receives mail, e.g. `example.com`. */
export const MailDomainName = domainName("a mail domain", "example.com").refine(
  (name) => name.length <= longestMailDomain,
  `is longer than ${longestMailDomain} characters, which leaves no room for the names below it`,
);

/** RFC 5321 4.5.3.1.1: 64 octets. Dovecot's `auth_username_chars` and the path of the mailbox limit the alphabet. */
const mailboxLocalPart = /^(?=.{1,64}$)[a-z0-9_]+((\.|-+)[a-z0-9_]+)*$/;

/**
 * A dot-atom without the characters that any of our files or maps would read as syntax (RFC 5322
 * 3.2.3), and without a leading hyphen, with which Postfix sends nothing (`allow_min_user`).
 */
const foreignLocalPart =
  /^(?=.{1,64}$)(?!-)[A-Za-z0-9!#&*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#&*+/=?^_`{|}~-]+)*$/;

function splitAddress(value: string): { local: string; domain: string } {
  const at = value.lastIndexOf("@");
  return { local: value.slice(0, Math.max(at, 0)), domain: value.slice(at + 1) };
}

/** Address of a mailbox on this host, lower case, e.g. `alice@example.com`. */
export const MailboxAddress = z
  .string("is not a mail address, e.g. alice@example.com")
  .overwrite(lowerCase)
  .refine((value) => {
    const { local, domain } = splitAddress(value);
    return mailboxLocalPart.test(local) && isDomainName(domain);
  }, "is not an address of a mailbox: letters, digits, dot, hyphen and underscore before the @ (64 at most), a domain after it, e.g. alice@example.com");

/** An address that is rewritten, or `@domain` for whatever has no other entry there (a catch-all). */
export const AliasAddress = z
  .string("is not a mail address, e.g. sales@example.com, or @example.com for a catch-all")
  .overwrite(lowerCase)
  .refine((value) => {
    const { local, domain } = splitAddress(value);
    return (
      (local === "" ? value.startsWith("@") : mailboxLocalPart.test(local)) && isDomainName(domain)
    );
  }, "is not an address of an alias: e.g. sales@example.com, or @example.com for a catch-all");

/** Where an alias leads: an address here or anywhere else. */
export const DestinationAddress = z
  .string("is not a mail address, e.g. bob@example.org")
  .refine((value) => {
    const { local, domain } = splitAddress(value);
    return foreignLocalPart.test(local) && isDomainName(lowerCase(domain));
  }, "is not a mail address that an alias can lead to, e.g. bob@example.org");

/** Where reports about a domain go. Its characters need no escape in a URI (RFC 3986 2.3, RFC 7489 6.2). */
export const ReportAddress = z
  .string("is not a mail address, e.g. postmaster@example.com")
  .overwrite(lowerCase)
  .refine((value) => {
    const { local, domain } = splitAddress(value);
    return /^(?=.{1,64}$)[a-z0-9_]+([.+-]+[a-z0-9_]+)*$/.test(local) && isDomainName(domain);
  }, "is not a mail address that reports can go to, e.g. postmaster@example.com");

/** What receivers are asked to do with mail that fails DMARC. */
export const DmarcPolicy = z.enum(["none", "quarantine", "reject"], {
  error: "is not a DMARC policy; allowed: quarantine, reject, none",
});

/** A server that takes our mail and passes it on. */
export const RelayName = domainName("the name of a mail server", "smtp.example.net");

/** User name or password at a smarthost: printable, since it stands on one line of a file. */
const credential = (what: string, pattern: RegExp) =>
  z
    .string(`is not a ${what}`)
    .regex(pattern, `is not a ${what}: 1 to 256 printable ASCII characters without blanks`);
export const RelayUser = credential(
  "user name that a smarthost can ask for",
  /^(?!.*:)[\x21-\x7e]{1,256}$/,
);
export const RelayPassword = credential(
  "password that a smarthost can ask for",
  /^[\x21-\x7e]{1,256}$/,
);

/** The mechanism that lets a smarthost send for our domains (RFC 7208 5). */
export const SpfInclude = z
  .string("is not an SPF mechanism, e.g. include:_spf.example.net")
  .overwrite(lowerCase)
  .refine((value) => {
    const [mechanism = "", name = "", ...rest] = value.split(":");
    const labels = name.replace(/_/g, "x");
    return mechanism === "include" && rest.length === 0 && isDomainName(labels);
  }, "is not an SPF mechanism of this form: include:_spf.example.net");

/** Cloudflare's id of a zone or a record. */
export const CloudflareId = z
  .string("is not a Cloudflare id (32 hex characters)")
  .regex(/^[0-9a-f]{32}$/, "is not a Cloudflare id (32 hex characters)");

/** Directory of an ACME authority (RFC 8555 7.1.1). */
export const AcmeDirectory = z
  .string("is not the https URL of an ACME directory")
  .regex(
    /^https:\/\/[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:\d{1,5})?(\/[A-Za-z0-9._:-]+)*\/?$/,
    "is not the https URL of an ACME directory, e.g. https://acme-staging-v02.api.letsencrypt.org/directory",
  );

/** Hetzner's locations (`hcloud location list`). */
export const HetznerLocation = z.enum(["fsn1", "nbg1", "hel1", "ash", "hil", "sin"], {
  error: "is not a Hetzner location; allowed: fsn1, nbg1, hel1, ash, hil, sin",
});

/** Hetzner's server types (`hcloud server-type list`): family and size. */
export const HetznerServerType = z
  .string("is not a Hetzner server type, e.g. cx23")
  .regex(/^(cx|cpx|cax|ccx)[1-9][0-9]$/, "is not a Hetzner server type, e.g. cx23, cpx22, cax11");

/** An image that this program knows how to set up. */
export const HetznerImage = z.literal("debian-13", {
  error: "is not an image that this program can set up; allowed: debian-13",
});

/** A network in CIDR notation whose host bits are zero, as Hetzner's firewall wants it. */
export const Cidr = z.string("is not a network, e.g. 203.0.113.7/32").refine((value) => {
  const [address = "", prefix = "", ...rest] = value.split("/");
  // isIP takes "fe80::1%eth0", which is an address of one machine's own.
  const family = address.includes("%") ? 0 : isIP(address);
  if (rest.length > 0 || family === 0 || !/^(0|[1-9]\d{0,2})$/.test(prefix)) return false;
  const bits = family === 4 ? 32 : 128;
  return (
    Number(prefix) <= bits &&
    addressBits(address, family)
      .slice(Number(prefix))
      .every((bit) => bit === 0)
  );
}, "is not a network in CIDR notation with its host bits zero, e.g. 203.0.113.7/32 or 2001:db8::/32");

/** The address as bits, most significant first. */
function addressBits(address: string, family: number): number[] {
  const groups = family === 4 ? address.split(".").map(Number) : expandIpv6(address);
  const width = family === 4 ? 8 : 16;
  return groups.flatMap((group) =>
    Array.from({ length: width }, (_, i) => (group >> (width - 1 - i)) & 1),
  );
}

/** As RFC 5952 writes it. */
export function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

function expandIpv6(address: string): number[] {
  const ascii = canonicalIpv6(address);
  const [head = "", tail] = ascii.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const left = parse(head);
  const right = parse(tail ?? "");
  return tail === undefined
    ? left
    : [...left, ...Array(8 - left.length - right.length).fill(0), ...right];
}

/** A day, as ISO 8601 writes it. It goes into labels, whose values may hold no colon: so no time of day. */
export const CalendarDate = z
  .string("is not a date, e.g. 2026-12-01")
  .refine(
    (value) => /^2\d{3}-\d\d-\d\d$/.test(value) && isOfCalendar(value),
    "is not a date of the calendar: year, month and day, e.g. 2026-12-01",
  );

/** `Date` takes the 31st of November for the 1st of December. */
function isOfCalendar(date: string): boolean {
  const time = Date.parse(`${date}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date);
}

/** One public key in the format of `authorized_keys`, without options. */
export const SshPublicKey = z
  .string("is not an SSH public key, e.g. ssh-ed25519 AAAA… me@laptop")
  .trim()
  .regex(
    /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|ssh-rsa) [A-Za-z0-9+/]{40,}={0,2}( [\x20-\x7e]*)?$/,
    "is not an SSH public key, e.g. the line in ~/.ssh/id_ed25519.pub",
  );

const hashForms = [
  /^\$5\$(rounds=\d+\$)?[./A-Za-z0-9]{1,32}\$[./A-Za-z0-9]{43}$/,
  /^\$6\$(rounds=\d+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}$/,
  /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/,
  /^\$y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}$/,
  /^\{ARGON2(ID?|I)\}\$argon2id?\$[A-Za-z0-9=,$+/]+$/,
  /^\{(BLF-CRYPT|SHA256-CRYPT|SHA512-CRYPT|CRYPT)\}\$[A-Za-z0-9./=,$]+$/,
  /^\{(SSHA512|SSHA256|PBKDF2|SCRAM-SHA-256)\}[A-Za-z0-9+/=$,]+$/,
];

/** A password hash that Dovecot checks: `$5$`, `$6$`, `$2y$`, `$y$`, `$argon2id$`, or with its `{SCHEME}`. */
export const PasswordHash = z
  .string("is not a password hash")
  .transform((value) => (value.startsWith("$argon2id$") ? `{ARGON2ID}${value}` : value))
  .refine(
    (value) => hashForms.some((form) => form.test(value)),
    "is not a password hash that Dovecot takes; make one with: doveadm pw -s ARGON2ID, or openssl passwd -6",
  );
