// The levels of tests, from the cheapest to a host that is broken on purpose. Each file says what it
// cannot prove.

import { defineConfig } from "vitest/config";

const quick = { testTimeout: 20_000 };
// Machines share one lab: its tests run one file after the other.
const booted = { testTimeout: 900_000, hookTimeout: 1_800_000, fileParallelism: false };

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
      { test: { name: "lifecycle", include: ["test/lifecycle/**/*.test.ts"], ...booted } },
    ],
  },
});
