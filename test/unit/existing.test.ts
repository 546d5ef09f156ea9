// Which records and addresses stand in the way of a deployment. Does not prove that the clouds list them so.

import { describe, expect, it } from "vitest";
import { conflicts, type Existing, type ExistingRecord, importId } from "../../components/existing";
import { isOurs, recordComment } from "../../components/mail-records";
import type { StackConfig } from "../../config";
import { zoneId } from "../support/configuration";

const config: StackConfig = {
  host: {
    name: "mail.example.test",
    zoneId,
    location: "nbg1",
    serverType: "cx23",
    image: "debian-13",
    volumeSize: 20,
    adminCidrs: ["198.18.0.0/24"],
    sshKeys: ["ssh-ed25519 AAAA"],
    generation: 1,
  },
  directory: { domains: [{ name: "example.test", zoneId }], mailboxes: [], aliases: [] },
  lasting: true,
  adopt: [],
};
const nothing: Existing = {
  zones: new Map([[zoneId, "example.test"]]),
  records: [],
  addresses: [],
  foreignSshKeys: new Map(),
};
const record = (values: Partial<ExistingRecord>): ExistingRecord => ({
  id: "a".repeat(32),
  zoneId,
  name: "example.test",
  type: "MX",
  content: "mx.old.test",
  priority: 10,
  ...values,
});
const found = (...records: ExistingRecord[]): Existing => ({ ...nothing, records });

describe("an existing record", () => {
  it("that is a foreign MX is refused, with the command that deletes it and the one that keeps it", () => {
    const [mistake, ...rest] = conflicts(config, "dev", found(record({})));
    expect(rest).toEqual([]);
    expect(mistake?.where).toBe("example.test MX");
    expect(mistake?.message).toContain('"mx.old.test" is there already');
    expect(mistake?.cure).toContain(`/zones/${zoneId}/dns_records/${"a".repeat(32)}`);
    expect(mistake?.cure).toContain("pulumi config set --path 'mail-host:adopt[0]'");
  });

  it.each(["A", "AAAA", "CNAME"])(
    "that is a foreign %s record of the host name is refused",
    (type) => {
      expect(
        conflicts(
          config,
          "dev",
          found(record({ name: "mail.example.test", type, content: "198.18.9.9" })),
        ),
      ).toHaveLength(1);
    },
  );

  it("that carries this stack's mark is ours", () => {
    expect(
      conflicts(config, "dev", found(record({ comment: "mail-host/dev: mail for this domain" }))),
    ).toEqual([]);
    expect(
      conflicts(config, "dev", found(record({ comment: "mail-host/dev2: mail for this domain" }))),
    ).toHaveLength(1);
  });

  it("that is listed under adopt is let stand", () => {
    expect(conflicts({ ...config, adopt: ["a".repeat(32)] }, "dev", found(record({})))).toEqual([]);
  });

  it("that says the same is taken over by import", () => {
    const existing = found(record({ content: "Mail.example.test" }));
    expect(conflicts(config, "dev", existing)).toEqual([]);
    expect(importId({ name: "example.test", type: "MX" }, { config, stack: "dev", existing })).toBe(
      `${zoneId}/${"a".repeat(32)}`,
    );
  });

  it("at a domain that is not of mail's concern is left alone", () => {
    expect(
      conflicts(
        config,
        "dev",
        found(record({ type: "A", content: "198.18.9.9" }), record({ type: "TXT", content: "x" })),
      ),
    ).toEqual([]);
  });
});

describe("a live stack", () => {
  it("is not moved to another location", () => {
    const existing = {
      ...nothing,
      addresses: [{ type: "ipv4", ip: "198.18.1.10", location: "fsn1" }],
    };
    expect(
      conflicts(config, "dev", existing).map(({ where, message }) => `${where}: ${message}`),
    ).toEqual([
      'mail-host:host.location: "nbg1" is not where this stack lives: its addresses and its volume are bound to "fsn1"',
    ]);
  });

  it("does not write into a zone that the name does not lie in", () => {
    const existing = { ...nothing, zones: new Map([[zoneId, "other.test"]]) };
    expect(conflicts(config, "dev", existing).map(({ where }) => where)).toEqual([
      "mail-host:host.zoneId",
      "mail-host:domains[0].zoneId",
    ]);
  });
});

describe("a record's comment", () => {
  it("marks the stack and fits Cloudflare's 100 characters", () => {
    const comment = recordComment("dev", "x".repeat(200));
    expect(comment).toHaveLength(100);
    expect(isOurs("dev", comment)).toBe(true);
    expect(isOurs("de", comment)).toBe(false);
    expect(isOurs("dev", "mail-host/dev until=2026-12-01: test")).toBe(true);
  });
});
