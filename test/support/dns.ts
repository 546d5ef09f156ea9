// TXT records of the stack's zones, through Cloudflare's API: those that a test needs beside the program's.

import { z } from "zod";
import { target } from "./target";

const Answer = z.object({
  success: z.boolean(),
  errors: z.array(z.unknown()),
  result: z.unknown(),
});
const Named = z.object({ id: z.string(), name: z.string() });
const Records = z.array(z.object({ id: z.string() }));

async function call(method: "GET" | "POST" | "DELETE", path: string, body?: unknown) {
  const answer = await fetch(`${target.dns.endpoint}${path}`, {
    method,
    headers: { authorization: `Bearer ${target.dns.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { success, errors, result } = Answer.parse(await answer.json());
  if (!success) throw new Error(`${method} ${path}: ${JSON.stringify(errors)}`);
  return result;
}

/** The path of the records of the zone that a name lies in. */
export async function recordsOf(name: string): Promise<string> {
  const zones = z.array(Named).parse(await call("GET", "/zones"));
  const zone = zones.find((each) => name === each.name || name.endsWith(`.${each.name}`));
  if (zone === undefined) throw new Error(`${name}: in none of the stack's zones`);
  return `/zones/${zone.id}/dns_records`;
}

/** Takes away every TXT record of a name. */
export async function withdrawText(name: string): Promise<void> {
  const records = await recordsOf(name);
  const found = Records.parse(await call("GET", `${records}?type=TXT&name=${name}`));
  for (const { id } of found) await call("DELETE", `${records}/${id}`);
}

/** Publishes a TXT record in place of whatever the name had. */
export async function publishText(name: string, content: string): Promise<void> {
  await withdrawText(name);
  const chunks = content.match(/.{1,255}/g) ?? [];
  const quoted = chunks.map((chunk) => `"${chunk}"`).join(" ");
  await call("POST", await recordsOf(name), { type: "TXT", name, content: quoted, ttl: 60 });
}
