// What `npm run verify` makes of a stack's outputs, and the page it prints. Does not prove what is judged.

import { describe, expect, it } from "vitest";
import type { Judged } from "../../scripts/verify/check";
import { counts, fullReport, shortReport } from "../../scripts/verify/report";
import { namedSubject, subjectOf } from "../../scripts/verify/subject";

const record = (type: string, name: string, value: string) => ({ type, name, value, reason: "" });
const outputs = {
  hostname: "mail.example.test",
  ipv4: "192.0.2.25",
  ipv6: "2001:DB8:0::25",
  passwords: "[secret]",
  dnsRecords: [
    record("A", "mail.example.test", "192.0.2.25"),
    record("MX", "example.test", "10 mail.example.test"),
    record("MX", "mta-sts.example.test", "0 ."),
    record("MX", "second.test", "10 mail.example.test"),
    record("TXT", "rsa1._domainkey.example.test", '"v=DKIM1; p=abc"'),
    record("TXT", "ed1._domainkey.example.test", '"v=DKIM1; p=abc"'),
  ],
};

describe("the subject", () => {
  it("is what the stack's outputs say: host, mail domains, selectors, addresses in one spelling", () => {
    expect(subjectOf(outputs)).toEqual({
      hostname: "mail.example.test",
      domains: ["example.test", "second.test"],
      selectors: { "example.test": ["rsa1", "ed1"] },
      addresses: ["192.0.2.25", "2001:db8::25"],
    });
  });

  it("is not to be had from a stack without a host, and the message says what to do", () => {
    expect(() => subjectOf({})).toThrow(/run `pulumi up`, or name one with --host and --domain/);
  });

  it("is what the caller names otherwise", () => {
    expect(namedSubject("Mail.Example.test.", ["Example.test"])).toEqual({
      hostname: "mail.example.test",
      domains: ["example.test"],
      selectors: {},
      addresses: [],
    });
  });
});

const long = "a sentence that is long enough to be wrapped, since it goes on and on for a while";
const mend = "one thing that mends it";
const judged: readonly Judged[] = [
  { id: "1", group: "IPv6", sentence: "it passes", verdict: "pass" },
  {
    id: "2",
    group: "IPv6",
    sentence: long,
    verdict: "fail",
    faults: [
      { seen: "this", wanted: "another", mend },
      { seen: "that", wanted: "another", mend },
    ],
  },
  { id: "33", group: "RPKI", sentence: "one", verdict: "not judged", why: "elsewhere" },
  { id: "34", group: "RPKI", sentence: "two", verdict: "not judged", why: "elsewhere" },
  {
    id: "word",
    group: "SMTP server",
    sentence: "three",
    verdict: "not applicable",
    why: "nothing",
  },
];

describe("the page", () => {
  it("has each check under its group, what failed in full, what is common once, and counts", () => {
    expect(fullReport(judged, "mail.example.test").split("\n")).toEqual([
      "mail.example.test",
      "",
      "IPv6                                                              1 pass, 1 FAIL",
      "  pass   1  it passes",
      "  FAIL   2  a sentence that is long enough to be wrapped, since it goes on and",
      "            on for a while",
      "            seen    this",
      "            seen    that",
      "            wanted  another",
      "            mend    one thing that mends it",
      "",
      "RPKI                                                                2 not judged",
      "  ?     33  one",
      "  ?     34  two",
      "            (elsewhere)",
      "",
      "SMTP server                                                                1 n/a",
      "  n/a       three",
      "            (nothing)",
      "",
      "Together                                     1 pass, 1 FAIL, 1 n/a, 2 not judged",
    ]);
  });

  it("has no line beyond 80 columns", () => {
    const lines = `${fullReport(judged, long)}\n${shortReport(judged)}`.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("is in short a line for each group, and each failure in full", () => {
    expect(shortReport(judged).split("\n")).toEqual([
      "    IPv6                            1 pass, 1 FAIL",
      "    RPKI                            2 not judged",
      "    SMTP server                     1 n/a",
      "    Together                        1 pass, 1 FAIL, 1 n/a, 2 not judged",
      "",
      "  FAIL   2  a sentence that is long enough to be wrapped, since it goes on and",
      "            on for a while",
      "            seen    this",
      "            seen    that",
      "            wanted  another",
      "            mend    one thing that mends it",
    ]);
  });

  it("counts each verdict", () => {
    expect(counts(judged)).toEqual({ pass: 1, fail: 1, notApplicable: 1, notJudged: 2 });
  });
});
