// Prepared pull requests, previewed without a secret by the real engine on emulated clouds: each gives exactly
// the comment of its fixture. Does not prove that a host takes the change, nor that a comment gets posted.

import { spawn } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureEngine, withStandInCommands } from "../../lab/engine/install";
import { run } from "../../lab/host/run";
import { commentOf } from "../../scripts/preview/comment";
import { compare, type ForeignRecord } from "../../scripts/preview/compare";
import { publicConfiguration, zonesOf } from "../../scripts/preview/configuration";
import { isFine } from "../../scripts/preview/result";
import { rules } from "../../scripts/preview/rules";
import { openStage, type Raised, type Stage } from "../../scripts/preview/stage";

const fixtures = resolve("test/fixtures/previews");
const original = readFileSync(join(fixtures, "configuration.yaml"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "pull-request-"));
const stack = "prepared";
const secondZone = "8319fcd1d822979e21ecc5e09ddd04f6";

let stage: Stage;
let raised: Raised;

/** A program of its own, to be changed. */
function programIn(name: string): string {
  const place = join(folder, name);
  const parts = ["index.ts", "config.ts", "config", "components", "cloud-init"];
  for (const part of [...parts, "package.json", "tsconfig.json", "Pulumi.yaml"]) {
    cpSync(part, join(place, part), { recursive: true });
  }
  symlinkSync(resolve("node_modules"), join(place, "node_modules"));
  return place;
}

const changed = (...changes: readonly (readonly [from: string, to: string])[]): string =>
  changes.reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  }, original);

const reject = ["dmarcPolicy: quarantine", "dmarcPolicy: reject"] as const;
const newcomer = [
  "    - address: owner@example.com\n",
  "    - address: owner@example.com\n    - address: newcomer@example.com\n      password: generated\n",
] as const;

async function preview(
  configuration: string,
  {
    program = join(folder, "base"),
    foreign = [],
  }: { program?: string; foreign?: readonly ForeignRecord[] } = {},
) {
  const { text } = publicConfiguration(configuration, (path) =>
    readFileSync(join(program, path), "utf8"),
  );
  const result = await compare({
    ...{ stage, stack, raised, program, foreign, rules },
    base: "the base",
    configuration: text,
    announced: new Set(),
  });
  return { result, comment: commentOf(result) };
}

const golden = (name: string) => join(fixtures, `${name}.md`);

beforeAll(async () => {
  const { text, names } = publicConfiguration(original, () => undefined);
  stage = await openStage({ report: () => {} });
  await stage.listen(zonesOf([...names, { name: "second.example", id: secondZone }]));
  raised = await stage.bringUp({ program: programIn("base"), stack, configuration: text });
  expect(raised.refused?.stdout).toBeUndefined();
});

afterAll(async () => {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the comment under a pull request", () => {
  it("says of no change that there is none", async () => {
    const { result, comment } = await preview(original);
    await expect(comment).toMatchFileSnapshot(golden("no-change"));
    expect(isFine(result)).toBe(true);
  });

  it("sees that another version of a provider's package changes nothing", async () => {
    const program = programIn("other-package");
    const modules = join(program, "node_modules");
    rmSync(modules);
    for (const scope of ["", "@pulumi"]) {
      mkdirSync(join(modules, scope));
      for (const name of readdirSync(resolve("node_modules", scope))) {
        if (name === "@pulumi" || name === "hcloud") continue;
        symlinkSync(resolve("node_modules", scope, name), join(modules, scope, name));
      }
    }
    const bumped = join(modules, "@pulumi/hcloud");
    cpSync("node_modules/@pulumi/hcloud", bumped, { recursive: true });
    const named = JSON.parse(readFileSync(join(bumped, "package.json"), "utf8"));
    writeFileSync(join(bumped, "package.json"), JSON.stringify({ ...named, version: "1.99.0" }));
    const { result, comment } = await preview(original, { program });
    expect(result.refusal?.words).toBeUndefined();
    await expect(comment).toMatchFileSnapshot(golden("no-change"));
  });

  it("shows a record before and after", async () => {
    const { result, comment } = await preview(changed(reject));
    await expect(comment).toMatchFileSnapshot(golden("record"));
    expect(isFine(result)).toBe(true);
  });

  it("shows files as a difference: on the running host, and of the next machine", async () => {
    const program = programIn("file");
    const files = join(program, "cloud-init/files");
    appendFileSync(join(files, "etc/postfix/main.cf"), "\nsmtpd_banner = $myhostname\n");
    appendFileSync(join(files, "usr/local/sbin/mail-outbound"), "# @everyone ``` <!-- -->\n");
    const { result, comment } = await preview(original, { program });
    await expect(comment).toMatchFileSnapshot(golden("file"));
    expect(isFine(result)).toBe(true);
  });

  it("names a new mailbox, and shows neither password nor hash", async () => {
    const { result, comment } = await preview(changed(newcomer));
    await expect(comment).toMatchFileSnapshot(golden("mailbox"));
    expect(JSON.stringify(result)).not.toMatch(/SSHA512|\$6\$|placeholder/);
  });

  it("counts ten thousand aliases, and names some", async () => {
    const program = programIn("aliases");
    const aliases = Array.from({ length: 10_000 }, (_, i) => ({
      address: `alias-${String(i).padStart(5, "0")}@example.com`,
      destinations: ["you@example.com"],
    }));
    writeFileSync(join(program, "aliases.json"), JSON.stringify({ aliases }));
    const text = changed([
      "mail-host:dnssec",
      "mail-host:directory: aliases.json\n  mail-host:dnssec",
    ]);
    const { comment } = await preview(text, { program });
    await expect(comment).toMatchFileSnapshot(golden("alias-file"));
  });

  it("warns of a server that would be replaced", async () => {
    const program = programIn("replacement");
    const configuration = join(program, "cloud-init/files/etc/postfix/main.cf");
    appendFileSync(configuration, "\nsmtpd_banner = $myhostname\n");
    const { result, comment } = await preview(changed(["generation: 1", "generation: 2"]), {
      program,
    });
    await expect(comment).toMatchFileSnapshot(golden("replacement"));
    expect(isFine(result)).toBe(false);
  });

  it("names a policy that is broken", async () => {
    const { result, comment } = await preview(
      changed(["dmarcPolicy: quarantine", "dmarcPolicy: none"]),
    );
    await expect(comment).toMatchFileSnapshot(golden("policy-broken"));
    expect(isFine(result)).toBe(false);
  });

  it("gives the program's own words for a bad configuration, and pings nobody", async () => {
    const { result, comment } = await preview(
      changed(["name: mail.example.com", 'name: "```@everyone <!-- -->"']),
    );
    await expect(comment).toMatchFileSnapshot(golden("bad-configuration"));
    expect(isFine(result)).toBe(false);
  });

  it("refuses a domain whose mail flows elsewhere today", async () => {
    const text = changed([
      "  mail-host:dnssec",
      `    - name: second.example\n      zoneId: ${secondZone}\n  mail-host:dnssec`,
    ]);
    const foreign = {
      zoneId: secondZone,
      type: "MX",
      name: "second.example",
      content: "mx.elsewhere.example",
      priority: 5,
    } as const;
    const { result, comment } = await preview(text, { foreign: [foreign] });
    await expect(comment).toMatchFileSnapshot(golden("foreign-mx"));
    expect(isFine(result)).toBe(false);
  });

  it("shows two changes at once", async () => {
    const { result, comment } = await preview(changed(reject, newcomer));
    await expect(comment).toMatchFileSnapshot(golden("two-at-once"));
    expect(isFine(result)).toBe(true);
  });
});

describe("an engine with an official plugin for commands", () => {
  it("gets the stand-in beside its other plugins, since only that asks a recorded host", async () => {
    const engine = await ensureEngine(() => {});
    const { environment } = await withStandInCommands({ ...engine, standIns: [] });
    const plugins = (home: string | undefined) =>
      readdirSync(join(home ?? "", "plugins"), { withFileTypes: true })
        .flatMap((one) => (one.isDirectory() ? [one.name] : []))
        .sort();
    expect(environment.PULUMI_HOME).not.toBe(engine.environment.PULUMI_HOME);
    expect(plugins(environment.PULUMI_HOME)).toEqual(plugins(engine.environment.PULUMI_HOME));
    const [place = ""] = plugins(environment.PULUMI_HOME).filter((name) => /-command-/.test(name));
    const folder = join(environment.PULUMI_HOME ?? "", "plugins", place);
    expect(readdirSync(folder)).toContain("pulumi-resource-command.cjs");
  });
});

describe("npm run preview", () => {
  const leftovers = () =>
    readdirSync(tmpdir()).filter((name) => name.startsWith("mail-host-preview-"));
  const git = (repository: string, ...args: string[]) =>
    run(["git", "-c", "user.name=test", "-c", "user.email=test@example.com", ...args], {
      cwd: repository,
    });

  async function repository(name: string): Promise<string> {
    const place = join(folder, name);
    mkdirSync(place);
    const listed = await run([
      "git",
      "ls-files",
      "-z",
      "--cached",
      "--others",
      "--exclude-standard",
    ]);
    const wanted =
      /^(index\.ts|config|components|cloud-init|lab|scripts|policy|package|tsconfig|Pulumi\.yaml)/;
    for (const file of listed.split("\0").filter((one) => wanted.test(one))) {
      cpSync(file, join(place, file));
    }
    writeFileSync(join(place, `Pulumi.${stack}.yaml`), original);
    writeFileSync(join(place, ".gitignore"), "node_modules\n");
    symlinkSync(resolve("node_modules"), join(place, "node_modules"));
    await git(place, "init", "--quiet", "--initial-branch=main");
    await git(place, "add", "--all");
    await git(place, "commit", "--quiet", "--message=Base");
    return place;
  }

  const start = (place: string, ...args: string[]) => {
    const command = ["--import", "tsx", "scripts/preview.ts", "--stack", stack, ...args];
    const child = spawn(process.execPath, command, {
      cwd: place,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      said.out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      said.err += chunk.toString();
    });
    const ended = new Promise<number | null>((done) => child.once("close", done));
    return { child, said, ended };
  };

  it("takes a replacement that a commit announces, and leaves nothing behind", async () => {
    const before = leftovers();
    const place = await repository("announced");
    await git(place, "switch", "--quiet", "--create", "change");
    writeFileSync(join(place, `Pulumi.${stack}.yaml`), changed(["generation: 1", "generation: 2"]));
    appendFileSync(
      join(place, "cloud-init/files/etc/postfix/main.cf"),
      "\nsmtpd_banner = $myhostname\n",
    );
    await git(place, "commit", "--quiet", "--all", "--message=New machine\n\nReplaces: server");
    const { said, ended } = start(place, "--json");
    expect(await ended, `${said.err}${said.out}`).toBe(0);
    expect(JSON.parse(said.out).replaced).toEqual([{ kind: "server", announced: true }]);
    expect(await git(place, "status", "--porcelain")).toBe("");
    expect(await git(place, "worktree", "list")).not.toContain("\n/");
    expect(leftovers()).toEqual(before);
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const before = leftovers();
    const place = await repository("interrupted");
    const { child, said, ended } = start(place);
    await new Promise<void>((ready) => {
      child.stderr.on("data", () => {
        if (said.err.includes("bringing the base up")) ready();
      });
    });
    const during = leftovers();
    child.kill("SIGTERM");
    expect(await ended, said.err).toBe(130);
    expect(during).toHaveLength(before.length + 1);
    expect(leftovers()).toEqual(before);
    expect(await git(place, "status", "--porcelain")).toBe("");
  });
});
