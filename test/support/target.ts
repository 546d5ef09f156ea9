// The mail host under test: where it is and what its stack says of it. Nothing here knows the lab.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { z } from "zod";

/** What a world is to a test that looks into it; a host among strangers has none. */
const World = z.object({
  /** Every root that the world of this host trusts, as PEM. */
  caFile: z.string(),
  /** A foreign domain whose mail can be looked at: its source addresses and the folder it keeps mail in. */
  elsewhere: z.object({
    domain: z.string(),
    ipv4: z.string(),
    ipv6: z.string(),
    inbox: z.string(),
    /** Socket that takes mail to be sent from foreign domains. */
    post: z.string(),
  }),
  /** A server that takes mail to anybody after a login, and another name that its certificate lacks. */
  smarthost: z.object({
    host: z.string(),
    impostor: z.string(),
    port: z.number(),
    user: z.string(),
    password: z.string(),
    inbox: z.string(),
  }),
});

const Target = World.partial().extend({
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
  /** Cloudflare's API, where the stack's zones are. */
  dns: z.object({ endpoint: z.string(), token: z.string() }),
});

const written = Target.parse(JSON.parse(readFileSync(process.env.MAIL_HOST_TARGET ?? "", "utf8")));

function present<T>(part: T | undefined, name: string): T {
  if (part === undefined)
    throw new Error(`target: this host has no ${name} around it; the test needs a lab`);
  return part;
}

/** Read once from the file that `MAIL_HOST_TARGET` names. */
export const target = {
  ...written,
  get caFile() {
    return present(written.caFile, "authority of its own");
  },
  get elsewhere() {
    return present(written.elsewhere, "foreign mail domain");
  },
  get smarthost() {
    return present(written.smarthost, "smarthost");
  },
};

/** The mail domain of the host's own name. */
export const domain = target.hostname.split(".").slice(1).join(".");

/** The other mail domain of the host. */
export const secondDomain =
  Object.keys(target.passwords)
    .map((address) => address.slice(address.lastIndexOf("@") + 1))
    .find((name) => name !== domain) ?? domain;

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

/** Those of the ports that answer a TCP connection from outside, or from an address there, within three seconds. */
export async function openPorts(
  address: string,
  ports: readonly number[],
  from?: string,
): Promise<number[]> {
  const answers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<boolean>((resolve) => {
          const source = from === undefined ? {} : { localAddress: from };
          const socket = connect({ host: address, port, ...source });
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
