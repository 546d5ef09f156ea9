// The ordinary `pulumi` on the caller's PATH, with the caller's environment and without a terminal.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { hostname } from "node:os";

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `pulumi` on one stack. */
export type Pulumi = (...args: string[]) => Promise<Finished>;

export const pulumiOn =
  (stack: string | undefined): Pulumi =>
  (...args) =>
    new Promise((resolve, reject) => {
      const all = [
        ...args,
        "--non-interactive",
        ...(stack === undefined ? [] : ["--stack", stack]),
      ];
      const child = spawn("pulumi", all, { stdio: ["ignore", "pipe", "pipe"] });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.once("error", (error) =>
        reject(
          new Error(
            `pulumi: cannot be run (${error.message}); install it: https://www.pulumi.com/docs/install/`,
          ),
        ),
      );
      child.once("close", (code) =>
        resolve({
          status: code ?? 1,
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
        }),
      );
    });

/** A stack's lock; without an obstacle its holder is gone, and `pulumi cancel` may clear it. */
export interface Lock {
  readonly obstacle?: string;
}

/** The lock that a command failed on by what it said, undefined when it was none; `again` is what to run after it. */
export function lockIn(said: string, again: string): Lock | undefined {
  if (!/currently locked|update is currently in progress/i.test(said)) return undefined;
  const holders = [...said.matchAll(/created by (\S+@(\S+) \(pid (\d+)\))/g)];
  const [, elsewhere] = holders.find(([, , machine]) => machine !== hostname()) ?? [];
  if (elsewhere !== undefined) {
    return {
      obstacle: `the stack is locked by ${elsewhere}, of which nothing is known here; if nothing runs there any more: pulumi cancel --yes && ${again}`,
    };
  }
  // Whatever its folder or its owner; a number that another process has by now is worth a look too.
  const [, here, , pid] = holders.find(([, , , held]) => existsSync(`/proc/${held}`)) ?? [];
  if (here === undefined) return {};
  return {
    obstacle: `the stack is locked by ${here}, which runs; wait for its end, or end it with: kill ${pid}`,
  };
}
