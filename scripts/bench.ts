// `npm run bench`: the figures of this project, as ratios within one run, since machines are noisy.
// Not a test: nothing fails here but what does not work.

import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { renderUserData } from "../cloud-init/user-data";
import { run } from "../lab/host/run";
import { type Lab, openLab } from "../lab/lab";

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
  for (let time = 0; time < 3; time += 1) times.push((await timed(work)).milliseconds);
  return times.sort((a, b) => a - b)[1] ?? 0;
}

/** The packages that the host installs, as its own script lists them. */
function hostPackages(): string[] {
  const script = readFileSync("cloud-init/files/usr/local/sbin/mail-install", "utf8");
  const list = /^readonly packages=\(([^)]*)\)/m.exec(script)?.[1] ?? "";
  return list.split(/\s+/).filter(Boolean);
}

/** Milliseconds of a plain `apt-get install` on a bare machine, from its boot on. */
async function packageInstallation(lab: Lab): Promise<number> {
  const { apis } = await lab.status();
  const body = JSON.stringify({
    name: "bare",
    server_type: "cx23",
    image: "debian-13",
    location: "nbg1",
  });
  const { milliseconds } = await timed(async () => {
    await lab.inNetwork([
      "curl",
      "--silent",
      "--fail",
      "--request",
      "POST",
      "--data",
      body,
      "--header",
      "content-type: application/json",
      "--header",
      `authorization: Bearer ${"0".repeat(64)}`,
      `${apis.hcloud}/servers`,
    ]);
    const install =
      'until systemctl is-active --quiet network-online.target; do systemctl start network-online.target; done; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@"';
    for (const deadline = Date.now() + 60_000; ; ) {
      const ready = await lab.exec("bare", ["true"]).catch(() => ({ status: 1 }));
      if (ready.status === 0) break;
      if (Date.now() > deadline) throw new Error("the bare machine did not boot within a minute");
    }
    const done = await lab.exec("bare", ["bash", "-c", install, "bash", ...hostPackages()], {
      timeoutSeconds: 600,
    });
    if (done.status !== 0)
      throw new Error(`apt-get install ended with ${done.status}\n${done.stderr}`);
  });
  return milliseconds;
}

async function main(): Promise<void> {
  const lab = openLab("bench");
  const rows: [what: string, value: string][] = [];
  const settings = {
    hostname: host,
    postmaster: "postmaster@example.test",
    acmeDirectory: "https://acme-v02.api.letsencrypt.org/directory",
    adminCidrs: "198.18.0.0/24 2001:2::/64",
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
    // The records that promise what the host serves by now.
    await lab.pulumiOrThrow(["up", "--yes", "--skip-preview"]);

    const empty = mkdtempSync(join(tmpdir(), "mail-host-bench-"));
    writeFileSync(join(empty, "Pulumi.yaml"), "name: empty\nruntime: nodejs\nmain: index.ts\n");
    writeFileSync(join(empty, "index.ts"), "export {};\n");
    writeFileSync(join(empty, "package.json"), "{}");
    symlinkSync(resolve("node_modules"), join(empty, "node_modules"));
    const project = process.cwd();
    process.chdir(empty);
    const floor = await median(() => lab.pulumiOrThrow(["preview", "--stack", "empty"]));
    process.chdir(project);
    const pullRequest = await median(() =>
      run(["npx", "tsx", "scripts/preview.ts", "--base", "HEAD", "--stack", "lab"]),
    );
    const unchanged = await median(() => lab.pulumiOrThrow(["preview", "--expect-no-changes"]));
    rows.push(
      ["preview of an empty program", seconds(floor)],
      ["unchanged preview", seconds(unchanged)],
      ["  ratio (aim: under 2)", (unchanged / floor).toFixed(2)],
      ["npm run preview, its base brought up included", seconds(pullRequest)],
      ["  ratio to the empty program's preview", (pullRequest / floor).toFixed(2)],
    );

    const pss = await lab.exec(host, [
      "bash",
      "-c",
      "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {s += $2} END {print s}'",
    ]);
    rows.push(["host memory, PSS", `${Math.round(Number(pss.stdout) / 1024)} MiB`]);

    // The floor of a first `up`: a second machine of the same image installs the same packages from
    // the same cache, with none of our files.
    const floorInstall = await packageInstallation(lab);
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
