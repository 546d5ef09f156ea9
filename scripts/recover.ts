// `npm run recover`: mends a stack whose `pulumi` was interrupted. Mends half-written state files, clears
// the lock, takes interrupted operations out of the state, and imports what carries the stack's marks and
// is missing there. Deletes nothing in a cloud. Runs the ordinary `pulumi` with the caller's environment.

import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { apis } from "./clouds/api";
import { runCommand } from "./command-line";
import { lockIn, type Pulumi, pulumiOn } from "./pulumi";
import { findAtCloudflare, findAtHetzner } from "./recovery/clouds";
import {
  complaints,
  exported,
  importFile,
  place,
  planned,
  type Resource,
} from "./recovery/placement";
import { importedAs, leftAlone, type Recovery, recoveryText } from "./recovery/report";
import { backendFolder, type Mended, mendStateFiles } from "./recovery/state-files";

const usage = "usage: npm run recover -- [--stack <stack>] [--json]";

const failed = (verb: string, why: string) =>
  new Error(
    `pulumi ${verb} failed; mend what it says and run \`npm run recover\` again:\n${why.trim()}`,
  );

/** Its standard output; fails with what it said. */
async function said(pulumi: Pulumi, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await pulumi(...args);
  if (status !== 0) throw failed(args.join(" "), `${stdout}\n${stderr}`);
  return stdout;
}

/** What the program would create today. */
async function wantedBy(pulumi: Pulumi): Promise<Resource[]> {
  const { status, stdout, stderr } = await pulumi("preview", "--json");
  if (status !== 0)
    throw failed("preview", `${stdout.startsWith("{") ? complaints(stdout) : stdout}\n${stderr}`);
  return planned(stdout);
}

/** Processes of this machine in which Pulumi changes a stack of this folder and this backend. */
function pulumiAtWork(): string[] {
  const ours = process.env.PULUMI_BACKEND_URL;
  const processes = (() => {
    try {
      return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    } catch {
      return [];
    }
  })();
  return processes.filter((pid) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const backend = environment.find((line) => line.startsWith("PULUMI_BACKEND_URL="));
      return (
        /(^|\/)pulumi$/.test(argv[0] ?? "") &&
        argv.some((word) => ["up", "update", "destroy", "refresh", "import"].includes(word)) &&
        readlinkSync(`/proc/${pid}/cwd`) === process.cwd() &&
        backend?.slice("PULUMI_BACKEND_URL=".length) === ours
      );
    } catch {
      // Gone meanwhile, or another user's.
      return false;
    }
  });
}

/** Half-written files of a state that is kept in a folder; other backends keep theirs whole. */
async function mendState(): Promise<Mended[]> {
  const { url } = JSON.parse(await said(pulumiOn(undefined), "whoami", "--json"));
  const folder = backendFolder(url);
  const { name } = parse(readFileSync("Pulumi.yaml", "utf8"));
  return folder === undefined ? [] : mendStateFiles(folder, name);
}

/** The refresh that takes interrupted operations out of the state; true when a lock was in its way. */
async function clear(pulumi: Pulumi): Promise<boolean> {
  const refresh = ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"];
  const { status, stdout, stderr } = await pulumi(...refresh);
  if (status === 0) return false;
  const lock = lockIn(stdout + stderr, "npm run recover");
  if (lock === undefined) throw failed("refresh", `${stdout}\n${stderr}`);
  if (lock.obstacle !== undefined) throw new Error(lock.obstacle);
  await said(pulumi, "cancel", "--yes");
  await said(pulumi, ...refresh);
  return true;
}

async function recover(pulumi: Pulumi): Promise<Recovery> {
  const [busy] = pulumiAtWork();
  if (busy !== undefined) {
    throw new Error(
      `pulumi: process ${busy} is at work in this folder; wait for its end, or end it with: kill ${busy}`,
    );
  }
  const mended = await mendState();
  const configuration = await said(pulumi, "config", "--show-secrets", "--json");
  const { hetzner, cloudflare } = apis(configuration, process.env);
  const { interrupted } = exported(await said(pulumi, "stack", "export"));
  const wasLocked = await clear(pulumi);
  const wanted = await wantedBy(pulumi);
  const { resources: held } = exported(await said(pulumi, "stack", "export"));
  const everything = [...held, ...wanted];
  const stack = everything[0]?.urn.split("::")[0]?.split(":").at(-1) ?? "";
  const zoneIds = everything
    .map(({ inputs }) => inputs.zoneId)
    .filter((zoneId) => typeof zoneId === "string");
  const found = await Promise.all([
    findAtHetzner(hetzner, stack),
    findAtCloudflare(cloudflare, stack, [...new Set(zoneIds)]),
  ]).then(
    (lists) => lists.flat(),
    (error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${why}; nothing was imported; run \`npm run recover\` again`);
    },
  );
  const { placed, unplaced } = place(found, { wanted, held });
  if (placed.length > 0) {
    const folder = mkdtempSync(join(tmpdir(), "mail-host-recover-"));
    const file = join(folder, "import.json");
    try {
      writeFileSync(file, JSON.stringify(importFile(placed, { wanted, held })));
      const flags = ["--yes", "--skip-preview", "--protect=false", "--generate-code=false"];
      await said(pulumi, "import", "--file", file, ...flags);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return {
    mended,
    wasLocked,
    interrupted,
    imported: placed.map(importedAs),
    leftAlone: unplaced.map(leftAlone),
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { stack: { type: "string", short: "s" }, json: { type: "boolean", default: false } },
  });
  const recovery = await recover(pulumiOn(values.stack));
  process.stdout.write(
    values.json ? `${JSON.stringify(recovery, undefined, 2)}\n` : `${recoveryText(recovery)}\n`,
  );
  return recovery.leftAlone.length === 0 ? 0 : 1;
}

runCommand(main, usage);
