// Pulumi's runtime mocks, once: records what the program registers and invents what the clouds would answer.

import * as pulumi from "@pulumi/pulumi";

/** One registered resource, its inputs as the engine would get them; secrets stay visible as such. */
export interface Recorded {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

/** Answers of the clouds' read functions, by token. */
export type Calls = Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>;

/** Clouds in which nothing is yet but a zone. */
export const emptyClouds: Calls = {
  "cloudflare:index/getZone:getZone": ({ zoneId }) => ({ zoneId, name: "example.test" }),
  "cloudflare:index/getDnsRecords:getDnsRecords": () => ({ results: [] }),
  "hcloud:index/getPrimaryIps:getPrimaryIps": () => ({ primaryIps: [] }),
  "hcloud:index/getSshKeys:getSshKeys": () => ({ sshKeys: [] }),
};

const outputs: Record<string, (name: string) => Record<string, unknown>> = {
  "hcloud:index/primaryIp:PrimaryIp": (name) => ({
    ipAddress: name.endsWith("ipv4") ? "198.18.1.10" : "2001:2:0:10::",
  }),
  "hcloud:index/volume:Volume": () => ({ linuxDevice: "/dev/disk/by-id/scsi-0HC_Volume_4711" }),
  "random:index/randomPassword:RandomPassword": (name) => ({
    result: `${name.replaceAll("-", "")}SECRET`,
  }),
  "command:local:Command": () => ({ stdout: "ssh-ed25519 AAAAhostkey\n" }),
};

/** Installs the mocks; an unknown read is an error rather than an empty answer. */
export function withMocks(config: Record<string, unknown>, calls: Calls): Recorded[] {
  const recorded: Recorded[] = [];
  let id = 100;
  pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        recorded.push({ type, name, inputs });
        id += 1;
        const state = {
          ...inputs,
          ...(type === "pulumi:index:Stash" ? { output: inputs.input } : {}),
          ...outputs[type]?.(name),
        };
        return { id: String(id), state };
      },
      call: ({ token, inputs }) => {
        const answer = calls[token];
        if (answer === undefined) throw new Error(`Mock call not implemented: ${token}`);
        return answer(inputs);
      },
    },
    "mail-host",
    "dev",
    false,
  );
  pulumi.runtime.setAllConfig(
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => [
        `mail-host:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
  );
  return recorded;
}

/** Resolves when everything that the program started has been registered. */
export async function settle(): Promise<void> {
  await pulumi.runtime.disconnect();
}
