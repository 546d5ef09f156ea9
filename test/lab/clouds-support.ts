// What the tests of the emulated clouds share: calls with a token, waiting for actions, a recorder in
// place of the lab.

import type { FastifyInstance } from "fastify";
import { expect, onTestFinished } from "vitest";
import { createHetznerCloud } from "../../lab/clouds/hetzner";
import { type Infrastructure, noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore, type Store } from "../../lab/clouds/store";
import { type Contract, hetznerContract, watch } from "./contract";

/** A public key that is none of the operator's. */
export const sshKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f lab@example";

/** The answer to a call. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly headers: Readonly<Record<string, unknown>>;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A client with a token of 64 characters. */
export function clientOf(app: FastifyInstance, prefix: string, token = "t".repeat(64)) {
  return async (method: Method, path: string, payload?: object): Promise<Answer> => {
    const response = await app.inject({
      method,
      url: path.startsWith("/_lab") ? path : `${prefix}${path}`,
      headers: { authorization: `Bearer ${token}` },
      ...(payload === undefined ? {} : { payload }),
    });
    return {
      status: response.statusCode,
      body: response.body === "" ? undefined : response.json(),
      headers: response.headers,
    };
  };
}

/** A lab that notes every effect and does nothing; `failing` rejects the effects it names. */
export function recorder(
  failing: Partial<Record<keyof Infrastructure, string>> = {},
  delegationSigners: Infrastructure["delegationSigners"] = async () => [],
) {
  const effects: unknown[][] = [];
  const names = Object.keys(noInfrastructure).filter((name) => name !== "delegationSigners");
  const recorded = Object.fromEntries(
    names.map((name) => [
      name,
      async (...args: unknown[]) => {
        effects.push([name, ...args]);
        const message = failing[name as keyof Infrastructure];
        if (message !== undefined) {
          throw new Error(message);
        }
      },
    ]),
  ) as unknown as Infrastructure;
  return { effects, infrastructure: { ...recorded, delegationSigners } };
}

/** Watches a cloud for one test, which fails when a call breaks the contract. */
export function watched(app: FastifyInstance, contract: Contract) {
  const seen = watch(app, contract);
  onTestFinished(async () => {
    await app.close();
    expect(seen.violations).toEqual([]);
  });
  return seen;
}

/** An emulated Hetzner Cloud on a recorder, for one test. */
export function hetznerCloud(
  failing: Partial<Record<keyof Infrastructure, string>> = {},
  options: { store?: Store; actionMilliseconds?: number; serverLimit?: number } = {},
) {
  const { effects, infrastructure } = recorder(failing);
  const app = createHetznerCloud({
    infrastructure,
    store: memoryStore(),
    actionMilliseconds: 5,
    ...options,
  });
  const seen = watched(app, hetznerContract);
  const call = clientOf(app, "/v1");

  /** Waits for the actions of an answer, as hcloud-go does, and returns the last state of each. */
  async function settle(answer: Answer) {
    const { action, actions = [], next_actions = [] } = answer.body;
    const ids = [action, ...actions, ...next_actions].flatMap((one) => (one ? [one.id] : []));
    for (;;) {
      const query = ids.map((id) => `id=${id}`).join("&");
      const polled = await call("GET", `/actions?${query}&page=1&sort=status&sort=id`);
      expect(polled.body.actions).toHaveLength(ids.length);
      if (polled.body.actions.every((one: { status: string }) => one.status !== "running")) {
        return polled.body.actions;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async function address(type: "ipv4" | "ipv6", name: string, location = "nbg1") {
    const answer = await call("POST", "/primary_ips", { name, type, location, auto_delete: false });
    expect(answer.status).toBe(201);
    return answer.body.primary_ip;
  }

  async function server(fields: object = {}) {
    const answer = await call("POST", "/servers", {
      name: "mail",
      server_type: "cx23",
      image: 310557660,
      location: "nbg1",
      ...fields,
    });
    expect(answer.body.error).toBeUndefined();
    await settle(answer);
    return (await call("GET", `/servers/${answer.body.server.id}`)).body.server;
  }

  async function volume(fields: object = {}) {
    const answer = await call("POST", "/volumes", {
      name: "mail",
      size: 10,
      location: "nbg1",
      format: "ext4",
      ...fields,
    });
    await settle(answer);
    return answer.body.volume;
  }

  return { app, seen, call, effects, settle, address, server, volume };
}
