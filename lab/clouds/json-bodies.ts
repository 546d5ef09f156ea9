// How both clouds read request bodies: JSON whatever the content type says, an empty body is none.

import type { FastifyInstance } from "fastify";

/** A body that is not JSON. */
export class JsonBodyError extends Error {}

/** Reads every body as JSON. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => {
    const text = body.toString();
    if (text.trim() === "") {
      done(null, undefined);
      return;
    }
    try {
      done(null, JSON.parse(text));
    } catch {
      done(new JsonBodyError("the request body is not valid JSON"));
    }
  });
}
