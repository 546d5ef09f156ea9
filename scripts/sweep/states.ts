// What the backend remembers of stacks, and how it is made to forget one. A state that the backend does
// not show to this caller stays with its owner.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { markOf } from "../../components/mail-records";
import { lockIn, pulumiOn } from "../pulumi";
import { exported } from "../recovery/placement";
import { lastDay } from "./stale";

/** A stack that the backend knows. */
export interface StackInBackend {
  readonly stack: string;
  /** Its last day, as its state or else its configuration says. */
  readonly expires: string | undefined;
  /** How many resources its state holds in either cloud. */
  readonly resources: number;
}

const Listed = z.array(z.object({ name: z.string() }));
const Labels = z.object({ project: z.literal("mail-host"), expires: z.string().optional() });
const Configuration = z.object({
  config: z.object({ "mail-host:expires": z.string() }),
});

export const configurationFile = (stack: string) => `Pulumi.${stack.split("/").at(-1)}.yaml`;

/** The names of this project's stacks; throws with what `pulumi` said when it shows none. */
export async function stackNames(): Promise<string[]> {
  const { status, stdout, stderr } = await pulumiOn(undefined)("stack", "ls", "--json");
  if (status !== 0) throw new Error(`pulumi stack ls failed: ${stderr.trim()}`);
  return Listed.parse(JSON.parse(stdout)).map(({ name }) => name);
}

/** One stack and its last day. */
export async function stackInBackend(stack: string): Promise<StackInBackend> {
  const { status, stdout } = await pulumiOn(stack)("stack", "export");
  const marks = status === 0 ? marksIn(stdout) : [];
  return {
    stack,
    expires: marks.length > 0 ? lastDay(marks) : dayInConfiguration(stack),
    resources: status === 0 ? inClouds(stdout) : 0,
  };
}

const inClouds = (exportJson: string): number =>
  exported(exportJson).resources.filter(({ type }) => /^(hcloud|cloudflare):/.test(type)).length;

/** The marks of the resources in a state. */
export function marksIn(exportJson: string): { expires?: string }[] {
  return exported(exportJson).resources.flatMap(({ inputs }) => {
    const labels = Labels.safeParse(inputs.labels);
    const expires = labels.success ? labels.data.expires : undefined;
    if (labels.success) return [expires === undefined ? {} : { expires }];
    const mark = typeof inputs.comment === "string" ? markOf(inputs.comment) : undefined;
    return mark === undefined ? [] : [mark];
  });
}

function dayInConfiguration(stack: string): string | undefined {
  const file = configurationFile(stack);
  if (!existsSync(file)) return undefined;
  const read = Configuration.safeParse(parse(readFileSync(file, "utf8")));
  return read.success ? read.data.config["mail-host:expires"] : undefined;
}

/** Makes the backend forget a stack and removes its configuration file; a stack that is not there is fine. */
export async function forget(stack: string): Promise<void> {
  const pulumi = pulumiOn(stack);
  const remove = ["stack", "rm", "--yes", "--force"];
  let { status, stderr } = await pulumi(...remove);
  const lock = status === 0 ? undefined : lockIn(stderr, `pulumi stack rm --force ${stack}`);
  if (lock?.obstacle !== undefined) throw new Error(lock.obstacle);
  if (lock !== undefined) {
    await pulumi("cancel", "--yes");
    ({ status, stderr } = await pulumi(...remove));
  }
  if (status !== 0 && !/no stack named/.test(stderr))
    throw new Error(`pulumi stack rm failed: ${stderr.trim()}`);
  rmSync(configurationFile(stack), { force: true });
}
