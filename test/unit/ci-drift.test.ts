// What a preview's own JSON says of drift, the issue that is kept of it, and whose engine is whose. Does not
// prove what the engine writes; the test of an import does.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keepIssue } from "../../scripts/ci/drift";
import { driftOf, driftText } from "../../scripts/ci/drift-report";
import { partsNotOfficial } from "../../scripts/ci/official";
import { startGitHub } from "../support/github";

const urn = (type: string, name: string) =>
  `urn:pulumi:dev::mail-host::mailhost:index:MailHost$${type}::${name}`;
const firewall = urn("hcloud:index/firewall:Firewall", "mail-host-firewall");
const record = urn("cloudflare:index/dnsRecord:DnsRecord", "example.test-mx");
const preview = (...steps: object[]) => JSON.stringify({ steps });

describe("drift", () => {
  it("is what an `up` would change, with the names of the properties and none of their values", () => {
    const json = preview(
      { op: "same", urn: urn("a", "same") },
      { op: "refresh", urn: record },
      { op: "read", urn: record },
      { op: "update", urn: firewall, detailedDiff: { "rules[6]": { kind: "delete" } } },
      { op: "create", urn: record },
      { op: "create-replacement", urn: urn("s", "mail-host") },
      { op: "replace", urn: urn("s", "mail-host"), diffReasons: ["userData", "image"] },
      { op: "delete-replaced", urn: urn("s", "mail-host") },
    );
    expect(driftOf(json)).toEqual([
      {
        type: "cloudflare:index/dnsRecord:DnsRecord",
        name: "example.test-mx",
        operation: "is gone; would be made anew",
        properties: [],
      },
      {
        type: "s",
        name: "mail-host",
        operation: "**would be replaced**",
        properties: ["image", "userData"],
      },
      {
        type: "hcloud:index/firewall:Firewall",
        name: "mail-host-firewall",
        operation: "was changed; would be changed back",
        properties: ["rules[6]"],
      },
    ]);
  });

  it("is none where every step is the same", () => {
    expect(driftOf(preview({ op: "same", urn: record }))).toEqual([]);
  });

  it("is not read out of what is no preview", () => {
    expect(() => driftOf("error: no stack")).toThrow();
  });

  it("is told as a table, and its absence in a sentence", () => {
    const json = preview({ op: "update", urn: firewall, diffReasons: ["rules"] });
    expect(driftText("dev", driftOf(json))).toContain(
      "differ.\n\n| resource | type | what is with it | properties |\n| --- | --- | --- | --- |\n| `mail-host-firewall` | `hcloud:index/firewall:Firewall` | was changed; would be changed back | `rules` |\n",
    );
    expect(driftText("dev", [])).toBe("Stack `dev` is as its program wants it.\n");
  });
});

describe("the issue of a stack that has drifted", () => {
  let github: Awaited<ReturnType<typeof startGitHub>>;
  beforeEach(async () => {
    github = await startGitHub();
  });
  afterEach(() => github.close());
  const keep = (stack: string, text: string, isOpen: boolean) =>
    keepIssue(github.api, { stack, text, isOpen });

  it("is opened, edited in place, closed, and opened anew", async () => {
    expect(await keep("dev", "fine", false)).toBe("no issue is open");
    expect(await keep("dev", "one", true)).toBe("opened an issue");
    expect(await keep("dev", "two", true)).toBe("edited issue 101");
    expect(await keep("dev", "fine", false)).toBe("closed issue 101");
    expect(await keep("dev", "three", true)).toBe("opened an issue");
    expect(github.held.issues).toEqual([
      { number: 101, body: "<!-- mail-host drift dev -->\nfine", state: "closed" },
      { number: 102, body: "<!-- mail-host drift dev -->\nthree", state: "open" },
    ]);
  });

  it("is each stack's own", async () => {
    await keep("dev", "one", true);
    await keep("other", "two", true);
    expect(github.held.issues.map(({ state }) => state)).toEqual(["open", "open"]);
  });
});

describe("an engine's own line", () => {
  it("names what is not its vendor's", () => {
    expect(
      partsNotOfficial(
        "engine: official: pulumi, language host; built from upstream: hcloud, random; stand-ins: cloudflare, command",
      ),
    ).toEqual(["hcloud", "random", "cloudflare", "command"]);
    expect(partsNotOfficial("engine: official: pulumi, language host, hcloud, random")).toEqual([]);
  });
});
