// Mistakes in the configuration, collected so that one run reports all of them: the key, the value,
// what is allowed, and the command that mends it.

import type { z } from "zod";

/** Path below the project's namespace, e.g. `["host", "sshKeys", 0]`. */
export type KeyPath = readonly (string | number)[];

/** One mistake, as the person at the terminal reads it. */
export interface Mistake {
  /** Where it stands, e.g. `mail-host:host.name` or `directory.yaml: mailboxes[3].address`. */
  readonly where: string;
  /** What is wrong, with the value, and what is allowed. */
  readonly message: string;
  /** The command, or the edit, that mends it. */
  readonly cure: string;
  /** Other ways to mend it, each on a line of its own. */
  readonly orElse?: readonly string[];
}

/** Thrown once with everything that was found; its message is laid out for a person. */
export class ConfigurationError extends Error {
  constructor(public readonly mistakes: readonly Mistake[]) {
    super(formatMistakes(mistakes));
    this.name = "ConfigurationError";
  }
}

function formatMistakes(mistakes: readonly Mistake[]): string {
  const head =
    mistakes.length === 1
      ? "one mistake in the configuration"
      : `${mistakes.length} mistakes in the configuration`;
  const lines = mistakes.map(
    ({ where, message, cure, orElse = [] }) =>
      `  ${printable(where)}: ${printable(message)}\n      ${[cure, ...orElse].map(printable).join("\n      ")}`,
  );
  return `${head}; nothing was created or changed.\n${lines.join("\n")}`;
}

/** Escapes what a terminal obeys or hides: control and format characters, among them those of direction. */
function printable(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** `host.sshKeys[0]`, in the syntax of `pulumi config set --path`. */
export function formatPath(path: KeyPath): string {
  return path
    .map((part, i) => {
      if (typeof part === "number") return `[${part}]`;
      if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(part)) return `[${JSON.stringify(part)}]`;
      return i === 0 ? part : `.${part}`;
    })
    .join("");
}

/** Where a value came from decides how a mistake in it is named and mended. */
export interface Source {
  where(path: KeyPath): string;
  cure(path: KeyPath, kind: "set" | "remove"): string;
}

/** The stack configuration of one project namespace. */
export function stackSource(namespace: string): Source {
  return {
    where: (path) => `${namespace}:${formatPath(path)}`,
    cure: (path, kind) => {
      const key = `'${namespace}:${formatPath(path).replaceAll("'", "'\\''")}'`;
      return kind === "set"
        ? `set it with: pulumi config set --path ${key} <value>`
        : `remove it with: pulumi config rm --path ${key}`;
    },
  };
}

/** A directory file, which is mended with an editor. */
export function fileSource(file: string): Source {
  return {
    where: (path) => `${file}: ${formatPath(path)}`,
    cure: (_path, kind) => `${kind === "set" ? "correct" : "remove"} it in ${file}`,
  };
}

/** The value as it may be shown: short, on one line. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "number" ? String(value) : stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return "a value without end"; // YAML's anchors can lead back to themselves
  }
}

/** Some of the names, and how many there are: ten thousand of them would hide the message. */
export function showSome(names: readonly string[], separator = ", "): string {
  return names.length <= 10
    ? names.join(separator)
    : `${names.slice(0, 10).join(separator)}${separator}… (${names.length} in all)`;
}

function valueAt(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      typeof inner === "object" && inner !== null ? Reflect.get(inner, part) : undefined,
    value,
  );
}

/** Translates what zod found in `value`, which stands at `base`. Values at paths for which `isSecret` is true stay out of the text. */
export function mistakesOf(
  error: z.core.$ZodError,
  {
    value,
    base,
    source,
    isSecret = () => false,
  }: {
    value: unknown;
    base: KeyPath;
    source: Source;
    isSecret?: (path: KeyPath) => boolean;
  },
): Mistake[] {
  return error.issues.flatMap((issue): Mistake[] => {
    const inner = issue.path.filter((part) => typeof part !== "symbol");
    const path = [...base, ...inner];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({
        where: source.where([...path, key]),
        message: "is a key that this program does not know",
        cure: source.cure([...path, key], "remove"),
      }));
    }
    const found = valueAt(value, inner);
    const shown = isSecret(path) ? "the value" : show(found);
    return [
      {
        where: source.where(path),
        message:
          found === undefined
            ? `is missing: ${withoutVerb(issue.message)}`
            : `${shown} ${issue.message}`,
        cure: source.cure(path, "set"),
      },
    ];
  });
}

/** "is not a host name, e.g. …" reads wrongly of a value that is not there. */
function withoutVerb(message: string): string {
  return message.replace(/^is not (an? )?/, "wanted is $1");
}
