// Which existing records stand in the way, are taken over or kept, and which of ours must wait. Does not
// prove that Cloudflare lists records so.

import { describe, expect, it } from "vitest";
import type { ExistingRecord } from "../../components/existing";
import { identityOf, slotOf } from "../../components/mail-records";
import {
  foreignRecords,
  planRecords,
  policyIdFor,
  wantedRecords,
} from "../../components/record-plan";
import { policyUrl } from "../../components/served";
import { good, nothingThere, read, zoneId } from "../support/configuration";

const config = read(good);
const ownAddresses = { ipv4: "198.18.1.10", ipv6: "2001:2:0:10::1" };
const id = "a".repeat(32);
const mark = "mail-host/dev: some reason";
const record = (values: Partial<ExistingRecord>): ExistingRecord => ({
  id,
  zoneId,
  name: "example.test",
  type: "MX",
  content: "mx.old.test",
  ...(values.type === undefined || values.type === "MX" ? { priority: 10 } : {}),
  ...values,
});
const args = (records: readonly ExistingRecord[], adopt: readonly string[] = []) => ({
  config: { ...config, adopt },
  stack: "dev",
  existing: { ...nothingThere, ownAddresses, records },
});
const refusals = (...records: ExistingRecord[]) => foreignRecords(args(records));
/** Everything is served. */
const served = new Map<string, string | undefined>(
  ["mail", "mta-sts", "autoconfig", "autodiscover"]
    .map((label): [string, undefined] => [`${label}.example.test`, undefined])
    .concat([[policyUrl("example.test"), undefined]]),
);

describe("a foreign record", () => {
  it("is refused, with the command that deletes it and the one that keeps it", () => {
    const [mistake, ...rest] = refusals(record({}));
    expect(rest).toEqual([]);
    expect(mistake?.where).toBe("example.test MX");
    expect(mistake?.message).toContain('"10 mx.old.test" is there already and not of this stack');
    expect(mistake?.cure).toContain(`-X DELETE`);
    expect(mistake?.cure).toContain(`/zones/${zoneId}/dns_records/${id}`);
    expect(mistake?.orElse).toEqual([
      `or keep it beside ours: pulumi config set --path 'mail-host:adopt[0]' ${id}`,
      expect.stringMatching(
        /^or have it changed in place.*: curl -X PATCH .* -d '\{"comment":"mail-host\/dev: taken over"\}' \S+$/,
      ),
    ]);
  });

  const rivals: [string, Partial<ExistingRecord>][] = [
    ["an address of the host", { type: "A", name: "mail.example.test", content: "198.18.9.9" }],
    [
      "an IPv6 address of the host",
      { type: "AAAA", name: "mail.example.test", content: "2001:2::9" },
    ],
    [
      "an alias of the host's name",
      { type: "CNAME", name: "mail.example.test", content: "x.test" },
    ],
    [
      "an address of the policy's name",
      { type: "A", name: "mta-sts.example.test", content: "198.18.9.9" },
    ],
    [
      "an alias of Outlook's name",
      { type: "CNAME", name: "autodiscover.example.test", content: "outlook.test" },
    ],
    ["a mail exchanger of a name without mail", { name: "autoconfig.example.test" }],
    ["a second SPF record", { type: "TXT", content: '"v=spf1 include:_spf.other.test ~all"' }],
    ["a second SPF record, unquoted and in capitals", { type: "TXT", content: "V=SPF1 -all" }],
    [
      "a second DMARC record",
      { type: "TXT", name: "_dmarc.example.test", content: '"v=DMARC1; p=none"' },
    ],
    [
      "an alias of the DMARC record",
      { type: "CNAME", name: "_dmarc.example.test", content: "dmarc.test" },
    ],
    [
      "an MTA-STS record",
      { type: "TXT", name: "_mta-sts.example.test", content: '"v=STSv1; id=1"' },
    ],
    [
      "a TLS-RPT record",
      {
        type: "TXT",
        name: "_smtp._tls.example.test",
        content: '"v=TLSRPTv1; rua=mailto:x@y.test"',
      },
    ],
    [
      "a DKIM record of our selector",
      { type: "TXT", name: "rsa1._domainkey.example.test", content: '"v=DKIM1; p=AAAA"' },
    ],
    [
      "a key at port 25",
      { type: "TLSA", name: "_25._tcp.mail.example.test", content: `3 1 1 ${"A".repeat(64)}` },
    ],
    [
      "an authority of the host's name",
      { type: "CAA", name: "mail.example.test", content: '0 issue "other.test"' },
    ],
    [
      "an authority of the policy's name",
      { type: "CAA", name: "mta-sts.example.test", content: '0 issue "other.test"' },
    ],
    [
      "another service for mail programs",
      {
        type: "SRV",
        name: "_imaps._tcp.example.test",
        content: "1 993 imap.old.test",
        priority: 0,
      },
    ],
  ];

  it.each(rivals)("that is %s is refused", (_what, values) => {
    expect(refusals(record(values))).toHaveLength(1);
    expect(refusals(record({ ...values, comment: mark }))).toEqual([]);
  });

  it("is this stack's by its mark alone, and not by one that begins like it", () => {
    expect(refusals(record({ comment: mark }))).toEqual([]);
    expect(refusals(record({ comment: "mail-host/dev2: some reason" }))).toHaveLength(1);
  });

  it("that is of no concern to mail is left alone", () => {
    expect(
      refusals(
        record({ type: "A", content: "198.18.9.9" }),
        record({ type: "TXT", content: '"google-site-verification=abc"' }),
        record({ type: "CAA", content: '0 issue "other.test"' }),
        record({
          type: "TXT",
          name: "other._domainkey.example.test",
          content: '"v=DKIM1; p=AAAA"',
        }),
        record({ name: "elsewhere.example.test" }),
      ),
    ).toEqual([]);
  });

  it("is told together with all others, each with a place of its own under adopt", () => {
    const cures = refusals(record({}), record({ id: "b".repeat(32), content: "mx2.old.test" })).map(
      ({ orElse }) => orElse?.[0],
    );
    expect(cures[0]).toContain("adopt[0]");
    expect(cures[1]).toContain("adopt[1]");
  });

  it("that is proxied at one of our names is refused even when it carries our mark", () => {
    const [mistake] = refusals(
      record({
        name: "mail.example.test",
        type: "A",
        content: ownAddresses.ipv4,
        proxied: true,
        comment: mark,
      }),
    );
    expect(mistake?.message).toContain("is proxied");
    expect(mistake?.cure).toContain(`-X PATCH`);
    expect(mistake?.cure).toContain('{"proxied":false}');
  });
});

describe("an adopted record", () => {
  it("stands beside ours, where there can be several", () => {
    const adopted = args([record({})], [id]);
    expect(foreignRecords(adopted)).toEqual([]);
    expect([...planRecords({ ...adopted, verdicts: served }).leftOut]).toEqual([]);
  });

  it("stands in place of ours, where two would be read as none", () => {
    const adopted = args(
      [record({ type: "TXT", content: '"v=spf1 mx include:x.test -all"' })],
      [id],
    );
    expect(foreignRecords(adopted)).toEqual([]);
    expect([...planRecords({ ...adopted, verdicts: served }).leftOut]).toEqual([
      "TXT example.test",
    ]);
  });

  it("cannot be an alias, beside which nothing stands", () => {
    const alias = record({ type: "CNAME", name: "_dmarc.example.test", content: "dmarc.test" });
    expect(foreignRecords(args([alias], [id]))).toHaveLength(1);
    const [refused] = foreignRecords(args([alias]));
    expect(refused?.orElse).toEqual([]);
  });
});

describe("a record that says the same", () => {
  it.each<[string, Partial<ExistingRecord>]>([
    ["an MX in capitals", { content: "Mail.example.test" }],
    ["an address", { type: "A", name: "mail.example.test", content: ownAddresses.ipv4 }],
    ["a text without quotes", { type: "TXT", content: "v=spf1 mx -all" }],
    [
      "a service",
      {
        type: "SRV",
        name: "_imaps._tcp.example.test",
        content: "1 993 mail.example.test",
        priority: 0,
      },
    ],
    ["a null MX", { name: "mta-sts.example.test", content: ".", priority: 0 }],
  ])("is taken over by import: %s", (_what, values) => {
    const there = record(values);
    expect(refusals(there)).toEqual([]);
    const { imports } = planRecords({ ...args([there]), verdicts: served });
    const wanted = wantedRecords(config, ownAddresses).find((one) => slotOf(one) === slotOf(there));
    expect([...imports]).toEqual([[wanted && identityOf(wanted), `${zoneId}/${id}`]]);
  });
});

describe("a record that promises what is not served", () => {
  const slots = [
    "CAA mail.example.test",
    "TLSA _25._tcp.mail.example.test",
    "TXT _mta-sts.example.test",
    "CAA mta-sts.example.test",
    "CAA autoconfig.example.test",
    "CAA autodiscover.example.test",
  ];

  it("waits and is named with the reason; without a look at the host all of them do", () => {
    const { leftOut, pending } = planRecords({ ...args([]), verdicts: new Map() });
    expect([...leftOut]).toEqual(slots);
    expect(pending).toEqual(
      slots.map((slot) => ({ record: slot, reason: "the host is not there yet" })),
    );
    const { leftOut: none, pending: nothing } = planRecords({ ...args([]), verdicts: served });
    expect([...none, ...nothing]).toEqual([]);
  });

  it.each([
    ["mail.example.test", ["CAA mail.example.test", "TLSA _25._tcp.mail.example.test"]],
    ["autoconfig.example.test", ["CAA autoconfig.example.test"]],
    [policyUrl("example.test"), ["TXT _mta-sts.example.test"]],
  ])("waits for %s alone", (name, expected) => {
    const verdicts = new Map(served).set(name, "certificate has expired");
    const { leftOut, pending } = planRecords({ ...args([]), verdicts });
    expect([...leftOut]).toEqual(expected);
    expect(pending.map(({ reason }) => reason)).toEqual(
      expected.map(() => "certificate has expired"),
    );
  });

  it("is not removed once it stands, whatever the look says", () => {
    const standing = slots.map((slot, i) => {
      const [type = "", name = ""] = slot.split(" ");
      const content = type === "TXT" ? '"v=STSv1; id=abc"' : "x";
      return record({ id: String(i).repeat(32), type, name, content, comment: mark });
    });
    const { leftOut, pending } = planRecords({ ...args(standing), verdicts: new Map() });
    expect([...leftOut, ...pending]).toEqual([]);
  });
});

describe("the id of a policy", () => {
  const standing = record({
    type: "TXT",
    name: "_mta-sts.example.test",
    content: '"v=STSv1; id=before"',
    comment: mark,
  });
  const idWith = (records: ExistingRecord[], verdicts: ReadonlyMap<string, string | undefined>) =>
    policyIdFor("example.test", { ...args(records), verdicts, today: "today" });

  it("is today's once today's policy is served, and until then the one that stands", () => {
    expect(idWith([standing], served)).toBe("today");
    expect(idWith([standing], new Map())).toBe("before");
    expect(idWith([standing], new Map([[policyUrl("example.test"), "another policy"]]))).toBe(
      "before",
    );
    expect(idWith([], new Map())).toBe("today");
  });

  it("is not taken from a record of somebody else", () => {
    expect(idWith([{ ...standing, comment: "" }], new Map())).toBe("today");
  });
});
