// Brings the host up in a lab for the host tests, through the unmodified program, and writes what they
// need to know of it to the file that is named as the only argument.

import { writeFileSync } from "node:fs";
import { labTokens } from "../../lab/engine-run";
import { openLab } from "../../lab/lab";
import { elsewhere } from "../../lab/network/addresses";

async function main([file = ""]: readonly string[]): Promise<void> {
  const lab = openLab(process.env.MAIL_HOST_LAB);
  await lab.up({}, (line) => process.stdout.write(`${line}\n`));
  const up = await lab.pulumiOrThrow(["up", "--yes"], { show: true });
  const outputs = JSON.parse(
    (await lab.pulumiOrThrow(["stack", "output", "--json", "--show-secrets"])).stdout,
  );
  const state = JSON.parse((await lab.pulumiOrThrow(["stack", "export", "--show-secrets"])).stdout);
  const resource = (name: string) =>
    state.deployment.resources.find(({ urn }: { urn: string }) => urn.endsWith(name));
  const password = resource("::mail-host-database-password").outputs.result;
  writeFileSync(
    file,
    JSON.stringify({
      ...outputs,
      databasePassword: typeof password === "string" ? password : JSON.parse(password.plaintext),
      engineLog: up.stdout + up.stderr,
      cloud: {
        endpoint: (await lab.status()).apis.hcloud,
        token: labTokens.hcloud,
        serverId: Number(resource("hcloud:index/server:Server::mail-host").id),
        volumeId: Number(resource("::mail-host-volume").id),
      },
      elsewhere: { domain: "elsewhere.test", ...elsewhere, inbox: lab.paths.received },
    }),
    { mode: 0o600 },
  );
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
