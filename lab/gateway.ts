// The lab's only process outside its namespace. Two doors, both unix sockets: Debian's packages in,
// and loopback ports of this machine forwarded to machines of the lab.

import { rm } from "node:fs/promises";
import type * as net from "node:net";
import { join } from "node:path";
import Fastify from "fastify";
import { forwardSchema } from "./control";
import { packageProxy, systemMirror } from "./host/packages";
import { forwardPort } from "./network/tunnels";
import { cacheFolder, labPaths } from "./paths";

async function main(): Promise<void> {
  const paths = labPaths(process.argv[2]);
  await rm(paths.packages, { force: true });
  await rm(paths.gateway, { force: true });
  const proxy = packageProxy(join(cacheFolder, "apt"), await systemMirror());
  proxy.listen(paths.packages);
  const forwards = new Map<string, Promise<net.Server>>();
  const app = Fastify();
  app.post("/forward", async (request) => {
    const { machine, port } = forwardSchema.parse(request.body);
    const key = `${machine} ${port}`;
    const server = await (forwards.get(key) ?? addForward(key, machine, port));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("forward: no port");
    return { port: address.port };
  });
  const addForward = (key: string, machine: string, port: number): Promise<net.Server> => {
    const started = forwardPort(paths.tunnel, machine, port);
    forwards.set(key, started);
    return started;
  };
  process.on("SIGTERM", () => process.exit(0));
  await app.listen({ path: paths.gateway });
}

main().catch((error: unknown) => {
  process.stderr.write(`gateway: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
});
