// One preview from end to end, on a stage that is open: the base's state, the change's program, and what
// differs between them.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { recordedDigests, recordedTexts } from "./answers";
import { costOf } from "./cost";
import { directoryChange } from "./directory";
import { diffOf, filesOfBirth, filesOfLines, type HostFiles } from "./host-files";
import {
  type Change,
  changedInputs,
  changesOf,
  nameOf,
  type Properties,
  plannedStates,
  readExport,
  readPreview,
  type State,
} from "./plan";
import { compareText, recordChanges } from "./records";
import { type Broken, type FileChanges, type PreviewResult, replacedKinds } from "./result";
import type { Finished, Raised, Stage } from "./stage";

/** The rules that a preview must not break. */
export interface Rules {
  readonly count: number;
  /** Judges the engine's JSON. */
  broken(preview: unknown): readonly Broken[];
}

/** A record that is there already and that nobody here has made. */
export interface ForeignRecord {
  readonly zoneId: string;
  readonly type: "MX" | "TXT";
  readonly name: string;
  readonly content: string;
  readonly priority?: number;
}

export interface Comparison {
  readonly stage: Stage;
  readonly stack: string;
  /** What the base is called in the result. */
  readonly base: string;
  readonly raised: Raised;
  /** Where the change's program is. */
  readonly program: string;
  /** Its configuration, without ciphertext. */
  readonly configuration: string;
  readonly foreign?: readonly ForeignRecord[];
  /** Kinds that commits announce as replaced. */
  readonly announced: ReadonlySet<string>;
  readonly rules: Rules;
}

const nothing = { resources: [], records: [], files: {}, broken: [], replaced: [] };

/** What the change does to the base. */
export async function compare(comparison: Comparison): Promise<PreviewResult> {
  const { stage, stack, base, raised, rules } = comparison;
  const about = { stack, base, rules: rules.count };
  if (raised.refused !== undefined) {
    const words = wordsOf(raised.refused).replaceAll(stage.folder, "");
    return { ...about, ...nothing, refusal: { of: "base", words } };
  }
  const standing = readExport(raised.exported);
  const folder = join(stage.folder, `comparison-${comparisons++}`);
  mkdirSync(folder);
  const made = await addRecords(stage, comparison.foreign ?? []);
  const { program, configuration } = comparison;
  const done = await stage
    .preview({ program, stack, configuration, state: raised.state })
    .finally(() => removeRecords(stage, made));
  const hide = hiding(standing, made);
  if (done.status !== 0) {
    return { ...about, ...nothing, refusal: { of: "change", words: hide(wordsOf(done)) } };
  }
  const preview = readPreview(done.stdout);
  const changes = changesOf(preview);
  const inputs = changedInputs(done.plan);
  const after = plannedStates(preview);
  const stdin = sidesOf(standing, inputs, isDirectory, "stdin");
  const directory = stdin && directoryChange(stdin.before, stdin.after);
  return {
    ...about,
    resources: changes
      .map(({ kind, type, name, properties }) => ({
        kind,
        type: type.split(":").at(-1) ?? type,
        name,
        properties,
      }))
      // The engine's own order depends on what answers first.
      .sort((a, b) => compareText(a.type, b.type) || compareText(a.name, b.name)),
    records: recordChanges(changes).map((record) => ({
      ...record,
      name: hide(record.name),
      ...(record.before === undefined ? {} : { before: hide(record.before) }),
      ...(record.after === undefined ? {} : { after: hide(record.after) }),
    })),
    files: await fileChanges(standing, inputs, { changes, folder, hide }),
    ...(directory === undefined ? {} : { directory }),
    broken: rules.broken(JSON.parse(done.stdout)).map((one) => ({
      rule: one.rule,
      message: hide(one.message),
      ...(one.resource === undefined ? {} : { resource: nameOf(one.resource) }),
    })),
    cost: costOf(standing, after),
    replaced: replacedKinds(changes, comparison.announced),
  };
}

let comparisons = 0;

const isDirectory = ({ urn }: { readonly urn: string }) =>
  urn.endsWith("$command:remote:Command::mail-directory");
const isBirth = ({ urn }: { readonly urn: string }) =>
  urn.endsWith("$pulumi:index:Stash::mail-host-birth");
const isCommands = ({ urn }: { readonly urn: string }) =>
  urn.endsWith("$command:remote:Command::mail-host-commands");

/** One secret input before and after; undefined where it stays as it is. */
function sidesOf(
  standing: readonly State[],
  inputs: ReadonlyMap<string, Properties>,
  isIt: (state: { readonly urn: string }) => boolean,
  input: string,
): { readonly before: unknown; readonly after: unknown } | undefined {
  const [urn = ""] = [...inputs.keys()].filter((one) => isIt({ urn: one }));
  const after = inputs.get(urn)?.[input];
  return after === undefined ? undefined : { before: standing.find(isIt)?.inputs[input], after };
}

async function fileChanges(
  standing: readonly State[],
  inputs: ReadonlyMap<string, Properties>,
  {
    changes,
    folder,
    hide,
  }: { changes: readonly Change[]; folder: string; hide: (text: string) => string },
): Promise<FileChanges> {
  const none: HostFiles = new Map();
  const diff = async (
    isIt: typeof isBirth,
    [input, filesOf]: readonly [string, (value: unknown) => HostFiles | undefined],
  ): Promise<string | undefined> => {
    const sides = sidesOf(standing, inputs, isIt, input);
    if (sides === undefined) {
      return changes.some(({ kind, after }) => kind === "create" && after && isIt(after))
        ? undefined
        : "";
    }
    const after = filesOf(sides.after);
    if (after === undefined) return undefined;
    return diffOf(filesOf(sides.before) ?? none, after, { folder: join(folder, input), hide });
  };
  const nextMachine = await diff(isBirth, ["input", filesOfBirth]);
  const runningHost = await diff(isCommands, ["stdin", filesOfLines]);
  return {
    ...(nextMachine === undefined ? {} : { nextMachine }),
    ...(runningHost === undefined ? {} : { runningHost }),
  };
}

/** Takes out of a text what is secret or of this preview's own making. */
function hiding(standing: readonly State[], made: readonly Made[]): (text: string) => string {
  const passwords = standing
    .filter(({ type }) => type === "random:index/randomPassword:RandomPassword")
    .map(({ outputs }) => [outputs.result, "<secret>"] as const);
  const outputs = standing.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
  const pairs = [
    ...passwords,
    [outputs.ipv4, "<IPv4>"] as const,
    [outputs.ipv6, "<IPv6>"] as const,
    ...standing
      .filter(({ type }) => type === "hcloud:index/primaryIp:PrimaryIp")
      .map(({ outputs: { ipAddress } }) => [ipAddress, "<IPv6 network>"] as const),
    ...made.map(({ id }) => [id, "<record>"] as const),
    ...recordedTexts,
  ];
  const texts = pairs.flatMap(([text, placeholder]) =>
    typeof text === "string" && text !== "" ? [{ text, placeholder }] : [],
  );
  return (text) =>
    texts
      .reduce((all, one) => all.replaceAll(one.text, one.placeholder), text)
      .replace(recordedDigests, "<SHA-256>");
}

interface Made {
  readonly zoneId: string;
  readonly id: string;
}

async function addRecords(stage: Stage, records: readonly ForeignRecord[]): Promise<Made[]> {
  const made: Made[] = [];
  for (const { zoneId, ...record } of records) {
    const answer = await stage.cloudflare("POST", `zones/${zoneId}/dns_records`, {
      ...record,
      ttl: 1,
    });
    const id: unknown = Reflect.get(Object(Reflect.get(Object(answer), "result")), "id");
    if (typeof id === "string") made.push({ zoneId, id });
  }
  return made;
}

async function removeRecords(stage: Stage, made: readonly Made[]): Promise<void> {
  for (const { zoneId, id } of made)
    await stage.cloudflare("DELETE", `zones/${zoneId}/dns_records/${id}`);
}

/** What the program or the engine says of a failure, without the engine's own frame around it. */
function wordsOf({ stdout, stderr }: Finished): string {
  const { diagnostics } = stdout.trimStart().startsWith("{")
    ? readPreview(stdout)
    : { diagnostics: [] };
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const words = errors.map(({ message }) => message.trim()).filter(Boolean);
  const all = words.length > 0 ? words.join("\n\n") : `${stdout}\n${stderr}`.trim();
  return stripVTControlCharacters(all);
}
