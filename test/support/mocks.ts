// Pulumi's runtime mocks, once: records what the program registers and invents what the clouds would answer.

import * as pulumi from "@pulumi/pulumi";

/** One registered resource, its inputs as the engine would get them; secrets stay visible as such. */
export interface Recorded {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** Whether the engine would refuse to delete it. */
  readonly protect: boolean;
  readonly ignoreChanges: readonly string[];
}

/** Answers of the clouds' read functions, by token. */
export type Calls = Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>;

/** Clouds in which nothing is yet but a zone. */
export const emptyClouds: Calls = {
  "cloudflare:index/getZone:getZone": ({ zoneId }) => ({
    zoneId,
    name: "example.test",
    status: "active",
    nameServers: [],
  }),
  "cloudflare:index/getDnsRecords:getDnsRecords": () => ({ results: [] }),
  "hcloud:index/getPrimaryIps:getPrimaryIps": () => ({ primaryIps: [] }),
  "hcloud:index/getSshKeys:getSshKeys": () => ({ sshKeys: [] }),
  "command:local:run": () => ({ stdout: '{"port25":"open","detail":"gmail.com answers"}\n' }),
};

/** What the host says of its certificate. */
export const certificate = {
  account: "https://ca.test/acct/1",
  caaIdentity: "ca.test",
  tlsa: ["A".repeat(64), "B".repeat(64)],
};

/** What the host says of the DKIM keys of any domain. */
export const dkimKeys = [1, 2, 3].flatMap((generation) => [
  { generation, selector: `rsa${generation}`, type: "rsa", publicKey: "M".repeat(392) },
  { generation, selector: `ed${generation}`, type: "ed25519", publicKey: `${"E".repeat(43)}=` },
]);

const outputs: Record<string, (name: string) => Record<string, unknown>> = {
  "hcloud:index/primaryIp:PrimaryIp": (name) => ({
    ipAddress: name.endsWith("ipv4") ? "198.18.1.10" : "2001:2:0:10::",
  }),
  "hcloud:index/volume:Volume": () => ({ linuxDevice: "/dev/disk/by-id/scsi-0HC_Volume_4711" }),
  "random:index/randomPassword:RandomPassword": (name) => ({
    result: `${name.replaceAll("-", "")}SECRET`,
  }),
  "cloudflare:index/zoneDnssec:ZoneDnssec": () => ({ ds: "example.test. 3600 IN DS 1 13 2 AB" }),
  "command:local:Command": () => ({ stdout: "ssh-ed25519 AAAAhostkey\n" }),
  "command:remote:Command": (name) => ({
    stdout: JSON.stringify(name === "mail-certificate" ? certificate : { keys: dkimKeys }),
  }),
};

/** The part of the mocks' monitor that registers. */
interface Monitor {
  registerResource(
    request: { getProtect(): boolean; getIgnorechangesList(): string[] },
    answer: unknown,
  ): unknown;
}

/** Installs the mocks; an unknown read is an error rather than an empty answer. */
export function withMocks(config: Record<string, unknown>, calls: Calls): Recorded[] {
  const recorded: Recorded[] = [];
  let id = 100;
  let options = { protect: false, ignoreChanges: [] as readonly string[] };
  pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        recorded.push({ type, name, inputs, ...options });
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
  // The mocks are told nothing of a resource's options; what asks them is.
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, answer) => {
    options = {
      protect: request.getProtect(),
      ignoreChanges: request.getIgnorechangesList(),
    };
    return register(request, answer);
  };
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
