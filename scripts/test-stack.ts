// `npm run test-stack`: a stack of its own name and day, brought up, judged by the host tests, and taken
// down again, in real accounts or in a lab. What it could not take down `npm run sweep` finds by its marks.

import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { z } from "zod";
import { openLab } from "../lab/lab";
import { installScanner } from "../test/support/install-tools";
import { apis } from "./clouds/api";
import { findMarked, zonesAt } from "./clouds/marked";
import { remove } from "./clouds/removal";
import { explained, runCommand, UsageError } from "./command-line";
import { enterLab } from "./in-lab";
import { lockIn, pulumiOn } from "./pulumi";
import { configurationFile, forget, stackNames } from "./sweep/states";
import {
  configurationText,
  lastDayFor,
  modelOf,
  type Site,
  testStackName,
  uniqueName,
} from "./test-stack/configuration";
import { register, worldOf } from "./test-stack/in-the-lab";
import { Interrupted, type Programs, programs } from "./test-stack/programs";
import { needsLab } from "./test-stack/suite";
import { targetOf } from "./test-stack/target";

const usage = `usage: npm run test-stack -- [up | verify | down] [--name test-<word>] [--zone <zone>] [--hours <n>]
         [--admin <network>…] [--acme <directory>] [--only <test file>…] [--lab]

  up        writes Pulumi.<name>.yaml and brings the stack up
  verify    runs test/host and \`npm run verify\` against it
  down      destroys it, and proves that nothing is left
  (none)    all three, and the last whatever happens
`;

const options = {
  name: { type: "string" },
  /** At Cloudflare; the stack's names are made below it. Default: MAIL_HOST_TEST_ZONE; in a lab example.test. */
  zone: { type: "string" },
  /** The stack may be swept when the day has ended on which these are over. */
  hours: { type: "string", default: "4" },
  /** Networks that may reach SSH. Default: this machine's own address. */
  admin: { type: "string", multiple: true },
  acme: { type: "string" },
  only: { type: "string", multiple: true },
  lab: { type: "boolean", default: false },
  "in-lab": { type: "boolean", default: false },
} as const;

interface Run {
  readonly name: string;
  readonly inLab: boolean;
  readonly zone: string | undefined;
  readonly hours: number;
  readonly admin: readonly string[] | undefined;
  readonly acme: string | undefined;
  readonly only: readonly string[];
  readonly programs: Programs;
}

const say = (line: string): void => void process.stdout.write(`› ${line}\n`);

/** Both clouds, by the environment's tokens: a test stack's configuration holds none. */
const clouds = () => apis("{}", process.env);

const pulumi = (run: Run, ...args: readonly string[]) =>
  run.programs.run(["pulumi", ...args, "--non-interactive", "--stack", run.name]);

async function pulumiOrThrow(run: Run, ...args: readonly string[]) {
  const finished = await pulumi(run, ...args);
  if (finished.status !== 0)
    throw new Error(`pulumi ${args.join(" ")}: exit status ${finished.status}`);
  return finished;
}

/** What is said with secrets in it is not shown. */
async function secretly(run: Run, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await pulumiOn(run.name)(...args);
  if (status !== 0) throw new Error(`pulumi ${args.join(" ")}: ${stderr.trim()}`);
  return stdout;
}

const logFile = (name: string) => join(tmpdir(), `mail-host-${name}.log`);

async function siteOf(run: Run): Promise<Site> {
  const model = modelOf(readFileSync("Pulumi.lab.yaml", "utf8"));
  const wanted = run.zone ?? (run.inLab ? "example.test" : process.env.MAIL_HOST_TEST_ZONE);
  if (wanted === undefined)
    throw new UsageError("--zone: names no zone, nor does MAIL_HOST_TEST_ZONE");
  const zones = await zonesAt(clouds().cloudflare);
  const zone = zones.find(({ name }) => name === wanted);
  if (zone === undefined) {
    throw new UsageError(
      `--zone: "${wanted}" is no zone of this token; allowed: ${zones.map(({ name }) => name).join(", ")}`,
    );
  }
  const { acmeDirectory, adminCidrs, sshKeys } = model["mail-host:host"];
  if (run.inLab) {
    return { zone, adminCidrs, sshKeys, acmeDirectory, dnssec: true, hasElsewhere: true };
  }
  return {
    zone,
    adminCidrs: run.admin ?? [await ownNetwork()],
    sshKeys: [await agentsKey(run)],
    ...(run.acme === undefined ? {} : { acmeDirectory: run.acme }),
    dnssec: false,
    hasElsewhere: false,
  };
}

/** This machine's address, as Cloudflare sees it. */
async function ownNetwork(): Promise<string> {
  const url = new URL("/cdn-cgi/trace", clouds().cloudflare.endpoint);
  const seen = await fetch(url).then(
    (answer) => answer.text(),
    () => "",
  );
  const [, ip] = /^ip=([0-9a-f.:]+)$/m.exec(seen) ?? [];
  if (ip === undefined)
    throw new UsageError(`--admin: ${url} does not say from where this machine connects`);
  return ip.includes(":") ? `${ip}/128` : `${ip}/32`;
}

async function agentsKey(run: Run): Promise<string> {
  const { stdout } = await run.programs.run(["ssh-add", "-L"]);
  const [key] = stdout.split("\n").filter((line) => /^(ssh|ecdsa|sk)-/.test(line));
  if (key === undefined) throw new Error("ssh-add -L: the SSH agent holds no key; add one");
  return key;
}

async function up(run: Run): Promise<void> {
  const { name } = run;
  const file = configurationFile(name);
  if (existsSync(file)) throw new UsageError(`--name: ${file} is there already`);
  if ((await stackNames()).includes(name))
    throw new UsageError(`--name: a stack ${name} is there already, perhaps somebody else's`);
  const expires = lastDayFor(run.hours, Date.now());
  const model = modelOf(readFileSync("Pulumi.lab.yaml", "utf8"));
  const site = await siteOf(run);
  say(`${name}: up, in the zone ${site.zone.name}, until the end of ${expires} (UTC)`);
  writeFileSync(file, configurationText(name, expires, { model, site }));
  await run.programs
    .run(["pulumi", "stack", "init", name, "--no-select", "--non-interactive"])
    .then(({ status }) => {
      if (status !== 0) throw new Error(`pulumi stack init ${name}: exit status ${status}`);
    });
  writeFileSync(logFile(name), "", { mode: 0o600 });
  const goUp = async () => {
    const { stdout, stderr } = await pulumiOrThrow(run, "up", "--yes", "--skip-preview");
    appendFileSync(logFile(name), stdout + stderr);
  };
  await goUp();
  const { ds } = z
    .object({ ds: z.record(z.string(), z.string()).default({}) })
    .parse(JSON.parse(await secretly(run, "stack", "output", "--json")));
  if (run.inLab) await register(ds);
  // The records that promise what the host serves by now.
  await goUp();
}

/** The host tests that can run here; says which cannot, and why. */
function suite(run: Run): string[] {
  const files = readdirSync("test/host", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("failures/"))
    .map((file) => join("test/host", file))
    .sort();
  const wanted =
    run.only.length === 0 ? files : files.filter((file) => run.only.some((o) => file.includes(o)));
  if (wanted.length === 0) throw new UsageError(`--only: no file of test/host is so named`);
  if (run.inLab) return wanted;
  const left = wanted.map((file) => ({ file, why: needsLab(readFileSync(file, "utf8")) }));
  for (const { file, why } of left) if (why !== undefined) say(`not run: ${file} ${why}`);
  return left.filter(({ why }) => why === undefined).map(({ file }) => file);
}

/** Exit status: 0 when the tests and the judge are content. */
async function verify(run: Run): Promise<number> {
  const outputs = await secretly(run, "stack", "output", "--json", "--show-secrets");
  const state = await secretly(run, "stack", "export", "--show-secrets");
  const files = suite(run);
  const folder = mkdtempSync(join(tmpdir(), "mail-host-target-"));
  try {
    const file = join(folder, "target.json");
    const engineLog = existsSync(logFile(run.name)) ? readFileSync(logFile(run.name), "utf8") : "";
    const around = run.inLab ? await worldOf(openLab()) : {};
    const target = targetOf({ outputs, state, engineLog, clouds: clouds(), world: around });
    writeFileSync(file, target, { mode: 0o600 });
    const environment = { ...process.env, MAIL_HOST_TARGET: file, PULUMI_STACK: run.name };
    say(`${run.name}: ${files.length} files of test/host`);
    const tests = await run.programs.run(
      ["npx", "vitest", "run", "--project", "host", ...files],
      environment,
    );
    const { passwords } = z
      .object({ passwords: z.record(z.string(), z.string()) })
      .parse(JSON.parse(outputs));
    const [user = "", password = ""] = Object.entries(passwords)[0] ?? [];
    say(`${run.name}: npm run verify`);
    const judge = await run.programs.run(
      [
        ...[process.execPath, "--import", "tsx", "scripts/verify.ts"],
        ...["--short", "--stack", run.name, "--user", user],
      ],
      { ...environment, MAIL_HOST_PASSWORD: password },
    );
    return tests.status === 0 && judge.status === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Exit status: 0 when nothing is left. */
async function down(run: Run): Promise<number> {
  const { name } = run;
  say(`${name}: down`);
  if ((await stackNames()).includes(name)) {
    const destroy = ["destroy", "--yes", "--skip-preview"];
    const { status, stdout, stderr } = await pulumi(run, ...destroy);
    const lock = status === 0 ? undefined : lockIn(stdout + stderr, "npm run test-stack -- down");
    if (lock?.obstacle !== undefined) throw new Error(lock.obstacle);
    if (lock !== undefined) {
      await pulumi(run, "cancel", "--yes");
      await pulumi(run, ...destroy);
    }
  }
  // What an interrupted engine had not written down.
  const { leftAlone } = await remove(await findMarked(clouds(), name), ({ what }) =>
    say(`removed ${what}, which the state did not know`),
  );
  for (const { thing, reason, cure } of leftAlone)
    say(`left alone: ${thing.what}: ${reason}; ${cure}`);
  if (leftAlone.length === 0) await forget(name);
  rmSync(logFile(name), { force: true });
  const left = [
    ...(await findMarked(clouds(), name)).map(({ what }) => what),
    ...((await stackNames()).includes(name) ? [`state of ${name}`] : []),
    ...(existsSync(configurationFile(name)) ? [configurationFile(name)] : []),
  ];
  if (left.length === 0) {
    say(`${name}: nothing is left: no server, address, volume, firewall, key, record or state`);
    return 0;
  }
  say(`${name}: still there:\n${left.map((what) => `  ${what}`).join("\n")}`);
  return 1;
}

/** All of it. Whatever happens in between, the stack goes. */
async function whole(run: Run): Promise<number> {
  let status = 1;
  try {
    await up(run);
    status = await verify(run);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    say(explained(error));
    if (error instanceof Interrupted) status = 130;
  } finally {
    run.programs.finish();
  }
  const left = await down(run);
  return status === 0 ? left : status;
}

/** The stack that `verify` and `down` mean without a name: the only one that has a configuration here. */
function onlyStack(): string {
  const names = readdirSync(".").flatMap((file) => {
    const [, name] = /^Pulumi\.(test-[a-z0-9]+)\.yaml$/.exec(file) ?? [];
    return name === undefined ? [] : [name];
  });
  const [name, ...others] = names;
  if (name === undefined || others.length > 0)
    throw new UsageError(`--name: which one? Here are: ${names.join(", ") || "none"}`);
  return name;
}

/** A stack that could outlive its purpose is not touched. */
function isTestStack(name: string): boolean {
  const file = configurationFile(name);
  if (!existsSync(file)) return true;
  const { config } = z
    .object({ config: z.record(z.string(), z.unknown()).default({}) })
    .parse(parse(readFileSync(file, "utf8")));
  return String(config["mail-host:lasting"]) === "false";
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [verb, ...rest] = positionals;
  if (rest.length > 0 || !["up", "verify", "down", undefined].includes(verb))
    throw new UsageError(`"${positionals.join(" ")}" is not a verb`);
  const hours = Number(values.hours);
  if (!Number.isInteger(hours) || hours < 1 || hours > 24 * 30)
    throw new UsageError(`--hours: "${values.hours}" is not a whole number from 1 to 720`);
  const makes = verb === undefined || verb === "up";
  const name = values.name ?? (makes ? uniqueName() : onlyStack());
  if (!testStackName.test(name))
    throw new UsageError(`--name: "${name}" is not test- and up to 20 letters and digits`);
  if (!isTestStack(name)) throw new UsageError(`--name: "${name}" is lasting`);
  if (values.lab) {
    const lab = openLab();
    if ((await lab.statusIfUp()) === undefined) await lab.up({}, say);
    // Where the tests run there is no package index.
    if (verb === undefined || verb === "verify") await installScanner();
    return enterLab(__filename, "--in-lab", ...(values.name === undefined ? ["--name", name] : []));
  }
  const run: Run = {
    name,
    inLab: values["in-lab"],
    zone: values.zone,
    hours,
    admin: values.admin,
    acme: values.acme,
    only: values.only ?? [],
    programs: programs(say),
  };
  switch (verb) {
    case "up":
      await up(run);
      say(`${name} is up; npm run test-stack -- verify --name ${name}, and then down`);
      return 0;
    case "verify":
      return verify(run);
    case "down":
      run.programs.finish();
      return down(run);
    default:
      return whole(run);
  }
}

runCommand(main, usage);
