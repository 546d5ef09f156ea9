// The two emulated clouds over one infrastructure, listening.

import { join } from "node:path";
import { createCloudflare, zoneIdOf } from "./clouds/cloudflare";
import { createHetznerCloud } from "./clouds/hetzner";
import type { Infrastructure } from "./clouds/infrastructure";
import { fileStore } from "./clouds/store";
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
const zones = ["example.test", "second.test", "example.com", "example.org"].map((name) => ({
  name,
  id: zoneIdOf(name),
  accountId,
}));

/** Starts both APIs: on the lab's address, or on free loopback ports where `host` is none of it. */
export async function serveClouds(
  paths: LabPaths,
  infrastructure: Infrastructure,
  host: string | undefined,
): Promise<ApiAddresses> {
  const store = fileStore(join(paths.state, "clouds.json"));
  const hetzner = createHetznerCloud({ infrastructure, store, actionMilliseconds });
  const cloudflare = createCloudflare({ infrastructure, store, zones });
  const where = (port: number) =>
    host === undefined ? { host: "127.0.0.1", port: 0 } : { host, port };
  const hcloudAddress = await hetzner.listen(where(hcloudPort));
  const cloudflareAddress = await cloudflare.listen(where(cloudflarePort));
  return { hcloud: `${hcloudAddress}/v1`, cloudflare: `${cloudflareAddress}/client/v4` };
}
