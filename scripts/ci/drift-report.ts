// What `pulumi preview --refresh --json` says of a stack that nobody has changed in the program: drift. Pure.

import { z } from "zod";

const Preview = z.object({
  steps: z
    .array(
      z.object({
        op: z.string(),
        urn: z.string(),
        diffReasons: z.array(z.string()).nullish(),
        detailedDiff: z.record(z.string(), z.unknown()).nullish(),
      }),
    )
    .default([]),
});

/** One resource that is not as the program wants it. */
export interface Drift {
  readonly type: string;
  readonly name: string;
  /** What `pulumi up` would do about it. */
  readonly operation: string;
  /** Inputs that differ. Their values stay where they are: some are secrets. */
  readonly properties: readonly string[];
}

const operations: Readonly<Record<string, string>> = {
  create: "is gone; would be made anew",
  update: "was changed; would be changed back",
  delete: "the program has no place for it; would be deleted",
  replace: "**would be replaced**",
};

/** Steps of one replacement are told as one; refreshes and reads change nothing. */
const told = (op: string) =>
  op === "create-replacement" || op === "delete-replaced" ? undefined : operations[op];

/** What is not as it ought to be, in the order of the names. Throws when it is no preview. */
export function driftOf(json: string): Drift[] {
  return Preview.parse(JSON.parse(json))
    .steps.flatMap(({ op, urn, diffReasons, detailedDiff }) => {
      const operation = told(op);
      if (operation === undefined) return [];
      const [, , types = "", name = ""] = urn.split("::");
      const properties = Object.keys(detailedDiff ?? {});
      return [
        {
          type: types.split("$").at(-1) ?? types,
          name,
          operation,
          properties: (properties.length > 0 ? properties : (diffReasons ?? [])).sort(),
        },
      ];
    })
    .sort((a, b) => a.name.localeCompare(b.name, "en"));
}

/** Markdown for a summary or an issue. */
export function driftText(stack: string, drift: readonly Drift[]): string {
  if (drift.length === 0) return `Stack \`${stack}\` is as its program wants it.\n`;
  const rows = drift.map(
    ({ type, name, operation, properties }) =>
      `| \`${name}\` | \`${type}\` | ${operation} | ${properties.map((one) => `\`${one}\``).join(", ")} |`,
  );
  return [
    `Stack \`${stack}\` is not as its program wants it: ${drift.length} of its resources differ.`,
    "",
    "| resource | type | what is with it | properties |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
    "`pulumi preview --refresh --diff` shows the values; `pulumi up --refresh` puts it right, or take the change into the program.",
    "",
  ].join("\n");
}
