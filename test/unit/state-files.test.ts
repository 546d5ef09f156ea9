// What `npm run recover` does about state files that were cut off. Does not prove that Pulumi reads what it
// leaves; test/stacks/recover.test.ts does.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backendFolder, mendStateFiles } from "../../scripts/recovery/state-files";

const state = ".pulumi/stacks/mail-host/dev.json";
const whole = '{"version":3}';
const cut = '{"vers';

let folder = "";
const write = (file: string, text: string) => {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
};
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const mend = () => mendStateFiles(folder, "mail-host");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mail-host-state-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("state files", () => {
  it("that can be read stay as they are", () => {
    for (const file of [state, `${state}.attrs`, `${state}.bak`]) write(file, whole);
    expect(mend()).toEqual([]);
    expect(read(state)).toBe(whole);
  });

  it("need not be there", () => {
    expect(mend()).toEqual([]);
  });

  it.each(["", cut, "\0\0\0\0"])("whose description is %j lose it and nothing else", (damage) => {
    write(state, whole);
    write(`${state}.attrs`, damage);
    write(".pulumi/locks/organization/mail-host/dev/1.json.attrs", damage);
    expect(mend().map(({ file }) => file)).toEqual(
      expect.arrayContaining([
        `${state}.attrs`,
        ".pulumi/locks/organization/mail-host/dev/1.json.attrs",
      ]),
    );
    expect(existsSync(join(folder, `${state}.attrs`))).toBe(false);
    expect(read(state)).toBe(whole);
  });

  it("that are cut off get the copy from before the last change, and are kept beside it", () => {
    write(state, cut);
    write(`${state}.bak`, whole);
    expect(mend()).toEqual([
      { file: state, how: "replaced by dev.json.bak, and kept as dev.json.unreadable" },
    ]);
    expect(read(state)).toBe(whole);
    expect(read(`${state}.unreadable`)).toBe(cut);
    expect(mend()).toEqual([]);
  });

  it("of other projects are not touched", () => {
    const other = ".pulumi/stacks/website/dev.json";
    write(other, cut);
    write(`${other}.bak`, whole);
    expect(mend()).toEqual([]);
    expect(read(other)).toBe(cut);
  });

  it("without a readable copy are refused, with the command that restores the newest backup", () => {
    write(state, cut);
    write(`${state}.bak`, cut);
    for (const [time, text] of Object.entries({ 100: whole, 200: whole, 300: cut }))
      write(`.pulumi/backups/mail-host/dev/dev.${time}.json`, text);
    const backup = join(folder, ".pulumi/backups/mail-host/dev/dev.200.json");
    expect(mend).toThrow(`cp '${backup}' '${join(folder, state)}' && npm run recover`);
    expect(read(state)).toBe(cut);
  });

  it("without any copy are refused, and say so", () => {
    write(state, cut);
    expect(mend).toThrow(/dev\.json cannot be read, .* there is no backup in .*backups/);
  });
});

describe("the folder of a backend", () => {
  it.each([
    ["file:///var/states", "/var/states"],
    ["file:///var/states?no_tmp_dir=true", "/var/states"],
    ["file://~", homedir()],
    ["file://~/states", join(homedir(), "states")],
    ["file://./states", resolve("states")],
    ["https://app.pulumi.com/someone", undefined],
    ["s3://states?region=eu", undefined],
  ])("of %s is %s", (url, expected) => {
    expect(backendFolder(url)).toBe(expected);
  });
});
