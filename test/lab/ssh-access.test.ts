// A way to SSH for one machine and one command, held against the emulated Hetzner: what is opened, and that
// nothing stays open however the command ends. Does not prove that packets pass; the firewall's own test does.

import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { noInfrastructure } from "../../lab/clouds/infrastructure";
import { memoryStore } from "../../lab/clouds/store";
import { type ApiAddresses, createClouds, listen } from "../../lab/control-plane";
import { engineCaptured, labTokens } from "../../lab/engine-run";
import { until } from "../../lab/host/run";
import { labPaths } from "../../lab/paths";
import { closeSsh, openSsh, runningServers, untilOpen } from "../../scripts/ci/ssh-access";
import type { Api } from "../../scripts/clouds/api";
import { hetznerContract, watch } from "./contract";

const paths = labPaths("ssh-access");
const clouds = createClouds(noInfrastructure, memoryStore());
const seen = watch(clouds.hetzner, hetznerContract);
let apis: ApiAddresses;
let api: Api;

const address = "203.0.113.9";
const labels = { project: "mail-host", stack: "lab" };
const tomorrow = () => new Date(Date.now() + 86_400_000);

async function hetzner(method: string, path: string, body?: object) {
  const answer = await fetch(
    path.startsWith("/_lab/") ? new URL(path, apis.hcloud) : apis.hcloud + path,
    {
      method,
      headers: {
        authorization: `Bearer ${labTokens.hcloud}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  expect(answer.ok, path).toBe(true);
  return answer.status === 204 ? undefined : answer.json();
}

const Firewalls = z.object({ firewalls: z.array(z.object({ name: z.string() })) });
const firewalls = async () =>
  Firewalls.parse(await hetzner("GET", "/firewalls")).firewalls.map(({ name }) => name);

const Server = z.object({
  server: z.object({
    id: z.number(),
    status: z.string(),
    public_net: z.object({ firewalls: z.array(z.object({ id: z.number(), status: z.string() })) }),
  }),
});
const server = async (id: number) => Server.parse(await hetzner("GET", `/servers/${id}`)).server;
async function newServer(name: string): Promise<number> {
  const wanted = { name, server_type: "cx23", image: "debian-13", location: "nbg1", labels };
  return Server.parse(await hetzner("POST", "/servers", wanted)).server.id;
}
const settled = (id: number, count: number) =>
  until(`${count} firewalls of the server`, 20, async () => {
    const { public_net, status } = await server(id);
    const applied = public_net.firewalls.filter((one) => one.status === "applied");
    return status === "running" && applied.length === count ? applied : undefined;
  });

/** with-ssh.ts as a workflow runs it. */
const withSsh = (...args: readonly string[]) =>
  engineCaptured(
    paths,
    {
      name: paths.name,
      machines: [],
      nameserver: null,
      elsewhere: null,
      acme: null,
      machinesPossible: false,
      apis,
    },
    ["npx", "tsx", "scripts/ci/with-ssh.ts", "--stack", "lab", ...args],
    false,
  );
const run = (script: string) => withSsh("--address", address, "--", "sh", "-c", script);
const list = 'curl -s -H "Authorization: Bearer $HCLOUD_TOKEN" "$HCLOUD_ENDPOINT/firewalls"';

beforeAll(async () => {
  apis = await listen(clouds);
  api = {
    cloud: "Hetzner Cloud",
    endpoint: apis.hcloud,
    token: labTokens.hcloud,
    variable: "HCLOUD_TOKEN",
  };
});
afterEach(async () => {
  await closeSsh(api, { stack: "lab" });
  await closeSsh(api, { stack: "other" });
  expect(seen.violations).toEqual([]);
  expect(await firewalls()).toEqual([]);
});
afterAll(async () => {
  await clouds.hetzner.close();
  await clouds.cloudflare.close();
  rmSync(paths.state, { recursive: true, force: true });
});

describe("a command that needs SSH", () => {
  it("runs while port 22 is open to this machine alone, and it is closed when the command has failed", async () => {
    const { status, stdout, stderr } = await run(`${list}; exit 3`);
    expect(status, stderr).toBe(3);
    expect(JSON.parse(stdout).firewalls).toEqual([
      {
        id: expect.any(Number),
        name: expect.stringMatching(/^ssh-lab-203\.0\.113\.9-\d+$/),
        created: expect.any(String),
        labels: { "mail-host-ssh": "lab", until: expect.stringMatching(/^\d{10}$/) },
        rules: [
          {
            description: "SSH for the run of one command",
            direction: "in",
            protocol: "tcp",
            port: "22",
            source_ips: ["203.0.113.9/32"],
            destination_ips: [],
          },
        ],
        applied_to: [
          {
            type: "label_selector",
            label_selector: { selector: "project=mail-host,stack=lab" },
            applied_to_resources: [],
          },
        ],
      },
    ]);
    expect(await firewalls()).toEqual([]);
    expect(stdout + stderr).not.toContain(labTokens.hcloud);
  });

  it("is told of an interrupt, and then it is closed", async () => {
    const { status } = await run('kill -TERM "$PPID"; exec sleep 300');
    expect(status).toBe(143);
    expect(await firewalls()).toEqual([]);
  });

  it("is not run when Hetzner refuses to open", async () => {
    const error = { code: "unavailable", message: "not now", details: null };
    const fault = { method: "POST", path: "/v1/firewalls$", times: 1 };
    await hetzner("POST", "/_lab/faults", { ...fault, answer: { status: 503, body: { error } } });
    const { status, stdout, stderr } = await run("echo ran");
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("Hetzner Cloud: POST firewalls answered 503");
  });

  it("leaves a way in that the next run closes when it is killed, and one that is past its date anyone's", async () => {
    await run('kill -KILL "$PPID"');
    expect(await firewalls()).toEqual([expect.stringMatching(/^ssh-lab-/)]);
    expect((await withSsh("--close-expired")).stderr).toContain("nothing was left open");
    expect(await firewalls()).toHaveLength(1);
    expect((await withSsh("--close")).stderr).toMatch(/closed ssh-lab-203\.0\.113\.9-\d+/);
    expect(await firewalls()).toEqual([]);
  });

  it.each([
    ["without a command", []],
    ["with a command and --close", ["--close", "--", "true"]],
    ["with what is no address", ["--address", "0.0.0.0/0", "--", "true"]],
  ])("is not called %s", async (_, args) => {
    const { status, stderr } = await withSsh(...args);
    expect(status).toBe(64);
    expect(stderr).toContain("usage: ");
  });
});

describe("the way to SSH", () => {
  it("leads to the stack's server beside its own firewall, present or to come, and to no other", async () => {
    const first = await newServer("first.example.test");
    await settled(first, 0);
    const id = await openSsh(api, { stack: "lab", address, until: tomorrow() });
    expect(await settled(first, 1)).toEqual([{ id, status: "applied" }]);
    const second = await newServer("second.example.test");
    expect(await settled(second, 1)).toEqual([{ id, status: "applied" }]);
    expect((await runningServers(api, "lab")).length).toBe(2);
    expect(await runningServers(api, "other")).toEqual([]);
    expect(await closeSsh(api, { stack: "other" })).toEqual([]);
    await closeSsh(api, { stack: "lab" });
    await settled(first, 0);
    for (const one of [first, second]) await hetzner("DELETE", `/servers/${one}`);
  });

  it("is closed by its date, whatever stack it leads to", async () => {
    await openSsh(api, { stack: "lab", address, until: tomorrow() });
    await openSsh(api, { stack: "other", address, until: new Date(Date.now() - 1000) });
    const closed = await closeSsh(api, { expiredAt: new Date() });
    expect(closed).toEqual([expect.stringMatching(/^ssh-other-/)]);
    expect(await firewalls()).toEqual([expect.stringMatching(/^ssh-lab-/)]);
  });

  it("is deleted as soon as Hetzner lets it, and no other firewall with it", async () => {
    const own = { name: "lab-mail", labels, rules: [] };
    const { firewall } = z
      .object({ firewall: z.object({ id: z.number() }) })
      .parse(await hetzner("POST", "/firewalls", own));
    await openSsh(api, { stack: "lab", address, until: tomorrow() });
    const error = { code: "resource_in_use", message: "still in use", details: null };
    const fault = { method: "DELETE", path: "/v1/firewalls/", times: 2 };
    await hetzner("POST", "/_lab/faults", { ...fault, answer: { status: 422, body: { error } } });
    expect(await closeSsh(api, { stack: "lab" })).toHaveLength(1);
    expect(await firewalls()).toEqual(["lab-mail"]);
    await hetzner("DELETE", `/firewalls/${firewall.id}`);
  });

  it("is known to be open when the port answers, and not before", async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const place = listener.address();
    const port = typeof place === "object" && place !== null ? place.port : 0;
    await untilOpen("127.0.0.1", { port, limitMilliseconds: 5_000 });
    await new Promise((resolve) => listener.close(resolve));
    await expect(untilOpen("127.0.0.1", { port, limitMilliseconds: 0 })).rejects.toThrow(
      `127.0.0.1 does not answer on port ${port}`,
    );
  });
});
