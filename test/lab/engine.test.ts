// The engine as the lab runs it: the real CLI against servers on loopback. Does not prove that the
// official plugins behave the same, only that the stand-ins do what is known of them.

import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as random from "@pulumi/random";
import { describe, expect, it } from "vitest";
import { ensureEngine } from "../../lab/engine/install";
import { backend, folder, installed, stackOf } from "./engine-support";

describe("the engine", () => {
  it("is found at once when it was made before", async () => {
    const lines: string[] = [];
    const started = Date.now();
    await ensureEngine((line) => lines.push(line));
    expect(Date.now() - started).toBeLessThan(1000);
    expect(lines).toEqual([expect.stringMatching(/^engine: (official|built)/)]);
  });

  it("runs a TypeScript program through the language host without a warning", () => {
    const project = join(folder, "program");
    mkdirSync(join(project, "state"), { recursive: true });
    symlinkSync(resolve("node_modules"), join(project, "node_modules"));
    writeFileSync(join(project, "package.json"), '{ "name": "program", "main": "index.ts" }');
    writeFileSync(join(project, "Pulumi.yaml"), "name: program\nruntime: nodejs\n");
    writeFileSync(
      join(project, "tsconfig.json"),
      '{ "compilerOptions": { "target": "es2022", "module": "nodenext" }, "ts-node": { "transpileOnly": true } }',
    );
    writeFileSync(
      join(project, "index.ts"),
      [
        'import * as pulumi from "@pulumi/pulumi";',
        "const config = new pulumi.Config();",
        'const stash = new pulumi.Stash("stash", { input: config.requireSecret("word") });',
        "export const word: pulumi.Output<string> = stash.output;",
        "",
      ].join("\n"),
    );
    const run = (...args: string[]) =>
      execFileSync(installed().engine.pulumi, [...args, "--non-interactive"], {
        cwd: project,
        encoding: "utf8",
        env: { ...process.env, ...installed().engine.environment, ...backend(project) },
        stdio: ["ignore", "pipe", "pipe"],
      });
    run("stack", "init", "dev");
    run("config", "set", "--secret", "word", "hush");
    const shown = run("up", "--yes", "--skip-preview");
    expect(shown).toContain("+ 2 created");
    expect(shown).not.toContain("warning");
    expect(shown).not.toContain("hush");
    expect(run("stack", "output", "word", "--show-secrets").trim()).toBe("hush");
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
