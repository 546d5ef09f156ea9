// `npm run teardown`: deletes a stack that holds mail. Counts what would be lost, wants the host's name for a
// deliberate word, takes the protection off, destroys, and proves that nothing is left in the clouds.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { apis, type Clouds, refused, request } from "./clouds/api";
import { findMarked, type Marked } from "./clouds/marked";
import { runCommand } from "./command-line";
import { enterLab } from "./in-lab";
import { pulumiOn } from "./pulumi";
import { askHost, type Losses, lossesOf, lossesText } from "./teardown/losses";

const usage = `usage: npm run teardown -- [--stack <stack>] [--json] [--yes-delete <host name>] [--lab]`;

const Outputs = z.object({
  hostname: z.string().optional(),
  ipv4: z.string().optional(),
  ipv6: z.string().optional(),
});
const State = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.object({
          urn: z.string(),
          type: z.string(),
          inputs: z.record(z.string(), z.unknown()).default({}),
          outputs: z.record(z.string(), z.unknown()).default({}),
        }),
      )
      .nullish(),
  }),
});

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function said(stack: string | undefined, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await pulumiOn(stack)(...args);
  if (status !== 0)
    throw new Error(`pulumi ${args.join(" ")} failed; nothing was deleted:\n${stderr.trim()}`);
  return stdout;
}

/** The stack by the state, under the name without an organisation that marks its things: a first deployment that was cut short has no outputs. */
async function stackInState(stack: string | undefined) {
  const state = State.parse(JSON.parse(await said(stack, "stack", "export")));
  const resources = state.deployment.resources ?? [];
  const [first] = resources;
  const outputs = Outputs.parse(JSON.parse(await said(stack, "stack", "output", "--json")));
  const text = (type: string, pick: (one: (typeof resources)[number]) => unknown) =>
    resources.filter((one) => one.type === type).flatMap((one) => one && [String(pick(one))]);
  return {
    name: first?.urn.split("::")[0]?.split(":").at(-1),
    hostname: outputs.hostname ?? text("hcloud:index/server:Server", (one) => one.inputs.name)[0],
    addresses: text("hcloud:index/primaryIp:PrimaryIp", (one) => one.outputs.ipAddress),
    ipv4: outputs.ipv4,
    hostKey: resources.find(({ urn }) => urn.endsWith("::mail-host-host-key"))?.outputs.stdout,
  };
}

/** Hetzner's own protection; Pulumi's is in the state. */
async function unprotect(thing: Marked): Promise<void> {
  const path = `${thing.path}/actions/change_protection`;
  const body = thing.word === "server" ? { delete: false, rebuild: false } : { delete: false };
  const answer = await request(thing.api, "POST", path, body);
  if (answer.status >= 300) throw refused(thing.api, "POST", path, answer);
}

async function destroy(stack: string | undefined): Promise<void> {
  // Its words belong beside the report, not into it.
  const argv = ["destroy", "--yes", "--skip-preview", "--non-interactive"];
  if (stack !== undefined) argv.push("--stack", stack);
  const child = spawn("pulumi", argv, { stdio: ["ignore", 2, 2] });
  const [status] = await once(child, "close");
  if (status !== 0) {
    throw new Error(
      `pulumi destroy failed; the protection is off: mend what it says and run \`npm run teardown\` again, or keep the stack with: pulumi up`,
    );
  }
}

/** Whether the one in charge has given the host's name. Throws where nobody can be asked. */
async function isWanted(losses: Losses, given: string | undefined): Promise<boolean> {
  if (given !== undefined) return given === losses.hostname;
  if (!process.stdin.isTTY) {
    throw new Error(
      `nothing was deleted; a script says that it means it with: --yes-delete ${losses.hostname}`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question("To delete it, type the host's name: ")) === losses.hostname;
  } finally {
    terminal.close();
  }
}

interface Report extends Losses {
  readonly deleted: boolean;
  /** What carries the stack's marks still. */
  readonly remaining: readonly string[];
}

async function teardown(
  chosen: string | undefined,
  given: string | undefined,
  tell: (report: Report) => void,
): Promise<number> {
  const { name, hostname, addresses, ipv4, hostKey } = await stackInState(chosen);
  if (name === undefined || hostname === undefined) {
    throw new Error(
      "the stack's state holds no server; what is left of it goes with: pulumi destroy",
    );
  }
  const clouds: Clouds = apis(
    await said(chosen, "config", "--show-secrets", "--json"),
    process.env,
  );
  const marked = await findMarked(clouds, name);
  const host =
    ipv4 !== undefined && typeof hostKey === "string"
      ? askHost(ipv4, hostKey.trim())
      : "the state does not know its key; it was never up";
  const losses = lossesOf({ stack: name, hostname, addresses, host, marked });
  say(lossesText(losses));
  if (!(await isWanted(losses, given))) {
    say(`that is not ${hostname}: nothing was deleted`);
    tell({ ...losses, deleted: false, remaining: marked.map(({ what }) => what) });
    return 1;
  }
  await said(chosen, "state", "unprotect", "--all", "--yes");
  for (const thing of marked) if (thing.isProtected) await unprotect(thing);
  await destroy(chosen);
  const remaining = await findMarked(clouds, name);
  const left = [
    ...remaining.map(({ what }) => what),
    ...(State.parse(JSON.parse(await said(chosen, "stack", "export"))).deployment.resources ?? [])
      .filter(({ type }) => !type.startsWith("pulumi:"))
      .map(({ urn }) => urn),
  ];
  tell({ ...losses, deleted: true, remaining: left });
  if (left.length > 0) {
    say(
      `still there with the stack's marks:\n${left.map((what) => `  ${what}`).join("\n")}\nlook at them with: npm run recover -- --stack ${name}`,
    );
    return 1;
  }
  say(
    `nothing is left: no server, address, volume, firewall, key or record of ${name}. Its empty state and its configuration go with: pulumi stack rm ${name}`,
  );
  return 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", short: "s" },
      json: { type: "boolean", default: false },
      "yes-delete": { type: "string" },
      lab: { type: "boolean", default: false },
    },
  });
  if (values.lab) return enterLab(__filename);
  return teardown(values.stack, values["yes-delete"], (report) => {
    if (values.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  });
}

runCommand(main, usage);
