// What a new machine is told: the host's files, and one command. Packages are not cloud-init's
// business: the command's service installs them, so that it can be repeated.

import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { filesOverSsh } from "./files";
import type { HostSettings } from "./host-settings";
import { type RenderedFile, renderFiles } from "./render";

/** What Hetzner takes, in bytes as sent. */
export const userDataLimitBytes = 32_768;

/** The first boot of a mail host, as Hetzner's API takes it. */
export function renderUserData(settings: HostSettings): string {
  const files = renderFiles(settings).filter(({ path }) => !filesOverSsh.has(path));
  return asSent(cloudConfig(settings.hostname, files), files);
}

/**
 * Without the lines that are comments alone, and without the reasons for which a shell script ignores a
 * failure (`|| true # why`): their readers are here, and user data has room for 32 KiB.
 */
export function withoutComments(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^\s*(#|--)(\s|$)/.test(line))
    .map((line) => line.replace(/( \|\| true)\s+#.*$/, "$1"))
    .join("\n");
}

/** The document that cloud-init reads. */
export function cloudConfig(hostname: string, files: readonly RenderedFile[]): string {
  const config = {
    hostname: hostname.split(".")[0],
    fqdn: hostname,
    // So that `hostname --fqdn` gives the whole name without asking a name server.
    manage_etc_hosts: "localhost",
    // Root logs in, with keys; there is no other account.
    users: [],
    disable_root: false,
    // The host key lives on the volume. cloud-init insists on making at least one of its own,
    // which sshd does not use, and would print its fingerprint.
    ssh_deletekeys: true,
    ssh_genkeytypes: ["ed25519"],
    ssh: { emit_keys_to_console: false },
    write_files: files.map(({ path, mode, owner, group, content }) => ({
      path,
      // cloud-init stops at a group that does not exist yet; until then the file is root's alone.
      permissions: owner === "root" && group === "root" ? mode : "0600",
      content: withoutComments(content),
    })),
    runcmd: [["systemctl", "enable", "--now", "--no-block", "mail-install.service"]],
  };
  return `#cloud-config\n${stringify(config, { lineWidth: 0 })}`;
}

/** As it is where it fits, else compressed. Throws when neither fits. */
export function asSent(document: string, files: readonly RenderedFile[]): string {
  if (Buffer.byteLength(document) <= userDataLimitBytes) return document;
  const compressed = gzipSync(document, { level: 9 });
  // The header names the operating system that compressed; 255 is "unknown" (RFC 1952).
  compressed[9] = 255;
  const encoded = compressed.toString("base64");
  if (encoded.length <= userDataLimitBytes) return encoded;
  const largest = files
    .map(({ path, content }) => ({ path, bytes: Buffer.byteLength(content) }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 5)
    .map(({ path, bytes }) => `${path} (${bytes})`);
  throw new Error(
    `user data: ${encoded.length} bytes as sent, Hetzner takes ${userDataLimitBytes}; ` +
      `the largest files, in bytes: ${largest.join(", ")}`,
  );
}
