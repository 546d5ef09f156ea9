// What a power cut leaves half written in a state that is kept in a folder (`pulumi login file://…`).
// Pulumi replaces a state at once and keeps the one before as `.bak`, but writes the description beside
// each file, `.attrs`, in place: cut off there, every command fails with `failed to load checkpoint: EOF`.

import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** A file that could not be read, and what became of it. */
export interface Mended {
  /** Below the backend's folder. */
  readonly file: string;
  readonly how: string;
}

/** The folder behind a backend's URL; undefined when it keeps its states elsewhere. */
export function backendFolder(url: string): string | undefined {
  const [, path] = /^file:\/\/([^?]*)/.exec(url) ?? [];
  return path === undefined ? undefined : resolve(path.replace(/^~(?=\/|$)/, homedir()));
}

/**
 * Removes descriptions that are cut off, which Pulumi writes anew, and gives this project's states that
 * are cut off the copy from before the last change; the unreadable ones are kept beside it. What happened
 * since the copy was made is found again by its marks, as after any interruption.
 *
 * @throws when a state and its copy cannot be read, with the command that restores the newest backup.
 */
export function mendStateFiles(folder: string, project: string): Mended[] {
  const root = join(folder, ".pulumi");
  if (!existsSync(root)) return [];
  const mended: Mended[] = [];
  for (const file of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    const path = join(root, file);
    if (!file.endsWith(".attrs") || isReadable(path)) continue;
    rmSync(path);
    mended.push({ file: join(".pulumi", file), how: "removed; Pulumi writes it anew" });
  }
  const states = join(root, "stacks", project);
  for (const name of existsSync(states) ? readdirSync(states) : []) {
    const path = join(states, name);
    if (!name.endsWith(".json") || isReadable(path)) continue;
    if (!isReadable(`${path}.bak`)) throw new Error(restoring(root, project, name));
    renameSync(path, `${path}.unreadable`);
    copyFileSync(`${path}.bak`, path);
    mended.push({
      file: join(".pulumi/stacks", project, name),
      how: `replaced by ${name}.bak, and kept as ${name}.unreadable`,
    });
  }
  return mended;
}

function isReadable(path: string): boolean {
  try {
    JSON.parse(readFileSync(path, "utf8"));
    return true;
  } catch {
    return false;
  }
}

function restoring(root: string, project: string, name: string): string {
  const state = join(root, "stacks", project, name);
  const backups = join(root, "backups", project, name.replace(/\.json$/, ""));
  const readable = (existsSync(backups) ? readdirSync(backups) : [])
    .filter((file) => file.endsWith(".json") && isReadable(join(backups, file)))
    .sort();
  const newest = readable.at(-1);
  const cure =
    newest === undefined
      ? `there is no backup in ${backups}; with a copy of your own: cp <copy> '${state}' && npm run recover`
      : `its newest backup is of before the last update: cp '${join(backups, newest)}' '${state}' && npm run recover`;
  return `${state} cannot be read, and neither can the copy beside it, ${name}.bak; ${cure}`;
}
