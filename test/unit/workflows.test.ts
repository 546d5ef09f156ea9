// Our own rules for workflows, held against each of them: what may run where, with which rights, and that what a
// workflow does is a script of this repository. Does not prove that GitHub understands them; the linters' test does.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const root = join(__dirname, "../..");
const folder = join(root, ".github/workflows");
const files = readdirSync(folder).sort();

const Step = z.strictObject({
  name: z.string().optional(),
  if: z.string().optional(),
  uses: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  run: z.string().optional(),
});
const Concurrency = z.strictObject({
  group: z.string(),
  "cancel-in-progress": z.boolean().optional(),
  queue: z.literal("max").optional(),
});
const Job = z.strictObject({
  needs: z.string().optional(),
  if: z.string().optional(),
  "runs-on": z.literal("ubuntu-24.04"),
  "timeout-minutes": z.int().max(350),
  environment: z.string().optional(),
  permissions: z.record(z.string(), z.enum(["read", "write"])),
  concurrency: Concurrency.optional(),
  env: z.record(z.string(), z.string()).optional(),
  steps: z.array(Step).min(1),
});
const Workflow = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.strictObject({}),
  concurrency: Concurrency.optional(),
  jobs: z.record(z.string(), Job),
});

const workflows = files.map((file) => {
  const text = readFileSync(join(folder, file), "utf8");
  return { file, text, workflow: Workflow.parse(parse(text)) };
});
const jobs = workflows.flatMap(({ file, workflow }) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ id: `${file} ${name}`, workflow, job })),
);
const steps = jobs.flatMap(({ id, job }) => job.steps.map((step) => ({ id, step })));
const secrets = /\bsecrets\b/;

/** Digests that two public sources name for these versions. A new one is looked up, never guessed. */
const actions = [
  "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1",
  "actions/setup-node@2028fbc5c25fe9cf00d9f06a71cc4710d4507903 # v6.0.0",
  "actions/upload-artifact@330a01c490aca151604b8cf639adc76d48f6c5d4 # v5.0.0",
];

describe("the workflows", () => {
  it("are these", () => {
    expect(files).toEqual([
      "check.yml",
      "comment.yml",
      "deploy.yml",
      "drift.yml",
      "official.yml",
      "preview-stack.yml",
      "preview.yml",
      "sweep.yml",
      "test-stack.yml",
    ]);
  });

  it("use nothing but these actions, each by its digest with the version beside it", () => {
    const used = workflows.flatMap(({ text }) =>
      [...text.matchAll(/^ +-? *uses: (.*)$/gm)].map(([, action]) => action),
    );
    expect([...new Set(used)].sort()).toEqual(actions);
  });

  it("leave no credentials in the checkout", () => {
    const checkouts = steps.filter(({ step }) => step.uses?.startsWith("actions/checkout@"));
    expect(checkouts.length).toBeGreaterThanOrEqual(files.length);
    for (const { id, step } of checkouts)
      expect(step.with?.["persist-credentials"], id).toBe(false);
  });

  it("give their jobs these rights and no others", () => {
    const beyondReading = jobs.flatMap(({ id, job }) =>
      Object.entries(job.permissions)
        .filter(([name, value]) => `${name}: ${value}` !== "contents: read")
        .map(([name, value]) => `${id} ${name}: ${value}`),
    );
    expect(beyondReading).toEqual([
      "comment.yml comment actions: read",
      "comment.yml comment pull-requests: write",
      "drift.yml drift issues: write",
    ]);
  });

  it("run what is a script of the repository, in one line, without anything that GitHub fills in", () => {
    const commands = steps.flatMap(({ id, step: { run } }) =>
      run === undefined ? [] : [{ id, run }],
    );
    const allowed =
      /^(?:npm ci|npm run [a-z-]+(?: .*)?|bash scripts\/ci\/[a-z-]+\.sh(?: .*)?|npx tsx scripts\/ci\/[a-z-]+\.ts(?: .*)?|echo approved)$/;
    for (const { id, run } of commands) {
      expect(run, id).toMatch(allowed);
      expect(run, id).not.toContain("${{");
    }
    const scripts = commands.flatMap(({ run }) => /scripts\/ci\/\S+/.exec(run)?.[0] ?? []);
    expect(scripts.length).toBeGreaterThan(10);
    for (const script of scripts) expect(existsSync(join(root, script)), script).toBe(true);
    const { scripts: known } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
    for (const name of commands.flatMap(({ run }) => /^npm run (\S+)/.exec(run)?.[1] ?? []))
      expect(Object.keys(known)).toContain(name);
  });

  it("never start a pull request's code with the base branch's rights", () => {
    expect(workflows.filter(({ workflow }) => "pull_request_target" in workflow.on)).toEqual([]);
    const after = workflows.filter(({ workflow }) => "workflow_run" in workflow.on);
    expect(after.map(({ file }) => file)).toEqual(["comment.yml"]);
    for (const { text } of after) {
      expect(text).not.toMatch(/^ +ref:/m);
      expect(text).not.toContain("download-artifact");
    }
  });

  it("have concurrency on every job, by itself or by its workflow", () => {
    for (const { id, workflow, job } of jobs)
      expect(job.concurrency ?? workflow.concurrency, id).toBeDefined();
  });
});

describe("a job that a fork may start", () => {
  const forks = jobs.filter(
    ({ workflow, job }) =>
      "pull_request" in workflow.on &&
      !job.if?.includes("github.event.pull_request.head.repo.full_name == github.repository"),
  );

  it("is one of these", () => {
    expect(forks.map(({ id }) => id)).toEqual([
      "check.yml check",
      "check.yml suite",
      "preview.yml preview",
    ]);
  });

  it("has no secret, no environment and no right but to read", () => {
    for (const { id, job, workflow } of forks) {
      expect(JSON.stringify(job), id).not.toMatch(secrets);
      expect(job.environment, id).toBeUndefined();
      expect(job.permissions, id).toEqual({ contents: "read" });
      expect(Object.keys(workflow.on).sort(), id).not.toContain("workflow_run");
    }
  });
});

describe("a job with secrets", () => {
  const trusted = jobs.filter(({ job }) => secrets.test(JSON.stringify(job)));

  it("takes them from an environment, and is one of these", () => {
    expect(trusted.map(({ id, job }) => `${id}: ${job.environment}`)).toEqual([
      "deploy.yml preview: preview",
      "deploy.yml deploy: deploy",
      "drift.yml drift: preview",
      "preview-stack.yml preview: preview",
      "sweep.yml test-stacks: test",
      "sweep.yml ssh: deploy",
      "test-stack.yml test-stack: test",
    ]);
  });

  it("rests in a repository that has not been set up for it", () => {
    for (const { id, job } of trusted.filter(({ id: name }) => name !== "deploy.yml deploy"))
      expect(job.if, id).toMatch(/^vars\.(STACK|TEST_ZONE) != '' && /);
  });

  it("gives them to the commands that need them, and to no step that only gets something", () => {
    for (const { id, job } of trusted) {
      expect(JSON.stringify(job.env ?? {}), id).not.toMatch(secrets);
      for (const { run, uses, env } of job.steps)
        if (uses !== undefined || run === "npm ci" || run?.includes("install-pulumi"))
          expect(JSON.stringify(env ?? {}), id).not.toMatch(secrets);
    }
  });

  it("has the only key of the stack: its group is held by whatever looks at the stack, and nobody is dropped", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's own template
    const group = { group: "stack-${{ vars.STACK }}", queue: "max" };
    const onStack = jobs.filter(({ job }) =>
      job.steps.some(({ env }) =>
        env?.PULUMI_CONFIG_PASSPHRASE?.includes("secrets.PULUMI_CONFIG_PASSPHRASE"),
      ),
    );
    expect(onStack.map(({ id }) => id)).toEqual([
      "deploy.yml preview",
      "deploy.yml deploy",
      "drift.yml drift",
      "preview-stack.yml preview",
    ]);
    for (const { id, job } of onStack) expect(job.concurrency, id).toEqual(group);
  });

  it("deploys after an approval that holds no key, has no secret, and cannot be passed by", () => {
    const deploy = workflows.find(({ file }) => file === "deploy.yml")?.workflow.jobs;
    expect(deploy?.deploy?.needs).toBe("approve");
    expect(deploy?.approve?.needs).toBe("preview");
    expect(deploy?.approve?.environment).toBe("production");
    expect(deploy?.approve?.permissions).toEqual({});
    expect(deploy?.approve?.concurrency?.group).not.toContain("stack");
    expect(deploy?.preview?.if).toContain("github.ref == 'refs/heads/main'");
  });

  it("ends a test stack and a way to SSH whatever has happened before", () => {
    const last = (file: string, job: string) =>
      workflows.find((one) => one.file === file)?.workflow.jobs[job]?.steps.at(-1);
    expect(last("deploy.yml", "deploy")).toMatchObject({
      if: "always()",
      run: 'npx tsx scripts/ci/with-ssh.ts --stack "$STACK" --close',
    });
    expect(last("test-stack.yml", "test-stack")).toMatchObject({
      if: "always()",
      run: expect.stringMatching(/^npm run test-stack -- down /),
    });
  });
});

describe("the guide for GitLab", () => {
  const [, text = ""] =
    /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs/ci.md"), "utf8")) ?? [];
  const Example = z.record(
    z.string(),
    z.union([
      z.array(z.string()),
      z.looseObject({ stage: z.string().optional(), script: z.array(z.string()).optional() }),
    ]),
  );

  it("is YAML, whose jobs are in its stages and run scripts that are there", () => {
    const { stages, ...rest } = Example.parse(parse(text));
    const listed = Object.values(rest).flatMap((job) => (Array.isArray(job) ? [] : [job]));
    const commands = listed.flatMap(({ script = [] }) => script);
    expect(new Set(listed.flatMap(({ stage }) => stage ?? []))).toEqual(
      new Set(Array.isArray(stages) ? stages : []),
    );
    expect(commands.length).toBeGreaterThan(5);
    for (const path of commands.flatMap((one) => /scripts\/ci\/\S+/.exec(one)?.[0] ?? []))
      expect(existsSync(join(root, path)), path).toBe(true);
  });
});
