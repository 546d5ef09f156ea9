// Holds every call that an emulated cloud answers against its contract: what it let pass, and what it
// answered. A request that the contract does not know must be refused.

import Ajv, { type ValidateFunction } from "ajv";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { cloudflareOperations, cloudflareRefusal } from "./schemas/cloudflare";
import { hetznerOperations, hetznerRefusal } from "./schemas/hetzner";
import type { Operations, Schema } from "./schemas/json-schema";

/** An API as its documentation has it. */
export interface Contract {
  readonly prefix: string;
  readonly operations: Operations;
  /** The body of a refusal with a status. */
  readonly refusal: (status: number) => Schema;
}

export const hetznerContract: Contract = {
  prefix: "/v1",
  operations: hetznerOperations,
  refusal: hetznerRefusal,
};

export const cloudflareContract: Contract = {
  prefix: "/client/v4",
  operations: cloudflareOperations,
  refusal: cloudflareRefusal,
};

/** What a watched cloud has done so far. */
export interface Watch {
  /** One line for each call that broke the contract. */
  readonly violations: readonly string[];
  /** Operations that the cloud has a route for. */
  readonly routes: ReadonlySet<string>;
  /** Operations that gave the answer that is theirs, with the last of each. */
  readonly answered: ReadonlyMap<string, unknown>;
}

const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true });
const compiled = new Map<Schema, ValidateFunction>();

/** What is wrong with a value; undefined when nothing is. */
export function whatIsWrong(schema: Schema, value: unknown): string | undefined {
  const validate = compiled.get(schema) ?? ajv.compile(schema);
  compiled.set(schema, validate);
  return validate(value) ? undefined : ajv.errorsText(validate.errors, { dataVar: "it" });
}

const operationOf = (contract: Contract, method: string, route: string | undefined) =>
  `${method} ${(route ?? "").slice(contract.prefix.length).replace(/:\w+/g, ":id")}`;

const namesIn = (request: FastifyRequest): string[] => [
  ...new URL(request.url, "http://cloud").searchParams.keys(),
];

function wrongInRequest(
  contract: Contract,
  name: string,
  request: FastifyRequest,
): string | undefined {
  const { query = [], body } = contract.operations[name] ?? {};
  const unknown = namesIn(request).find((parameter) => !query.includes(parameter));
  if (unknown !== undefined) return `query parameter "${unknown}" is not known`;
  if (body === undefined) return request.body === undefined ? undefined : "there is a body";
  return whatIsWrong(body, request.body ?? {});
}

function wrongInAnswer(contract: Contract, name: string, status: number, answer: unknown) {
  if (status >= 400) return whatIsWrong(contract.refusal(status), answer);
  const operation = contract.operations[name];
  if (operation === undefined) return "there is no such operation";
  if (status !== operation.status) return `its status is not ${operation.status}`;
  if (operation.answer === undefined) return answer === undefined ? undefined : "there is a body";
  return whatIsWrong(operation.answer, answer);
}

const parsed = (payload: unknown): unknown =>
  typeof payload === "string" && payload !== "" ? JSON.parse(payload) : undefined;

/** Watches a cloud; to be called before it answers anything. */
export function watch(app: FastifyInstance, contract: Contract): Watch {
  const violations: string[] = [];
  const routes = new Set<string>();
  const answered = new Map<string, unknown>();
  app.addHook("onRoute", ({ method, url }) => {
    for (const each of [method].flat()) {
      if (url.startsWith(contract.prefix) && each !== "HEAD") {
        routes.add(operationOf(contract, each, url));
      }
    }
  });
  app.addHook("onSend", async (request, reply, payload) => {
    if (request.url.startsWith("/_lab/")) return payload;
    const name = operationOf(contract, request.method, request.routeOptions.url);
    const { statusCode } = reply;
    const answer = parsed(payload);
    const note = (wrong: string | undefined, side: string) => {
      if (wrong !== undefined) {
        violations.push(`${request.method} ${request.url}: ${statusCode}: ${side}: ${wrong}`);
      }
    };
    if (statusCode < 400) note(wrongInRequest(contract, name, request), "accepted a request");
    note(wrongInAnswer(contract, name, statusCode, answer), "answered");
    if (statusCode === contract.operations[name]?.status) answered.set(name, answer);
    return payload;
  });
  return { violations, routes, answered };
}
