// `npm run recover`: mends a stack whose `pulumi` was interrupted. Clears the lock, takes interrupted
// operations out of the state, and imports what carries the stack's marks and is missing there.
// Deletes nothing. Runs the ordinary `pulumi` with the caller's environment.

import { spawn } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { apis, findAtCloudflare, findAtHetzner } from "./recovery/clouds";
import {
  complaints,
  exported,
  importFile,
  place,
  planned,
  type Resource,
} from "./recovery/placement";
import { importedAs, leftAlone, type Recovery, recoveryText } from "./recovery/report";

const usage = "usage: npm run recover -- [--stack <stack>] [--json]";

interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `pulumi` on this stack, without a terminal. */
type Pulumi = (...args: string[]) => Promise<Finished>;

const pulumiOn =
  (stack: string | undefined): Pulumi =>
  (...args) =>
    new Promise((resolve, reject) => {
      const all = [
        ...args,
        "--non-interactive",
        ...(stack === undefined ? [] : ["--stack", stack]),
      ];
      const child = spawn("pulumi", all, { stdio: ["ignore", "pipe", "pipe"] });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
      child.once("error", (error) =>
        reject(
          new Error(
            `pulumi: cannot be run (${error.message}); install it: https://www.pulumi.com/docs/install/`,
          ),
        ),
      );
      child.once("close", (code) =>
        resolve({
          status: code ?? 1,
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
        }),
      );
    });

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

/** The refresh that takes interrupted operations out of the state; true when a lock was in its way. */
async function clear(pulumi: Pulumi): Promise<boolean> {
  const refresh = ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"];
  const { status, stdout, stderr } = await pulumi(...refresh);
  if (status === 0) return false;
  if (!/currently locked|update is currently in progress/i.test(stdout + stderr))
    throw failed("refresh", `${stdout}\n${stderr}`);
  const holders = [...stderr.matchAll(/created by (\S+@(\S+) \(pid (\d+)\))/g)];
  const [, elsewhere] = holders.find(([, , machine]) => machine !== hostname()) ?? [];
  if (elsewhere !== undefined) {
    throw new Error(
      `the stack is locked by ${elsewhere}, of which nothing is known here; if nothing runs there any more: pulumi cancel --yes && npm run recover`,
    );
  }
  // Whatever its folder or its owner; a number that another process has by now is worth a look too.
  const [, here, , pid] = holders.find(([, , , held]) => existsSync(`/proc/${held}`)) ?? [];
  if (here !== undefined) {
    throw new Error(
      `the stack is locked by ${here}, which runs; wait for its end, or end it with: kill ${pid}`,
    );
  }
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
  const found = [
    ...(await findAtHetzner(hetzner, stack)),
    ...(await findAtCloudflare(cloudflare, stack, [...new Set(zoneIds)])),
  ];
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

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    const isUsage = error instanceof TypeError && "code" in error;
    process.stderr.write(isUsage ? `${message}\n${usage}\n` : `${message}\n`);
    process.exitCode = isUsage ? 64 : 1;
  },
);
