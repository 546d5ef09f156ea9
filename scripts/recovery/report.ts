// What `npm run recover` found and did: data for machines, lines for a person. Pure.

import { type Found, nameOf, type Placed, serverType } from "./placement";
import type { Mended } from "./state-files";

export interface Recovery {
  /** Files of the state that were half written. */
  readonly mended: readonly Mended[];
  readonly wasLocked: boolean;
  /** Operations whose end was never written down; they are out of the state now. */
  readonly interrupted: readonly { readonly operation: string; readonly urn: string }[];
  /** What is in the state now. */
  readonly imported: readonly {
    readonly what: string;
    readonly urn: string;
    /** What `pulumi up` will do about it that one would not expect. */
    readonly remark?: string;
  }[];
  /** What carries the stack's marks and could not be placed. */
  readonly leftAlone: readonly {
    readonly what: string;
    readonly reason: string;
    readonly cure: string;
  }[];
}

export function importedAs({ found, resource }: Placed): Recovery["imported"][number] {
  return {
    what: found.what,
    urn: resource.urn,
    ...(found.type === serverType
      ? { remark: "what it was born with cannot be read back: `pulumi up` replaces it" }
      : {}),
  };
}

export function leftAlone({ what, obstacle, removal }: Found): Recovery["leftAlone"][number] {
  return {
    what,
    reason: obstacle?.reason ?? "the program has no place for it; if nothing needs it, delete it",
    cure: obstacle?.cure ?? removal,
  };
}

/** A few lines, and the command to go on with. */
export function recoveryText(recovery: Recovery): string {
  const below = (text: string) => `\n             ${text}`;
  const lines = [
    ...recovery.mended.map(({ file, how }) => `state        ${file} could not be read: ${how}`),
    ...(recovery.wasLocked ? ["lock         cleared"] : []),
    ...recovery.interrupted.map(
      ({ operation, urn }) => `interrupted  ${operation} ${nameOf(urn)}; taken out of the state`,
    ),
    ...recovery.imported.map(
      ({ what, urn, remark }) =>
        `imported     ${what} as ${nameOf(urn)}${remark === undefined ? "" : below(remark)}`,
    ),
    ...recovery.leftAlone.map(
      ({ what, reason, cure }) => `left alone   ${what}: ${reason}${below(cure)}`,
    ),
  ];
  if (lines.length === 0) {
    return "Nothing to recover: no lock, nothing interrupted, and nothing of this stack outside its state.";
  }
  return [...lines, "", "Go on with: pulumi up"].join("\n");
}
