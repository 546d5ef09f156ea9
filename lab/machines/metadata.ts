// Hetzner's metadata service. Who asks is known by the address that the question comes from.

import * as http from "node:http";
import { metadataAddress } from "../network/addresses";
import type { Machine } from "./machine";
import { metadataAnswer } from "./seed";

/** Starts the service for the machines that there are at each question. */
export async function serveMetadata(machines: () => readonly Machine[]): Promise<http.Server> {
  const server = http.createServer((request, answer) => {
    const caller = request.socket.remoteAddress;
    const machine = machines().find(({ spec }) => spec.addresses.ipv4 === caller);
    const { pathname } = new URL(request.url ?? "/", `http://${metadataAddress}`);
    const text =
      machine !== undefined && pathname.startsWith("/hetzner/v1/")
        ? metadataAnswer(machine.spec, pathname.slice("/hetzner/v1".length))
        : undefined;
    answer.writeHead(text === undefined ? 404 : 200, { "content-type": "text/plain" });
    answer.end(text ?? "not found\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(80, metadataAddress, () => resolve());
  });
  return server;
}
