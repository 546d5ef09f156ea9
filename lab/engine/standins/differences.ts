// What changed between two property maps, as paths that the engine understands.

import { equal, isList, isProperties, type Properties, type Value } from "./values";

export interface Difference {
  /** The property's path, such as `environment.HOME` or `triggers[0]`. */
  readonly path: string;
  readonly kind: "add" | "delete" | "update";
}

/** Lists what changed; secrets and unknowns are compared as a whole. */
export function differences(olds: Properties, news: Properties): Difference[] {
  return within("", olds, news);
}

function within(prefix: string, olds: Properties, news: Properties): Difference[] {
  const names = [...new Set([...Object.keys(olds), ...Object.keys(news)])].sort();
  return names.flatMap((name) => between(join(prefix, name), olds[name], news[name]));
}

function between(
  path: string,
  old: Value | undefined,
  now: Value | undefined,
): readonly Difference[] {
  if (equal(old, now)) return [];
  if (old === undefined || old === null) return [{ path, kind: "add" }];
  if (now === undefined || now === null) return [{ path, kind: "delete" }];
  if (isProperties(old) && isProperties(now)) return within(path, old, now);
  if (isList(old) && isList(now)) {
    const length = Math.max(old.length, now.length);
    return Array.from({ length }, (_, index) => index).flatMap((index) =>
      between(`${path}[${index}]`, old[index], now[index]),
    );
  }
  return [{ path, kind: "update" }];
}

function join(prefix: string, name: string): string {
  if (!/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name)) return `${prefix}[${JSON.stringify(name)}]`;
  return prefix === "" ? name : `${prefix}.${name}`;
}
