// Fills the placeholders of the host's files. Values are inert in every target syntax because
// each is held to an alphabet; so nothing is ever escaped, and there is no template logic.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FileAccess, files } from "./files";
import type { HostSettings } from "./host-settings";

/** A file as it lies on the host. */
export interface RenderedFile extends FileAccess {
  readonly path: string;
  readonly content: string;
}

/** Where the host's "/" is mirrored. */
export const filesFolder = join(__dirname, "files");

const placeholder = /@@([a-z][A-Za-z0-9]*)@@/g;
const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const domain = `(?=.{1,253}$)${label}(?:\\.${label})+$`;

interface Alphabet {
  readonly pattern: RegExp;
  readonly allowed: string;
  readonly example: string;
}

const alphabets: Readonly<Record<keyof HostSettings, Alphabet>> = {
  hostname: {
    pattern: new RegExp(`^${domain}`),
    allowed: "a fully qualified host name in lower case",
    example: "mail.example.com",
  },
  postmaster: {
    pattern: new RegExp(`^[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9])?@${domain}`),
    allowed: "an address of letters, digits and . _ + - before the @",
    example: "postmaster@example.com",
  },
  volumeDevice: {
    pattern: /^\/dev(?:\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/,
    allowed: "a path below /dev of letters, digits and _ . -",
    example: "/dev/disk/by-id/scsi-0HC_Volume_123",
  },
  acmeDirectory: {
    pattern: /^https:\/\/[A-Za-z0-9._:/-]+$/,
    allowed: "an https URL of letters, digits and . _ : / -",
    example: "https://acme-v02.api.letsencrypt.org/directory",
  },
  adminCidrs: {
    pattern: /^[0-9A-Fa-f.:/]+(?: [0-9A-Fa-f.:/]+)*$/,
    allowed: "networks in CIDR notation with a space between them",
    example: "192.0.2.0/24 2001:db8::/64",
  },
  databasePassword: {
    pattern: /^[A-Za-z0-9]+$/,
    allowed: "letters and digits",
    example: "",
  },
};

function isSetting(name: string): name is keyof HostSettings {
  return Object.hasOwn(alphabets, name);
}

/** Throws when a value holds a character that could mean something to a daemon. */
function assertAlphabet(name: keyof HostSettings, value: string): void {
  const { pattern, allowed, example } = alphabets[name];
  // A newline before the end of the text is one that "$" does not see in other languages; it is
  // outside every alphabet here. A secret is never repeated.
  if (pattern.test(value)) return;
  throw new Error(
    example === ""
      ? `${name}: the value is not allowed; it must consist of ${allowed}`
      : `${name}: "${value}" is not allowed; it must be ${allowed}, e.g. ${example}`,
  );
}

/** Fills `@@name@@` in one file. Unknown names are errors; so is any `@@` left behind. */
export function renderFile(path: string, text: string, settings: HostSettings): string {
  if (text.includes("\r")) throw new Error(`${path}: holds a carriage return`);
  if (!text.endsWith("\n")) throw new Error(`${path}: does not end with a newline`);
  const rendered = text.replace(placeholder, (_, name: string) => {
    if (!isSetting(name)) {
      const known = Object.keys(alphabets).sort().join(", ");
      throw new Error(`${path}: no value for @@${name}@@ (known: ${known})`);
    }
    assertAlphabet(name, settings[name]);
    return settings[name];
  });
  const left = rendered.indexOf("@@");
  if (left !== -1) {
    throw new Error(`${path}: stray "@@" at line ${rendered.slice(0, left).split("\n").length}`);
  }
  return rendered;
}

/** Throws when a setting is in none of the texts, or the settings hold what is none. */
export function assertAllUsed(settings: HostSettings, texts: readonly string[]): void {
  for (const name of Object.keys(settings)) {
    if (!isSetting(name)) throw new Error(`${name}: not a setting of the mail host`);
    if (!texts.some((text) => text.includes(`@@${name}@@`))) {
      throw new Error(`${name}: no file uses this setting`);
    }
  }
}

/** Every file of the host, sorted by path: same settings, same bytes. */
export function renderFiles(settings: HostSettings): readonly RenderedFile[] {
  const templates = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, access]) => ({
      path,
      text: readFileSync(join(filesFolder, path), "utf8"),
      access,
    }));
  assertAllUsed(
    settings,
    templates.map(({ text }) => text),
  );
  return templates.map(({ path, text, access }) => ({
    path,
    ...access,
    content: renderFile(path, text, settings),
  }));
}
