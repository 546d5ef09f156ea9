// What carries this project's marks in the two clouds: labels at Hetzner, comments at Cloudflare. Only asks.

import { z } from "zod";
import { stackLabels } from "../../components/existing";
import { markOf } from "../../components/mail-records";
import { type Api, type Clouds, get } from "./api";

/** What carries labels at Hetzner: its path in the API, its word, the resource that manages it. */
export const labelled = [
  { path: "servers", word: "server", type: "hcloud:index/server:Server" },
  { path: "volumes", word: "volume", type: "hcloud:index/volume:Volume" },
  { path: "primary_ips", word: "address", type: "hcloud:index/primaryIp:PrimaryIp" },
  { path: "firewalls", word: "firewall", type: "hcloud:index/firewall:Firewall" },
  { path: "ssh_keys", word: "SSH key", type: "hcloud:index/sshKey:SshKey" },
] as const;

/** Something at Hetzner, of any of these kinds. */
export interface Thing {
  readonly word: (typeof labelled)[number]["word"];
  readonly type: (typeof labelled)[number]["type"];
  /** Below the API's endpoint, e.g. `volumes/4711`. */
  readonly path: string;
  readonly id: number;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isProtected: boolean;
  /** A server's. */
  readonly status?: string | undefined;
  /** A server's volumes. */
  readonly volumes: readonly number[];
  /** A volume's size in GiB. */
  readonly size?: number | undefined;
  /** Servers that a volume is attached to, an address assigned to, a firewall applied to. */
  readonly usedBy: readonly number[];
}

const Listed = z.object({
  id: z.number(),
  name: z.string(),
  labels: z.record(z.string(), z.string()).default({}),
  protection: z.object({ delete: z.boolean() }).optional(),
  status: z.string().optional(),
  volumes: z.array(z.number()).default([]),
  size: z.number().optional(),
  server: z.number().nullish(),
  assignee_id: z.number().nullish(),
  applied_to: z
    .array(
      z.object({
        server: z.object({ id: z.number() }).optional(),
        applied_to_resources: z
          .array(z.object({ server: z.object({ id: z.number() }).optional() }))
          .nullish(),
      }),
    )
    .default([]),
});
const Paged = z.object({
  meta: z.object({ pagination: z.object({ next_page: z.number().nullish() }) }),
});

/** Everything at Hetzner that carries these labels, e.g. `{ project: "mail-host" }`. */
export async function thingsAt(
  api: Api,
  labels: Readonly<Record<string, string>>,
): Promise<Thing[]> {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  const selector = encodeURIComponent(wanted.join(","));
  const found: Thing[] = [];
  for (const { path, word, type } of labelled) {
    for (let page: number | null | undefined = 1; page; ) {
      const answer = await get(api, `${path}?label_selector=${selector}&per_page=50&page=${page}`);
      const listed = z.object({ [path]: z.array(Listed) }).parse(answer)[path] ?? [];
      for (const { id, name, labels: own, protection, status, volumes, size, ...uses } of listed) {
        const users = [
          uses.server,
          uses.assignee_id,
          ...uses.applied_to.flatMap((target) => [
            target.server?.id,
            ...(target.applied_to_resources ?? []).map(({ server }) => server?.id),
          ]),
        ];
        found.push({
          ...{ word, type, path: `${path}/${id}`, id, name, labels: own, status, volumes, size },
          isProtected: protection?.delete ?? false,
          usedBy: users.filter((user) => typeof user === "number"),
        });
      }
      page = Paged.parse(answer).meta.pagination.next_page;
    }
  }
  return found;
}

const Zones = z.object({ result: z.array(z.object({ id: z.string(), name: z.string() })) });

/** All zones that the token may read. */
export const zonesAt = (api: Api) => allPages(api, "zones", 50, Zones);

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

/** All records of a zone, whoever made them. */
export const recordsAt = (api: Api, zoneId: string) =>
  allPages(api, `zones/${zoneId}/dns_records`, 100, DnsRecords);

/** The API's own totals are not trusted: an empty page is the end. */
async function allPages<T>(
  api: Api,
  path: string,
  perPage: number,
  schema: z.ZodType<{ result: T[] }>,
): Promise<T[]> {
  const all: T[] = [];
  for (let page = 1; ; page += 1) {
    const { result } = schema.parse(await get(api, `${path}?per_page=${perPage}&page=${page}`));
    if (result.length === 0) return all;
    all.push(...result);
  }
}

/** Something with this project's mark, in either cloud. */
export interface Marked {
  /** For a person, e.g. `volume "dev-mail" (4711)`. */
  readonly what: string;
  readonly word: Thing["word"] | "record";
  readonly api: Api;
  readonly path: string;
  readonly stack: string;
  /** The last day that it is for, if it has one. */
  readonly expires?: string;
  readonly isProtected: boolean;
  /** A server's own number; of others, those that use them. */
  readonly serverId?: number;
  readonly usedBy: readonly number[];
  /** A volume's, in GiB. */
  readonly size?: number;
}

/** Everything that carries the marks of a stack, or of any stack of this project. */
export async function findMarked({ hetzner, cloudflare }: Clouds, stack?: string) {
  const { project } = stackLabels("");
  const labels = stack === undefined ? { project: String(project) } : stackLabels(stack);
  const found: Marked[] = (await thingsAt(hetzner, labels)).map((thing) => {
    const { expires } = thing.labels;
    return {
      what: `${thing.word} "${thing.name}" (${thing.id})`,
      word: thing.word,
      api: hetzner,
      path: thing.path,
      stack: thing.labels.stack ?? "",
      ...(expires === undefined ? {} : { expires }),
      isProtected: thing.isProtected,
      usedBy: thing.usedBy,
      ...(thing.word === "server" ? { serverId: thing.id } : {}),
      ...(thing.size === undefined ? {} : { size: thing.size }),
    };
  });
  for (const zone of await zonesAt(cloudflare)) {
    for (const { id, type, name, comment } of await recordsAt(cloudflare, zone.id)) {
      const mark = markOf(comment ?? undefined);
      if (mark === undefined || (stack !== undefined && mark.stack !== stack)) continue;
      found.push({
        ...{ what: `${type} record of ${name} (${id})`, word: "record", api: cloudflare, ...mark },
        ...{ path: `zones/${zone.id}/dns_records/${id}`, isProtected: false, usedBy: [] },
      });
    }
  }
  return found;
}
