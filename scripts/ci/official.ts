// Makes the engine, and fails where any part of it is not its vendor's own: a suite that passed on stand-ins
// proves nothing about the official plugins.

import { ensureEngine } from "../../lab/engine/install";

/** The parts that an engine's own line calls anything but official. Pure. */
export function partsNotOfficial(line: string): string[] {
  return line
    .replace(/^engine: /, "")
    .split("; ")
    .flatMap((group) => {
      const [, origin = "", names = ""] = /^([^:]*): (.*)$/.exec(group) ?? [];
      return origin === "official" ? [] : names.split(", ").filter((name) => name !== "");
    });
}

async function main(): Promise<void> {
  let last = "";
  await ensureEngine((line) => {
    last = line;
    console.error(line);
  });
  const others = partsNotOfficial(last);
  if (others.length > 0 || !last.startsWith("engine: official: "))
    throw new Error(
      `engine: not official: ${others.join(", ") || last}. Install these, remove the engine's cache folder, and run again`,
    );
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
