// Reads vitest's JSON report: prints how many tests passed, failed and were there, and adds to a file the
// names of those that failed, each with the first line of why.
//   node count-results.mjs <report> <file>

import { appendFileSync, readFileSync } from "node:fs";
import { relative } from "node:path";

const [report, failures] = process.argv.slice(2);
const { numPassedTests, numFailedTests, numTotalTests, testResults } = JSON.parse(
  readFileSync(report, "utf8"),
);
for (const { name, assertionResults } of testResults)
  for (const { status, fullName, failureMessages } of assertionResults)
    if (status === "failed") {
      const [why = ""] = failureMessages.join("\n").split("\n");
      appendFileSync(failures, `${relative(process.cwd(), name)}: ${fullName.trim()}\n  ${why}\n`);
    }
process.stdout.write(`${numPassedTests} ${numFailedTests} ${numTotalTests}\n`);
