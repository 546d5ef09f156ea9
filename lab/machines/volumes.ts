// Volumes: sparse files, attached to machines through loop devices that appear under the path that
// Hetzner's API reports. A machine sees its folder of devices live, running or not. The files lie on an
// XFS of the lab's own, since it copies a file in an instant: what a disk holds when its power goes.

import { constants } from "node:fs";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
} from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { VolumeSpec } from "../clouds/infrastructure";
import { attempt, run, until } from "../host/run";
import type { LabPaths } from "../paths";

const gib = 2 ** 30;
const loopMajor = 7;

/** More than all volumes of a lab together; the file is sparse. */
const storeSizeGib = 1024;

const losetupOutput = z.object({
  loopdevices: z.array(
    z.object({ name: z.string(), "back-maj:min": z.string(), "back-ino": z.number() }),
  ),
});

const volumeFile = (paths: LabPaths, volumeId: number): string =>
  join(paths.volumes, `${volumeId}.img`);

/** What the volume held when the power went. */
const momentFile = (paths: LabPaths, volumeId: number): string =>
  join(paths.volumes, `${volumeId}.moment`);

const storeFile = (paths: LabPaths): string => `${paths.volumes}.xfs`;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Name that Hetzner's hypervisor gives a volume's device. */
export const volumeDeviceName = (volumeId: number): string => `scsi-0HC_Volume_${volumeId}`;

/** Folder that a machine sees as /dev/disk. */
export const deviceFolder = (paths: LabPaths, serverId: number): string =>
  join(paths.machines, String(serverId), "disk");

/** A file system's `major:minor`, unpacked as by makedev(3). */
const deviceNumber = (dev: number): string =>
  `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;

/** Loop devices on files of one file system. Paths would not do: they end with the mount namespace that opened them. */
async function loopDevicesOn(fileSystem: string): Promise<{ device: string; inode: number }[]> {
  const columns = "NAME,BACK-MAJ:MIN,BACK-INO";
  const listed = await attempt(["losetup", "--json", "--list", "--output", columns]);
  if (listed.stdout.trim() === "") return [];
  return losetupOutput
    .parse(JSON.parse(listed.stdout))
    .loopdevices.filter((loop) => loop["back-maj:min"].trim() === fileSystem)
    .map((loop) => ({ device: loop.name, inode: loop["back-ino"] }));
}

/** The loop device of a volume's file, where it has one. */
async function loopDeviceOf(file: string): Promise<string | undefined> {
  const { dev, ino } = await stat(file);
  return (await loopDevicesOn(deviceNumber(dev))).find(({ inode }) => inode === ino)?.device;
}

async function attachLoop(file: string): Promise<string> {
  const present = await loopDeviceOf(file);
  if (present !== undefined) return present;
  const allocate = ["losetup", "--find", "--show", file];
  const found = await attempt(allocate);
  if (found.status === 0) return found.stdout.trim();
  // A container's own /dev does not get the kernel's new nodes by itself.
  const next = (await attempt(["losetup", "--find"])).stdout.trim();
  const minor = /^\/dev\/loop(\d+)$/.exec(next)?.[1];
  if (minor !== undefined) await attempt(["mknod", next, "b", String(loopMajor), minor]);
  return (await run(allocate)).trim();
}

async function isInUse(device: string): Promise<boolean> {
  try {
    await (await open(device, constants.O_RDONLY | constants.O_EXCL)).close();
    return false;
  } catch {
    return true;
  }
}

/**
 * Mounts the file system that volumes lie on, in the supervisor's mount namespace alone: a mount of this
 * machine's own would be copied into every lab that comes up meanwhile, and stay there.
 */
export async function mountVolumeStore(paths: LabPaths): Promise<void> {
  await mkdir(paths.volumes, { recursive: true });
  await releaseVolumeStore(paths);
  const store = storeFile(paths);
  if (!(await exists(store))) {
    const fresh = `${store}.new`;
    await rm(fresh, { force: true });
    await (await open(fresh, "w", 0o600)).close();
    await truncate(fresh, storeSizeGib * gib);
    await run(["mkfs.xfs", "-q", "-m", "reflink=1", "-l", "size=64m", fresh]);
    await rename(fresh, store);
  }
  const device = await attachLoop(store);
  await run(["mount", device, paths.volumes]);
  // Lets go of it as soon as the last mount ends.
  await run(["losetup", "--detach", device]);
}

/** Makes a volume's file, with a filesystem when one is asked for. */
export async function createVolumeFile(paths: LabPaths, volume: VolumeSpec): Promise<void> {
  const file = volumeFile(paths, volume.id);
  await (await open(file, "w", 0o600)).close();
  await truncate(file, volume.sizeGib * gib);
  if (volume.format === "ext4") await run(["mkfs.ext4", "-q", "-F", file]);
  if (volume.format === "xfs") await run(["mkfs.xfs", "-q", "-f", file]);
}

/** Grows a volume's file and, where it is attached, its device. */
export async function growVolumeFile(
  paths: LabPaths,
  volumeId: number,
  sizeGib: number,
): Promise<void> {
  const file = volumeFile(paths, volumeId);
  const size = sizeGib * gib;
  if ((await stat(file)).size > size) throw new Error(`volume ${volumeId}: cannot shrink`);
  await truncate(file, size);
  const attached = await loopDeviceOf(file);
  if (attached !== undefined) await run(["losetup", "--set-capacity", attached]);
}

/** Makes the volume's device appear in a machine. */
export async function plugVolume(
  paths: LabPaths,
  volumeId: number,
  serverId: number,
): Promise<void> {
  const folder = deviceFolder(paths, serverId);
  const byId = join(folder, "by-id");
  await mkdir(byId, { recursive: true });
  await returnToMoment(paths, volumeId);
  const device = await attachLoop(volumeFile(paths, volumeId));
  const taken = await readdir(folder);
  const link = join(byId, volumeDeviceName(volumeId));
  const before = await readlink(link).catch(() => undefined);
  if (before !== undefined) await rm(join(byId, before), { force: true });
  const letter = [..."bcdefghijklmnopqrstuvwxyz"].find((each) => !taken.includes(`sd${each}`));
  if (letter === undefined) throw new Error(`server ${serverId}: no device letter is free`);
  const node = join(folder, `sd${letter}`);
  await run(["mknod", node, "b", String(loopMajor), device.replace("/dev/loop", "")]);
  await chmod(node, 0o660);
  await rm(link, { force: true });
  await symlink(`../sd${letter}`, link);
}

/** Takes the volume's device out of a machine; refuses while it is mounted anywhere. */
export async function unplugVolume(
  paths: LabPaths,
  volumeId: number,
  serverId: number,
): Promise<void> {
  const file = volumeFile(paths, volumeId);
  const attached = await loopDeviceOf(file);
  if (attached !== undefined) {
    if (await isInUse(attached)) {
      throw new Error(
        `volume ${volumeId}: still mounted in server ${serverId}; unmount it there before it is detached`,
      );
    }
    await run(["losetup", "--detach", attached]);
  }
  const byId = join(deviceFolder(paths, serverId), "by-id");
  const link = join(byId, volumeDeviceName(volumeId));
  const node = await readlink(link).catch(() => undefined);
  if (node !== undefined) await rm(join(byId, node), { force: true });
  await rm(link, { force: true });
}

/** Keeps what the disk holds now: without what the machine has not yet written to it. */
export const keepMoment = (paths: LabPaths, volumeId: number): Promise<void> =>
  copyFile(
    volumeFile(paths, volumeId),
    momentFile(paths, volumeId),
    constants.COPYFILE_FICLONE_FORCE,
  );

/** Puts the kept moment in the volume's place, once nothing writes to the device any more. */
async function returnToMoment(paths: LabPaths, volumeId: number): Promise<void> {
  if (!(await exists(momentFile(paths, volumeId)))) return;
  const file = volumeFile(paths, volumeId);
  const attached = await loopDeviceOf(file);
  if (attached !== undefined) {
    await until(`volume ${volumeId}: end of its use`, 300, async () =>
      (await isInUse(attached)) ? undefined : true,
    );
    await run(["losetup", "--detach", attached]);
  }
  await rename(momentFile(paths, volumeId), file);
}

/** Removes a volume that is attached to nothing. */
export const deleteVolumeFile = (paths: LabPaths, volumeId: number): Promise<void> =>
  rm(volumeFile(paths, volumeId), { force: true });

/** Frees every loop device of this lab's volumes, and waits until what they lie on is free as well. */
export async function releaseVolumeStore(paths: LabPaths): Promise<void> {
  if (!(await exists(storeFile(paths)))) return;
  const store = await stat(storeFile(paths));
  // A machine that was just killed may still be letting go of its volume.
  await until(`lab ${paths.name}: end of its volumes' use`, 60, async () => {
    const loops = await loopDevicesOn(deviceNumber(store.dev));
    const under = loops.filter(({ inode }) => inode === store.ino);
    for (const { device } of under) {
      const volumes = await loopDevicesOn(device.replace("/dev/loop", `${loopMajor}:`));
      for (const volume of volumes) await attempt(["losetup", "--detach", volume.device]);
      // Of a supervisor that died before it mounted it; mounted, it goes with its last mount.
      await attempt(["losetup", "--detach", device]);
    }
    return under.length > 0 ? undefined : true;
  });
}
