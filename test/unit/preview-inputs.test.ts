// What a preview is made from: configuration without its secrets, the engine's words, the directory's rows.
// Does not prove that the engine says it so.

import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { dkimKeys, hostCertificate } from "../../components/host-answers";
import { recordedAnswer } from "../../scripts/preview/answers";
import { publicConfiguration, zonesOf } from "../../scripts/preview/configuration";
import { costOf } from "../../scripts/preview/cost";
import { directoryChange } from "../../scripts/preview/directory";
import { filesOfLines } from "../../scripts/preview/host-files";
import { changedInputs, changesOf, readExport, readPreview } from "../../scripts/preview/plan";
import { recordChanges } from "../../scripts/preview/records";
import { read } from "../support/configuration";

const one = "1".repeat(32);
const two = "2".repeat(32);

const configOf = (text: string, file?: string) => publicConfiguration(text, () => file);
const secure = (cipher: string) => `{ secure: ${cipher} }`;

describe("the public part of a configuration", () => {
  it("has a placeholder for each ciphertext that the program takes, and neither salt nor ciphertext", () => {
    const { text } = configOf(`
encryptionsalt: v1:salt
config:
  hcloud:token: ${secure("v1:a")}
  cloudflare:apiToken: ${secure("v1:b")}
  mail-host:lasting: "false"
  mail-host:host: { name: mail.example.com, adminCidrs: [203.0.113.7/32], sshKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5bWFpbC1ob3N0LWV4YW1wbGUta2V5LW9ubHkhISEh] }
  mail-host:domains: [{ name: example.com, zoneId: "${one}" }]
  mail-host:smarthost: { host: smtp.example.net, user: you, spf: "include:x.example.net" }
  mail-host:smarthostPassword: ${secure("v1:c")}
  mail-host:mailboxes:
    - { address: a@example.com }
    - { address: b@example.com, hash: ${secure("v1:d")} }
    - { address: c@example.com, password: generated }
  mail-host:hashes: ${secure("v1:e")}
`);
    expect(text).not.toMatch(/v1:|secure|salt/);
    const { config } = parse(text);
    expect(config["hcloud:token"]).toHaveLength(64);
    const own = Object.entries(config).filter(([key]) => key.startsWith("mail-host:"));
    const values = Object.fromEntries(own.map(([key, value]) => [key.slice(10), value]));
    expect(read(values).directory.mailboxes.map(({ hash }) => hash !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
    expect(values.lasting).toBe("false");
  });

  it("has another placeholder for another ciphertext", () => {
    const textOf = (cipher: string) =>
      configOf(`config:\n  mail-host:smarthostPassword: ${secure(cipher)}\n`).text;
    expect(textOf("v1:a")).toBe(textOf("v1:a"));
    expect(textOf("v1:a")).not.toBe(textOf("v1:b"));
  });

  it("names domains and zones of the configuration, of its directory file, and of flat keys", () => {
    const { names, domains } = configOf(
      `config:
  mail-host:host: { name: mail.example.com, zoneId: "${one}" }
  mail-host:directory: directory.yaml
  mail-host:domains[0].name: Example.com
  mail-host:domains[0].zoneId: "${one}"
`,
      `domains: [{ name: sub.example.org, zoneId: "${two}" }, { name: x.example.org, zoneId: "${two}" }]`,
    );
    expect(domains.map(({ name }) => name)).toEqual([
      "sub.example.org",
      "x.example.org",
      "example.com",
    ]);
    expect(zonesOf(names)).toEqual([
      { id: one, name: "example.com" },
      { id: two, name: "example.org" },
    ]);
  });

  it("is refused where it is no YAML", () => {
    expect(() => configOf("config: [")).toThrow();
  });
});

describe("the engine's preview", () => {
  const state = (type: string, inputs: Record<string, unknown> = {}) => ({
    urn: "u",
    type,
    inputs,
    outputs: {},
  });
  const step = (op: string, urn: string, type: string, more: object = {}) => ({
    op,
    urn: `urn:pulumi:dev::mail-host::${type}::${urn}`,
    newState: state(type),
    ...more,
  });

  it("is one change for each resource, whatever steps a replacement takes", () => {
    const type = "hcloud:index/server:Server";
    const steps = [
      step("create-replacement", "mail-host", type),
      step("replace", "mail-host", type, {
        replaceReasons: ["userData"],
        diffReasons: ["userData"],
      }),
      step("delete-replaced", "mail-host", type),
      step("same", "other", type),
      step("update", "mail-host", "mailhost:index:MailHost"),
      step("update", "default", "pulumi:providers:hcloud"),
    ];
    expect(
      changesOf(readPreview(JSON.stringify({ steps }))).map(({ kind, name, properties }) => [
        kind,
        name,
        ...properties,
      ]),
    ).toEqual([["replace", "mail-host", "userData"]]);
  });

  it("becomes records with their values as people write them", () => {
    const type = "cloudflare:index/dnsRecord:DnsRecord";
    const record = (inputs: Record<string, unknown>) =>
      state(type, { name: "a.example", ...inputs });
    const change = (before?: Record<string, unknown>, after?: Record<string, unknown>) => ({
      kind: "update" as const,
      type,
      name: "x",
      properties: [],
      ...(before === undefined ? {} : { before: record(before) }),
      ...(after === undefined ? {} : { after: record(after) }),
    });
    const text = { type: "TXT", content: '"v=x" " y"', comment: "mail-host/dev: why" };
    expect(
      recordChanges([
        change(
          { type: "MX", content: "old", priority: 10 },
          { type: "MX", content: "new", priority: 5 },
        ),
        change(undefined, { ...text, comment: "mail-host/dev until=2026-12-01: why" }),
        change({ type: "CAA", data: { flags: 0, tag: "issue", value: "ca" } }),
        change(text, { ...text, content: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" }),
        change({ ...text, name: "b.example" }, { ...text, proxied: true }),
      ]).map(({ name, type: kind, before, after, reason }) => [name, kind, before, after, reason]),
    ).toEqual([
      ["a.example", "CAA", '0 issue "ca"', undefined, ""],
      ["a.example", "MX", "10 old", "5 new", ""],
      ["a.example", "TXT", undefined, "v=x y", "why"],
      ["a.example", "TXT", undefined, "v=x y (proxied)", "why"],
      ["a.example", "TXT", "v=x y", "known once the host has told it", "why"],
      ["b.example", "TXT", "v=x y", undefined, "why"],
    ]);
  });

  it("tells secrets in a state and in a plan", () => {
    const secret = {
      "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
      plaintext: JSON.stringify({ userData: "x" }),
    };
    const resources = [{ urn: "u", type: "t", inputs: { input: secret } }];
    expect(readExport(JSON.stringify({ deployment: { resources } }))[0]?.inputs).toEqual({
      input: { userData: "x" },
    });
    const resourcePlans = { u: { goal: { inputDiff: { updates: { input: secret } } } }, v: {} };
    expect(changedInputs(JSON.stringify({ resourcePlans }))).toEqual(
      new Map([
        ["u", { input: { userData: "x" } }],
        ["v", {}],
      ]),
    );
  });
});

describe("the directory's rows", () => {
  const rows = (users: Record<string, string>, aliases: readonly (readonly [string, string])[]) =>
    JSON.stringify({
      domains: ["example.com"],
      users: Object.entries(users).map(([email, crypt]) => ({ email, crypt })),
      aliases: aliases.map(([mail, destination]) => ({ mail, destination })),
    });

  it("become names, without hashes and without the rows that mailboxes need", () => {
    const before = rows({ "a@x": "1", "b@x": "1" }, [
      ["a@x", "a@x"],
      ["s@x", "a@x"],
      ["t@x", "a@x"],
    ]);
    const after = rows({ "a@x": "2", "c@x": "1" }, [
      ["c@x", "c@x"],
      ["s@x", "a@x"],
      ["s@x", "c@x"],
    ]);
    expect(directoryChange(before, after)).toEqual({
      domains: { added: [], changed: [], removed: [] },
      mailboxes: { added: ["c@x"], changed: ["a@x"], removed: ["b@x"] },
      aliases: { added: [], changed: ["s@x"], removed: ["t@x"] },
    });
  });

  it("are nothing to compare where they are not known yet", () => {
    expect(directoryChange(undefined, rows({}, []))).toBeUndefined();
  });
});

describe("a recorded host", () => {
  it("answers as the program reads it", () => {
    expect(hostCertificate(recordedAnswer("mail-certificates host 3 300")).tlsa).toEqual([
      `${"0".repeat(63)}3`,
      `${"0".repeat(63)}4`,
    ]);
    const keys = dkimKeys(recordedAnswer("/usr/local/sbin/mail-dkim keys example.com 3 1"));
    expect(keys.map(({ selector }) => selector)).toEqual(["rsa2", "ed2", "rsa3", "ed3"]);
  });
});

describe("files over SSH", () => {
  it("are lines of mode, path and content", () => {
    const line = `0755 /a/b ${Buffer.from("x\n").toString("base64")}\n`;
    expect(filesOfLines(line)).toEqual(new Map([["/a/b", "x\n"]]));
  });
});

describe("a month's cost", () => {
  const state = (type: string, inputs: object) => ({
    urn: "u",
    type,
    inputs: { ...inputs },
    outputs: {},
  });

  it("is that of server, IPv4 address and volume, by the catalogue", () => {
    const address = state("hcloud:index/primaryIp:PrimaryIp", { type: "ipv4" });
    const volume = state("hcloud:index/volume:Volume", { size: 20 });
    const server = (serverType: string) => state("hcloud:index/server:Server", { serverType });
    const found = costOf([], [address, volume, server("cx23"), server("cx99")]);
    expect(found).toMatchObject({ before: 0, after: 0.5 + 1.14 + 5.49, unknown: ["cx99"] });
  });
});
