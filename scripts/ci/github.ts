// The few calls that these scripts make to GitHub's API. Knows nothing of what they are for.

import type { z } from "zod";

/** Where GitHub's API is, and whose repository it is about. */
export interface GitHub {
  readonly endpoint: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly token: string;
}

/** As a workflow's environment says; throws what is missing. */
export function githubFrom(environment: NodeJS.ProcessEnv): GitHub {
  const value = (name: string) => {
    const found = environment[name];
    if (!found) throw new Error(`${name}: not set; this runs in a workflow of GitHub Actions`);
    return found;
  };
  const repository = value("GITHUB_REPOSITORY");
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository))
    throw new Error(`GITHUB_REPOSITORY: "${repository}" is not owner/name`);
  return {
    endpoint: (environment.GITHUB_API_URL || "https://api.github.com").replace(/\/+$/, ""),
    repository,
    token: value("GH_TOKEN"),
  };
}

const limitMilliseconds = 60_000;

async function answerTo(
  { endpoint, repository, token }: GitHub,
  method: string,
  path: string,
  body?: object,
): Promise<Response> {
  const url = `${endpoint}/repos/${repository}/${path}`;
  const answer = await fetch(url, {
    method,
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "x-github-api-version": "2022-11-28",
      "user-agent": "mail-host",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(limitMilliseconds),
  });
  if (!answer.ok) {
    const said = (await answer.text()).slice(0, 300);
    throw new Error(`GitHub: ${method} ${url} answered ${answer.status}: ${said}`);
  }
  return answer;
}

/** Asks below `/repos/<owner>/<name>/`, and holds the answer to a schema. */
export async function askGitHub<T>(
  github: GitHub,
  schema: z.ZodType<T>,
  method: "GET" | "POST" | "PATCH",
  path: string,
  body?: object,
): Promise<T> {
  return schema.parse(await (await answerTo(github, method, path, body)).json());
}

/** Every entry of a list that comes in pages. */
export async function listAtGitHub<T>(
  github: GitHub,
  schema: z.ZodType<readonly T[]>,
  path: string,
): Promise<T[]> {
  const all: T[] = [];
  for (let page = 1; ; page += 1) {
    const separator = path.includes("?") ? "&" : "?";
    const some = await askGitHub(
      github,
      schema,
      "GET",
      `${path}${separator}per_page=100&page=${page}`,
    );
    all.push(...some);
    if (some.length < 100) return all;
  }
}

/** Downloads, and gives up when there is more than `limitBytes`, whatever was promised. */
export async function download(github: GitHub, path: string, limitBytes: number): Promise<Buffer> {
  const { body } = await answerTo(github, "GET", path);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > limitBytes) throw new Error(`GitHub: ${path} is larger than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
