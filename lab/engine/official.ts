// The official CLI and plugins: taken from the machine, or downloaded where that is possible. One
// attempt each, with a short limit; a refusal is final for the run.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { atLeast } from "./go-build";
import { cliVersion, oldestCliVersion } from "./parts";

const downloadSite = "https://get.pulumi.com/";
const downloadLimitMilliseconds = 5 * 60_000;
const answerLimitMilliseconds = 5_000;

/** The folder of a CLI with its Node language host on PATH, when it is recent enough. */
export function officialCliFolder(cache: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    // An engine of ours may be on PATH when one run starts another.
    if (folder.startsWith(cache) || !existsSync(join(folder, "pulumi"))) continue;
    if (!existsSync(join(folder, "pulumi-language-nodejs"))) return undefined;
    const version = /v(\d+\.\d+\.\d+)/.exec(output(join(folder, "pulumi"), ["version"]))?.[1];
    return version !== undefined && atLeast(version, oldestCliVersion) ? folder : undefined;
  }
  return undefined;
}

/** Whether the vendor's download site answers at all. */
export async function downloadSiteAnswers(): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(answerLimitMilliseconds);
    return (await fetch(downloadSite, { method: "HEAD", signal })).status < 500;
  } catch {
    return false;
  }
}

/** Downloads the release; false when it cannot be had. */
export async function downloadCli(folder: string): Promise<boolean> {
  const architecture = process.arch === "arm64" ? "arm64" : "x64";
  const name = `pulumi-v${cliVersion}-linux-${architecture}.tar.gz`;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), answerLimitMilliseconds);
  const unfinished = `${folder}.unfinished-${process.pid}`;
  const programs = join(unfinished, "bin");
  try {
    const answer = await fetch(`${downloadSite}releases/sdk/${name}`, {
      signal: stop.signal,
    });
    if (!answer.ok) return false;
    clearTimeout(timer);
    const archive = Buffer.from(await answer.arrayBuffer());
    mkdirSync(programs, { recursive: true });
    writeFileSync(join(programs, name), archive);
    execFileSync("tar", ["--extract", "--gzip", "--strip-components=1", "--file", name], {
      cwd: programs,
      stdio: ["ignore", "ignore", "pipe"],
    });
    rmSync(join(programs, name));
    if (!existsSync(join(programs, "pulumi-language-nodejs"))) return false;
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** The folder of a plugin that the person has installed already. */
export function installedPlugin(cache: string, name: string, version: string): string | undefined {
  const home = process.env.PULUMI_HOME || join(homedir(), ".pulumi");
  if (home.startsWith(cache)) return undefined;
  const folder = join(home, "plugins", `resource-${name}-v${version}`);
  return existsSync(join(folder, `pulumi-resource-${name}`)) ? folder : undefined;
}

/** Lets the CLI fetch a plugin from where its vendor keeps it; undefined when it cannot be had. */
export function downloadPlugin(
  pulumi: string,
  name: string,
  version: string,
  home: string,
): string | undefined {
  try {
    execFileSync(pulumi, ["plugin", "install", "resource", name, version], {
      env: { ...process.env, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" },
      stdio: "ignore",
      timeout: downloadLimitMilliseconds,
    });
  } catch {
    return undefined;
  }
  const plugins = join(home, "plugins");
  const found = readdirSync(plugins).find((entry) => entry === `resource-${name}-v${version}`);
  return found === undefined ? undefined : join(plugins, found);
}

function output(executable: string, args: readonly string[]): string {
  try {
    return execFileSync(executable, args, {
      encoding: "utf8",
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return "";
  }
}
