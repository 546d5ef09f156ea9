// The article's contract: the settings of its configuration blocks, and the rows of docs/article.md
// that say what became of each. Does not ask the host.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(__dirname, "../..");
const blocksFolder = "test/fixtures/article";

export const statuses = ["kept", "translated", "tightened", "corrected", "added"] as const;

/** What became of one setting, or of one sentence, of the article. */
export interface Row {
  /** The first cell as it stands there. */
  readonly article: string;
  /** The setting, when the cell is one. */
  readonly setting: string | undefined;
  readonly status: string;
  /** Lines that the host must answer. */
  readonly answers: readonly string[];
  readonly reason: string;
}

/** The rows about one block of the article, or about its text. */
export interface Section {
  readonly heading: string;
  /** File name of the block. */
  readonly block: string | undefined;
  /** How the host is asked: commands for its shell, or names and types for the DNS. */
  readonly shell: string;
  readonly dns: string;
  readonly rows: readonly Row[];
}

/** One setting as every file and every daemon may have written it. */
export function normal(setting: string): string {
  return setting
    .replaceAll("`", "")
    .replace(/\s+/g, " ")
    .replace(/^\s*([\w./-]+) ?= ?/, "$1 = ")
    .trim();
}

/**
 * The settings of a configuration in any of the syntaxes at hand, without comments. One inside
 * blocks stands between their heads: `service auth { client_limit = 1 }`, `CREATE TABLE t ( n int )`.
 */
export function settings(text: string): string[] {
  const heads: string[] = [];
  const found: string[] = [];
  const add = (setting: string) =>
    found.push(
      heads.reduceRight(
        (inner, head) => `${head} ${inner} ${head.endsWith("(") ? ")" : "}"}`,
        setting,
      ),
    );
  for (const raw of text.split("\n")) {
    const line = normal(raw.replace(/(^|\s)#.*$/, ""));
    const closing = heads.length > 0 && /^[)}](.*?);?$/.exec(line);
    if (closing) {
      const head = heads.pop();
      if (closing[1]) add(`${head}…)${closing[1]}`);
    } else if (/ [({]$/.test(line)) {
      heads.push(line);
    } else if (line !== "") {
      add(heads.at(-1)?.endsWith("(") ? line.replace(/,$/, "") : line);
    }
  }
  if (heads.length > 0) throw new Error(`"${heads.join(" ")}" is not closed`);
  return found;
}

/** Each pair of setting and rows that is not one to one. */
export function mismatches(block: string, rows: readonly Row[]): string[] {
  const wanted = new Set(settings(block));
  const named = rows.flatMap(({ setting }) => setting ?? []);
  return [
    ...[...wanted].filter((setting) => !named.includes(setting)).map((s) => `no row: ${s}`),
    ...named.filter((s, i) => named.indexOf(s) !== i).map((s) => `a second row: ${s}`),
    ...named.filter((setting) => !wanted.has(setting)).map((s) => `not in the article: ${s}`),
  ];
}

const spans = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);

function row(line: string): Row {
  const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
  const [, article = "", status = "", answers = "", reason = ""] = cells;
  if (cells.length !== 6) throw new Error(`not a row of four cells: ${line}`);
  const setting = /^`[^`]+`$/.test(article) ? normal(article) : undefined;
  const kept = status === "kept" && setting !== undefined ? [setting] : [];
  return {
    article,
    setting,
    status,
    answers: [...kept, ...spans(answers).map(normal)],
    reason,
  };
}

function section(text: string): Section {
  const fence = (language: string) =>
    new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "ms").exec(text)?.[1] ?? "";
  return {
    heading: text.slice(0, text.indexOf("\n")),
    block: /^Article: \[(.*)\]/m.exec(text)?.[1],
    shell: fence("sh"),
    dns: fence("dns"),
    rows: (text.match(/^\| .*$/gm) ?? []).slice(2).map(row),
  };
}

/** The document, section by section. */
export function contract(): Section[] {
  const text = readFileSync(join(root, "docs/article.md"), "utf8");
  return text.split(/^## /m).slice(1).map(section);
}

/** The article's blocks by file name. */
export function blocks(): Map<string, string> {
  const names = readdirSync(join(root, blocksFolder)).filter((name) => name !== "README.md");
  return new Map(names.map((name) => [name, readFileSync(join(root, blocksFolder, name), "utf8")]));
}
