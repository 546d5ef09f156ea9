// The calls of the Hetzner Cloud API that the lab answers: what each takes, and what it answers.

import {
  action,
  firewall,
  firewallTarget,
  image,
  labels,
  location,
  placementGroup,
  primaryIp,
  sentRule,
  server,
  serverType,
  sshKey,
  volume,
} from "./hetzner-resources";
import {
  either,
  emptyList,
  flag,
  id,
  integer,
  list,
  name,
  none,
  nullable,
  type Operation,
  type Operations,
  object,
  oneOf,
  type Schema,
  text,
} from "./json-schema";

const paging = ["page", "per_page", "sort"];
const filters = ["name", "label_selector", ...paging];

const count: Schema = { type: "integer", minimum: 1 };
const meta = object({
  pagination: object({
    page: count,
    per_page: { type: "integer", minimum: 1, maximum: 50 },
    previous_page: nullable(count),
    next_page: nullable(count),
    last_page: nullable(count),
    total_entries: nullable(integer),
  }),
});

const listOf = (key: string, item: Schema, query: readonly string[] = filters): Operation => ({
  query,
  status: 200,
  answer: object({ [key]: list(item), meta }),
});

const shown = (key: string, resource: Schema): Operation => ({
  status: 200,
  answer: object({ [key]: resource }),
});

const updated = (key: string, resource: Schema, more: Record<string, Schema> = {}): Operation => ({
  body: object({}, { name, labels, ...more }),
  status: 200,
  answer: object({ [key]: resource }),
});

const deleted: Operation = { status: 204 };

const created = (body: Schema, answer: Record<string, Schema>): Operation => ({
  body,
  status: 201,
  answer: object(answer),
});

const started = (body: Schema = object({})): Operation => created(body, { action });

/** Every place where actions of a kind of resource can be watched. */
const watched = (path: string): Operations => ({
  [`GET /${path}/actions`]: listOf("actions", action, ["id", "status", ...paging]),
  [`GET /${path}/actions/:id`]: shown("action", action),
  [`GET /${path}/:id/actions`]: listOf("actions", action, ["status", ...paging]),
  [`GET /${path}/:id/actions/:id`]: shown("action", action),
});

const reference = either(name, id);
const pointer = object({ ip: name, dns_ptr: nullable(text) });
const protection = object({}, { delete: flag });

const newServer = object(
  { name, server_type: reference, image: reference },
  {
    location: name,
    ssh_keys: list(reference),
    user_data: { type: "string", maxLength: 32768 },
    labels,
    firewalls: list(object({ firewall: id })),
    volumes: list(id),
    automount: flag,
    placement_group: id,
    start_after_create: flag,
    public_net: object(
      {},
      { enable_ipv4: flag, enable_ipv6: flag, ipv4: nullable(id), ipv6: nullable(id) },
    ),
  },
);

const newPrimaryIp = object(
  { name, type: oneOf("ipv4", "ipv6") },
  {
    location: name,
    assignee_id: id,
    assignee_type: oneOf("server", "unassigned"),
    auto_delete: flag,
    labels,
  },
);

const newVolume = object(
  { name, size: { type: "integer", minimum: 10, maximum: 10240 } },
  { location: name, server: id, automount: flag, format: oneOf("ext4", "xfs"), labels },
);

const rules = { type: ["array", "null"], items: sentRule, maxItems: 50 };
const targets = nullable(list(firewallTarget));

/** Actions of a server that the lab has not: it says so instead of pretending. */
const unsupported = [
  "add_to_placement_group",
  "attach_iso",
  "attach_to_network",
  "change_alias_ips",
  "create_image",
  "detach_from_network",
  "detach_iso",
  "disable_rescue",
  "enable_rescue",
  "rebuild",
  "remove_from_placement_group",
  "request_console",
  "reset_password",
];

/**
 * The codes of refusals with the status that carries each. The documentation names no status for those of
 * firewalls and volumes; theirs are the lab's choice.
 */
const refusals: Readonly<Record<string, number>> = {
  json_error: 400,
  unauthorized: 401,
  token_readonly: 401,
  forbidden: 403,
  maintenance: 403,
  resource_limit_exceeded: 403,
  not_found: 404,
  firewall_resource_not_found: 404,
  method_not_allowed: 405,
  uniqueness_error: 409,
  conflict: 409,
  deprecated_api_endpoint: 410,
  resource_unavailable: 412,
  primary_ip_version_mismatch: 412,
  service_error: 422,
  unsupported_error: 422,
  server_not_stopped: 422,
  must_be_unassigned: 422,
  primary_ip_assigned: 422,
  primary_ip_datacenter_mismatch: 422,
  volume_already_attached: 422,
  resource_in_use: 422,
  firewall_already_applied: 422,
  firewall_already_removed: 422,
  locked: 423,
  protected: 423,
  rate_limit_exceeded: 429,
  server_error: 500,
  unavailable: 503,
  timeout: 504,
};

const fields = object({
  fields: { type: "array", minItems: 1, items: object({ name: text, messages: list(name) }) },
});

/** The body of a refusal with a status; `invalid_input` names its fields, or the provider crashes. */
export function hetznerRefusal(status: number): Schema {
  const codes = Object.keys(refusals).filter((code) => refusals[code] === status);
  const error = (code: Schema, details: Schema) =>
    object({ error: object({ code, message: name, details }) });
  const plain = error(oneOf(...codes), nullable(fields));
  return status === 422 ? either(error(oneOf("invalid_input"), fields), plain) : plain;
}

/** The calls below `/v1`. */
export const hetznerOperations: Operations = {
  "GET /locations": listOf("locations", location),
  "GET /locations/:id": shown("location", location),
  "GET /server_types": listOf("server_types", serverType),
  "GET /server_types/:id": shown("server_type", serverType),
  "GET /images": listOf("images", image, [
    ...filters,
    "architecture",
    "include_deprecated",
    "status",
    "type",
  ]),
  "GET /images/:id": shown("image", image),
  "GET /datacenters": { query: filters, status: 410, answer: hetznerRefusal(410) },
  "GET /datacenters/:id": { status: 410, answer: hetznerRefusal(410) },
  ...Object.fromEntries(
    ["networks", "floating_ips", "load_balancers", "certificates", "isos"].map((kind) => [
      `GET /${kind}`,
      { query: filters, status: 200, answer: object({ [kind]: emptyList, meta }) },
    ]),
  ),

  "GET /actions": listOf("actions", action, ["id", "status", ...paging]),
  "GET /actions/:id": shown("action", action),
  ...watched("servers"),
  ...watched("primary_ips"),
  ...watched("volumes"),
  ...watched("firewalls"),

  "GET /ssh_keys": listOf("ssh_keys", sshKey, [...filters, "fingerprint"]),
  "POST /ssh_keys": created(object({ name, public_key: name }, { labels }), { ssh_key: sshKey }),
  "GET /ssh_keys/:id": shown("ssh_key", sshKey),
  "PUT /ssh_keys/:id": updated("ssh_key", sshKey),
  "DELETE /ssh_keys/:id": deleted,

  "GET /primary_ips": listOf("primary_ips", primaryIp, [...filters, "ip"]),
  "POST /primary_ips": created(newPrimaryIp, {
    primary_ip: primaryIp,
    action: nullable(action),
  }),
  "GET /primary_ips/:id": shown("primary_ip", primaryIp),
  "PUT /primary_ips/:id": updated("primary_ip", primaryIp, { auto_delete: flag }),
  "DELETE /primary_ips/:id": deleted,
  "POST /primary_ips/:id/actions/assign": started(
    object({ assignee_id: id }, { assignee_type: oneOf("server") }),
  ),
  "POST /primary_ips/:id/actions/unassign": started(),
  "POST /primary_ips/:id/actions/change_dns_ptr": started(pointer),
  "POST /primary_ips/:id/actions/change_protection": started(protection),

  "GET /volumes": listOf("volumes", volume, [...filters, "status"]),
  "POST /volumes": created(newVolume, { volume, action, next_actions: list(action) }),
  "GET /volumes/:id": shown("volume", volume),
  "PUT /volumes/:id": updated("volume", volume),
  "DELETE /volumes/:id": deleted,
  "POST /volumes/:id/actions/attach": started(object({ server: id }, { automount: flag })),
  "POST /volumes/:id/actions/detach": started(),
  "POST /volumes/:id/actions/resize": started(object({ size: integer })),
  "POST /volumes/:id/actions/change_protection": started(protection),

  "GET /firewalls": listOf("firewalls", firewall),
  "POST /firewalls": created(object({ name }, { labels, rules, apply_to: targets }), {
    firewall,
    actions: list(action),
  }),
  "GET /firewalls/:id": shown("firewall", firewall),
  "PUT /firewalls/:id": updated("firewall", firewall),
  "DELETE /firewalls/:id": deleted,
  "POST /firewalls/:id/actions/set_rules": created(object({ rules }), { actions: list(action) }),
  "POST /firewalls/:id/actions/apply_to_resources": created(object({ apply_to: targets }), {
    actions: list(action),
  }),
  "POST /firewalls/:id/actions/remove_from_resources": created(object({ remove_from: targets }), {
    actions: list(action),
  }),

  "GET /placement_groups": listOf("placement_groups", placementGroup, [...filters, "type"]),
  "POST /placement_groups": created(object({ name, type: oneOf("spread") }, { labels }), {
    placement_group: placementGroup,
    action: none,
  }),
  "GET /placement_groups/:id": shown("placement_group", placementGroup),
  "PUT /placement_groups/:id": updated("placement_group", placementGroup),
  "DELETE /placement_groups/:id": deleted,

  "GET /servers": listOf("servers", server, [...filters, "status"]),
  "POST /servers": created(newServer, {
    server,
    action,
    next_actions: list(action),
    root_password: nullable(text),
  }),
  "GET /servers/:id": shown("server", server),
  "PUT /servers/:id": updated("server", server),
  "DELETE /servers/:id": { status: 200, answer: object({ action }) },
  ...Object.fromEntries(
    ["poweron", "poweroff", "shutdown", "reboot", "reset", "disable_backup"].map((verb) => [
      `POST /servers/:id/actions/${verb}`,
      started(),
    ]),
  ),
  "POST /servers/:id/actions/enable_backup": started(object({}, { backup_window: text })),
  "POST /servers/:id/actions/change_type": started(
    object({ server_type: reference, upgrade_disk: flag }),
  ),
  "POST /servers/:id/actions/change_protection": started(
    object({}, { delete: flag, rebuild: flag }),
  ),
  "POST /servers/:id/actions/change_dns_ptr": started(pointer),
  ...Object.fromEntries(
    unsupported.map((verb) => [
      `POST /servers/:id/actions/${verb}`,
      { body: { type: "object" }, status: 422, answer: hetznerRefusal(422) },
    ]),
  ),
};
