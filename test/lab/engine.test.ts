// The engine as the lab runs it: the real CLI against servers on loopback. Does not prove that the
// official plugins behave the same, only that the stand-ins do what is known of them.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as random from "@pulumi/random";
import { describe, expect, it } from "vitest";
import { ensureEngine } from "../../lab/engine/install";
import { until } from "../../lab/host/run";
import { backend, folder, installed, stackOf } from "./engine-support";

/** A stack of a TypeScript program of these lines, in a folder of its own. */
function programOf(name: string, ...lines: string[]) {
  const project = join(folder, name);
  mkdirSync(join(project, "state"), { recursive: true });
  symlinkSync(resolve("node_modules"), join(project, "node_modules"));
  writeFileSync(join(project, "package.json"), `{ "name": "${name}", "main": "index.ts" }`);
  writeFileSync(join(project, "Pulumi.yaml"), `name: ${name}\nruntime: nodejs\n`);
  writeFileSync(
    join(project, "tsconfig.json"),
    '{ "compilerOptions": { "target": "es2022", "module": "nodenext" }, "ts-node": { "transpileOnly": true } }',
  );
  writeFileSync(join(project, "index.ts"), lines.map((line) => `${line}\n`).join(""));
  const environment = {
    ...process.env,
    ...installed().engine.environment,
    ...backend(project),
    PULUMI_STACK: "dev",
  };
  const run = (...args: string[]) =>
    execFileSync(installed().engine.pulumi, [...args, "--non-interactive"], {
      cwd: project,
      encoding: "utf8",
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
  run("stack", "init", "dev");
  return { project, environment, run };
}

/** Command lines of what an engine that keeps its state in this folder has started. */
function processesOf(place: string): string[] {
  const own = Object.entries(backend(place))[0]?.join("=") ?? "";
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return environment.includes(own) ? [command] : [];
    } catch {
      return [];
    }
  });
}

describe("the engine", () => {
  it("is found at once when it was made before", async () => {
    const lines: string[] = [];
    const started = Date.now();
    await ensureEngine((line) => lines.push(line));
    expect(Date.now() - started).toBeLessThan(1000);
    expect(lines).toEqual([expect.stringMatching(/^engine: (official|built)/)]);
  });

  it("runs a TypeScript program through the language host without a warning", () => {
    const { project, run } = programOf(
      "program",
      'import * as pulumi from "@pulumi/pulumi";',
      "const config = new pulumi.Config();",
      'const stash = new pulumi.Stash("stash", { input: config.requireSecret("word") });',
      "export const word: pulumi.Output<string> = stash.output;",
    );
    run("config", "set", "--secret", "word", "hush");
    const shown = run("up", "--yes", "--skip-preview");
    expect(shown).toContain("+ 2 created");
    expect(shown).not.toContain("warning");
    expect(shown).not.toContain("hush");
    expect(run("stack", "output", "word", "--show-secrets").trim()).toBe("hush");
    expect(processesOf(project)).toEqual([]);
  });

  it("that is killed leaves neither its program nor a stand-in behind, nor what these run", async () => {
    const { project, environment } = programOf(
      "endless",
      'import { local } from "@pulumi/command";',
      'new local.Command("sleep", { create: "sleep 600" });',
      "setInterval(() => {}, 1000);",
    );
    const engine = spawn(installed().engine.pulumi, ["up", "--yes", "--skip-preview"], {
      cwd: project,
      env: environment,
      stdio: "ignore",
    });
    const has = (word: string) => processesOf(project).some((command) => command.includes(word));
    await until("all of them", 60, () => (has("cmd/run") && has("sleep 600")) || undefined);
    engine.kill("SIGKILL");
    await until("nobody", 20, () => processesOf(project).length === 0 || undefined).catch(
      () => undefined,
    );
    expect(processesOf(project)).toEqual([]);
  });

  it("keeps a random password, and keeps it secret", async () => {
    const stack = await stackOf(async () => {
      const password = new random.RandomPassword("password", { length: 24 });
      return { password: password.result };
    });
    const first = await stack.up();
    const second = await stack.up();
    expect(first.outputs.password?.secret).toBe(true);
    expect(first.outputs.password?.value).toHaveLength(24);
    expect(second.outputs.password?.value).toBe(first.outputs.password?.value);
    expect(second.summary.resourceChanges).toEqual({ same: 2 });
  });
});
