// Making and removing a whole lab. `up` repairs what a killed lab left; `down` finds everything by
// the lab's name, whether or not anything of it still answers.

import { chmod, mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ask, type LabStatus, statusSchema } from "./control";
import { endMarked, markOf, ownProgram, runningPid, signal, startDetached } from "./host/processes";
import { ensureHostPackages } from "./host/requirements";
import { attempt, pause, until } from "./host/run";
import { removeCgroups } from "./machines/cgroups";
import { releaseVolumeStore } from "./machines/volumes";
import {
  createRouter,
  deleteNamespaces,
  inNetwork,
  namespacesOf,
  processesOf,
} from "./network/namespaces";
import type { LabPaths } from "./paths";

/** How a lab is made. */
export interface UpOptions {
  /** Answers the clouds' APIs on loopback ports and boots nothing. */
  readonly withoutMachines?: boolean;
  /** Drops mail to ports 25 and 465 of the world, as Hetzner does to new customers. */
  readonly blockOutgoingMail?: boolean;
}

type Report = (line: string) => void;

const supervisorMark = (paths: LabPaths): string => join(paths.state, "supervisor.pid");
const gatewayMark = (paths: LabPaths): string => join(paths.state, "gateway.pid");

/** What the lab says of itself; undefined when none is up. */
export const labStatus = (paths: LabPaths): Promise<LabStatus | undefined> =>
  ask(paths.control, "GET", "/status", statusSchema, undefined, 20);

/** Kills what a lab runs, and frees what only running things need; its state stays. */
async function clear(paths: LabPaths): Promise<void> {
  await endMarked(supervisorMark(paths));
  await endMarked(gatewayMark(paths), 3);
  if (process.getuid?.() !== 0 || process.platform !== "linux") return;
  await removeCgroups(paths);
  for (let round = 0; round < 100; round++) {
    const pids = await processesOf(paths);
    if (pids.length === 0) break;
    for (const pid of pids) signal(pid, "SIGKILL");
    await pause(50);
  }
  await removeCgroups(paths);
  await deleteNamespaces(paths);
}

async function follow(paths: LabPaths, report: Report): Promise<LabStatus> {
  let printed = 0;
  for (let round = 0; round < 12_000; round++) {
    const lines = (await readFile(join(paths.state, "progress"), "utf8").catch(() => "")).split(
      "\n",
    );
    for (; printed < lines.length - 1; printed++) report(lines[printed] ?? "");
    const status = await labStatus(paths);
    if (status !== undefined) return status;
    if ((await runningPid(supervisorMark(paths))) === undefined) break;
    await pause(100);
  }
  const log = await readFile(join(paths.log, "supervisor.log"), "utf8").catch(() => "");
  throw new Error(
    `lab ${paths.name}: did not come up: ${log.trim().split("\n").slice(-15).join("\n")}`,
  );
}

/** Keeps two commands from making or removing the same lab at once. */
async function alone<T>(paths: LabPaths, work: () => Promise<T>): Promise<T> {
  const lock = `${paths.state}.lock`;
  await mkdir(dirname(lock), { recursive: true });
  await until(`lab ${paths.name}: another command is at work on it`, 1800, async () => {
    try {
      await writeFile(lock, await markOf(process.pid), { flag: "wx" });
      return true;
    } catch {
      // Whoever held it was killed: another process may have that number by now.
      if ((await runningPid(lock)) === undefined) await rm(lock, { force: true });
      return undefined;
    }
  });
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
    await rmdir(dirname(lock)).catch(() => {});
  }
}

/** Brings a lab up, or finds it up. */
export const bringUp = (paths: LabPaths, options: UpOptions, report: Report): Promise<LabStatus> =>
  alone(paths, () => bringUpAlone(paths, options, report));

/** Removes a lab without a trace; what the cache folder holds stays. */
export const takeDown = (paths: LabPaths, report: Report): Promise<void> =>
  alone(paths, () => takeDownAlone(paths, report));

async function bringUpAlone(
  paths: LabPaths,
  options: UpOptions,
  report: Report,
): Promise<LabStatus> {
  const withoutMachines = options.withoutMachines ?? false;
  if (!withoutMachines) await ensureHostPackages(report);
  // An answer of another shape is a supervisor of another version: it is replaced.
  const present = await labStatus(paths).catch(() => undefined);
  const gatewayRuns = withoutMachines || (await runningPid(gatewayMark(paths))) !== undefined;
  if (present !== undefined && present.machinesPossible === !withoutMachines && gatewayRuns) {
    report(`lab ${paths.name} is up`);
    return present;
  }
  const leftovers = process.getuid?.() === 0 ? await namespacesOf(paths) : [];
  const wasUp = (await readFile(supervisorMark(paths), "utf8").catch(() => "")) !== "";
  if (wasUp || leftovers.length > 0) report(`clearing what is left of lab ${paths.name}`);
  await clear(paths);
  await mkdir(paths.log, { recursive: true });
  await chmod(paths.state, 0o700);
  for (const socket of [paths.control, paths.gateway, paths.tunnel, paths.packages, paths.agent]) {
    await rm(socket, { force: true });
  }
  await rm(join(paths.state, "progress"), { force: true });
  const supervisor = ownProgram(join(__dirname, "supervisor.ts"), [
    "--name",
    paths.name,
    ...(withoutMachines ? ["--no-machines"] : []),
    ...(options.blockOutgoingMail ? ["--block-outgoing-mail"] : []),
  ]);
  const log = join(paths.log, "supervisor.log");
  if (withoutMachines) {
    await startDetached(supervisor, supervisorMark(paths), log);
  } else {
    report(`making network namespace ${paths.namespace}`);
    await createRouter(paths);
    const gateway = ownProgram(join(__dirname, "gateway.ts"), [paths.name]);
    await startDetached(gateway, gatewayMark(paths), join(paths.log, "gateway.log"));
    await startDetached(inNetwork(paths, supervisor), supervisorMark(paths), log);
  }
  const status = await follow(paths, report);
  report(`lab ${paths.name} is up`);
  return status;
}

async function takeDownAlone(paths: LabPaths, report: Report): Promise<void> {
  report(`removing lab ${paths.name}`);
  await clear(paths);
  if (process.getuid?.() === 0 && process.platform === "linux") await releaseVolumeStore(paths);
  const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
  const below = mounts
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((place) => place.startsWith(`${paths.state}/`));
  for (const place of below.reverse()) {
    const unmounted = await attempt(["umount", place]);
    if (unmounted.status !== 0) throw new Error(`${place}: ${unmounted.stderr.trim()}`);
  }
  await rm(paths.state, { recursive: true, force: true });
}
