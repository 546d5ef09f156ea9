// Gets a real Pulumi engine with the plugins that the program asks for: from the cache, official, or
// built. Everything lies in the cache folder; nothing else on the machine changes.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { buildGo, type Report } from "./go-build";
import {
  downloadCli,
  downloadPlugin,
  downloadSiteAnswers,
  installedPlugin,
  officialCliFolder,
} from "./official";
import { cli, languageHost, type Part, plugins } from "./parts";
import { bundleStandIn } from "./stand-in-build";

/** An engine that is ready to run. */
export interface Engine {
  /** The CLI, as an absolute path. */
  readonly pulumi: string;
  /** The folder whose `bin` holds the CLI, as the Automation API wants it. */
  readonly root: string;
  /** What a process that runs the CLI must have in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The parts that are neither official nor built from their upstream. */
  readonly standIns: readonly string[];
}

const Installed = z.strictObject({
  pulumi: z.string(),
  folder: z.string(),
  home: z.string(),
  official: z.array(z.string()),
  built: z.array(z.string()),
  standIns: z.array(z.string()),
});
type Installed = z.infer<typeof Installed>;

const Package = z.object({ version: z.string() });

const engineFolder = __dirname;

/** Makes the engine, or finds it made, and says in one line what it consists of. */
export async function ensureEngine(report: Report): Promise<Engine> {
  const cache = join(cacheFolder(), "engine");
  const folder = join(cache, `engine-${digestOf(sourceFiles(engineFolder))}`);
  const found = installed(folder);
  if (found !== undefined) return ready(found, report);
  const unlock = await lock(cache, report);
  try {
    const engine = installed(folder) ?? (await install(cache, folder, report));
    return ready(engine, report);
  } finally {
    unlock();
  }
}

/**
 * The same engine with the stand-in for commands, even where the official plugin is installed: only the
 * stand-in can ask a recorded host.
 */
export async function withStandInCommands(engine: Engine): Promise<Engine> {
  const { command } = plugins;
  if (engine.standIns.includes("command") || command?.kind !== "stand-in") return engine;
  const cache = join(cacheFolder(), "engine");
  const installedHome = engine.environment.PULUMI_HOME ?? "";
  const home = join(dirname(installedHome), "home-stand-in-commands");
  const unlock = await lock(cache, () => {});
  try {
    if (!existsSync(home)) {
      const unfinished = `${home}.unfinished-${process.pid}`;
      const place = `resource-command-v${command.version}`;
      const entries = readdirSync(join(installedHome, "plugins"), { withFileTypes: true });
      // Beside the plugins the engine notes when it used them.
      const others = entries.filter((one) => one.isDirectory() && one.name !== place);
      for (const { name } of others) {
        link(join(installedHome, "plugins", name), join(unfinished, "plugins", name));
      }
      const made = await make(cache, command, engine.pulumi, () => {});
      link(made, join(unfinished, "plugins", place));
      renameSync(unfinished, home);
    }
  } finally {
    unlock();
  }
  return {
    ...engine,
    environment: { ...engine.environment, PULUMI_HOME: home },
    standIns: [...engine.standIns, "command"],
  };
}

/**
 * Lets a home of the engine's answer for a program with packages of other versions: the engine takes a plugin
 * of exactly the version that a package names, and here each plugin stands for all of its versions.
 */
export function answerFor(
  program: string,
  { engine, home }: { engine: Engine; home: string },
): void {
  const installedPlugins = join(engine.environment.PULUMI_HOME ?? "", "plugins");
  const entries = readdirSync(installedPlugins, { withFileTypes: true });
  for (const { name } of entries.filter((one) => one.isDirectory())) {
    const [, plugin = ""] = /^resource-(.+)-v[^-]+$/.exec(name) ?? [];
    const named = join(program, "node_modules/@pulumi", plugin, "package.json");
    const asked = existsSync(named)
      ? [`resource-${plugin}-v${Package.parse(JSON.parse(readFileSync(named, "utf8"))).version}`]
      : [];
    for (const place of [name, ...asked].map((one) => join(home, "plugins", one)))
      if (!existsSync(place)) link(join(installedPlugins, name), place);
  }
}

function ready(engine: Installed, report: Report): Engine {
  const list = (title: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${title}: ${names.join(", ")}`];
  report(
    `engine: ${[
      ...list("official", engine.official),
      ...list("built from upstream", engine.built),
      ...list("stand-ins", engine.standIns),
    ].join("; ")}`,
  );
  return {
    pulumi: engine.pulumi,
    root: dirname(engine.folder),
    environment: {
      PATH: `${engine.folder}:${process.env.PATH ?? ""}`,
      PULUMI_HOME: engine.home,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    },
    standIns: engine.standIns,
  };
}

async function install(cache: string, folder: string, report: Report): Promise<Installed> {
  // Left by an installation that was killed; the lock says that none is running.
  for (const name of readdirSync(cache).filter((entry) => entry.includes(".unfinished-"))) {
    rmSync(join(cache, name), { recursive: true, force: true });
  }
  rmSync(folder, { recursive: true, force: true });
  const home = join(folder, "home");
  mkdirSync(join(home, "plugins"), { recursive: true });
  const origins = new Origins();
  const command = await installCli(cache, origins, report);
  let downloadable = command.downloadable;
  for (const [name, part] of Object.entries(plugins)) {
    const place = join(home, "plugins", `resource-${name}-v${part.version}`);
    const mine = installedPlugin(cache, name, part.version);
    const fetched =
      mine ?? (downloadable ? fetchPlugin(cache, command.pulumi, name, part) : undefined);
    // One refusal speaks for all plugins: they come from the same places.
    if (fetched === undefined) downloadable = false;
    link(fetched ?? (await make(cache, part, command.pulumi, report)), place);
    origins.add(name, fetched === undefined ? part.kind : "official");
  }
  const engine: Installed = {
    pulumi: command.pulumi,
    folder: command.folder,
    home,
    official: origins.of("official"),
    built: origins.of("go"),
    standIns: origins.of("stand-in"),
  };
  const marker = join(folder, "engine.json");
  writeFileSync(`${marker}.unfinished`, JSON.stringify(engine, undefined, 2));
  renameSync(`${marker}.unfinished`, marker);
  return engine;
}

class Origins {
  private readonly names: { name: string; origin: string }[] = [];

  add(name: string, origin: Part["kind"] | "official"): void {
    this.names.push({ name, origin });
  }

  of(origin: Part["kind"] | "official"): string[] {
    return this.names.filter((entry) => entry.origin === origin).map(({ name }) => name);
  }
}

interface Command {
  readonly pulumi: string;
  /** Holds the CLI and its language host, and nothing else that could shadow a plugin. */
  readonly folder: string;
  readonly downloadable: boolean;
}

async function installCli(cache: string, origins: Origins, report: Report): Promise<Command> {
  const official = officialCliFolder(cache);
  if (official !== undefined) {
    origins.add("pulumi", "official");
    origins.add("language host", "official");
    const downloadable = await downloadSiteAnswers();
    return { pulumi: join(official, "pulumi"), folder: official, downloadable };
  }
  const downloaded = join(cache, `official-pulumi-${cli.version}`);
  const built = partFolder(cache, cli);
  if (existsSync(downloaded) || (!existsSync(built) && (await fetchCli(downloaded, report)))) {
    origins.add("pulumi", "official");
    origins.add("language host", "official");
    const folder = join(downloaded, "bin");
    return { pulumi: join(folder, "pulumi"), folder, downloadable: true };
  }
  await make(cache, cli, "", report);
  const host = await make(cache, languageHost, "", report);
  const folder = join(cache, `cli-${digestOf([built, host])}`, "bin");
  mkdirSync(folder, { recursive: true });
  for (const [from, part] of [
    [built, cli],
    [host, languageHost],
  ] as const) {
    // The CLI looks for its language host beside its own file, not beside a link to it.
    const place = join(folder, part.executable);
    if (!existsSync(place)) linkSync(join(from, part.executable), place);
  }
  origins.add("pulumi", "go");
  origins.add("language host", "stand-in");
  return { pulumi: join(folder, "pulumi"), folder, downloadable: false };
}

async function fetchCli(folder: string, report: Report): Promise<boolean> {
  const fetched = await downloadCli(folder);
  if (!fetched) report("engine: the official Pulumi CLI cannot be downloaded here");
  return fetched;
}

function fetchPlugin(cache: string, pulumi: string, name: string, part: Part): string | undefined {
  const home = join(cache, "official-plugins");
  const folder = join(home, "plugins", `resource-${name}-v${part.version}`);
  if (existsSync(join(folder, part.executable))) return folder;
  mkdirSync(join(home, "plugins"), { recursive: true });
  return downloadPlugin(pulumi, name, part.version, home);
}

/** Builds a part unless it is there, and returns its folder. */
async function make(cache: string, part: Part, pulumi: string, report: Report): Promise<string> {
  const folder = partFolder(cache, part);
  if (existsSync(folder)) return folder;
  if (part.kind === "go") await buildGo(part, engineFolder, folder, pulumi, report);
  else await bundleStandIn(part, engineFolder, folder);
  return folder;
}

/** Named by everything that the part is made from, so that a changed source is built anew. */
function partFolder(cache: string, part: Part): string {
  const digest = digestOf([JSON.stringify(part), ...partSources(part)]);
  return join(cache, `${part.executable}-${part.version}-${digest}`);
}

function partSources(part: Part): string[] {
  if (part.kind === "go") return sourceFiles(join(engineFolder, part.folder));
  return [...sourceFiles(join(engineFolder, "standins")), ...standInTools()];
}

/** The packages that are bundled into a stand-in count as its source. */
function standInTools(): string[] {
  const lockFile = join(engineFolder, "..", "..", "node_modules", ".package-lock.json");
  if (!existsSync(lockFile)) return [];
  const Lock = z.object({ packages: z.record(z.string(), z.object({ version: z.string() })) });
  const { packages } = Lock.parse(JSON.parse(readFileSync(lockFile, "utf8")));
  return ["@pulumi/pulumi", "@grpc/grpc-js", "google-protobuf", "ssh2", "esbuild"].map(
    (name) => `${name} ${packages[`node_modules/${name}`]?.version ?? "none"}`,
  );
}

/** A plugin's folder must be a real one; only what lies in it may be links. */
function link(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) symlinkSync(join(from, name), join(to, name));
}

function installed(folder: string): Installed | undefined {
  const marker = join(folder, "engine.json");
  if (!existsSync(marker)) return undefined;
  const engine = Installed.parse(JSON.parse(readFileSync(marker, "utf8")));
  // An official CLI may have been removed or renamed since.
  return existsSync(engine.pulumi) ? engine : undefined;
}

function cacheFolder(): string {
  return process.env.MAIL_HOST_CACHE || join(homedir(), ".cache", "mail-host");
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(?:ts|go|mod|sum)$/.test(name))
    .sort()
    .map((name) => `${name}\0${readFileSync(join(folder, name), "utf8")}`);
}

function digestOf(texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}\0${text}`);
  return hash.digest("hex").slice(0, 16);
}

/** Holds the lock for as long as this process lives, however it ends. */
async function lock(cache: string, report: Report): Promise<() => void> {
  mkdirSync(cache, { recursive: true });
  const holder = spawn("flock", [join(cache, "lock"), "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const timer = setInterval(
    () => report("engine: waits for another process that is installing it"),
    10_000,
  );
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once("error", reject);
      holder.once("close", () => reject(new Error(`lock: cannot lock ${join(cache, "lock")}`)));
      holder.stdout.once("data", () => resolve());
    });
  } finally {
    clearInterval(timer);
  }
  return () => holder.stdin.end();
}
