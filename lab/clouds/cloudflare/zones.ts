// Routes under `/zones`: zones are there from the start, and can be neither made nor removed.

import type { FastifyInstance } from "fastify";
import type { Account } from "./dns-records";
import { CloudflareError } from "./errors";
import { pageOf } from "./lists";
import { asciiName } from "./rdata";
import type { Zone } from "./records";

const epoch = "2026-01-01T00:00:00.000000Z";

function zoneJson(zone: Zone, status: string): unknown {
  return {
    id: zone.id,
    name: zone.name,
    status,
    paused: false,
    type: "full",
    development_mode: 0,
    name_servers: ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
    original_name_servers: null,
    original_registrar: null,
    original_dnshost: null,
    created_on: epoch,
    modified_on: epoch,
    activated_on: status === "active" ? epoch : null,
    meta: {
      step: 4,
      custom_certificate_quota: 0,
      page_rule_quota: 3,
      phishing_detected: false,
      multiple_railguns_allowed: false,
    },
    owner: { id: null, type: "user", email: null },
    account: { id: zone.accountId, name: "Lab" },
    permissions: ["#dns_records:edit", "#dns_records:read", "#zone:read"],
    plan: {
      id: "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
      name: "Free Website",
      price: 0,
      currency: "USD",
      frequency: "",
      is_subscribed: false,
      can_subscribe: false,
      legacy_id: "free",
      legacy_discount: false,
      externally_managed: false,
    },
    tenant: { id: null, name: null },
    tenant_unit: { id: null },
  };
}

type InZone = { Params: { zone: string } };

const answer = (result: unknown) => ({ result, success: true, errors: [], messages: [] });

/** Adds the routes. */
export function addZones(app: FastifyInstance, account: Account, zones: readonly Zone[]): void {
  const statusOf = ({ id }: Zone) => account.state.zoneStatus[id] ?? "active";
  const shown = (zone: Zone) => zoneJson(zone, statusOf(zone));
  const forbidden = () => new CloudflareError(403, 10000, "Authentication error");

  app.get("/zones", async (request) => {
    const query = new URL(request.url, "http://cloud").searchParams;
    const name = query.get("name");
    const accountId = query.get("account.id");
    const status = query.get("status");
    const found = zones.filter(
      (zone) =>
        (name === null || zone.name === asciiName(name)) &&
        (accountId === null || zone.accountId === accountId) &&
        (status === null || status === statusOf(zone)),
    );
    return pageOf(request, found, shown, { perPage: 20, most: 50 });
  });
  app.post("/zones", async () => {
    throw forbidden();
  });
  app.get<InZone>("/zones/:zone", async (request) =>
    answer(shown(account.zoneOf(request.params.zone, request.url))),
  );
  for (const method of ["DELETE", "PATCH", "PUT"]) {
    app.route<InZone>({
      method,
      url: "/zones/:zone",
      handler: async (request) => {
        account.zoneOf(request.params.zone, request.url);
        throw forbidden();
      },
    });
  }
}
