// A lab as tests and commands use it: one object for one name, whether or not it is up.

import { z } from "zod";
import { ask, forwardSchema, type LabStatus, leaderSchema, portSchema } from "./control";
import { engineCaptured, engineOnTerminal } from "./engine-run";
import { attempt, type Finished, type RunOptions, runOnTerminal } from "./host/run";
import { bringUp, labStatus, takeDown, type UpOptions } from "./lifecycle";
import { inMachine } from "./machines/machine";
import { resolvers } from "./network/addresses";
import { inNetwork } from "./network/namespaces";
import { type LabPaths, labPaths } from "./paths";
import type { AcmeOptions, AcmeOrder } from "./world/acme";
import { receivedMail, waitForMail } from "./world/inbox";
import { type Delivery, deliverySchema, type OutgoingMail, type ReceivedMail } from "./world/mail";
import { registration } from "./world/registrar";

type Report = (line: string) => void;
const silent: Report = () => {};

export interface PulumiOptions {
  /** Prints what the engine says while it says it, besides returning it. */
  readonly show?: boolean;
}

/** One lab. Methods that need it up say so when it is not. */
export interface Lab {
  readonly paths: LabPaths;
  up(options?: UpOptions, report?: Report): Promise<LabStatus>;
  down(report?: Report): Promise<void>;
  /** What the lab says of itself. */
  status(): Promise<LabStatus>;
  /** Undefined where none is up. */
  statusIfUp(): Promise<LabStatus | undefined>;
  /** Runs a command inside a machine, as root with a login's environment. */
  exec(machine: string, argv: readonly string[], options?: RunOptions): Promise<Finished>;
  execOnTerminal(machine: string, argv: readonly string[]): Promise<number>;
  /** Runs `pulumi` against this lab's clouds. */
  pulumi(args: readonly string[], options?: PulumiOptions): Promise<Finished>;
  /** The same, failing with what the engine said when its exit status is not 0. */
  pulumiOrThrow(args: readonly string[], options?: PulumiOptions): Promise<Finished>;
  /** Runs any command where `pulumi` means this lab's engine and clouds. */
  withEngine(command: readonly string[], options?: PulumiOptions): Promise<Finished>;
  onTerminal(command: readonly string[]): Promise<number>;
  /** Runs a command among the lab's routers: it sees machines as the world does. */
  inNetwork(argv: readonly string[], options?: RunOptions): Promise<Finished>;
  /** A port of this machine's loopback that leads to a machine's port, until the lab goes down. */
  forward(machine: string, port: number): Promise<number>;
  /** Tells the registrar of a domain its DS records: none makes it insecure, null lets it be as at first. */
  register(domain: string, ds: readonly string[] | null): Promise<void>;
  /** Whether the lab's resolvers have an authenticated answer about a domain. */
  validates(domain: string): Promise<boolean>;
  /** Takes the certificate authority away until it is started again. */
  stopAcme(): Promise<void>;
  /** Starts the certificate authority with these options; whatever it knew of accounts is forgotten. */
  startAcme(options?: AcmeOptions): Promise<void>;
  /** Sends mail from the host of a foreign mail domain. */
  sendMail(mail: OutgoingMail): Promise<Delivery>;
  /** All mail that foreign mail domains received, with what they found of it. */
  receivedMail(): Promise<ReceivedMail[]>;
  waitForMail(
    wanted: (mail: ReceivedMail) => boolean,
    timeoutSeconds?: number,
  ): Promise<ReceivedMail>;
}

/** The lab called `name`, or the one that MAIL_HOST_LAB names. */
export function openLab(name?: string): Lab {
  const paths = labPaths(name);
  const notUp = (): Error =>
    new Error(`lab ${paths.name}: is not up; bring it up with \`npm run lab -- up\``);

  const status = async (): Promise<LabStatus> => {
    const answer = await labStatus(paths);
    if (answer === undefined) throw notUp();
    return answer;
  };

  const machineCommand = async (machine: string, argv: readonly string[]): Promise<string[]> => {
    const path = `/machines/${encodeURIComponent(machine)}/leader`;
    const leader = await ask(paths.control, "GET", path, leaderSchema);
    if (leader === undefined) throw notUp();
    return inMachine(leader.pid, argv);
  };

  const withEngine = async (
    command: readonly string[],
    options: PulumiOptions = {},
  ): Promise<Finished> => engineCaptured(paths, await status(), command, options.show ?? false);

  const orderAcme = async (order: AcmeOrder): Promise<void> => {
    const answer = await ask(paths.control, "POST", "/acme", z.object({}), order);
    if (answer === undefined) throw notUp();
  };

  const pulumi = (args: readonly string[], options?: PulumiOptions): Promise<Finished> =>
    withEngine(["pulumi", ...args], options);

  return {
    paths,
    status,
    up: (options = {}, report = silent) => bringUp(paths, options, report),
    down: (report = silent) => takeDown(paths, report),
    statusIfUp: () => labStatus(paths),
    exec: async (machine, argv, options) => attempt(await machineCommand(machine, argv), options),
    execOnTerminal: async (machine, argv) => runOnTerminal(await machineCommand(machine, argv)),
    pulumi,
    async pulumiOrThrow(args, options) {
      const finished = await pulumi(args, options);
      if (finished.status === 0) return finished;
      const said = `${finished.stdout}\n${finished.stderr}`.trim();
      throw new Error(`pulumi ${args.join(" ")}: exit status ${finished.status}:\n${said}`);
    },
    withEngine,
    onTerminal: async (command) => engineOnTerminal(paths, await status(), command),
    inNetwork: (argv, options) => attempt(inNetwork(paths, argv), options),
    async forward(machine, port) {
      const body = forwardSchema.parse({ machine, port });
      const answer = await ask(paths.gateway, "POST", "/forward", portSchema, body);
      if (answer === undefined) throw notUp();
      return answer.port;
    },
    async register(domain, ds) {
      const path = `/registrar/${encodeURIComponent(domain)}`;
      const answer = await ask(paths.control, "PUT", path, registration, { ds });
      if (answer === undefined) throw notUp();
    },
    async validates(domain) {
      const dig = ["dig", "+dnssec", "+tries=1", `@${resolvers[0].ipv4}`, domain, "SOA"];
      const { stdout } = await attempt(inNetwork(paths, dig));
      return /status: NOERROR/.test(stdout) && /flags:[^;]* ad[ ;]/.test(stdout);
    },
    stopAcme: () => orderAcme({ running: false }),
    startAcme: (options = {}) => orderAcme({ running: true, ...options }),
    async sendMail(mail) {
      const answer = await ask(paths.control, "POST", "/send", deliverySchema, mail);
      if (answer === undefined) throw notUp();
      return answer;
    },
    receivedMail: () => receivedMail(paths.name),
    waitForMail: (wanted, timeoutSeconds) => waitForMail(paths.name, wanted, timeoutSeconds),
  };
}

/** Sends mail from a foreign domain to the world of a lab. */
export const sendMail = ({
  lab,
  ...mail
}: OutgoingMail & { readonly lab?: string }): Promise<Delivery> => openLab(lab).sendMail(mail);
