// The host's files in two states of a stack, and the difference between them. Files come in user data, for
// the next new machine, and over SSH, onto the running one.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { attempt } from "../../lab/host/run";
import { cloudConfigOf } from "./answers";

/** Contents by path. */
export type HostFiles = ReadonlyMap<string, string>;

/** What stands beside the files in user data, as if it were one. */
const restOfUserData = "/user-data";

const Birth = z.object({ userData: z.string() });

/** Files of the next new machine. Undefined where the stash's input is not known yet. */
export function filesOfBirth(input: unknown): HostFiles | undefined {
  const birth = Birth.safeParse(input);
  const config = birth.success ? cloudConfigOf(birth.data.userData) : undefined;
  if (config === undefined) return undefined;
  const { write_files: written, ...rest } = config;
  return new Map([
    ...written.map(({ path, content }) => [path, content] as const),
    [restOfUserData, stringify(rest, { lineWidth: 0 })],
  ]);
}

/** Files that are placed over SSH: lines of mode, path and content in base64. */
export function filesOfLines(stdin: unknown): HostFiles | undefined {
  if (typeof stdin !== "string") return undefined;
  const lines = stdin.split("\n").map((line) => line.split(" "));
  return new Map(
    lines.flatMap(([, path, content]) =>
      path === undefined || content === undefined
        ? []
        : [[path, Buffer.from(content, "base64").toString()] as const],
    ),
  );
}

/** A unified diff, empty where nothing differs. `folder` is for the two trees that are compared. */
export async function diffOf(
  before: HostFiles,
  after: HostFiles,
  { folder, hide }: { folder: string; hide: (text: string) => string },
): Promise<string> {
  const lay = (side: string, files: HostFiles) => {
    mkdirSync(join(folder, side), { recursive: true });
    for (const [path, content] of files) {
      // A path of the change's own making must not lead out of the folder.
      const place = join(folder, side, normalize(`/${path}`));
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, hide(content));
    }
  };
  lay("before", before);
  lay("after", after);
  const options = ["--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-prefix"];
  const { status, stdout, stderr } = await attempt(["git", "diff", ...options, "before", "after"], {
    cwd: folder,
    environment: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  });
  if (status > 1) throw new Error(`git diff: exit status ${status}: ${stderr.trim()}`);
  return readable(stdout);
}

/** Paths as they are on the host, and none of git's own lines. */
function readable(diff: string): string {
  return diff
    .split("\n")
    .filter((line) => !/^(diff --git|index|new file mode|deleted file mode) /.test(line))
    .map((line) => line.replace(/^(---|\+\+\+) ("?)(?:before|after)\//, "$1 $2/"))
    .join("\n")
    .trim();
}
