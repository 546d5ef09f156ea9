// Routes under `/zones/{id}/dns_records`.

import type { FastifyInstance, FastifyRequest } from "fastify";
import type { z } from "zod";
import { CloudflareError, noRoute } from "./errors";
import { pageOf } from "./lists";
import { makeRecord, type RecordBody, recordBody, recordJson, type Zone } from "./records";
import type { CloudflareState, DnsRecord } from "./state";

type InZone = { Params: { zone: string } };
type OneRecord = { Params: { zone: string; record: string } };

/** What the routes need of the account. */
export interface Account {
  readonly state: CloudflareState;
  zoneOf(id: string, path: string): Zone;
  /** Saves the state and publishes a zone. */
  publish(zone: Zone): Promise<void>;
}

function readRecord<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) {
    return parsed.data;
  }
  const chain = parsed.error.issues.map(({ path, message }) => ({
    code: 9207,
    message: `${path.join(".")}: ${message}`,
  }));
  throw new CloudflareError(400, 1004, "DNS Validation Error", chain);
}

const textFields = ["name", "content", "comment"] as const;

/** The filters of a list: `name`, `name.exact`, `.contains`, `.startswith`, `.endswith`, `.absent` … */
function filterOf(request: FastifyRequest): (record: DnsRecord) => boolean {
  const query = new URL(request.url, "http://cloud").searchParams;
  const tests: ((record: DnsRecord) => boolean)[] = [];
  for (const field of textFields) {
    const value = (record: DnsRecord) => (record[field] ?? "").toLowerCase();
    const add = (suffix: string, holds: (value: string, wanted: string) => boolean) => {
      const wanted = query.get(`${field}${suffix}`)?.toLowerCase();
      if (wanted !== undefined) {
        tests.push((record) => holds(value(record), wanted));
      }
    };
    add("", (text, wanted) => text === wanted);
    add(".exact", (text, wanted) => text === wanted);
    add(".contains", (text, wanted) => text.includes(wanted));
    add(".startswith", (text, wanted) => text.startsWith(wanted));
    add(".endswith", (text, wanted) => text.endsWith(wanted));
    add(".absent", (text) => text === "");
    add(".present", (text) => text !== "");
  }
  const type = query.get("type")?.toUpperCase();
  if (type !== undefined) {
    tests.push((record) => record.type === type);
  }
  const proxied = query.get("proxied");
  if (proxied !== null) {
    tests.push((record) => String(record.proxied) === proxied);
  }
  const search = query.get("search")?.toLowerCase();
  if (search !== undefined) {
    tests.push((record) =>
      textFields.some((field) => (record[field] ?? "").toLowerCase().includes(search)),
    );
  }
  return query.get("match") === "any" && tests.length > 0
    ? (record) => tests.some((holds) => holds(record))
    : (record) => tests.every((holds) => holds(record));
}

/** What a record would be asked for again; PATCH starts from it. */
function bodyOf(record: DnsRecord): RecordBody {
  const { name, type, content, data, priority, proxied, ttl, comment, settings } = record;
  return { name, type, content, data, priority, proxied, ttl, comment, settings };
}

const answer = (result: unknown) => ({ result, success: true, errors: [], messages: [] });

/** Adds the routes. */
export function addDnsRecords(app: FastifyInstance, account: Account): void {
  const { state } = account;
  const ofZone = (zone: Zone) => state.records.filter(({ zoneId }) => zoneId === zone.id);

  function find(request: FastifyRequest<OneRecord>): { zone: Zone; record: DnsRecord } {
    const zone = account.zoneOf(request.params.zone, request.url);
    const { record: id } = request.params;
    if (!/^[0-9a-f]{32}$/.test(id)) {
      throw noRoute(request.url);
    }
    const record = ofZone(zone).find((one) => one.id === id);
    if (record === undefined) {
      throw new CloudflareError(404, 81044, "Record does not exist.");
    }
    return { zone, record };
  }

  async function replace(zone: Zone, former: DnsRecord, body: RecordBody): Promise<unknown> {
    const record = makeRecord(zone, body, state.records, former);
    state.records.splice(state.records.indexOf(former), 1, record);
    await account.publish(zone);
    return answer(recordJson(record));
  }

  app.get<InZone>("/zones/:zone/dns_records", async (request) => {
    const zone = account.zoneOf(request.params.zone, request.url);
    const found = ofZone(zone).filter(filterOf(request));
    return pageOf(request, found, recordJson, { perPage: 100, most: 5_000_000 });
  });

  app.post<InZone>("/zones/:zone/dns_records", async (request) => {
    const zone = account.zoneOf(request.params.zone, request.url);
    const record = makeRecord(zone, readRecord(recordBody, request.body), state.records);
    state.records.push(record);
    await account.publish(zone);
    return answer(recordJson(record));
  });

  app.get<OneRecord>("/zones/:zone/dns_records/:record", async (request) =>
    answer(recordJson(find(request).record)),
  );

  app.put<OneRecord>("/zones/:zone/dns_records/:record", async (request) => {
    const { zone, record } = find(request);
    return replace(zone, record, readRecord(recordBody, request.body));
  });

  app.patch<OneRecord>("/zones/:zone/dns_records/:record", async (request) => {
    const { zone, record } = find(request);
    const changes = readRecord(recordBody.partial(), request.body);
    const given = Object.fromEntries(
      Object.entries(changes).filter(([, value]) => value !== undefined),
    );
    return replace(zone, record, readRecord(recordBody, { ...bodyOf(record), ...given }));
  });

  app.delete<OneRecord>("/zones/:zone/dns_records/:record", async (request) => {
    const { zone, record } = find(request);
    state.records.splice(state.records.indexOf(record), 1);
    await account.publish(zone);
    return answer({ id: record.id });
  });
}
