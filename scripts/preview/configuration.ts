// A stack's configuration as an engine without its passphrase can read it: public values as they are, and a
// placeholder of valid shape for each ciphertext. Also which zones it speaks of. Pure.

import { createHash } from "node:crypto";
import { parseDocument, stringify } from "yaml";
import { labTokens } from "../../lab/engine-run";

/** A name and the zone that its records go into. */
export interface ZoneName {
  readonly name: string;
  readonly id: string;
}

/** What can be known of a stack without any secret. */
export interface PublicConfiguration {
  /** The configuration file, without ciphertext and salt. */
  readonly text: string;
  /** Names with the zones that they are configured with, the host's first where its zone is named. */
  readonly names: readonly ZoneName[];
  /** Those of them that receive mail. */
  readonly domains: readonly ZoneName[];
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/**
 * Reads a configuration file; `readFile` gives the text of a directory file. Throws where the file is no
 * YAML.
 */
export function publicConfiguration(
  text: string,
  readFile: (path: string) => string | undefined,
): PublicConfiguration {
  const config = fieldsOf(fieldsOf(parsed(text)).config);
  const directory = config["mail-host:directory"];
  const file = typeof directory === "string" ? readFile(directory) : undefined;
  const entries = fieldsOf(file === undefined ? undefined : looselyParsed(file));
  const boxes = [...listOf(config["mail-host:mailboxes"]), ...listOf(entries.mailboxes)];
  const withPlaceholders = Object.entries(config).map(([key, value]) => [
    key,
    key === "mail-host:hashes" && cipherOf(value) !== undefined
      ? hashesFor(boxes, cipherOf(value) ?? "")
      : replaced(value, key),
  ]);
  const flat = flatPlaces(config);
  const domains = placesIn([
    ...listOf(config["mail-host:domains"]),
    ...listOf(entries.domains),
    ...flat.filter(({ key }) => key !== "host"),
  ]);
  const hosts = [config["mail-host:host"], ...flat.filter(({ key }) => key === "host")];
  return {
    text: stringify({ config: Object.fromEntries(withPlaceholders) }, { lineWidth: 0 }),
    names: [...placesIn(hosts), ...domains],
    domains,
  };
}

function placesIn(values: readonly unknown[]): ZoneName[] {
  return values.flatMap((value) => {
    const { name, zoneId } = fieldsOf(value);
    return typeof name === "string" && typeof zoneId === "string"
      ? [{ name: name.toLowerCase(), id: zoneId }]
      : [];
  });
}

function parsed(text: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw new Error(error.message);
  return document.toJS();
}

/** What is wrong with a directory file is for the program to say. */
function looselyParsed(text: string): unknown {
  try {
    return parsed(text);
  } catch {
    return undefined;
  }
}

/** `pulumi new` leaves paths such as `mail-host:domains[0].zoneId` as keys of their own. */
function flatPlaces(config: Fields): Fields[] {
  const places = new Map<string, Record<string, unknown>>();
  for (const [key, value] of Object.entries(config)) {
    const [, place, field] = /^mail-host:(host|domains\[\d+\])\.(name|zoneId)$/.exec(key) ?? [];
    if (place === undefined || field === undefined) continue;
    places.set(place, { ...places.get(place), key: place, [field]: value });
  }
  return [...places.values()];
}

function cipherOf(value: unknown): string | undefined {
  const { secure, ...rest } = fieldsOf(value);
  return typeof secure === "string" && Object.keys(rest).length === 0 ? secure : undefined;
}

function replaced(value: unknown, key: string): unknown {
  const cipher = cipherOf(value);
  if (cipher !== undefined) return placeholder(key, cipher);
  if (Array.isArray(value)) return value.map((inner) => replaced(inner, key));
  if (!isFields(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]) => [field, replaced(inner, `${key}.${field}`)]),
  );
}

const digestOf = (cipher: string) => createHash("sha256").update(cipher).digest("hex");

/** Of the shape that is wanted at its key. Another ciphertext gives another one, so that it shows as a change. */
function placeholder(key: string, cipher: string): string {
  if (key === "hcloud:token") return labTokens.hcloud;
  if (key === "cloudflare:apiToken") return labTokens.cloudflare;
  if (/^mail-host:(hashes|mailboxes)\b/.test(key)) return hashPlaceholder(cipher);
  return `placeholder-${digestOf(cipher).slice(0, 16)}`;
}

const hashPlaceholder = (cipher: string) => `$6$placeholder$${digestOf(cipher).padEnd(86, "0")}`;

/** Where the hashes are one ciphertext: one for each mailbox that would have none otherwise. */
function hashesFor(mailboxes: readonly unknown[], cipher: string): Record<string, string> {
  return Object.fromEntries(
    mailboxes
      .map(fieldsOf)
      .filter(({ password, hash }) => password === undefined && hash === undefined)
      .map(({ address }) => [String(address), hashPlaceholder(cipher)]),
  );
}

/** Zones that hold the names: each is called by the longest suffix that its names share. */
export function zonesOf(names: readonly ZoneName[]): ZoneName[] {
  const byId = new Map<string, string[]>();
  for (const { name, id } of names.filter((one) => /^[0-9a-f]{32}$/.test(one.id))) {
    byId.set(id, [...(byId.get(id) ?? []), name]);
  }
  return [...byId].map(([id, inZone]) => ({ id, name: sharedSuffix(inZone) }));
}

/** Of at least two labels; names that share less lie in the first one's zone. */
function sharedSuffix([first = "", ...others]: readonly string[]): string {
  const labels = first.split(".");
  const suffixes = labels.slice(0, -1).map((_, i) => labels.slice(i).join("."));
  const isShared = (suffix: string) =>
    others.every((name) => name === suffix || name.endsWith(`.${suffix}`));
  return suffixes.find(isShared) ?? first;
}
