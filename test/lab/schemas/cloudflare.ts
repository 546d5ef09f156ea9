// The calls of the Cloudflare API that the lab answers: what each takes, and what it answers.

import {
  either,
  emptyList,
  flag,
  integer,
  list,
  mapOf,
  matching,
  name,
  none,
  nullable,
  number,
  type Operation,
  type Operations,
  object,
  oneOf,
  type Schema,
  text,
} from "./json-schema";

const identifier = matching("^[0-9a-f]{32}$");
const moment = matching("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z$");

const note = object(
  { code: { type: "integer", minimum: 1000 }, message: name },
  { type: nullable(text) },
);

/** An answer in the envelope that every call has. */
const success = (result: Schema, more: Record<string, Schema> = {}): Schema =>
  object({ result, success: oneOf(true), errors: emptyList, messages: list(note), ...more });

const pages = {
  result_info: object({
    page: integer,
    per_page: integer,
    count: integer,
    total_count: integer,
    total_pages: integer,
  }),
};

/** The body of a refusal. */
export const cloudflareRefusal = (): Schema => {
  const code: Schema = { type: "integer", minimum: 1000 };
  const cause = object({ code, message: name });
  return object({
    result: none,
    success: oneOf(false),
    errors: {
      type: "array",
      minItems: 1,
      items: object({ code, message: name }, { error_chain: list(cause) }),
    },
    messages: emptyList,
  });
};

const zone = object(
  {
    id: identifier,
    name,
    development_mode: number,
    owner: object({ id: nullable(text), type: text }, { name: nullable(text), email: none }),
    account: object({ id: identifier, name }),
    meta: object({
      step: integer,
      custom_certificate_quota: integer,
      page_rule_quota: integer,
      phishing_detected: flag,
      multiple_railguns_allowed: flag,
    }),
    name_servers: list(name),
    original_name_servers: nullable(list(name)),
    original_registrar: nullable(text),
    original_dnshost: nullable(text),
    created_on: moment,
    modified_on: moment,
    activated_on: nullable(moment),
    plan: object({
      id: identifier,
      name,
      price: number,
      currency: text,
      frequency: text,
      is_subscribed: flag,
      can_subscribe: flag,
      legacy_id: text,
      legacy_discount: flag,
      externally_managed: flag,
    }),
    status: oneOf("initializing", "pending", "active", "moved"),
    paused: flag,
    type: oneOf("full", "partial", "secondary", "internal"),
  },
  {
    permissions: list(text),
    tenant: object({ id: nullable(text), name: nullable(text) }),
    tenant_unit: object({ id: nullable(text) }),
  },
);

/** The same fields whether or not there is a key; all are null where there is none. */
const dnssecOf = (status: Schema, key: (schema: Schema) => Schema): Schema =>
  object({
    status,
    modified_on: nullable(moment),
    algorithm: key(oneOf("13")),
    digest: key(matching("^[0-9A-F]{64}$")),
    digest_algorithm: key(oneOf("SHA256")),
    digest_type: key(oneOf("2")),
    ds: key(matching("^[a-z0-9.-]+\\. 3600 IN DS \\d+ 13 2 [0-9A-F]{64}$")),
    flags: key(oneOf(257)),
    key_tag: key(integer),
    key_type: key(oneOf("ECDSAP256SHA256")),
    public_key: key(matching("^[A-Za-z0-9+/]{86}==$")),
  });
const dnssec = either(
  dnssecOf(oneOf("active", "pending", "pending-disabled"), (schema) => schema),
  dnssecOf(oneOf("disabled"), () => none),
);

const structured = "CAA CERT DNSKEY DS HTTPS NAPTR SMIMEA SRV SSHFP SVCB TLSA URI".split(" ");
const types = oneOf("A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT", ...structured);
const ttl = either(oneOf(1), { type: "integer", minimum: 60, maximum: 86400 });
const data = mapOf({ type: ["string", "number"] });
const settings = mapOf(flag);

/** Which types show a field. */
const only = (field: string, among: readonly string[]): Schema => ({
  if: { properties: { type: { enum: among } } },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: [field] },
  else: { properties: { [field]: false } },
});

const record = {
  ...object(
    {
      id: identifier,
      name: matching("^[a-z0-9_*.-]+[^.]$"),
      type: types,
      content: name,
      proxiable: flag,
      proxied: flag,
      ttl,
      settings,
      meta: object({}),
      comment: nullable(name),
      tags: emptyList,
      created_on: moment,
      modified_on: moment,
    },
    {
      data,
      priority: { type: "integer", minimum: 0, maximum: 65535 },
      comment_modified_on: moment,
      tags_modified_on: moment,
    },
  ),
  allOf: [only("data", structured), only("priority", ["MX", "SRV", "URI", "HTTPS", "SVCB"])],
};

const changeable = {
  content: nullable(text),
  data: nullable(data),
  priority: nullable(integer),
  proxied: nullable(flag),
  comment: nullable(text),
  tags: nullable(list(text)),
  settings: nullable(mapOf(nullable(flag))),
};
const sentType = { type: "string", pattern: "^[A-Za-z]+$" };
const whole = object({ name, type: sentType, ttl }, changeable);
const parts = object({}, { name, type: sentType, ttl, ...changeable });

const shadow = "include_shadow_metadata";
const recordFilters = ["name", "content", "comment"].flatMap((field) =>
  ["", ".exact", ".contains", ".startswith", ".endswith", ".absent", ".present"].map(
    (suffix) => field + suffix,
  ),
);

const one = (body?: Schema): Operation => ({
  query: [shadow],
  ...(body === undefined ? {} : { body }),
  status: 200,
  answer: success(record),
});

/** A zone is there before the stack: its token may neither make nor change one. */
const forbidden: Operation = { body: mapOf({}), status: 403, answer: cloudflareRefusal() };

/** The calls below `/client/v4`. */
export const cloudflareOperations: Operations = {
  "GET /user/tokens/verify": {
    status: 200,
    answer: success(object({ id: identifier, status: oneOf("active", "disabled", "expired") })),
  },
  "GET /zones": {
    query: ["name", "account.id", "status", "page", "per_page", "match"],
    status: 200,
    answer: success(list(zone), pages),
  },
  "POST /zones": forbidden,
  "GET /zones/:id": { status: 200, answer: success(zone) },
  "PATCH /zones/:id": forbidden,
  "PUT /zones/:id": forbidden,
  "DELETE /zones/:id": forbidden,
  "GET /zones/:id/dnssec": { status: 200, answer: success(dnssec) },
  "PATCH /zones/:id/dnssec": {
    body: object(
      {},
      {
        status: oneOf("active", "disabled"),
        dnssec_multi_signer: nullable(flag),
        dnssec_presigned: nullable(flag),
        dnssec_use_nsec3: nullable(flag),
      },
    ),
    status: 200,
    answer: success(dnssec),
  },
  "DELETE /zones/:id/dnssec": { status: 200, answer: success(oneOf("")) },
  "GET /zones/:id/dns_records": {
    query: [...recordFilters, "type", "proxied", "search", "match", "page", "per_page", shadow],
    status: 200,
    answer: success(list(record), pages),
  },
  "POST /zones/:id/dns_records": one(whole),
  "GET /zones/:id/dns_records/:id": one(),
  "PUT /zones/:id/dns_records/:id": one(whole),
  "PATCH /zones/:id/dns_records/:id": one(parts),
  "DELETE /zones/:id/dns_records/:id": {
    query: [shadow],
    status: 200,
    answer: success(object({ id: identifier })),
  },
};
