// Everything that can be wrong with the DNS of a mail host, one thing at a time: the check that must
// fail, what is wrong, and how to make it so in a model of a host that is as it ought to be.

import { type Defect, domain, host, rewrite, rsaKey, set, urls, type World } from "./judged";

const txt = (it: World, name: string, ...records: string[]) =>
  set(it.records, { [`${name} TXT`]: records });
const without = (it: World, key: string) => Reflect.deleteProperty(it.records, key);
const policy = (it: World, change: (text: string) => string) => rewrite(it, urls.policy, change);
const dmarc = (it: World, record: string) => txt(it, `_dmarc.${domain}`, record);
const strict = "adkim=s; aspf=s";
const reports = `rua=mailto:postmaster@${domain}`;
const issue = (it: World, value: string) =>
  set(it.records, { [`${host} CAA`]: [{ flags: 0, tag: "issue", value }] });
const dkim = (it: World, selector: string, ...records: string[]) =>
  txt(it, `${selector}._domainkey.${domain}`, ...records);

export const dnsDefects: readonly Defect[] = [
  ["1", "one name server has no IPv6 address", (it) => without(it, "ns2.dns.test AAAA")],
  ["2", "a name server does not answer", (it) => it.lame.push("2001:db8::2")],
  ["3", "the host has no AAAA record", (it) => without(it, `${host} AAAA`)],
  ["4", "port 25 is closed over IPv6", (it) => set(it.reach, { "2001:db8::25 25": "refused" })],
  ["5", "there is no DS record", (it) => without(it, `${domain} DS`)],
  ["6", "the signatures do not validate", (it) => it.bogus.push(domain)],
  ["6", "the resolver does not vouch for it", (it) => it.unsigned.push(domain)],
  ["7", "there is no DS record", (it) => without(it, `${domain} DS`)],
  ["8", "the signatures do not validate", (it) => it.bogus.push(domain)],
  ["9", "there is no DMARC record", (it) => without(it, `_dmarc.${domain} TXT`)],
  [
    "9",
    "there are two",
    (it) => txt(it, `_dmarc.${domain}`, "v=DMARC1; p=reject", "v=DMARC1; p=none"),
  ],
  ["10", "the policy is none", (it) => dmarc(it, "v=DMARC1; p=none; sp=reject")],
  ["10", "the policy is a test", (it) => dmarc(it, "v=DMARC1; p=quarantine; t=y")],
  ["10", "names below are free for all", (it) => dmarc(it, "v=DMARC1; p=reject; sp=none")],
  ["10", "reports go to no address", (it) => dmarc(it, "v=DMARC1; p=reject; rua=postmaster")],
  [
    "10",
    "the reports' receiver has not agreed",
    (it) => dmarc(it, "v=DMARC1; p=reject; rua=mailto:a@reports.test"),
  ],
  ["11", "_domainkey does not exist", (it) => set(it, { codes: {} })],
  ["12", "there is no SPF record", (it) => txt(it, domain, "another=word")],
  ["12", "there are two", (it) => txt(it, domain, "v=spf1 mx -all", "v=spf1 -all")],
  ["13", "it ends in ?all", (it) => txt(it, domain, "v=spf1 mx ?all")],
  ["13", "it asks eleven questions", (it) => txt(it, domain, `v=spf1 ${"mx ".repeat(11)}-all`)],
  ["13", "it includes what is not there", (it) => txt(it, domain, "v=spf1 include:gone.test -all")],
  [
    "mx",
    "the MX is another host",
    (it) => set(it.records, { [`${domain} MX`]: [{ preference: 10, exchange: "mx.other.test" }] }),
  ],
  [
    "mx",
    "the host's name is an alias",
    (it) => set(it.records, { [`${host} CNAME`]: ["other.test"] }),
  ],
  [
    "mx",
    "the host's name leads elsewhere",
    (it) => set(it.records, { [`${host} A`]: ["192.0.2.80"] }),
  ],
  ["mx", "the host has no A record", (it) => without(it, `${host} A`)],
  ["ptr-ipv4", "there is none", (it) => without(it, "25.2.0.192.in-addr.arpa PTR")],
  [
    "ptr-ipv4",
    "it is another's",
    (it) => set(it.records, { "25.2.0.192.in-addr.arpa PTR": ["static.provider.test"] }),
  ],
  [
    "ptr-ipv6",
    "the address is another",
    (it) => set(it.records, { [`${host} AAAA`]: ["2001:db8::26"] }),
  ],
  [
    "zen",
    "the address is listed",
    (it) => set(it.records, { "25.2.0.192.zen.spamhaus.org A": ["127.0.0.2"] }),
  ],
  [
    "dbl",
    "the domain is listed",
    (it) => set(it.records, { [`${domain}.dbl.spamhaus.org A`]: ["127.0.1.2"] }),
  ],
  ["spf", "the domain's ends in ~all", (it) => txt(it, domain, "v=spf1 mx ~all")],
  ["spf", "the host's name has none", (it) => without(it, `${host} TXT`)],
  [
    "spf",
    "it does not let the host through",
    (it) => txt(it, domain, "v=spf1 ip4:192.0.2.26 -all"),
  ],
  ["no-mail-names", "one has no null MX", (it) => without(it, `mta-sts.${domain} MX`)],
  ["no-mail-names", "one has no SPF record", (it) => without(it, `autoconfig.${domain} TXT`)],
  ["no-mail-names", "DMARC does not hold for them", (it) => dmarc(it, "v=DMARC1; p=none")],
  ["dkim", "there is no Ed25519 key", (it) => without(it, `ed1._domainkey.${domain} TXT`)],
  ["dkim", "the RSA key is short", (it) => dkim(it, "rsa1", rsaKey(1024))],
  ["dkim", "the RSA key is none", (it) => dkim(it, "rsa1", "v=DKIM1; k=rsa; p=AAAA")],
  ["dkim", "the Ed25519 key is none", (it) => dkim(it, "ed1", "v=DKIM1; k=ed25519; p=AAAA")],
  ["dkim", "a key is a test", (it) => dkim(it, "rsa2", `${rsaKey(2048)}; t=y`)],
  ["dkim", "a selector has two", (it) => dkim(it, "rsa1", rsaKey(2048), rsaKey(2048))],
  ["dkim", "all are revoked", (it) => ["rsa1", "ed1"].map((one) => dkim(it, one, "v=DKIM1; p="))],
  [
    "dkim",
    "a selector in use is not there",
    (it) => set(it, { selectors: { [domain]: ["rsa1", "ed1", "rsa2"] } }),
  ],
  ["dmarc", "it aligns loosely", (it) => dmarc(it, `v=DMARC1; p=reject; sp=reject; ${reports}`)],
  [
    "dmarc",
    "it says nothing of names below",
    (it) => dmarc(it, `v=DMARC1; p=reject; ${strict}; ${reports}`),
  ],
  ["dmarc", "nobody gets reports", (it) => dmarc(it, `v=DMARC1; p=reject; sp=reject; ${strict}`)],
  ["dmarc", "the reports' mailbox is not there", (it) => set(it.server, { addresses: [] })],
  ["tls-rpt", "there is no record", (it) => without(it, `_smtp._tls.${domain} TXT`)],
  [
    "tls-rpt",
    "it names no address",
    (it) => txt(it, `_smtp._tls.${domain}`, "v=TLSRPTv1; rua=postmaster"),
  ],
  ["tls-rpt", "the reports' mailbox is not there", (it) => set(it.server, { addresses: [] })],
  ["caa-account", "any account may", (it) => issue(it, "letsencrypt.org")],
  ["caa-account", "one name has none", (it) => without(it, `autodiscover.${domain} CAA`)],
  [
    "names-agree",
    "the greeting has another name",
    (it) => set(it.server, { greeting: "220 localhost ESMTP" }),
  ],
  ["names-agree", "EHLO has another name", (it) => set(it.server, { name: "localhost" })],
  ["names-agree", "the certificate has another name", (it) => set(it, { chain: ["other-name"] })],
  ["mta-sts-record", "there is none", (it) => without(it, `_mta-sts.${domain} TXT`)],
  [
    "mta-sts-record",
    "its id is none",
    (it) => txt(it, `_mta-sts.${domain}`, "v=STSv1; id=2026-11-24"),
  ],
  ["mta-sts-policy", "it is not there", (it) => set(it, { pages: {} })],
  [
    "mta-sts-policy",
    "it is for testing",
    (it) => policy(it, (text) => text.replace("enforce", "testing")),
  ],
  [
    "mta-sts-policy",
    "it lasts a day",
    (it) => policy(it, (text) => text.replace("1209600", "86400")),
  ],
  [
    "mta-sts-policy",
    "it does not name the MX",
    (it) => policy(it, (text) => text.replace(host, "mx.other.test")),
  ],
  [
    "mta-sts-policy",
    "it names one more",
    (it) => policy(it, (text) => `${text}mx: mx.other.test\r\n`),
  ],
  ["mta-sts-policy", "it is no policy", (it) => policy(it, () => "<html></html>")],
  [
    "mta-sts-policy",
    "it is no plain text",
    (it) => set(it.pages, { [urls.policy]: { status: 200, contentType: "text/html", text: "" } }),
  ],
];
