// How a command of this repository ends: with its status, or with what went wrong and how it is called.

/** The command was called wrongly. The message comes with the usage; the status is 64, sysexits' EX_USAGE. */
export class UsageError extends Error {}

/** What went wrong, in its own words. */
export const explained = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

const isFromParseArgs = (error: unknown) =>
  error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");

/**
 * Runs a command, which returns its exit status. What it throws is written to standard error, and makes the
 * status 1; an argument that `parseArgs` refuses, or a `UsageError`, comes with the usage and makes it 64.
 */
export function runCommand(main: () => Promise<number>, usage: string): void {
  main().then(
    (status) => {
      process.exitCode = status;
    },
    (error: unknown) => {
      const isUsage = error instanceof UsageError || isFromParseArgs(error);
      process.stderr.write(`${explained(error)}\n${isUsage ? `${usage.trimEnd()}\n` : ""}`);
      process.exitCode = isUsage ? 64 : 1;
    },
  );
}
