// What a configuration may say of keys, policies, reports and a smarthost, and what a wrong one is told. Does
// not prove that the host or a cloud takes it.

import { describe, expect, it } from "vitest";
import { good, mistakesIn, read } from "../support/configuration";

describe("a good configuration", () => {
  it("takes a smarthost with its password apart from it", () => {
    const smarthost = { host: "smtp.relay.test", user: "me", spf: "include:_spf.relay.test" };
    expect(read({ ...good, smarthost, smarthostPassword: "s3cret{" }).smarthost).toEqual({
      ...smarthost,
      port: 587,
      password: "s3cret{",
    });
  });

  it.each([
    "postmaster@example.test",
    "alice@example.test",
    "team@example.test",
    "reports+dmarc@elsewhere.test",
  ])("takes %s for reports", (reportAddress) => {
    const aliases = [{ address: "team@example.test", destinations: ["alice@example.test"] }];
    expect(
      mistakesIn({ ...good, aliases, domains: [{ ...good.domains[0], reportAddress }] }),
    ).toEqual([]);
  });

  it("takes any report address of a domain with a catch-all", () => {
    const aliases = [{ address: "@example.test", destinations: ["alice@example.test"] }];
    const domains = [{ ...good.domains[0], reportAddress: "dmarc@example.test" }];
    expect(mistakesIn({ ...good, aliases, domains })).toEqual([]);
  });

  it.each([
    [1, 0],
    [2, 0],
    [2, 1],
    [7, 5],
  ])("takes DKIM keys of generation %i with those up to %i revoked", (generation, revoked) => {
    expect(mistakesIn({ ...good, dkim: { generation, revoked } })).toEqual([]);
  });
});

describe("a wrong configuration", () => {
  const cases: [what: string, values: Record<string, unknown>, expected: RegExp][] = [
    [
      "DKIM keys that are all revoked",
      { ...good, dkim: { generation: 2, revoked: 2 } },
      /dkim\.revoked \| 2 revokes the newest keys too.* \| set it with: pulumi config set --path 'mail-host:dkim\.revoked'/,
    ],
    [
      "DKIM keys of generation 0",
      { ...good, dkim: { generation: 0 } },
      /dkim\.generation \| 0 is less than 1/,
    ],
    [
      "a jump of DKIM generations",
      { ...good, dkim: { generation: 3 } },
      /dkim\.generation \| 3 is more than two above dkim\.revoked/,
    ],
    [
      "half a DKIM generation",
      { ...good, dkim: { generation: 1.5 } },
      /dkim\.generation \| 1\.5 is not a whole number/,
    ],
    [
      "a key generation of 0",
      { ...good, host: { ...good.host, keyGeneration: 0 } },
      /host\.keyGeneration \| 0 is less than 1/,
    ],
    [
      "an unknown DMARC policy",
      { ...good, domains: [{ ...good.domains[0], dmarcPolicy: "strict" }] },
      /domains\[0\]\.dmarcPolicy \| "strict" is not a DMARC policy; allowed: quarantine, reject, none/,
    ],
    [
      "a report address that is none",
      { ...good, domains: [{ ...good.domains[0], reportAddress: "postmaster" }] },
      /domains\[0\]\.reportAddress \| "postmaster" is not a mail address that reports can go to/,
    ],
    [
      "a report address that would need an escape",
      { ...good, domains: [{ ...good.domains[0], reportAddress: "a!10m,b@elsewhere.test" }] },
      /domains\[0\]\.reportAddress \| .* is not a mail address that reports can go to/,
    ],
    [
      "a report address that nobody has",
      { ...good, domains: [{ ...good.domains[0], reportAddress: "dmarc@example.test" }] },
      /domains\[0\]\.reportAddress \| "dmarc@example\.test" is neither a mailbox nor an alias here/,
    ],
    [
      "a smarthost without its password",
      { ...good, smarthost: { host: "smtp.relay.test", user: "me" } },
      /smarthostPassword \| is missing: .* pulumi config set --secret mail-host:smarthostPassword/,
    ],
    [
      "a password without its smarthost",
      { ...good, smarthostPassword: "secret" },
      /smarthostPassword \| is the password of a smarthost, and there is none/,
    ],
    [
      "a smarthost on a port that is none",
      {
        ...good,
        smarthost: { host: "smtp.relay.test", port: 70000, user: "me" },
        smarthostPassword: "secret",
      },
      /smarthost\.port \| 70000 is not a port number/,
    ],
    [
      "a smarthost's user with a colon",
      {
        ...good,
        smarthost: { host: "smtp.relay.test", user: "me:you" },
        smarthostPassword: "secret",
      },
      /smarthost\.user \| "me:you" is not a user name/,
    ],
    [
      "a mechanism that is no include",
      {
        ...good,
        smarthost: { host: "smtp.relay.test", user: "me", spf: "+all" },
        smarthostPassword: "secret",
      },
      /smarthost\.spf \| "\+all" is not an SPF mechanism of this form: include:/,
    ],
  ];

  it.each(cases)(
    "is told of %s: the key, the value, what is allowed, the cure",
    (_what, values, expected) => {
      const found = mistakesIn(values);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(expected);
    },
  );

  it("never shows a smarthost's password that it refuses", () => {
    const smarthost = { host: "smtp.relay.test", user: "me" };
    const found = mistakesIn({ ...good, smarthost, smarthostPassword: "se cret" });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/smarthostPassword \| the value is not a password/);
    expect(found[0]).not.toContain("cret");
  });
});
