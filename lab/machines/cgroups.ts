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

/** Stops every process of a machine where it is, and resolves when all of them stand still. */
export const freezeCgroup = (paths: LabPaths, serverId: number): Promise<void> =>
  withHierarchy(
    paths,
    '[ -e "$2" ] && echo 1 > "$2/cgroup.freeze" && while ! grep -q "^frozen 1$" "$2/cgroup.events"; do sleep 0.01; done',
    cgroupName(paths, serverId),
  );

/** Kills every process of a machine at once, as a cut power cord would. */
export const killCgroup = (paths: LabPaths, serverId: number): Promise<void> =>
  withHierarchy(paths, '[ -e "$2" ] && echo 1 > "$2/cgroup.kill"', cgroupName(paths, serverId));

// The kernel kills whatever is started in a group that outlived its kill, and a killed group stays for as
// long as its last process takes to go.
const removeOne =
  'for turn in $(seq 1000); do [ -e "$g" ] || break; find "$g" -depth -type d -exec rmdir {} ";" 2>/dev/null; sleep 0.01; done';

/** Removes the control groups of one machine as its last processes end; ten seconds at most. */
export const removeCgroup = (paths: LabPaths, serverId: number): Promise<void> =>
  withHierarchy(paths, `g=$2; ${removeOne}`, cgroupName(paths, serverId));

/** Kills and removes the control groups of all machines of this lab. */
export const removeCgroups = (paths: LabPaths): Promise<void> =>
  withHierarchy(
    paths,
    `for g in "$2".*; do [ -e "$g" ] && echo 1 > "$g/cgroup.kill"; ${removeOne}; done`,
    paths.namespace,
  );
