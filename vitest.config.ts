// The levels of tests, from the cheapest to a host that is broken on purpose. Each file says what it
// cannot prove.

import { defineConfig } from "vitest/config";

const quick = { testTimeout: 20_000 };
// Each boots machines: those of one project run one file after the other.
const booted = {
  ...{ testTimeout: 900_000, hookTimeout: 1_800_000, fileParallelism: false },
  setupFiles: ["test/support/breathe.ts"],
};

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], ...quick } },
      { test: { name: "components", include: ["test/components/**/*.test.ts"], ...quick } },
      { test: { name: "lab", include: ["test/lab/**/*.test.ts"], ...booted } },
      { test: { name: "syntax", include: ["test/syntax/**/*.test.ts"], ...booted } },
      {
        test: {
          name: "host",
          include: ["test/host/**/*.test.ts"],
          exclude: ["test/host/failures/**"],
          ...booted,
        },
      },
      { test: { name: "failures", include: ["test/host/failures/**/*.test.ts"], ...booted } },
      { test: { name: "changes", include: ["test/changes/**/*.test.ts"], ...booted } },
      { test: { name: "stacks", include: ["test/stacks/**/*.test.ts"], ...booted } },
      { test: { name: "lifecycle", include: ["test/lifecycle/**/*.test.ts"], ...booted } },
    ],
  },
});
