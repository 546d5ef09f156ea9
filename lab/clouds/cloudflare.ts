// The emulated Cloudflare API under `/client/v4`: zones that are given, and their DNS records. Every change
// is published to the lab's name server. Proxying is stored but has no effect.

import * as crypto from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { type Account, addDnsRecords } from "./cloudflare/dns-records";
import { addDnssec, signingKey } from "./cloudflare/dnssec";
import { CloudflareError, noRoute } from "./cloudflare/errors";
import { type Zone, zoneRecords } from "./cloudflare/records";
import { cloudflareState, emptyAccount, zoneStatus } from "./cloudflare/state";
import { addZones } from "./cloudflare/zones";
import type { Infrastructure } from "./infrastructure";
import { JsonBodyError, readJsonBodies } from "./json-bodies";
import { addLabControl } from "./lab-control";
import type { Store } from "./store";

/** What an emulated Cloudflare account is made of. */
export interface CloudflareOptions {
  readonly infrastructure: Infrastructure;
  readonly store: Store;
  readonly zones: readonly Zone[];
}

/** The id that a zone has in every lab. */
export function zoneIdOf(name: string): string {
  return crypto.createHash("md5").update(name).digest("hex");
}

function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, _request, reply) => {
    const known =
      error instanceof CloudflareError
        ? error
        : error instanceof JsonBodyError
          ? new CloudflareError(400, 9207, "Request body is invalid.")
          : new CloudflareError(500, 1000, error instanceof Error ? error.message : "unknown");
    return reply.code(known.status).header("x-should-retry", "false").send(known.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const error = noRoute(request.url);
    return reply.code(error.status).header("x-should-retry", "false").send(error.body);
  });
}

function requireToken(app: FastifyInstance): void {
  app.addHook("onRequest", async (request) => {
    if (request.url.startsWith("/_lab/")) {
      return;
    }
    const { authorization } = request.headers;
    const key = request.headers["x-auth-key"];
    if (authorization === undefined && key === undefined) {
      throw new CloudflareError(401, 10000, "Authentication error");
    }
    const isToken = /^Bearer [0-9A-Za-z_-]{40,80}$/.test(authorization ?? "");
    const isKey = typeof key === "string" && /^[0-9A-Za-z_-]{37,60}$/.test(key);
    if (!isToken && !isKey) {
      throw new CloudflareError(403, 9109, "Invalid access token");
    }
  });
}

/** The emulated Cloudflare, to be bound to an address with `listen`; publishes every zone at its start. */
export function createCloudflare(options: CloudflareOptions): FastifyInstance {
  const { infrastructure, store, zones } = options;
  const app = Fastify({ forceCloseConnections: true, bodyLimit: 4 * 1024 * 1024 });
  const state = store.section("cloudflare", cloudflareState, emptyAccount);
  addLabControl(app, "cloudflare", store);
  requireToken(app);
  readJsonBodies(app);
  answerErrors(app);

  let publishing = Promise.resolve();
  const account: Account = {
    state,
    zoneOf(id, path) {
      if (!/^[0-9a-f]{32}$/.test(id)) {
        throw noRoute(path);
      }
      const zone = zones.find((one) => one.id === id);
      if (zone === undefined) {
        throw new CloudflareError(403, 9109, "Unauthorized to access requested resource");
      }
      return zone;
    },
    publish(zone) {
      store.save();
      const published = publishing.then(async () => {
        const key = await signingKey(zone, state.dnssec[zone.id], infrastructure);
        await infrastructure.publishZone(zone.name, zoneRecords(zone, state.records), key);
      });
      publishing = published.catch(() => {});
      return published;
    },
  };

  app.register(
    async (api) => {
      api.get("/user/tokens/verify", async () => ({
        result: { id: zoneIdOf("token"), status: "active" },
        success: true,
        errors: [],
        messages: [{ code: 10000, message: "This API Token is valid and active", type: null }],
      }));
      addZones(api, account, zones);
      addDnsRecords(api, account);
      addDnssec(api, account, infrastructure);
    },
    { prefix: "/client/v4" },
  );

  // What only Cloudflare itself decides: whether it has seen a zone delegated to its name servers.
  app.put<{ Params: { zone: string } }>("/_lab/zones/:zone", async (request, reply) => {
    const zone = zones.find(({ name }) => name === request.params.zone);
    const sent = z.object({ status: zoneStatus }).safeParse(request.body);
    if (zone === undefined || !sent.success) {
      const allowed = zones.map(({ name }) => name).join(", ");
      const message = `zone: "${request.params.zone}" is not one of ${allowed}, or the body is not {"status": "${zoneStatus.options.join('" | "')}"}`;
      return reply.code(400).send({ message });
    }
    state.zoneStatus[zone.id] = sent.data.status;
    store.save();
    return sent.data;
  });

  app.addHook("onReady", async () => {
    for (const zone of zones) {
      await account.publish(zone);
    }
  });
  return app;
}
