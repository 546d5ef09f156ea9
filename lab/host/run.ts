// Runs programs and waits for them. Nothing here goes through a shell.

import { type ChildProcess, spawn } from "node:child_process";

/** What a finished program left. */
export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly environment?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly timeoutSeconds?: number;
  /** Prints the output on this process's own while it comes. */
  readonly show?: boolean;
}

const exitStatus = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? (signal === "SIGKILL" ? 137 : 143);

/** Runs a program to its end and returns what it printed, whatever its exit status. */
export function attempt(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [program, ...rest] = argv;
  if (program === undefined) return Promise.reject(new Error("run: no program given"));
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ["pipe", "pipe", "pipe"],
      env: options.environment ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const limit = setTimeout(() => child.kill("SIGKILL"), (options.timeoutSeconds ?? 600) * 1000);
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    if (options.show) {
      child.stdout.on("data", (chunk: Buffer) => process.stdout.write(chunk));
      child.stderr.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    }
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    child.on("error", (error) => {
      clearTimeout(limit);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({
        status: exitStatus(code, signal),
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
  });
}

/** Runs a program that must succeed; the error carries what it said. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await attempt(argv, options);
  if (finished.status !== 0) {
    const said = (finished.stderr.trim() || finished.stdout.trim()).slice(-2000);
    throw new Error(`${argv.join(" ")}: exit status ${finished.status}: ${said}`);
  }
  return finished.stdout;
}

/** Runs a program on this terminal and returns its exit status. */
export function runOnTerminal(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
): Promise<number> {
  const [program, ...rest] = argv;
  if (program === undefined) return Promise.reject(new Error("run: no program given"));
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(program, rest, { stdio: "inherit", env: environment, cwd });
    // The terminal sends Ctrl-C to the whole group: the program decides what it means.
    const ignore = (): void => {};
    const pass = (): void => void child.kill("SIGTERM");
    process.on("SIGINT", ignore);
    process.on("SIGTERM", pass);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", ignore);
      process.off("SIGTERM", pass);
      resolve(exitStatus(code, signal));
    });
  });
}

/** Resolves after so many milliseconds. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Asks again and again until there is an answer other than undefined, or fails with `what`. */
export async function until<T>(
  what: string,
  seconds: number,
  ask: () => Promise<T | undefined> | T | undefined,
  everyMilliseconds = 50,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} seconds`);
    await pause(everyMilliseconds);
  }
}
