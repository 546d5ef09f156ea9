// How the lab's processes talk: JSON over HTTP on unix sockets, typed at both ends by the same schemas.

import * as http from "node:http";
import { z } from "zod";

/** What a lab says of itself. */
export const statusSchema = z.object({
  name: z.string(),
  /** False when the lab has the clouds' APIs only. */
  machinesPossible: z.boolean(),
  machines: z.array(
    z.object({
      name: z.string(),
      id: z.number(),
      state: z.enum(["running", "off"]),
      ipv4: z.string().nullable(),
      ipv6: z.string().nullable(),
    }),
  ),
  nameserver: z.object({ ipv4: z.string() }).nullable(),
  /** The foreign mail domain and its host's addresses. */
  elsewhere: z
    .object({ domain: z.string(), ipv4: z.string(), ipv6: z.string(), inbox: z.string() })
    .nullable(),
  /** The certificate authority's directory, and a file with every root that the lab trusts. */
  acme: z.object({ directory: z.string(), caFile: z.string() }).nullable(),
  apis: z.object({ hcloud: z.string(), cloudflare: z.string() }),
});

export type LabStatus = z.infer<typeof statusSchema>;

export const leaderSchema = z.object({ pid: z.number() });
export const portSchema = z.object({ port: z.number() });
export const forwardSchema = z.object({ machine: z.string(), port: z.number() });

const failureSchema = z.object({ message: z.string() });

/** Asks a process of the lab; undefined where nothing listens. */
export function ask<T>(
  socketPath: string,
  method: "GET" | "POST" | "PUT",
  path: string,
  schema: z.ZodType<T>,
  body?: unknown,
  timeoutSeconds = 120,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const request = http.request({ socketPath, method, path, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () => {
        try {
          const value: unknown = JSON.parse(Buffer.concat(parts).toString() || "{}");
          if (answer.statusCode === 200) resolve(schema.parse(value));
          else reject(new Error(failureSchema.safeParse(value).data?.message ?? "lab: no answer"));
        } catch (error) {
          reject(error);
        }
      });
      answer.on("error", reject);
    });
    request.setTimeout(timeoutSeconds * 1000, () => request.destroy(new Error("lab: no answer")));
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(undefined);
      else reject(error);
    });
    request.end(method !== "GET" ? JSON.stringify(body ?? {}) : undefined);
  });
}
