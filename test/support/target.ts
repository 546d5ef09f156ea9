// The mail host under test: where it is and what its stack says of it. Nothing here knows the lab.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { z } from "zod";

const Target = z.object({
  hostname: z.string(),
  ipv4: z.string(),
  ipv6: z.string(),
  dnsRecords: z.array(z.object({ type: z.string(), name: z.string() })),
  /** Derived passwords by address. */
  passwords: z.record(z.string(), z.string()),
  /** The generated database password, as the state holds it. */
  databasePassword: z.string(),
  /** Everything the engine printed while it brought the host up. */
  engineLog: z.string(),
  /** Hetzner's API, and what it calls the host's server and volume: for power cuts and missing disks. */
  cloud: z.object({
    endpoint: z.string(),
    token: z.string(),
    serverId: z.number(),
    volumeId: z.number(),
  }),
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

/** The mail domain of the host's own name. */
export const domain = target.hostname.split(".").slice(1).join(".");

/** A user with the password that the stack has made for them. */
export function login(user: string): { user: string; password: string } {
  const password = target.passwords[user];
  if (password === undefined) throw new Error(`the stack has made no password for ${user}`);
  return { user, password };
}

const ssh = [
  ...["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"],
  ...["LogLevel=ERROR", "ConnectTimeout=5"],
].flatMap((option) => ["-o", option]);

/** Runs a command on the host as root; its standard output. Throws with what it printed when it fails. */
export function onHost(command: string, input = ""): string {
  return execFileSync("ssh", [...ssh, `root@${target.ipv4}`, command], {
    encoding: "utf8",
    input,
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Whether the host lets the operator in, and a command there is content. */
export function hostSucceeds(command: string): boolean {
  return spawnSync("ssh", [...ssh, `root@${target.ipv4}`, command]).status === 0;
}

export const hostAnswers = (): boolean => hostSucceeds("true");

/** Whether the host is up as far as the network can tell. */
export function answersPing(): boolean {
  return spawnSync("ping", ["-c", "1", "-W", "1", target.ipv4]).status === 0;
}

/** Those of the ports that answer a TCP connection from outside within three seconds. */
export async function openPorts(address: string, ports: readonly number[]): Promise<number[]> {
  const answers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const socket = connect({ host: address, port });
          const finish = (open: boolean) => {
            socket.destroy();
            resolve(open);
          };
          socket.setTimeout(3000, () => finish(false));
          socket.once("connect", () => finish(true));
          socket.once("error", () => finish(false));
        }),
    ),
  );
  return ports.filter((_port, i) => answers[i]);
}
