// `npm run bench`: the figures of this project, as ratios within one run, since machines are noisy.
// Not a test: nothing fails here but what does not work.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderUserData } from "../cloud-init/user-data";
import { openLab } from "../lab/lab";

const host = "mail.example.test";
const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; milliseconds: number }> {
  const began = process.hrtime.bigint();
  const value = await work();
  return { value, milliseconds: Number(process.hrtime.bigint() - began) / 1e6 };
}

/** The middle one of three runs. */
async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 3; run += 1) times.push((await timed(work)).milliseconds);
  return times.sort((a, b) => a - b)[1] ?? 0;
}

async function main(): Promise<void> {
  const lab = openLab("bench");
  const rows: [what: string, value: string][] = [];
  const settings = {
    hostname: host,
    postmaster: "postmaster@example.test",
    volumeDevice: "/dev/disk/by-id/scsi-0HC_Volume_1",
    databasePassword: "x".repeat(32),
  };
  rows.push([
    "user data, bytes as sent (limit 32768)",
    String(Buffer.byteLength(renderUserData(settings))),
  ]);
  try {
    rows.push(["lab up", seconds((await timed(() => lab.up())).milliseconds)]);
    const up = await timed(() =>
      lab.pulumiOrThrow(["up", "--yes", "--skip-preview"], { show: true }),
    );
    rows.push(["pulumi up, first, until the host is proven", seconds(up.milliseconds)]);

    const empty = mkdtempSync(join(tmpdir(), "mail-host-bench-"));
    writeFileSync(join(empty, "Pulumi.yaml"), "name: empty\nruntime: nodejs\nmain: index.js\n");
    writeFileSync(join(empty, "index.js"), "");
    writeFileSync(join(empty, "package.json"), "{}");
    await lab.pulumiOrThrow(["--cwd", empty, "stack", "init", "empty"]);
    const floor = await median(() =>
      lab.pulumiOrThrow(["--cwd", empty, "preview", "--stack", "empty"]),
    );
    const unchanged = await median(() => lab.pulumiOrThrow(["preview", "--expect-no-changes"]));
    rows.push(
      ["preview of an empty program", seconds(floor)],
      ["unchanged preview", seconds(unchanged)],
      ["  ratio (aim: under 2)", (unchanged / floor).toFixed(2)],
    );

    const pss = await lab.exec(host, [
      "bash",
      "-c",
      "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {s += $2} END {print s}'",
    ]);
    rows.push(["host memory, PSS", `${Math.round(Number(pss.stdout) / 1024)} MiB`]);

    // The machine's own installation of the same packages from the same cache, on a second machine
    // without any of our files, is the floor of a first `up`.
    const packages = (await lab.exec(host, ["cat", "/usr/local/share/mail-host/packages"])).stdout
      .split(/\s+/)
      .filter(Boolean);
    const floorInstall = await lab.timePackageInstallation(packages);
    rows.push(
      ["apt-get install of the same packages", seconds(floorInstall)],
      ["  ratio of pulumi up to it (aim: under 1.5)", (up.milliseconds / floorInstall).toFixed(2)],
    );
  } finally {
    await lab.down();
  }
  const width = Math.max(...rows.map(([what]) => what.length));
  for (const [what, value] of rows) process.stdout.write(`${what.padEnd(width)}  ${value}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
