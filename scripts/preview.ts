// `npm run preview`: what the working tree would change on a stack, as one comment, without any secret. The
// base is brought up on emulated clouds, then the working tree is previewed on that. Nothing here changes.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { explained, runCommand, UsageError } from "./command-line";
import { commentOf } from "./preview/comment";
import { compare } from "./preview/compare";
import { type PublicConfiguration, publicConfiguration, zonesOf } from "./preview/configuration";
import { publicRecords } from "./preview/existing";
import { baseOf, layOut } from "./preview/repository";
import { announcedKinds, isFine, type PreviewResult } from "./preview/result";
import { rules } from "./preview/rules";
import { openStage } from "./preview/stage";

const usage = `usage: npm run preview -- [--base <ref>] [--stack <stack>] [--json] [--output <file>]
       Compares the working tree with the commit where it left --base (origin/main, or main).
       Ends with 0, or with 1 for what must not be merged.`;

const options = {
  base: { type: "string" },
  stack: { type: "string", short: "s", default: "dev" },
  json: { type: "boolean", default: false },
  output: { type: "string" },
} as const;

const report = (line: string): void => void process.stderr.write(`${line}\n`);

const project = resolve(__dirname, "..");

const readIn =
  (folder: string) =>
  (path: string): string | undefined => {
    try {
      return readFileSync(resolve(folder, path), "utf8");
    } catch {
      return undefined;
    }
  };

/** Undefined where there is none. Throws with the file's name where it cannot be read. */
function configurationIn(folder: string, file: string): PublicConfiguration | undefined {
  const read = readIn(folder);
  const text = read(file);
  try {
    return text === undefined ? undefined : publicConfiguration(text, read);
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({ options });
  // The last part of an organisation's stack names its file.
  const stack = values.stack.split("/").at(-1) ?? values.stack;
  if (!/^[A-Za-z0-9._-]+$/.test(stack)) throw new UsageError(`"${values.stack}" is not a stack`);
  const file = `Pulumi.${stack}.yaml`;
  if (readIn(project)(file) === undefined) throw new UsageError(`there is no ${file}`);
  const refs = values.base === undefined ? ["origin/main", "main"] : [values.base];
  const base = await baseOf(project, refs);
  report(`preview: ${stack}, against ${base.commit.slice(0, 12)}`);

  const print = (result: PreviewResult): number => {
    const text = values.json ? `${JSON.stringify(result, undefined, 2)}\n` : commentOf(result);
    if (values.output === undefined) process.stdout.write(text);
    else writeFileSync(values.output, text);
    return isFine(result) ? 0 : 1;
  };
  const refusal = (of: "base" | "change", error: unknown): PreviewResult => ({
    ...{ stack, base: base.commit.slice(0, 12), rules: rules.count, files: {} },
    ...{ resources: [], records: [], broken: [], replaced: [] },
    refusal: { of, words: error instanceof Error ? error.message : String(error) },
  });

  const stage = await openStage({ report, signal });
  try {
    const program = join(stage.folder, "base");
    await layOut(project, base.commit, program, report);
    let before: PublicConfiguration | undefined;
    let after: PublicConfiguration | undefined;
    try {
      after = configurationIn(project, file);
    } catch (error) {
      return print(refusal("change", error));
    }
    try {
      before = configurationIn(program, file);
    } catch (error) {
      return print(refusal("base", error));
    }
    await stage.listen(zonesOf([...(before?.names ?? []), ...(after?.names ?? [])]));
    report("preview: bringing the base up on emulated clouds");
    const raised = await stage.bringUp({
      program,
      stack,
      ...(before === undefined ? {} : { configuration: before.text }),
    });
    const known = new Set(before?.domains.map(({ name }) => name));
    const added = after?.domains.filter(({ name }) => !known.has(name)) ?? [];
    if (added.length > 0) report("preview: asking public DNS about the domains that are new");
    const foreign = await publicRecords(added);
    report("preview: previewing the change");
    const result = await compare({
      ...{ stage, stack, raised, program: project, foreign, rules },
      base: base.commit.slice(0, 12),
      configuration: after?.text ?? "",
      announced: announcedKinds(base.trailers),
    });
    return print(result);
  } finally {
    await stage.close();
  }
}

const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => interrupt.abort());
}

runCommand(async () => {
  try {
    return await main(interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.stderr.write(`${explained(error)}\n`);
    return 130;
  }
}, usage);
