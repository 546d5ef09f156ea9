// One control group for each machine: the handle by which all of it can be killed, whatever it does.
// On hosts with cgroup v1 the unified hierarchy is mounted for the purpose, never on the host's own tree.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { attempt } from "../host/run";
import { machineNamespace } from "../network/namespaces";
import type { LabPaths } from "../paths";

/** Name of a machine's control group below the root of the unified hierarchy. */
export const cgroupName = (paths: LabPaths, serverId: number): string =>
  machineNamespace(paths, serverId);

async function withHierarchy(paths: LabPaths, script: string, argument: string): Promise<void> {
  const place = join(paths.state, "cgroup");
  await mkdir(place, { recursive: true });
  const whole = `mount -t cgroup2 none "$1" && cd "$1" && ${script}`;
  await attempt(["unshare", "--mount", "sh", "-c", whole, "sh", place, argument]);
}

/** Kills every process of a machine at once, as a cut power cord would. */
export const killCgroup = (paths: LabPaths, serverId: number): Promise<void> =>
  withHierarchy(paths, '[ -e "$2" ] && echo 1 > "$2/cgroup.kill"', cgroupName(paths, serverId));

/** Removes the empty control groups of one machine. */
export const removeCgroup = (paths: LabPaths, serverId: number): Promise<void> =>
  withHierarchy(
    paths,
    '[ -e "$2" ] && find "$2" -depth -type d -exec rmdir {} ";"',
    cgroupName(paths, serverId),
  );

/** Kills and removes the control groups of all machines of this lab. */
export async function removeCgroups(paths: LabPaths): Promise<void> {
  const kill = 'for g in "$2".*; do [ -e "$g" ] && echo 1 > "$g/cgroup.kill"; done; sleep 0.2';
  const remove =
    'for g in "$2".*; do [ -e "$g" ] && find "$g" -depth -type d -exec rmdir {} ";"; done';
  await withHierarchy(paths, `${kill}; ${remove}`, paths.namespace);
}
