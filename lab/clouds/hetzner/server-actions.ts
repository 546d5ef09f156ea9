// What can be done to a server that exists: power, type, protection, PTR records, backups.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { actionJson, type Work } from "./actions";
import { serverTypes } from "./catalogue";
import { HetznerError, invalidInput, readBody } from "./errors";
import { changePointer } from "./primary-ips";
import { byId, type Project } from "./project";
import { requireServerType } from "./servers";
import type { Server } from "./state";

type ById = { Params: { id: string } };

const unsupported = [
  "add_to_placement_group",
  "attach_iso",
  "attach_to_network",
  "change_alias_ips",
  "create_image",
  "detach_from_network",
  "detach_iso",
  "disable_rescue",
  "enable_rescue",
  "rebuild",
  "remove_from_placement_group",
  "request_console",
  "reset_password",
];

/** Routes under `/v1/servers/{id}/actions`. */
export function addServerActions(app: FastifyInstance, project: Project): void {
  const { state, actions, infrastructure } = project;

  /** A route that starts one action, which locks the server and comes after earlier effects. */
  function route(name: string, work: (server: Server, body: unknown) => Partial<Work>): void {
    app.post<ById>(`/servers/:id/actions/${name}`, async (request, reply) => {
      const server = byId(state.servers, request.params.id, "server");
      actions.requireUnlocked(server.id);
      const { command, effect, succeed, fail } = work(server, request.body);
      const action = actions.run({
        command: command ?? name,
        resources: [{ id: server.id, type: "server" }],
        locks: [server.id],
        effect: () => project.inOrder(`server ${server.id}`, effect ?? (async () => {})),
        ...(succeed === undefined ? {} : { succeed }),
        ...(fail === undefined ? {} : { fail }),
      });
      return reply.code(201).send({ action: actionJson(action) });
    });
  }

  /** Passes through `during` to `end`, or back. */
  function transition(
    server: Server,
    during: Server["status"],
    end: Server["status"],
    effect: () => Promise<void>,
  ): Pick<Work, "effect" | "succeed" | "fail"> {
    const before = server.status;
    server.status = during;
    return {
      // A server that is on, or off, already is left alone, and the action succeeds.
      effect: before === end && during !== end ? async () => {} : effect,
      succeed: () => {
        server.status = end;
      },
      fail: () => {
        server.status = before;
      },
    };
  }

  route("poweron", (server) => ({
    command: "start_server",
    ...transition(server, "starting", "running", () => infrastructure.startServer(server.id)),
  }));
  route("poweroff", (server) => ({
    command: "stop_server",
    ...transition(server, "stopping", "off", () => infrastructure.powerOffServer(server.id)),
  }));
  route("shutdown", (server) => ({
    command: "shutdown_server",
    ...transition(server, "stopping", "off", () => infrastructure.shutdownServer(server.id)),
  }));
  route("reboot", (server) => ({
    command: "reboot_server",
    ...transition(server, "running", "running", async () => {
      await infrastructure.shutdownServer(server.id);
      await infrastructure.startServer(server.id);
    }),
  }));
  route("reset", (server) => ({
    command: "reset_server",
    ...transition(server, "running", "running", async () => {
      await infrastructure.powerOffServer(server.id);
      await infrastructure.startServer(server.id);
    }),
  }));

  route("change_type", (server, body) => {
    const schema = z.object({
      server_type: z.union([z.string(), z.number().int()]),
      upgrade_disk: z.boolean(),
    });
    const wanted = readBody(schema, body);
    const type = requireServerType(wanted.server_type, server.location);
    const former = serverTypes.find(({ name }) => name === server.serverType);
    if (type.architecture !== former?.architecture) {
      throw invalidInput("server_type", "server type must have the same architecture");
    }
    if (type.diskGib < server.primaryDiskSize) {
      throw invalidInput("server_type", "the disk of the server type is too small");
    }
    if (server.status !== "off") {
      throw new HetznerError("server_not_stopped", "server must be stopped before this action");
    }
    return {
      command: "change_server_type",
      succeed: () => {
        server.serverType = type.name;
        server.primaryDiskSize = wanted.upgrade_disk ? type.diskGib : server.primaryDiskSize;
      },
    };
  });

  route("change_protection", (server, body) => {
    const schema = z.object({ delete: z.boolean().optional(), rebuild: z.boolean().optional() });
    const wanted = readBody(schema, body);
    const deletion = wanted.delete ?? server.deleteProtection;
    const rebuild = wanted.rebuild ?? server.rebuildProtection;
    if (deletion !== rebuild) {
      throw invalidInput("delete", "delete and rebuild protection must be equal");
    }
    return {
      succeed: () => {
        server.deleteProtection = deletion;
        server.rebuildProtection = rebuild;
      },
    };
  });

  route("enable_backup", (server) => ({
    succeed: () => {
      server.backupWindow = "22-02";
    },
  }));
  route("disable_backup", (server) => ({
    succeed: () => {
      server.backupWindow = null;
    },
  }));

  app.post<ById>("/servers/:id/actions/change_dns_ptr", async (request, reply) => {
    const server = byId(state.servers, request.params.id, "server");
    const ips = state.primaryIps.filter(({ serverId }) => serverId === server.id);
    const owner = { id: server.id, type: "server" };
    const action = changePointer(project, ips, owner, request.body);
    return reply.code(201).send({ action: actionJson(action) });
  });

  for (const name of unsupported) {
    app.post<ById>(`/servers/:id/actions/${name}`, async (request) => {
      byId(state.servers, request.params.id, "server");
      throw new HetznerError("unsupported_error", `${name} is not part of the lab`);
    });
  }
}
