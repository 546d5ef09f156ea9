// The one door to the stack configuration: every key, its meaning, its default, and what a change of
// it costs. Nothing else in the program reads configuration.

import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { type Document, parseDocument } from "yaml";
import { z } from "zod";
import {
  contradictions,
  type Directory,
  type PlacedDirectory,
  readEntries,
  webLabels,
} from "./config/directory";
import { Dkim, Host, readSmarthost, type SmarthostConfig, smarthostSchemas } from "./config/host";
import {
  ConfigurationError,
  fileSource,
  type KeyPath,
  type Mistake,
  mistakesOf,
  type Source,
  showSome,
  stackSource,
} from "./config/mistakes";
import { CalendarDate, CloudflareId, lowerCase, PasswordHash } from "./config/values";

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const schemas = {
  host: Host,
  /** Whether address, volume and mail are worth protecting from deletion. False only for lab and test stacks. */
  lasting: z.stringbool("is neither true nor false").default(true),
  /** Last day of a test stack, in UTC: it stands in the marks of all that the stack makes, and `npm run sweep` removes what is past it. In place. */
  expires: CalendarDate.optional(),
  /** Ids of existing Cloudflare records that this stack may work beside, after `pulumi import`. */
  adopt: z.array(CloudflareId, "is not a list of record ids").default([]),
  dkim: Dkim.prefault({}),
  /** Switches DNSSEC on for the zones. It stays on when this is taken back, or the stack is destroyed. */
  dnssec: z.stringbool("is neither true nor false").default(false),
  ...smarthostSchemas,
  /** Hashes given by their owners, by address. Secret. */
  hashes: z
    .preprocess(
      (value) => (isPlainObject(value) ? new Map(Object.entries(value)) : value),
      z.map(z.string(), PasswordHash, "is not an object of addresses and hashes"),
    )
    .default(new Map()),
  /** Directory file (YAML or JSON) with domains, mailboxes and aliases besides those of the stack configuration. */
  directory: z.string("is not the name of a file").optional(),
};

/** What a machine is made of, and where it stands. */
export type HostConfig = Readonly<z.output<typeof Host>> & { readonly zoneId: string };

/** A stack's configuration, checked: nothing that the program later meets is out of its alphabet. */
export interface StackConfig {
  readonly host: HostConfig;
  readonly directory: Directory;
  /** See `lasting` among the schemas: decides all protection. */
  readonly lasting: boolean;
  /** Last day of a test stack, e.g. `2026-12-01`; never there on a lasting one. */
  readonly expires?: string;
  readonly adopt: readonly string[];
  /** Generations of the DKIM keys. */
  readonly dkim: Readonly<z.output<typeof Dkim>>;
  readonly dnssec: boolean;
  readonly smarthost?: SmarthostConfig;
}

/** Fixed, so that `pulumi new` may name the project as its owner likes. */
const namespace = "mail-host";

/** Reads and checks the whole configuration; throws `ConfigurationError` with every mistake at once. */
export function loadConfig(): StackConfig {
  const prefix = `${namespace}:`;
  const raw = Object.fromEntries(
    Object.entries(pulumi.runtime.allConfig())
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
  return parseConfig(raw, {
    readFile: (path) => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined; // no such file, a folder, or closed to us: a mistake either way
      }
    },
  });
}

/** Structured values travel as JSON, scalars as they are (`pulumi config set --path` writes both). */
function decode(text: string): unknown {
  try {
    return /^\s*[[{]/.test(text) ? JSON.parse(text) : text;
  } catch {
    return text;
  }
}

/**
 * `pulumi new` can only ask for flat keys: there a path such as `host.name` or `domains[0].zoneId` is a
 * key of its own, and means what `pulumi config set --path` would have written.
 */
function unfold(
  raw: Readonly<Record<string, string>>,
  mistakes: Mistake[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const isPath = (key: string) => /[.[]/.test(key);
  for (const [key, text] of Object.entries(raw))
    if (!isPath(key)) setOwn(values, key, decode(text));
  for (const [key, text] of Object.entries(raw).filter(([name]) => isPath(name))) {
    const path = key.split(/[.[\]]+/).filter((part) => part !== "");
    if (!setAt(values, path, decode(text))) {
      mistakes.push({
        where: `${namespace}:${key}`,
        message:
          "is set twice, as a key of its own and inside the structure that it names, or names no place in it",
        cure: `remove one with: pulumi config rm '${namespace}:${key}'`,
      });
    }
  }
  return values;
}

/** Assignment would take the key `__proto__` for the prototype, and so hide what it holds. */
function setOwn(container: object, key: string, value: unknown): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true });
}

/** Sets the value at the path, making objects and lists on the way; false when it cannot stand there. */
function setAt(
  container: object,
  [first = "", ...rest]: readonly string[],
  value: unknown,
): boolean {
  if (Array.isArray(container) && !/^\d{1,5}$/.test(first)) return false;
  const existing: unknown = Object.hasOwn(container, first)
    ? Reflect.get(container, first)
    : undefined;
  if (rest.length === 0) {
    if (existing === undefined) setOwn(container, first, value);
    return existing === undefined;
  }
  const inner = existing ?? (/^\d+$/.test(rest[0] ?? "") ? [] : {});
  if (typeof inner !== "object") return false;
  setOwn(container, first, inner);
  return setAt(inner, rest, value);
}

const listKeys = ["domains", "mailboxes", "aliases"];

/** The pure part of `loadConfig`: `raw` holds the namespace's keys, each as the engine hands it over. */
export function parseConfig(
  raw: Readonly<Record<string, string>>,
  { readFile }: { readFile: (path: string) => string | undefined },
): StackConfig {
  const source = stackSource(namespace);
  const mistakes: Mistake[] = [];
  const values = unfold(raw, mistakes);

  const isSecret = ([key]: KeyPath) => key === "hashes" || key === "smarthostPassword";
  const read = <T>(key: string, schema: z.ZodType<T>): T | undefined => {
    const value = values[key];
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    mistakes.push(...mistakesOf(result.error, { value, base: [key], source, isSecret }));
    return undefined;
  };

  const known = [...Object.keys(schemas), ...listKeys];
  for (const key of Object.keys(values).filter((name) => !known.includes(name))) {
    mistakes.push({
      where: source.where([key]),
      message: `is a key that this program does not know; allowed: ${known.sort().join(", ")}`,
      cure: source.cure([key], "remove"),
    });
  }

  const host = read("host", schemas.host);
  const lasting = read("lasting", schemas.lasting);
  const expires = read("expires", schemas.expires);
  if (lasting === true && expires !== undefined) {
    const remove = source.cure(["expires"], "remove");
    mistakes.push({
      where: source.where(["expires"]),
      message: `"${expires}" is the last day of a test stack, and this one is lasting`,
      cure: `${remove}; on a test stack: pulumi config set ${namespace}:lasting false`,
    });
  }
  const adopt = read("adopt", schemas.adopt);
  const dkim = read("dkim", schemas.dkim);
  const dnssec = read("dnssec", schemas.dnssec);
  const smarthost = readSmarthost(values, { namespace, read, mistakes, source });
  const hashes = read("hashes", schemas.hashes) ?? new Map<string, string>();
  const file = read("directory", schemas.directory);

  const placed = joined([
    readEntries(values, { source, mistakes }),
    ...(file === undefined
      ? []
      : [readDirectoryFile(file, { text: readFile(file), mistakes, source })]),
  ]);
  const complete = withHashes(placed, hashes, { source, mistakes });
  mistakes.push(...contradictions(complete));
  const directory = entriesOf(complete);
  if (directory.domains.length === 0 && !mistakes.some(({ where }) => where.includes("domains"))) {
    mistakes.push({
      where: source.where(["domains"]),
      message: "names no domain; a mail host needs at least one, with its Cloudflare zone",
      cure: source.cure(["domains[0].name"], "set"),
    });
  }
  const needsPostmaster =
    directory.mailboxes.length === 0 && !mistakes.some(({ where }) => where.includes("mailboxes"));
  if (needsPostmaster) {
    mistakes.push({
      where: source.where(["mailboxes"]),
      message: "names no mailbox; postmaster's mail (RFC 2142) needs one",
      cure: source.cure(["mailboxes[0].address"], "set"),
    });
  }
  const hostDomain = complete.domains.find(({ entry }) => entry.name === host?.name);
  if (hostDomain !== undefined) {
    mistakes.push({
      where: hostDomain.source.where([...hostDomain.path, "name"]),
      message: `"${hostDomain.entry.name}" is the host's own name too, whose mail is the system's; give the host another, e.g. mail.${hostDomain.entry.name}`,
      cure: source.cure(["host", "name"], "set"),
    });
  }
  const servedFor = complete.domainNames.find((name) =>
    webLabels.some((label) => `${label}.${name}` === host?.name),
  );
  if (servedFor !== undefined) {
    mistakes.push({
      where: source.where(["host", "name"]),
      message: `"${host?.name}" is a name that the host serves for ${servedFor} besides its own; give the host another, e.g. mail.${servedFor}`,
      cure: source.cure(["host", "name"], "set"),
    });
  }
  const zoneId = host && (host.zoneId ?? zoneOf(host.name, directory));
  if (host !== undefined && zoneId === undefined && directory.domains.length > 0) {
    mistakes.push({
      where: source.where(["host", "zoneId"]),
      message: `is missing: "${host.name}" lies in none of the domains (${showSome(directory.domains.map(({ name }) => name))}), so that its zone must be named`,
      cure: source.cure(["host", "zoneId"], "set"),
    });
  }
  if (
    mistakes.length > 0 ||
    host === undefined ||
    zoneId === undefined ||
    lasting === undefined ||
    adopt === undefined ||
    dkim === undefined ||
    dnssec === undefined
  ) {
    throw new ConfigurationError(mistakes);
  }
  return {
    host: { ...host, zoneId },
    directory,
    lasting,
    ...(expires === undefined ? {} : { expires }),
    adopt,
    dkim,
    dnssec,
    ...(smarthost === undefined ? {} : { smarthost }),
  };
}

function joined(parts: readonly PlacedDirectory[]): PlacedDirectory {
  return {
    domains: parts.flatMap(({ domains }) => domains),
    mailboxes: parts.flatMap(({ mailboxes }) => mailboxes),
    aliases: parts.flatMap(({ aliases }) => aliases),
    domainNames: parts.flatMap(({ domainNames }) => domainNames),
  };
}

function entriesOf(placed: PlacedDirectory): Directory {
  return {
    domains: placed.domains.map(({ entry }) => entry),
    mailboxes: placed.mailboxes.map(({ entry }) => entry),
    aliases: placed.aliases.map(({ entry }) => entry),
  };
}

function readDirectoryFile(
  file: string,
  { text, mistakes, source }: { text: string | undefined; mistakes: Mistake[]; source: Source },
): PlacedDirectory {
  const none: PlacedDirectory = { domains: [], mailboxes: [], aliases: [], domainNames: [] };
  if (text === undefined) {
    mistakes.push({
      where: source.where(["directory"]),
      message: `"${file}" is not a file that can be read, seen from the project's folder`,
      cure: source.cure(["directory"], "set"),
    });
    return none;
  }
  // JSON is YAML too; unlike JSON.parse, this reader refuses a key that stands twice.
  const document = parseDocument(text);
  const content = contentOf(document);
  if (!isPlainObject(content)) {
    mistakes.push({
      where: file,
      message: `cannot be read as YAML or JSON: ${complaint(document)}`,
      cure: `correct it in ${file}`,
    });
    return none;
  }
  for (const key of Object.keys(content).filter((name) => !listKeys.includes(name))) {
    mistakes.push({
      where: fileSource(file).where([key]),
      message: `is a key that a directory does not have; allowed: ${listKeys.join(", ")}`,
      cure: fileSource(file).cure([key], "remove"),
    });
  }
  return readEntries(content, { source: fileSource(file), mistakes });
}

/** Undefined when the document is broken, holds tags that mean nothing here, or refers to itself without end. */
function contentOf(document: Document.Parsed): unknown {
  if (document.errors.length > 0 || document.warnings.length > 0) return undefined;
  try {
    return document.toJS();
  } catch {
    return undefined;
  }
}

/** The reader's own messages quote the file, where a hash may stand: its code and the place must do. */
function complaint({ errors, warnings }: Document.Parsed): string {
  const [first] = [...errors, ...warnings];
  if (first === undefined) return "it holds no lists, or lists without end";
  const { line, col } = first.linePos?.[0] ?? { line: 1, col: 1 };
  return `${first.code.toLowerCase().replaceAll("_", " ")} at line ${line}, column ${col}`;
}

/** Gives the mailboxes the hashes that stand apart from them, and finds those that fit none or a second time. */
function withHashes(
  placed: PlacedDirectory,
  hashes: ReadonlyMap<string, string>,
  { source, mistakes }: { source: Source; mistakes: Mistake[] },
): PlacedDirectory {
  const own = new Map(placed.mailboxes.map(({ entry }) => [entry.address, entry.hash]));
  const given = new Map<string, string>();
  for (const [key, hash] of hashes) {
    const address = lowerCase(key);
    const message = !own.has(address)
      ? `"${key}" is not a mailbox`
      : given.has(address) || own.get(address) !== undefined
        ? `"${address}" has a hash already; keep one of them`
        : undefined;
    if (message === undefined) given.set(address, hash);
    else {
      const path = ["hashes", key];
      mistakes.push({ where: source.where(path), message, cure: source.cure(path, "remove") });
    }
  }
  return {
    ...placed,
    mailboxes: placed.mailboxes.map((box) => {
      const hash = given.get(box.entry.address);
      return hash === undefined ? box : { ...box, entry: { ...box.entry, hash } };
    }),
  };
}

/** The zone of the longest configured domain that the host name lies in. */
function zoneOf(hostname: string, { domains }: Directory): string | undefined {
  return [...domains]
    .sort((a, b) => b.name.length - a.name.length)
    .find(({ name }) => hostname === name || hostname.endsWith(`.${name}`))?.zoneId;
}
