// Volumes: disks that outlive servers.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { actionJson } from "./actions";
import { locations } from "./catalogue";
import { HetznerError, invalidInput, readBody } from "./errors";
import { labelsBody } from "./labels";
import { listPage, queryValues } from "./lists";
import {
  byId,
  drop,
  effectNow,
  type Project,
  requireUniqueName,
  requireUnprotected,
  takeId,
} from "./project";
import type { Action, Server, Volume } from "./state";

/** The API's rendering of a volume. */
export function volumeJson(volume: Volume): unknown {
  return {
    id: volume.id,
    name: volume.name,
    labels: volume.labels,
    created: volume.created,
    server: volume.serverId,
    location: locations.find(({ name }) => name === volume.location),
    size: volume.sizeGib,
    linux_device: `/dev/disk/by-id/scsi-0HC_Volume_${volume.id}`,
    protection: { delete: volume.deleteProtection },
    status: volume.status,
    format: volume.format,
  };
}

function attach(project: Project, volume: Volume, server: Server, after?: Action): Action {
  return project.actions.run({
    command: "attach_volume",
    resources: [
      { id: server.id, type: "server" },
      { id: volume.id, type: "volume" },
    ],
    locks: [server.id],
    ...(after === undefined ? {} : { after }),
    effect: () =>
      project.inOrder(`server ${server.id}`, () =>
        project.infrastructure.attachVolume(volume.id, server.id),
      ),
    succeed: () => {
      volume.serverId = server.id;
    },
  });
}

function requireAttachable(project: Project, volume: Volume, serverId: number): Server {
  const server = byId(project.state.servers, serverId, "server");
  if (volume.serverId !== null) {
    throw new HetznerError("volume_already_attached", "volume is already attached to a server");
  }
  if (server.location !== volume.location) {
    throw invalidInput("server", "server and volume must be in the same location");
  }
  project.actions.requireUnlocked(server.id);
  return server;
}

function requireIdle(project: Project, volume: Volume): void {
  const busy = project.state.actions.some(
    ({ status, resources }) =>
      status === "running" &&
      resources.some(({ id, type }) => type === "volume" && id === volume.id),
  );
  if (busy) {
    throw new HetznerError("locked", "volume is locked");
  }
}

const createBody = z.object({
  name: z.string().min(1).max(64),
  size: z.number().int().min(10).max(10240),
  server: z.number().int().nullish(),
  location: z.string().nullish(),
  automount: z.boolean().optional(),
  format: z.enum(["ext4", "xfs"]).nullish(),
  labels: labelsBody.default({}),
});

type ById = { Params: { id: string } };

/** Routes under `/v1/volumes`. */
export function addVolumes(app: FastifyInstance, project: Project): void {
  const { state, store, actions, infrastructure } = project;
  const find = (id: string) => byId(state.volumes, id, "volume");

  app.get("/volumes", async (request) => {
    const statuses = queryValues(request, "status");
    const found = state.volumes.filter(
      ({ status }) => statuses.length === 0 || statuses.includes(status),
    );
    return listPage(request, "volumes", found, volumeJson);
  });

  app.post("/volumes", async (request, reply) => {
    const wanted = readBody(createBody, request.body);
    const server = wanted.server == null ? undefined : byId(state.servers, wanted.server, "server");
    if (server !== undefined && wanted.location != null) {
      throw invalidInput("location", "location and server exclude each other");
    }
    const location = server?.location ?? wanted.location;
    if (location == null || !locations.some(({ name }) => name === location)) {
      throw invalidInput("location", `location '${location ?? ""}' is unknown`);
    }
    requireUniqueName(state.volumes, wanted.name);
    if (server !== undefined) {
      actions.requireUnlocked(server.id);
    }
    const volume: Volume = {
      id: takeId(project),
      name: wanted.name,
      labels: wanted.labels,
      created: new Date().toISOString(),
      sizeGib: wanted.size,
      location,
      format: wanted.format ?? null,
      status: "creating",
      deleteProtection: false,
      serverId: null,
    };
    state.volumes.push(volume);
    const action = actions.run({
      command: "create_volume",
      resources: [{ id: volume.id, type: "volume" }],
      effect: () =>
        infrastructure.createVolume({
          id: volume.id,
          sizeGib: volume.sizeGib,
          format: volume.format,
        }),
      succeed: () => {
        volume.status = "available";
      },
    });
    const next = server === undefined ? [] : [attach(project, volume, server, action)];
    return reply.code(201).send({
      volume: volumeJson(volume),
      action: actionJson(action),
      next_actions: next.map(actionJson),
    });
  });

  app.get<ById>("/volumes/:id", async (request) => ({
    volume: volumeJson(find(request.params.id)),
  }));

  app.put<ById>("/volumes/:id", async (request) => {
    const volume = find(request.params.id);
    const body = z.object({
      name: z.string().min(1).max(64).optional(),
      labels: labelsBody.optional(),
    });
    const wanted = readBody(body, request.body);
    requireUniqueName(state.volumes, wanted.name ?? volume.name, volume.id);
    volume.name = wanted.name ?? volume.name;
    volume.labels = wanted.labels ?? volume.labels;
    store.save();
    return { volume: volumeJson(volume) };
  });

  app.delete<ById>("/volumes/:id", async (request, reply) => {
    const volume = find(request.params.id);
    requireUnprotected(volume.deleteProtection, "volume");
    requireIdle(project, volume);
    if (volume.serverId !== null) {
      throw new HetznerError("resource_in_use", "volume is still attached to a server");
    }
    await effectNow(() => infrastructure.deleteVolume(volume.id));
    drop(state.volumes, volume.id);
    store.save();
    return reply.code(204).send();
  });

  app.post<ById>("/volumes/:id/actions/attach", async (request, reply) => {
    const volume = find(request.params.id);
    const body = z.object({ server: z.number().int(), automount: z.boolean().optional() });
    const wanted = readBody(body, request.body);
    requireIdle(project, volume);
    const server = requireAttachable(project, volume, wanted.server);
    return reply.code(201).send({ action: actionJson(attach(project, volume, server)) });
  });

  app.post<ById>("/volumes/:id/actions/detach", async (request, reply) => {
    const volume = find(request.params.id);
    const { serverId } = volume;
    if (serverId === null) {
      throw invalidInput("volume", "volume is not attached to a server");
    }
    requireIdle(project, volume);
    actions.requireUnlocked(serverId);
    const action = actions.run({
      command: "detach_volume",
      resources: [
        { id: serverId, type: "server" },
        { id: volume.id, type: "volume" },
      ],
      locks: [serverId],
      effect: () =>
        project.inOrder(`server ${serverId}`, () =>
          infrastructure.detachVolume(volume.id, serverId),
        ),
      succeed: () => {
        volume.serverId = null;
      },
    });
    return reply.code(201).send({ action: actionJson(action) });
  });

  app.post<ById>("/volumes/:id/actions/resize", async (request, reply) => {
    const volume = find(request.params.id);
    const body = z.object({ size: z.number().int().max(10240) });
    const { size } = readBody(body, request.body);
    if (size <= volume.sizeGib) {
      throw invalidInput("size", `size must be larger than ${volume.sizeGib}`);
    }
    requireIdle(project, volume);
    const action = actions.run({
      command: "resize_volume",
      resources: [{ id: volume.id, type: "volume" }],
      effect: () => infrastructure.resizeVolume(volume.id, size),
      succeed: () => {
        volume.sizeGib = size;
      },
    });
    return reply.code(201).send({ action: actionJson(action) });
  });

  app.post<ById>("/volumes/:id/actions/change_protection", async (request, reply) => {
    const volume = find(request.params.id);
    const wanted = readBody(z.object({ delete: z.boolean().optional() }), request.body);
    const action = actions.run({
      command: "change_protection",
      resources: [{ id: volume.id, type: "volume" }],
      effect: async () => {},
      succeed: () => {
        volume.deleteProtection = wanted.delete ?? volume.deleteProtection;
      },
    });
    return reply.code(201).send({ action: actionJson(action) });
  });
}
