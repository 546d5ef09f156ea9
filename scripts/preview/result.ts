// What a preview found, without any secret: what `--json` prints, and what the comment is made of.

import type { Cost } from "./cost";
import type { DirectoryChange } from "./directory";
import type { Change } from "./plan";
import type { RecordChange } from "./records";

/** What may be replaced on purpose only. */
export const lastingKinds = ["server", "address", "volume"] as const;
export type LastingKind = (typeof lastingKinds)[number];

/** One resource, without its values. */
export interface ResourceChange {
  readonly kind: Change["kind"];
  /** Last part of the type token, e.g. `DnsRecord`. */
  readonly type: string;
  readonly name: string;
  /** What differs. */
  readonly properties: readonly string[];
}

/** A rule that does not hold. */
export interface Broken {
  readonly rule: string;
  readonly resource?: string;
  readonly message: string;
}

/** Unified diffs of the host's files; undefined where they are known after `up` alone. */
export interface FileChanges {
  /** In user data. */
  readonly nextMachine?: string;
  /** Over SSH. */
  readonly runningHost?: string;
}

export interface PreviewResult {
  readonly stack: string;
  /** What the pull request is compared with. */
  readonly base: string;
  /** Why there is nothing to show: the program's or the engine's own words. */
  readonly refusal?: { readonly of: "base" | "change"; readonly words: string };
  readonly resources: readonly ResourceChange[];
  readonly records: readonly RecordChange[];
  readonly files: FileChanges;
  /** Undefined where the directory does not change, or cannot be known yet. */
  readonly directory?: DirectoryChange;
  readonly broken: readonly Broken[];
  /** How many rules were asked. */
  readonly rules: number;
  readonly cost?: Cost;
  /** Replaced or deleted, and whether a commit says that it is meant. */
  readonly replaced: readonly { readonly kind: LastingKind; readonly announced: boolean }[];
}

const lastingTypes: Readonly<Record<string, LastingKind>> = {
  "hcloud:index/server:Server": "server",
  "hcloud:index/primaryIp:PrimaryIp": "address",
  "hcloud:index/volume:Volume": "volume",
};

/** Servers, addresses and volumes that would go. */
export function replacedKinds(
  changes: readonly Change[],
  announced: ReadonlySet<string>,
): PreviewResult["replaced"] {
  const gone = new Set(
    changes
      .filter(({ kind }) => kind === "replace" || kind === "delete")
      .map(({ type }) => lastingTypes[type]),
  );
  return lastingKinds
    .filter((kind) => gone.has(kind))
    .map((kind) => ({ kind, announced: announced.has(kind) }));
}

/** The kinds in the trailers `Replaces: server, volume` of some commits. */
export function announcedKinds(trailers: string): ReadonlySet<string> {
  return new Set(
    trailers
      .split(/[\s,]+/)
      .map((word) => word.toLowerCase())
      .filter((word) => word !== ""),
  );
}

/** Whether it may be merged. */
export function isFine({ refusal, broken, replaced }: PreviewResult): boolean {
  return (
    refusal === undefined && broken.length === 0 && replaced.every(({ announced }) => announced)
  );
}
