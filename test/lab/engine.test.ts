// The engine as the lab runs it: the real CLI against servers on loopback. Does not prove that the
// official plugins behave the same, only that the stand-ins do what is known of them.

import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as cloudflare from "@pulumi/cloudflare";
import * as command from "@pulumi/command";
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import * as random from "@pulumi/random";
import { Server, utils } from "ssh2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Engine, ensureEngine } from "../../lab/engine/install";

const installationMinutes = 20;
const apiToken = "a".repeat(40);
const zoneId = "023e105f4ecef8ad9ca31a8372d0c353";
const otherZoneId = "123e105f4ecef8ad9ca31a8372d0c353";

type Program = () => Promise<Record<string, unknown>>;

const folder = mkdtempSync(join(tmpdir(), "engine-test-"));
const closings: (() => void)[] = [];
let engine: Engine;
let pulumiCommand: PulumiCommand;
let stacks = 0;

beforeAll(
  async () => {
    engine = await ensureEngine((line) => process.stderr.write(`${line}\n`));
    pulumiCommand = await PulumiCommand.get({ root: engine.root, skipVersionCheck: true });
  },
  installationMinutes * 60 * 1000,
);

afterEach(() => {
  for (const close of closings.splice(0)) close();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the engine", () => {
  it("is found at once when it was made before", async () => {
    const lines: string[] = [];
    const started = Date.now();
    await ensureEngine((line) => lines.push(line));
    expect(Date.now() - started).toBeLessThan(1000);
    expect(lines).toEqual([expect.stringMatching(/^engine: (official|built)/)]);
  });

  it("runs a TypeScript program through the language host without a warning", () => {
    const project = join(folder, "program");
    mkdirSync(join(project, "state"), { recursive: true });
    symlinkSync(resolve("node_modules"), join(project, "node_modules"));
    writeFileSync(join(project, "package.json"), '{ "name": "program", "main": "index.ts" }');
    writeFileSync(join(project, "Pulumi.yaml"), "name: program\nruntime: nodejs\n");
    writeFileSync(
      join(project, "tsconfig.json"),
      '{ "compilerOptions": { "target": "es2022", "module": "nodenext" }, "ts-node": { "transpileOnly": true } }',
    );
    writeFileSync(
      join(project, "index.ts"),
      [
        'import * as pulumi from "@pulumi/pulumi";',
        "const config = new pulumi.Config();",
        'const stash = new pulumi.Stash("stash", { input: config.requireSecret("word") });',
        "export const word: pulumi.Output<string> = stash.output;",
        "",
      ].join("\n"),
    );
    const run = (...args: string[]) =>
      execFileSync(engine.pulumi, [...args, "--non-interactive"], {
        cwd: project,
        encoding: "utf8",
        env: { ...process.env, ...engine.environment, ...backend(project) },
        stdio: ["ignore", "pipe", "pipe"],
      });
    run("stack", "init", "dev");
    run("config", "set", "--secret", "word", "hush");
    const shown = run("up", "--yes", "--skip-preview");
    expect(shown).toContain("+ 2 created");
    expect(shown).not.toContain("warning");
    expect(shown).not.toContain("hush");
    expect(run("stack", "output", "word", "--show-secrets").trim()).toBe("hush");
  });

  it("keeps a random password, and keeps it secret", async () => {
    const stack = await stackOf(async () => {
      const password = new random.RandomPassword("password", { length: 24 });
      return { password: password.result };
    });
    const first = await stack.up();
    const second = await stack.up();
    expect(first.outputs.password?.secret).toBe(true);
    expect(first.outputs.password?.value).toHaveLength(24);
    expect(second.outputs.password?.value).toBe(first.outputs.password?.value);
    expect(second.summary.resourceChanges).toEqual({ same: 2 });
  });

  it("creates an SSH key through the real hcloud provider", async () => {
    const api = await fakeApi({
      "POST /v1/ssh_keys": (body) => ({
        status: 201,
        json: {
          ssh_key: { id: 7, fingerprint: "aa:bb", created: "2026-01-01T00:00:00Z", ...body },
        },
      }),
      "GET /v1/ssh_keys/7": () => ({
        status: 200,
        json: {
          ssh_key: {
            id: 7,
            name: "operator",
            public_key: "ssh-ed25519 AAAA",
            fingerprint: "aa:bb",
            labels: {},
            created: "2026-01-01T00:00:00Z",
          },
        },
      }),
      "DELETE /v1/ssh_keys/7": () => ({ status: 204, json: undefined }),
    });
    const stack = await stackOf(
      async () => {
        const key = new hcloud.SshKey("key", { name: "operator", publicKey: "ssh-ed25519 AAAA" });
        return { id: key.id };
      },
      { HCLOUD_ENDPOINT: `${api.url}/v1`, HCLOUD_TOKEN: "b".repeat(64) },
    );
    const { outputs } = await stack.up();
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
    await stack.destroy();
    expect(outputs.id?.value).toBe("7");
    expect(api.requests.map(({ line }) => line)).toContain("DELETE /v1/ssh_keys/7");
  });
});

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

describe("cloudflare", () => {
  const recordsOf = (zone: string) => `/client/v4/zones/${zone}/dns_records`;
  const address =
    (fields: Partial<cloudflare.DnsRecordArgs> = {}) =>
    async () => {
      const record = new cloudflare.DnsRecord("record", {
        zoneId,
        name: "mail.example.com",
        type: "A",
        content: "192.0.2.1",
        ttl: 300,
        comment: "mail-host/test: address",
        ...fields,
      });
      return { id: record.id, content: record.content, modifiedOn: record.modifiedOn };
    };

  it("creates, updates and deletes a record with the token as bearer", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(await changes(stack)).toEqual({ same: 2 });
    const { summary } = await stack.up({ program: address({ content: "192.0.2.2" }) });
    expect(summary.resourceChanges).toEqual({ same: 1, update: 1 });
    await stack.destroy();
    expect(zone.requests).toEqual([
      {
        line: `POST ${recordsOf(zoneId)}`,
        authorization: `Bearer ${apiToken}`,
        body: {
          comment: "mail-host/test: address",
          content: "192.0.2.1",
          name: "mail.example.com",
          proxied: false,
          ttl: 300,
          type: "A",
        },
      },
      {
        line: `PUT ${recordsOf(zoneId)}/record-1`,
        authorization: `Bearer ${apiToken}`,
        body: {
          comment: "mail-host/test: address",
          content: "192.0.2.2",
          name: "mail.example.com",
          proxied: false,
          ttl: 300,
          type: "A",
        },
      },
      {
        line: `DELETE ${recordsOf(zoneId)}/record-1`,
        authorization: `Bearer ${apiToken}`,
        body: undefined,
      },
    ]);
  });

  it("sends null for a comment that is no longer wanted", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    const plain = async () => {
      new cloudflare.DnsRecord("record", {
        zoneId,
        name: "mail.example.com",
        type: "A",
        content: "192.0.2.1",
        ttl: 300,
      });
      return {};
    };
    await stack.up({ program: plain });
    expect(zone.requests.at(-1)?.body).toMatchObject({ comment: null });
    await stack.refresh();
    expect(await changes(stack, plain)).toEqual({ same: 2 });
  });

  it("replaces a record when its zone or its type changes", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(await changes(stack, address({ type: "TXT" }))).toEqual({ replace: 1, same: 1 });
    expect(await changes(stack, address({ zoneId: otherZoneId }))).toEqual({ replace: 1, same: 1 });
  });

  it("shows what the API canonicalised only after a refresh", async () => {
    const zone = await fakeZone();
    const program = address({ type: "AAAA", content: "2001:DB8::1" });
    const stack = await stackOf(program, zone.environment);
    await stack.up();
    zone.change("record-1", { content: "2001:db8::1" });
    expect(await changes(stack)).toEqual({ same: 2 });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 1, update: 1 });
  });

  it("takes a CNAME's target for the same in any case", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(
      address({ type: "CNAME", content: "Mail.Example.NET" }),
      zone.environment,
    );
    await stack.up();
    zone.change("record-1", { content: "mail.example.net" });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("keeps a record with structured data unchanged over a refresh", async () => {
    const zone = await fakeZone();
    const program = async () => {
      new cloudflare.DnsRecord("tlsa", {
        zoneId,
        name: "_25._tcp.mail.example.com",
        type: "TLSA",
        ttl: 300,
        data: { usage: 3, selector: 1, matchingType: 1, certificate: "AB12" },
      });
      return {};
    };
    const stack = await stackOf(program, zone.environment);
    await stack.up();
    expect(zone.requests[0]?.body).toMatchObject({
      data: { usage: 3, selector: 1, matching_type: 1, certificate: "AB12" },
    });
    zone.change("record-1", { content: "3 1 1 AB12" });
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("creates a record anew that somebody else removed", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    zone.remove("record-1");
    await stack.refresh();
    expect(await changes(stack)).toEqual({ create: 1, same: 1 });
  });

  it("imports a record by zone and record id", async () => {
    const zone = await fakeZone();
    zone.put("there-before", {
      name: "mail.example.com",
      type: "A",
      content: "192.0.2.1",
      ttl: 300,
      proxied: false,
    });
    const stack = await stackOf(async () => {
      const record = new cloudflare.DnsRecord(
        "record",
        { zoneId, name: "mail.example.com", type: "A", content: "192.0.2.1", ttl: 300 },
        { import: `${zoneId}/there-before` },
      );
      return { id: record.id };
    }, zone.environment);
    const { outputs, summary } = await stack.up();
    expect(outputs.id?.value).toBe("there-before");
    expect(summary.resourceChanges).toEqual({ create: 1, import: 1 });
  });

  it("reads zones by name, and all pages of records", async () => {
    const zone = await fakeZone();
    for (const number of [1, 2, 3]) {
      zone.put(`r${number}`, {
        name: `h${number}.example.com`,
        type: "A",
        content: `192.0.2.${number}`,
      });
    }
    const stack = await stackOf(async () => {
      const found = await cloudflare.getZone({ filter: { name: "example.com" } });
      const { results } = await cloudflare.getDnsRecords({ zoneId: found.zoneId, type: "A" });
      return { nameServers: found.nameServers, names: results.map(({ name }) => name) };
    }, zone.environment);
    const { outputs } = await stack.up();
    expect(outputs.nameServers?.value).toEqual(["ada.ns.example", "bob.ns.example"]);
    expect(outputs.names?.value).toEqual(["h1.example.com", "h2.example.com", "h3.example.com"]);
  });

  it("asks again after too many requests, and not when the API says so", async () => {
    const zone = await fakeZone();
    zone.failNext({ status: 429, headers: { "retry-after-ms": "10" } });
    const stack = await stackOf(address(), zone.environment);
    await stack.up();
    expect(zone.requests).toHaveLength(2);
    zone.failNext({ status: 500, headers: { "x-should-retry": "false" } });
    expect(await failure(stack.up({ program: address({ ttl: 600 }) }))).toContain("500");
    expect(zone.requests).toHaveLength(3);
  });

  it("refuses a malformed token without showing it", async () => {
    const zone = await fakeZone();
    const stack = await stackOf(address(), zone.environment);
    await stack.setConfig("cloudflare:apiToken", { value: "too-short", secret: true });
    const message = await failure(stack.up());
    expect(message).toContain("cloudflare:apiToken: must be 40 to 80");
    expect(message).not.toContain("too-short");
  });
});

function backend(place: string): Record<string, string> {
  return { PULUMI_BACKEND_URL: `file://${join(place, "state")}`, PULUMI_CONFIG_PASSPHRASE: "test" };
}

async function stackOf(
  program: Program,
  variables: Readonly<Record<string, string>> = {},
): Promise<Stack> {
  stacks += 1;
  const place = join(folder, `stack-${stacks}`);
  mkdirSync(join(place, "state"), { recursive: true });
  return await LocalWorkspace.createOrSelectStack(
    { stackName: "test", projectName: "engine", program },
    {
      workDir: place,
      pulumiCommand,
      envVars: { SSH_AUTH_SOCK: "", ...engine.environment, ...backend(place), ...variables },
      projectSettings: { name: "engine", runtime: "nodejs" },
    },
  );
}

async function changes(stack: Stack, program?: Program): Promise<Record<string, number>> {
  const preview = await stack.preview(program === undefined ? {} : { program });
  return { ...preview.changeSummary };
}

async function failure(run: Promise<unknown>): Promise<string> {
  return await run.then(
    () => "it did not fail",
    (error: unknown) => String(error),
  );
}

interface Reply {
  readonly status: number;
  readonly json: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Asked {
  readonly line: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

async function serve(
  answer: (asked: Asked, url: URL) => Reply,
): Promise<{ readonly url: string; readonly requests: Asked[] }> {
  const requests: Asked[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://localhost");
      const asked: Asked = {
        line: `${request.method} ${url.pathname}`,
        authorization: request.headers.authorization,
        body: text === "" ? undefined : JSON.parse(text),
      };
      requests.push(asked);
      const { status, json, headers } = answer(asked, url);
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(json === undefined ? "" : JSON.stringify(json));
    });
  });
  const port = await listening(server);
  closings.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  return { url: `http://127.0.0.1:${port}`, requests };
}

async function listening(server: {
  listen(port: number, host: string, ready: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  if (typeof address !== "object" || address === null || !("port" in address)) {
    throw new Error("address: the server has no port");
  }
  return Number(address.port);
}

async function fakeApi(routes: Readonly<Record<string, (body: object) => Reply>>) {
  return await serve(({ line, body }) => {
    const route = routes[line];
    if (route === undefined) throw new Error(`no route for ${line}`);
    return route(typeof body === "object" && body !== null ? body : {});
  });
}

/** A zone with what the API adds to each record; its pages hold two records. */
async function fakeZone() {
  const records = new Map<string, Record<string, unknown>>();
  const failures: { status: number; headers: Record<string, string> }[] = [];
  let created = 0;
  const zone = {
    id: zoneId,
    name: "example.com",
    name_servers: ["ada.ns.example", "bob.ns.example"],
  };
  const success = (result: unknown): Reply => ({
    status: 200,
    json: { success: true, errors: [], messages: [], result },
  });
  const put = (id: string, fields: object) => {
    const now = new Date().toISOString();
    const added = { id, proxiable: true, settings: {}, meta: {}, tags: [], comment: null };
    const record = { ...added, created_on: now, ...records.get(id), ...fields, modified_on: now };
    records.set(id, record);
    return record;
  };
  const { url, requests } = await serve(({ line, body }, { pathname, searchParams }) => {
    const failed = failures.shift();
    if (failed !== undefined) return { ...failed, json: { success: false, errors: [] } };
    const fields = typeof body === "object" && body !== null ? body : {};
    const [method] = line.split(" ");
    if (pathname === "/client/v4/zones") {
      return success(searchParams.get("name") === zone.name ? [zone] : []);
    }
    if (pathname === `/client/v4/zones/${zoneId}`) return success(zone);
    const id = /\/dns_records\/([^/]+)$/.exec(pathname)?.[1];
    if (method === "POST") {
      created += 1;
      return success(put(`record-${created}`, fields));
    }
    if (id === undefined) {
      const first = (Number(searchParams.get("page") ?? "1") - 1) * 2;
      return success([...records.values()].slice(first, first + 2));
    }
    if (!records.has(id)) {
      const errors = [{ code: 81044, message: "Record does not exist." }];
      return { status: 404, json: { success: false, errors, messages: [], result: null } };
    }
    if (method === "PUT") return success(put(id, fields));
    if (method === "DELETE") {
      records.delete(id);
      return success({ id });
    }
    return success(records.get(id));
  });
  return {
    requests,
    environment: { CLOUDFLARE_BASE_URL: `${url}/client/v4`, CLOUDFLARE_API_TOKEN: apiToken },
    put,
    change: put,
    remove: (id: string) => records.delete(id),
    failNext: (reply: { status: number; headers: Record<string, string> }) => failures.push(reply),
  };
}

function keyPair(): { readonly privateKey: string; readonly publicKey: string } {
  const pair = utils.generateKeyPairSync("ed25519");
  return { privateKey: pair.private, publicKey: pair.public };
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
  closings.push(() => server.close());
  return { port, runs, hostKey: host.publicKey, clientKey: client.privateKey };
}

async function sshAgent(privateKey: string): Promise<string> {
  const socket = join(folder, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  closings.push(() => agent.kill());
  while (!existsSync(socket)) await new Promise((done) => setTimeout(done, 20));
  execFileSync("ssh-add", ["-"], {
    input: privateKey,
    env: { ...process.env, SSH_AUTH_SOCK: socket },
    stdio: ["pipe", "ignore", "ignore"],
  });
  return socket;
}
