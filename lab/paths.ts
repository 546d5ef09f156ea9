// Names and places of one lab: everything that a lab leaves on the machine is found through these.

import { homedir } from "node:os";
import { join } from "node:path";

/** Where a lab of one name keeps what it is made of. */
export interface LabPaths {
  readonly name: string;
  /** Network namespace of the routers; each machine's is `<namespace>.<server id>`. */
  readonly namespace: string;
  readonly state: string;
  /** Supervisor's control socket. */
  readonly control: string;
  /** Control socket of the gateway, the lab's only process outside its namespace. */
  readonly gateway: string;
  /** Streams into the namespace: first line `<machine> <port>`, then bytes. */
  readonly tunnel: string;
  /** Debian's packages, as an HTTP proxy on a unix socket. */
  readonly packages: string;
  readonly agent: string;
  readonly pulumi: string;
  readonly machines: string;
  readonly volumes: string;
  /** Trust anchor of the lab's DNS. */
  readonly anchor: string;
  readonly received: string;
  readonly smarthost: string;
  /** Roots that the lab trusts, one a file; and the same in one file. */
  readonly ca: string;
  readonly caFile: string;
  readonly log: string;
}

/** Folder for what outlives every lab: packages, system images. */
export const cacheFolder = join(homedir(), ".cache", "mail-host");

const stateFolder = (withoutMachines: boolean): string =>
  withoutMachines && process.getuid?.() !== 0
    ? join(homedir(), ".local", "state", "mail-host-lab")
    : "/var/lib/mail-host-lab";

/** Name of the lab that a command without `--name` means. */
export const defaultLabName = (): string => process.env.MAIL_HOST_LAB || "lab";

/** Paths of the lab `name`; refuses names that could not mark a namespace or a folder. */
export function labPaths(name: string = defaultLabName()): LabPaths {
  if (!/^[a-z][a-z0-9-]{0,23}$/.test(name)) {
    throw new Error(
      `lab name: "${name}" is not usable; take lower-case letters, digits and hyphens, 24 at most`,
    );
  }
  const state = join(stateFolder(process.getuid?.() !== 0), name);
  return {
    name,
    namespace: `mail-host-${name}`,
    state,
    control: join(state, "control.sock"),
    gateway: join(state, "gateway.sock"),
    tunnel: join(state, "tunnel.sock"),
    packages: join(state, "packages.sock"),
    agent: join(state, "agent.sock"),
    pulumi: join(state, "pulumi"),
    machines: join(state, "machines"),
    volumes: join(state, "volumes"),
    anchor: join(state, "anchor"),
    received: join(state, "elsewhere"),
    smarthost: join(state, "smarthost"),
    ca: join(state, "ca"),
    caFile: join(state, "ca.pem"),
    log: join(state, "log"),
  };
}
