// Volumes: sparse files, attached to machines through loop devices that appear under the path that
// Hetzner's API reports. A machine sees its folder of devices live, running or not.

import { constants } from "node:fs";
import {
  chmod,
  mkdir,
  open,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
} from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { VolumeSpec } from "../clouds/infrastructure";
import { attempt, run } from "../host/run";
import type { LabPaths } from "../paths";

const gib = 2 ** 30;
const loopMajor = 7;

const losetupOutput = z.object({
  loopdevices: z.array(z.object({ name: z.string(), "back-file": z.string().nullable() })),
});

const volumeFile = (paths: LabPaths, volumeId: number): string =>
  join(paths.volumes, `${volumeId}.img`);

/** Name that Hetzner's hypervisor gives a volume's device. */
export const volumeDeviceName = (volumeId: number): string => `scsi-0HC_Volume_${volumeId}`;

/** Folder that a machine sees as /dev/disk. */
export const deviceFolder = (paths: LabPaths, serverId: number): string =>
  join(paths.machines, String(serverId), "disk");

async function loopDevices(): Promise<{ device: string; file: string }[]> {
  const listed = await attempt(["losetup", "--json", "--list", "--output", "NAME,BACK-FILE"]);
  if (listed.stdout.trim() === "") return [];
  return losetupOutput
    .parse(JSON.parse(listed.stdout))
    .loopdevices.map((device) => ({ device: device.name, file: device["back-file"] ?? "" }));
}

const ofFile = (file: string) => (device: { file: string }) =>
  device.file === file || device.file === `${file} (deleted)`;

async function attachLoop(file: string): Promise<string> {
  const present = (await loopDevices()).find(ofFile(file));
  if (present !== undefined) return present.device;
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

/** Makes a volume's file, with a filesystem when one is asked for. */
export async function createVolumeFile(paths: LabPaths, volume: VolumeSpec): Promise<void> {
  const file = volumeFile(paths, volume.id);
  await mkdir(paths.volumes, { recursive: true });
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
  const attached = (await loopDevices()).find(ofFile(file));
  if (attached !== undefined) await run(["losetup", "--set-capacity", attached.device]);
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
  const attached = (await loopDevices()).find(ofFile(file));
  if (attached !== undefined) {
    if (await isInUse(attached.device)) {
      throw new Error(
        `volume ${volumeId}: still mounted in server ${serverId}; unmount it there before it is detached`,
      );
    }
    await run(["losetup", "--detach", attached.device]);
  }
  const byId = join(deviceFolder(paths, serverId), "by-id");
  const link = join(byId, volumeDeviceName(volumeId));
  const node = await readlink(link).catch(() => undefined);
  if (node !== undefined) await rm(join(byId, node), { force: true });
  await rm(link, { force: true });
}

/** Removes a volume that is attached to nothing. */
export const deleteVolumeFile = (paths: LabPaths, volumeId: number): Promise<void> =>
  rm(volumeFile(paths, volumeId), { force: true });

/** Frees every loop device that stands on a file of this lab. */
export async function detachAllLoops(paths: LabPaths): Promise<void> {
  for (const { device, file } of await loopDevices()) {
    if (file.startsWith(`${paths.volumes}/`)) await run(["losetup", "--detach", device]);
  }
}
