// Primary IPs: addresses handed out, their PTR records, and whose they are.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { canonicalIp, isInNetwork } from "../ip";
import { actionJson } from "./actions";
import { locations } from "./catalogue";
import { HetznerError, invalidInput, readBody } from "./errors";
import { labelsBody } from "./labels";
import { listPage, queryValues } from "./lists";
import {
  addressesOf,
  byId,
  defaultPointer,
  drop,
  effectNow,
  type Project,
  pointersOf,
  requireUniqueName,
  requireUnprotected,
  takeId,
} from "./project";
import type { Action, PrimaryIp, Server } from "./state";

const kind = "primary_ip";

/** The API's rendering of a primary IP. */
export function primaryIpJson(ip: PrimaryIp): unknown {
  return {
    id: ip.id,
    name: ip.name,
    labels: ip.labels,
    created: ip.created,
    blocked: false,
    location: locations.find(({ name }) => name === ip.location),
    ip: ip.ip,
    dns_ptr: pointersOf(ip).map((pointer) => ({ ip: pointer.ip, dns_ptr: pointer.name })),
    protection: { delete: ip.deleteProtection },
    type: ip.type,
    auto_delete: ip.autoDelete,
    assignee_type: ip.serverId === null ? "unassigned" : "server",
    assignee_id: ip.serverId,
  };
}

/** Third byte of the IPv4 addresses of each location. */
const ipv4Subnets: Readonly<Record<string, number>> = {
  nbg1: 1,
  fsn1: 2,
  hel1: 3,
  ash: 4,
  hil: 5,
  sin: 6,
};
const firstHost = 10;
const lastHost = 250;

function takeIpv4(project: Project, locationName: string): string {
  const inUse = new Set(project.state.primaryIps.map(({ ip }) => ip));
  const count = lastHost - firstHost + 1;
  const next = project.state.nextIpv4[locationName] ?? firstHost;
  // Addresses come back into use only after all others, as at Hetzner, where a freed one rests.
  for (let step = 0; step < count; step += 1) {
    const host = firstHost + ((next - firstHost + step) % count);
    const ip = `198.18.${ipv4Subnets[locationName] ?? 0}.${host}`;
    if (!inUse.has(ip)) {
      project.state.nextIpv4[locationName] = host + 1;
      return ip;
    }
  }
  throw new HetznerError("resource_unavailable", `no IPv4 address is left in ${locationName}`);
}

function takeIpv6(project: Project): string {
  const number = project.state.nextIpv6;
  project.state.nextIpv6 += 1;
  return `2001:2:0:${number.toString(16)}::/64`;
}

/** Makes a primary IP and publishes its default PTR record. */
export async function makePrimaryIp(
  project: Project,
  wanted: Pick<PrimaryIp, "type" | "location" | "autoDelete" | "labels"> & {
    readonly name?: string;
  },
): Promise<PrimaryIp> {
  const id = takeId(project);
  const { type, location, autoDelete, labels } = wanted;
  const ip: PrimaryIp = {
    id,
    name: wanted.name ?? `primary_ip-${id}`,
    created: new Date().toISOString(),
    labels,
    type,
    ip: type === "ipv4" ? takeIpv4(project, location) : takeIpv6(project),
    location,
    autoDelete,
    deleteProtection: false,
    serverId: null,
    pointers: [],
  };
  project.state.primaryIps.push(ip);
  project.store.save();
  if (type === "ipv4") {
    await effectNow(() => project.infrastructure.setPtr(ip.ip, defaultPointer(ip.ip)));
  }
  return ip;
}

/** Gives up a primary IP and withdraws its PTR records. */
export async function releasePrimaryIp(project: Project, ip: PrimaryIp): Promise<void> {
  for (const pointer of pointersOf(ip)) {
    await project.infrastructure.setPtr(pointer.ip, null);
  }
  drop(project.state.primaryIps, ip.id);
}

/** Throws unless the primary IP can be given to a server at a location. */
export function requireAssignable(ip: PrimaryIp, type: PrimaryIp["type"], location: string): void {
  if (ip.type !== type) {
    throw new HetznerError("primary_ip_version_mismatch", `primary ip ${ip.id} is not ${type}`);
  }
  if (ip.serverId !== null) {
    throw new HetznerError("primary_ip_assigned", `primary ip ${ip.id} is already assigned`);
  }
  if (ip.location !== location) {
    throw new HetznerError(
      "primary_ip_datacenter_mismatch",
      `primary ip ${ip.id} and the server are in different locations`,
    );
  }
}

const slotOf = { ipv4: "ipv4Id", ipv6: "ipv6Id" } as const;

function changeAssignee(project: Project, ip: PrimaryIp, server: Server, assign: boolean): Action {
  const command = assign ? "assign_primary_ip" : "unassign_primary_ip";
  const put = (assigned: boolean) => {
    server[slotOf[ip.type]] = assigned ? ip.id : null;
    ip.serverId = assigned ? server.id : null;
  };
  return project.actions.run({
    command,
    resources: [
      { id: ip.id, type: kind },
      { id: server.id, type: "server" },
    ],
    locks: [server.id],
    effect: () =>
      project.inOrder(`server ${server.id}`, async () => {
        put(assign);
        await project.infrastructure.setAddresses(server.id, addressesOf(project, server));
      }),
    fail: () => put(!assign),
  });
}

function requireOff(project: Project, server: Server): void {
  project.actions.requireUnlocked(server.id);
  if (server.status !== "off") {
    throw new HetznerError("server_not_stopped", "server must be stopped before this action");
  }
}

function assign(project: Project, ip: PrimaryIp, serverId: number): Action {
  const server = byId(project.state.servers, serverId, "server");
  requireAssignable(ip, ip.type, server.location);
  requireOff(project, server);
  if (server[slotOf[ip.type]] !== null) {
    throw new HetznerError("conflict", `server already has a primary ip of type ${ip.type}`);
  }
  return changeAssignee(project, ip, server, true);
}

const pointerBody = z.object({ ip: z.string(), dns_ptr: z.string().nullable() });
const hostname = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9-]{1,63}$/i;
const pointerLimit = 100;

/** Changes a PTR record of one of these primary IPs; `owner` is the resource that was asked. */
export function changePointer(
  project: Project,
  ips: readonly PrimaryIp[],
  owner: { readonly id: number; readonly type: string },
  body: unknown,
): Action {
  const wanted = readBody(pointerBody, body);
  const address = canonicalIp(wanted.ip);
  const name = wanted.dns_ptr === "" ? null : wanted.dns_ptr;
  const ip = ips.find((one) =>
    one.type === "ipv4" ? one.ip === address : isInNetwork(address ?? "", one.ip),
  );
  if (address === undefined || ip === undefined) {
    throw invalidInput("ip", `'${wanted.ip}' does not belong to this resource`);
  }
  if (name !== null && !hostname.test(name)) {
    throw invalidInput("dns_ptr", `'${name}' is not a valid hostname`);
  }
  const others = ip.pointers.filter((pointer) => pointer.ip !== address);
  if (name !== null && others.length >= pointerLimit) {
    throw new HetznerError("resource_limit_exceeded", "dns ptr limit exceeded");
  }
  const published = name ?? (ip.type === "ipv4" ? defaultPointer(address) : null);
  return project.actions.run({
    command: "change_dns_ptr",
    resources: [owner],
    effect: () =>
      project.inOrder(`pointer ${address}`, () =>
        project.infrastructure.setPtr(address, published),
      ),
    succeed: () => {
      const rest = ip.pointers.filter((pointer) => pointer.ip !== address);
      ip.pointers = name === null ? rest : [...rest, { ip: address, name }];
    },
  });
}

const createBody = z.object({
  name: z.string().min(1),
  type: z.enum(["ipv4", "ipv6"]),
  location: z.string().optional(),
  datacenter: z.string().optional(),
  assignee_id: z.number().int().nullish(),
  assignee_type: z.enum(["server", "unassigned"]).optional(),
  auto_delete: z.boolean().default(false),
  labels: labelsBody.default({}),
});

const updateBody = z.object({
  name: z.string().min(1).optional(),
  labels: labelsBody.optional(),
  auto_delete: z.boolean().optional(),
});

type ById = { Params: { id: string } };

/** Routes under `/v1/primary_ips`. */
export function addPrimaryIps(app: FastifyInstance, project: Project): void {
  const { state, store, actions } = project;
  const find = (id: string) => byId(state.primaryIps, id, "primary ip");

  app.get("/primary_ips", async (request) => {
    const ips = queryValues(request, "ip");
    const found = state.primaryIps.filter(
      ({ ip }) => ips.length === 0 || ips.includes(ip) || ips.includes(ip.replace(/\/64$/, "")),
    );
    return listPage(request, "primary_ips", found, primaryIpJson);
  });

  app.post("/primary_ips", async (request, reply) => {
    const wanted = readBody(createBody, request.body);
    if (wanted.datacenter !== undefined) {
      throw invalidInput("datacenter", "datacenter has been removed, use location");
    }
    const server =
      wanted.assignee_id == null ? undefined : byId(state.servers, wanted.assignee_id, "server");
    const location = server?.location ?? wanted.location;
    if (location === undefined || !locations.some(({ name }) => name === location)) {
      throw invalidInput("location", `location '${location ?? ""}' is unknown`);
    }
    if (server !== undefined && wanted.location !== undefined) {
      throw invalidInput("location", "location and assignee_id exclude each other");
    }
    requireUniqueName(state.primaryIps, wanted.name);
    if (server !== undefined) {
      requireOff(project, server);
      if (server[slotOf[wanted.type]] !== null) {
        throw new HetznerError(
          "conflict",
          `server already has a primary ip of type ${wanted.type}`,
        );
      }
    }
    const ip = await makePrimaryIp(project, {
      name: wanted.name,
      type: wanted.type,
      location,
      autoDelete: wanted.auto_delete,
      labels: wanted.labels,
    });
    const action = server === undefined ? undefined : assign(project, ip, server.id);
    const assigned = action === undefined ? null : actionJson(action);
    return reply.code(201).send({ primary_ip: primaryIpJson(ip), action: assigned });
  });

  app.get<ById>("/primary_ips/:id", async (request) => ({
    primary_ip: primaryIpJson(find(request.params.id)),
  }));

  app.put<ById>("/primary_ips/:id", async (request) => {
    const ip = find(request.params.id);
    const wanted = readBody(updateBody, request.body);
    requireUniqueName(state.primaryIps, wanted.name ?? ip.name, ip.id);
    ip.name = wanted.name ?? ip.name;
    ip.labels = wanted.labels ?? ip.labels;
    ip.autoDelete = wanted.auto_delete ?? ip.autoDelete;
    store.save();
    return { primary_ip: primaryIpJson(ip) };
  });

  app.delete<ById>("/primary_ips/:id", async (request, reply) => {
    const ip = find(request.params.id);
    requireUnprotected(ip.deleteProtection, "primary ip");
    if (ip.serverId !== null) {
      throw new HetznerError("must_be_unassigned", "primary ip must be unassigned before deletion");
    }
    await effectNow(() => releasePrimaryIp(project, ip));
    store.save();
    return reply.code(204).send();
  });

  app.post<ById>("/primary_ips/:id/actions/assign", async (request, reply) => {
    const ip = find(request.params.id);
    const body = z.object({
      assignee_id: z.number().int(),
      assignee_type: z.literal("server").optional(),
    });
    const action = assign(project, ip, readBody(body, request.body).assignee_id);
    return reply.code(201).send({ action: actionJson(action) });
  });

  app.post<ById>("/primary_ips/:id/actions/unassign", async (request, reply) => {
    const ip = find(request.params.id);
    if (ip.serverId === null) {
      throw new HetznerError("conflict", "primary ip is not assigned");
    }
    const server = byId(state.servers, ip.serverId, "server");
    requireOff(project, server);
    return reply.code(201).send({ action: actionJson(changeAssignee(project, ip, server, false)) });
  });

  app.post<ById>("/primary_ips/:id/actions/change_dns_ptr", async (request, reply) => {
    const ip = find(request.params.id);
    const action = changePointer(project, [ip], { id: ip.id, type: kind }, request.body);
    return reply.code(201).send({ action: actionJson(action) });
  });

  app.post<ById>("/primary_ips/:id/actions/change_protection", async (request, reply) => {
    const ip = find(request.params.id);
    const wanted = readBody(z.object({ delete: z.boolean().optional() }), request.body);
    const action = actions.run({
      command: "change_protection",
      resources: [{ id: ip.id, type: kind }],
      effect: async () => {},
      succeed: () => {
        ip.deleteProtection = wanted.delete ?? ip.deleteProtection;
      },
    });
    return reply.code(201).send({ action: actionJson(action) });
  });
}
