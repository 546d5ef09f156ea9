// Property names: snake_case in Cloudflare's API, camelCase in Pulumi.

import { decode, isList, isProperties, type Properties, type Value } from "./values";

/** An API object with Pulumi's names; null counts as absent. */
export function camelCased(json: unknown): Properties {
  const renamed = rename(decode(json), (name) =>
    name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
  );
  if (!isProperties(renamed)) throw new Error("answer: expected an object");
  return renamed;
}

/** An object with the API's names. */
export function snakeCased(json: unknown): Record<string, unknown> {
  const value = decode(json);
  if (!isProperties(value)) throw new Error("body: expected an object");
  const nulls = Object.entries(value).flatMap(([name, entry]) =>
    entry === null ? [[snakeCase(name), null]] : [],
  );
  const renamed = rename(value, snakeCase);
  return { ...Object.fromEntries(nulls), ...(isProperties(renamed) ? renamed : {}) };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function rename(value: Value, name: (old: string) => string): Value {
  if (isList(value)) return value.map((item) => rename(item, name));
  if (!isProperties(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([old, entry]) =>
      entry === null ? [] : [[name(old), rename(entry, name)]],
    ),
  );
}
