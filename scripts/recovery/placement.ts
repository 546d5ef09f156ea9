// Which resource of the program a thing found in a cloud is. Pure. The program itself says what it
// wants: its preview lists name, type, parent and inputs of every resource that the state does not hold.

import { z } from "zod";

const Resource = z.object({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  parent: z.string().optional(),
  provider: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).default({}),
});

/** A resource as the engine writes it down. */
export type Resource = z.infer<typeof Resource>;

const Preview = z.object({
  steps: z.array(z.object({ op: z.string(), newState: Resource.optional() })).default([]),
  diagnostics: z.array(z.object({ message: z.string(), severity: z.string() })).default([]),
});

/** What `pulumi preview --json` would create. */
export function planned(json: string): Resource[] {
  const { steps } = Preview.parse(JSON.parse(json));
  return steps.flatMap(({ op, newState }) =>
    op === "create" && newState !== undefined ? [newState] : [],
  );
}

/** Why `pulumi preview --json` failed, in its own words. */
export function complaints(json: string): string {
  const { diagnostics } = Preview.parse(JSON.parse(json));
  return diagnostics
    .filter(({ severity }) => severity === "error")
    .map(({ message }) => message.trim())
    .join("\n");
}

const Export = z.object({
  deployment: z.object({
    resources: z.array(Resource).nullish(),
    pending_operations: z.array(z.object({ type: z.string(), resource: Resource })).nullish(),
  }),
});

/** What `pulumi stack export` says: the resources, and the operations whose end was never written down. */
export function exported(json: string) {
  const { deployment } = Export.parse(JSON.parse(json));
  return {
    resources: deployment.resources ?? [],
    interrupted: (deployment.pending_operations ?? []).map(({ type, resource }) => ({
      operation: type,
      urn: resource.urn,
    })),
  };
}

/** Something in a cloud that carries the stack's marks. */
export interface Found {
  /** For a person, e.g. `volume "dev-mail"`. */
  readonly what: string;
  /** The resource type that manages it. */
  readonly type: string;
  /** As `pulumi import` wants it. */
  readonly id: string;
  /** Inputs that say which one it is: a resource with other values is another one. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Inputs that decide between several resources of the same identity. */
  readonly likeness: Readonly<Record<string, unknown>>;
  /** Why it must not be imported as it is, and the command that changes that. */
  readonly obstacle?: { readonly reason: string; readonly cure: string };
  /** The command that deletes it; for a person to run, never run here. */
  readonly removal: string;
}

export interface Placed {
  readonly found: Found;
  readonly resource: Resource;
}

/** An attachment has no mark of its own: it is its volume's, and goes with it. */
export const attachmentType = "hcloud:index/volumeAttachment:VolumeAttachment";
export const serverType = "hcloud:index/server:Server";

/**
 * Pairs what was found outside the state with what the program would create. Whatever is left has no
 * place in this program: it belongs to an earlier configuration, or is there twice.
 */
export function place(
  found: readonly Found[],
  { wanted, held }: { wanted: readonly Resource[]; held: readonly Resource[] },
): { placed: Placed[]; unplaced: Found[] } {
  const outside = found.filter(
    ({ type, id }) => !held.some((one) => one.type === type && one.id === idInState(id)),
  );
  const pairs = outside
    .filter(({ obstacle }) => obstacle === undefined)
    .flatMap((one) =>
      wanted
        .filter(({ type, inputs }) => type === one.type && agreement(one.identity, inputs).all)
        .map((resource) => ({ found: one, resource })),
    )
    .sort((a, b) => closeness(b) - closeness(a));
  const placed: Placed[] = [];
  for (const pair of pairs) {
    const isTaken = placed.some(
      ({ found: thing, resource }) => thing === pair.found || resource === pair.resource,
    );
    if (!isTaken) placed.push(pair);
  }
  return {
    placed,
    unplaced: outside.filter(
      (one) => one.type !== attachmentType && !placed.some(({ found: thing }) => thing === one),
    ),
  };
}

const closeness = ({ found, resource }: Placed) => agreement(found.likeness, resource.inputs).count;

function agreement(values: Readonly<Record<string, unknown>>, inputs: Record<string, unknown>) {
  const names = Object.keys(values);
  const count = names.filter((name) => values[name] === inputs[name]).length;
  return { count, all: count === names.length };
}

/** A record is imported as `zone/record`, and known as `record` ever after. */
const idInState = (id: string) => id.slice(id.lastIndexOf("/") + 1);

/** The logical name at the end of a URN. */
export const nameOf = (urn: string) => urn.split("::").slice(3).join("::");

/** What `pulumi import --file` reads: each resource under the URN that the program will register. */
export function importFile(
  placed: readonly Placed[],
  { wanted, held }: { wanted: readonly Resource[]; held: readonly Resource[] },
) {
  const components = new Map<string, Resource>();
  const nameTable: Record<string, string> = {};
  // Components that the state does not hold yet come along, up to the stack itself.
  const addParent = (urn: string | undefined): void => {
    const parent = wanted.find((one) => one.urn === urn);
    if (urn === undefined || isStack(urn)) return;
    if (parent === undefined || held.some((one) => one.urn === urn)) nameTable[urn] = urn;
    else {
      components.set(urn, parent);
      addParent(parent.parent);
    }
  };
  for (const { resource } of placed) addParent(resource.parent);
  const entry = ({ urn, type, parent }: Resource) => ({
    type,
    // Unique in the file, unlike the logical name, which a component may share with its child.
    name: urn,
    logicalName: nameOf(urn),
    ...(parent === undefined || isStack(parent) ? {} : { parent }),
  });
  return {
    nameTable,
    resources: [
      ...[...components.values()].map((one) => ({ ...entry(one), component: true })),
      ...placed.map(({ found, resource }) => ({
        ...entry(resource),
        id: found.id,
        version: providerVersion(resource),
      })),
    ],
  };
}

/** The default provider of a version is called `default_1_41_0`; without it the import would make one of its own. */
const providerVersion = ({ provider = "" }: Resource) =>
  /::default_([0-9_]+)::/.exec(provider)?.[1]?.replaceAll("_", ".");

const isStack = (urn: string) => urn.split("::")[2] === "pulumi:pulumi:Stack";
