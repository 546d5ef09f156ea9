// Bundles a stand-in into one file, so that it starts fast and needs nothing of this project.

import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import type { StandInPart } from "./parts";

/** Leaves the bundle and an executable that starts it in the folder. */
export async function bundleStandIn(
  part: StandInPart,
  engineFolder: string,
  folder: string,
): Promise<void> {
  const unfinished = `${folder}.unfinished-${process.pid}`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const bundle = `${part.executable}.cjs`;
  await build({
    entryPoints: [join(engineFolder, "standins", part.source)],
    outfile: join(unfinished, bundle),
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    // ssh2 does without its native helpers.
    external: ["cpu-features", "*.node"],
    logLevel: "error",
  });
  const executable = join(unfinished, part.executable);
  writeFileSync(executable, starter(join(folder, bundle)));
  chmodSync(executable, 0o755);
  if (!existsSync(folder)) renameSync(unfinished, folder);
}

function starter(bundle: string): string {
  return [
    "#!/bin/sh",
    `node='${process.execPath}'`,
    '[ -x "$node" ] || node=node',
    `exec "$node" '${bundle}' "$@"`,
    "",
  ].join("\n");
}
