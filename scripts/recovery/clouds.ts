// Asks both clouds what carries the stack's marks. Only reads.

import { z } from "zod";
import { stackLabels } from "../../components/existing";
import { isOurs } from "../../components/mail-records";
import { attachmentType, type Found, serverType } from "./placement";

/** Where a cloud's API is, and the token for it. */
export interface Api {
  /** For messages. */
  readonly cloud: string;
  readonly endpoint: string;
  readonly token: string;
  /** The environment variable that a command for a person takes the token from. */
  readonly variable: string;
}

const Configuration = z.record(z.string(), z.object({ value: z.string().optional() }));

/** Both APIs as the providers find them: `pulumi config --show-secrets --json`, then the environment. */
export function apis(configuration: string, environment: NodeJS.ProcessEnv) {
  const settings = Configuration.parse(JSON.parse(configuration));
  const api = (from: {
    cloud: string;
    token: string;
    variable: string;
    endpoint: string | undefined;
    fallback: string;
  }): Api => {
    const token = settings[from.token]?.value || environment[from.variable];
    if (!token) {
      throw new Error(
        `${from.token}: not set, nor is ${from.variable}. Set it with: pulumi config set --secret ${from.token} <token>`,
      );
    }
    const endpoint = (from.endpoint || from.fallback).replace(/\/+$/, "");
    return { cloud: from.cloud, variable: from.variable, token, endpoint };
  };
  return {
    hetzner: api({
      cloud: "Hetzner Cloud",
      token: "hcloud:token",
      variable: "HCLOUD_TOKEN",
      endpoint: settings["hcloud:endpoint"]?.value || environment.HCLOUD_ENDPOINT,
      fallback: "https://api.hetzner.cloud/v1",
    }),
    cloudflare: api({
      cloud: "Cloudflare",
      token: "cloudflare:apiToken",
      variable: "CLOUDFLARE_API_TOKEN",
      endpoint: settings["cloudflare:baseUrl"]?.value || environment.CLOUDFLARE_BASE_URL,
      fallback: "https://api.cloudflare.com/client/v4",
    }),
  };
}

async function get(api: Api, path: string): Promise<unknown> {
  const url = `${api.endpoint}/${path}`;
  const again = "nothing was imported; run `npm run recover` again";
  const answer = await fetch(url, { headers: { authorization: `Bearer ${api.token}` } }).catch(
    (error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new Error(`${api.cloud}: no answer to GET ${url} (${cause}); ${again}`);
    },
  );
  if (!answer.ok) {
    const said = (await answer.text()).slice(0, 300);
    throw new Error(`${api.cloud}: GET ${url} answered ${answer.status}: ${said}; ${again}`);
  }
  return answer.json();
}

const removal = (api: Api, path: string) =>
  `curl -X DELETE -H "Authorization: Bearer $${api.variable}" ${api.endpoint}/${path}`;

/** What carries labels at Hetzner: its path in the API, its word, the resource that manages it. */
export const labelled = [
  { path: "ssh_keys", word: "SSH key", type: "hcloud:index/sshKey:SshKey" },
  { path: "firewalls", word: "firewall", type: "hcloud:index/firewall:Firewall" },
  { path: "primary_ips", word: "address", type: "hcloud:index/primaryIp:PrimaryIp" },
  { path: "volumes", word: "volume", type: "hcloud:index/volume:Volume" },
  { path: "servers", word: "server", type: serverType },
] as const;

const Thing = z.object({
  id: z.number(),
  name: z.string(),
  /** A volume's server. */
  server: z.number().nullish(),
  /** A server's volumes and status. */
  volumes: z.array(z.number()).default([]),
  status: z.string().optional(),
});
type Thing = z.infer<typeof Thing>;
const Paged = z.object({
  meta: z.object({ pagination: z.object({ next_page: z.number().nullish() }) }),
});

/** Everything at Hetzner that carries the stack's labels, and the attachments of its volumes. */
export async function findAtHetzner(api: Api, stack: string): Promise<Found[]> {
  const labels = Object.entries(stackLabels(stack)).map(([label, value]) => `${label}=${value}`);
  const selector = encodeURIComponent(labels.join(","));
  const found: Found[] = [];
  for (const { path, word, type } of labelled) {
    for (let page: number | null | undefined = 1; page; ) {
      const query = `${path}?label_selector=${selector}&per_page=50&page=${page}`;
      const answer = await get(api, query);
      const things = z.object({ [path]: z.array(Thing) }).parse(answer)[path] ?? [];
      for (const thing of things) {
        const { id, name, server } = thing;
        const one = {
          what: `${word} "${name}" (${id})`,
          type,
          id: String(id),
          identity: { name },
          likeness: {},
          removal: removal(api, `${path}/${id}`),
          ...(path === "servers" ? inUse(api, thing) : {}),
        };
        found.push(one);
        if (path === "volumes" && server != null) {
          const identity = { volumeId: id, serverId: server };
          found.push({ ...one, what: `attachment of ${one.what}`, type: attachmentType, identity });
        }
      }
      page = Paged.parse(answer).meta.pagination.next_page;
    }
  }
  return found;
}

/** An imported server is replaced by the next `pulumi up`, which must not pull a volume from under it. */
function inUse(api: Api, { id, status, volumes }: Thing): Pick<Found, "obstacle"> | undefined {
  if (status === "off" || volumes.length === 0) return undefined;
  const shutdown = `${api.endpoint}/servers/${id}/actions/shutdown`;
  return {
    obstacle: {
      reason: "it runs on its volume; the next `pulumi up` would replace it without a farewell",
      cure: `curl -X POST -H "Authorization: Bearer $${api.variable}" ${shutdown} && npm run recover`,
    },
  };
}

export const recordType = "cloudflare:index/dnsRecord:DnsRecord";

const DnsRecords = z.object({
  result: z.array(
    z.object({
      id: z.string(),
      type: z.string(),
      name: z.string(),
      content: z.string().nullish(),
      comment: z.string().nullish(),
    }),
  ),
});

/** The records of these zones whose comments carry the stack's mark. */
export async function findAtCloudflare(
  api: Api,
  stack: string,
  zoneIds: readonly string[],
): Promise<Found[]> {
  const found: Found[] = [];
  for (const zoneId of zoneIds) {
    // The API's own totals are not trusted: an empty page is the end.
    for (let page = 1; ; page += 1) {
      const query = `zones/${zoneId}/dns_records?per_page=100&page=${page}`;
      const { result } = DnsRecords.parse(await get(api, query));
      if (result.length === 0) break;
      for (const { id, type, name, content, comment } of result) {
        if (!isOurs(stack, comment ?? undefined)) continue;
        found.push({
          what: `${type} record of ${name} (${id})`,
          type: recordType,
          id: `${zoneId}/${id}`,
          identity: { zoneId, name, type },
          likeness: { content, comment },
          removal: removal(api, `zones/${zoneId}/dns_records/${id}`),
        });
      }
    }
  }
  return found;
}
