// The emulated Cloudflare for stacks on the real engine: two zones, and what the provider asked of them.

import { createCloudflare } from "../../lab/clouds/cloudflare";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { clientOf, watched } from "./clouds-support";
import { cloudflareContract } from "./contract";

export const apiToken = "a".repeat(40);
export const zoneId = "023e105f4ecef8ad9ca31a8372d0c353";
export const otherZoneId = "123e105f4ecef8ad9ca31a8372d0c353";

/** A zone of the emulated Cloudflare, and what the provider asked of it. */
export async function emulatedZone() {
  const accountId = "b".repeat(32);
  const zones = [
    { id: zoneId, name: "example.com", accountId },
    { id: otherZoneId, name: "example.org", accountId },
  ];
  const atParent: string[] = [];
  const infrastructure = { ...noInfrastructure, delegationSigners: async () => atParent };
  const app = createCloudflare({ infrastructure, store: memoryStore(), zones });
  watched(app, cloudflareContract);
  const requests: { line: string; authorization: string | undefined; body: unknown }[] = [];
  const own = clientOf(app, "/client/v4");
  app.addHook("onSend", async ({ method, url, headers, body }, _reply, payload) => {
    const { authorization } = headers;
    if (authorization === `Bearer ${apiToken}`) {
      requests.push({ line: `${method} ${url.replace(/\?.*/, "")}`, authorization, body });
    }
    return payload;
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const records = `/zones/${zoneId}/dns_records`;
  return {
    requests,
    /** The DS records that the parent of every zone holds. */
    atParent,
    /** What the API says of the zone's DNSSEC, switched on by hand before where asked for. */
    async dnssec(status?: "active"): Promise<{ ds: string; key_tag: number }> {
      const path = `/zones/${zoneId}/dnssec`;
      const answer = await (status === undefined
        ? own("GET", path)
        : own("PATCH", path, { status }));
      return answer.body.result;
    },
    environment: { CLOUDFLARE_BASE_URL: `${url}/client/v4`, CLOUDFLARE_API_TOKEN: apiToken },
    /** Creates a record by hand and returns its id. */
    async put(fields: object): Promise<string> {
      return (await own("POST", records, { type: "A", ttl: 300, ...fields })).body.result.id;
    },
    /** Removes all records by hand. */
    async clear(): Promise<void> {
      for (const { id } of (await own("GET", records)).body.result) {
        await own("DELETE", `${records}/${id}`);
      }
    },
    async failNext(status: number, headers: object): Promise<void> {
      const errors = [{ code: 1000, message: "ordered" }];
      const body = { result: null, success: false, errors, messages: [] };
      const answer = { status, headers, body };
      await own("POST", "/_lab/faults", { path: "/dns_records", answer });
    },
  };
}
