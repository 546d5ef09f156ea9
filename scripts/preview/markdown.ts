// Text of a stranger's in Markdown: it can neither end its cell or its fence, nor reach anybody by name. Pure.

/** Escapes what a reader would not see, or see in another order. Newlines and tabs stay. */
export function visible(text: string): string {
  return text.replace(/[^\n\t\P{C}]|[\p{Zl}\p{Zp}]/gu, (character) =>
    character === "\r" ? "" : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

const longestRun = (text: string): number =>
  Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));

/** A code span on one line, in which nothing is markup and nobody is mentioned; cut in its middle. */
export function code(text: string, limit = 200): string {
  const line = visible(text).replaceAll("\n", "⏎").replaceAll("\t", " ");
  if (line.trim() === "") return "–";
  const head = Math.ceil((limit * 2) / 3);
  const short =
    line.length <= limit ? line : `${line.slice(0, head)}…${line.slice(head - limit + 1)}`;
  const fence = "`".repeat(longestRun(short) + 1);
  const padding = /^`|`$|^ .* $/.test(short) ? " " : "";
  return `${fence}${padding}${short}${padding}${fence}`;
}

/** A code span as a table's cell. */
export const cell = (text: string, limit?: number): string =>
  code(text, limit).replaceAll("|", "\\|");

/** A block in which nothing is markup. */
export function fenced(text: string, language = ""): string {
  const block = visible(text);
  const fence = "`".repeat(Math.max(3, longestRun(block) + 1));
  return `${fence}${language}\n${block}\n${fence}`;
}

/** A table; cells are Markdown already. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}

/** `1 mailbox`, `2 mailboxes`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
