// The lab's own door into an emulated cloud, beside the cloud's API: the journal of requests, and faults
// that tests order in advance. Nothing here exists at the real clouds.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Store } from "./store";

const requestFault = z.object({
  /** HTTP method; every method when absent. */
  method: z.string().optional(),
  /** Regular expression on the path with its query string. */
  path: z.string(),
  /** How many matching requests it meets. */
  times: z.number().int().positive().default(1),
  /** Waits this long before the request is looked at, or after its effect. */
  delayMilliseconds: z.number().nonnegative().default(0),
  /** Answered instead of the cloud's own answer; without it the fault only delays. */
  answer: z
    .object({
      status: z.number().int().min(200).max(599),
      body: z.unknown().optional(),
      headers: z.record(z.string(), z.string()).default({}),
    })
    .optional(),
  /** `before` keeps the request from its effect; `after` lets it happen, and delays or loses the answer. */
  when: z.enum(["before", "after"]).default("before"),
});

const actionFault = z.object({
  /** Command of the Hetzner action that fails, e.g. `attach_volume`. */
  action: z.string(),
  times: z.number().int().positive().default(1),
  /** How long the action runs before it ends. */
  delayMilliseconds: z.number().nonnegative().default(0),
  /** What the action fails with; without it the action is only slow. */
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  /** Lets the action do its work, and leaves it out whenever clients ask how it goes. */
  lost: z.boolean().default(false),
});

type RequestFault = z.infer<typeof requestFault>;

/** A fault that an action meets instead of running its effect undisturbed. */
export type ActionFault = z.infer<typeof actionFault>;

/** The faults ordered for one cloud. */
export interface Faults {
  /** Takes the next fault for an action, which counts as one of its times. */
  takeAction(command: string): ActionFault | undefined;
}

const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/**
 * Adds the journal and the faults to a server:
 * `GET|DELETE /_lab/journal`, `GET|POST|DELETE /_lab/faults`.
 */
export function addLabControl(app: FastifyInstance, cloud: string, store: Store): Faults {
  let requestFaults: RequestFault[] = [];
  let actionFaults: ActionFault[] = [];
  const pending = new WeakMap<object, RequestFault>();

  app.addHook("onRequest", async (request, reply) => {
    if (request.url.startsWith("/_lab/")) {
      return;
    }
    const fault = requestFaults.find(
      ({ method, path, times }) =>
        times > 0 &&
        (method === undefined || method.toUpperCase() === request.method) &&
        new RegExp(path).test(request.url),
    );
    if (fault === undefined) {
      return;
    }
    fault.times -= 1;
    requestFaults = requestFaults.filter(({ times }) => times > 0);
    if (fault.when === "after") {
      pending.set(request, fault);
      return;
    }
    await sleep(fault.delayMilliseconds);
    if (fault.answer === undefined) {
      return;
    }
    const { status, body, headers } = fault.answer;
    return reply.code(status).headers(headers).send(body);
  });

  app.addHook("onSend", async (request, reply, payload) => {
    const fault = pending.get(request);
    if (fault === undefined) {
      return payload;
    }
    pending.delete(request);
    await sleep(fault.delayMilliseconds);
    const { answer } = fault;
    if (answer === undefined) {
      return payload;
    }
    reply.code(answer.status).headers(answer.headers).removeHeader("content-length");
    return answer.body === undefined ? "" : JSON.stringify(answer.body);
  });

  app.addHook("onResponse", async (request, reply) => {
    if (!request.url.startsWith("/_lab/")) {
      store.record({
        at: new Date().toISOString(),
        cloud,
        method: request.method,
        path: request.url,
        status: reply.statusCode,
      });
    }
  });

  app.get("/_lab/journal", async () => store.journal.filter((entry) => entry.cloud === cloud));
  app.delete("/_lab/journal", async (_request, reply) => {
    store.clearJournal(cloud);
    return reply.code(204).send();
  });
  app.get("/_lab/faults", async () => [...requestFaults, ...actionFaults]);
  app.delete("/_lab/faults", async (_request, reply) => {
    requestFaults = [];
    actionFaults = [];
    return reply.code(204).send();
  });
  app.post("/_lab/faults", async (request, reply) => {
    const fault = z.union([actionFault, requestFault]).safeParse(request.body);
    if (!fault.success) {
      return reply.code(400).send({ message: z.prettifyError(fault.error) });
    }
    if ("action" in fault.data) {
      actionFaults.push(fault.data);
    } else {
      requestFaults.push(fault.data);
    }
    return reply.code(201).send(fault.data);
  });

  return {
    takeAction(command) {
      const fault = actionFaults.find(({ action }) => action === command);
      if (fault !== undefined) {
        fault.times -= 1;
        actionFaults = actionFaults.filter(({ times }) => times > 0);
      }
      return fault;
    },
  };
}
