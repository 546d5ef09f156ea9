// Servers: made, shown, renamed, deleted. What happens to a server in between is elsewhere.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { ServerSpec } from "../infrastructure";
import { actionJson } from "./actions";
import {
  imageJson,
  images,
  locations,
  type ServerType,
  serverTypeJson,
  serverTypes,
} from "./catalogue";
import { HetznerError, invalidInput, readBody } from "./errors";
import { requireFirewalls } from "./firewalls";
import { labelsBody } from "./labels";
import { listPage, queryValues } from "./lists";
import { placementGroupJson } from "./placement-groups";
import { makePrimaryIp, releasePrimaryIp, requireAssignable } from "./primary-ips";
import {
  addressesOf,
  byId,
  drop,
  firewallsOf,
  type Project,
  pointersOf,
  renewFirewall,
  requireUniqueName,
  requireUnprotected,
  takeId,
  volumesOf,
} from "./project";
import type { PrimaryIp, Server } from "./state";

/** The largest `user_data` that the API takes. */
export const userDataLimitBytes = 32_768;

function publicNetJson(project: Project, server: Server): unknown {
  const ipv4 = project.state.primaryIps.find(({ id }) => id === server.ipv4Id);
  const ipv6 = project.state.primaryIps.find(({ id }) => id === server.ipv6Id);
  return {
    ipv4:
      ipv4 === undefined
        ? null
        : { id: ipv4.id, ip: ipv4.ip, blocked: false, dns_ptr: pointersOf(ipv4)[0]?.name ?? null },
    ipv6:
      ipv6 === undefined
        ? null
        : {
            id: ipv6.id,
            ip: ipv6.ip,
            blocked: false,
            dns_ptr: ipv6.pointers.map(({ ip, name }) => ({ ip, dns_ptr: name })),
          },
    floating_ips: [],
    firewalls: firewallsOf(project, server).map(({ id }) => ({ id, status: "applied" })),
  };
}

/** The API's rendering of a server. */
export function serverJson(project: Project, server: Server): unknown {
  const type = serverTypes.find(({ name }) => name === server.serverType);
  const image = images.find(({ id }) => id === server.imageId);
  const group = project.state.placementGroups.find(({ id }) => id === server.placementGroupId);
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    public_net: publicNetJson(project, server),
    private_net: [],
    server_type: type === undefined ? null : serverTypeJson(type),
    location: locations.find(({ name }) => name === server.location),
    image: image === undefined ? null : imageJson(image),
    iso: null,
    rescue_enabled: false,
    locked: project.actions.isLocked(server.id),
    backup_window: server.backupWindow,
    outgoing_traffic: 0,
    ingoing_traffic: 0,
    included_traffic: 21990232555520,
    protection: { delete: server.deleteProtection, rebuild: server.rebuildProtection },
    labels: server.labels,
    volumes: volumesOf(project, server.id).map(({ id }) => id),
    load_balancers: [],
    primary_disk_size: server.primaryDiskSize,
    placement_group: group === undefined ? null : placementGroupJson(project, group),
  };
}

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const serverName = z
  .string()
  .max(253)
  .refine((name) => name.split(".").every((part) => label.test(part)), "must be a valid hostname");

const reference = z.union([z.string(), z.number().int()]);

const createBody = z.object({
  name: serverName,
  server_type: reference,
  image: reference,
  location: z.string().nullish(),
  datacenter: z.string().nullish(),
  ssh_keys: z.array(reference).nullish(),
  user_data: z.string().nullish(),
  labels: labelsBody.nullish(),
  firewalls: z.array(z.object({ firewall: z.number().int() })).nullish(),
  volumes: z.array(z.number().int()).nullish(),
  networks: z.array(z.number().int()).nullish(),
  placement_group: z.number().int().nullish(),
  automount: z.boolean().nullish(),
  start_after_create: z.boolean().default(true),
  public_net: z
    .object({
      enable_ipv4: z.boolean().default(true),
      enable_ipv6: z.boolean().default(true),
      ipv4: z.number().int().nullish(),
      ipv6: z.number().int().nullish(),
    })
    .nullish(),
});

const isReference = (
  item: { readonly id: number; readonly name: string },
  wanted: string | number,
) => item.id === Number(wanted) || item.name === wanted;

function requireOffer(type: ServerType, location: string): void {
  const offer = type.offers.find((one) => one.location === location);
  if (offer === undefined || !offer.available) {
    throw new HetznerError(
      "resource_unavailable",
      `server type ${type.name} is not available in ${location}`,
    );
  }
}

/** Finds a server type by id or name and checks that a location has it. */
export function requireServerType(wanted: string | number, location: string): ServerType {
  const type = serverTypes.find((one) => isReference(one, wanted));
  if (type === undefined) {
    throw invalidInput("server_type", `server type '${wanted}' not found`);
  }
  requireOffer(type, location);
  return type;
}

/** Makes the server of a request, with everything that the API refuses at once. */
async function createServer(project: Project, body: unknown) {
  const { state } = project;
  const wanted = readBody(createBody, body);
  const userData = wanted.user_data ?? "";
  if (Buffer.byteLength(userData) > userDataLimitBytes) {
    throw invalidInput("user_data", `Length must be between 0 and ${userDataLimitBytes}.`);
  }
  if (wanted.datacenter != null) {
    throw invalidInput("datacenter", "datacenter has been removed, use location");
  }
  if ((wanted.networks ?? []).length > 0) {
    throw invalidInput("networks", "private networks are not part of the lab");
  }
  const families = ["ipv4", "ipv6"] as const;
  const net = wanted.public_net ?? {
    enable_ipv4: true,
    enable_ipv6: true,
    ipv4: null,
    ipv6: null,
  };
  const enabled = families.filter((family) => net[`enable_${family}`]);
  if (enabled.length === 0) {
    throw invalidInput("public_net", "a server needs a public or a private network");
  }
  const given = enabled.flatMap((family) => {
    const id = net[family];
    return id == null ? [] : [{ family, ip: byId(state.primaryIps, id, "primary ip") }];
  });
  const anyType = serverTypes.find((one) => isReference(one, wanted.server_type));
  const location =
    wanted.location ??
    given[0]?.ip.location ??
    anyType?.offers.find(({ available }) => available)?.location ??
    "";
  if (!locations.some(({ name }) => name === location)) {
    throw invalidInput("location", `location '${location}' is unknown`);
  }
  requireUniqueName(state.servers, wanted.name);
  const type = requireServerType(wanted.server_type, location);
  const image = images.find(
    (one) => isReference(one, wanted.image) && one.architecture === type.architecture,
  );
  if (image === undefined) {
    throw invalidInput(
      "image",
      `image '${wanted.image}' not found for architecture ${type.architecture}`,
    );
  }
  const publicKeys = (wanted.ssh_keys ?? []).map((keyReference) => {
    const key = state.sshKeys.find((one) => isReference(one, keyReference));
    if (key === undefined) {
      throw invalidInput("ssh_keys", `SSH key '${keyReference}' not found`);
    }
    return key.publicKey;
  });
  const firewalls = requireFirewalls(
    project,
    (wanted.firewalls ?? []).map(({ firewall }) => firewall),
  );
  if (wanted.placement_group != null) {
    byId(state.placementGroups, wanted.placement_group, "placement group");
  }
  const volumes = (wanted.volumes ?? []).map((id) => byId(state.volumes, id, "volume"));
  for (const volume of volumes) {
    if (volume.serverId !== null) {
      throw new HetznerError("volume_already_attached", `volume ${volume.id} is already attached`);
    }
    if (volume.location !== location) {
      throw invalidInput("volumes", "server and volume must be in the same location");
    }
  }
  for (const { family, ip } of given) {
    requireAssignable(ip, family, location);
  }
  if (state.servers.length >= project.serverLimit) {
    throw new HetznerError("resource_limit_exceeded", "server limit reached");
  }

  const server: Server = {
    id: takeId(project),
    name: wanted.name,
    created: new Date().toISOString(),
    labels: wanted.labels ?? {},
    status: "initializing",
    serverType: type.name,
    imageId: image.id,
    location,
    ipv4Id: null,
    ipv6Id: null,
    placementGroupId: wanted.placement_group ?? null,
    deleteProtection: false,
    rebuildProtection: false,
    backupWindow: null,
    primaryDiskSize: type.diskGib,
  };
  state.servers.push(server);
  const assign = (ip: PrimaryIp) => {
    ip.serverId = server.id;
    server[ip.type === "ipv4" ? "ipv4Id" : "ipv6Id"] = ip.id;
  };
  for (const { ip } of given) {
    assign(ip);
  }
  for (const firewall of firewalls) {
    firewall.serverIds = [...new Set([...firewall.serverIds, server.id])];
  }
  for (const type of enabled.filter((family) => !given.some((one) => one.family === family))) {
    assign(await makePrimaryIp(project, { type, location, autoDelete: true, labels: {} }));
  }

  const spec: ServerSpec = {
    id: server.id,
    name: server.name,
    image: image.name,
    userData,
    sshPublicKeys: publicKeys,
    location,
    addresses: addressesOf(project, server),
  };
  return {
    server,
    spec,
    volumes,
    start: wanted.start_after_create,
    hasKeys: publicKeys.length > 0,
  };
}

type ById = { Params: { id: string } };

/** Routes under `/v1/servers`, apart from a server's actions. */
export function addServers(app: FastifyInstance, project: Project): void {
  const { state, store, actions, infrastructure } = project;
  const find = (id: string) => byId(state.servers, id, "server");
  const render = (server: Server) => serverJson(project, server);

  app.get("/servers", async (request) => {
    const statuses = queryValues(request, "status");
    const found = state.servers.filter(
      ({ status }) => statuses.length === 0 || statuses.includes(status),
    );
    return listPage(request, "servers", found, render);
  });

  app.get<ById>("/servers/:id", async (request) => ({ server: render(find(request.params.id)) }));

  app.post("/servers", async (request, reply) => {
    const { server, spec, volumes, start, hasKeys } = await createServer(project, request.body);
    const resources = [{ id: server.id, type: "server" }];
    const create = actions.run({
      command: "create_server",
      resources,
      locks: [server.id],
      effect: async () => {
        await project.inOrder(`server ${server.id}`, () => infrastructure.createServer(spec));
        await renewFirewall(project, server.id);
        for (const volume of volumes) {
          await infrastructure.attachVolume(volume.id, server.id);
          volume.serverId = server.id;
        }
      },
      succeed: () => {
        server.status = start ? "starting" : "off";
      },
      fail: () => {
        server.status = "off";
      },
    });
    const starting = start
      ? [
          actions.run({
            command: "start_server",
            resources,
            locks: [server.id],
            after: create,
            effect: () =>
              project.inOrder(`server ${server.id}`, () => infrastructure.startServer(server.id)),
            succeed: () => {
              server.status = "running";
            },
            fail: () => {
              server.status = "off";
            },
          }),
        ]
      : [];
    return reply.code(201).send({
      server: render(server),
      action: actionJson(create),
      next_actions: starting.map(actionJson),
      root_password: hasKeys ? null : "lab-servers-have-no-password",
    });
  });

  app.put<ById>("/servers/:id", async (request) => {
    const server = find(request.params.id);
    const body = z.object({ name: serverName.optional(), labels: labelsBody.optional() });
    const wanted = readBody(body, request.body);
    requireUniqueName(state.servers, wanted.name ?? server.name, server.id);
    const before = firewallsOf(project, server);
    server.name = wanted.name ?? server.name;
    server.labels = wanted.labels ?? server.labels;
    store.save();
    const after = firewallsOf(project, server);
    if (before.length !== after.length || before.some((one) => !after.includes(one))) {
      await renewFirewall(project, server.id);
    }
    return { server: render(server) };
  });

  app.delete<ById>("/servers/:id", async (request) => {
    const server = find(request.params.id);
    requireUnprotected(server.deleteProtection, "server");
    actions.requireUnlocked(server.id);
    const { status } = server;
    server.status = "deleting";
    const action = actions.run({
      command: "delete_server",
      resources: [{ id: server.id, type: "server" }],
      locks: [server.id],
      effect: () =>
        project.inOrder(`server ${server.id}`, async () => {
          // A running machine holds its volumes.
          await infrastructure.powerOffServer(server.id);
          for (const volume of volumesOf(project, server.id)) {
            await infrastructure.detachVolume(volume.id, server.id);
            volume.serverId = null;
          }
          await infrastructure.deleteServer(server.id);
          for (const ip of state.primaryIps.filter(({ serverId }) => serverId === server.id)) {
            ip.serverId = null;
            if (ip.autoDelete) {
              await releasePrimaryIp(project, ip);
            }
          }
        }),
      succeed: () => {
        for (const firewall of state.firewalls) {
          firewall.serverIds = firewall.serverIds.filter((id) => id !== server.id);
        }
        drop(state.servers, server.id);
      },
      fail: () => {
        server.status = status;
      },
    });
    return { action: actionJson(action) };
  });
}
