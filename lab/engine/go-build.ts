// Builds a program from committed go.mod and go.sum. Says every few seconds how far it is: a cold
// build takes minutes.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { GoPart } from "./parts";

export type Report = (line: string) => void;

const reportEveryMilliseconds = 10_000;

/** Leaves the executable, and its schema where it needs one, in the folder. */
export async function buildGo(
  part: GoPart,
  engineFolder: string,
  folder: string,
  pulumi: string,
  report: Report,
): Promise<void> {
  const source = join(engineFolder, part.folder);
  const environment = goEnvironment(source, report);
  const unfinished = `${folder}.unfinished-${process.pid}`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const executable = join(unfinished, part.executable);
  const title = `${part.executable} ${part.version.replace(/^v/, "")}`;
  report(`engine: builds ${title} from its Go modules`);
  const started = Date.now();
  await compile(part, source, executable, environment, (progress) =>
    report(`engine: builds ${title}: ${progress}`),
  );
  if (part.writesSchema) {
    execFileSync(executable, ["schema", "--out", unfinished, "--skip-docs", "--skip-examples"], {
      env: { ...process.env, PATH: `${join(pulumi, "..")}:${process.env.PATH ?? ""}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  report(`engine: built ${title} in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function compile(
  part: GoPart,
  source: string,
  executable: string,
  environment: NodeJS.ProcessEnv,
  progress: (text: string) => void,
): Promise<void> {
  const linker = `-s -w -X ${part.versionVariable}=${part.version}`;
  const child = spawn("go", ["build", "-v", "-o", executable, "-ldflags", linker, part.target], {
    cwd: source,
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let modules = 0;
  let packages = 0;
  let rest = "";
  const messages: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("go: downloading ")) modules += 1;
      else if (/^[\w.~/-]+$/.test(line)) packages += 1;
      else messages.push(line);
    }
  });
  const started = Date.now();
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    progress(`${modules} modules downloaded, ${packages} packages compiled, ${seconds} s`);
  }, reportEveryMilliseconds);
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (status === 0) return;
    messages.push(rest);
    throw new Error(
      `${part.executable}: "go build" in ${source} failed: ${messages.slice(-20).join("\n")}`,
    );
  } finally {
    clearInterval(timer);
  }
}

/** Go as the machine has it; installed when there is none, and told to fetch a newer one when old. */
function goEnvironment(source: string, report: Report): NodeJS.ProcessEnv {
  let version = goVersion();
  if (version === undefined) {
    report("engine: installs the Debian package golang-go");
    for (const args of [["update"], ["install", "--yes", "--no-install-recommends", "golang-go"]]) {
      execFileSync("apt-get", args, {
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        stdio: ["ignore", "pipe", "pipe"],
      });
    }
    version = goVersion();
    if (version === undefined) throw new Error('go: not on PATH even with "golang-go" installed');
  }
  const needed = /^go (\S+)$/m.exec(readFileSync(join(source, "go.mod"), "utf8"))?.[1] ?? "0";
  const enough = atLeast(version, needed);
  return enough ? process.env : { ...process.env, GOTOOLCHAIN: "auto" };
}

function goVersion(): string | undefined {
  try {
    const text = execFileSync("go", ["version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, GOTOOLCHAIN: "local" },
    });
    return /go(\d+(?:\.\d+)*)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}

/** Whether a dotted version is the wanted one or later. */
export function atLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(".").map(Number));
  for (const [index, number] of (want ?? []).entries()) {
    const other = have?.[index] ?? 0;
    if (other !== number) return other > number;
  }
  return true;
}
