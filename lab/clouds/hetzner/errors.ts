// Errors of the Hetzner Cloud API: the documented codes, each with its HTTP status and JSON shape.

import type { z } from "zod";

const statusOf = {
  json_error: 400,
  unauthorized: 401,
  forbidden: 403,
  resource_limit_exceeded: 403,
  not_found: 404,
  method_not_allowed: 405,
  uniqueness_error: 409,
  conflict: 409,
  deprecated_api_endpoint: 410,
  resource_unavailable: 412,
  primary_ip_version_mismatch: 412,
  invalid_input: 422,
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
  firewall_resource_not_found: 404,
  locked: 423,
  protected: 423,
  server_error: 500,
} as const;

/** A documented error code. */
export type HetznerErrorCode = keyof typeof statusOf;

/** A refusal in the API's own shape. */
export class HetznerError extends Error {
  readonly status: number;
  constructor(
    readonly code: HetznerErrorCode,
    message: string,
    readonly details: unknown = null,
  ) {
    super(message);
    this.status = statusOf[code];
  }

  get body(): unknown {
    return { error: { code: this.code, message: this.message, details: this.details } };
  }
}

/** `invalid_input` with the fields that are wrong; the provider panics when they are missing. */
export function invalidInput(field: string, ...messages: readonly string[]): HetznerError {
  return new HetznerError("invalid_input", `invalid input in field '${field}'`, {
    fields: [{ name: field, messages }],
  });
}

/** `uniqueness_error` about one field. */
export function notUnique(field: string, message: string): HetznerError {
  return new HetznerError("uniqueness_error", message, {
    fields: [{ name: field, messages: [message] }],
  });
}

/** `not_found` for a resource such as `server`. */
export function notFound(kind: string, id: number | string): HetznerError {
  return new HetznerError("not_found", `${kind} with ID '${id}' not found`);
}

/** Reads a request body; what does not fit becomes `invalid_input` with its fields. */
export function readBody<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) {
    return parsed.data;
  }
  const messages = new Map<string, string[]>();
  for (const issue of parsed.error.issues) {
    const field = issue.path.join(".");
    messages.set(field, [...(messages.get(field) ?? []), issue.message]);
  }
  const fields = [...messages].map(([name, texts]) => ({ name, messages: texts }));
  const names = fields.map(({ name }) => `'${name}'`).join(", ");
  throw new HetznerError("invalid_input", `invalid input in field ${names}`, { fields });
}
