// The emulated Hetzner Cloud API under `/v1`: one account with one project, whose effects go through
// `Infrastructure`. Tokens are only checked for their form; private networks, load balancers, snapshots,
// rescue and rebuild are left out.

import * as crypto from "node:crypto";
import Fastify, { type FastifyInstance } from "fastify";
import { addActions } from "./hetzner/action-routes";
import { createActions } from "./hetzner/actions";
import { addCatalogue } from "./hetzner/catalogue-routes";
import { HetznerError } from "./hetzner/errors";
import { addFirewalls } from "./hetzner/firewalls";
import { addPlacementGroups } from "./hetzner/placement-groups";
import { addPrimaryIps } from "./hetzner/primary-ips";
import { effectQueues, type Project, pointersOf } from "./hetzner/project";
import { addServerActions } from "./hetzner/server-actions";
import { addServers } from "./hetzner/servers";
import { addSshKeys } from "./hetzner/ssh-keys";
import { emptyProject, hetznerState } from "./hetzner/state";
import { addVolumes } from "./hetzner/volumes";
import type { Infrastructure } from "./infrastructure";
import { JsonBodyError, readJsonBodies } from "./json-bodies";
import { addLabControl } from "./lab-control";
import type { Store } from "./store";

/** What an emulated Hetzner Cloud is made of. */
export interface HetznerCloudOptions {
  readonly infrastructure: Infrastructure;
  readonly store: Store;
  /** How long an action takes at least; 300 unless given. */
  readonly actionMilliseconds?: number;
  /** Servers that the project may have; 5 unless given, as in a new account. */
  readonly serverLimit?: number;
}

const hourlyRequests = 3600;

function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, _request, reply) => {
    const known =
      error instanceof HetznerError
        ? error
        : error instanceof JsonBodyError
          ? new HetznerError("json_error", error.message)
          : new HetznerError("server_error", error instanceof Error ? error.message : "unknown");
    return reply.code(known.status).send(known.body);
  });
  app.setNotFoundHandler((_request, reply) => {
    const error = new HetznerError("not_found", "resource not found");
    return reply.code(error.status).send(error.body);
  });
}

function requireToken(app: FastifyInstance): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("X-Correlation-Id", crypto.randomBytes(8).toString("hex"));
    if (request.url.startsWith("/_lab/")) {
      return;
    }
    reply.headers({
      "RateLimit-Limit": String(hourlyRequests),
      "RateLimit-Remaining": String(hourlyRequests - 1),
      "RateLimit-Reset": String(Math.ceil(Date.now() / 1000) + 1),
    });
    if (!/^Bearer \S{64}$/.test(request.headers.authorization ?? "")) {
      throw new HetznerError("unauthorized", "unable to authenticate");
    }
  });
}

/** The emulated Hetzner Cloud, to be bound to an address with `listen`. */
export function createHetznerCloud(options: HetznerCloudOptions): FastifyInstance {
  const { infrastructure, store, actionMilliseconds = 300, serverLimit = 5 } = options;
  const app = Fastify({ forceCloseConnections: true, bodyLimit: 4 * 1024 * 1024 });
  const state = store.section("hetzner", hetznerState, emptyProject);
  // A transition that the end of the supervisor cut short is over, and its action has failed.
  for (const server of state.servers.filter(({ status }) => status !== "running")) {
    server.status = "off";
  }
  const faults = addLabControl(app, "hetzner", store);
  requireToken(app);
  readJsonBodies(app);
  answerErrors(app);
  const actions = createActions(state, store, faults, actionMilliseconds);
  const project: Project = {
    state,
    store,
    actions,
    infrastructure,
    serverLimit,
    inOrder: effectQueues(),
  };

  app.register(
    async (api) => {
      addCatalogue(api);
      addActions(api, project);
      addSshKeys(api, project);
      addPrimaryIps(api, project);
      addVolumes(api, project);
      addFirewalls(api, project);
      addPlacementGroups(api, project);
      addServers(api, project);
      addServerActions(api, project);
    },
    { prefix: "/v1" },
  );

  // A name server that was started anew knows nothing of the addresses handed out before.
  app.addHook("onReady", async () => {
    for (const pointer of state.primaryIps.flatMap(pointersOf)) {
      await infrastructure.setPtr(pointer.ip, pointer.name);
    }
  });
  app.addHook("onClose", () => actions.idle());
  return app;
}
