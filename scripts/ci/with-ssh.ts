// Runs a command while SSH of the stack's host is open to this machine alone; closes it again however the
// command ends. `--close` and `--close-expired` remove what a run left behind that was killed.

import { spawn } from "node:child_process";
import { isIPv4 } from "node:net";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { type Api, apis } from "../clouds/api";
import { runCommand, UsageError } from "../command-line";
import { pulumiOn } from "../pulumi";
import { closeSsh, openSsh, runningServers, untilOpen } from "./ssh-access";

const usage = `usage: npx tsx scripts/ci/with-ssh.ts --stack <stack> [--address <IPv4>] [--minutes <n>] -- <command>
       npx tsx scripts/ci/with-ssh.ts --stack <stack> --close | --close-expired`;

/** Answers with the address that it is asked from, at the operator of the zones anyway. */
const whoAmI = "https://1.1.1.1/cdn-cgi/trace";

const answerMilliseconds = 60_000;

async function ownAddress(): Promise<string> {
  const answer = await fetch(whoAmI, { signal: AbortSignal.timeout(30_000) });
  const address = /^ip=(.*)$/m.exec(await answer.text())?.[1] ?? "";
  if (!isIPv4(address))
    throw new Error(`${whoAmI}: did not say this machine's IPv4 address; name it with --address`);
  return address;
}

/** The token of the environment, else of the stack's configuration. */
async function hetznerOf(stack: string): Promise<Api> {
  const token = process.env.HCLOUD_TOKEN;
  if (token) {
    const endpoint = process.env.HCLOUD_ENDPOINT || "https://api.hetzner.cloud/v1";
    return { cloud: "Hetzner Cloud", variable: "HCLOUD_TOKEN", endpoint, token };
  }
  const { status, stdout, stderr } = await pulumiOn(stack)("config", "--show-secrets", "--json");
  if (status !== 0) throw new Error(`pulumi config failed:\n${stderr.trim()}`);
  return apis(stdout, process.env).hetzner;
}

/** The command's exit status; a signal that reaches this process reaches the command too. */
function startProgram([program = "", ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit" });
    const pass = (signal: NodeJS.Signals) => void child.kill(signal);
    process.on("SIGINT", pass).on("SIGTERM", pass);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      process.off("SIGINT", pass).off("SIGTERM", pass);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

async function main(): Promise<number> {
  const { values, positionals } = (() => {
    try {
      return parseArgs({
        allowPositionals: true,
        options: {
          stack: { type: "string" },
          address: { type: "string" },
          minutes: { type: "string", default: "120" },
          close: { type: "boolean", default: false },
          "close-expired": { type: "boolean", default: false },
        },
      });
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error));
    }
  })();
  const { stack, minutes, close, "close-expired": closeExpired } = values;
  if (stack === undefined) throw new UsageError("--stack is missing");
  if (!/^\d{1,4}$/.test(minutes)) throw new UsageError(`--minutes: "${minutes}" is not a number`);
  const isClosing = close || closeExpired;
  if (isClosing === positionals.length > 0)
    throw new UsageError("either a command, or --close or --close-expired");
  const api = await hetznerOf(stack);
  const say = (line: string) => console.error(`ssh: ${line}`);
  const name = stack.split("/").at(-1) ?? stack;
  if (isClosing) {
    const closed = await closeSsh(api, close ? { stack: name } : { expiredAt: new Date() });
    say(closed.length === 0 ? "nothing was left open" : `closed ${closed.join(", ")}`);
    return 0;
  }
  const address = values.address ?? (await ownAddress());
  if (!isIPv4(address)) throw new UsageError(`--address: "${address}" is not an IPv4 address`);
  // While the command runs, an interrupt is the command's; before it, the command is not started any more.
  let interrupted = false;
  const note = () => {
    interrupted = true;
  };
  process.on("SIGINT", note).on("SIGTERM", note);
  try {
    await openSsh(api, { stack: name, address, until: new Date(Date.now() + +minutes * 60_000) });
    say(`open to ${address}`);
    for (const host of await runningServers(api, name))
      await untilOpen(host, { port: 22, limitMilliseconds: answerMilliseconds });
    return interrupted ? 130 : await startProgram(positionals);
  } finally {
    const closed = await closeSsh(api, { stack: name });
    say(`closed ${closed.join(", ")}`);
  }
}

runCommand(main, usage);
