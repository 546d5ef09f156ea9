// The operator's SSH agent: how `pulumi` and a person reach a lab's machines without a key file.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { attempt, run, until } from "./host/run";
import { operatorPrivateKey } from "./operator";
import type { LabPaths } from "./paths";
import { Daemon } from "./world/children";

/** Starts the agent and gives it the operator's key. */
export async function startAgent(paths: LabPaths): Promise<Daemon> {
  await rm(paths.agent, { force: true });
  const daemon = new Daemon(["ssh-agent", "-D", "-a", paths.agent], join(paths.log, "agent.log"));
  daemon.start();
  const environment = { ...process.env, SSH_AUTH_SOCK: paths.agent };
  await until("SSH agent", 10, async () => {
    const listed = await attempt(["ssh-add", "-l"], { environment });
    return listed.status === 2 ? undefined : true;
  });
  await run(["ssh-add", "-q", "-"], { environment, input: operatorPrivateKey() });
  return daemon;
}
