// The policy's README lists the rules as they are.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { rules } from "../../policy/rules";

it("lists every rule with its sentence, in order", () => {
  const rows = [
    ...readFileSync("policy/README.md", "utf8").matchAll(/^\| `(.+?)` +\| (.+?) +\|$/gm),
  ];
  expect(rows.map(([, name, sentence]) => ({ name, sentence }))).toEqual(
    rules.map(({ name, sentence }) => ({ name, sentence })),
  );
});
