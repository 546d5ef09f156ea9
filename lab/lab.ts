// A lab as tests and commands use it: one object for one name, whether or not it is up.

import { ask, forwardSchema, type LabStatus, leaderSchema, portSchema } from "./control";
import { engineCaptured, engineOnTerminal } from "./engine-run";
import { attempt, type Finished, type RunOptions, runOnTerminal } from "./host/run";
import { bringUp, labStatus, takeDown, type UpOptions } from "./lifecycle";
import { inMachine } from "./machines/machine";
import { inNetwork } from "./network/namespaces";
import { type LabPaths, labPaths } from "./paths";
import { type ReceivedMail, receivedMail, waitForMail } from "./world/elsewhere";
import { type Delivery, deliverySchema, type OutgoingMail } from "./world/send";

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
  /** Sends mail from elsewhere.test's host. */
  sendMail(mail: OutgoingMail): Promise<Delivery>;
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
    async sendMail(mail) {
      const answer = await ask(paths.control, "POST", "/send", deliverySchema, mail);
      if (answer === undefined) throw notUp();
      return answer;
    },
    receivedMail: () => receivedMail(paths.name),
    waitForMail: (wanted, timeoutSeconds) => waitForMail(paths.name, wanted, timeoutSeconds),
  };
}

/** Sends mail from elsewhere.test to the world of a lab. */
export const sendMail = ({
  lab,
  ...mail
}: OutgoingMail & { readonly lab?: string }): Promise<Delivery> => openLab(lab).sendMail(mail);
