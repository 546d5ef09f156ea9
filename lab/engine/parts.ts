// What an engine is made of: one CLI, one language host, and a plugin for each of the program's SDKs
// in exactly the version that the SDK asks for.

/** The Pulumi CLI that is built or downloaded; another one on the machine is taken from here on. */
export const cliVersion = "3.259.0";
export const oldestCliVersion = "3.220.0";

/** A program that is assembled from its upstream's Go modules. */
export interface GoPart {
  readonly kind: "go";
  readonly folder: string;
  readonly target: string;
  readonly executable: string;
  readonly version: string;
  /** The variable that the linker sets to the version. */
  readonly versionVariable: string;
  /** Whether it writes its own schema, and needs it beside itself. */
  readonly writesSchema: boolean;
}

/** A program of ours that answers as the official one does. */
export interface StandInPart {
  readonly kind: "stand-in";
  readonly source: string;
  readonly executable: string;
  readonly version: string;
}

export type Part = GoPart | StandInPart;

export const cli: GoPart = {
  kind: "go",
  folder: "pulumi",
  target: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
  executable: "pulumi",
  version: `v${cliVersion}`,
  versionVariable: "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
  writesSchema: false,
};

export const languageHost: StandInPart = {
  kind: "stand-in",
  source: "language-host.ts",
  executable: "pulumi-language-nodejs",
  version: cliVersion,
};

/** Each provider that the program uses, and how to make its plugin without the official one. */
export const plugins: Readonly<Record<string, Part>> = {
  hcloud: {
    kind: "go",
    folder: "hcloud",
    target: ".",
    executable: "pulumi-resource-hcloud",
    version: "1.41.0",
    versionVariable: "main.version",
    writesSchema: true,
  },
  random: {
    kind: "go",
    folder: "random",
    target: ".",
    executable: "pulumi-resource-random",
    version: "4.21.2",
    versionVariable: "main.version",
    writesSchema: true,
  },
  cloudflare: {
    kind: "stand-in",
    source: "cloudflare.ts",
    executable: "pulumi-resource-cloudflare",
    version: "6.22.1",
  },
  command: {
    kind: "stand-in",
    source: "command.ts",
    executable: "pulumi-resource-command",
    version: "1.2.1",
  },
};
