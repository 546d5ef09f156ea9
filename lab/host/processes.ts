// Processes that outlive the command that started them: started detached, known by pid and start
// time, so that a reused pid is never taken for one of ours.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { pause } from "./run";

const markSchema = z.object({ pid: z.number(), startTime: z.string() });

type Mark = z.infer<typeof markSchema>;

async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** What a mark says; undefined where its writing was cut off. */
function readMark(text: string): Mark | undefined {
  try {
    return markSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Argument vector that runs one of the lab's own programs with this Node. */
export const ownProgram = (file: string, argv: readonly string[]): string[] => [
  process.execPath,
  "--import",
  pathToFileURL(require.resolve("tsx")).href,
  file,
  ...argv,
];

/** What marks a running process, for a file of its own. */
export async function markOf(pid: number): Promise<string> {
  const mark: Mark = { pid, startTime: (await startTime(pid)) ?? "" };
  return JSON.stringify(mark);
}

// Runs the program once a line comes, and never when the one who was to send it has gone.
const onceMarked = ["-c", 'read -r _ && exec "$@"', "sh"];

/** Starts a program that stays when this process ends, and notes it in `markFile` before it runs. */
export async function startDetached(
  argv: readonly string[],
  markFile: string,
  log: string,
): Promise<void> {
  const output = openSync(log, "a", 0o600);
  const child = spawn("sh", [...onceMarked, ...argv], {
    detached: true,
    stdio: ["pipe", output, output],
    cwd: "/",
  });
  closeSync(output);
  try {
    await once(child, "spawn");
    await writeFile(`${markFile}.new`, await markOf(child.pid ?? 0));
    await rename(`${markFile}.new`, markFile);
    child.stdin?.write("\n");
  } finally {
    child.stdin?.end();
    child.unref();
  }
}

/** Pid of the process noted in `markFile`, while it runs. */
export async function runningPid(markFile: string): Promise<number | undefined> {
  const text = await readFile(markFile, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const mark = readMark(text);
  if (mark === undefined) return undefined;
  return (await startTime(mark.pid)) === mark.startTime ? mark.pid : undefined;
}

/** Ends the noted process: politely, then not. */
export async function endMarked(markFile: string, politeSeconds = 15): Promise<void> {
  const pid = await runningPid(markFile);
  if (pid !== undefined) {
    signal(pid, "SIGTERM");
    const end = Date.now() + politeSeconds * 1000;
    while (Date.now() < end && (await runningPid(markFile)) !== undefined) await pause(50);
    if ((await runningPid(markFile)) !== undefined) signal(pid, "SIGKILL");
  }
  await rm(markFile, { force: true });
}

/** Sends a signal to a process that may be gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already, which is what was wanted.
  }
}
