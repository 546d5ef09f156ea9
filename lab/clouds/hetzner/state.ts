// What the emulated Hetzner project remembers; the API's JSON is rendered from it.

import { z } from "zod";

const labels = z.record(z.string(), z.string());
const common = { id: z.number(), name: z.string(), created: z.string(), labels };

const sshKey = z.object({ ...common, publicKey: z.string(), fingerprint: z.string() });

const primaryIp = z.object({
  ...common,
  type: z.enum(["ipv4", "ipv6"]),
  /** An address, or a network such as `2001:2:0:10::/64`. */
  ip: z.string(),
  location: z.string(),
  autoDelete: z.boolean(),
  deleteProtection: z.boolean(),
  serverId: z.number().nullable(),
  /** Explicit PTR records; an IPv4 without one has Hetzner's default. */
  pointers: z.array(z.object({ ip: z.string(), name: z.string() })),
});

const volume = z.object({
  ...common,
  sizeGib: z.number(),
  location: z.string(),
  format: z.enum(["ext4", "xfs"]).nullable(),
  status: z.enum(["creating", "available"]),
  deleteProtection: z.boolean(),
  serverId: z.number().nullable(),
});

const rule = z.object({
  direction: z.enum(["in", "out"]),
  protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
  port: z.string().nullable(),
  source_ips: z.array(z.string()),
  destination_ips: z.array(z.string()),
  description: z.string().nullable(),
});

const firewall = z.object({
  ...common,
  rules: z.array(rule),
  serverIds: z.array(z.number()),
  labelSelectors: z.array(z.string()),
});

const server = z.object({
  ...common,
  status: z.enum(["initializing", "starting", "running", "stopping", "off", "deleting", "unknown"]),
  serverType: z.string(),
  imageId: z.number(),
  location: z.string(),
  ipv4Id: z.number().nullable(),
  ipv6Id: z.number().nullable(),
  placementGroupId: z.number().nullable(),
  deleteProtection: z.boolean(),
  rebuildProtection: z.boolean(),
  backupWindow: z.string().nullable(),
  primaryDiskSize: z.number(),
});

const placementGroup = z.object({ ...common, type: z.literal("spread") });

const action = z.object({
  id: z.number(),
  command: z.string(),
  status: z.enum(["running", "success", "error"]),
  progress: z.number(),
  started: z.string(),
  finished: z.string().nullable(),
  resources: z.array(z.object({ id: z.number(), type: z.string() })),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** Servers that stay locked while it runs. */
  locks: z.array(z.number()),
});

/** Shape of the section `hetzner` of the store. */
export const hetznerState = z.object({
  nextId: z.number(),
  nextIpv4: z.record(z.string(), z.number()),
  nextIpv6: z.number(),
  sshKeys: z.array(sshKey),
  primaryIps: z.array(primaryIp),
  volumes: z.array(volume),
  firewalls: z.array(firewall),
  servers: z.array(server),
  placementGroups: z.array(placementGroup),
  actions: z.array(action),
});

export type HetznerState = z.infer<typeof hetznerState>;
export type SshKey = z.infer<typeof sshKey>;
export type PrimaryIp = z.infer<typeof primaryIp>;
export type Volume = z.infer<typeof volume>;
export type Rule = z.infer<typeof rule>;
export type Firewall = z.infer<typeof firewall>;
export type Server = z.infer<typeof server>;
export type PlacementGroup = z.infer<typeof placementGroup>;
export type Action = z.infer<typeof action>;
export type Labels = z.infer<typeof labels>;

/** A project in which nothing has been made yet. */
export function emptyProject(): HetznerState {
  return {
    nextId: 1001,
    nextIpv4: {},
    nextIpv6: 0x10,
    sshKeys: [],
    primaryIps: [],
    volumes: [],
    firewalls: [],
    servers: [],
    placementGroups: [],
    actions: [],
  };
}
