// What the tests of whole labs share: calls to a lab's emulated Hetzner Cloud that wait for what they set
// going, ports that answer, and whatever a lab has left behind.

import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import { labTokens } from "../../lab/engine-run";
import { attempt, until } from "../../lab/host/run";
import type { Lab } from "../../lab/lab";
import { namespacesOf } from "../../lab/network/namespaces";
import { operatorPublicKey } from "../../lab/operator";

const action = z.object({ id: z.number(), status: z.string(), error: z.unknown().nullable() });
const answer = z.looseObject({
  action: action.nullish(),
  actions: z.array(action).optional(),
  next_actions: z.array(action).optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

/** The id of the resource that an answer shows. */
export const idOf = (said: Record<string, unknown>, kind: string): number =>
  z.object({ id: z.number() }).parse(said[kind]).id;

/** The emulated Hetzner Cloud of a lab that is up. */
export function cloudOf(lab: Lab) {
  async function ask(method: string, path: string, body?: unknown) {
    const headers = [`authorization: Bearer ${labTokens.hcloud}`, "content-type: application/json"];
    const { stdout } = await lab.inNetwork([
      ...["curl", "-s", "-X", method, `http://198.18.0.2:8080/v1${path}`],
      ...headers.flatMap((header) => ["-H", header]),
      ...(body === undefined ? [] : ["-d", JSON.stringify(body)]),
    ]);
    const said = answer.parse(JSON.parse(stdout || "{}"));
    if (said.error !== undefined) throw new Error(said.error.message);
    return said;
  }

  /** A call that waits for its actions. */
  async function call(method: string, path: string, body?: unknown) {
    const said = await ask(method, path, body);
    if (method === "GET") return said;
    const actions = [said.action, ...(said.actions ?? []), ...(said.next_actions ?? [])];
    for (const { id } of actions.filter((each) => each != null)) {
      const ended = await until(`action ${id}`, 60, async () => {
        const now = action.parse((await ask("GET", `/actions/${id}`)).action);
        return now.status === "running" ? undefined : now;
      });
      if (ended.status !== "success") throw new Error(JSON.stringify(ended.error));
    }
    return said;
  }

  /** A machine that the operator's key opens, with addresses of its own. */
  async function machine(name: string, fields: object = {}) {
    const keys = z.array(z.unknown()).parse((await ask("GET", "/ssh_keys?name=operator")).ssh_keys);
    if (keys.length === 0) {
      await call("POST", "/ssh_keys", { name: "operator", public_key: operatorPublicKey });
    }
    const created = await call("POST", "/servers", {
      name,
      server_type: "cx23",
      image: "debian-13",
      location: "nbg1",
      ssh_keys: ["operator"],
      ...fields,
    });
    const id = idOf(created, "server");
    const found = (await lab.status()).machines.find((each) => each.id === id);
    return { id, ipv4: found?.ipv4 ?? "", ipv6: found?.ipv6 ?? "" };
  }

  return { call, machine };
}

/** Tells whether a port answers the lab's routers. */
export const answers = async (lab: Lab, address: string, port: number): Promise<boolean> =>
  (await lab.inNetwork(["timeout", "2", "bash", "-c", `: < /dev/tcp/${address}/${port}`]))
    .status === 0;

/** Waits until a port answers the lab's routers. */
export const soon = (lab: Lab, address: string, port: number): Promise<boolean> =>
  until(
    `port ${port} of ${address}`,
    60,
    async () => (await answers(lab, address, port)) || undefined,
  );

const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
};

const cgroups = 'd=$(mktemp -d) && mount -t cgroup2 none "$d" && find "$d" -name "$1*"';

/** Everything on this machine that bears a lab's name, which must be like no other. */
export async function tracesOf(lab: Lab) {
  const { name, namespace } = lab.paths;
  const output = async (argv: readonly string[]) => (await attempt(argv)).stdout.split("\n");
  const whole = new RegExp(`${name}(?![a-z0-9-])`);
  const named = (lines: readonly string[]) => lines.filter((line) => whole.test(line));
  const processes = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map((pid) => `${pid} ${commandOf(pid)}`);
  const places = ["/var/lib/mail-host-lab", "/etc/netns"].flatMap((folder) => {
    try {
      return readdirSync(folder).map((entry) => `${folder}/${entry}`);
    } catch {
      return [];
    }
  });
  return {
    namespaces: await namespacesOf(lab.paths),
    processes: named(processes),
    places: named(places),
    loopDevices: named(await output(["losetup", "--list"])),
    mounts: named(readFileSync("/proc/self/mounts", "utf8").split("\n")),
    controlGroups: named(
      await output(["unshare", "--mount", "sh", "-c", cgroups, "sh", namespace]),
    ),
  };
}

/** What `tracesOf` finds of a lab that is gone. */
export const noTraces: Awaited<ReturnType<typeof tracesOf>> = {
  namespaces: [],
  processes: [],
  places: [],
  loopDevices: [],
  mounts: [],
  controlGroups: [],
};
