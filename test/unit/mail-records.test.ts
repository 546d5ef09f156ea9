// Each record's text, comment and place in the README. Does not prove that Cloudflare takes them.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dkimRecords,
  domainRecords,
  policyRecord,
  webAuthorityRecords,
} from "../../components/domain-records";
import { certificateRecords, hostRecords, webRecords } from "../../components/host-records";
import { firstAddress } from "../../components/mail-address";
import {
  commentLimit,
  isOurs,
  type MailRecord,
  recordComment,
  shownValue,
  slotOf,
  textRecord,
} from "../../components/mail-records";
import { good, read, zoneId } from "../support/configuration";

const { host, directory } = read({
  ...good,
  domains: [...good.domains, { name: "second.test", zoneId: "2".repeat(32) }],
});
const [domain, second] = directory.domains;
if (domain === undefined || second === undefined) throw new Error("two domains were given");
const addresses = { ipv4: "198.18.1.10", ipv6: "2001:2:0:10::1" };
const authority = { account: "https://ca.test/acct/1", caaIdentity: "ca.test" };
const tlsa = ["A".repeat(64), "B".repeat(64)] as const;
const keys = [
  { generation: 1, selector: "rsa1", type: "rsa", publicKey: "M".repeat(392) },
  { generation: 1, selector: "ed1", type: "ed25519", publicKey: "E".repeat(44) },
] as const;
const ofDomain = (values: Partial<typeof domain> = {}, spf?: string) =>
  domainRecords({
    domain: { ...domain, ...values },
    domains: directory.domains,
    hostname: host.name,
    spf,
  });
const everything: MailRecord[] = [
  ...hostRecords(host, addresses),
  ...webRecords([domain], addresses),
  ...certificateRecords(host, { ...authority, tlsa, keyGeneration: 1 }),
  ...ofDomain({ reportAddress: "postmaster@second.test" }),
  ...dkimRecords(domain, { keys, revoked: 0 }),
  ...dkimRecords(domain, { keys: [], revoked: 1 }),
  policyRecord(domain, "abc"),
  ...webAuthorityRecords(domain, authority),
];
const shown = (records: readonly MailRecord[]) =>
  records.map((record) => `${record.name} ${record.type} ${shownValue(record)}`);

describe("the records of a host", () => {
  it("lead to it, say who sends in its name, who certifies it, and with which keys", () => {
    expect(shown(hostRecords(host, addresses))).toEqual([
      "mail.example.test A 198.18.1.10",
      "mail.example.test AAAA 2001:2:0:10::1",
      "mail.example.test TXT v=spf1 a -all",
    ]);
    expect(shown(certificateRecords(host, { ...authority, tlsa, keyGeneration: 1 }))).toEqual([
      'mail.example.test CAA 0 issue "ca.test; accounturi=https://ca.test/acct/1; validationmethods=http-01"',
      'mail.example.test CAA 0 issuewild ";"',
      `_25._tcp.mail.example.test TLSA 3 1 1 ${tlsa[0]}`,
      `_25._tcp.mail.example.test TLSA 3 1 1 ${tlsa[1]}`,
    ]);
  });

  it("keep the next key's record as it is when that key comes into use", () => {
    const [, , , next] = certificateRecords(host, { ...authority, tlsa, keyGeneration: 4 });
    const rolled = certificateRecords(host, {
      ...authority,
      tlsa: [tlsa[1], "C".repeat(64)],
      keyGeneration: 5,
    });
    const { reason: _, ...same } = next ?? {};
    expect(rolled[2]).toMatchObject(same);
    expect(new Set(rolled.map(({ key }) => key))).not.toContain("tlsa-4");
  });
});

describe("the records of a domain", () => {
  it("bring its mail to the host and say what others may make of mail in its name", () => {
    expect(shown(ofDomain())).toEqual([
      "example.test MX 10 mail.example.test",
      "example.test TXT v=spf1 mx -all",
      "_dmarc.example.test TXT v=DMARC1; p=quarantine; sp=quarantine; adkim=s; aspf=s; rua=mailto:postmaster@example.test",
      "_smtp._tls.example.test TXT v=TLSRPTv1; rua=mailto:postmaster@example.test",
      "_submissions._tcp.example.test SRV 0 1 465 mail.example.test",
      "_submission._tcp.example.test SRV 0 1 587 mail.example.test",
      "_imaps._tcp.example.test SRV 0 1 993 mail.example.test",
      "_imap._tcp.example.test SRV 0 0 0 .",
      "_pop3._tcp.example.test SRV 0 0 0 .",
      "_pop3s._tcp.example.test SRV 0 0 0 .",
      ...["mta-sts", "autoconfig", "autodiscover"].flatMap((label) => [
        `${label}.example.test MX 0 .`,
        `${label}.example.test TXT v=spf1 -all`,
      ]),
    ]);
  });

  it("let a smarthost send too", () => {
    const spf = "include:_spf.relay.test";
    expect(shown(ofDomain({}, spf))).toContain(
      "example.test TXT v=spf1 mx include:_spf.relay.test -all",
    );
    expect(shown(hostRecords(host, { ...addresses, spf }))).toContain(
      "mail.example.test TXT v=spf1 a include:_spf.relay.test -all",
    );
  });

  it("authorise reports to another domain of the stack, in that domain's zone", () => {
    const records = ofDomain({ dmarcPolicy: "reject", reportAddress: "postmaster@second.test" });
    expect(shown(records)).toContain(
      "_dmarc.example.test TXT v=DMARC1; p=reject; sp=reject; adkim=s; aspf=s; rua=mailto:postmaster@second.test",
    );
    expect(records.at(-1)).toMatchObject({
      zoneId: second.zoneId,
      name: "example.test._report._dmarc.second.test",
      content: '"v=DMARC1"',
    });
    expect(shown(ofDomain({ reportAddress: "a@elsewhere.test" })).join()).not.toContain("_report");
  });

  it("carry two DKIM keys, and say of those revoked last that they are", () => {
    expect(shown(dkimRecords(domain, { keys, revoked: 0 }))).toEqual([
      `rsa1._domainkey.example.test TXT v=DKIM1; k=rsa; p=${keys[0].publicKey}`,
      `ed1._domainkey.example.test TXT v=DKIM1; k=ed25519; p=${keys[1].publicKey}`,
    ]);
    expect(shown(dkimRecords(domain, { keys: [], revoked: 3 }))).toEqual([
      "rsa3._domainkey.example.test TXT v=DKIM1; k=rsa; p=",
      "ed3._domainkey.example.test TXT v=DKIM1; k=ed25519; p=",
    ]);
  });

  it("have an SRV priority at both places where Cloudflare returns it", () => {
    const services = ofDomain().filter(({ type }) => type === "SRV");
    expect(services).toHaveLength(6);
    for (const { priority, data } of services) expect(priority).toBe(data?.priority);
  });
});

describe("a record's text", () => {
  it("goes out in quoted pieces of at most 255 bytes, and reads as it was", () => {
    const place = { zoneId, key: "x", name: "example.test" };
    const printable = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 1000,
    });
    fc.assert(
      fc.property(printable, (text) => {
        const record = textRecord(place, text, "");
        const pieces = record.content?.match(/"(?:[^"\\]|\\.)*"/g) ?? [];
        expect(pieces.join(" ")).toBe(record.content);
        for (const piece of pieces) {
          expect(piece.slice(1, -1).replace(/\\(.)/g, "$1").length).toBeLessThanOrEqual(255);
        }
        expect(shownValue(record)).toBe(text);
      }),
    );
  });
});

describe("an address", () => {
  it.each([
    ["2001:2:0:10::", "2001:2:0:10::1"],
    ["2001:db8:1::/64", "2001:db8:1::1"],
    ["2001:db8:0:1::/64", "2001:db8:0:1::1"],
    ["2A01:4F8:0C0C:00AB::/64", "2a01:4f8:c0c:ab::1"],
    ["2001:db8:1:0::/64", "2001:db8:1::1"],
  ])("of the network %s is written as RFC 5952 writes it", (network, address) => {
    expect(firstAddress(network)).toBe(address);
  });
});

describe("a record's comment", () => {
  it.each(everything.map((record) => [record.reason]))(
    "gives its reason whole, in a stack of a long name: %s",
    (reason) => {
      const comment = recordComment("production-europe-north-1", reason);
      expect(comment).toBe(`mail-host/production-europe-north-1: ${reason}`);
      expect(comment.length).toBeLessThanOrEqual(commentLimit);
    },
  );

  it.each(everything.map((record) => [record.reason]))(
    "gives its reason whole beside the last day of a test stack: %s",
    (reason) => {
      const comment = recordComment("test-k3x9ap", reason, "2026-12-01");
      expect(comment).toBe(`mail-host/test-k3x9ap until=2026-12-01: ${reason}`);
      expect(comment.length).toBeLessThanOrEqual(commentLimit);
    },
  );

  it("leaves the reason out before it cuts it, and always says whose the record is", () => {
    const stack = "s".repeat(63);
    expect(recordComment(stack, "x".repeat(60))).toBe(`mail-host/${stack}:`);
    expect(isOurs(stack, recordComment(stack, "x".repeat(60)))).toBe(true);
    expect(isOurs("de", recordComment("dev", "x"))).toBe(false);
    const until = recordComment(stack, "x".repeat(60), "2026-12-01");
    expect(until).toBe(`mail-host/${stack} until=2026-12-01:`);
    expect(isOurs(stack, until)).toBe(true);
    expect(isOurs("dev", "mail-host/dev until=2026-12-01: test")).toBe(true);
  });
});

describe("the README's table of records", () => {
  const readme = readFileSync("README.md", "utf8");
  const table = /^## DNS records\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";
  const rows = [...table.matchAll(/^\| (?!record|-)(.+?) +\| (.+?) +\| (.+?) +\|$/gm)].map(
    ([, types = "", name = ""]) => ({
      types: types.split(", ").map((type) => type.split(" ")[0] ?? ""),
      names: name.split(", ").map((one) => one.replaceAll("`", "")),
    }),
  );
  const documented = rows.flatMap(({ types, names }) =>
    types.flatMap((type) => names.map((name) => `${type} ${name}`)),
  );
  const general = (record: MailRecord) =>
    slotOf(record)
      .replace("mail.example.test", "<host>")
      .replace(/second\.test$/, "<other>")
      .replace("example.test", "<domain>")
      .replace(/\b(rsa|ed)1\b/, "$1<n>");

  it("names each record that the program writes, and none besides but PTR", () => {
    const written = new Set(everything.map(general));
    expect(new Set(documented.filter((slot) => !slot.startsWith("PTR")))).toEqual(written);
  });
});
