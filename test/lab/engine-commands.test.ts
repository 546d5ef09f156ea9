// The stand-in for the command plugin on the real engine: commands on this machine, and over SSH on
// another. Does not prove that the official plugin behaves the same, only what is known of it.

import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { Server, utils } from "ssh2";
import { describe, expect, it, onTestFinished } from "vitest";
import { changes, failure, folder, listening, stackOf } from "./engine-support";

describe("local.Command", () => {
  it("hands over standard input and environment, and keeps what was printed", async () => {
    const stack = await stackOf(async () => {
      const greet = new command.local.Command("greet", {
        create: 'cat; echo "hello $WHO"; echo "oh" >&2',
        stdin: "read me\n",
        environment: { WHO: "world" },
      });
      return { stdout: greet.stdout, stderr: greet.stderr };
    });
    const { outputs } = await stack.up();
    expect(outputs.stdout?.value).toBe("read me\nhello world");
    expect(outputs.stderr?.value).toBe("oh");
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("replaces a command when a trigger changes", async () => {
    const log = join(folder, "triggered");
    const version = (trigger: string) => async () => {
      new command.local.Command("traced", {
        create: `echo create >> ${log}`,
        delete: `echo delete >> ${log}`,
        triggers: [trigger],
      });
      return {};
    };
    const stack = await stackOf(version("one"));
    await stack.up();
    const { summary } = await stack.up({ program: version("two") });
    expect(summary.resourceChanges).toEqual({ replace: 1, same: 1 });
    expect(readFileSync(log, "utf8")).toBe("create\ncreate\ndelete\n");
  });

  it("runs update when another input changes, with the output before in its environment", async () => {
    const version = (word: string) => async () => {
      const traced = new command.local.Command("traced", {
        create: "echo created $WORD",
        update: 'echo "updated $WORD after $PULUMI_COMMAND_STDOUT"',
        environment: { WORD: word },
      });
      const dependent = new command.local.Command("dependent", {
        create: "cat",
        stdin: traced.stdout,
      });
      return { stdout: traced.stdout, dependent: dependent.stdout };
    };
    const stack = await stackOf(version("one"));
    await stack.up();
    expect(await changes(stack, version("two"))).toEqual({ same: 1, update: 2 });
    const { outputs } = await stack.up({ program: version("two") });
    expect(outputs.stdout?.value).toBe("updated two after created one");
    expect(outputs.dependent?.value).toBe("updated two after created one");
  });

  it("runs create for a changed input when there is no update", async () => {
    const version = (word: string) => async () => {
      const traced = new command.local.Command("traced", { create: `echo ${word}` });
      return { stdout: traced.stdout };
    };
    const stack = await stackOf(version("one"));
    await stack.up();
    const { outputs, summary } = await stack.up({ program: version("two") });
    expect(summary.resourceChanges).toEqual({ same: 1, update: 1 });
    expect(outputs.stdout?.value).toBe("two");
  });

  it("runs delete in the end", async () => {
    const mark = join(folder, "mark");
    const stack = await stackOf(async () => {
      new command.local.Command("traced", { create: `touch ${mark}`, delete: `rm ${mark}` });
      return {};
    });
    await stack.up();
    expect(existsSync(mark)).toBe(true);
    await stack.destroy();
    expect(existsSync(mark)).toBe(false);
  });

  it("fails with what the command printed, and shows neither its input nor its environment", async () => {
    const stack = await stackOf(async () => {
      new command.local.Command("failing", {
        create: "echo it broke; exit 3",
        stdin: pulumi.secret("hidden-input"),
        environment: { TOKEN: pulumi.secret("hidden-token") },
      });
      return {};
    });
    const message = await failure(stack.up());
    expect(message).toContain("exit status 3");
    expect(message).toContain("it broke");
    expect(message).not.toMatch(/hidden-/);
  });

  it("keeps secret inputs secret in state", async () => {
    const stack = await stackOf(async () => {
      new command.local.Command("quiet", {
        create: "cat > /dev/null",
        stdin: pulumi.secret("hidden-input"),
        environment: { TOKEN: pulumi.secret("hidden-token") },
      });
      return {};
    });
    await stack.up();
    expect(await changes(stack)).toEqual({ same: 2 });
    const state = readFileSync(
      join(stack.workspace.workDir, "state", ".pulumi", "stacks", "engine", "test.json"),
      "utf8",
    );
    expect(state).toContain("quiet");
    expect(state).not.toMatch(/hidden-/);
  });
});

describe("remote.Command", () => {
  it("delivers a command and its input to a machine that accepts the private key", async () => {
    const machine = await sshMachine();
    const stack = await stackOf(async () => {
      const remote = new command.remote.Command("remote", {
        connection: {
          host: "127.0.0.1",
          port: machine.port,
          user: "operator",
          privateKey: machine.clientKey,
          hostKey: machine.hostKey,
        },
        create: "mail-directory",
        stdin: pulumi.secret('{"users":[]}'),
      });
      return { stdout: remote.stdout };
    });
    const { outputs } = await stack.up();
    expect(outputs.stdout?.value).toBe("ran mail-directory");
    expect(machine.runs).toEqual([
      { user: "operator", command: "mail-directory", stdin: '{"users":[]}' },
    ]);
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("logs in with a key of the SSH agent", async () => {
    const machine = await sshMachine();
    const agent = await sshAgent(machine.clientKey);
    const stack = await stackOf(
      async () => {
        new command.remote.Command("remote", {
          connection: { host: "127.0.0.1", port: machine.port, hostKey: machine.hostKey },
          create: "true",
        });
        return {};
      },
      { SSH_AUTH_SOCK: agent },
    );
    await stack.up();
    expect(machine.runs).toEqual([{ user: "root", command: "true", stdin: "" }]);
  });

  it("refuses a machine with another host key", async () => {
    const machine = await sshMachine();
    const stack = await stackOf(async () => {
      new command.remote.Command("remote", {
        connection: {
          host: "127.0.0.1",
          port: machine.port,
          privateKey: machine.clientKey,
          hostKey: keyPair().publicKey,
          dialErrorLimit: 1,
        },
        create: "true",
      });
      return {};
    });
    expect(await failure(stack.up())).toMatch(/after 2 failed attempts.*host/is);
    expect(machine.runs).toEqual([]);
  });

  it("fails when the machine does not accept a variable", async () => {
    const machine = await sshMachine({ status: 1 });
    const stack = await stackOf(async () => {
      new command.remote.Command("remote", {
        connection: { host: "127.0.0.1", port: machine.port, privateKey: machine.clientKey },
        create: "true",
        environment: { TOKEN: pulumi.secret("hidden-token") },
      });
      return {};
    });
    const message = await failure(stack.up());
    expect(message).toContain('could not set environment variable "TOKEN"');
    expect(message).not.toContain("hidden-token");
    expect(machine.runs.map(({ command }) => command)).toEqual(["printenv TOKEN > /dev/null"]);
  });

  it("fails with the status and the output of the command", async () => {
    const machine = await sshMachine({ status: 4 });
    const stack = await stackOf(async () => {
      new command.remote.Command("remote", {
        connection: { host: "127.0.0.1", port: machine.port, privateKey: machine.clientKey },
        create: "mail-wait",
      });
      return {};
    });
    const message = await failure(stack.up());
    expect(message).toContain("Process exited with status 4");
    expect(message).toContain("ran mail-wait");
  });
});

function keyPair(): { readonly privateKey: string; readonly publicKey: string } {
  // ssh2's own generator makes one malformed key in some hundreds.
  const file = join(mkdtempSync(join(folder, "key-")), "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file]);
  return {
    privateKey: readFileSync(file, "utf8"),
    publicKey: readFileSync(`${file}.pub`, "utf8").trim(),
  };
}

/** An SSH server that answers each command with its own text. */
async function sshMachine({ status = 0 }: { status?: number } = {}) {
  const host = keyPair();
  const client = keyPair();
  const allowed = utils.parseKey(client.publicKey);
  if (allowed instanceof Error) throw allowed;
  const runs: { user: string; command: string; stdin: string }[] = [];
  // A second host key proves that the client asks for the kind that it was given.
  const { privateKey: rsa } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  const server = new Server({ hostKeys: [rsa, host.privateKey] }, (connection) => {
    let user = "";
    connection.on("authentication", (attempt) => {
      user = attempt.username;
      const known =
        attempt.method === "publickey" && attempt.key.data.equals(allowed.getPublicSSH());
      if (known) attempt.accept();
      else attempt.reject(["publickey"]);
    });
    connection.on("session", (accept) => {
      accept().on("exec", (acceptExec, _reject, { command: text }) => {
        const channel = acceptExec();
        let stdin = "";
        channel.on("data", (chunk: Buffer) => {
          stdin += chunk.toString();
        });
        channel.on("end", () => {
          runs.push({ user, command: text, stdin });
          channel.write(`ran ${text}\n`);
          channel.exit(status);
          channel.end();
        });
      });
    });
    connection.on("error", () => {});
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
  });
  return { port, runs, hostKey: host.publicKey, clientKey: client.privateKey };
}

async function sshAgent(privateKey: string): Promise<string> {
  const socket = join(folder, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  onTestFinished(() => {
    agent.kill();
  });
  while (!existsSync(socket)) await new Promise((done) => setTimeout(done, 20));
  execFileSync("ssh-add", ["-"], {
    input: privateKey,
    env: { ...process.env, SSH_AUTH_SOCK: socket },
    stdio: ["pipe", "ignore", "ignore"],
  });
  return socket;
}
