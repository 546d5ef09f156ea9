// Runs a command of `remote.Command` over SSH.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Client,
  type ClientChannel,
  type ConnectConfig,
  type ServerHostKeyAlgorithm,
  utils,
} from "ssh2";
import type { Run } from "./command-resource";
import type { Failure, Log } from "./plugin";
import { loggingOf, ProcessOutput, type Streams } from "./process-output";
import { isProperties, numberOf, type Properties, reveal, textOf } from "./values";

const defaultDialErrorLimit = 10;
const defaultPerDialTimeoutSeconds = 15;
const firstDelayMilliseconds = 100;
const longestDelayMilliseconds = 5000;

/** Runs it on the machine that `connection` names. */
export async function runRemotely(request: Run): Promise<Streams> {
  const connection = request.inputs.connection;
  if (!isProperties(connection)) throw new Error("connection: missing");
  const client = await dial(connection, request.log);
  try {
    await requireAccepted(client, request.environment);
    const environment = { ...request.environment, ...request.previous };
    return await finish(await open(client, request.command, environment), request);
  } finally {
    client.end();
  }
}

/** Refuses what only the official plugin can do. */
export function checkRemote(inputs: Properties): readonly Failure[] {
  const connection = reveal(inputs.connection ?? null);
  if (!isProperties(connection) || connection.proxy === undefined) return [];
  return [
    {
      property: "connection.proxy",
      reason:
        "connection.proxy: the lab's stand-in connects directly; install the official command plugin",
    },
  ];
}

async function dial(connection: Properties, log: Log): Promise<Client> {
  const settings = connectSettings(connection);
  const limit = numberOf(connection, "dialErrorLimit") ?? defaultDialErrorLimit;
  for (let failures = 1; ; failures++) {
    try {
      return await connect(settings);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (limit >= 0 && failures > limit) {
        throw new Error(
          `after ${failures} failed attempts to reach ${settings.host}:${settings.port}: ${reason}`,
        );
      }
      const allowed = limit < 0 ? "inf" : String(limit);
      log.progress(`Dial ${failures}/${allowed} failed: ${reason}: retrying`);
      const delay = firstDelayMilliseconds * 1.5 ** (failures - 1);
      await sleep(Math.min(delay, longestDelayMilliseconds));
    }
  }
}

function connectSettings(connection: Properties): ConnectConfig {
  const host = textOf(connection, "host");
  if (host === undefined) throw new Error("connection.host: missing");
  const privateKey = textOf(connection, "privateKey");
  const passphrase = textOf(connection, "privateKeyPassword");
  const password = textOf(connection, "password");
  const agent = textOf(connection, "agentSocketPath") ?? process.env.SSH_AUTH_SOCK;
  if (privateKey !== undefined) {
    const parsed = utils.parseKey(privateKey, passphrase);
    if (parsed instanceof Error) throw new Error(`connection.privateKey: ${parsed.message}`);
  }
  if (agent !== undefined && agent !== "" && !existsSync(agent)) {
    throw new Error(`connection.agentSocketPath: there is no "${agent}"`);
  }
  const timeoutSeconds = numberOf(connection, "perDialTimeout") ?? defaultPerDialTimeoutSeconds;
  return {
    host,
    port: numberOf(connection, "port") ?? 22,
    username: textOf(connection, "user") ?? "root",
    readyTimeout: timeoutSeconds * 1000,
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(password === undefined ? {} : { password, tryKeyboard: true }),
    ...(agent === undefined || agent === "" ? {} : { agent }),
    ...pinned(textOf(connection, "hostKey")),
  };
}

/** Accepts the given host key only, and asks the server for a key of its kind. */
function pinned(hostKey: string | undefined): Partial<ConnectConfig> {
  if (hostKey === undefined) return {};
  const expected = utils.parseKey(hostKey);
  if (expected instanceof Error || expected.isPrivateKey()) {
    throw new Error(
      `connection.hostKey: "${hostKey}" is not a public key such as "ssh-ed25519 AAAA…"`,
    );
  }
  const blob = expected.getPublicSSH();
  return {
    algorithms: { serverHostKey: algorithmsOf(expected.type) },
    hostVerifier: (key: Buffer) => key.equals(blob),
  };
}

function algorithmsOf(type: string): ServerHostKeyAlgorithm[] {
  switch (type) {
    case "ssh-ed25519":
    case "ecdsa-sha2-nistp256":
    case "ecdsa-sha2-nistp384":
    case "ecdsa-sha2-nistp521":
      return [type];
    case "ssh-rsa":
      return ["rsa-sha2-512", "rsa-sha2-256"];
    default:
      throw new Error(`connection.hostKey: keys of the type "${type}" are not supported`);
  }
}

async function connect(settings: ConnectConfig): Promise<Client> {
  const client = new Client();
  return await new Promise<Client>((resolve, reject) => {
    client.once("ready", () => {
      client.removeAllListeners("error");
      // A connection that breaks later ends its channel, which reports it.
      client.on("error", () => {});
      resolve(client);
    });
    client.on("error", (error) => {
      client.destroy();
      reject(error);
    });
    client.once("close", () => reject(new Error("the connection was closed")));
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, answer) =>
      answer(prompts.map(() => String(settings.password ?? ""))),
    );
    client.connect(settings);
  });
}

async function open(
  client: Client,
  command: string,
  env: Readonly<Record<string, string>>,
): Promise<ClientChannel> {
  return await new Promise<ClientChannel>((resolve, reject) => {
    client.exec(command, { env }, (error, channel) =>
      error === undefined || error === null ? resolve(channel) : reject(error),
    );
  });
}

/** A server drops variables that it does not accept, without a word to this SSH library. */
async function requireAccepted(
  client: Client,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  for (const name of Object.keys(environment)) {
    if (!/^\w+$/.test(name)) throw new Error(`environment: "${name}" is not a variable's name`);
    const probe = await open(client, `printenv ${name} > /dev/null`, environment);
    const status = await new Promise<unknown>((resolve) => {
      probe.once("exit", resolve);
      probe.once("close", () => resolve(undefined));
      probe.resume().end();
    });
    if (status === 0) continue;
    throw new Error(
      `could not set environment variable "${name}": the SSH server accepts only the variables that its AcceptEnv names; prefix the command with ${name}=value, or use stdin`,
    );
  }
}

async function finish(channel: ClientChannel, request: Run): Promise<Streams> {
  const output = new ProcessOutput(loggingOf(request.inputs), request.log);
  channel.on("data", (chunk: Buffer) => output.take("stdout", chunk));
  channel.stderr.on("data", (chunk: Buffer) => output.take("stderr", chunk));
  let ending = "the connection broke before the command ended";
  channel.on("exit", (status: number | null, signal?: string) => {
    ending =
      status === null
        ? `process exited with signal ${signal ?? "unknown"}`
        : `Process exited with status ${status}`;
  });
  const closed = new Promise<void>((resolve) => channel.once("close", () => resolve()));
  channel.on("error", () => {});
  channel.end(request.stdin ?? "");
  await closed;
  output.finish();
  if (ending !== "Process exited with status 0") {
    throw new Error(`${ending}: running ${request.shown}:\n${output.everything}`);
  }
  return output.streams;
}
