// Where clients watch actions: by ids, one by one, or those of a resource.

import type { FastifyInstance } from "fastify";
import { actionJson } from "./actions";
import { invalidInput } from "./errors";
import { listPage, queryValues } from "./lists";
import { byId, type Project } from "./project";

const resources = {
  servers: "server",
  primary_ips: "primary_ip",
  volumes: "volume",
  firewalls: "firewall",
} as const;

/** Routes that show actions. */
export function addActions(app: FastifyInstance, project: Project): void {
  const { state, actions } = project;

  app.get("/actions", async (request) => {
    const ids = queryValues(request, "id");
    if (ids.length === 0) {
      throw invalidInput("id", "at least one id is required");
    }
    const statuses = queryValues(request, "status");
    const found = state.actions.filter(
      (action) =>
        ids.includes(String(action.id)) &&
        !actions.isLost(action) &&
        (statuses.length === 0 || statuses.includes(action.status)),
    );
    return listPage(request, "actions", found, actionJson);
  });

  app.get<{ Params: { id: string } }>("/actions/:id", async (request) => ({
    action: actionJson(byId(state.actions, request.params.id, "action")),
  }));

  for (const [path, kind] of Object.entries(resources)) {
    const actionsOf = (id?: string) =>
      state.actions.filter((action) =>
        action.resources.some(
          (one) => one.type === kind && (id === undefined || one.id === Number(id)),
        ),
      );
    app.get(`/${path}/actions`, async (request) =>
      listPage(request, "actions", actionsOf(), actionJson),
    );
    app.get<{ Params: { id: string } }>(`/${path}/actions/:id`, async (request) => ({
      action: actionJson(byId(actionsOf(), request.params.id, "action")),
    }));
    app.get<{ Params: { id: string } }>(`/${path}/:id/actions`, async (request) =>
      listPage(request, "actions", actionsOf(request.params.id), actionJson),
    );
    app.get<{ Params: { id: string; action: string } }>(
      `/${path}/:id/actions/:action`,
      async (request) => ({
        action: actionJson(byId(actionsOf(request.params.id), request.params.action, "action")),
      }),
    );
  }
}
