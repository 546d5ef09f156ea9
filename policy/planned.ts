// Planned resources from what the engine prints: `pulumi preview --json` and `pulumi stack export`. Pure.

import { z } from "zod";
import { plainProperties } from "./engine-values";
import { type PlannedResource, Secret } from "./resource";

const Values = z.record(z.string(), z.unknown());
type Values = z.infer<typeof Values>;

const State = z.object({
  urn: z.string(),
  type: z.string(),
  inputs: Values.optional(),
  outputs: Values.optional(),
  protect: z.boolean().optional(),
  parent: z.string().optional(),
  ignoreChanges: z.array(z.string()).optional(),
  delete: z.boolean().optional(),
});

const Preview = z.object({
  steps: z.array(z.object({ op: z.string(), newState: State.optional() })),
  config: Values.optional(),
});

const Export = z.object({
  deployment: z.object({ resources: z.array(State).nullish() }),
});

/**
 * The resources after a previewed change, or those of an exported state, each once; from what was printed or its
 * JSON. Secrets are known only where they are shown (`pulumi stack export --show-secrets`). Throws on anything else.
 */
export function plannedResources(printed: unknown): PlannedResource[] {
  const json: unknown = typeof printed === "string" ? JSON.parse(printed) : printed;
  const exported = Export.safeParse(json).data;
  if (exported !== undefined) return currentOf(exported.deployment.resources ?? [], undefined);
  const preview = Preview.safeParse(json);
  if (!preview.success) {
    throw new Error(
      `neither the output of "pulumi preview --json" nor that of "pulumi stack export": ${z.prettifyError(preview.error)}`,
    );
  }
  const { steps, config } = preview.data;
  const after = steps.flatMap(({ op, newState }) =>
    newState === undefined || /^(?:delete|discard|remove)/.test(op) ? [] : [newState],
  );
  return currentOf(after, config);
}

/** Each once, and nothing that waits to be deleted. */
function currentOf(states: readonly z.infer<typeof State>[], config: Values | undefined) {
  const current = new Map(
    states.filter((state) => state.delete !== true).map((state) => [state.urn, state]),
  );
  return [...current.values()].map((state): PlannedResource => {
    const resource = plannedResource(state);
    const isStack = resource.type === "pulumi:pulumi:Stack" && config !== undefined;
    return isStack ? { ...resource, configuration: plainProperties(config) } : resource;
  });
}

function plannedResource({
  urn,
  type,
  inputs = {},
  outputs = {},
  protect = false,
  parent,
  ignoreChanges,
}: z.infer<typeof State>): PlannedResource {
  return {
    urn,
    type,
    name: urn.split("::").slice(3).join("::"),
    props: plainProperties(inputs),
    protect,
    ...(parent === undefined ? {} : { parent }),
    ...(ignoreChanges === undefined ? {} : { ignoreChanges }),
    secretOutputs: Object.values(plainProperties(outputs)).flatMap(secretsIn),
  };
}

function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(secretsIn) : [];
}
