// The workflows before two linters: actionlint knows GitHub's syntax, contexts and the actions' inputs, zizmor what
// can be abused. Does not prove that a run succeeds at GitHub.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { actionlint, zizmor } from "../support/install-tools";

const folder = join(__dirname, "../../.github/workflows");
const place = mkdtempSync(join(tmpdir(), "workflows-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** A copy of the workflows, with one of them changed. */
function changed(name: string, from: string, to: string): string {
  const copy = join(mkdtempSync(join(place, "copy-")), ".github/workflows");
  mkdirSync(copy, { recursive: true });
  cpSync(folder, copy, { recursive: true });
  const text = readFileSync(join(copy, name), "utf8");
  expect(text).toContain(from);
  writeFileSync(join(copy, name), text.replace(from, to));
  return copy;
}

function lint(program: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return { status, said: `${stdout}${stderr}` };
}

describe("actionlint", () => {
  let program: string;
  beforeAll(async () => {
    program = await actionlint();
  });
  const judge = (workflows: string) =>
    lint(program, [
      "-no-color",
      // Newer than the linter: GitHub has had it since May 2026.
      ...["-ignore", 'unexpected key "queue" for "concurrency" section'],
      ...execFileSync("find", [workflows, "-name", "*.yml"], { encoding: "utf8" })
        .trim()
        .split("\n"),
    ]);

  it("has no complaint about the workflows", () => {
    expect(judge(folder)).toEqual({ status: 0, said: "" });
  });

  it.each([
    ["a job that is not there", "deploy.yml", "needs: approve", "needs: approval", "approval"],
    [
      "an unknown right",
      "comment.yml",
      "actions: read",
      "action: read",
      'unknown permission scope "action"',
    ],
    ["an unknown context", "drift.yml", "vars.STACK", "var.STACK", 'undefined variable "var"'],
    [
      "a stranger's text in a command",
      "preview.yml",
      'run: npm run preview -- --stack "$STACK" --base "$BASE"',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's own template
      "run: npm run preview -- --base ${{ github.event.pull_request.head.ref }}",
      "is potentially untrusted",
    ],
  ])("complains about %s", (_, name, from, to, why) => {
    const { status, said } = judge(changed(name, from, to));
    expect(status).toBe(1);
    expect(said).toContain(why);
  });
});

describe("zizmor", () => {
  let program: string;
  beforeAll(async () => {
    program = await zizmor();
  });
  const judge = (workflows: string) =>
    lint(program, ["--offline", "--no-progress", "--color=never", workflows]);

  it("has no complaint about the workflows", () => {
    const { status, said } = judge(folder);
    expect(status, said).toBe(0);
    expect(said).toContain("No findings to report");
  });

  it.each([
    [
      "credentials that stay in the checkout",
      "deploy.yml",
      "          persist-credentials: false\n",
      "          fetch-depth: 1\n",
      "artipacked",
    ],
    [
      "an action by its tag",
      "check.yml",
      "@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1",
      "@v6",
      "unpinned-uses",
    ],
    [
      "a stranger's code with the base branch's rights",
      "preview.yml",
      "  pull_request:",
      "  pull_request_target:",
      "dangerous-triggers",
    ],
  ])("complains about %s", (_, name, from, to, why) => {
    const { status, said } = judge(changed(name, from, to));
    expect(status).not.toBe(0);
    expect(said).toContain(why);
  });
});
