// The renderer and the manifest. Does not prove that a daemon accepts what comes out.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { files } from "../../cloud-init/files";
import type { HostSettings } from "../../cloud-init/host-settings";
import { assertAllUsed, filesFolder, renderFile, renderFiles } from "../../cloud-init/render";
import { settings } from "../support/configuration";

const template = (path: string) => readFileSync(join(filesFolder, path), "utf8");

/** Every file below a folder, as paths on the host. */
function tree(folder: string, prefix = ""): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? tree(join(folder, entry.name), `${prefix}/${entry.name}`)
      : [`${prefix}/${entry.name}`],
  );
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const hostname = fc
  .array(label, { minLength: 2, maxLength: 5 })
  .map((labels) => labels.join("."))
  .filter((name) => name.length <= 253);
const anySettings: fc.Arbitrary<HostSettings> = fc.record({
  hostname,
  postmaster: hostname.map((name) => `postmaster@${name}`),
  volumeDevice: fc.stringMatching(/^\/dev\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,40}$/),
  acmeDirectory: fc.stringMatching(/^https:\/\/[A-Za-z0-9._:/-]{1,80}$/),
  adminCidrs: fc
    .array(fc.oneof(fc.ipV4(), fc.ipV6()), { minLength: 1 })
    .map((all) => all.join("/24 ")),
  databasePassword: fc.stringMatching(/^[A-Za-z0-9]{1,64}$/),
});

describe("one file", () => {
  it("gets its values", () => {
    expect(renderFile("/f", "name @@hostname@@, again @@hostname@@\n", settings)).toBe(
      "name mail.example.com, again mail.example.com\n",
    );
  });

  it.each([
    [
      "an unknown placeholder",
      "x @@hostName@@\n",
      "/f: no value for @@hostName@@ (known: acmeDirectory, adminCidrs, databasePassword, hostname, postmaster, volumeDevice)",
    ],
    ["a stray @@", "x\ny @@ z\n", '/f: stray "@@" at line 2'],
    ["a placeholder in capitals", "@@Hostname@@\n", '/f: stray "@@" at line 1'],
    ["a carriage return", "x\r\n", "/f: holds a carriage return"],
    ["a missing final newline", "x", "/f: does not end with a newline"],
    [
      "the name of an inherited property",
      "@@toString@@\n",
      "/f: no value for @@toString@@ (known: acmeDirectory, adminCidrs, databasePassword, hostname, postmaster, volumeDevice)",
    ],
  ])("is refused for %s", (_, text, message) => {
    expect(() => renderFile("/f", text, settings)).toThrow(new Error(message));
  });

  it.each<[keyof HostSettings, string, string]>([
    [
      "hostname",
      "mail",
      'hostname: "mail" is not allowed; it must be a fully qualified host name in lower case, e.g. mail.example.com',
    ],
    [
      "hostname",
      "mail.example.com\n",
      'hostname: "mail.example.com\n" is not allowed; it must be a fully qualified host name in lower case, e.g. mail.example.com',
    ],
    [
      "hostname",
      "mail.-example.com",
      'hostname: "mail.-example.com" is not allowed; it must be a fully qualified host name in lower case, e.g. mail.example.com',
    ],
    [
      "postmaster",
      'post"master@example.com',
      'postmaster: "post"master@example.com" is not allowed; it must be an address of letters, digits and . _ + - before the @, e.g. postmaster@example.com',
    ],
    [
      "volumeDevice",
      "/dev/../etc/passwd",
      'volumeDevice: "/dev/../etc/passwd" is not allowed; it must be a path below /dev of letters, digits and _ . -, e.g. /dev/disk/by-id/scsi-0HC_Volume_123',
    ],
    [
      "acmeDirectory",
      "https://acme.test/dir?x",
      'acmeDirectory: "https://acme.test/dir?x" is not allowed; it must be an https URL of letters, digits and . _ : / -, e.g. https://acme-v02.api.letsencrypt.org/directory',
    ],
    [
      "adminCidrs",
      "192.0.2.0/24, ::/0",
      'adminCidrs: "192.0.2.0/24, ::/0" is not allowed; it must be networks in CIDR notation with a space between them, e.g. 192.0.2.0/24 2001:db8::/64',
    ],
    [
      "databasePassword",
      "secret'word",
      "databasePassword: the value is not allowed; it must consist of letters and digits",
    ],
    [
      "databasePassword",
      "",
      "databasePassword: the value is not allowed; it must consist of letters and digits",
    ],
  ])("refuses a %s outside its alphabet", (name, value, message) => {
    const broken = { ...settings, [name]: value };
    expect(() => renderFile("/f", `@@${name}@@\n`, broken)).toThrow(new Error(message));
  });

  it("keeps quotes, newlines and signs of every syntax out", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<(keyof HostSettings)[]>(
          "hostname",
          "postmaster",
          "volumeDevice",
          "acmeDirectory",
          "adminCidrs",
          "databasePassword",
        ),
        fc.constantFrom(..."\n\r\t \"'\\#$%@`;&|<>(){}[]*?!~^,=\u00e9\0"),
        fc.nat(),
        (name, sign, at) => {
          fc.pre(name !== "adminCidrs" || sign !== " "); // Between two networks.
          const value = settings[name];
          const position = at % (value.length + 1);
          const broken = value.slice(0, position) + sign + value.slice(position);
          expect(() =>
            renderFile("/f", `@@${name}@@\n`, { ...settings, [name]: broken }),
          ).toThrow();
        },
      ),
    );
  });
});

describe("all files", () => {
  it("stand in the manifest, and the manifest names no other", () => {
    expect(tree(filesFolder).sort()).toEqual(Object.keys(files).sort());
  });

  it("use every setting", () => {
    expect(() =>
      assertAllUsed(settings, [
        "@@hostname@@",
        "@@postmaster@@",
        "@@acmeDirectory@@",
        "@@volumeDevice@@",
        "@@adminCidrs@@",
      ]),
    ).toThrow(new Error("databasePassword: no file uses this setting"));
    expect(() => assertAllUsed({ ...settings, ...{ colour: "red" } }, [])).toThrow("hostname");
  });

  it("come out alike for the same settings, with no @@ left and no line more or less", () => {
    fc.assert(
      fc.property(anySettings, (some) => {
        const rendered = renderFiles(some);
        expect(rendered).toEqual(renderFiles(some));
        for (const { path, content } of rendered) {
          expect(content).not.toContain("@@");
          expect(content.split("\n").length).toBe(template(path).split("\n").length);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("show the database password to those alone who need it", () => {
    const holders = renderFiles(settings)
      .filter(({ content }) => content.includes(settings.databasePassword))
      .map(({ path, mode, owner, group }) => `${mode} ${owner}:${group} ${path}`);
    expect(holders).toEqual([
      "0600 root:root /etc/dovecot/dovecot-sql.conf.ext",
      "0640 root:postfix /etc/postfix/sql_alias.cf",
      "0640 root:postfix /etc/postfix/sql_domains.cf",
      "0640 root:postfix /etc/postfix/sql_mailbox.cf",
      "0640 root:postfix /etc/postfix/sql_senders.cf",
      "0600 root:root /usr/local/share/mail-host/database.sql",
    ]);
  });

  it("get the owners on the host that the manifest promises", () => {
    const promised = Object.entries(files)
      .filter(([, { owner, group }]) => owner !== "root" || group !== "root")
      .map(([path, { mode, owner, group }]) => `z ${path} ${mode} ${owner} ${group} - -`);
    const written = template("/etc/tmpfiles.d/mail-host.conf").trimEnd().split("\n");
    expect(written.filter((line) => line.startsWith("z "))).toEqual(promised);
  });
});
