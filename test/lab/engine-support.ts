// What the tests of the engine share: stacks of inline programs on the real engine, each with a state of
// its own.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll } from "vitest";
import { type Engine, ensureEngine } from "../../lab/engine/install";

const installationMinutes = 20;

type Program = () => Promise<Record<string, unknown>>;

/** A folder for whatever a test file leaves. */
export const folder = mkdtempSync(join(tmpdir(), "engine-test-"));
let found: { readonly engine: Engine; readonly command: PulumiCommand } | undefined;
let stacks = 0;

beforeAll(
  async () => {
    const engine = await ensureEngine((line) => process.stderr.write(`${line}\n`));
    const command = await PulumiCommand.get({ root: engine.root, skipVersionCheck: true });
    found = { engine, command };
  },
  installationMinutes * 60 * 1000,
);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The engine, once the tests run. */
export function installed() {
  if (found === undefined) throw new Error("engine: not installed before the tests");
  return found;
}

/** Where a program keeps its state. */
export function backend(place: string): Record<string, string> {
  return { PULUMI_BACKEND_URL: `file://${join(place, "state")}`, PULUMI_CONFIG_PASSPHRASE: "test" };
}

/** A stack of an inline program. */
export async function stackOf(
  program: Program,
  variables: Readonly<Record<string, string>> = {},
  config: Readonly<Record<string, string>> = {},
): Promise<Stack> {
  const { engine, command } = installed();
  stacks += 1;
  const place = join(folder, `stack-${stacks}`);
  mkdirSync(join(place, "state"), { recursive: true });
  return await LocalWorkspace.createOrSelectStack(
    { stackName: "test", projectName: "engine", program },
    {
      workDir: place,
      pulumiCommand: command,
      envVars: { SSH_AUTH_SOCK: "", ...engine.environment, ...backend(place), ...variables },
      stackSettings: { test: { config } },
      projectSettings: { name: "engine", runtime: "nodejs" },
    },
  );
}

/** What a preview would do, counted by kind. */
export async function changes(stack: Stack, program?: Program): Promise<Record<string, number>> {
  const preview = await stack.preview(program === undefined ? {} : { program });
  return { ...preview.changeSummary };
}

/** What a run failed with. */
export async function failure(run: Promise<unknown>): Promise<string> {
  return await run.then(
    () => "it did not fail",
    (error: unknown) => String(error),
  );
}

/** Listens on a loopback port and returns it. */
export async function listening(server: {
  listen(port: number, host: string, ready: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  if (typeof address !== "object" || address === null || !("port" in address)) {
    throw new Error("address: the server has no port");
  }
  return Number(address.port);
}
