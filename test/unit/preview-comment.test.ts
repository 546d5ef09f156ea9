// The comment under a pull request, from data: one case for each kind of change, and what a stranger's text
// may not do in it. Does not prove that the data is what the engine says.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commentLimitBytes, commentOf } from "../../scripts/preview/comment";
import { cell, code, fenced } from "../../scripts/preview/markdown";
import {
  announcedKinds,
  isFine,
  type PreviewResult,
  replacedKinds,
} from "../../scripts/preview/result";

const none: PreviewResult = {
  stack: "dev",
  base: "0123456789ab",
  resources: [],
  records: [],
  files: { nextMachine: "", runningHost: "" },
  broken: [],
  rules: 11,
  replaced: [],
};

const nobody = { added: [], changed: [], removed: [] };

describe("a comment", () => {
  it("says of no change that there is none", () => {
    expect(commentOf(none).startsWith("## Preview of `dev`: no change\n")).toBe(true);
    expect(commentOf(none)).not.toMatch(/### (Resources|DNS|Host files|Directory)/);
    expect(isFine(none)).toBe(true);
  });

  it("lists resources, replaced ones first, each with what differs", () => {
    const comment = commentOf({
      ...none,
      resources: [
        { kind: "create", type: "DnsRecord", name: "a", properties: [] },
        { kind: "replace", type: "Server", name: "mail-host", properties: ["userData"] },
        { kind: "import", type: "DnsRecord", name: "b", properties: [] },
      ],
    });
    expect(comment).toContain("1 **replaced**, 1 created, 1 taken over.");
    expect(comment).toMatch(
      /\| \*\*replaced\*\* \| `Server` \| `mail-host` \| `userData` \|\n\| created .*\n\| taken over /,
    );
  });

  it("shows records before and after, with a dash where there is none", () => {
    const comment = commentOf({
      ...none,
      records: [
        { name: "example.com", type: "TXT", after: "a | b", reason: "why" },
        { name: "example.com", type: "MX", before: "10 mail", reason: "" },
      ],
    });
    expect(comment).toContain("| `example.com` | `TXT` | – | `a \\| b` | `why` |");
    expect(comment).toContain("| `example.com` | `MX` | `10 mail` | – | – |");
  });

  it("shows files as a difference, or says that they are not known", () => {
    const diff = "--- /etc/a\n+++ /etc/a\n@@ -1 +1 @@\n-x\n+y";
    expect(commentOf({ ...none, files: { nextMachine: diff, runningHost: "" } })).toContain(
      `\`\`\`diff\n${diff}\n\`\`\``,
    );
    expect(commentOf({ ...none, files: { runningHost: "" } })).toContain(
      "known after `pulumi up` alone",
    );
  });

  it("names some of the directory's changes, and counts all", () => {
    const added = Array.from({ length: 30 }, (_, i) => `box${i}@example.com`);
    const comment = commentOf({
      ...none,
      directory: {
        domains: nobody,
        mailboxes: { ...nobody, added, removed: ["old@example.com"] },
        aliases: { ...nobody, changed: ["sales@example.com"] },
      },
    });
    expect(comment).toContain("- mailboxes: 30 added (`box0@example.com`, ");
    expect(comment).toContain(" and 10 more); 1 removed (`old@example.com`)");
    expect(comment).toContain("- aliases: 1 changed (`sales@example.com`)");
    expect(comment).not.toContain("- domains");
  });

  it("says which policies are broken, and does not let them be merged", () => {
    const broken = [{ rule: "dmarc", resource: "example.com-dmarc", message: 'p is "none"' }];
    const comment = commentOf({ ...none, broken });
    expect(comment).toContain('- **`dmarc`** `example.com-dmarc`: `p is "none"`');
    expect(comment).toContain("must not be merged");
    expect(isFine({ ...none, broken })).toBe(false);
    expect(commentOf(none)).toContain("All 11 rules hold.");
  });

  it("names what a month costs, by which catalogue, and what that does not know", () => {
    const cost = { before: 7.13, after: 10.13, catalogue: "a catalogue", unknown: ["cx99"] };
    expect(commentOf({ ...none, cost })).toContain(
      "€ 10.13 a month; it was € 7.13, by a catalogue. Without `cx99`, which it does not have.",
    );
    expect(commentOf({ ...none, cost: { ...cost, after: 7.13, unknown: [] } })).toContain(
      "€ 7.13 a month, as before, by a catalogue.",
    );
  });

  it.each(["server", "address", "volume"] as const)(
    "warns of the %s that goes, unless a commit says that it is meant",
    (kind) => {
      const meant = { ...none, replaced: [{ kind, announced: true }] };
      const accident = { ...none, replaced: [{ kind, announced: false }] };
      expect(commentOf(accident)).toContain(`say so in a commit: \`Replaces: ${kind}\``);
      expect([isFine(accident), isFine(meant)]).toEqual([false, true]);
    },
  );

  it("gives the words of a refusal, and whose it is", () => {
    const words = 'mail-host:host.name: "mail" is not a name';
    const change = { ...none, refusal: { of: "change", words } as const };
    const base = { ...none, refusal: { of: "base", words } as const };
    expect(commentOf(change)).toContain(`## Preview of \`dev\`: refused\n`);
    expect(commentOf(change)).toContain(`\`\`\`\n${words}\n\`\`\``);
    expect(commentOf(base)).toContain("the base does not come up");
    expect(isFine(change)).toBe(false);
  });

  it("stays below GitHub's limit, and says what it leaves out", () => {
    const long = "é".repeat(3000);
    const comment = commentOf({
      ...none,
      resources: Array.from({ length: 5000 }, (_, i) => {
        return { kind: "create", type: "T", name: `${i}${long}`, properties: [long] } as const;
      }),
      records: Array.from({ length: 5000 }, () => {
        return { name: long, type: "TXT", before: long, after: long, reason: long };
      }),
      files: { nextMachine: `${long}\n`.repeat(200), runningHost: `+x\n`.repeat(50_000) },
    });
    expect(Buffer.byteLength(comment)).toBeLessThanOrEqual(commentLimitBytes);
    expect(comment).toMatch(/… and [\d,]+ records more, left out here\./);
    expect(comment).toMatch(/… and [\d,]+ lines more, left out here\./);
  });
});

describe("replacements", () => {
  const change = (kind: "replace" | "delete" | "update", type: string) => ({
    kind,
    type,
    name: "x",
    properties: [],
  });

  it("are told of servers, addresses and volumes that are replaced or deleted", () => {
    const changes = [
      change("replace", "hcloud:index/server:Server"),
      change("delete", "hcloud:index/primaryIp:PrimaryIp"),
      change("update", "hcloud:index/volume:Volume"),
      change("delete", "cloudflare:index/dnsRecord:DnsRecord"),
    ];
    expect(replacedKinds(changes, announcedKinds("Server,\n volume\n"))).toEqual([
      { kind: "server", announced: true },
      { kind: "address", announced: false },
    ]);
  });
});

describe("a stranger's text", () => {
  const text = fc.string({
    unit: fc.constantFrom("`", "|", "@", "\n", "a", "\\", "<", " ", "\u202e"),
  });

  it("stays in its cell", () => {
    fc.assert(
      fc.property(text, (value) => {
        const shown = cell(value);
        expect(shown).not.toMatch(/\n|(?<!\\)\||\u202e/);
        if (shown === "–") return;
        const fence = /^`+/.exec(shown)?.[0] ?? "";
        // Nothing inside is a run of exactly the fence's length, so that the span ends at its end.
        const inside = shown.slice(fence.length, -fence.length);
        expect((inside.match(/`+/g) ?? []).map(({ length }) => length)).not.toContain(fence.length);
        expect(shown.endsWith(fence)).toBe(true);
      }),
    );
  });

  it("stays in its fence", () => {
    expect(fenced("a\n```\nb")).toBe("````\na\n```\nb\n````");
    fc.assert(
      fc.property(text, (value) => {
        const lines = fenced(value).split("\n");
        const fence = lines[0] ?? "";
        expect(lines.slice(1, -1).every((line) => !line.includes(fence))).toBe(true);
        expect(lines.at(-1)).toBe(fence);
      }),
    );
  });

  it("is cut in its middle where it is long", () => {
    expect(code("abcdefghij", 6)).toBe("`abcd…j`");
    expect(code("abcdef", 6)).toBe("`abcdef`");
  });
});
