// Programs that the supervisor keeps running: started, watched, started again when they die.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

interface DaemonOptions {
  /** Added to this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Called at each start, the ones after a death included. */
  readonly started?: () => void;
}

/** A program that is kept running until it is stopped. */
export class Daemon {
  readonly #argv: readonly string[];
  readonly #log: string;
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  #stopped = false;
  #starts = 0;

  constructor(argv: readonly string[], log: string, options: DaemonOptions = {}) {
    this.#argv = argv;
    this.#log = log;
    this.#options = options;
  }

  /** Starts the program; its output goes to the log file. */
  start(): void {
    const [program, ...rest] = this.#argv;
    if (program === undefined || this.#stopped) return;
    const log = openSync(this.#log, "a", 0o600);
    const child = spawn(program, rest, {
      stdio: ["ignore", log, log],
      env: { ...process.env, ...this.#options.environment },
    });
    closeSync(log);
    this.#child = child;
    this.#starts += 1;
    let gone = false;
    const again = (): void => {
      if (gone) return;
      gone = true;
      this.#child = undefined;
      if (this.#stopped || this.#starts > 20) return;
      setTimeout(() => this.start(), 500).unref();
    };
    child.on("error", again);
    child.on("exit", again);
    this.#options.started?.();
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Ends the program for good and resolves when it is gone. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.on("exit", () => resolve()));
    child.kill("SIGTERM");
    const limit = setTimeout(() => child.kill("SIGKILL"), 3000);
    await gone;
    clearTimeout(limit);
  }
}
