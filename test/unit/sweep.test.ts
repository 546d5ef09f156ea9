// Which stacks are past their day, what goes in which order, what a test stack is configured with, and what
// is said. Does not prove that the clouds and the engine speak so.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { markOf, recordComment } from "../../components/mail-records";
import { parseConfig } from "../../config";
import type { Marked } from "../../scripts/clouds/marked";
import { plan } from "../../scripts/clouds/removal";
import { type Sweep, sweepText } from "../../scripts/sweep/report";
import { dayOf, isPast, lastDay, stacksIn } from "../../scripts/sweep/stale";
import { marksIn } from "../../scripts/sweep/states";
import { lossesOf, lossesText } from "../../scripts/teardown/losses";
import {
  configurationText,
  lastDayFor,
  modelOf,
  testStackName,
  uniqueName,
} from "../../scripts/test-stack/configuration";
import { needsLab } from "../../scripts/test-stack/suite";

const api = { cloud: "A cloud", endpoint: "https://cloud.test", token: "t", variable: "T" };
const thing = (word: Marked["word"], more: Partial<Marked> = {}): Marked => ({
  ...{ what: word, word, api, path: `${word}s/1`, stack: "test-a", expires: "2026-12-01" },
  ...{ isProtected: false, usedBy: [], ...more },
});

describe("a stack's last day", () => {
  it("is over when the day is, in UTC", () => {
    expect(dayOf(Date.UTC(2026, 11, 1, 23, 59, 59))).toBe("2026-12-01");
    expect(isPast("2026-12-01", "2026-12-01")).toBe(false);
    expect(isPast("2026-12-01", "2026-12-02")).toBe(true);
    expect(isPast(undefined, "2026-12-02")).toBe(false);
  });

  it("is the latest of all that it has, and there is none where anything lacks one", () => {
    expect(lastDay([{ expires: "2026-12-01" }, { expires: "2026-12-03" }])).toBe("2026-12-03");
    expect(lastDay([{ expires: "2026-12-01" }, {}])).toBeUndefined();
    expect(lastDay([])).toBeUndefined();
    const { expires: _day, ...lasting } = thing("volume");
    const stacks = stacksIn([thing("server"), lasting, thing("record", { stack: "test-b" })]);
    expect(stacks.map(({ stack, expires }) => [stack, expires])).toEqual([
      ["test-a", undefined],
      ["test-b", "2026-12-01"],
    ]);
  });

  it("is read from comments as it was written", () => {
    expect(markOf(recordComment("test-a", "why", "2026-12-01"))).toEqual({
      ...{ stack: "test-a", expires: "2026-12-01" },
    });
    expect(markOf(recordComment("dev", "why"))).toEqual({ stack: "dev" });
    for (const other of [
      undefined,
      "",
      "mail-hosts/dev: x",
      "not mail-host/dev: x",
      "mail-host/: x",
    ])
      expect(markOf(other)).toBeUndefined();
  });

  it("is read from a state", () => {
    const resource = (inputs: unknown) => ({ urn: "u", type: "t", inputs });
    const resources = [
      resource({ labels: { project: "mail-host", stack: "a", expires: "2026-12-01" } }),
      resource({ labels: { project: "another", expires: "2020-01-01" } }),
      resource({ comment: "mail-host/a until=2026-12-02: x" }),
      resource({ comment: "mail-host/a: x" }),
      resource({}),
    ];
    expect(
      marksIn(JSON.stringify({ deployment: { resources } })).map(({ expires }) => expires),
    ).toEqual(["2026-12-01", "2026-12-02", undefined]);
  });
});

describe("a removal", () => {
  const words = (list: readonly { word: string }[]) => list.map(({ word }) => word);

  it("goes from names to the server, and then to what it used", () => {
    const used = { usedBy: [7] };
    const things = [
      ...[thing("SSH key"), thing("firewall", used), thing("address", used)],
      ...[thing("volume", used), thing("server", { serverId: 7 }), thing("record")],
    ];
    const { removed, leftAlone } = plan(things);
    expect(words(removed)).toEqual([
      ...["record", "server", "volume", "address", "firewall", "SSH key"],
    ]);
    expect(leftAlone).toEqual([]);
  });

  it("leaves alone what is protected, and what a server uses that stays", () => {
    const things = [
      thing("server", { serverId: 7, isProtected: true }),
      thing("volume", { usedBy: [7] }),
      thing("firewall", { usedBy: [8] }),
      thing("address"),
    ];
    const { removed, leftAlone } = plan(things);
    expect(words(removed)).toEqual(["address"]);
    expect(leftAlone.map((left) => [left.thing.word, left.reason])).toEqual([
      ["server", "it is protected from deletion"],
      ["volume", "server 7 uses it, and stays"],
      ["firewall", "server 8 uses it, and stays"],
    ]);
  });
});

describe("what `npm run sweep` says", () => {
  const nothing: Sweep = {
    ...{ today: "2026-12-02", dryRun: false, removed: [], leftAlone: [], states: [], kept: [] },
    ...{ unseen: [], remaining: [] },
  };

  it("ends with the proof, or with what is still there", () => {
    expect(sweepText(nothing)).toBe(
      "Nothing past its day is left: no server, address, volume, firewall, key, record or state (2026-12-02).",
    );
    expect(sweepText({ ...nothing, remaining: ["state of test-a"] })).toBe(
      "Still there, past its day:\n  state of test-a",
    );
    expect(sweepText({ ...nothing, unseen: ["states: pulumi stack ls failed"] })).toBe(
      "not seen     states: pulumi stack ls failed\nNothing past its day is left of what was seen.",
    );
  });

  it("names each thing that stays, and why", () => {
    const told = { what: "volume v", stack: "test-a", reason: "it is protected", cure: "curl x" };
    const kept = [{ stack: "dev", things: 3 }];
    expect(
      sweepText({ ...nothing, leftAlone: [told], kept })
        .split("\n")
        .slice(0, 3),
    ).toEqual([
      "left alone   volume v of test-a: it is protected",
      "             curl x",
      "kept         dev: 3 things, not all of them with a last day",
    ]);
  });
});

describe("a test stack's configuration", () => {
  const model = modelOf(readFileSync("Pulumi.lab.yaml", "utf8"));
  const site = {
    zone: { id: "09952be409a7d6464cd7661beeeb966e", name: "example.net" },
    ...{ adminCidrs: ["192.0.2.1/32"], sshKeys: [...model["mail-host:host"].sshKeys] },
    ...{ dnssec: false, hasElsewhere: false },
  };
  const read = (text: string) => {
    const raw = Object.entries(Object(parse(text).config)).map(([key, value]) => [
      key.replace("mail-host:", ""),
      typeof value === "string" ? value : JSON.stringify(value),
    ]);
    return parseConfig(Object.fromEntries(raw), { readFile: () => undefined });
  };

  it("is one that the program takes, below the zone, with its day and without protection", () => {
    const text = configurationText("test-a", "2026-12-01", { model, site });
    const { host, directory, lasting, expires } = read(text);
    expect({ lasting, expires, name: host.name }).toEqual({
      ...{ lasting: false, expires: "2026-12-01", name: "mail.one.test-a.example.net" },
    });
    expect(directory.domains.map(({ name }) => name)).toEqual([
      ...["one.test-a.example.net", "two.test-a.example.net"],
    ]);
    expect(directory.mailboxes).toHaveLength(model["mail-host:mailboxes"].length);
    expect(text).not.toContain('.test"');
  });

  it("forwards to a foreign domain where there is one, and nowhere else", () => {
    const aliases = (hasElsewhere: boolean) =>
      read(configurationText("test-a", "2026-12-01", { model, site: { ...site, hasElsewhere } }))
        .directory.aliases.length;
    expect(aliases(true)).toBe(model["mail-host:aliases"].length);
    expect(aliases(false)).toBeLessThan(aliases(true));
  });

  it("lasts for the hours that were wanted, and to the end of their day", () => {
    const evening = Date.UTC(2026, 11, 1, 22);
    expect(lastDayFor(1, evening)).toBe("2026-12-01");
    expect(lastDayFor(4, evening)).toBe("2026-12-02");
  });

  it("has a name of its own", () => {
    const some = Array.from({ length: 100 }, uniqueName);
    expect(new Set(some).size).toBe(100);
    for (const name of some) expect(name).toMatch(testStackName);
  });
});

describe("the host tests", () => {
  const files = readdirSync("test/host", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("failures/"))
    .map((file) => ({ file, text: readFileSync(join("test/host", file), "utf8") }));

  it("need a lab where they look into the world, and say why", () => {
    const anywhere = files
      .filter(({ text }) => needsLab(text) === undefined)
      .map((one) => one.file);
    expect(anywhere.sort()).toEqual([
      "configuration/article.test.ts",
      "fetching/login.test.ts",
      "outgoing/port25.test.ts",
    ]);
  });

  it("hold no name of the lab's own domains", () => {
    for (const { file, text } of files) expect(text, file).not.toMatch(/(example|second)\.test\b/);
  });
});

describe("what `npm run teardown` counts", () => {
  const marked = [thing("volume", { size: 20 }), thing("record"), thing("record"), thing("server")];
  const known = { stack: "dev", hostname: "mail.example.com", addresses: ["192.0.2.1"], marked };

  it("is mail first, then what it lives on", () => {
    const host = { mailboxes: 1, messages: 1234, bytes: 5_600_000, queued: 2 };
    expect(lossesText(lossesOf({ ...known, host }))).toBe(
      [
        "mail.example.com, the stack dev, would be deleted for good:",
        "  1 mailbox, 1234 messages, 5.6 MB",
        "  2 mails in the queue, on the way to others",
        "  1 server, 1 volume (20 GiB) with keys and certificates",
        "  1 address and their reputation: 192.0.2.1",
        "  2 DNS records; records of others stay",
      ].join("\n"),
    );
  });

  it("says so where the host does not answer", () => {
    const text = lossesText(lossesOf({ ...known, host: "Connection timed out" }));
    expect(text).toContain("its mail could not be counted: Connection timed out");
  });

  it("is what the README names for the end of a lasting stack, with a warning", () => {
    const readme = readFileSync("README.md", "utf8");
    expect(readme).toContain("npm run teardown");
    expect(readme).toMatch(/--skip-preview/);
  });
});
