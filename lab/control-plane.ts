// The two emulated clouds over one infrastructure, listening.

import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { createCloudflare, zoneIdOf } from "./clouds/cloudflare";
import type { Zone } from "./clouds/cloudflare/records";
import { createHetznerCloud } from "./clouds/hetzner";
import type { Infrastructure } from "./clouds/infrastructure";
import { fileStore, type Store } from "./clouds/store";
import { cloudflarePort, hcloudPort } from "./network/addresses";
import type { LabPaths } from "./paths";

/** Base addresses of the emulated APIs, as the providers want them. */
export interface ApiAddresses {
  readonly hcloud: string;
  readonly cloudflare: string;
}

const actionMilliseconds = 100;

// One account holds the zones that a lab's programs may write to.
const accountId = zoneIdOf("mail-host lab account");
const labZones = ["example.test", "second.test", "example.com", "example.org"].map((name) => ({
  name,
  id: zoneIdOf(name),
  accountId,
}));

/** Both clouds of one lab, before they listen. */
export interface Clouds {
  readonly hetzner: FastifyInstance;
  readonly cloudflare: FastifyInstance;
}

/** A zone of the lab's account. */
export const zoneOfAccount = (name: string, id: string): Zone => ({ name, id, accountId });

/** Makes both clouds over one infrastructure and one memory, with other zones than the lab's when asked to. */
export const createClouds = (
  infrastructure: Infrastructure,
  store: Store,
  {
    zones = labZones,
    milliseconds = actionMilliseconds,
  }: { readonly zones?: readonly Zone[]; readonly milliseconds?: number } = {},
): Clouds => ({
  hetzner: createHetznerCloud({ infrastructure, store, actionMilliseconds: milliseconds }),
  cloudflare: createCloudflare({ infrastructure, store, zones }),
});

/** Lets both clouds listen: on the lab's address, or on free loopback ports where `host` is none. */
export async function listen(clouds: Clouds, host?: string): Promise<ApiAddresses> {
  const where = (port: number) =>
    host === undefined ? { host: "127.0.0.1", port: 0 } : { host, port };
  const hcloudAddress = await clouds.hetzner.listen(where(hcloudPort));
  const cloudflareAddress = await clouds.cloudflare.listen(where(cloudflarePort));
  return { hcloud: `${hcloudAddress}/v1`, cloudflare: `${cloudflareAddress}/client/v4` };
}

/** Starts both APIs with a memory that outlives this process. */
export const serveClouds = (
  paths: LabPaths,
  infrastructure: Infrastructure,
  host: string | undefined,
): Promise<ApiAddresses> =>
  listen(createClouds(infrastructure, fileStore(join(paths.state, "clouds.json"))), host);
