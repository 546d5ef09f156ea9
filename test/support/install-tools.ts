// What the tests ask for a second opinion, into the cache: linters of workflows and a TLS scanner. Go builds the
// one, the others come from the Python package index.

import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lab/host/run";
import { cacheFolder } from "../../lab/paths";

const actionlintVersion = "v1.7.12";
const zizmorVersion = "1.32.0";
const sslyzeVersion = "6.3.1";

/** Where Python finds sslyze, once `installScanner` has put it there. */
export const scannerFolder = join(cacheFolder, `sslyze-${sslyzeVersion}`);

/** Makes a folder once, or not at all; of several who begin it at once, the first is taken. */
async function once(folder: string, make: (unfinished: string) => Promise<unknown>) {
  if (existsSync(folder)) return;
  const unfinished = `${folder}.new-${process.pid}`;
  try {
    await make(unfinished);
    if (!existsSync(folder)) renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Puts a Python package and what it needs into a folder of its own. */
const fromPython = (folder: string, requirement: string) =>
  once(folder, (unfinished) => {
    const options = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
    return run(["pip3", "install", ...options, "--target", unfinished, requirement]);
  });

/** The path of actionlint. The machine's own Go builds it, a newer one where that is too old. */
export async function actionlint(): Promise<string> {
  const folder = join(cacheFolder, `actionlint-${actionlintVersion}`);
  await once(folder, (unfinished) =>
    run(["go", "install", `github.com/rhysd/actionlint/cmd/actionlint@${actionlintVersion}`], {
      environment: { ...process.env, GOBIN: unfinished, GOTOOLCHAIN: "auto", GOFLAGS: "" },
    }),
  );
  return join(folder, "actionlint");
}

/** The path of zizmor. */
export async function zizmor(): Promise<string> {
  const folder = join(cacheFolder, `zizmor-${zizmorVersion}`);
  await fromPython(folder, `zizmor==${zizmorVersion}`);
  return join(folder, "bin", "zizmor");
}

/** Puts the TLS scanner there. The tests' own network has no package index. */
export const installScanner = () => fromPython(scannerFolder, `sslyze==${sslyzeVersion}`);
