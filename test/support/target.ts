// The mail host under test: where it is and what its stack says of it. Nothing here knows the lab.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { z } from "zod";

const Target = z.object({
  hostname: z.string(),
  ipv4: z.string(),
  ipv6: z.string(),
  /** Derived passwords by address. */
  passwords: z.record(z.string(), z.string()),
  /** The generated database password, as the state holds it. */
  databasePassword: z.string(),
  /** Everything the engine printed while it brought the host up. */
  engineLog: z.string(),
  /** A foreign domain whose mail can be looked at: its source addresses and the folder it keeps mail in. */
  elsewhere: z.object({
    domain: z.string(),
    ipv4: z.string(),
    ipv6: z.string(),
    inbox: z.string(),
  }),
});

/** Read once from the file that `MAIL_HOST_TARGET` names. */
export const target = Target.parse(
  JSON.parse(readFileSync(process.env.MAIL_HOST_TARGET ?? "", "utf8")),
);

/** Runs a command on the host as root; its standard output. Throws with what it printed when it fails. */
export function onHost(command: string, input = ""): string {
  return execFileSync(
    "ssh",
    [
      "-o",
      "BatchMode=yes",
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      "LogLevel=ERROR",
      `root@${target.ipv4}`,
      command,
    ],
    { encoding: "utf8", input },
  );
}

/** Whether a TCP connection from outside succeeds within three seconds. */
export function isOpen(address: string, port: number): boolean {
  return (
    spawnSync("timeout", ["3", "bash", "-c", `exec 3<>/dev/tcp/${address}/${port}`]).status === 0
  );
}
