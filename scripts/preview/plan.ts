// What the engine says of a preview and of a state, read into the little that a comment needs. Pure.

import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

const Properties = z.record(z.string(), z.unknown());
export type Properties = Readonly<z.output<typeof Properties>>;

const State = z.object({
  urn: z.string(),
  type: z.string(),
  inputs: Properties.default({}),
  outputs: Properties.default({}),
  replacementTrigger: z.unknown().optional(),
});
export type State = Readonly<z.output<typeof State>>;

const Step = z.object({
  op: z.string(),
  urn: z.string(),
  oldState: State.optional(),
  newState: State.optional(),
  diffReasons: z.array(z.string()).nullish(),
  replaceReasons: z.array(z.string()).nullish(),
});

const Preview = z.object({
  steps: z.array(Step).default([]),
  diagnostics: z.array(z.object({ severity: z.string(), message: z.string() })).default([]),
});

const Export = z.object({ deployment: z.object({ resources: z.array(State).default([]) }) });

const Plan = z.object({
  resourcePlans: z
    .record(
      z.string(),
      z.object({
        goal: z
          .object({
            inputDiff: z
              .object({ adds: Properties.nullish(), updates: Properties.nullish() })
              .nullish(),
          })
          .nullish(),
      }),
    )
    .nullish(),
});

/** What becomes of one resource. */
export interface Change {
  readonly kind: "create" | "update" | "replace" | "delete" | "import";
  /** Pulumi's type token. */
  readonly type: string;
  readonly name: string;
  /** Names of the properties that differ, for updates and replacements. */
  readonly properties: readonly string[];
  readonly before?: State;
  readonly after?: State;
}

const kinds: Readonly<Record<string, Change["kind"]>> = {
  create: "create",
  update: "update",
  replace: "replace",
  "create-replacement": "replace",
  "delete-replaced": "replace",
  delete: "delete",
  import: "import",
  "import-replacement": "replace",
};

/** Stands for a value that is known after `up` alone. */
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether a value, or a part of it, is known after `up` alone. */
export const isUnknown = (value: unknown): boolean =>
  JSON.stringify(value ?? null).includes(unknownValue);

/** `pulumi preview --json`; one of an engine that said nothing readable is empty. */
export function readPreview(json: string): z.output<typeof Preview> {
  return Preview.parse(json.trim() === "" ? {} : JSON.parse(json));
}

/** What changes, one entry for each resource; components and providers are no resources of anybody's. */
export function changesOf({ steps }: z.output<typeof Preview>): Change[] {
  const byUrn = new Map<string, Change>();
  for (const step of steps) {
    const kind = kinds[step.op];
    const type = (step.newState ?? step.oldState)?.type ?? "";
    if (kind === undefined || /^(mailhost:|pulumi:pulumi:|pulumi:providers:)/.test(type)) continue;
    const known = byUrn.get(step.urn);
    const before = step.oldState ?? known?.before;
    const after = step.newState ?? known?.after;
    const properties = [
      ...(isTriggered(step) ? ["replacementTrigger"] : []),
      ...(step.replaceReasons ?? []),
      ...(step.diffReasons ?? []),
    ];
    byUrn.set(step.urn, {
      kind,
      type,
      name: nameOf(step.urn),
      properties: [...new Set([...(known?.properties ?? []), ...properties])],
      ...(before === undefined ? {} : { before }),
      ...(after === undefined || kind === "delete" ? {} : { after }),
    });
  }
  return [...byUrn.values()];
}

/** Whether another trigger asks for the replacement: the engine gives no reason then. */
const isTriggered = ({ oldState, newState }: z.output<typeof Step>): boolean =>
  oldState !== undefined &&
  newState !== undefined &&
  !isDeepStrictEqual(oldState.replacementTrigger, newState.replacementTrigger);

/** The last part of a URN. */
export const nameOf = (urn: string): string => urn.split("::").at(-1) ?? urn;

/** What stands after the preview. */
export const plannedStates = ({ steps }: z.output<typeof Preview>): State[] =>
  steps.flatMap(({ op, newState }) =>
    newState === undefined || op.startsWith("delete") ? [] : [newState],
  );

/** `pulumi stack export --show-secrets`, secrets in plain text. */
export function readExport(json: string): State[] {
  return Export.parse(revealed(JSON.parse(json))).deployment.resources;
}

/** The inputs that a plan changes, by URN, secrets in plain text: only the plan tells them. */
export function changedInputs(plan: string): ReadonlyMap<string, Properties> {
  const { resourcePlans } = Plan.parse(revealed(JSON.parse(plan)));
  return new Map(
    Object.entries(resourcePlans ?? {}).map(([urn, { goal }]) => [
      urn,
      { ...goal?.inputDiff?.adds, ...goal?.inputDiff?.updates },
    ]),
  );
}

const secretSignature = "4dabf18193072939515e22adb298388d";

/** The engine wraps each secret, with its plain text as JSON. */
function revealed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== "object" || value === null) return value;
  if (secretSignature in value && "plaintext" in value && typeof value.plaintext === "string") {
    return revealed(JSON.parse(value.plaintext));
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revealed(inner)]));
}
