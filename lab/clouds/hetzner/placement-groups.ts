// Placement groups, which have no effect in the lab beyond being kept.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { HetznerError, readBody } from "./errors";
import { labelsBody } from "./labels";
import { listPage } from "./lists";
import { byId, drop, type Project, requireUniqueName, takeId } from "./project";
import type { PlacementGroup } from "./state";

type ById = { Params: { id: string } };

/** The API's rendering of a placement group. */
export function placementGroupJson(project: Project, group: PlacementGroup): unknown {
  const members = project.state.servers.filter(
    ({ placementGroupId }) => placementGroupId === group.id,
  );
  return { ...group, servers: members.map(({ id }) => id) };
}

/** Routes under `/v1/placement_groups`. */
export function addPlacementGroups(app: FastifyInstance, project: Project): void {
  const { state, store } = project;
  const find = (id: string) => byId(state.placementGroups, id, "placement group");
  const render = (group: PlacementGroup) => placementGroupJson(project, group);

  app.get("/placement_groups", async (request) =>
    listPage(request, "placement_groups", state.placementGroups, render),
  );
  app.get<ById>("/placement_groups/:id", async (request) => ({
    placement_group: render(find(request.params.id)),
  }));
  app.post("/placement_groups", async (request, reply) => {
    const body = z.object({
      name: z.string().min(1),
      type: z.literal("spread"),
      labels: labelsBody.default({}),
    });
    const wanted = readBody(body, request.body);
    requireUniqueName(state.placementGroups, wanted.name);
    const group = { ...wanted, id: takeId(project), created: new Date().toISOString() };
    state.placementGroups.push(group);
    store.save();
    return reply.code(201).send({ placement_group: render(group), action: null });
  });
  app.put<ById>("/placement_groups/:id", async (request) => {
    const group = find(request.params.id);
    const body = z.object({ name: z.string().min(1).optional(), labels: labelsBody.optional() });
    const wanted = readBody(body, request.body);
    requireUniqueName(state.placementGroups, wanted.name ?? group.name, group.id);
    group.name = wanted.name ?? group.name;
    group.labels = wanted.labels ?? group.labels;
    store.save();
    return { placement_group: render(group) };
  });
  app.delete<ById>("/placement_groups/:id", async (request, reply) => {
    const group = find(request.params.id);
    if (state.servers.some(({ placementGroupId }) => placementGroupId === group.id)) {
      throw new HetznerError("resource_in_use", "placement group still has servers");
    }
    drop(state.placementGroups, group.id);
    store.save();
    return reply.code(204).send();
  });
}
