// Firewalls: rules, and the servers they are applied to, directly or by a label selector.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { canonicalCidr } from "../ip";
import { actionJson } from "./actions";
import { HetznerError, invalidInput, readBody } from "./errors";
import { checkLabelSelector, labelsBody } from "./labels";
import { listPage } from "./lists";
import {
  byId,
  drop,
  firewallsOf,
  type Project,
  renewFirewall,
  requireUniqueName,
  selectedServers,
  serversBehind,
  takeId,
} from "./project";
import type { Action, Firewall, Rule } from "./state";

const serverResource = (id: number) => ({ type: "server", server: { id } });

function firewallJson(project: Project, firewall: Firewall): unknown {
  return {
    id: firewall.id,
    name: firewall.name,
    labels: firewall.labels,
    created: firewall.created,
    rules: firewall.rules,
    applied_to: [
      ...firewall.serverIds.map(serverResource),
      ...firewall.labelSelectors.map((selector) => ({
        type: "label_selector",
        label_selector: { selector },
        applied_to_resources: selectedServers(project, selector).map(({ id }) =>
          serverResource(id),
        ),
      })),
    ],
  };
}

const portPattern = /^\d{1,5}(?:-\d{1,5})?$/;

function isPort(port: string): boolean {
  if (port === "any") {
    return true;
  }
  const [first = 0, last = first] = port.split("-").map(Number);
  return portPattern.test(port) && first >= 1 && last <= 65535 && first <= last;
}

const networks = z
  .array(
    z.string().transform((cidr, context) => {
      const canonical = canonicalCidr(cidr);
      if (canonical === undefined) {
        context.addIssue({ code: "custom", message: `'${cidr}' is not the start of a network` });
        return z.NEVER;
      }
      return canonical;
    }),
  )
  .max(100)
  .nullish()
  .transform((cidrs) => cidrs ?? []);

const ruleBody = z
  .object({
    direction: z.enum(["in", "out"]),
    protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
    port: z.string().nullish(),
    source_ips: networks,
    destination_ips: networks,
    description: z.string().max(255).nullish(),
  })
  .superRefine((rule, context) => {
    const needsPort = rule.protocol === "tcp" || rule.protocol === "udp";
    const issue = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    if (needsPort && (rule.port == null || !isPort(rule.port))) {
      issue("port", "a port, a range of ports or 'any' is required");
    }
    if (!needsPort && rule.port != null) {
      issue("port", `port is not allowed for protocol ${rule.protocol}`);
    }
    if (rule.direction === "in" && rule.source_ips.length === 0) {
      issue("source_ips", "source_ips is required for direction in");
    }
    if (rule.direction === "out" && rule.destination_ips.length === 0) {
      issue("destination_ips", "destination_ips is required for direction out");
    }
  })
  .transform(
    (rule): Rule => ({
      ...rule,
      port: rule.port ?? null,
      description: rule.description ?? null,
    }),
  );

const rulesBody = z
  .array(ruleBody)
  .max(50)
  .nullish()
  .transform((rules) => rules ?? []);

const targetsBody = z
  .array(
    z.union([
      z.object({ type: z.literal("server"), server: z.object({ id: z.number().int() }) }),
      z.object({
        type: z.literal("label_selector"),
        label_selector: z.object({ selector: z.string() }),
      }),
    ]),
  )
  .nullish()
  .transform((targets) => targets ?? []);

type Target = z.infer<typeof targetsBody>[number];

const firewallsPerServer = 5;

/** Adds or removes targets at once in the state, and returns the actions that carry it out. */
function changeTargets(
  project: Project,
  firewall: Firewall,
  targets: readonly Target[],
  apply: boolean,
): Action[] {
  const before = new Set(serversBehind(project, firewall).map(({ id }) => id));
  const serverIds = new Set(firewall.serverIds);
  const selectors = new Set(firewall.labelSelectors);
  for (const target of targets) {
    if (target.type === "server") {
      const { id } = target.server;
      if (!project.state.servers.some((server) => server.id === id)) {
        throw new HetznerError("firewall_resource_not_found", `server with ID '${id}' not found`);
      }
      if (serverIds.has(id) === apply) {
        throw apply
          ? new HetznerError("firewall_already_applied", `firewall is already applied to ${id}`)
          : new HetznerError("firewall_already_removed", `firewall is not applied to ${id}`);
      }
      if (apply) {
        serverIds.add(id);
      } else {
        serverIds.delete(id);
      }
      continue;
    }
    const { selector } = target.label_selector;
    checkLabelSelector(selector, "label_selector");
    if (apply) {
      selectors.add(selector);
    } else {
      selectors.delete(selector);
    }
  }
  const former = { serverIds: firewall.serverIds, labelSelectors: firewall.labelSelectors };
  firewall.serverIds = [...serverIds];
  firewall.labelSelectors = [...selectors];
  const after = serversBehind(project, firewall);
  if (after.some((server) => firewallsOf(project, server).length > firewallsPerServer)) {
    Object.assign(firewall, former);
    throw new HetznerError("resource_limit_exceeded", "a server can have at most 5 firewalls");
  }
  const afterIds = new Set(after.map(({ id }) => id));
  const changed = [...before, ...afterIds].filter((id) => before.has(id) !== afterIds.has(id));
  return changed.map((id) =>
    project.actions.run({
      command: apply ? "apply_firewall" : "remove_firewall",
      resources: [
        { id: firewall.id, type: "firewall" },
        { id, type: "server" },
      ],
      effect: () => renewFirewall(project, id),
    }),
  );
}

const createBody = z.object({
  name: z.string().min(1).max(128),
  labels: labelsBody.default({}),
  rules: rulesBody,
  apply_to: targetsBody,
});

const byName = z.object({
  name: z.string().min(1).max(128).optional(),
  labels: labelsBody.optional(),
});

type ById = { Params: { id: string } };

/** Routes under `/v1/firewalls`. */
export function addFirewalls(app: FastifyInstance, project: Project): void {
  const { state, store, actions } = project;
  const find = (id: string) => byId(state.firewalls, id, "firewall");
  const render = (firewall: Firewall) => firewallJson(project, firewall);

  app.get("/firewalls", async (request) => listPage(request, "firewalls", state.firewalls, render));

  app.post("/firewalls", async (request, reply) => {
    const wanted = readBody(createBody, request.body);
    requireUniqueName(state.firewalls, wanted.name);
    const firewall: Firewall = {
      id: takeId(project),
      name: wanted.name,
      labels: wanted.labels,
      created: new Date().toISOString(),
      rules: wanted.rules,
      serverIds: [],
      labelSelectors: [],
    };
    state.firewalls.push(firewall);
    try {
      const applied = changeTargets(project, firewall, wanted.apply_to, true);
      store.save();
      return reply.code(201).send({ firewall: render(firewall), actions: applied.map(actionJson) });
    } catch (error) {
      drop(state.firewalls, firewall.id);
      throw error;
    }
  });

  app.get<ById>("/firewalls/:id", async (request) => ({
    firewall: render(find(request.params.id)),
  }));

  app.put<ById>("/firewalls/:id", async (request) => {
    const firewall = find(request.params.id);
    const wanted = readBody(byName, request.body);
    requireUniqueName(state.firewalls, wanted.name ?? firewall.name, firewall.id);
    firewall.name = wanted.name ?? firewall.name;
    firewall.labels = wanted.labels ?? firewall.labels;
    store.save();
    return { firewall: render(firewall) };
  });

  app.delete<ById>("/firewalls/:id", async (request, reply) => {
    const firewall = find(request.params.id);
    if (firewall.serverIds.length > 0 || firewall.labelSelectors.length > 0) {
      throw new HetznerError(
        "resource_in_use",
        `firewall with ID '${firewall.id}' is still in use`,
      );
    }
    drop(state.firewalls, firewall.id);
    store.save();
    return reply.code(204).send();
  });

  app.post<ById>("/firewalls/:id/actions/set_rules", async (request, reply) => {
    const firewall = find(request.params.id);
    const { rules } = readBody(z.object({ rules: rulesBody }), request.body);
    firewall.rules = rules;
    const servers = serversBehind(project, firewall);
    const set = actions.run({
      command: "set_firewall_rules",
      resources: [{ id: firewall.id, type: "firewall" }],
      effect: async () => {},
    });
    const applied = servers.map(({ id }) =>
      actions.run({
        command: "apply_firewall",
        resources: [
          { id: firewall.id, type: "firewall" },
          { id, type: "server" },
        ],
        effect: () => renewFirewall(project, id),
      }),
    );
    return reply.code(201).send({ actions: [set, ...applied].map(actionJson) });
  });

  app.post<ById>("/firewalls/:id/actions/apply_to_resources", async (request, reply) => {
    const firewall = find(request.params.id);
    const { apply_to } = readBody(z.object({ apply_to: targetsBody }), request.body);
    const applied = changeTargets(project, firewall, apply_to, true);
    store.save();
    return reply.code(201).send({ actions: applied.map(actionJson) });
  });

  app.post<ById>("/firewalls/:id/actions/remove_from_resources", async (request, reply) => {
    const firewall = find(request.params.id);
    const { remove_from } = readBody(z.object({ remove_from: targetsBody }), request.body);
    const removed = changeTargets(project, firewall, remove_from, false);
    store.save();
    return reply.code(201).send({ actions: removed.map(actionJson) });
  });
}

/** Throws unless a new server can have these firewalls. */
export function requireFirewalls(project: Project, ids: readonly number[]): readonly Firewall[] {
  if (new Set(ids).size > firewallsPerServer) {
    throw new HetznerError("resource_limit_exceeded", "a server can have at most 5 firewalls");
  }
  return ids.map((id) => {
    const firewall = project.state.firewalls.find((one) => one.id === id);
    if (firewall === undefined) {
      throw invalidInput("firewalls", `firewall ${id} not found`);
    }
    return firewall;
  });
}
