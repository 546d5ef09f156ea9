// The keys of the lab's own zones, made once and kept in the lab's state, and the root's as the trust
// anchor: in the two files that Debian's dns-root-data brings, for whoever validates in this lab.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newZoneKey, publicZoneKey } from "../clouds/zone-key";
import type { LabPaths } from "../paths";

function replace(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.new`, text, { mode });
  renameSync(`${file}.new`, file);
}

/** The private key of one of the lab's own zones. */
export function keptZoneKey(paths: LabPaths, origin: string): string {
  const folder = join(paths.state, "zone-keys");
  const file = join(folder, `${origin === "" ? "root" : origin}.pem`);
  try {
    return readFileSync(file, "utf8");
  } catch {
    const key = newZoneKey();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    replace(file, key, 0o600);
    return key;
  }
}

/** Names of the files of the trust anchor, in the lab's folder for it as in `/usr/share/dns`. */
export const anchorFiles = ["root.key", "root.ds"] as const;

/** Writes the trust anchor of this lab. */
export function writeTrustAnchor(paths: LabPaths): void {
  const { dnskey, ds } = publicZoneKey("", keptZoneKey(paths, ""));
  mkdirSync(paths.anchor, { recursive: true });
  const texts = { "root.key": `. IN DNSKEY ${dnskey}\n`, "root.ds": `. IN DS ${ds}\n` };
  for (const name of anchorFiles) replace(join(paths.anchor, name), texts[name], 0o644);
}
