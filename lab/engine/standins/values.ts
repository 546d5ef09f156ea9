// Pulumi's property values as the engine sends them to a plugin: JSON in which a secret and an
// unknown are marked by well-known keys.

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const unknownMarks = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);
const unknownMark = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A value that must not be shown. */
export class Secret {
  constructor(readonly value: Value) {}
}

/** A value that a preview cannot know. */
export class Unknown {
  readonly kind = "unknown";
}

export const unknown = new Unknown();

export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | Secret
  | Unknown
  | Properties;

export interface Properties {
  readonly [name: string]: Value;
}

/** Reads a value from the JSON that the engine sent. */
export function decode(json: unknown): Value {
  if (json === null || json === undefined) return null;
  if (typeof json === "boolean" || typeof json === "number") return json;
  if (typeof json === "string") return unknownMarks.has(json) ? unknown : json;
  if (Array.isArray(json)) return json.map(decode);
  if (typeof json !== "object") throw new Error(`value: no property can be a ${typeof json}`);
  const entries = Object.entries(json);
  const fields = new Map<string, unknown>(entries);
  if (fields.get(signatureKey) === secretSignature) return new Secret(decode(fields.get("value")));
  return Object.fromEntries(entries.map(([name, value]) => [name, decode(value)]));
}

/** Reads a property map; properties that are null count as absent. */
export function decodeProperties(json: unknown): Properties {
  const value = decode(json);
  if (!isProperties(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== null));
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Writes a value as the JSON that the engine expects. */
export function encode(value: Value): Json {
  if (value instanceof Unknown) return unknownMark;
  if (value instanceof Secret)
    return { [signatureKey]: secretSignature, value: encode(value.value) };
  if (isList(value)) return value.map(encode);
  if (isProperties(value)) return encodeProperties(value);
  return value;
}

export function encodeProperties(properties: Properties): { [name: string]: Json } {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, encode(value)]),
  );
}

export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

export function isProperties(value: Value | undefined): value is Properties {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Secret) &&
    !(value instanceof Unknown)
  );
}

/** The value without any secret mark, at any depth: for use, never for state. */
export function reveal(value: Value): Value {
  if (value instanceof Secret) return reveal(value.value);
  if (isList(value)) return value.map(reveal);
  if (isProperties(value)) return revealProperties(value);
  return value;
}

export function revealProperties(properties: Properties): Properties {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, reveal(value)]),
  );
}

/** Whether two values are the same; a property that is null equals one that is absent. */
export function equal(one: Value | undefined, other: Value | undefined): boolean {
  if (one === undefined || one === null) return other === undefined || other === null;
  if (other === undefined || other === null) return false;
  if (one instanceof Secret) return other instanceof Secret && equal(one.value, other.value);
  if (one instanceof Unknown) return other instanceof Unknown;
  if (isList(one)) {
    return (
      isList(other) &&
      one.length === other.length &&
      one.every((item, index) => equal(item, other[index]))
    );
  }
  if (isProperties(one)) {
    if (!isProperties(other)) return false;
    const names = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...names].every((name) => equal(one[name], other[name]));
  }
  return one === other;
}

/** The text of a property, or undefined when it is absent; anything else is refused by name. */
export function textOf(properties: Properties, name: string): string | undefined {
  const value = properties[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new Error(`${name}: expected a text`);
  return value;
}

export function numberOf(properties: Properties, name: string): number | undefined {
  const value = properties[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number") throw new Error(`${name}: expected a number`);
  return value;
}

export function flagOf(properties: Properties, name: string): boolean | undefined {
  const value = properties[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw new Error(`${name}: expected true or false`);
  return value;
}

/** The named properties that are there. */
export function present(values: Properties, names: readonly string[]): Properties {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = values[name];
      return value === undefined || value === null ? [] : [[name, value]];
    }),
  );
}

/** Marks what was secret before, or is a secret input, as secret again. */
export function withSecretsOf(values: Properties, origin: Properties): Properties {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      hasSecret(origin[name]) && !(value instanceof Unknown) ? new Secret(value) : value,
    ]),
  );
}

function hasSecret(value: Value | undefined): boolean {
  if (value instanceof Secret) return true;
  if (isList(value)) return value.some(hasSecret);
  return isProperties(value) && Object.values(value).some(hasSecret);
}
