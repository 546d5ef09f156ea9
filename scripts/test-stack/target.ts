// What the host tests need to know of a stack: its outputs, what only its state holds, and the clouds. The
// world around it, where there is one that tests may look into, is given by whoever made it.

import { z } from "zod";
import type { Clouds } from "../clouds/api";

const Secret = z.union([z.string(), z.object({ plaintext: z.string() })]);
const State = z.object({
  deployment: z.object({
    resources: z.array(
      z.object({
        urn: z.string(),
        id: z.string().optional(),
        outputs: z.record(z.string(), z.unknown()).default({}),
      }),
    ),
  }),
});

/** The contents of the file that `MAIL_HOST_TARGET` names. */
export function targetOf({
  outputs,
  state,
  engineLog,
  clouds: { hetzner, cloudflare },
  world,
}: {
  /** `pulumi stack output --json --show-secrets`. */
  readonly outputs: string;
  /** `pulumi stack export --show-secrets`. */
  readonly state: string;
  /** Everything that the engine printed while it brought the host up. */
  readonly engineLog: string;
  readonly clouds: Clouds;
  readonly world: Readonly<Record<string, unknown>>;
}): string {
  const { resources } = State.parse(JSON.parse(state)).deployment;
  const resource = (name: string) => {
    const found = resources.find(({ urn }) => urn.endsWith(name));
    if (found === undefined) throw new Error(`${name}: not in the stack's state`);
    return found;
  };
  const password = Secret.parse(resource("::mail-host-database-password").outputs.result);
  return JSON.stringify({
    ...JSON.parse(outputs),
    databasePassword: typeof password === "string" ? password : JSON.parse(password.plaintext),
    engineLog,
    cloud: {
      endpoint: hetzner.endpoint,
      token: hetzner.token,
      serverId: Number(resource("hcloud:index/server:Server::mail-host").id),
      volumeId: Number(resource("::mail-host-volume").id),
    },
    dns: { endpoint: cloudflare.endpoint, token: cloudflare.token },
    ...world,
  });
}
