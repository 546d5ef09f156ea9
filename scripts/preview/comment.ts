// The comment under a pull request: one page of Markdown from a result, at any length of the change. Whatever
// comes from the change is escaped; what does not fit is counted. Pure.

import type { Differences, DirectoryChange } from "./directory";
import { cell, code, counted, fenced, table } from "./markdown";
import { isFine, type PreviewResult, type ResourceChange } from "./result";

/** GitHub's limit of 65,536, less what its poster adds; in bytes to be safe of how GitHub counts. */
export const commentLimitBytes = 56_000;

/** How much of each part is shown. */
interface Room {
  readonly rows: number;
  readonly names: number;
  readonly diffCharacters: number;
  readonly valueCharacters: number;
}

const widest: Room = { rows: 250, names: 20, diffCharacters: 24_000, valueCharacters: 160 };

const halved = ({ rows, names, diffCharacters, valueCharacters }: Room): Room => ({
  rows: Math.ceil(rows / 2),
  names: Math.ceil(names / 2),
  diffCharacters: Math.ceil(diffCharacters / 2),
  valueCharacters: Math.max(20, Math.ceil(valueCharacters / 2)),
});

/** The comment, within GitHub's limit. */
export function commentOf(result: PreviewResult): string {
  for (let room = widest; ; room = halved(room)) {
    const comment = `${partsOf(result, room).join("\n\n")}\n`;
    if (Buffer.byteLength(comment) <= commentLimitBytes || room.rows === 1) return comment;
  }
}

function partsOf(result: PreviewResult, room: Room): string[] {
  const { refusal } = result;
  if (refusal !== undefined) {
    const title = refusal.of === "base" ? "the base does not come up" : "refused";
    return [
      `## Preview of ${code(result.stack)}: ${title}`,
      refusal.of === "base"
        ? `The base, ${code(result.base)}, was refused, so that nothing can be compared with it:`
        : `Nothing would be created or changed: this change is refused.`,
      fenced(cut(refusal.words, room.diffCharacters)),
    ];
  }
  return [
    `## Preview of ${code(result.stack)}: ${titleOf(result)}`,
    `Against ${code(result.base)}, on emulated clouds and with no secret: public configuration, placeholders for what is encrypted, a recorded host.`,
    ...warnings(result),
    ...resources(result, room),
    ...records(result, room),
    ...files(result, room),
    ...directory(result.directory, room),
    ...policies(result, room),
    ...cost(result),
  ];
}

function titleOf(result: PreviewResult): string {
  const { length } = result.resources;
  const changes =
    length === 0 ? "no change" : counted(length, "resource changes", "resources change");
  return isFine(result) ? changes : `${changes}, must not be merged`;
}

const losses = {
  server: "mail, addresses and keys stay; the host is away until the new one is proven",
  address: "its reputation is lost, and every record that names it changes",
  volume: "everything on it is lost: mail, passwords, keys",
} as const;

function warnings({ replaced }: PreviewResult): string[] {
  return replaced.map(({ kind, announced }) =>
    announced
      ? `> [!NOTE]\n> The **${kind}** is replaced or deleted, as a commit says (${losses[kind]}).`
      : `> [!CAUTION]\n> The **${kind}** would be replaced or deleted: ${losses[kind]}. If that is meant, say so in a commit: \`Replaces: ${kind}\`.`,
  );
}

const verbs: Readonly<Record<ResourceChange["kind"], string>> = {
  replace: "**replaced**",
  delete: "deleted",
  create: "created",
  update: "changed",
  import: "taken over",
};

function resources({ resources: all }: PreviewResult, { rows }: Room): string[] {
  if (all.length === 0) return [];
  const kinds: readonly ResourceChange["kind"][] = [
    "replace",
    "delete",
    "create",
    "update",
    "import",
  ];
  const counts = kinds.flatMap((kind) => {
    const { length } = all.filter((one) => one.kind === kind);
    return length === 0 ? [] : [`${length.toLocaleString("en")} ${verbs[kind]}`];
  });
  const sorted = kinds.flatMap((kind) => all.filter((one) => one.kind === kind));
  const shown = sorted
    .slice(0, rows)
    .map(({ kind, type, name, properties }) => [
      verbs[kind],
      cell(type),
      cell(name),
      properties.map((property) => cell(property, 60)).join(" "),
    ]);
  return [
    `### Resources\n\n${counts.join(", ")}.`,
    withRest(table(["", "type", "name", "what differs"], shown), sorted.length - rows, "resource"),
  ];
}

function records({ records: all }: PreviewResult, { rows, valueCharacters }: Room): string[] {
  if (all.length === 0) return [];
  const value = (text: string | undefined) =>
    text === undefined ? "–" : cell(text, valueCharacters);
  const shown = all
    .slice(0, rows)
    .map(({ name, type, before, after, reason }) => [
      cell(name, 260),
      cell(type),
      value(before),
      value(after),
      cell(reason),
    ]);
  const heads = ["name", "type", "before", "after", "reason"];
  return ["### DNS records", withRest(table(heads, shown), all.length - rows, "record")];
}

function withRest(text: string, rest: number, one: string): string {
  return rest > 0 ? `${text}\n\n… and ${counted(rest, one)} more, left out here.` : text;
}

function files({ files: { nextMachine, runningHost } }: PreviewResult, room: Room): string[] {
  const part = (diff: string | undefined, when: string): string[] => {
    if (diff === "") return [];
    if (diff === undefined) return [`Files ${when}: known after \`pulumi up\` alone.`];
    return [`Files ${when}:`, fenced(cut(diff, room.diffCharacters), "diff")];
  };
  const parts = [
    ...part(runningHost, "on the running host, at once"),
    ...part(nextMachine, "of the next new machine (`host.generation`)"),
  ];
  return parts.length === 0 ? [] : ["### Host files", ...parts];
}

/** Whole lines, with a statement of what was left out. */
function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const whole = text.slice(0, limit).replace(/\n[^\n]*$/, "");
  const rest = text.slice(whole.length).split("\n").length - 1;
  return `${whole}\n… and ${counted(rest, "line")} more, left out here.`;
}

function directory(change: DirectoryChange | undefined, { names }: Room): string[] {
  if (change === undefined) return [];
  const list = (all: readonly string[], done: string) => {
    if (all.length === 0) return [];
    const shown = all.slice(0, names).map((name) => code(name, 120));
    const rest = all.length - shown.length;
    const more = rest > 0 ? ` and ${rest.toLocaleString("en")} more` : "";
    return [`${all.length.toLocaleString("en")} ${done} (${shown.join(", ")}${more})`];
  };
  const line = (what: string, { added, changed, removed }: Differences) => {
    const parts = [
      ...list(added, "added"),
      ...list(changed, "changed"),
      ...list(removed, "removed"),
    ];
    return parts.length === 0 ? [] : [`- ${what}: ${parts.join("; ")}`];
  };
  const lines = [
    ...line("domains", change.domains),
    ...line("mailboxes", change.mailboxes),
    ...line("aliases", change.aliases),
  ];
  return lines.length === 0 ? [] : ["### Directory", lines.join("\n")];
}

function policies({ broken, rules }: PreviewResult, { rows }: Room): string[] {
  if (broken.length === 0) return [`### Policies\n\nAll ${counted(rules, "rule")} hold.`];
  const shown = broken.slice(0, rows).map(({ rule, resource, message }) => {
    const where = resource === undefined ? "" : ` ${code(resource, 120)}`;
    return `- **${code(rule)}**${where}: ${code(message, 400)}`;
  });
  return ["### Policies", withRest(shown.join("\n"), broken.length - rows, "violation")];
}

function cost({ cost: found }: PreviewResult): string[] {
  if (found === undefined) return [];
  const euro = (sum: number) => `€ ${sum.toFixed(2)}`;
  const sums =
    found.before === found.after
      ? `${euro(found.after)} a month, as before`
      : `${euro(found.after)} a month; it was ${euro(found.before)}`;
  const missing =
    found.unknown.length === 0
      ? ""
      : ` Without ${found.unknown.map((name) => code(name)).join(", ")}, which it does not have.`;
  return [`### Cost\n\n${sums}, by ${found.catalogue}.${missing}`];
}
