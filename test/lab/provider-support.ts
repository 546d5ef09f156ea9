// What the tests of the real hcloud provider share: an emulated cloud that it can reach, which holds
// every call against the contract.

import { expect } from "vitest";
import { createHetznerCloud } from "../../lab/clouds/hetzner";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { clientOf, watched } from "./clouds-support";
import { hetznerContract } from "./contract";
import { failure, stackOf } from "./engine-support";

type Program = Parameters<typeof stackOf>[0];

/** An emulated cloud on a loopback port, for one test, and stacks on it. */
export async function reachableCloud(options: { readonly serverLimit?: number } = {}) {
  const store = memoryStore();
  const app = createHetznerCloud({
    infrastructure: noInfrastructure,
    store,
    actionMilliseconds: 30,
    ...options,
  });
  const seen = watched(app, hetznerContract);
  const endpoint = `${await app.listen({ host: "127.0.0.1", port: 0 })}/v1`;
  const call = clientOf(app, "/v1");
  return {
    seen,
    call,
    /** A stack whose provider asks often how actions go. */
    stack: (program: Program) =>
      stackOf(
        program,
        { HCLOUD_ENDPOINT: endpoint, HCLOUD_TOKEN: "t".repeat(64) },
        { "hcloud:pollInterval": "10ms", "hcloud:pollFunction": "constant" },
      ),
    /** Orders a fault; see lab/clouds/lab-control.ts. */
    async order(fault: object): Promise<void> {
      expect((await call("POST", "/_lab/faults", fault)).status).toBe(201);
    },
    /** The requests so far whose line, such as `POST /v1/volumes`, matches. */
    requests: (line: RegExp) =>
      store.journal
        .map(({ method, path, status }) => `${method} ${path} ${status}`)
        .filter((text) => line.test(text)),
    /** What is there of a kind. */
    async all(kind: string) {
      return (await call("GET", `/${kind}`)).body[kind];
    },
  };
}

/** What a run failed with, which must be words of the API's and no crash of the provider's. */
export async function refusal(run: Promise<unknown>): Promise<string> {
  const said = await failure(run);
  expect(said).not.toBe("it did not fail");
  expect(said).not.toMatch(/panic|goroutine|nil pointer|error reading from server|EOF/);
  return said;
}
