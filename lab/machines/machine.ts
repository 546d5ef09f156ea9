// One machine: a Debian system under systemd-nspawn, on an overlay of the image, in a network
// namespace of its own. A reboot inside ends nspawn with a status of its own and starts it again.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerSpec } from "../clouds/infrastructure";
import { attempt, until } from "../host/run";
import { createLink, deleteLink, machineNamespace } from "../network/namespaces";
import type { LabPaths } from "../paths";
import { cgroupName, freezeCgroup, killCgroup, removeCgroup } from "./cgroups";
import { seedFiles } from "./seed";
import { deviceFolder } from "./volumes";

const rebootStatus = 133;

/** Machine's path, and what a login shell would have. */
export const machineEnvironment: readonly string[] = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/root",
  "USER=root",
  "LANG=C.UTF-8",
];

// A parent outside the machine's processes, which must not be nsenter: that one stops itself when the
// machine's shutdown stops its child, never reaps it, and so holds up the end of the machine.
const waitFor = ["sh", "-c", '"$@"; exit $?', "sh"];

/** Argument vector that runs a command inside the machine whose first process is `leader`. */
export const inMachine = (leader: number, argv: readonly string[]): string[] => [
  "nsenter",
  `--target=${leader}`,
  "--mount",
  "--uts",
  "--ipc",
  "--net",
  "--pid",
  "--cgroup",
  "--no-fork",
  "env",
  "-i",
  ...machineEnvironment,
  `TERM=${process.env.TERM ?? "dumb"}`,
  ...waitFor,
  ...argv,
];

// Mounts are made in a mount namespace of the machine's own: they go when it goes.
const bootScript = `set -e
mount -t overlay overlay -o "lowerdir=$IMAGE,upperdir=$MACHINE/upper,workdir=$MACHINE/work" "$MACHINE/root"
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p "/sys/fs/cgroup/$CGROUP"
echo $$ > "/sys/fs/cgroup/$CGROUP/cgroup.procs"
exec systemd-nspawn --quiet --directory="$MACHINE/root" --boot --register=no --keep-unit \\
  --machine="$CGROUP" --hostname="$HOST" --uuid="$MACHINE_UUID" --capability=CAP_NET_ADMIN --console=pipe \\
  --resolv-conf=off --timezone=off --link-journal=no \\
  --bind="$MACHINE/disk:/dev/disk" --bind-ro="$MACHINE/seed:/var/lib/cloud/seed/nocloud" \\
  --bind-ro="$ANCHOR/root.key:/usr/share/dns/root.key" --bind-ro="$ANCHOR/root.ds:/usr/share/dns/root.ds" \\
  --bind-ro="$CA:/usr/local/share/ca-certificates/lab"
`;

async function firstProcessOf(nspawn: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").catch(
    () => "",
  );
  for (const pid of children.split(" ").filter(Boolean)) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    if (/^NSpid:\t\d+\t1$/m.test(status) && /^Name:\t(systemd|init)$/m.test(status)) {
      return Number(pid);
    }
  }
  return undefined;
}

/** A machine's power button, disk and link. Its addresses and devices are told to it from outside. */
export class Machine {
  readonly #paths: LabPaths;
  readonly #image: string;
  readonly #folder: string;
  /** Called after the link is made and before anything can use it. */
  readonly #linked: () => Promise<void>;
  #nspawn: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #wanted = false;
  spec: ServerSpec;

  constructor(paths: LabPaths, image: string, spec: ServerSpec, linked: () => Promise<void>) {
    this.#paths = paths;
    this.#image = image;
    this.spec = spec;
    this.#linked = linked;
    this.#folder = join(paths.machines, String(spec.id));
  }

  get running(): boolean {
    return this.#nspawn !== undefined;
  }

  /** Makes the disk; what an earlier server of that id left is gone. */
  async create(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    for (const name of ["upper", "work", "root", "seed"]) {
      await mkdir(join(this.#folder, name), { recursive: true });
    }
    await mkdir(join(deviceFolder(this.#paths, this.spec.id), "by-id"), { recursive: true });
  }

  /** Switches the machine on and resolves when its first process runs. */
  async start(): Promise<void> {
    if (this.running) return;
    this.#wanted = true;
    await this.#boot();
  }

  async #boot(): Promise<void> {
    for (const [name, content] of Object.entries(seedFiles(this.spec))) {
      await writeFile(join(this.#folder, "seed", name), content, { mode: 0o600 });
    }
    await createLink(this.#paths, this.spec.id, this.spec.addresses);
    await this.#linked();
    const console = openSync(join(this.#folder, "console.log"), "a", 0o600);
    const namespace = machineNamespace(this.#paths, this.spec.id);
    const command = ["netns", "exec", namespace, "unshare", "--mount", "sh", "-c", bootScript];
    const child = spawn("ip", command, {
      stdio: ["ignore", console, console],
      env: {
        PATH: process.env.PATH,
        IMAGE: this.#image,
        MACHINE: this.#folder,
        ANCHOR: this.#paths.anchor,
        CA: this.#paths.ca,
        CGROUP: cgroupName(this.#paths, this.spec.id),
        HOST: this.spec.name.slice(0, 64),
        MACHINE_UUID: this.spec.id.toString(16).padStart(32, "0"),
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1",
        SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network",
      },
    });
    closeSync(console);
    this.#nspawn = child;
    this.#ended = new Promise((resolve) => {
      child.on("error", () => resolve());
      child.on("exit", (status) => {
        this.#gone(status).then(resolve, resolve);
      });
    });
    await until(`server ${this.spec.id}: start`, 30, async () => {
      if (this.#nspawn !== child) throw new Error(await this.#lastWords());
      return this.leader();
    });
  }

  async #gone(status: number | null): Promise<void> {
    this.#nspawn = undefined;
    await killCgroup(this.#paths, this.spec.id);
    await removeCgroup(this.#paths, this.spec.id);
    if (status !== rebootStatus || !this.#wanted) {
      this.#wanted = false;
      return;
    }
    await this.#boot().catch((error: unknown) => {
      this.#wanted = false;
      process.stderr.write(`server ${this.spec.id}: reboot: ${error}\n`);
    });
  }

  async #lastWords(): Promise<string> {
    const said = await readFile(join(this.#folder, "console.log"), "utf8").catch(() => "");
    return `server ${this.spec.id}: did not start: ${said.trim().split("\n").slice(-3).join(" ")}`;
  }

  /** Process id of the machine's init, as this side sees it. */
  async leader(): Promise<number | undefined> {
    const nspawn = this.#nspawn?.pid;
    return nspawn === undefined ? undefined : firstProcessOf(nspawn);
  }

  /** Asks the system to shut down; resolves with false when it has not within two minutes. */
  async shutdown(): Promise<boolean> {
    this.#wanted = false;
    const leader = await this.leader();
    if (leader === undefined) return !this.running;
    await attempt(inMachine(leader, ["systemctl", "--no-block", "poweroff"]));
    const ended = this.#ended.then(() => true);
    let limit: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      limit = setTimeout(() => resolve(false), 120_000);
    });
    const off = await Promise.race([ended, late]);
    clearTimeout(limit);
    return off;
  }

  /** Pulls the plug: the machine stands still, its disks are kept as they are, and it is gone. */
  async powerOff(keepDisks: () => Promise<void> = async () => {}): Promise<void> {
    this.#wanted = false;
    if (this.running) {
      await freezeCgroup(this.#paths, this.spec.id);
      await keepDisks().finally(() => killCgroup(this.#paths, this.spec.id));
    }
    this.#nspawn?.kill("SIGKILL");
    await this.#ended;
  }

  /** Pulls the plug and removes disk and link. */
  async destroy(): Promise<void> {
    await this.powerOff();
    await deleteLink(this.#paths, this.spec.id);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
