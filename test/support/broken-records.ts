// The zones of the host under test, through Cloudflare's API: records that are added or taken away while
// something is looked at.

import { z } from "zod";
import { target } from "./target";

const Listed = z.object({ result: z.array(z.object({ id: z.string(), name: z.string() })) });
const Made = z.object({ result: z.object({ id: z.string() }) });

interface DnsRecord {
  readonly name: string;
  readonly type: string;
}

async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const { endpoint, token } = target.dns;
  const answer = await fetch(`${endpoint}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** The path of the records of the zone that a name lies in. */
async function recordsOf(name: string): Promise<string> {
  const { result } = Listed.parse(await call("GET", "/zones?per_page=50"));
  const zone = result.find((one) => name === one.name || name.endsWith(`.${one.name}`));
  if (zone === undefined) throw new Error(`no zone holds ${name}`);
  return `/zones/${zone.id}/dns_records`;
}

/** Does something while one record of that name and type is away. It stays the stack's: only its name changes. */
export async function withoutRecord(
  { name, type }: DnsRecord,
  use: () => Promise<void>,
): Promise<void> {
  const records = await recordsOf(name);
  const query = new URLSearchParams({ name, type });
  const [record] = Listed.parse(await call("GET", `${records}?${query}`)).result;
  if (record === undefined) throw new Error(`there is no ${type} record of ${name}`);
  await call("PATCH", `${records}/${record.id}`, { name: `away.${name}` });
  try {
    await use();
  } finally {
    await call("PATCH", `${records}/${record.id}`, { name });
  }
}

/** Does something while there is one record more. */
export async function withRecord(
  record: DnsRecord & { readonly content: string },
  use: () => Promise<void>,
): Promise<void> {
  const records = await recordsOf(record.name);
  const { result } = Made.parse(await call("POST", records, { ...record, ttl: 60 }));
  try {
    await use();
  } finally {
    await call("DELETE", `${records}/${result.id}`);
  }
}
