// Routes under `/zones/{id}/dnssec`. A zone is unsigned until DNSSEC is switched on, `pending` until its
// DS is at the parent, and signed on after it is switched off for as long as the parent has one.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Infrastructure } from "../infrastructure";
import { newZoneKey, publicZoneKey } from "../zone-key";
import type { Account } from "./dns-records";
import { CloudflareError } from "./errors";
import type { Zone } from "./records";
import type { ZoneDnssec } from "./state";

type InZone = { Params: { zone: string } };

const dsTtlSeconds = 3600;

const answer = (result: unknown) => ({ result, success: true, errors: [], messages: [] });

const now = () => new Date().toISOString().replace("Z", "000Z");

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

function statusOf({ wanted }: ZoneDnssec, ds: string, atParent: readonly string[]): string {
  if (wanted === "disabled") return atParent.length === 0 ? "disabled" : "pending-disabled";
  return atParent.includes(ds) ? "active" : "pending";
}

function keyJson(zone: Zone, dnssec: ZoneDnssec, atParent: readonly string[]): unknown {
  const key = publicZoneKey(zone.name, dnssec.key);
  const status = statusOf(dnssec, key.ds, atParent);
  if (status === "disabled") return { status, modified_on: dnssec.modifiedOn, ...unsigned };
  return {
    status,
    modified_on: dnssec.modifiedOn,
    algorithm: String(key.algorithm),
    digest: key.digest,
    digest_algorithm: "SHA256",
    digest_type: String(key.digestType),
    ds: `${zone.name}. ${dsTtlSeconds} IN DS ${key.ds}`,
    flags: key.flags,
    key_tag: key.keyTag,
    key_type: "ECDSAP256SHA256",
    public_key: key.publicKey,
  };
}

/** The key that a zone is to be signed with, if any. */
export async function signingKey(
  { name }: Zone,
  dnssec: ZoneDnssec | undefined,
  infrastructure: Infrastructure,
): Promise<string | null> {
  if (dnssec === undefined) return null;
  if (dnssec.wanted === "active") return dnssec.key;
  return (await infrastructure.delegationSigners(name)).length === 0 ? null : dnssec.key;
}

/** Adds the routes. */
export function addDnssec(
  app: FastifyInstance,
  account: Account,
  infrastructure: Infrastructure,
): void {
  const { dnssec } = account.state;

  async function shown(zone: Zone): Promise<unknown> {
    const own = dnssec[zone.id];
    if (own === undefined) return answer({ status: "disabled", modified_on: null, ...unsigned });
    return answer(keyJson(zone, own, await infrastructure.delegationSigners(zone.name)));
  }

  app.get<InZone>("/zones/:zone/dnssec", (request) =>
    shown(account.zoneOf(request.params.zone, request.url)),
  );

  app.patch<InZone>("/zones/:zone/dnssec", async (request) => {
    const zone = account.zoneOf(request.params.zone, request.url);
    const body = z.object({ status: z.enum(["active", "disabled"]).optional() });
    const sent = body.safeParse(request.body ?? {});
    if (!sent.success) {
      throw new CloudflareError(400, 1002, "Invalid or missing DNSSEC status");
    }
    const wanted = sent.data.status;
    const own = dnssec[zone.id];
    if (wanted !== undefined && wanted !== (own?.wanted ?? "disabled")) {
      dnssec[zone.id] = { key: own?.key ?? newZoneKey(), wanted, modifiedOn: now() };
      await account.publish(zone);
    }
    return shown(zone);
  });

  app.delete<InZone>("/zones/:zone/dnssec", async (request) => {
    const zone = account.zoneOf(request.params.zone, request.url);
    delete dnssec[zone.id];
    await account.publish(zone);
    return answer("");
  });
}
