// What the rules judge: resources as they are to be, and how their values are read. Pure; knows no engine
// and no rule.

/** A value that the engine holds as a secret. Rules measure and compare it where it is known; nothing shows it. */
export class Secret {
  readonly secret = true;
  // Private to the language, so that no print and no JSON has it.
  readonly #value: unknown;

  constructor(value?: unknown) {
    this.#value = value;
  }

  /** The value, or undefined where whoever made the list could not see it. */
  reveal(): unknown {
    return this.#value;
  }
}

/** One resource after the change. */
export interface PlannedResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** Inputs. What nobody knows yet is `undefined`, what is secret a `Secret`. */
  readonly props: Readonly<Record<string, unknown>>;
  /** Whether the engine refuses to delete it. */
  readonly protect: boolean;
  readonly parent?: string;
  /** Inputs that stay as they are in the cloud, such as an imported record's comment. */
  readonly ignoreChanges?: readonly string[];
  /** Secrets among the outputs, such as a generated password, as far as they are known. */
  readonly secretOutputs?: readonly Secret[];
  /** On the stack itself: its configuration as the engine holds it, by full key, where it is known. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

/** What breaks a rule. The message never holds a secret. */
export interface Violation {
  /** URN of the resource to blame, where there is one. */
  readonly resource?: string;
  readonly message: string;
}

/** One thing that must never happen. */
export interface Rule {
  /** Identity, in kebab case; Pulumi's name of the policy. */
  readonly name: string;
  /** What always holds, as a sentence. */
  readonly sentence: string;
  check(resources: readonly PlannedResource[]): readonly Violation[];
}

/** The stack that a URN names: `urn:pulumi:<stack>::<project>::<types>::<name>`. */
export function stackOf({ urn }: PlannedResource): string {
  return urn.split("::")[0]?.split(":").slice(2).join(":") ?? "";
}

/** A value of the stack's configuration; undefined where it is not known. */
export function configured(resources: readonly PlannedResource[], key: string): string | undefined {
  const stack = resources.find(({ configuration }) => configuration !== undefined);
  return text(stack?.configuration?.[`mail-host:${key}`]);
}

/** A field of any value; undefined where there is none. */
export function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The elements of a list; none of anything else. */
export function elements(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A text; undefined of anything else, such as what is not known yet. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
