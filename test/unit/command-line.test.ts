// How a command ends, whatever it was called with.

import { parseArgs } from "node:util";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { runCommand, UsageError } from "../../scripts/command-line";

let said: string;
beforeEach(() => {
  said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

it.each<[string, () => number, number, string]>([
  ["its own status", () => 130, 130, ""],
  ["what went wrong", () => Number(new URL("nowhere")), 1, "Invalid URL\n"],
  [
    "an argument that is missing",
    () => {
      throw new UsageError("--zone: names no zone");
    },
    64,
    "--zone: names no zone\nusage: it [--zone <zone>]\n",
  ],
])("a command ends with %s", async (_what, main, status, text) => {
  runCommand(async () => main(), "usage: it [--zone <zone>]\n");
  await vi.waitFor(() => expect(process.exitCode).toBe(status));
  expect(said).toBe(text);
});

it("a command says how it is called when it does not know an argument", async () => {
  runCommand(async () => {
    parseArgs({ args: ["--nonsense"], options: {} });
    return 0;
  }, "usage: it");
  await vi.waitFor(() => expect(process.exitCode).toBe(64));
  expect(said).toMatch(/^Unknown option '--nonsense'.*\nusage: it\n$/);
});
