// Routes under `/zones`: zones are there from the start, and can be neither made nor removed.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Account } from "./dns-records";
import { CloudflareError } from "./errors";
import { pageOf } from "./lists";
import { asciiName } from "./rdata";
import type { Zone } from "./records";

const epoch = "2026-01-01T00:00:00.000000Z";

function zoneJson(zone: Zone): unknown {
  return {
    id: zone.id,
    name: zone.name,
    status: "active",
    paused: false,
    type: "full",
    development_mode: 0,
    name_servers: ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
    original_name_servers: null,
    original_registrar: null,
    original_dnshost: null,
    created_on: epoch,
    modified_on: epoch,
    activated_on: epoch,
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

function dnssecJson(isSigned: boolean): unknown {
  const unsigned = {
    algorithm: null,
    digest: null,
    digest_algorithm: null,
    digest_type: null,
    ds: null,
    flags: null,
    key_tag: null,
    key_type: null,
    public_key: null,
  };
  return { status: isSigned ? "active" : "disabled", modified_on: epoch, ...unsigned };
}

/** Adds the routes. */
export function addZones(app: FastifyInstance, account: Account, zones: readonly Zone[]): void {
  const { state } = account;
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
        (status === null || status === "active"),
    );
    return pageOf(request, found, zoneJson, { perPage: 20, most: 50 });
  });
  app.post("/zones", async () => {
    throw forbidden();
  });
  app.get<InZone>("/zones/:zone", async (request) =>
    answer(zoneJson(account.zoneOf(request.params.zone, request.url))),
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

  app.get<InZone>("/zones/:zone/dnssec", async (request) => {
    const { id } = account.zoneOf(request.params.zone, request.url);
    return answer(dnssecJson(state.signedZones.includes(id)));
  });
  app.patch<InZone>("/zones/:zone/dnssec", async (request) => {
    const zone = account.zoneOf(request.params.zone, request.url);
    const body = z.object({ status: z.enum(["active", "disabled"]).optional() });
    const wanted = body.safeParse(request.body ?? {});
    if (!wanted.success) {
      throw new CloudflareError(400, 1002, "Invalid or missing DNSSEC status");
    }
    const rest = state.signedZones.filter((id) => id !== zone.id);
    if (wanted.data.status !== undefined) {
      state.signedZones = wanted.data.status === "active" ? [...rest, zone.id] : rest;
    }
    await account.publish(zone);
    return answer(dnssecJson(state.signedZones.includes(zone.id)));
  });
  app.delete<InZone>("/zones/:zone/dnssec", async (request) => {
    const zone = account.zoneOf(request.params.zone, request.url);
    state.signedZones = state.signedZones.filter((id) => id !== zone.id);
    await account.publish(zone);
    return answer("");
  });
}
