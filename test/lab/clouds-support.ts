// What the tests of the emulated clouds share: calls with a token, waiting for actions, a recorder in
// place of the lab.

import type { FastifyInstance } from "fastify";
import { type Infrastructure, noInfrastructure } from "../../lab/clouds/infrastructure";

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
export function recorder(failing: Partial<Record<keyof Infrastructure, string>> = {}) {
  const effects: unknown[][] = [];
  const names = Object.keys(noInfrastructure);
  const infrastructure = Object.fromEntries(
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
  return { effects, infrastructure };
}
