// Each rule of the policy: the program keeps it, and what breaks it is told. Does not prove that an engine asks.

import { beforeAll, describe, expect, it } from "vitest";
import program from "../../index";
import { type PlannedResource, Secret } from "../../policy/resource";
import { rules, violationsOf } from "../../policy/rules";
import { good, hash, zoneId } from "../support/configuration";
import { emptyClouds, settle, withMocks } from "../support/mocks";
import { changed, generatedSecret, plannedFrom, withProps } from "../support/planned";

async function planned(values: Record<string, unknown>, calls = emptyClouds) {
  const recorded = withMocks(values, calls);
  await program();
  await settle();
  return plannedFrom(recorded);
}

let whole: PlannedResource[];
beforeAll(async () => {
  whole = await planned(good);
});

const firewall = "mail-host-firewall";
const server = "mail-host";
const spf = "example.test-spf";
const txt = (content: string) => ({ content: `"${content}"` });

function opened(rule: Record<string, unknown>) {
  return changed(whole, firewall, ({ props }) => ({
    props: {
      ...props,
      rules: [
        ...(Array.isArray(props.rules) ? props.rules : []),
        { direction: "in", protocol: "tcp", sourceIps: ["0.0.0.0/0", "::/0"], ...rule },
      ],
    },
  }));
}

function withoutRule(port: string) {
  return changed(whole, firewall, ({ props }) => ({
    props: {
      ...props,
      rules: Array.isArray(props.rules) ? props.rules.filter((rule) => rule.port !== port) : [],
    },
  }));
}

const only = (port: string, sourceIps: readonly string[]) =>
  changed(withoutRule(port), firewall, ({ props }) => ({
    props: {
      ...props,
      rules: [
        ...(Array.isArray(props.rules) ? props.rules : []),
        { direction: "in", protocol: "tcp", port, sourceIps },
      ],
    },
  }));

const record = (name: string, props: Record<string, unknown>): PlannedResource => ({
  urn: `urn:pulumi:dev::mail-host::cloudflare:index/dnsRecord:DnsRecord::${name}`,
  type: "cloudflare:index/dnsRecord:DnsRecord",
  name,
  protect: false,
  props: { zoneId, proxied: false, comment: "mail-host/dev: a test", ...props },
});

const unlike = (resource: PlannedResource, type: string, props: Record<string, unknown>) => ({
  ...resource,
  urn: `${resource.urn}-other`,
  name: `${resource.name}-other`,
  type,
  props,
});

const sealed = (value: unknown) => new Secret(value);

type Break = [what: string, broken: () => PlannedResource[], message: RegExp];
const breaks: Record<string, Break[]> = {
  "mail-names-never-proxied": [
    [
      "proxied",
      () => withProps(whole, "mail-address-a", { proxied: true }),
      /^A mail\.example\.test is proxied$/,
    ],
    [
      "perhaps proxied",
      () => withProps(whole, "mail-address-aaaa", { proxied: undefined }),
      /^AAAA /,
    ],
  ],
  "mx-points-to-the-host": [
    [
      "a name of someone else's",
      () => withProps(whole, "example.test-mx", { content: "mx.other.test" }),
      /points to mx\.other\.test, which has no A record/,
    ],
    [
      "no AAAA",
      () => whole.filter(({ name }) => name !== "mail-address-aaaa"),
      /which has no AAAA record/,
    ],
    [
      "no PTR",
      () => whole.filter(({ name }) => name !== "mail-address-ipv6-ptr"),
      /which no PTR record of its IPv6 address points back to/,
    ],
    [
      "a PTR that says something else",
      () => withProps(whole, "mail-address-ipv4-ptr", { dnsPtr: "static.other.test" }),
      /IPv4 address points back to/,
    ],
    [
      "a PTR of another address",
      () => withProps(whole, "mail-address-ipv4-ptr", { ipAddress: "198.18.1.11" }),
      /IPv4 address points back to/,
    ],
    [
      "addresses that are not known yet, of which one has no PTR",
      () =>
        withProps(
          withProps(
            whole.filter(({ name }) => name !== "mail-address-ipv6-ptr"),
            "mail-address-aaaa",
            { content: undefined },
          ),
          "mail-address-ipv4-ptr",
          { ipAddress: undefined },
        ),
      /IPv6 address points back to/,
    ],
  ],
  "open-ports-as-intended": [
    ["another port", () => opened({ port: "8080" }), /tcp 8080 is open/],
    ["another protocol", () => opened({ protocol: "udp", port: "53" }), /udp 53 is open/],
    ["a range around an intended one", () => opened({ port: "993-995" }), /tcp 993-995 is open/],
    ["a port too few", () => withoutRule("25"), /tcp 25 is not open to all of the world/],
    ["a port for some alone", () => only("993", ["0.0.0.0/0"]), /tcp 993 is not open to all/],
    [
      "an outbound rule",
      () => opened({ direction: "out", port: "53", sourceIps: [] }),
      /outbound rule/,
    ],
    ["no firewall", () => withProps(whole, server, { firewallIds: [] }), /behind no firewall/],
  ],
  "ssh-from-configured-networks": [
    ["the world over IPv4", () => only("22", ["0.0.0.0/0"]), /SSH is open to 0\.0\.0\.0\/0/],
    ["the world over IPv6", () => only("22", ["198.18.0.0/24", "::/0"]), /SSH is open to ::\/0/],
    ["half of the world", () => only("22", ["128.0.0.0/1"]), /128\.0\.0\.0\/1/],
    [
      "a network that the configuration does not name",
      () => [
        ...only("22", ["198.18.0.0/24", "203.0.113.0/24"]),
        {
          ...record("dev", {}),
          type: "pulumi:pulumi:Stack",
          configuration: { "mail-host:host": JSON.stringify(good.host) },
        },
      ],
      /203\.0\.113\.0\/24, which is not configured/,
    ],
  ],
  "database-never-reachable": [
    [
      "its port, from the operators' network",
      () => opened({ port: "3306", sourceIps: ["198.18.0.0/24"] }),
      /tcp 3306 covers/,
    ],
    [
      "every port",
      () => opened({ port: "any", sourceIps: ["198.18.0.0/24"] }),
      /tcp 0-65535 covers/,
    ],
    ["a range", () => opened({ port: "3000-4000" }), /tcp 3000-4000 covers/],
    [
      "a load balancer",
      () => [
        ...whole,
        {
          ...record("balanced", { listenPort: 13306, destinationPort: 3306 }),
          type: "hcloud:index/loadBalancerService:LoadBalancerService",
        },
      ],
      /a load balancer leads to the database/,
    ],
  ],
  "spf-within-ten-lookups": [
    [
      "eleven terms",
      () =>
        withProps(
          whole,
          spf,
          txt(
            `v=spf1 ${Array.from({ length: 11 }, (_, i) => `include:_${i}.other.test`).join(" ")} -all`,
          ),
        ),
      /^TXT example\.test costs 11 lookups/,
    ],
    [
      "ten of which one includes another",
      () => [
        ...withProps(whole, spf, txt(`v=spf1 include:_own.example.test ${"a ".repeat(9)}-all`)),
        record("own", { type: "TXT", name: "_own.example.test", ...txt("v=spf1 mx -all") }),
      ],
      /^TXT example\.test costs 11 lookups/,
    ],
    ["a loop", () => withProps(whole, spf, txt("v=spf1 include:example.test -all")), /lookups/],
    [
      "a redirect beside exists and ptr",
      () =>
        withProps(
          whole,
          spf,
          txt(`v=spf1 exists:%{i}.x.test ptr ${"mx:y.test ".repeat(8)}redirect=_spf.x.test`),
        ),
      /costs 11 lookups/,
    ],
  ],
  "dmarc-never-none": [
    [
      "p=none",
      () => withProps(whole, "example.test-dmarc", txt("v=DMARC1; p=none; sp=reject")),
      /_dmarc\.example\.test says p=none/,
    ],
    [
      "no p",
      () => withProps(whole, "example.test-dmarc", txt("v=DMARC1; rua=mailto:a@b.test")),
      /says p=nothing/,
    ],
    [
      "sp=none",
      () => withProps(whole, "example.test-dmarc", txt("v=DMARC1; p=reject; SP=None")),
      /says sp=none/,
    ],
    [
      "np=none",
      () => withProps(whole, "example.test-dmarc", txt("v=DMARC1; p=reject; np=none")),
      /says np=none/,
    ],
    [
      "a part",
      () => withProps(whole, "example.test-dmarc", txt("v=DMARC1; p=reject; pct=99")),
      /covers pct=99/,
    ],
    [
      "a test",
      () => withProps(whole, "example.test-dmarc", txt("v=DMARC1; p=reject; t=y")),
      /is a test/,
    ],
  ],
  "no-secret-in-plain-text": [
    [
      "user data",
      () => withProps(whole, server, { userData: "#cloud-config\n" }),
      /^userData of mail-host is user data/,
    ],
    [
      "the stash's user data",
      () => withProps(whole, "mail-host-birth", { input: { userData: sealed("x") } }),
      /^input\.userData of mail-host-birth is user data/,
    ],
    [
      "a generated password elsewhere",
      () =>
        withProps(whole, "mail-host-ready", {
          environment: { HINT: `is ${generatedSecret("mail-host-database-password")}` },
        }),
      /^environment\.HINT of mail-host-ready holds a value that is a secret elsewhere/,
    ],
    [
      "a generated password inside base64",
      () =>
        withProps(whole, "mail-host-commands", {
          stdin: `0644 /x ${Buffer.from(`x=${generatedSecret("mail-directory-seed")}\n`).toString("base64")}\n`,
        }),
      /^stdin of mail-host-commands holds a value/,
    ],
    [
      "a password by its name",
      () =>
        withProps(whole, "mail-host-ready", {
          connection: { host: "198.18.1.10", privateKeyPassword: "x" },
        }),
      /^connection\.privateKeyPassword .* by its name/,
    ],
    [
      "a private key",
      () => withProps(whole, "mail-host-ready", { stdin: "-----BEGIN OPENSSH PRIVATE KEY-----" }),
      /holds a private key/,
    ],
    [
      "a password's hash",
      () => withProps(whole, "mail-directory", { stdin: JSON.stringify([{ hash }]) }),
      /holds a password's hash/,
    ],
    [
      "the article's kind of hash",
      () =>
        withProps(whole, "mail-directory", {
          stdin: "$5$3e25960a79dbc69b$tHoZ4bWcGbSDgZdVW0HAXtMTS5T2YDOZeav7jmNodz6",
        }),
      /holds a password's hash/,
    ],
    [
      "a password in a URL",
      () => withProps(whole, "mail-host-ready", { create: "curl https://me:pa55word@x.test/" }),
      /holds a password in a URL/,
    ],
    [
      "a token of 64 characters",
      () => withProps(whole, "mail-host-ready", { environment: { T: "aB3".padEnd(64, "x9Y") } }),
      /token of Hetzner's/,
    ],
    [
      "a token of 40 characters",
      () =>
        withProps(whole, "mail-host-ready", { create: `x --bearer=${"aB3".padEnd(40, "-_9Y")}` }),
      /token of Cloudflare's/,
    ],
    [
      "a provider's token",
      () => [...whole, unlike(record("hcloud", {}), "pulumi:providers:hcloud", { token: "short" })],
      /^token of hcloud-other is a secret by its name/,
    ],
  ],
  "address-and-volume-protected": [
    [
      "an address that the engine would delete",
      () => changed(whole, "mail-address-ipv6", { protect: false }),
      /mail-address-ipv6 is not protected by the engine/,
    ],
    [
      "a volume that the engine would delete",
      () => changed(whole, "mail-host-volume", { protect: false }),
      /mail-host-volume is not protected by the engine/,
    ],
    [
      "a volume that Hetzner would delete",
      () => withProps(whole, "mail-host-volume", { deleteProtection: false }),
      /mail-host-volume is not protected at Hetzner/,
    ],
    [
      "an address that goes with a server",
      () => withProps(whole, "mail-address-ipv4", { autoDelete: true }),
      /mail-address-ipv4 goes with the server/,
    ],
    [
      "a volume that is said to be disposable",
      () =>
        withProps(whole, "mail-host-volume", {
          labels: { project: "mail-host", stack: "dev", component: "volume", lasting: "false" },
        }),
      /mail-host-volume is labelled lasting=false/,
    ],
  ],
  "labels-on-everything": [
    [
      "no labels",
      () => withProps(whole, firewall, { labels: undefined }),
      /mail-host-firewall has no label project=mail-host, stack=dev, component/,
    ],
    [
      "another stack's",
      () =>
        withProps(whole, server, {
          labels: { project: "mail-host", stack: "lab", component: "host" },
        }),
      /^mail-host has no label stack=dev$/,
    ],
    [
      "something new",
      () => [...whole, unlike(record("net", {}), "hcloud:index/network:Network", {})],
      /net-other has no label/,
    ],
  ],
  "user-data-under-its-limit": [
    [
      "what the server gets",
      () => withProps(whole, server, { userData: sealed("x".repeat(32_769)) }),
      /mail-host has 32769 bytes/,
    ],
    [
      "what the next machine would get",
      () =>
        withProps(whole, "mail-host-birth", { input: sealed({ userData: "é".repeat(16_385) }) }),
      /mail-host-birth has 32770 bytes/,
    ],
  ],
  "no-record-without-a-reason": [
    [
      "no comment",
      () => withProps(whole, spf, { comment: undefined }),
      /^TXT example\.test has no reason/,
    ],
    [
      "another stack's",
      () => withProps(whole, spf, { comment: "mail-host/lab: only the mail host sends" }),
      /has no reason of this stack's/,
    ],
    ["a mark alone", () => withProps(whole, spf, { comment: "mail-host/dev:" }), /has no reason/],
    [
      "no date where one is announced",
      () => withProps(whole, spf, { comment: "mail-host/dev until=soon: x" }),
      /has no reason/,
    ],
  ],
};

describe("the program", () => {
  it("keeps every rule", () => {
    expect(violationsOf(whole)).toEqual([]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["when it may go", { ...good, lasting: false }],
    [
      "with two domains, a smarthost, a given hash and a signed zone",
      {
        ...good,
        domains: [
          ...good.domains,
          { name: "second.test", zoneId, reportAddress: "alice@example.test" },
        ],
        mailboxes: [...good.mailboxes, { address: "b@second.test", hash }],
        smarthost: { host: "smtp.relay.test", user: "me", spf: "include:_spf.relay.test" },
        smarthostPassword: "pa55word",
        dkim: { generation: 3, revoked: 1 },
      },
    ],
  ])("keeps every rule %s", async (_, values) => {
    const zone = { zoneId, name: "test", status: "active", nameServers: [] };
    const calls = { ...emptyClouds, "cloudflare:index/getZone:getZone": () => zone };
    expect(violationsOf(await planned(values, calls))).toEqual([]);
  });

  it("keeps every rule with a record that it took over with its maker's comment", async () => {
    const twin = {
      id: "b".repeat(32),
      name: "example.test",
      type: "MX",
      content: "mail.example.test",
      priority: 10,
      comment: "by hand",
    };
    const resources = await planned(good, {
      ...emptyClouds,
      "cloudflare:index/getDnsRecords:getDnsRecords": () => ({ results: [twin] }),
    });
    const imported = withProps(resources, "example.test-mx", { comment: "by hand" });
    expect(violationsOf(imported)).toEqual([]);
  });

  it("keeps every rule before the clouds have told anything", () => {
    const unknown = ["content", "ipAddress", "userData", "input", "connection", "firewallIds"];
    const resources = whole.map((resource) => ({
      ...resource,
      props: Object.fromEntries(
        Object.entries(resource.props).map(([key, value]) => [
          key,
          unknown.includes(key) && resource.props.type !== "MX" ? undefined : value,
        ]),
      ),
    }));
    expect(violationsOf(resources)).toEqual([]);
  });
});

it("breaks every rule once", () => {
  expect(Object.keys(breaks)).toEqual(rules.map(({ name }) => name));
});

describe.each(Object.entries(breaks))("%s", (rule, cases) => {
  it.each(cases)("tells of %s", (_, broken, message) => {
    const found = violationsOf(broken());
    const own = found.filter((violation) => violation.rule === rule);
    expect(own.map((violation) => violation.message).join("\n")).toMatch(message);
    expect(own.every(({ resource }) => resource?.startsWith("urn:pulumi:dev::"))).toBe(true);
  });
});

it("tells of a lasting stack whose parts are all said to be disposable, where its configuration is known", async () => {
  const stack = { ...record("dev", {}), type: "pulumi:pulumi:Stack" };
  const resources = await planned({ ...good, lasting: false });
  const found = (configuration: Record<string, unknown>) =>
    violationsOf([...resources, { ...stack, configuration }]).map(({ message }) => message);
  expect(found({ "mail-host:lasting": "false" })).toEqual([]);
  expect(found({ "mail-host:lasting": "true" })).toHaveLength(3);
});

it("never tells a secret, nor does a resource that is printed", () => {
  const secret = generatedSecret("mail-host-database-password");
  const spoilt = withProps(whole, "mail-host-ready", { environment: { password: secret } });
  const found = violationsOf(spoilt);
  expect(found).toHaveLength(1);
  expect(JSON.stringify(found)).not.toContain(secret);
  expect(JSON.stringify(whole)).not.toContain("SECRET");
});
