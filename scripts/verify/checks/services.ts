// What other servers and mail programs find below each domain: the MTA-STS policy, SRV records, and the
// settings for mail programs.

import { type Check, each, type Fault, fail, faultsOf, notJudged, pass } from "../check";
import { addressesOf, type Context, type Place } from "../context";
import { plainLogin } from "../login";
import { meansHost, parsePolicy } from "../policy";
import type { MailLogin } from "../probes/mailbox";
import {
  appleSettings,
  outlookQuestion,
  outlookSettings,
  type Setting,
  thunderbirdSettings,
} from "../programs";
import { textsOf } from "../spf";
import { tagsOf } from "../tags";

const week = 7 * 86_400;
const rewrite = "`pulumi refresh`, then `pulumi up`, writes the record as it ought to be";
const webMend = "look at nginx and at `journalctl -u mail-certificates` on the host";

/** Services that mail programs look for (RFC 6186, RFC 8314), and the port each is offered at. */
const offered: readonly (readonly [service: string, port: number | undefined])[] = [
  ["_submissions._tcp", 465],
  ["_submission._tcp", 587],
  ["_imaps._tcp", 993],
  ["_imap._tcp", undefined],
  ["_pop3s._tcp", undefined],
  ["_pop3._tcp", undefined],
];

async function srvFaults({ ask, subject }: Context, domain: string): Promise<Fault[]> {
  const faults = await Promise.all(
    offered.map(async ([service, port]) => {
      const name = `${service}.${domain}`;
      const { records } = await ask(name, "SRV");
      const [only] = records;
      const right =
        records.length === 1 &&
        only !== undefined &&
        (port === undefined
          ? only.target === ""
          : only.target === subject.hostname && only.port === port);
      if (right) return [];
      const seen = records.map(({ port: at, target }) => `${target || "."} ${at}`).join(", ");
      const wanted =
        port === undefined
          ? 'target ".": the service is not offered'
          : `${subject.hostname} ${port}`;
      return [{ seen: `${name}: ${seen || "no SRV record"}`, wanted, mend: rewrite }];
    }),
  );
  return faults.flat();
}

async function policyFaults(context: Context, domain: string): Promise<Fault[]> {
  const url = `https://mta-sts.${domain}/.well-known/mta-sts.txt`;
  const { status, contentType, text } = await context.page(url);
  const fault = (seen: string, wanted: string): Fault => ({
    seen: `${url}: ${seen}`,
    wanted,
    mend: webMend,
  });
  if (status !== 200) return [fault(`status ${status}`, "200, without redirection")];
  const policy = parsePolicy(text);
  const exchanges = (await context.ask(domain, "MX")).records.map(({ exchange }) => exchange);
  const unnamed = exchanges.filter((host) => !policy.mx.some((mx) => meansHost(mx, host)));
  const unused = policy.mx.filter((mx) => !exchanges.some((host) => meansHost(mx, host)));
  return [
    ...(/^text\/plain\b/i.test(contentType) ? [] : [fault(`type ${contentType}`, "text/plain")]),
    ...(policy.mode === "enforce" ? [] : [fault(`mode ${policy.mode}`, "enforce")]),
    ...(policy.maxAgeSeconds >= week && policy.maxAgeSeconds <= 31_557_600
      ? []
      : [fault(`max_age ${policy.maxAgeSeconds}`, `${week} (a week) to 31557600 (a year)`)]),
    ...unnamed.map((host) => fault(`does not name the MX ${host}`, "all MX hosts of the domain")),
    ...unused.map((mx) => fault(`names ${mx}, which is no MX`, "only MX hosts of the domain")),
  ];
}

/** Where a setting leads: to a TLS port of a host with an address. */
async function placeOf(context: Context, { host, port, encryption }: Setting): Promise<Place> {
  if (encryption === "none") throw new Error(`${host} port ${port} is to be used without TLS`);
  const [address] = await addressesOf(context, host);
  if (address === undefined) throw new Error(`${host} has no address`);
  return { address, port, name: host };
}

/** What the host says to a user who logs in where a setting leads; undefined when it lets them in. */
async function refusal(
  context: Context,
  setting: Setting,
  login: MailLogin,
): Promise<string | undefined> {
  const place = await placeOf(context, setting);
  if (setting.protocol === "imap") return context.imapLogin(login, place);
  const lines = ["EHLO", `AUTH PLAIN ${plainLogin(login)}`];
  const answer = (await context.talk({ ...place, encrypted: true, lines })).at(-1);
  return answer?.code === 235 ? undefined : answer?.text || "no answer";
}

async function document({ page }: Context, url: string, body?: string): Promise<string> {
  const { status, text } = await page(url, body);
  if (status !== 200) throw new Error(`${url}: status ${status}`);
  return text;
}

type Settings = (context: Context, address: string) => Promise<Setting[]>;

const domainOf = (address: string) => address.slice(address.indexOf("@") + 1);

const thunderbird: Settings = async (context, address) => {
  const url = `https://autoconfig.${domainOf(address)}/mail/config-v1.1.xml?emailaddress=${encodeURIComponent(address)}`;
  return thunderbirdSettings(await document(context, url), address);
};

const outlook: Settings = async (context, address) => {
  const url = `https://autodiscover.${domainOf(address)}/autodiscover/autodiscover.xml`;
  return outlookSettings(await document(context, url, outlookQuestion(address)), address);
};

const apple: Settings = async (context, address) => {
  const url = `https://autoconfig.${domainOf(address)}/apple.mobileconfig?email=${encodeURIComponent(address)}`;
  return appleSettings(await document(context, url), address);
};

/** The settings that one kind of mail program finds: both protocols, the address as user, TLS ports. */
const published =
  (read: Settings): Check["judge"] =>
  (context) =>
    each(context.subject.domains, async (domain) => {
      const address = `postmaster@${domain}`;
      const settings = await read(context, address);
      await Promise.all(
        settings.map(async (setting) => context.session(await placeOf(context, setting))),
      );
      const fault = (seen: string, wanted: string): Fault => ({
        seen: `settings of ${domain}: ${seen}`,
        wanted,
        mend: webMend,
      });
      const missing = (["imap", "smtp"] as const).filter(
        (protocol) => !settings.some((setting) => setting.protocol === protocol),
      );
      return faultsOf([
        ...missing.map((protocol) => fault(`no ${protocol}`, "imap and smtp")),
        ...settings
          .filter(({ user }) => user !== address)
          .map(({ user }) => fault(`log in as "${user}"`, `the address, ${address}`)),
      ]);
    });

export const serviceChecks: readonly Check[] = [
  {
    id: "mta-sts-record",
    group: "DNS and identity",
    sentence: "Each domain announces an MTA-STS policy, with an id",
    judge: ({ ask, subject }) =>
      each(subject.domains, async (domain) => {
        const name = `_mta-sts.${domain}`;
        const records = await textsOf(ask, name, "v=STSv1");
        const id = tagsOf(records[0] ?? "").get("id") ?? "";
        if (records.length === 1 && /^[a-z0-9]{1,32}$/i.test(id)) return pass;
        return fail({
          seen: `${name}: ${records.join(", ") || "no record"}`,
          wanted: "one record with an id of 1 to 32 letters and digits",
          mend: "`pulumi up` writes it, once the policy is served",
        });
      }),
  },
  {
    id: "mta-sts-policy",
    group: "DNS and identity",
    sentence: "The policy is served, enforced for a week or more, and names the MX hosts",
    judge: (context) =>
      each(context.subject.domains, async (domain) =>
        faultsOf(await policyFaults(context, domain)),
      ),
  },
  {
    id: "srv",
    group: "Services found by mail programs",
    sentence: "SRV records lead to what is offered, and say what is not",
    judge: (context) =>
      each(context.subject.domains, async (domain) => faultsOf(await srvFaults(context, domain))),
  },
  {
    id: "autoconfig",
    group: "Services found by mail programs",
    sentence: "Thunderbird finds settings that work",
    judge: published(thunderbird),
  },
  {
    id: "autodiscover",
    group: "Services found by mail programs",
    sentence: "Outlook finds settings that work",
    judge: published(outlook),
  },
  {
    id: "apple",
    group: "Services found by mail programs",
    sentence: "Apple's devices find settings that work",
    judge: published(apple),
  },
  {
    id: "settings-log-in",
    group: "Services found by mail programs",
    sentence: "All these settings let a user in",
    judge: async (context) => {
      const { login } = context.subject;
      if (login === undefined) return notJudged("needs a login (--user)");
      const found = await Promise.all(
        [thunderbird, outlook, apple].map((read) => read(context, login.user)),
      );
      const distinct = new Map(found.flat().map((setting) => [JSON.stringify(setting), setting]));
      return each([...distinct.values()], async (setting) => {
        const said = await refusal(context, setting, { ...login, user: setting.user });
        if (said === undefined) return pass;
        return fail({
          seen: `${setting.protocol} at ${setting.host} port ${setting.port}: ${said}`,
          wanted: `${setting.user} logs in`,
          mend: "compare the published settings with the ports that the host serves",
        });
      });
    },
  },
];
