// Cloudflare's API over HTTP: envelope, errors and retries.

import { setTimeout as sleep } from "node:timers/promises";

export interface Credentials {
  readonly baseUrl: string;
  /** The headers that say who asks. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer of 400 or above; the message shows the whole answer. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

// The official provider tries ten times over minutes; the lab's clouds recover at once or not at all.
const retries = 4;
const firstDelayMilliseconds = 500;

export type Query = readonly (readonly [name: string, value: string])[];

/** Asks once, and again when there was no answer, too many requests or a server error. */
export async function ask(
  credentials: Credentials,
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  request: { readonly query?: Query; readonly body?: unknown } = {},
): Promise<unknown> {
  const url = new URL(path, `${credentials.baseUrl.replace(/\/+$/, "")}/`);
  for (const [name, value] of request.query ?? []) url.searchParams.append(name, value);
  for (let attempt = 0; ; attempt++) {
    const answer = await once(credentials, method, url, attempt, request.body);
    if (answer.kind === "result") return answer.result;
    if (!answer.retry || attempt === retries) throw answer.error;
    await sleep(answer.delayMilliseconds ?? firstDelayMilliseconds * 2 ** attempt);
  }
}

type Answer =
  | { readonly kind: "result"; readonly result: unknown }
  | {
      readonly kind: "error";
      readonly error: Error;
      readonly retry: boolean;
      readonly delayMilliseconds: number | undefined;
    };

async function once(
  credentials: Credentials,
  method: string,
  url: URL,
  attempt: number,
  body: unknown,
): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: {
        accept: "application/json",
        "user-agent": "mail-host-lab pulumi-resource-cloudflare",
        "x-stainless-retry-count": String(attempt),
        ...credentials.headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    const message = `${method} "${url}": no answer: ${reasonOf(error)}`;
    return { kind: "error", error: new Error(message), retry: true, delayMilliseconds: undefined };
  }
  if (response.ok) return { kind: "result", result: resultOf(text) };
  const message = `${method} "${url}": ${response.status} ${response.statusText} ${text}`;
  return {
    kind: "error",
    error: new ApiError(message, response.status),
    retry: mayRetry(response),
    delayMilliseconds: askedDelay(response.headers),
  };
}

function mayRetry(response: Response): boolean {
  const asked = response.headers.get("x-should-retry");
  if (asked === "true") return true;
  if (asked === "false") return false;
  return response.status === 429 || response.status >= 500;
}

function askedDelay(headers: Headers): number | undefined {
  const milliseconds =
    Number(headers.get("retry-after-ms")) || Number(headers.get("retry-after")) * 1000;
  return milliseconds > 0 && milliseconds < 60_000 ? milliseconds : undefined;
}

function resultOf(text: string): unknown {
  const envelope: unknown = text === "" ? {} : JSON.parse(text);
  return typeof envelope === "object" && envelope !== null && "result" in envelope
    ? envelope.result
    : undefined;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
