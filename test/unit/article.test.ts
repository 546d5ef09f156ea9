// The article's configuration blocks and docs/article.md: one row for each setting, and no others.
// Does not prove that a host answers as the rows say.

import { describe, expect, it } from "vitest";
import { blocks, contract, mismatches, type Row, settings, statuses } from "../support/article";

const sections = contract();
const rowsAbout = (block: string) =>
  sections.filter((section) => section.block === block).flatMap(({ rows }) => rows);

describe("the article's contract", () => {
  it("has a section for every block of the article", () => {
    const named = sections.flatMap(({ block }) => block ?? []);
    expect(named.sort()).toEqual([...blocks().keys()].sort());
  });

  describe.each([...blocks()])("about %s", (name, text) => {
    it("has exactly one row for every setting", () => {
      expect(mismatches(text, rowsAbout(name))).toEqual([]);
    });

    it("misses a row when the block gets another line", () => {
      expect(mismatches(`${text}another = 1\n`, rowsAbout(name))).toEqual(["no row: another = 1"]);
    });

    it("names whichever setting has lost its row, and whichever row its setting", () => {
      for (const setting of settings(text)) {
        const others = settings(text).filter((other) => other !== setting);
        expect(mismatches(others.join("\n"), rowsAbout(name))).toEqual([
          `not in the article: ${setting}`,
        ]);
        const rows = rowsAbout(name).filter((row) => row.setting !== setting);
        expect(mismatches(text, rows)).toEqual([`no row: ${setting}`]);
      }
    });

    it("names a row that stands there twice", () => {
      const rows = rowsAbout(name);
      const twice = rows.find(({ setting }) => setting !== undefined);
      expect(mismatches(text, twice === undefined ? [] : [...rows, twice])).toEqual([
        `a second row: ${twice?.setting}`,
      ]);
    });
  });

  describe.each(sections)("in $heading", ({ block, shell, dns, rows }) => {
    const named = (some: readonly Row[]) => some.map(({ article }) => article);

    it("asks the host, and has rows", () => {
      expect([shell, dns].filter((question) => question !== "").length).toBe(1);
      expect(rows.length).toBeGreaterThan(0);
    });

    it("knows the status of each row, and an answer to it", () => {
      const known: readonly string[] = statuses;
      expect(named(rows.filter(({ status }) => !known.includes(status)))).toEqual([]);
      expect(named(rows.filter(({ answers }) => answers.length === 0))).toEqual([]);
    });

    it("gives a reason for whatever is not as the article wrote it", () => {
      expect(named(rows.filter((row) => row.status !== "kept" && row.reason === ""))).toEqual([]);
    });

    it("marks as added, and only that, what is no setting of the block", () => {
      const strange = rows.filter(
        (row) => block !== undefined && (row.setting === undefined) !== (row.status === "added"),
      );
      expect(named(strange)).toEqual([]);
    });
  });
});

describe("settings", () => {
  it("are the same however they are written", () => {
    expect(settings("a=1 # why\n# no\n\n  b  =  2,  3\n")).toEqual(["a = 1", "b = 2, 3"]);
  });

  it("stand between the heads of their blocks", () => {
    expect(settings("a x {\n  b {\n    c = 1\n  }\n  d = 2\n}\ne = 3\n")).toEqual([
      "a x { b { c = 1 } }",
      "a x { d = 2 }",
      "e = 3",
    ]);
  });

  it("of a table are its columns, its keys and its options", () => {
    expect(settings("CREATE TABLE `t` (\n  `n` int(1),\n  KEY `k` (`n`)\n) ENGINE=x;\n")).toEqual([
      "CREATE TABLE t ( n int(1) )",
      "CREATE TABLE t ( KEY k (n) )",
      "CREATE TABLE t (…) ENGINE=x",
    ]);
  });

  it("of a block that is not closed are none", () => {
    expect(() => settings("a {\n  b = 1\n")).toThrow('"a {" is not closed');
  });
});
