// The lab's verbs. Everything after `pulumi`, `run` and a machine's name belongs to that command and
// is passed on as it is.

import type { LabStatus } from "./control";
import { openLab } from "./lab";
import { delegationSignersIn } from "./world/registrar";

const usage = `usage: npm run lab -- [--name <lab>] <verb>

  up [--no-machines] [--block-outgoing-mail]
                              make the lab, or repair it
  down                        remove it without a trace
  status [--json]             what runs, and where
  pulumi <arguments>          run Pulumi against the lab's clouds
  run <command>               run a command that calls \`pulumi\` there
  exec <machine> <command>    run a command inside a machine
  forward <machine> <port>    lead a port of this machine's loopback there
  registrar <domain> <DS>|none
                              put a domain's DS record, as \`pulumi stack output\` shows it, into the parent zone
`;

class UsageError extends Error {}

const report = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** A lab's status laid out for a person. */
export function statusText(status: LabStatus): string {
  const rows = status.machines.map(({ name, state, ipv4, ipv6 }) => [
    name,
    state,
    ipv4 ?? "no IPv4",
    ipv6 ?? "no IPv6",
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const machines = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
  return [
    `lab ${status.name}`,
    "",
    status.machinesPossible ? "machines" : "no machines: only the clouds' APIs answer",
    ...(machines.length > 0 ? machines : status.machinesPossible ? ["  none yet"] : []),
    "",
    "clouds",
    `  Hetzner Cloud  ${status.apis.hcloud}`,
    `  Cloudflare     ${status.apis.cloudflare}`,
    ...(status.acme === null ? [] : ["", `ACME directory  ${status.acme.directory}`]),
    ...(status.nameserver === null ? [] : ["", `name server  ${status.nameserver.ipv4}`]),
  ].join("\n");
}

function takeFlags(args: readonly string[], known: readonly string[]): Set<string> {
  const unknown = args.find((arg) => !known.includes(arg));
  if (unknown !== undefined) throw new UsageError(`"${unknown}" is not known here`);
  return new Set(args);
}

async function perform(name: string | undefined, args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  const lab = openLab(name);
  switch (verb) {
    case "up": {
      const flags = takeFlags(rest, ["--no-machines", "--block-outgoing-mail"]);
      const options = {
        withoutMachines: flags.has("--no-machines"),
        blockOutgoingMail: flags.has("--block-outgoing-mail"),
      };
      print(statusText(await lab.up(options, report)));
      return 0;
    }
    case "down":
      takeFlags(rest, []);
      await lab.down(report);
      return 0;
    case "status": {
      const status = await lab.status();
      const json = takeFlags(rest, ["--json"]).has("--json");
      print(json ? JSON.stringify(status, null, 2) : statusText(status));
      return 0;
    }
    case "pulumi":
      return lab.onTerminal(["pulumi", ...rest]);
    case "run":
      if (rest.length === 0) throw new UsageError("run <command>");
      return lab.onTerminal(rest);
    case "exec": {
      const [machine, ...command] = rest;
      if (machine === undefined || command.length === 0)
        throw new UsageError("exec <machine> <command>");
      return lab.execOnTerminal(machine, command[0] === "--" ? command.slice(1) : command);
    }
    case "forward": {
      const [machine, port] = rest;
      if (machine === undefined || !/^\d{1,5}$/.test(port ?? "")) {
        throw new UsageError("forward <machine> <port>");
      }
      print(`127.0.0.1:${await lab.forward(machine, Number(port))}`);
      return 0;
    }
    case "registrar": {
      const [domain, ...ds] = rest;
      if (domain === undefined || ds.length === 0)
        throw new UsageError("registrar <domain> <DS>|none");
      await lab.register(domain, delegationSignersIn(ds));
      return 0;
    }
    default:
      throw new UsageError(verb === undefined ? "a verb is missing" : `"${verb}" is not a verb`);
  }
}

function main(): Promise<number> {
  const args = process.argv.slice(2);
  const [first, second] = args;
  if (first === "--name") return perform(second, args.slice(2));
  if (first?.startsWith("--name=")) return perform(first.slice("--name=".length), args.slice(1));
  return perform(undefined, args);
}

if (require.main === module) {
  main().then(
    (status) => {
      process.exitCode = status;
    },
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      process.stderr.write(error instanceof UsageError ? `${message}\n\n${usage}` : `${message}\n`);
      process.exitCode = error instanceof UsageError ? 64 : 1;
    },
  );
}
