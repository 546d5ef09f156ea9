// Hetzner's side of the host under test: its power and its volume, through the API. The same calls cut the
// power of a real server.

import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { hostSucceeds, onHost, target } from "./target";

const Action = z.object({
  action: z.object({
    id: z.number(),
    status: z.enum(["running", "success", "error"]),
    error: z.object({ message: z.string() }).nullable(),
  }),
});

async function call(method: "GET" | "POST", path: string, body?: unknown) {
  const answer = await fetch(`${target.cloud.endpoint}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${target.cloud.token}`,
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}: ${await answer.text()}`);
  return Action.parse(await answer.json()).action;
}

/** Starts an action and waits until it has ended; throws when it failed. */
async function act(path: string, body: unknown = {}): Promise<void> {
  let action = await call("POST", path, body);
  while (action.status === "running") {
    await pause(50);
    action = await call("GET", `/actions/${action.id}`);
  }
  if (action.status === "error") throw new Error(`${path}: ${action.error?.message}`);
}

const server = `/servers/${target.cloud.serverId}/actions`;
const volume = `/volumes/${target.cloud.volumeId}/actions`;

/** Cuts the power: what the host had not yet written to the volume is gone. */
export const cutPower = () => act(`${server}/poweroff`);
export const powerOn = () => act(`${server}/poweron`);
/** Presses the power button: the system shuts down in its own order, and boots. */
export const restart = () => act(`${server}/reboot`);
export const detachVolume = () => act(`${volume}/detach`);
export const attachVolume = () =>
  act(`${volume}/attach`, { server: target.cloud.serverId, automount: false });

/** Waits until the host has proven itself; throws with what it says when it has not in time. */
export async function hostIsReady(seconds = 120): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  // Short waits, since nothing else in this process goes on meanwhile.
  while (!hostSucceeds("/usr/local/sbin/mail-wait 2")) {
    if (Date.now() > deadline) onHost("/usr/local/sbin/mail-wait 1 2>&1");
    await pause(200);
  }
}
