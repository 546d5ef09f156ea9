// Runs the Pulumi engine against a lab: inside its network, with its clouds, its agent and a state of
// its own. Nothing of the caller's cloud credentials is passed on.

import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { LabStatus } from "./control";
import { ensureEngine } from "./engine/install";
import { attempt, type Finished, run, runOnTerminal } from "./host/run";
import { inNetwork } from "./network/namespaces";
import type { LabPaths } from "./paths";

/** Tokens of the shape that the providers ask for; the emulators take any. */
export const labTokens = {
  hcloud: "lab".padEnd(64, "0"),
  cloudflare: "lab".padEnd(40, "0"),
} as const;

const projectFolder = resolve(__dirname, "..");

async function folderOfProject(): Promise<string> {
  const here = process.cwd();
  const isProject = await access(join(here, "Pulumi.yaml")).then(
    () => true,
    () => false,
  );
  return isProject ? here : projectFolder;
}

/** The stack that a command names; `-s` means one to Pulumi alone. */
const stackOf = (command: readonly string[]): string | undefined => {
  const joined = command.find((arg) => arg.startsWith("--stack="))?.slice("--stack=".length);
  const short = command[0] === "pulumi" ? "-s" : "--stack";
  const at = command.findIndex((arg) => arg === "--stack" || arg === short);
  return joined ?? (at < 0 ? undefined : command[at + 1]);
};

/** Environment of the engine in a lab, without what this process happens to have for real clouds. */
export function engineEnvironment(
  paths: LabPaths,
  status: LabStatus,
  engine: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(HCLOUD|CLOUDFLARE|PULUMI|HETZNER)_|^https?_proxy$/i.test(name),
  );
  return {
    ...Object.fromEntries(own),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...engine,
    HCLOUD_ENDPOINT: status.apis.hcloud,
    HCLOUD_TOKEN: labTokens.hcloud,
    CLOUDFLARE_BASE_URL: status.apis.cloudflare,
    CLOUDFLARE_API_TOKEN: labTokens.cloudflare,
    SSH_AUTH_SOCK: paths.agent,
    // The program asks servers of the lab over TLS.
    ...(status.acme === null
      ? {}
      : { NODE_EXTRA_CA_CERTS: status.acme.caFile, SSL_CERT_FILE: status.acme.caFile }),
    PULUMI_BACKEND_URL: `file://${paths.pulumi}`,
    PULUMI_CONFIG_PASSPHRASE: "lab",
    MAIL_HOST_LAB: paths.name,
  };
}

interface Call {
  readonly argv: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Takes back what the engine wrote into the stack's configuration without having been asked. */
  readonly tidy: () => Promise<void>;
}

/**
 * The engine adds the salt of the lab's passphrase to a stack's configuration file. A real stack's file
 * must not carry that home: its owner has a passphrase of their own.
 */
async function withoutSalt(file: string): Promise<() => Promise<void>> {
  const read = () => readFile(file, "utf8").catch(() => undefined);
  const before = await read();
  return async () => {
    const after = await read();
    if (before === undefined || after === undefined || before.includes("encryptionsalt:")) return;
    const withoutLine = after.replace(/^encryptionsalt: .*\n/m, "");
    if (withoutLine !== after && !after.includes("secure:")) await writeFile(file, withoutLine);
  };
}

/** `pulumi` itself, or any command that finds it on its PATH. */
async function prepare(
  paths: LabPaths,
  status: LabStatus,
  command: readonly string[],
): Promise<Call> {
  const engine = await ensureEngine((line) => process.stderr.write(`${line}\n`));
  const cwd = await folderOfProject();
  await mkdir(paths.pulumi, { recursive: true });
  const place = (argv: readonly string[]) =>
    status.machinesPossible ? inNetwork(paths, argv) : [...argv];
  const environment = engineEnvironment(paths, status, engine.environment);
  const stack = stackOf(command) ?? process.env.PULUMI_STACK ?? "lab";
  const tidy = await withoutSalt(join(cwd, `Pulumi.${stack.split("/").at(-1)}.yaml`));
  const known = join(paths.pulumi, `.known-${stack.replaceAll("/", "_")}`);
  const isKnown = await access(known).then(
    () => true,
    () => false,
  );
  if (!isKnown) {
    const select = ["stack", "select", "--create", "--non-interactive", stack];
    await run(place([engine.pulumi, ...select]), { environment, cwd });
    await writeFile(known, "");
  }
  return {
    argv: place(command[0] === "pulumi" ? [engine.pulumi, ...command.slice(1)] : command),
    environment:
      stackOf(command) === undefined ? { ...environment, PULUMI_STACK: stack } : environment,
    cwd,
    tidy,
  };
}

/** Runs a command with the engine on this terminal and returns its exit status. */
export async function engineOnTerminal(
  paths: LabPaths,
  status: LabStatus,
  command: readonly string[],
): Promise<number> {
  const call = await prepare(paths, status, command);
  return runOnTerminal(call.argv, call.environment, call.cwd).finally(call.tidy);
}

/** Runs a command with the engine and returns what it printed. */
export async function engineCaptured(
  paths: LabPaths,
  status: LabStatus,
  command: readonly string[],
  show: boolean,
): Promise<Finished> {
  const { argv, environment, cwd, tidy } = await prepare(paths, status, command);
  return attempt(argv, { environment, cwd, timeoutSeconds: 3600, show }).finally(tidy);
}
