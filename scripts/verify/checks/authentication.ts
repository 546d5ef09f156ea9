// internet.nl's group of authentication marks, and what this program's list adds to it: SPF, DKIM and
// DMARC as a receiver reads them.

import { createPublicKey } from "node:crypto";
import { type Check, each, type Fault, fail, faultsOf, pass } from "../check";
import { type Context, webNames } from "../context";
import { accepts } from "../recipients";
import { spfCost, spfRecords, spfVerdict, textsOf } from "../spf";
import { mailAddresses, tagsOf } from "../tags";

const rewrite = "`pulumi refresh`, then `pulumi up`, writes the record as it ought to be";
const single = (name: string, what: string, records: readonly string[]): Fault[] =>
  records.length === 1
    ? []
    : [
        {
          seen: `${name} has ${records.length} ${what} records`,
          wanted: "exactly one, or receivers ignore them all",
          mend: records.length === 0 ? rewrite : "delete the one that is not this stack's",
        },
      ];

const dmarcOf = ({ ask }: Context, domain: string) => textsOf(ask, `_dmarc.${domain}`, "v=DMARC1");

/** The policy for names below a domain that have none of their own. */
const subdomainPolicy = (record: string | undefined) => {
  const tags = tagsOf(record ?? "");
  return tags.get("sp") ?? tags.get("p") ?? "none";
};

/** Whether reports about one domain may go to an address in another (RFC 7489 7.1). */
async function reportFaults(context: Context, domain: string, uri: string): Promise<Fault[]> {
  const { addresses, invalid } = mailAddresses(uri);
  const receivers = [...new Set(addresses.map((address) => address.split("@")[1] ?? ""))];
  const foreign = receivers.filter(
    (receiver) =>
      receiver !== domain && !receiver.endsWith(`.${domain}`) && !domain.endsWith(`.${receiver}`),
  );
  const refused = await Promise.all(
    foreign.map(async (receiver) => {
      const name = `${domain}._report._dmarc.${receiver}`;
      return (await textsOf(context.ask, name, "v=DMARC1")).length > 0 ? [] : [name];
    }),
  );
  return [
    ...invalid.map((address) => ({
      seen: `_dmarc.${domain}: reports go to "${address}"`,
      wanted: "a mailto: address",
      mend: "set mail-host:domains[].reportAddress to an address, and `pulumi up`",
    })),
    ...refused.flat().map((name) => ({
      seen: `${name} has no TXT record`,
      wanted: '"v=DMARC1", by which the receiving domain agrees',
      mend: "let the owner of that domain publish it, or report to an address of your own",
    })),
  ];
}

const selectorsOf = ({ subject: { selectors } }: Context, domain: string): readonly string[] =>
  selectors[domain] ?? Array.from({ length: 9 }, (_, i) => [`rsa${i + 1}`, `ed${i + 1}`]).flat();

/** What is wrong with a DKIM key record; nothing when a verifier could use it, or when it is revoked. */
export function keyFault(record: string): string | undefined {
  const tags = tagsOf(record);
  const key = tags.get("p");
  if (key === undefined) return "has no p= tag";
  if (key === "") return undefined;
  if (tags.get("t")?.split(":").includes("y")) return "is marked as a test (t=y)";
  const bytes = Buffer.from(key.replace(/\s/g, ""), "base64");
  const type = tags.get("k") ?? "rsa";
  if (type === "ed25519")
    return bytes.length === 32 ? undefined : `is an Ed25519 key of ${bytes.length} octets, not 32`;
  if (type !== "rsa") return `is of the unknown type "${type}"`;
  try {
    const details = createPublicKey({ key: bytes, format: "der", type: "spki" });
    const bits = details.asymmetricKeyDetails?.modulusLength ?? 0;
    return bits >= 2048
      ? undefined
      : `is an RSA key of ${bits} bits; 2048 are the least (RFC 8301)`;
  } catch {
    return "is no RSA key";
  }
}

async function dkimFaults(context: Context, domain: string): Promise<Fault[]> {
  const stated = context.subject.selectors[domain];
  const found = await Promise.all(
    selectorsOf(context, domain).map(async (selector) => {
      const name = `${selector}._domainkey.${domain}`;
      const { records } = await context.ask(name, "TXT");
      return { name, records };
    }),
  );
  const published = found.filter(({ records }) => records.length > 0);
  const usable = published.filter(
    ({ records }) => (tagsOf(records[0] ?? "").get("p") ?? "") !== "",
  );
  const types = usable.map(({ records }) => tagsOf(records[0] ?? "").get("k") ?? "rsa");
  const mend = "`pulumi up` publishes the keys that the host has made";
  return [
    ...found.flatMap(({ name, records }) =>
      stated !== undefined && records.length === 0
        ? [{ seen: `${name} has no record`, wanted: "the host's key", mend }]
        : [],
    ),
    ...published.flatMap(({ name, records }) => {
      const fault = records.length > 1 ? "has two records" : keyFault(records[0] ?? "");
      return fault === undefined
        ? []
        : [{ seen: `${name} ${fault}`, wanted: "one usable key, or an empty p=", mend }];
    }),
    ...["rsa", "ed25519"]
      .filter((type) => !types.includes(type))
      .map((type) => ({
        seen: `${domain} publishes no ${type} key (asked for ${selectorsOf(context, domain).join(", ")})`,
        wanted: "an RSA key of 2048 bits and an Ed25519 key",
        mend,
      })),
  ];
}

const everyDomain =
  (faults: (context: Context, domain: string) => Promise<Fault[]>) => (context: Context) =>
    each(context.subject.domains, async (domain) => faultsOf(await faults(context, domain)));

/** internet.nl's subtests 9 to 13. */
const marks: readonly Check[] = [
  {
    id: "9",
    group: "Authentication marks",
    sentence: "Each domain has exactly one DMARC record",
    judge: everyDomain(async (context, domain) =>
      single(`_dmarc.${domain}`, "DMARC", await dmarcOf(context, domain)),
    ),
  },
  {
    id: "10",
    group: "Authentication marks",
    sentence: "It is valid, asks for quarantine or reject, and its reports have a taker",
    judge: everyDomain(async (context, domain) => {
      const [record = ""] = await dmarcOf(context, domain);
      const tags = tagsOf(record);
      const strength = ["none", "quarantine", "reject"].indexOf(tags.get("p") ?? "none");
      const effective = strength - (tags.get("t") === "y" ? 1 : 0);
      const below = subdomainPolicy(record);
      const uris = ["rua", "ruf"].flatMap((tag) => tags.get(tag) ?? []);
      const reports = await Promise.all(uris.map((uri) => reportFaults(context, domain, uri)));
      const weak = effective < 1 || !["quarantine", "reject"].includes(below);
      return [
        ...(weak
          ? [
              {
                seen: `_dmarc.${domain}: ${record || "no record"}`,
                wanted: "p= and sp= of quarantine or reject, without t=y",
                mend: "set mail-host:domains[].dmarcPolicy to quarantine, and `pulumi up`",
              },
            ]
          : []),
        ...reports.flat(),
      ];
    }),
  },
  {
    id: "11",
    group: "Authentication marks",
    sentence: "DKIM keys can be there: _domainkey of each domain answers",
    judge: everyDomain(async ({ ask }, domain) => {
      const { code } = await ask(`_domainkey.${domain}`, "TXT");
      if (code === "NOERROR") return [];
      return [
        {
          seen: `_domainkey.${domain}: ${code}`,
          wanted: "NOERROR (RFC 2308)",
          mend: "publish a DKIM key: `pulumi up`",
        },
      ];
    }),
  },
  {
    id: "12",
    group: "Authentication marks",
    sentence: "Each domain has exactly one SPF record",
    judge: everyDomain(async ({ ask }, domain) =>
      single(domain, "SPF", await spfRecords(ask, domain)),
    ),
  },
  {
    id: "13",
    group: "Authentication marks",
    sentence: "It ends in ~all or -all and asks at most ten questions",
    judge: everyDomain(async ({ ask }, domain) => {
      const [record = ""] = await spfRecords(ask, domain);
      const { lookups, broken } = await spfCost(ask, domain);
      const mend = "mend the records that it includes, or include fewer; then `pulumi up`";
      const closed = /\s[~-]all\s*$/i.test(record) || /\sredirect=/i.test(record);
      return [
        ...(closed
          ? []
          : [
              {
                seen: `${domain}: ${record || "no record"}`,
                wanted: "~all or -all at the end",
                mend,
              },
            ]),
        ...(lookups <= 10
          ? []
          : [
              {
                seen: `${domain}: ${lookups} lookups`,
                wanted: "at most 10 (RFC 7208 4.6.4)",
                mend,
              },
            ]),
        ...broken.map((seen) => ({ seen, wanted: "a valid record", mend })),
      ];
    }),
  },
];

const noMailMend = "`pulumi up` writes a null MX (RFC 7505) and SPF -all for it";

/** What the list of this program adds. */
const identity: readonly Check[] = [
  {
    id: "spf",
    group: "DNS and identity",
    sentence: "SPF of each domain and of the host's name ends in -all and lets the host through",
    judge: async (context) => {
      const { ask, subject } = context;
      const names = [...subject.domains, subject.hostname];
      const [ipv4, ipv6] = await Promise.all([
        ask(subject.hostname, "A"),
        ask(subject.hostname, "AAAA"),
      ]);
      return each(names, async (domain) => {
        const records = await spfRecords(ask, domain);
        const strict = records.length === 1 && /\s-all\s*$/i.test(records[0] ?? "");
        if (!strict) {
          return fail({
            seen: `${domain}: ${records.join(", ") || "no SPF record"}`,
            wanted: "one record with -all at its end",
            mend: rewrite,
          });
        }
        return each([...ipv4.records, ...ipv6.records], async (address) => {
          const verdict = await spfVerdict(ask, { address, domain, helo: subject.hostname });
          if (verdict === "pass") return pass;
          return fail({
            seen: `mail of ${domain} from ${address}: SPF says "${verdict}"`,
            wanted: '"pass"',
            mend: rewrite,
          });
        });
      });
    },
  },
  {
    id: "no-mail-names",
    group: "DNS and identity",
    sentence: "Names that take no mail have a null MX, SPF -all, and a DMARC policy",
    judge: (context) =>
      each(webNames(context), async (name) => {
        const { ask } = context;
        const [mx, spf, own] = await Promise.all([
          ask(name, "MX"),
          spfRecords(ask, name),
          dmarcOf(context, name),
        ]);
        const [above] = await dmarcOf(context, name.slice(name.indexOf(".") + 1));
        const policy = subdomainPolicy(own[0] === undefined ? above : own[0]);
        const isNull = mx.records.length === 1 && mx.records[0]?.exchange === "";
        const faults = [
          ...(isNull
            ? []
            : [{ seen: `${name} has no null MX`, wanted: "MX 0 .", mend: noMailMend }]),
          ...(spf.length === 1 && /^v=spf1\s+-all$/i.test(spf[0] ?? "")
            ? []
            : [
                {
                  seen: `${name}: ${spf.join(", ") || "no SPF record"}`,
                  wanted: '"v=spf1 -all"',
                  mend: noMailMend,
                },
              ]),
          ...(policy === "none"
            ? [
                {
                  seen: `DMARC of ${name}: none`,
                  wanted: "quarantine or reject, its own or the domain's sp=",
                  mend: rewrite,
                },
              ]
            : []),
        ];
        return faultsOf(faults);
      }),
  },
  {
    id: "dkim",
    group: "DNS and identity",
    sentence: "Each domain publishes usable DKIM keys, RSA 2048 and Ed25519",
    judge: everyDomain(dkimFaults),
  },
  {
    id: "dmarc",
    group: "DNS and identity",
    sentence: "DMARC aligns strictly, says so for names below, and its reports are taken",
    judge: (context) =>
      each(context.subject.domains, async (domain) => {
        const [record = ""] = await dmarcOf(context, domain);
        const tags = tagsOf(record);
        const strict = tags.get("adkim") === "s" && tags.get("aspf") === "s" && tags.has("sp");
        const { addresses } = mailAddresses(tags.get("rua") ?? "");
        const faults = [
          ...(strict
            ? []
            : [
                {
                  seen: `_dmarc.${domain}: ${record || "no record"}`,
                  wanted: "adkim=s, aspf=s and sp=",
                  mend: rewrite,
                },
              ]),
          ...(addresses.length > 0
            ? []
            : [
                {
                  seen: `_dmarc.${domain} names nobody for reports`,
                  wanted: "rua=mailto:…",
                  mend: rewrite,
                },
              ]),
        ];
        if (faults.length > 0) return fail(...faults);
        return accepts(context, addresses);
      }),
  },
  {
    id: "tls-rpt",
    group: "DNS and identity",
    sentence: "Each domain asks for reports on TLS, and they are taken",
    judge: (context) =>
      each(context.subject.domains, async (domain) => {
        const name = `_smtp._tls.${domain}`;
        const records = await textsOf(context.ask, name, "v=TLSRPTv1");
        const faults = single(name, "TLSRPT", records);
        if (faults.length > 0) return fail(...faults);
        const { addresses, invalid } = mailAddresses(tagsOf(records[0] ?? "").get("rua") ?? "");
        if (
          invalid.some((uri) => !uri.startsWith("https://")) ||
          addresses.length + invalid.length === 0
        )
          return fail({
            seen: `${name}: ${records[0]}`,
            wanted: "rua= with mailto: or https: addresses (RFC 8460)",
            mend: rewrite,
          });
        return accepts(context, addresses);
      }),
  },
];

export const authenticationChecks: readonly Check[] = [...marks, ...identity];
