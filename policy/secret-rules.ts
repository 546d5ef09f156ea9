// The rule of secrets: what must be marked as one is, what looks like one is, and no known one stands anywhere
// in plain text. It cannot know a secret that looks like a word and that nobody marked.

import { gunzipSync } from "node:zlib";
import { field, type PlannedResource, type Rule, Secret, text } from "./resource";

export const noPlainSecret: Rule = {
  name: "no-secret-in-plain-text",
  sentence:
    "No input of any resource holds a secret in plain text; user data is a secret as a whole.",
  check: (resources) => {
    const secrets = knownSecrets(resources);
    return resources.flatMap((resource) => [
      ...plainUserData(resource).map((where) => blame(resource, where, "is user data")),
      ...plainTexts(resource.props).flatMap(({ path, key, value }) => {
        const what =
          (isSecretName(key) ? "is a secret by its name" : undefined) ??
          shapes.find(({ shape }) => shape.test(value))?.what ??
          (holdsOneOf(secrets, value) ? "holds a value that is a secret elsewhere" : undefined);
        return what === undefined ? [] : [blame(resource, path, what)];
      }),
    ]);
  },
};

function blame({ urn, name }: PlannedResource, path: string, what: string) {
  return { resource: urn, message: `${path} of ${name} ${what} and is not marked as a secret` };
}

/** Where user data stands in plain text: it carries the database's password. */
function plainUserData({ type, props }: PlannedResource): string[] {
  if (type === "hcloud:index/server:Server")
    return text(props.userData) === undefined ? [] : ["userData"];
  if (type !== "pulumi:index:Stash") return [];
  return field(props.input, "userData") === undefined || props.input instanceof Secret
    ? []
    : ["input.userData"];
}

interface PlainText {
  readonly path: string;
  /** Innermost name on the way to it. */
  readonly key: string;
  readonly value: string;
}

function plainTexts(value: unknown, path = "", key = ""): PlainText[] {
  if (value instanceof Secret) return [];
  if (typeof value === "string") return value === "" ? [] : [{ path, key, value }];
  if (Array.isArray(value)) return value.flatMap((one, i) => plainTexts(one, `${path}[${i}]`, key));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) =>
    // The engine's own notes on an input, such as which fields are defaults.
    name.startsWith("__") ? [] : plainTexts(one, path === "" ? name : `${path}.${name}`, name),
  );
}

function isSecretName(key: string): boolean {
  return /(?:pass(?:word|phrase|wd)|secret|token|private_?key|api_?key|credentials?)$/i.test(key);
}

const bounds = (length: number) =>
  new RegExp(
    `(?:^|[\\s"'=:;,])(?=[\\w-]*[a-z])(?=[\\w-]*[A-Z])(?=[\\w-]*\\d)[\\w-]{${length}}(?:$|[\\s"';,])`,
  );

const shapes = [
  { shape: /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----/, what: "holds a private key" },
  { shape: /[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i, what: "holds a password in a URL" },
  {
    shape: /\$(?:1|5|6|2[aby]|y|argon2(?:i|d|id))\$[./\w$=,+-]{20,}/,
    what: "holds a password's hash",
  },
  {
    shape: /\{(?:S?SHA\d*|SHA\d*-CRYPT|BLF-CRYPT|ARGON2\w*|CRYPT|PLAIN)(?:\.\w+)?\}\S+/,
    what: "holds a password's hash",
  },
  { shape: bounds(64), what: "holds what looks like a token of Hetzner's" },
  { shape: bounds(40), what: "holds what looks like a token of Cloudflare's" },
] as const;

/** Shorter ones, and numbers, stand in other places by chance. */
const tellingLength = 8;

function knownSecrets(resources: readonly PlannedResource[]): string[] {
  const all = resources.flatMap(({ props, secretOutputs = [] }) => [
    ...revealed(props),
    ...revealed(secretOutputs),
  ]);
  return [...new Set(all)].filter(
    (secret) => secret.length >= tellingLength && !/^\d+$/.test(secret),
  );
}

/**
 * The secret texts. Of an object that is secret as a whole, such as a connection, only what is one by its name:
 * its address is public elsewhere.
 */
function revealed(value: unknown): string[] {
  if (value instanceof Secret) {
    const inner = value.reveal();
    if (typeof inner === "string") return [inner];
    return plainTexts(inner).flatMap(({ key, value: one }) => (isSecretName(key) ? [one] : []));
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(revealed);
}

/** Looks through base64 and gzip, as user data and files travel. */
function holdsOneOf(secrets: readonly string[], value: string): boolean {
  if (secrets.length === 0) return false;
  const readings = [value, ...[...value.matchAll(/[A-Za-z0-9+/]{16,}={0,2}/g)].map(decoded)];
  return secrets.some((secret) => readings.some((reading) => reading.includes(secret)));
}

function decoded([encoded]: RegExpMatchArray): string {
  const bytes = Buffer.from(encoded, "base64");
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8");
  try {
    return gunzipSync(bytes).toString("utf8");
  } catch {
    return "";
  }
}
