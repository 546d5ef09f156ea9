// Whether an approved run may still deploy. Does not prove that GitHub answers so.

import { spawn } from "node:child_process";
import { join } from "node:path";
import Fastify from "fastify";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const app = Fastify({ forceCloseConnections: true });
const newest = "b".repeat(40);
let endpoint: string;
beforeAll(async () => {
  app.get("/repos/owner/mail-host/commits/main", async ({ headers }, reply) =>
    headers.authorization === "Bearer token" && headers.accept === "application/vnd.github.sha"
      ? reply.type("text/plain").send(newest)
      : reply.code(401).send("Bad credentials"),
  );
  endpoint = await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(() => app.close());

const run = (commit: string, token = "token") =>
  new Promise<{ status: number | null; said: string }>((resolve) => {
    const child = spawn("bash", [join(__dirname, "../../scripts/ci/newest.sh")], {
      env: {
        ...process.env,
        GITHUB_API_URL: endpoint,
        GITHUB_REPOSITORY: "owner/mail-host",
        GITHUB_SHA: commit,
        GH_TOKEN: token,
      },
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.once("close", (status) => resolve({ status, said }));
  });

describe("a run that was approved", () => {
  it("goes on when its commit is the newest of main", async () => {
    expect(await run(newest)).toEqual({ status: 0, said: "" });
  });

  it("does not take the stack back when another commit has followed", async () => {
    const { status, said } = await run("a".repeat(40));
    expect(status).toBe(1);
    expect(said).toContain(`approve the run of ${newest}`);
  });

  it("does not go on when GitHub does not answer", async () => {
    expect((await run(newest, "other")).status).not.toBe(0);
  });
});
