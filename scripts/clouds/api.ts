// The two clouds' APIs as the providers find them, for commands that ask or act beside the engine.

import { z } from "zod";

/** Where a cloud's API is, and the token for it. */
export interface Api {
  /** For messages. */
  readonly cloud: string;
  readonly endpoint: string;
  readonly token: string;
  /** The environment variable that a command for a person takes the token from. */
  readonly variable: string;
}

/** Both of them. */
export interface Clouds {
  readonly hetzner: Api;
  readonly cloudflare: Api;
}

const Configuration = z.record(z.string(), z.object({ value: z.string().optional() }));

/** Both APIs as the providers find them: `pulumi config --show-secrets --json`, then the environment. */
export function apis(configuration: string, environment: NodeJS.ProcessEnv): Clouds {
  const settings = Configuration.parse(JSON.parse(configuration));
  const api = (from: {
    cloud: string;
    token: string;
    variable: string;
    endpoint: string | undefined;
    fallback: string;
  }): Api => {
    const token = settings[from.token]?.value || environment[from.variable];
    if (!token) {
      throw new Error(
        `${from.token}: not set, nor is ${from.variable}. Set it with: pulumi config set --secret ${from.token} <token>`,
      );
    }
    const endpoint = (from.endpoint || from.fallback).replace(/\/+$/, "");
    return { cloud: from.cloud, variable: from.variable, token, endpoint };
  };
  return {
    hetzner: api({
      cloud: "Hetzner Cloud",
      token: "hcloud:token",
      variable: "HCLOUD_TOKEN",
      endpoint: settings["hcloud:endpoint"]?.value || environment.HCLOUD_ENDPOINT,
      fallback: "https://api.hetzner.cloud/v1",
    }),
    cloudflare: api({
      cloud: "Cloudflare",
      token: "cloudflare:apiToken",
      variable: "CLOUDFLARE_API_TOKEN",
      endpoint: settings["cloudflare:baseUrl"]?.value || environment.CLOUDFLARE_BASE_URL,
      fallback: "https://api.cloudflare.com/client/v4",
    }),
  };
}

/** A cloud's answer, whatever it says. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request. Throws when nobody answers. */
export async function request(
  api: Api,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: unknown,
): Promise<Answer> {
  const url = `${api.endpoint}/${path}`;
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${api.token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(`${api.cloud}: no answer to ${method} ${url} (${cause})`);
  });
  return { status: answer.status, body: await answer.text() };
}

/** What a cloud says to a question; throws unless it is an answer. */
export async function get(api: Api, path: string): Promise<unknown> {
  const { status, body } = await request(api, "GET", path);
  if (status !== 200) throw refused(api, "GET", path, { status, body });
  return JSON.parse(body);
}

export const refused = (api: Api, method: string, path: string, { status, body }: Answer) =>
  new Error(
    `${api.cloud}: ${method} ${api.endpoint}/${path} answered ${status}: ${body.slice(0, 300)}`,
  );

/** The command that deletes something; for a person to run. */
export const removalCommand = (api: Api, path: string) =>
  `curl -X DELETE -H "Authorization: Bearer $${api.variable}" ${api.endpoint}/${path}`;
