// Which records the stack wants, what stands in their way, which are taken over, which are kept by
// others, and which must wait. Pure: configuration and what was found in, decisions out.

import type { StackConfig } from "../config";
import type { Mistake } from "../config/mistakes";
import type { RecordPlan } from "./dns-record";
import {
  dkimKeyPlaces,
  dkimRecords,
  domainRecords,
  policyRecord,
  webAuthorityRecords,
} from "./domain-records";
import type { Existing, ExistingRecord } from "./existing";
import { certificateRecords, hostRecords, webRecords } from "./host-records";
import { identityOf, isOurs, type MailRecord, shownValue, slotOf } from "./mail-records";
import { policyUrl, type Verdicts } from "./served";

/** A record that is not there yet, and why. */
export interface PendingRecord {
  readonly record: string;
  readonly reason: string;
}

/** What an existing record and the configuration are judged by. */
export interface PlanArgs {
  readonly config: StackConfig;
  readonly stack: string;
  readonly existing: Existing;
}

/** Records by which other resources know a stack; with empty values where only the host can tell them. */
export function wantedRecords(
  config: StackConfig,
  addresses: { readonly ipv4: string; readonly ipv6: string } = { ipv4: "", ipv6: "" },
): MailRecord[] {
  const { host, directory, dkim, smarthost } = config;
  const { domains } = directory;
  const authority = { account: "", caaIdentity: "" };
  const keys = dkimKeyPlaces(dkim.generation, dkim.revoked);
  return [
    ...hostRecords(host, { ...addresses, spf: smarthost?.spf }),
    ...webRecords(domains, addresses),
    ...certificateRecords(host, {
      ...authority,
      tlsa: ["", ""],
      keyGeneration: host.keyGeneration,
    }),
    ...domains.flatMap((domain) => [
      ...domainRecords({ domain, domains, hostname: host.name, spf: smarthost?.spf }),
      ...dkimRecords(domain, { keys, revoked: dkim.revoked }),
      policyRecord(domain, ""),
      ...webAuthorityRecords(domain, authority),
    ]),
  ];
}

/** Foreign records where this stack's are to stand, each with the commands that mend it. */
export function foreignRecords(args: PlanArgs): Mistake[] {
  const { config, stack, existing } = args;
  const wantedAt = new Map<string, MailRecord[]>();
  for (const record of wantedOf(args)) {
    wantedAt.set(record.name, [...(wantedAt.get(record.name) ?? []), record]);
  }
  const rivals = existing.records.filter(
    (record) => !isOurs(stack, record.comment) && isRival(record, wantedAt.get(record.name) ?? []),
  );
  const refused = rivals.filter(({ id, type }) => type === "CNAME" || !config.adopt.includes(id));
  const proxied = existing.records.filter(
    (record) => record.proxied === true && wantedAt.has(record.name) && !rivals.includes(record),
  );
  return [
    ...refused.map((record, i) => ({
      where: `${record.name} ${record.type}`,
      message: `"${shownValue(record)}" is there already and not of this stack (record ${record.id})`,
      cure: `delete it: ${call("DELETE", record)}`,
      orElse: waysToKeep(record, { stack, index: config.adopt.length + i }),
    })),
    ...proxied.map((record) => ({
      where: `${record.name} ${record.type}`,
      message: `"${shownValue(record)}" is proxied, so that mail would reach Cloudflare instead of the host (record ${record.id})`,
      cure: `switch that off: ${call("PATCH", record, '{"proxied":false}')}`,
    })),
  ];
}

function wantedOf({ config, existing }: PlanArgs): MailRecord[] {
  return wantedRecords(config, existing.ownAddresses);
}

/** Whether it cannot stand beside ours, or would be read with it. Where a CNAME stands nothing else may (RFC 1034 3.6.2). */
function isRival(record: ExistingRecord, wanted: readonly MailRecord[]): boolean {
  const here = wanted.filter(
    (one) =>
      record.type === "CNAME" || (one.type === record.type && kindOf(one) === kindOf(record)),
  );
  return here.length > 0 && !here.some((one) => isTwin(one, record));
}

/** Texts of different purposes stand at one name: the first word tells them apart, e.g. `v=spf1`. */
function kindOf(record: ExistingRecord | MailRecord): string {
  if (record.type !== "TXT") return record.type;
  return /^[^\s;]*/.exec(shownValue(record).trim().toLowerCase())?.[0] ?? "";
}

/** The same name, type and content; host names in any case. */
function isTwin(wanted: MailRecord, record: ExistingRecord): boolean {
  const value = (one: ExistingRecord | MailRecord) =>
    one.type === "TXT" || one.type === "CAA" ? shownValue(one) : shownValue(one).toLowerCase();
  return (
    wanted.name === record.name && wanted.type === record.type && value(wanted) === value(record)
  );
}

const call = (method: string, { zoneId, id }: ExistingRecord, body?: string) =>
  `curl -X ${method} -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN"${body === undefined ? "" : ` -H "Content-Type: application/json" -d '${body}'`} https://api.cloudflare.com/client/v4/zones/${zoneId}/dns_records/${id}`;

/**
 * Left to its owner, or marked as ours: then `npm run recover` takes it into the state as it is, and the next
 * `pulumi up` changes it in place, so that it is never gone. Nothing can stand beside a CNAME.
 */
function waysToKeep(
  record: ExistingRecord,
  { stack, index }: { readonly stack: string; readonly index: number },
): string[] {
  if (record.type === "CNAME") return [];
  const where = record.type === "TXT" ? "in place of ours" : "beside ours";
  const mark = JSON.stringify({ comment: `mail-host/${stack}: taken over` });
  return [
    `or keep it ${where}: pulumi config set --path 'mail-host:adopt[${index}]' ${record.id}`,
    `or have it changed in place, by \`npm run recover\` and \`pulumi up\` afterwards: ${call("PATCH", record, mark)}`,
  ];
}

/** What is made of the wanted records, and what is not yet. */
export function planRecords(
  args: PlanArgs & { readonly verdicts: Verdicts },
): RecordPlan & { readonly pending: readonly PendingRecord[] } {
  const { config, stack, existing, verdicts } = args;
  const wanted = wantedOf(args);
  const at = (record: MailRecord) =>
    existing.records.filter(
      (one) => slotOf(one) === slotOf(record) && kindOf(one) === kindOf(record),
    );
  const imports = wanted.flatMap((record) => {
    const twin = at(record).find((one) => !isOurs(stack, one.comment) && isTwin(record, one));
    return twin === undefined ? [] : [[identityOf(record), `${twin.zoneId}/${twin.id}`] as const];
  });
  // Two texts of one kind are read as none (RFC 7208 4.5, RFC 7489 6.6.3).
  const kept = wanted.filter(
    (record) => record.type === "TXT" && at(record).some(({ id }) => config.adopt.includes(id)),
  );
  const waiting = new Map(
    wanted.flatMap((record) => {
      const reason = whyNotServed(record, { hostname: config.host.name, verdicts });
      // A failed look takes nothing away that stands already.
      const stands = at(record).some((one) => isOurs(stack, one.comment) || isTwin(record, one));
      return reason === undefined || stands ? [] : [[slotOf(record), reason] as const];
    }),
  );
  return {
    imports: new Map(imports),
    leftOut: new Set([...kept.map(slotOf), ...waiting.keys()]),
    ...(config.expires === undefined ? {} : { expires: config.expires }),
    pending: [...waiting].map(([record, reason]) => ({ record, reason })),
  };
}

/** Why a record that promises a certificate or a policy cannot be kept yet; undefined where it can. */
function whyNotServed(
  record: MailRecord,
  { hostname, verdicts }: { hostname: string; verdicts: Verdicts },
): string | undefined {
  const verdict = (name: string) =>
    verdicts.has(name) ? verdicts.get(name) : "the host is not there yet";
  if (record.type === "TLSA") return verdict(hostname);
  if (record.type === "CAA") return verdict(record.name);
  const domain = /^_mta-sts\.(.*)$/.exec(record.name)?.[1];
  return domain === undefined ? undefined : verdict(policyUrl(domain));
}

/**
 * The id of a domain's policy: today's where today's policy is being served, else the one that stands,
 * so that it changes exactly when the policy does.
 */
export function policyIdFor(
  domain: string,
  {
    stack,
    existing,
    verdicts,
    today,
  }: Pick<PlanArgs, "stack" | "existing"> & {
    readonly verdicts: Verdicts;
    readonly today: string;
  },
): string {
  const url = policyUrl(domain);
  const isServed = verdicts.has(url) && verdicts.get(url) === undefined;
  const standing = existing.records.find(
    ({ name, type, comment }) =>
      name === `_mta-sts.${domain}` && type === "TXT" && isOurs(stack, comment),
  );
  const id = standing && /\bid=([A-Za-z0-9]{1,32})/.exec(shownValue(standing))?.[1];
  return isServed || id === undefined ? today : id;
}
