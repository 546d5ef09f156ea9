// The resources of the Hetzner Cloud API as it shows them: which fields are there, and which may be
// null. Written from the public documentation; `datacenter` is gone since July 2026.

import {
  either,
  emptyList,
  flag,
  id,
  integer,
  list,
  mapOf,
  matching,
  moment,
  name,
  none,
  nullable,
  number,
  object,
  oneOf,
  text,
} from "./json-schema";

export const labels = mapOf(matching("^([a-zA-Z0-9]([\\w.-]{0,61}[a-zA-Z0-9])?)?$"));

const ipv4 = matching("^\\d{1,3}(\\.\\d{1,3}){3}$");
const ipv6 = matching("^[0-9a-f:]+$");
const ipv6Network = matching("^[0-9a-f:]+::/64$");
const cidr = matching("^[0-9a-f.:]+/\\d{1,3}$");
const pointer = object({ ip: either(ipv4, ipv6), dns_ptr: name });
const deletion = object({ delete: flag });
const architecture = oneOf("x86", "arm");

export const location = object({
  id,
  name,
  description: text,
  country: matching("^[A-Z]{2}$"),
  city: text,
  latitude: number,
  longitude: number,
  network_zone: oneOf("eu-central", "us-east", "us-west", "ap-southeast"),
});

const amount = matching("^\\d+\\.\\d+$");
const price = object({ net: amount, gross: amount });
const deprecation = nullable(object({ announced: moment, unavailable_after: moment }));

export const serverType = object(
  {
    id,
    name,
    description: text,
    cores: integer,
    memory: number,
    disk: integer,
    prices: list(
      object({
        location: name,
        price_hourly: price,
        price_monthly: price,
        included_traffic: integer,
        price_per_tb_traffic: price,
      }),
    ),
    storage_type: oneOf("local", "network"),
    cpu_type: oneOf("shared", "dedicated"),
    architecture,
    locations: list(object({ id, name, available: flag, recommended: flag }, { deprecation })),
  },
  { category: text, deprecated: flag, deprecation },
);

export const image = object(
  {
    id,
    type: oneOf("system", "app", "snapshot", "backup"),
    status: oneOf("available", "creating", "unavailable"),
    name: nullable(text),
    description: text,
    image_size: nullable(number),
    disk_size: number,
    created: moment,
    created_from: nullable(object({ id, name })),
    bound_to: nullable(id),
    os_flavor: oneOf(
      "ubuntu",
      "centos",
      "debian",
      "fedora",
      "rocky",
      "alma",
      "opensuse",
      "unknown",
    ),
    os_version: nullable(text),
    protection: deletion,
    deprecated: nullable(moment),
    deleted: nullable(moment),
    labels,
    architecture,
  },
  { rapid_deploy: flag },
);

export const placementGroup = object({
  id,
  name,
  labels,
  type: oneOf("spread"),
  created: moment,
  servers: list(id),
});

export const server = object(
  {
    id,
    name,
    status: oneOf(
      ..."running initializing starting stopping off deleting migrating rebuilding unknown".split(
        " ",
      ),
    ),
    created: moment,
    public_net: object({
      ipv4: nullable(object({ id, ip: ipv4, blocked: flag, dns_ptr: text })),
      ipv6: nullable(object({ id, ip: ipv6Network, blocked: flag, dns_ptr: list(pointer) })),
      floating_ips: list(id),
      firewalls: list(object({ id, status: oneOf("applied", "pending") })),
    }),
    private_net: emptyList,
    server_type: serverType,
    location,
    image: nullable(image),
    iso: none,
    rescue_enabled: flag,
    locked: flag,
    backup_window: nullable(matching("^\\d\\d-\\d\\d$")),
    outgoing_traffic: nullable(integer),
    ingoing_traffic: nullable(integer),
    included_traffic: nullable(integer),
    protection: object({ delete: flag, rebuild: flag }),
    labels,
    primary_disk_size: integer,
  },
  { volumes: list(id), load_balancers: list(id), placement_group: nullable(placementGroup) },
);

export const primaryIp = {
  ...object({
    id,
    name,
    labels,
    created: moment,
    blocked: flag,
    location,
    ip: either(ipv4, ipv6Network),
    dns_ptr: list(pointer),
    protection: deletion,
    type: oneOf("ipv4", "ipv6"),
    auto_delete: flag,
    assignee_type: oneOf("server", "unassigned"),
    assignee_id: nullable(id),
  }),
  // Type and address say the same, and an assignee has an id.
  allOf: [
    {
      if: { properties: { type: { const: "ipv4" } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { ip: ipv4 } },
      else: { properties: { ip: ipv6Network } },
    },
    {
      if: { properties: { assignee_type: { const: "server" } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { assignee_id: id } },
      else: { properties: { assignee_id: none } },
    },
  ],
};

export const volume = object({
  id,
  created: moment,
  name,
  server: nullable(id),
  location,
  size: { type: "integer", minimum: 10, maximum: 10240 },
  linux_device: matching("^/dev/disk/by-id/scsi-0HC_Volume_\\d+$"),
  protection: deletion,
  labels,
  status: oneOf("available", "creating"),
  format: nullable(oneOf("ext4", "xfs")),
});

const ruleBase = {
  direction: oneOf("in", "out"),
  protocol: oneOf("tcp", "udp", "icmp", "esp", "gre"),
};
const port = matching("^(any|\\d{1,5}(-\\d{1,5})?)$");

/** A rule as the API shows it. */
const rule = object(
  { ...ruleBase, source_ips: list(cidr), destination_ips: list(cidr) },
  { port: nullable(port), description: nullable(text) },
);

/** A rule as it is sent. */
export const sentRule = object(ruleBase, {
  port: nullable(port),
  source_ips: nullable(list(cidr)),
  destination_ips: nullable(list(cidr)),
  description: nullable(text),
});

const ofServer = object({ type: oneOf("server"), server: object({ id }) });
const selector = object({ selector: name });

/** What a firewall is to be applied to. */
export const firewallTarget = either(
  ofServer,
  object({ type: oneOf("label_selector"), label_selector: selector }),
);

export const firewall = object(
  {
    id,
    name,
    rules: list(rule),
    applied_to: list(
      either(
        ofServer,
        object(
          { type: oneOf("label_selector"), label_selector: selector },
          { applied_to_resources: list(ofServer) },
        ),
      ),
    ),
  },
  { labels, created: moment },
);

export const sshKey = object({
  id,
  name,
  fingerprint: matching("^([0-9a-f]{2}:){15}[0-9a-f]{2}$"),
  public_key: matching("^\\S+ \\S+( \\S.*)?$"),
  labels,
  created: moment,
});

export const action = object({
  id,
  command: matching("^[a-z_]+$"),
  status: oneOf("running", "success", "error"),
  progress: { type: "integer", minimum: 0, maximum: 100 },
  started: moment,
  finished: nullable(moment),
  resources: list(
    object({ id, type: oneOf("server", "primary_ip", "volume", "firewall", "placement_group") }),
  ),
  error: nullable(object({ code: name, message: name })),
});
