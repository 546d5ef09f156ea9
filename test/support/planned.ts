// The program's own resources as the policy's rules read them, and ways to spoil them.

import { plainProperties } from "../../policy/engine-values";
import { type PlannedResource, Secret } from "../../policy/resource";
import type { Recorded } from "./mocks";

/** What the mocks recorded, as a preview of the stack `dev` would tell it, with all secrets known. */
export function plannedFrom(recorded: readonly Recorded[]): PlannedResource[] {
  return recorded.map(({ type, name, inputs, protect, ignoreChanges }) => ({
    urn: `urn:pulumi:dev::mail-host::${type}::${name}`,
    type,
    name,
    props: plainProperties(inputs),
    protect,
    ignoreChanges,
    secretOutputs: type.startsWith("random:") ? [new Secret(generatedSecret(name))] : [],
  }));
}

/** What the mocks generate. */
export const generatedSecret = (name: string) => `${name.replaceAll("-", "")}SECRET`;

/** The same resources with one changed. Throws when there is none of that name. */
export function changed(
  resources: readonly PlannedResource[],
  name: string,
  change: Partial<PlannedResource> | ((resource: PlannedResource) => Partial<PlannedResource>),
): PlannedResource[] {
  if (!resources.some((resource) => resource.name === name)) throw new Error(`no ${name}`);
  return resources.map((resource) =>
    resource.name === name
      ? { ...resource, ...(typeof change === "function" ? change(resource) : change) }
      : resource,
  );
}

/** The same with some inputs of one resource set. */
export const withProps = (
  resources: readonly PlannedResource[],
  name: string,
  props: Readonly<Record<string, unknown>>,
) => changed(resources, name, (resource) => ({ props: { ...resource.props, ...props } }));
