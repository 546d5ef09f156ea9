// internet.nl's groups IPv6, DNSSEC and RPKI: how mail finds the host at all.

import {
  type Check,
  each,
  fail,
  faultsOf,
  notApplicable,
  notJudged,
  pass,
  type Result,
} from "../check";
import { addressesOf, type Context, mailHosts, zoneOf } from "../context";

/** Where mail is taken by everybody: whether this network lets anybody out on port 25. */
const control = "gmail-smtp-in.l.google.com";
const isIpv6 = (address: string) => address.includes(":");

interface NameServer {
  readonly name: string;
  readonly zone: string;
  readonly ipv6: readonly string[];
}

async function nameServers(context: Context, domain: string): Promise<NameServer[]> {
  const zone = await zoneOf(context, domain);
  const { records } = await context.ask(zone, "NS");
  return Promise.all(
    records.map(async (name) => ({
      name,
      zone,
      ipv6: (await context.ask(name, "AAAA")).records,
    })),
  );
}

/** Port 25 of every address of that family of every mail host. */
async function answers25(context: Context, family: 4 | 6): Promise<Result> {
  const hosts = await mailHosts(context);
  return each(hosts, async (host) => {
    const addresses = (await addressesOf(context, host)).filter(
      (address) => isIpv6(address) === (family === 6),
    );
    if (addresses.length === 0) return notApplicable(`${host} has no IPv${family} address`);
    return each(addresses, async (address) => {
      const reached = await context.reach(address, 25);
      if (reached === "open") return pass;
      if (reached === "no route")
        return notJudged(`there is no IPv${family} here; ask from elsewhere`);
      const [other] = await addressesOf(context, control);
      if (other === undefined || (await context.reach(other, 25)) !== "open") {
        return notJudged(
          `this network lets nobody out on port 25 (${control} does not answer either); ask from elsewhere`,
        );
      }
      return fail({
        seen: `port 25 of ${host} (${address}): ${reached}`,
        wanted: "a connection",
        mend: "look at the host's firewall and at `npm run lab -- status` or the server's console",
      });
    });
  });
}

/** Whether the zone of a name is signed: its parent has a DS record for it. */
async function isSigned(context: Context, name: string): Promise<boolean> {
  const zone = await zoneOf(context, name);
  return (await context.ask(zone, "DS", { unchecked: true })).records.length > 0;
}

async function signed(context: Context, name: string): Promise<Result> {
  if (await isSigned(context, name)) return pass;
  const zone = await zoneOf(context, name);
  return fail({
    seen: `no DS record for ${zone} in its parent zone`,
    wanted: "a signed zone (RFC 4033)",
    mend: "set mail-host:dnssec to true, `pulumi up`, and give the registrar the output `ds`",
  });
}

async function valid(context: Context, name: string): Promise<Result> {
  if (!(await isSigned(context, name))) return notApplicable(`the zone of ${name} is not signed`);
  const root = await context.ask(".", "NS");
  if (!root.authentic)
    return notJudged("the resolver does not validate; name one that does with --resolver");
  const zone = await zoneOf(context, name);
  const [checked, unchecked] = await Promise.all([
    context.ask(zone, "SOA"),
    context.ask(zone, "SOA", { unchecked: true }),
  ]);
  if (checked.code === "NOERROR" && checked.authentic) return pass;
  const bogus = checked.code === "SERVFAIL" && unchecked.code === "NOERROR";
  return fail({
    seen: `${zone}: ${bogus ? "its signatures do not validate" : `${checked.code}, and the resolver does not vouch for it`}`,
    wanted: "an answer that the resolver vouches for (AD)",
    mend: "compare the DS record at the registrar with the output `ds`",
  });
}

const rpki = (id: string, sentence: string): Check => ({
  id,
  group: "RPKI",
  sentence,
  judge: async () =>
    notJudged("outside this program's reach: the networks of the host's and the DNS's providers"),
});

export const networkChecks: readonly Check[] = [
  {
    id: "1",
    group: "IPv6",
    sentence: "At least two name servers of each domain have IPv6 addresses",
    judge: (context) =>
      each(context.subject.domains, async (domain) => {
        const servers = await nameServers(context, domain);
        const capable = servers.filter(({ ipv6 }) => ipv6.length > 0);
        if (capable.length >= 2) return pass;
        return fail({
          seen: `${domain}: ${capable.length} of ${servers.length} name servers`,
          wanted: "two",
          mend: "a matter of the DNS provider: ask it, or move the zone",
        });
      }),
  },
  {
    id: "2",
    group: "IPv6",
    sentence: "All these name servers answer over IPv6",
    judge: (context) =>
      each(context.subject.domains, async (domain) => {
        const servers = await nameServers(context, domain);
        return each(
          servers.flatMap(({ name, zone, ipv6 }) =>
            ipv6.map((address) => ({ name, zone, address })),
          ),
          async ({ name, zone, address }) => {
            const { code, authoritative } = await context.ask(zone, "SOA", { server: address });
            if (code === "NOERROR" && authoritative) return pass;
            return fail({
              seen: `${name} (${address}) says ${code} about ${zone}, ${authoritative ? "with" : "without"} authority`,
              wanted: "an answer with authority",
              mend: "a matter of the DNS provider: ask it, or move the zone",
            });
          },
        );
      }),
  },
  {
    id: "3",
    group: "IPv6",
    sentence: "Every mail host has an IPv6 address",
    judge: async (context) =>
      each(await mailHosts(context), async (host) => {
        const { records } = await context.ask(host, "AAAA");
        if (records.length > 0) return pass;
        return fail({
          seen: `${host} has no AAAA record`,
          wanted: "one",
          mend: "`pulumi up` makes it; was it deleted by hand? then `pulumi refresh` first",
        });
      }),
  },
  {
    id: "4",
    group: "IPv6",
    sentence: "Every mail host answers on port 25 over IPv6",
    judge: (context) => answers25(context, 6),
  },
  {
    id: "5",
    group: "DNSSEC",
    sentence: "The zone of each domain is signed",
    judge: (context) => each(context.subject.domains, (domain) => signed(context, domain)),
  },
  {
    id: "6",
    group: "DNSSEC",
    sentence: "Its signatures validate",
    judge: (context) => each(context.subject.domains, (domain) => valid(context, domain)),
  },
  {
    id: "7",
    group: "DNSSEC",
    sentence: "The zone of every mail host is signed",
    judge: async (context) => each(await mailHosts(context), (host) => signed(context, host)),
  },
  {
    id: "8",
    group: "DNSSEC",
    sentence: "Its signatures validate",
    judge: async (context) => each(await mailHosts(context), (host) => valid(context, host)),
  },
  rpki("33", "The addresses of the mail hosts have a ROA"),
  rpki("34", "Their routes are as the ROA says"),
  rpki("35", "The addresses of the domains' name servers have a ROA"),
  rpki("36", "Their routes are as the ROA says"),
  rpki("37", "The addresses of the mail hosts' name servers have a ROA"),
  rpki("38", "Their routes are as the ROA says"),
  {
    id: "port-25",
    group: "SMTP server",
    sentence: "Every mail host answers on port 25 over IPv4",
    judge: (context) => answers25(context, 4),
  },
  {
    id: "mx",
    group: "DNS and identity",
    sentence: "Mail for each domain goes to the host, by a name with A and AAAA records",
    judge: ({ ask, subject: { domains, hostname, addresses } }) =>
      each(domains, async (domain) => {
        const mx = await ask(domain, "MX");
        const targets = mx.records.map(({ exchange }) => exchange);
        const [alias, ipv4, ipv6] = await Promise.all([
          ask(hostname, "CNAME"),
          ask(hostname, "A"),
          ask(hostname, "AAAA"),
        ]);
        const published = [...ipv4.records, ...ipv6.records];
        const elsewhere = published.filter(
          (address) => addresses.length > 0 && !addresses.includes(address),
        );
        const mend = "`pulumi refresh`, then `pulumi up`, writes the records as they ought to be";
        return faultsOf([
          ...(targets.length === 1 && targets[0] === hostname
            ? []
            : [
                {
                  seen: `MX of ${domain}: ${targets.join(", ") || "none"}`,
                  wanted: `${hostname} alone`,
                  mend,
                },
              ]),
          ...(alias.records.length === 0
            ? []
            : [
                {
                  seen: `${hostname} is an alias of ${alias.records.join()}`,
                  wanted: "addresses of its own (RFC 2181 10.3)",
                  mend,
                },
              ]),
          ...(ipv4.records.length > 0 && ipv6.records.length > 0
            ? []
            : [
                {
                  seen: `${hostname}: ${published.join(", ") || "no address"}`,
                  wanted: "an A and an AAAA record",
                  mend,
                },
              ]),
          ...(elsewhere.length === 0
            ? []
            : [
                {
                  seen: `${hostname} leads to ${elsewhere.join(", ")}`,
                  wanted: `${addresses.join(" and ")}, not proxied`,
                  mend,
                },
              ]),
        ]);
      }),
  },
];
