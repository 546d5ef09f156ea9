// internet.nl's groups Certificate and DANE, and what this program's list adds: names, lifetimes, CAA.

import type { X509Certificate } from "node:crypto";
import { covers, daysLeft, satisfies, soundSignature, weakKey } from "../certificates";
import {
  type Check,
  each,
  type Fault,
  fail,
  faultsOf,
  notApplicable,
  pass,
  type Result,
} from "../check";
import { addressesOf, type Context, mailHosts, type Place, placesOf, webNames } from "../context";
import type { RecordData } from "../probes/dns";

const minimumDays = 20;
const renew = "look at `journalctl -u mail-certificates` on the host";
const where = ({ name, address, port }: Place) => `${name} (${address} port ${port})`;

/** The chain that port 25 of every address of every mail host shows. */
const chains =
  (judge: (chain: readonly X509Certificate[], place: Place, distrust?: string) => Fault[]) =>
  async (context: Context): Promise<Result> =>
    each(await placesOf(context), async (place) => {
      const { chain, distrust } = await context.session(place);
      return faultsOf(judge(chain, place, distrust));
    });

const tlsaName = (host: string) => `_25._tcp.${host}`;
/** Those that mail servers look at; PKIX uses (0 and 1) mean nothing to them (RFC 7672 3.1.3). */
const usable = (records: readonly RecordData["TLSA"][]) =>
  records.filter(({ usage }) => usage === 2 || usage === 3);
const pulumiUp = "`pulumi up` writes it, once the zone is signed and the certificate is served";

const everyMailHost =
  (judge: (context: Context, host: string) => Promise<Result>) => async (context: Context) =>
    each(await mailHosts(context), (host) => judge(context, host));

/** The CAA records that hold for a name: its own, or the nearest above (RFC 8659 3). */
async function caaOf(
  { ask }: Pick<Context, "ask">,
  name: string,
): Promise<readonly RecordData["CAA"][]> {
  const { records } = await ask(name, "CAA");
  const parent = name.slice(name.indexOf(".") + 1);
  return records.length > 0 || !name.includes(".") ? records : caaOf({ ask }, parent);
}

const certificate: readonly Check[] = [
  {
    id: "25",
    group: "Certificate",
    sentence: "The chain of every mail host is complete and trusted",
    judge: chains((_chain, place, distrust) =>
      distrust === undefined
        ? []
        : [{ seen: `${where(place)}: ${distrust}`, wanted: "a trusted chain", mend: renew }],
    ),
  },
  {
    id: "26",
    group: "Certificate",
    sentence: "Its keys are strong: ECDSA P-256 or better, RSA 3072 or more",
    judge: chains((chain, place) => {
      // The CA's own keys are the CA's business.
      const weak = chain.slice(0, 1).flatMap((own) => weakKey(own) ?? []);
      return weak.map((seen) => ({
        seen: `${where(place)}: ${seen}`,
        wanted: "ECDSA P-256 or RSA 3072 at least",
        mend: "the host makes P-256 keys; let it make its own",
      }));
    }),
  },
  {
    id: "27",
    group: "Certificate",
    sentence: "It is signed with SHA-2",
    judge: chains((chain, place) => {
      // The root at the end is trusted for itself, whatever signed it.
      const signed = chain.filter(({ issuer, subject }) => issuer !== subject);
      const weak = (signed.length > 0 ? signed : chain).filter((one) => !soundSignature(one));
      return weak.map(({ subject }) => ({
        seen: `${where(place)}: "${subject.replaceAll("\n", ", ")}" is not`,
        wanted: "SHA-256, SHA-384 or SHA-512",
        mend: renew,
      }));
    }),
  },
  {
    id: "28",
    group: "Certificate",
    sentence: "It is for the name of the mail host",
    judge: chains(([own], place) =>
      covers(own, place.name)
        ? []
        : [
            {
              seen: `${where(place)}: ${own?.subjectAltName ?? "no name"}`,
              wanted: place.name,
              mend: renew,
            },
          ],
    ),
  },
  {
    id: "29",
    group: "Certificate",
    sentence: "CAA says for every mail host which CA may certify it",
    judge: everyMailHost(async (context, host) => {
      const records = await caaOf(context, host);
      if (records.some(({ tag }) => tag === "issue")) return pass;
      return fail({
        seen: `no CAA record with "issue" for ${host}`,
        wanted: "one (RFC 8659)",
        mend: "`pulumi up` writes it, once the CA's certificate is served",
      });
    }),
  },
];

const dane: readonly Check[] = [
  {
    id: "30",
    group: "DANE",
    sentence: "Every mail host has TLSA records, signed by DNSSEC",
    judge: everyMailHost(async ({ ask }, host) => {
      const { records, authentic } = await ask(tlsaName(host), "TLSA");
      if (usable(records).length > 0 && authentic) return pass;
      const seen = usable(records).length > 0 ? "not signed" : "none";
      return fail({
        seen: `${tlsaName(host)}: ${seen}`,
        wanted: "TLSA 3 1 1, signed",
        mend: pulumiUp,
      });
    }),
  },
  {
    id: "31",
    group: "DANE",
    sentence: "One of them is for the certificate that is shown",
    judge: async (context) =>
      each(await placesOf(context), async (place) => {
        const records = usable((await context.ask(tlsaName(place.name), "TLSA")).records);
        if (records.length === 0) return notApplicable("there are no TLSA records");
        const { chain } = await context.session(place);
        if (records.some((tlsa) => satisfies(chain, place.name, tlsa))) return pass;
        return fail({
          seen: `${where(place)} shows a certificate that no record of ${tlsaName(place.name)} means`,
          wanted: "the key in use among them, or no mail arrives from senders that check",
          mend: "`pulumi up` compares the records with the host's keys",
        });
      }),
  },
  {
    id: "32",
    group: "DANE",
    sentence: "Another one is for the next key: two records, of a scheme that rolls over",
    judge: everyMailHost(async ({ ask }, host) => {
      const records = usable((await ask(tlsaName(host), "TLSA")).records);
      if (records.length === 0) return notApplicable("there are no TLSA records");
      const forms = records
        .map(({ usage, selector, matchingType }) => `${usage} ${selector} ${matchingType}`)
        .sort();
      const distinct = new Set(records.map((tlsa) => JSON.stringify(tlsa))).size;
      const schemes = ["3 1 1, 3 1 1", "2 1 1, 3 1 1"];
      if (distinct === 2 && schemes.includes(forms.join(", "))) return pass;
      return fail({
        seen: `${tlsaName(host)}: ${forms.join(", ")}`,
        wanted: "3 1 1 twice, or 3 1 1 and 2 1 1",
        mend: pulumiUp,
      });
    }),
  },
];

const extra: readonly Check[] = [
  {
    id: "caa-account",
    group: "DNS and identity",
    sentence: "CAA lets only the host's own account at the CA certify its names",
    judge: (context) =>
      each([context.subject.hostname, ...webNames(context)], async (name) => {
        const issues = (await caaOf(context, name)).filter(({ tag }) => tag === "issue");
        const open = issues.filter(
          ({ value }) => value.trim() !== ";" && !/accounturi\s*=/.test(value),
        );
        if (issues.length > 0 && open.length === 0) return pass;
        return fail({
          seen: `${name}: ${open.map(({ value }) => `issue "${value}"`).join(", ") || "no CAA record"}`,
          wanted: 'issue "<the CA>; accounturi=<the account>" (RFC 8657)',
          mend: "`pulumi up` writes it, once the CA's certificate is served",
        });
      }),
  },
  {
    id: "certificate-age",
    group: "TLS of every port",
    sentence: `Every port shows one certificate: the host's, trusted, good for ${minimumDays} days`,
    judge: async (context) => {
      const places = await Promise.all([25, 465, 587, 993].map((port) => placesOf(context, port)));
      const { hostname } = context.subject;
      const own = places.flat().filter(({ name }) => name === hostname);
      const seen = new Set<string>();
      const shown = await each(own, async (place) => {
        const { chain, distrust } = await context.session(place);
        const [first] = chain;
        if (first === undefined) throw new Error(`${where(place)} shows no certificate`);
        seen.add(first.fingerprint256);
        const days = daysLeft(first);
        const fault = (what: string, wanted: string) => [
          { seen: `${where(place)}: ${what}`, wanted, mend: renew },
        ];
        return faultsOf([
          ...(distrust === undefined ? [] : fault(distrust, "a trusted chain")),
          ...(covers(first, hostname) ? [] : fault("another name's", hostname)),
          ...(days >= minimumDays ? [] : fault(`${days} days left`, `${minimumDays} at least`)),
        ]);
      });
      if (shown.verdict !== "pass" || seen.size === 1) return shown;
      return fail({
        seen: `${seen.size} certificates on ports 25, 465, 587 and 993`,
        wanted: "one",
        mend: "`systemctl reload postfix dovecot` on the host",
      });
    },
  },
  {
    id: "names-agree",
    group: "DNS and identity",
    sentence: "Greeting, EHLO, PTR and certificate have one name, the host's",
    judge: async (context) => {
      const { hostname } = context.subject;
      const addresses = await addressesOf(context, hostname);
      return each(addresses, async (address) => {
        const place = { address, port: 25, name: hostname };
        const [greeting, ehlo] = await context.talk({ ...place, lines: ["EHLO"] });
        const named = (text: string | undefined) => /^\d{3}[ -](\S+)/.exec(text ?? "")?.[1] ?? "";
        const { chain } = await context.session(place);
        const said = [
          ["the greeting", named(greeting?.text)],
          ["EHLO", named(ehlo?.text)],
          ["the certificate", covers(chain[0], hostname) ? hostname : "another"],
        ] as const;
        return faultsOf(
          said
            .filter(([, name]) => name.toLowerCase() !== hostname)
            .map(([who, name]) => ({
              seen: `${address}: ${who} says "${name}"`,
              wanted: hostname,
              mend: "raise mail-host:host.generation for a machine that bears the name of today",
            })),
        );
      });
    },
  },
];

export const certificateChecks: readonly Check[] = [...certificate, ...dane, ...extra];
