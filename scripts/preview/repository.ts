// The two sides of a pull request: the working tree, and the commit that it starts from, laid out in a folder
// of its own. Nothing of the repository changes, not even its list of worktrees.

import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { attempt, run } from "../../lab/host/run";

/** Where a pull request starts. */
export interface Base {
  /** Commit id. */
  readonly commit: string;
  /** Values of the trailer `Replaces` in the commits since. */
  readonly trailers: string;
}

const git = (folder: string, ...args: string[]) => run(["git", ...args], { cwd: folder });

/** The first of the refs that is there. Throws where none is, with the way to have one. */
export async function baseOf(folder: string, refs: readonly string[]): Promise<Base> {
  for (const ref of refs) {
    const found = await attempt(["git", "merge-base", "HEAD", "--end-of-options", ref], {
      cwd: folder,
    });
    const commit = found.stdout.trim();
    if (found.status !== 0 || commit === "") continue;
    const format = "--format=%(trailers:key=Replaces,valueonly,separator=%x2C)";
    return { commit, trailers: await git(folder, "log", format, `${commit}..HEAD`) };
  }
  throw new Error(
    `base: none of ${refs.join(", ")} has a commit in common with this branch; fetch it (git fetch --unshallow origin main), or name another with --base`,
  );
}

/** Lays a commit's files of this project out in a new folder, with the packages that it wants. */
export async function layOut(
  project: string,
  commit: string,
  folder: string,
  report: (line: string) => void,
): Promise<void> {
  mkdirSync(folder);
  const prefix = (await git(project, "rev-parse", "--show-prefix")).trim();
  const tar = `${folder}.tar`;
  const root = (await git(project, "rev-parse", "--show-toplevel")).trim();
  await git(root, "archive", "--format=tar", "--output", tar, `${commit}:${prefix}`);
  await run(["tar", "--extract", "--file", tar, "--directory", folder]);
  const read = (place: string) => readFileSync(join(place, "package-lock.json"), "utf8");
  if (read(project) === read(folder)) {
    symlinkSync(join(project, "node_modules"), join(folder, "node_modules"));
    return;
  }
  report("preview: the base has other packages; they are installed");
  await run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
}
