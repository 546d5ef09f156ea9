// Stand-in for pulumi-resource-cloudflare 6.22.1: DNS records, a zone's DNSSEC, and the zones and records
// there are.

import { ask, type Credentials, type Query } from "./cloudflare-api";
import { dnsRecord } from "./dns-record";
import { camelCased } from "./names";
import { type Failure, servePlugin } from "./plugin";
import {
  isProperties,
  numberOf,
  type Properties,
  revealProperties,
  textOf,
  type Value,
} from "./values";
import { zoneDnssec } from "./zone-dnssec";

const defaultBaseUrl = "https://api.cloudflare.com/client/v4";
const tokenForm = /^[0-9A-Za-z\-_]{40,80}$/;
const keyForm = /^[0-9A-Za-z\-_]{37,60}$/;
const defaultMaxItems = 1000;

let configuration: Properties = {};

servePlugin({
  version: "6.22.1",
  resources: {
    "cloudflare:index/dnsRecord:DnsRecord": dnsRecord(credentials),
    "cloudflare:index/zoneDnssec:ZoneDnssec": zoneDnssec(credentials),
  },
  functions: {
    "cloudflare:index/getZone:getZone": getZone,
    "cloudflare:index/getDnsRecords:getDnsRecords": getDnsRecords,
  },
  checkConfiguration(values) {
    const plain = revealProperties(values);
    return [
      ...malformed(plain, "apiToken", tokenForm, "40 to 80 letters, digits, - or _"),
      ...malformed(plain, "apiKey", keyForm, "37 to 60 letters, digits, - or _"),
    ];
  },
  configure(values) {
    configuration = revealProperties(values);
  },
});

function malformed(values: Properties, name: string, form: RegExp, allowed: string): Failure[] {
  const value = values[name];
  if (typeof value !== "string" || form.test(value)) return [];
  // The value itself is a secret, and stays out of the message.
  const remedy = `pulumi config set --secret cloudflare:${name}`;
  return [
    { property: name, reason: `cloudflare:${name}: must be ${allowed}. Set it with: ${remedy}` },
  ];
}

function credentials(): Credentials {
  const setting = (name: string, variable: string) =>
    textOf(configuration, name) || process.env[variable] || undefined;
  const baseUrl = setting("baseUrl", "CLOUDFLARE_BASE_URL") ?? defaultBaseUrl;
  const token = setting("apiToken", "CLOUDFLARE_API_TOKEN");
  if (token !== undefined) return { baseUrl, headers: { authorization: `Bearer ${token}` } };
  const key = setting("apiKey", "CLOUDFLARE_API_KEY");
  const email = setting("email", "CLOUDFLARE_EMAIL");
  if (key !== undefined && email !== undefined) {
    return { baseUrl, headers: { "x-auth-key": key, "x-auth-email": email } };
  }
  throw new Error(
    "cloudflare:apiToken: not set. Set it with: pulumi config set --secret cloudflare:apiToken",
  );
}

async function getZone(args: Properties): Promise<Properties> {
  const plain = revealProperties(args);
  const filter = isProperties(plain.filter) ? plain.filter : undefined;
  const zoneId = textOf(plain, "zoneId") ?? (await onlyZone(filter));
  const zone = camelCased(await ask(credentials(), "GET", `zones/${zoneId}`));
  return { ...zone, zoneId, ...(filter === undefined ? {} : { filter }) };
}

async function onlyZone(filter: Properties | undefined): Promise<string> {
  if (filter === undefined) throw new Error("getZone: needs zoneId or filter");
  const zones = asList(await ask(credentials(), "GET", "zones", { query: queryOf(filter) }));
  const [zone, another] = zones;
  if (zone === undefined || another !== undefined) {
    throw new Error(
      `getZone: ${zones.length === 0 ? "no zone matches" : "more than one zone matches"} the filter ${JSON.stringify(filter)}`,
    );
  }
  const id = textOf(camelCased(zone), "id");
  if (id === undefined) throw new Error("getZone: the answer names no zone");
  return id;
}

async function getDnsRecords(args: Properties): Promise<Properties> {
  const plain = revealProperties(args);
  const zoneId = textOf(plain, "zoneId");
  if (zoneId === undefined) throw new Error("getDnsRecords: needs zoneId");
  const maxItems = numberOf(plain, "maxItems") ?? defaultMaxItems;
  const filter = Object.fromEntries(
    Object.entries(plain).filter(([name]) => name !== "zoneId" && name !== "maxItems"),
  );
  const results: Properties[] = [];
  // The API's own totals are not trusted: an empty page is the end.
  for (let page = 1; results.length < maxItems; page++) {
    const query: Query = [...queryOf(filter), ...(page === 1 ? [] : [pageQuery(page)])];
    const records = asList(
      await ask(credentials(), "GET", `zones/${zoneId}/dns_records`, { query }),
    );
    if (records.length === 0) break;
    results.push(...records.map(recordOf));
  }
  return { ...plain, results: results.slice(0, maxItems) };
}

function pageQuery(page: number): readonly [string, string] {
  return ["page", String(page)];
}

function recordOf(json: unknown): Properties {
  const record = camelCased(json);
  const { meta } = record;
  return meta === undefined ? record : { ...record, meta: JSON.stringify(meta) };
}

function asList(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [];
}

/** Nested filters become dotted parameters: `name.exact`. */
function queryOf(filter: Properties, prefix = ""): Query {
  return Object.entries(filter).flatMap(([name, value]) => parameters(`${prefix}${name}`, value));
}

function parameters(name: string, value: Value): Query {
  if (isProperties(value)) return queryOf(value, `${name}.`);
  const parameter = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [[parameter, String(value)]];
}
