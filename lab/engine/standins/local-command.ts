// Runs a command of `local.Command` on this machine.

import { spawn } from "node:child_process";
import type { Run } from "./command-resource";
import type { Failure } from "./plugin";
import { loggingOf, ProcessOutput, type Streams } from "./process-output";
import { isList, type Properties, textOf } from "./values";

/** Runs it with the interpreter, folder and environment that the inputs name. */
export async function runLocally(request: Run): Promise<Streams> {
  const { inputs } = request;
  const interpreter = isList(inputs.interpreter) ? inputs.interpreter.map(String) : [];
  const [program = "/bin/sh", ...before] =
    interpreter.length === 0 ? ["/bin/sh", "-c"] : interpreter;
  const output = new ProcessOutput(loggingOf(inputs), request.log);
  const child = spawn(program, [...before, request.command], {
    cwd: textOf(inputs, "dir") ?? process.cwd(),
    env: { ...process.env, ...request.environment, ...request.previous },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdout.on("data", (chunk: Buffer) => output.take("stdout", chunk));
  child.stderr.on("data", (chunk: Buffer) => output.take("stderr", chunk));
  // A command need not read its standard input to the end.
  child.stdin.on("error", () => {});
  child.stdin.end(request.stdin ?? "");
  const ending = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) =>
      resolve(signal === null ? `exit status ${status}` : `signal: ${signal}`),
    );
  });
  output.finish();
  if (ending !== "exit status 0") {
    throw new Error(`${ending}: running ${request.shown}:\n${output.everything}`);
  }
  return output.streams;
}

/** Refuses what only the official plugin can do. */
export function checkLocal(inputs: Properties): readonly Failure[] {
  return ["assetPaths", "archivePaths"]
    .filter((name) => inputs[name] !== undefined)
    .map((property) => ({
      property,
      reason: `${property}: the lab's stand-in does not collect files; install the official command plugin`,
    }));
}
