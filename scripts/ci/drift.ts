// Looks whether a stack is still as its program wants it, and whether its credentials still work: asks both
// clouds and changes nothing. Exit status 0 nothing, 2 drift, 1 the question could not be answered. With
// GH_TOKEN it keeps one open issue for each stack that has drifted.

import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import { pulumiOn } from "../pulumi";
import { complaints } from "../recovery/placement";
import { driftOf, driftText } from "./drift-report";
import { askGitHub, type GitHub, githubFrom, listAtGitHub } from "./github";

const Issues = z.array(z.object({ number: z.int(), body: z.string().nullish() }));

const markerOf = (stack: string) => `<!-- mail-host drift ${stack} -->`;

/** Opens the stack's issue, edits it in place, or closes it. */
export async function keepIssue(
  github: GitHub,
  {
    stack,
    text,
    isOpen,
  }: { readonly stack: string; readonly text: string; readonly isOpen: boolean },
): Promise<string> {
  const creator = encodeURIComponent("github-actions[bot]");
  const open = await listAtGitHub(github, Issues, `issues?state=open&creator=${creator}`);
  const standing = open.find(({ body }) => body?.startsWith(markerOf(stack)));
  const body = `${markerOf(stack)}\n${text}`;
  if (standing !== undefined) {
    const path = `issues/${standing.number}`;
    await askGitHub(github, z.unknown(), "PATCH", path, {
      body,
      ...(isOpen ? {} : { state: "closed" }),
    });
    return `${isOpen ? "edited" : "closed"} issue ${standing.number}`;
  }
  if (!isOpen) return "no issue is open";
  const title = `Stack ${stack} has drifted`;
  await askGitHub(github, z.unknown(), "POST", "issues", { title, body });
  return "opened an issue";
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { stack: { type: "string", default: "dev" } } });
  const { stack } = values;
  const { status, stdout, stderr } = await pulumiOn(stack)("preview", "--refresh", "--json");
  if (status !== 0) {
    const said = stdout.startsWith("{") ? complaints(stdout) : stdout;
    throw new Error(`pulumi preview --refresh failed:\n${said}\n${stderr}`.trim());
  }
  const drift = driftOf(stdout);
  const text = driftText(stack, drift);
  process.stdout.write(text);
  if (process.env.GITHUB_STEP_SUMMARY) appendFileSync(process.env.GITHUB_STEP_SUMMARY, text);
  if (process.env.GH_TOKEN) {
    const isOpen = drift.length > 0;
    console.error(await keepIssue(githubFrom(process.env), { stack, text, isOpen }));
  }
  return drift.length > 0 ? 2 : 0;
}

if (require.main === module) {
  main().then(
    (status) => {
      process.exitCode = status;
    },
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    },
  );
}
