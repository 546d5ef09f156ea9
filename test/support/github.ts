// A small GitHub for scripts that comment: runs with artefacts, pull requests, comments and issues of one
// repository, over HTTP on the loopback. Knows only the calls that are made.

import Fastify from "fastify";
import type { GitHub } from "../../scripts/ci/github";

interface Note {
  readonly id: number;
  body: string;
  readonly user: { readonly login: string; readonly type: string };
}
interface Issue {
  readonly number: number;
  body: string;
  state: string;
}

export const bot = { login: "github-actions[bot]", type: "Bot" } as const;
export const repository = "owner/mail-host";

/** Starts one. What it holds is for the test to fill and to look at. */
export async function startGitHub() {
  const app = Fastify({ forceCloseConnections: true });
  const held = {
    run: {},
    artefacts: [] as { id: number; name: string; size_in_bytes: number; expired: boolean }[],
    archives: new Map<string, Buffer>(),
    pulls: [] as object[],
    comments: new Map<string, Note[]>(),
    issues: [] as Issue[],
    writes: [] as string[],
    asked: [] as string[],
  };
  const root = `/repos/${repository}`;

  let nextId = 100;

  app.addHook("onRequest", async (request, reply) => {
    held.asked.push(`${request.method} ${request.url}`);
    if (request.headers.authorization !== "Bearer token")
      return reply.code(401).send({ message: "Bad credentials" });
    if (request.method !== "GET") held.writes.push(`${request.method} ${request.url}`);
    return undefined;
  });
  app.get(`${root}/actions/runs/:id`, async () => held.run);
  app.get(`${root}/actions/runs/:id/artifacts`, async () => ({ artifacts: held.artefacts }));
  app.get<{ Params: { id: string } }>(`${root}/actions/artifacts/:id/zip`, async (request, reply) =>
    reply.type("application/zip").send(held.archives.get(request.params.id)),
  );
  app.get(`${root}/pulls`, async () => held.pulls);
  app.get<{ Params: { number: string }; Querystring: { page: string } }>(
    `${root}/issues/:number/comments`,
    async ({ params, query }) => {
      const first = (Number(query.page) - 1) * 100;
      return (held.comments.get(params.number) ?? []).slice(first, first + 100);
    },
  );
  app.post<{ Params: { number: string }; Body: { body: string } }>(
    `${root}/issues/:number/comments`,
    async ({ params, body }) => {
      nextId += 1;
      const note = { id: nextId, body: body.body, user: bot };
      held.comments.set(params.number, [...(held.comments.get(params.number) ?? []), note]);
      return { html_url: `https://github.test/${nextId}` };
    },
  );
  app.patch<{ Params: { id: string }; Body: { body: string } }>(
    `${root}/issues/comments/:id`,
    async ({ params, body }) => {
      const note = [...held.comments.values()].flat().find(({ id }) => id === Number(params.id));
      if (note === undefined) throw new Error("no such comment");
      note.body = body.body;
      return { html_url: `https://github.test/${note.id}` };
    },
  );
  app.get(`${root}/issues`, async () => held.issues.filter(({ state }) => state === "open"));
  app.post<{ Body: { body: string } }>(`${root}/issues`, async ({ body }) => {
    nextId += 1;
    held.issues.push({ number: nextId, body: body.body, state: "open" });
    return {};
  });
  app.patch<{ Params: { number: string }; Body: Partial<Issue> }>(
    `${root}/issues/:number`,
    async ({ params, body }) =>
      Object.assign(held.issues.find(({ number }) => number === Number(params.number)) ?? {}, body),
  );
  const api: GitHub = {
    endpoint: await app.listen({ host: "127.0.0.1", port: 0 }),
    repository,
    token: "token",
  };
  return { held, api, close: () => app.close() };
}
