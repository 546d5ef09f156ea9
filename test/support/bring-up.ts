// Brings the host up in a lab for the host tests, through the unmodified program, and writes what they
// need to know of it to the file that is named as the only argument.

import { writeFileSync } from "node:fs";
import { labTokens } from "../../lab/engine-run";
import { openLab } from "../../lab/lab";
import { secureDelegations } from "../../lab/world/registrar";
import { apis } from "../../scripts/clouds/api";
import { worldOf } from "../../scripts/test-stack/in-the-lab";
import { targetOf } from "../../scripts/test-stack/target";
import { installScanner } from "./install-tools";

async function main([file = ""]: readonly string[]): Promise<void> {
  const lab = openLab(process.env.MAIL_HOST_LAB);
  await lab.up({}, (line) => process.stdout.write(`${line}\n`));
  await installScanner();
  const readOutputs = async () =>
    JSON.parse((await lab.pulumiOrThrow(["stack", "output", "--json", "--show-secrets"])).stdout);
  let engineLog = "";
  const goUp = async () => {
    const { stdout, stderr } = await lab.pulumiOrThrow(["up", "--yes", "--skip-preview"], {
      show: true,
    });
    engineLog += stdout + stderr;
  };
  await goUp();
  // The only step that the operator does by hand, and what the stack adds after it.
  const { ds } = await readOutputs();
  if (ds !== undefined) {
    await secureDelegations(lab, ds);
    await goUp();
  }
  const outputs = await lab.pulumiOrThrow(["stack", "output", "--json", "--show-secrets"]);
  const state = await lab.pulumiOrThrow(["stack", "export", "--show-secrets"]);
  const clouds = apis("{}", {
    HCLOUD_ENDPOINT: (await lab.status()).apis.hcloud,
    HCLOUD_TOKEN: labTokens.hcloud,
    CLOUDFLARE_BASE_URL: (await lab.status()).apis.cloudflare,
    CLOUDFLARE_API_TOKEN: labTokens.cloudflare,
  });
  writeFileSync(
    file,
    targetOf({
      outputs: outputs.stdout,
      state: state.stdout,
      engineLog,
      clouds,
      world: await worldOf(lab),
    }),
    { mode: 0o600 },
  );
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
