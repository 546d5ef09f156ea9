// Programs that a test stack is made and judged with, on this terminal, and what an interrupt does to them:
// it ends the one that runs and keeps others from starting, so that what was begun can be taken down.

import { type ChildProcess, spawn } from "node:child_process";
import type { Finished } from "../pulumi";

/** Thrown to whoever runs a program, or wants to, after an interrupt. */
export class Interrupted extends Error {}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Seconds that a program has for its farewell before it is asked again, and then is killed. */
const graceSeconds = { asked: 20, killed: 40 };

export interface Programs {
  /** Runs a program to its end, showing what it prints. Rejects with `Interrupted`. */
  run(argv: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Finished>;
  /** From now on an interrupt ends nothing: what follows must be finished. */
  finish(): void;
}

export function programs(say: (line: string) => void): Programs {
  let child: ChildProcess | undefined;
  let interrupt: NodeJS.Signals | undefined;
  let finishing = false;
  // In a group of its own, for the terminal's Ctrl-C would reach it beside ours, and two end the engine
  // at once.
  const tell = (signal: NodeJS.Signals): void => {
    try {
      if (child?.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // Ended by itself meanwhile.
    }
  };
  for (const signal of signals) {
    process.on(signal, () => {
      if (finishing) {
        say(`${signal}: the stack is being taken down; wait for its end`);
        return;
      }
      if (interrupt !== undefined) return;
      interrupt = signal;
      say(`${signal}: ends what runs`);
      tell("SIGINT");
      for (const [kind, seconds] of Object.entries(graceSeconds)) {
        setTimeout(() => {
          if (!finishing) tell(kind === "killed" ? "SIGKILL" : "SIGINT");
        }, seconds * 1000).unref();
      }
    });
  }
  return {
    finish() {
      finishing = true;
    },
    run(argv, environment = process.env) {
      if (interrupt !== undefined && !finishing)
        return Promise.reject(new Interrupted(`${interrupt} before ${argv.join(" ")}`));
      const [program = "", ...args] = argv;
      return new Promise((resolve, reject) => {
        const started = spawn(program, args, {
          stdio: ["ignore", "pipe", "pipe"],
          env: environment,
          detached: true,
        });
        child = started;
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        started.stdout.on("data", (chunk: Buffer) => {
          out.push(chunk);
          process.stdout.write(chunk);
        });
        started.stderr.on("data", (chunk: Buffer) => {
          err.push(chunk);
          process.stderr.write(chunk);
        });
        started.once("error", reject);
        started.once("close", (code) => {
          child = undefined;
          if (interrupt !== undefined && !finishing) {
            reject(new Interrupted(`${interrupt} during ${argv.join(" ")}`));
            return;
          }
          const stdout = Buffer.concat(out).toString();
          resolve({ status: code ?? 1, stdout, stderr: Buffer.concat(err).toString() });
        });
      });
    },
  };
}
