// A way to SSH for one machine and for as long as one command runs: a firewall of its own beside the
// program's, whose rules stay as they are. Hetzner adds up what several firewalls of a server allow. Gives
// nobody a key.

import { connect } from "node:net";
import { z } from "zod";
import { stackLabels } from "../../components/existing";
import type { Api } from "../clouds/api";

/** Marks such a firewall; its value is the stack. Not the stack's own labels: the program has no place for it. */
const label = "mail-host-ssh";
/** Seconds since 1970 after which nobody needs it any more. */
const untilLabel = "until";

const requestMilliseconds = 30_000;
const removalMilliseconds = 60_000;
const pollMilliseconds = 500;

const Firewalls = z.object({
  firewalls: z.array(
    z.object({
      id: z.int(),
      name: z.string(),
      labels: z.record(z.string(), z.string()),
      applied_to: z.array(
        z.object({
          type: z.string(),
          label_selector: z.object({ selector: z.string() }).optional(),
          server: z.object({ id: z.int() }).optional(),
        }),
      ),
    }),
  ),
});
type Firewall = z.infer<typeof Firewalls>["firewalls"][number];

const Servers = z.object({
  servers: z.array(
    z.object({
      status: z.string(),
      public_net: z.object({ ipv4: z.object({ ip: z.string() }).nullable() }),
    }),
  ),
});

async function ask(api: Api, method: string, path: string, body?: object): Promise<Response> {
  return fetch(`${api.endpoint}/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${api.token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(requestMilliseconds),
  });
}

async function demand<T>(
  api: Api,
  schema: z.ZodType<T>,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const answer = await ask(api, method, path, body);
  if (answer.ok) return schema.parse(await answer.json());
  const said = (await answer.text()).slice(0, 300);
  throw new Error(`${api.cloud}: ${method} ${path} answered ${answer.status}: ${said}`);
}

const pause = () => new Promise<void>((resolve) => setTimeout(resolve, pollMilliseconds));

/** Firewalls of this kind: of one stack, whatever their date, or of every stack, past their date. */
export type Wanted = { readonly stack: string } | { readonly expiredAt: Date };

const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

/** Opens port 22 of the stack's server, present or to come, to one IPv4 address. Returns the firewall's id. */
export async function openSsh(
  api: Api,
  {
    stack,
    address,
    until,
  }: { readonly stack: string; readonly address: string; readonly until: Date },
): Promise<number> {
  const selector = Object.entries(stackLabels(stack))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const { firewall } = await demand(
    api,
    z.object({ firewall: z.object({ id: z.int() }) }),
    "POST",
    "firewalls",
    {
      name: `ssh-${stack}-${address}-${Date.now()}`,
      labels: { [label]: stack, [untilLabel]: String(seconds(until)) },
      rules: [
        {
          description: "SSH for the run of one command",
          direction: "in",
          protocol: "tcp",
          port: "22",
          source_ips: [`${address}/32`],
        },
      ],
      apply_to: [{ type: "label_selector", label_selector: { selector } }],
    },
  );
  return firewall.id;
}

/** Removes such firewalls; names each that it removed. Throws while one cannot be removed. */
export async function closeSsh(api: Api, wanted: Wanted): Promise<string[]> {
  const selector = encodeURIComponent("stack" in wanted ? `${label}=${wanted.stack}` : label);
  const { firewalls } = await demand(
    api,
    Firewalls,
    "GET",
    `firewalls?label_selector=${selector}&per_page=50`,
  );
  const chosen = firewalls.filter(
    ({ labels }) => "stack" in wanted || !(Number(labels[untilLabel]) > seconds(wanted.expiredAt)),
  );
  for (const firewall of chosen) await remove(api, firewall);
  return chosen.map(({ name }) => name);
}

async function remove(api: Api, { id, name, applied_to }: Firewall): Promise<void> {
  // Resources behind a selector are listed with it; it is the selector that goes.
  const remove_from = applied_to.map(({ type, label_selector, server }) => ({
    type,
    ...(label_selector === undefined ? {} : { label_selector }),
    ...(server === undefined ? {} : { server }),
  }));
  if (remove_from.length > 0) {
    await demand(api, z.unknown(), "POST", `firewalls/${id}/actions/remove_from_resources`, {
      remove_from,
    });
  }
  const deadline = Date.now() + removalMilliseconds;
  for (;;) {
    const answer = await ask(api, "DELETE", `firewalls/${id}`);
    if (answer.ok || answer.status === 404) return;
    const said = (await answer.text()).slice(0, 300);
    // In use or locked until the actions of the removal are through.
    if (!/resource_in_use|locked|conflict/.test(said) || Date.now() > deadline)
      throw new Error(`${api.cloud}: firewall "${name}" (${id}) cannot be deleted: ${said}`);
    await pause();
  }
}

/** IPv4 addresses of the stack's servers that run. */
export async function runningServers(api: Api, stack: string): Promise<string[]> {
  const selector = Object.entries(stackLabels(stack)).map(([key, value]) => `${key}=${value}`);
  const query = `servers?label_selector=${encodeURIComponent(selector.join(","))}`;
  const { servers } = await demand(api, Servers, "GET", query);
  return servers.flatMap(({ status, public_net }) =>
    status === "running" && public_net.ipv4 !== null ? [public_net.ipv4.ip] : [],
  );
}

/** Resolves once the port takes a connection; throws when it does not within the limit. */
export async function untilOpen(
  host: string,
  { port, limitMilliseconds }: { readonly port: number; readonly limitMilliseconds: number },
): Promise<void> {
  const deadline = Date.now() + limitMilliseconds;
  while (!(await takesConnection(host, port))) {
    if (Date.now() > deadline)
      throw new Error(
        `ssh: ${host} does not answer on port ${port}. Is its firewall open to the address that this machine really has? Name it with --address`,
      );
    await pause();
  }
}

function takesConnection(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 5_000 });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", end(true));
    socket.once("timeout", end(false));
    socket.once("error", end(false));
  });
}
