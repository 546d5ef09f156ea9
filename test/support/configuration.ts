// Values for tests: a small good configuration and what reading one like it gives, the settings of a host, and
// the lab's configuration with other values.

import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { parseDocument } from "yaml";
import type { HostSettings } from "../../cloud-init/host-settings";
import type { Existing } from "../../components/existing";
import { parseConfig, type StackConfig } from "../../config";
import { ConfigurationError } from "../../config/mistakes";

export const zoneId = "09952be409a7d6464cd7661beeeb966e";
export const sshKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPgGrprmtOibL6yR3Gb1MdUtBpVrgpSHNWbITkMYBYcQ you@laptop";
export const hash = `{SSHA512}${"A".repeat(88)}`;
export const host = { name: "mail.example.test", adminCidrs: ["198.18.0.0/24"], sshKeys: [sshKey] };
export const domains = [{ name: "example.test", zoneId }];
export const alice = { address: "alice@example.test", password: "generated" };
export const good = { host, domains, mailboxes: [alice] };

/** Clouds in which nothing is yet but the zone of `good`. */
export const nothingThere: Existing = {
  zones: new Map([[zoneId, { name: "example.test", status: "active", nameServers: [] }]]),
  records: [],
  addresses: [],
  ownAddresses: { ipv4: "", ipv6: "" },
  foreignSshKeys: new Map(),
};

/** What the files of some host are filled with. */
export const settings: HostSettings = {
  hostname: "mail.example.com",
  postmaster: "postmaster@example.com",
  volumeDevice: "/dev/disk/by-id/scsi-0HC_Volume_123",
  acmeDirectory: "https://acme-v02.api.letsencrypt.org/directory",
  adminCidrs: "192.0.2.0/24 2001:db8::/64",
  databasePassword: "abcdefABCDEF0123456789",
};

export type Values = Readonly<Record<string, unknown>>;

export function read(values: Values, files: Readonly<Record<string, string>> = {}): StackConfig {
  const raw = Object.fromEntries(
    Object.entries(values).map(([k, v]) => [k, typeof v === "string" ? v : JSON.stringify(v)]),
  );
  return parseConfig(raw, { readFile: (path) => files[path] });
}

/** What it is refused with, or undefined when it is taken. Anything but a ConfigurationError is thrown on. */
export function refusal(values: Values, files: Readonly<Record<string, string>> = {}) {
  try {
    read(values, files);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
}

/** Key, message and cure of each mistake, a line each. */
export function mistakesIn(values: Values, files: Readonly<Record<string, string>> = {}): string[] {
  const mistakes = refusal(values, files)?.mistakes ?? [];
  return mistakes.map(({ where, message, cure }) => `${where} | ${message} | ${cure}`);
}

/** Two lines for each mistake under one headline, and no character that a terminal obeys or hides. */
export function expectSafeToPrint({ message, mistakes }: ConfigurationError): void {
  expect(message.split("\n")).toHaveLength(1 + 2 * mistakes.length);
  expect(message.replaceAll("\n", "")).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
}

/** The lab's configuration with some values set, by their paths, as a file of its own. */
export function labConfiguration(values: Values): string {
  const document = parseDocument(readFileSync("Pulumi.lab.yaml", "utf8"));
  for (const [path, value] of Object.entries(values)) {
    document.setIn(["config", ...path.split(".")], value);
  }
  const file = join(mkdtempSync(join(tmpdir(), "mail-host-")), "Pulumi.lab.yaml");
  writeFileSync(file, document.toString());
  return file;
}

export const lowerCased = (text: string) =>
  text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
