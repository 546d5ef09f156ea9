// Where a preview plays: emulated clouds of its own, a recorded host, and the real engine with a state that
// goes with it. Needs neither root nor network, and no credentials for the clouds reach it.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import {
  type ApiAddresses,
  type Clouds,
  createClouds,
  listen,
  zoneOfAccount,
} from "../../lab/control-plane";
import { answerFor, ensureEngine, withStandInCommands } from "../../lab/engine/install";
import { engineEnvironment } from "../../lab/engine-run";
import { labPaths } from "../../lab/paths";
import { startRecordedHost } from "../../lab/recorded-host";
import { cloudConfigOf, recordedAnswer } from "./answers";
import type { ZoneName } from "./configuration";

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program with its configuration, as one run of the engine takes it. */
export interface Run {
  /** Where the program is. The engine writes nothing there. */
  readonly program: string;
  readonly stack: string;
  /** Text of the stack's configuration file, without ciphertext. */
  readonly configuration: string;
}

/** What a program has become. */
export interface Raised {
  /** Folder of its state, which later runs copy. */
  readonly state: string;
  /** `pulumi stack export --show-secrets`. */
  readonly exported: string;
  /** What the engine said where it did not succeed. */
  readonly refused?: Finished;
}

/** A stage that is open. */
export interface Stage {
  /** For whatever must go with it. */
  readonly folder: string;
  /** Lets the clouds answer, with these zones in the account. Before anything else, and once. */
  listen(zones: readonly ZoneName[]): Promise<void>;
  /** Brings the program up until nothing waits any more; without a configuration it is an empty stack. */
  bringUp(run: Omit<Run, "configuration"> & Partial<Run>): Promise<Raised>;
  /** Previews the program on a copy of the state: `stdout` is JSON without secrets, `plan` has them. */
  preview(run: Run & { readonly state: string }): Promise<Finished & { readonly plan: string }>;
  /** Asks the emulated Cloudflare, which holds what is there already. */
  cloudflare(method: string, path: string, body?: unknown): Promise<unknown>;
  close(): Promise<void>;
}

const policyPath = "/.well-known/mta-sts.txt";
const policyFile = "/usr/local/share/mail-host/web/mta-sts.txt";
const folderPrefix = "mail-host-preview-";

/** Removes what previews have left that were killed without a word. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(folderPrefix))) {
    const pid = Number.parseInt(name.slice(folderPrefix.length), 10);
    if (!isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's lives too, and may not be asked.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Opens one. Everything that it makes on disk is in its folder; `signal` ends what runs. */
export async function openStage({
  report,
  signal,
}: {
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal;
}): Promise<Stage> {
  removeLeftovers();
  const engine = await withStandInCommands(await ensureEngine(report));
  const folder = mkdtempSync(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const home = join(folder, "home");
  let userData = "";
  const host = await startRecordedHost({
    command: recordedAnswer,
    page: (asked) =>
      asked === policyPath
        ? cloudConfigOf(userData)?.write_files.find(({ path }) => path === policyFile)?.content
        : undefined,
  });
  let open: { readonly clouds: Clouds; readonly apis: ApiAddresses } | undefined;
  let runs = 0;

  const answering = () => {
    if (open === undefined) throw new Error("stage: its clouds do not listen yet");
    return open;
  };

  /** Runs with a state and a configuration of its own, since the engine writes to both. */
  const prepare = async (
    run: Omit<Run, "configuration"> & Partial<Run> & { readonly state?: string },
  ) => {
    answerFor(run.program, { engine, home });
    runs += 1;
    const own = join(folder, `run-${runs}`);
    const state = join(own, "state");
    await mkdir(state, { recursive: true });
    if (run.state !== undefined) await cp(run.state, state, { recursive: true });
    const configuration = join(own, "Pulumi.yaml");
    writeFileSync(configuration, run.configuration ?? "config: {}\n");
    const nothing = { machines: [], nameserver: null, elsewhere: null, acme: null };
    const environment = engineEnvironment(
      { ...labPaths("preview"), pulumi: state, agent: "" },
      { ...nothing, name: "preview", machinesPossible: false, apis: answering().apis },
      { ...engine.environment, ...host.environment, PULUMI_HOME: home },
    );
    const pulumi = (...args: string[]): Promise<Finished> =>
      finished([engine.pulumi, ...args, "--non-interactive", "--stack", run.stack], {
        cwd: run.program,
        environment,
        signal,
      });
    return { own, state, pulumi, configured: ["--config-file", configuration] };
  };

  return {
    folder,
    async listen(zones) {
      const clouds = createClouds(
        {
          ...noInfrastructure,
          async createServer(server) {
            userData = server.userData;
          },
        },
        memoryStore(),
        { zones: zones.map(({ name, id }) => zoneOfAccount(name, id)), milliseconds: 0 },
      );
      open = { clouds, apis: await listen(clouds) };
    },
    async bringUp(run) {
      const { state, pulumi, configured } = await prepare(run);
      // The file of the laid-out base may hold a salt of another passphrase.
      rmSync(join(run.program, `Pulumi.${run.stack}.yaml`), { force: true });
      await mustSucceed(pulumi("stack", "init"));
      const up = ["up", "--yes", "--skip-preview", "--suppress-outputs", ...configured];
      // The second one adds the records that promise what the host serves by then.
      for (let left = run.configuration === undefined ? 0 : 2; left > 0; left -= 1) {
        const done = await pulumi(...up);
        if (done.status !== 0) return { state, exported: "", refused: done };
      }
      const exported = await mustSucceed(pulumi("stack", "export", "--show-secrets"));
      return { state, exported: exported.stdout };
    },
    async preview(run) {
      const { own, pulumi, configured } = await prepare(run);
      const plan = join(own, "plan.json");
      const wanted = ["--json", "--show-sames", "--show-secrets", "--save-plan", plan];
      const done = await pulumi("preview", ...wanted, ...configured);
      return { ...done, plan: done.status === 0 ? readFileSync(plan, "utf8") : "" };
    },
    async cloudflare(method, path, body) {
      const answer = await fetch(`${answering().apis.cloudflare}/${path}`, {
        method,
        headers: { authorization: `Bearer ${"0".repeat(40)}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return answer.json();
    },
    async close() {
      await Promise.all([open?.clouds.hetzner.close(), open?.clouds.cloudflare.close()]);
      await host.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function mustSucceed(run: Promise<Finished>): Promise<Finished> {
  const done = await run;
  if (done.status !== 0) throw new Error(`pulumi: ${done.stderr.trim() || done.stdout.trim()}`);
  return done;
}

/** Runs a program in a process group of its own, so that an interrupt ends all of it at once. */
function finished(
  [program = "", ...args]: readonly string[],
  options: { cwd: string; environment: NodeJS.ProcessEnv; signal: AbortSignal | undefined },
): Promise<Finished> {
  const { signal } = options;
  if (signal?.aborted) return Promise.reject(new Error("interrupted"));
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    };
    signal?.addEventListener("abort", end);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) return reject(new Error("interrupted"));
      return resolve({
        status: code ?? 1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
  });
}
