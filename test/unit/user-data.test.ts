// What a new machine is told. Does not prove that cloud-init accepts it, nor what the command does.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { files, filesOverSsh } from "../../cloud-init/files";
import { filesFolder, type RenderedFile, renderFiles } from "../../cloud-init/render";
import {
  asSent,
  cloudConfig,
  renderUserData,
  userDataLimitBytes,
  withoutComments,
} from "../../cloud-init/user-data";
import { settings } from "../support/configuration";

const file = (path: string, content: string): RenderedFile => ({
  path,
  content,
  mode: "0644",
  owner: "root",
  group: "root",
});

describe("user data", () => {
  it("is the same for the same settings, to the byte", () => {
    expect(renderUserData(settings)).toBe(renderUserData({ ...settings }));
  });

  it("fits Hetzner's limit with a tenth to spare", () => {
    expect(renderUserData(settings).length).toBeLessThan(userDataLimitBytes * 0.9);
  });

  it("leaves what no boot needs to SSH", () => {
    const { write_files } = parse(
      gunzipSync(Buffer.from(renderUserData(settings), "base64")).toString(),
    );
    const sent = write_files.map(({ path }: RenderedFile) => path);
    const all = renderFiles(settings).map(({ path }) => path);
    expect(all.filter((path) => !sent.includes(path))).toEqual([...filesOverSsh]);
  });

  it("has no secret in a file that comes over SSH", () => {
    const texts = Object.keys(files)
      .filter((path) => filesOverSsh.has(path))
      .map((path) => readFileSync(join(filesFolder, path), "utf8"));
    expect(texts).toHaveLength(filesOverSsh.size);
    for (const text of texts) expect(text).not.toMatch(/@@(databasePassword|volumeDevice)@@/);
  });

  it("goes as it is where it fits", () => {
    expect(asSent("#cloud-config\n", [])).toBe("#cloud-config\n");
    expect(asSent("x".repeat(userDataLimitBytes), [])).toBe("x".repeat(userDataLimitBytes));
  });

  it("goes compressed where it does not, without a date or a system in the header", () => {
    const document = "x".repeat(userDataLimitBytes + 1);
    const sent = Buffer.from(asSent(document, []), "base64");
    expect(gunzipSync(sent).toString()).toBe(document);
    expect([...sent.subarray(4, 10)]).toEqual([0, 0, 0, 0, 2, 255]);
  });

  it("counts bytes, not characters", () => {
    expect(asSent("é".repeat(userDataLimitBytes / 2 + 1), [])).toMatch(/^H4sI/);
  });

  it("names the five largest files when even that is too much", () => {
    const big = Array.from({ length: 6 }, (_, n) =>
      file(`/file${n}`, randomBytes(4000 + n * 500).toString("hex")),
    );
    expect(() => asSent(cloudConfig("mail.example.com", big), big)).toThrow(
      /^user data: \d+ bytes as sent, Hetzner takes 32768; the largest files, in bytes: \/file5 \(13000\), \/file4 \(12000\), \/file3 \(11000\), \/file2 \(10000\), \/file1 \(9000\)$/,
    );
  });
});

describe("the cloud-config", () => {
  const files = renderFiles(settings);
  const config = parse(cloudConfig(settings.hostname, files));

  it("holds the files byte for byte, but for their comments", () => {
    expect(
      config.write_files.map(({ path, content }: RenderedFile) => ({ path, content })),
    ).toEqual(files.map(({ path, content }) => ({ path, content: withoutComments(content) })));
  });

  it("leaves a shebang, a comment behind a setting, and everything that is none", () => {
    const text = '#!/bin/sh\nx # y\n  #z\n-- 1\n--long\n\n  # gone\n#\necho "#"\n';
    expect(withoutComments(text)).toBe('#!/bin/sh\nx # y\n  #z\n--long\n\necho "#"\n');
  });

  it("leaves no reason behind `|| true`", () => {
    const text = "kill 7 || true   # gone already\nmay_fail || true\nmay_fail || truely # so\n";
    expect(withoutComments(text)).toBe(
      "kill 7 || true\nmay_fail || true\nmay_fail || truely # so\n",
    );
  });

  it("gives a file to root alone as long as its group does not exist", () => {
    const modes = Object.fromEntries(
      config.write_files.map((entry: { path: string; permissions: string }) => [
        entry.path,
        entry.permissions,
      ]),
    );
    expect(modes["/etc/postfix/sql_alias.cf"]).toBe("0600");
    expect(modes["/etc/postfix/main.cf"]).toBe("0644");
    expect(modes["/usr/local/sbin/mail-install"]).toBe("0755");
  });

  it("runs one command, and nothing else besides names and SSH", () => {
    const { write_files: _, ...rest } = config;
    expect(rest).toEqual({
      hostname: "mail",
      fqdn: "mail.example.com",
      manage_etc_hosts: "localhost",
      users: [],
      disable_root: false,
      ssh_deletekeys: true,
      ssh_genkeytypes: ["ed25519"],
      ssh: { emit_keys_to_console: false },
      runcmd: [["systemctl", "enable", "--now", "--no-block", "mail-install.service"]],
    });
  });
});
