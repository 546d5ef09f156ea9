// The lab's pure parts: firewall text, zone files, metadata, addresses. That the kernel and the name
// server understand them is proven by machines.test.ts.

import { createPublicKey } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { FirewallRule, ServerSpec } from "../../lab/clouds/infrastructure";
import { archivePath, mirrorFrom } from "../../lab/host/packages";
import { decodedUserData, metadataAnswer, networkConfig } from "../../lab/machines/seed";
import { reverseName, serverIpv6 } from "../../lab/network/addresses";
import { firewallScript } from "../../lab/network/firewall";
import { macAddress } from "../../lab/network/namespaces";
import { operatorPublicKey } from "../../lab/operator";
import { labPaths } from "../../lab/paths";
import { delegationSignersIn } from "../../lab/world/registrar";
import { internetZones, renderZone, withDelegationSigners } from "../../lab/world/zones";

const rule = (change: Partial<FirewallRule>): FirewallRule => ({
  direction: "in",
  protocol: "tcp",
  port: "25",
  source_ips: ["0.0.0.0/0", "::/0"],
  destination_ips: [],
  ...change,
});

const script = (rules: readonly FirewallRule[] | null, blockOutgoingMail = false): string =>
  firewallScript({ serverId: 5, rules, blockOutgoingMail });

const chainOf = (text: string, name: string): string[] => {
  const body = text.split(`chain ${name} {`)[1]?.split("}\n}")[0]?.split("\n  }")[0] ?? "";
  return body
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
};

describe("the firewall of a machine", () => {
  test("lets everything pass while none is applied", () => {
    expect(chainOf(script(null), "to_server").at(-1)).toBe("accept");
    expect(chainOf(script(null), "from_server").at(-1)).toBe("accept");
  });

  test("denies what comes in as soon as one is applied, even without rules", () => {
    expect(chainOf(script([]), "to_server").at(-1)).toBe("drop");
    expect(chainOf(script([]), "from_server").at(-1)).toBe("accept");
  });

  test("denies what goes out only once there is a rule for it", () => {
    const out = rule({
      direction: "out",
      port: "443",
      source_ips: [],
      destination_ips: ["198.18.0.0/15"],
    });
    const chain = chainOf(script([out]), "from_server");
    expect(chain).toContain("ip daddr 198.18.0.0/15 tcp dport 443 accept");
    expect(chain.at(-1)).toBe("drop");
  });

  test("knows ranges of ports, any port, single addresses and both families", () => {
    const chain = chainOf(
      script([
        rule({ port: "80-85" }),
        rule({ protocol: "udp", port: "any", source_ips: ["2001:2:0:7::/64"] }),
        rule({ protocol: "gre", source_ips: ["198.18.3.4/32"] }),
      ]),
      "to_server",
    );
    expect(chain).toContain("meta nfproto ipv4 tcp dport 80-85 accept");
    expect(chain).toContain("meta nfproto ipv6 tcp dport 80-85 accept");
    expect(chain).toContain("ip6 saddr 2001:2:0:7::/64 meta l4proto udp accept");
    expect(chain).toContain("ip saddr 198.18.3.4/32 meta l4proto gre accept");
  });

  test("lets ICMP in by rule alone, but never stops neighbour discovery", () => {
    const closed = chainOf(script([]), "to_server").join("\n");
    expect(closed).toContain("nd-neighbor-solicit");
    expect(closed).not.toContain("l4proto icmp");
    const open = chainOf(script([rule({ protocol: "icmp" })]), "to_server").join("\n");
    expect(open).toContain("meta nfproto ipv4 meta l4proto icmp accept");
    expect(open).toContain("meta nfproto ipv6 meta l4proto ipv6-icmp accept");
  });

  test("drops outgoing mail only where the lab was told to", () => {
    expect(script(null)).not.toContain("tcp dport { 25, 465 } drop");
    expect(chainOf(script(null, true), "from_server")).toContain("tcp dport { 25, 465 } drop");
  });
});

describe("the zones of the lab", () => {
  const published = {
    "example.test": [
      { name: "mail.example.test", ttlSeconds: 60, type: "A", rdata: "198.18.1.5" },
      { name: "example.test", ttlSeconds: 60, type: "MX", rdata: "10 mail.example.test." },
    ],
  };
  const pointers = {
    "198.18.1.5": "mail.example.test",
    "2001:2:0:5::1": "mail.example.test",
  };
  const nameserver = "ns.elsewhere.test";
  const foreign = {
    origin: "elsewhere.test",
    nameservers: [nameserver],
    records: [{ name: nameserver, ttlSeconds: 300, type: "AAAA", rdata: "2001:2:0:ffff::53" }],
  };
  const zones = internetZones(published, pointers, [foreign]);
  const zone = (origin: string): string => {
    const found = zones.find((each) => each.origin === origin);
    if (found === undefined) throw new Error(`no zone ${origin}`);
    return renderZone(found, 7);
  };

  test("are delegated from the root down", () => {
    expect(zone("")).toContain("\ntest. 86400 IN NS a.nic.test.\n");
    expect(zone("test")).toContain("\nexample.test. 86400 IN NS ada.ns.cloudflare.com.\n");
    expect(zone("com")).toContain("\nada.ns.cloudflare.com. 86400 IN A 198.18.0.53\n");
    expect(zone("test")).toContain("\nns.elsewhere.test. 300 IN AAAA 2001:2:0:ffff::53\n");
  });

  test("carry the published records with their own time to live", () => {
    expect(zone("example.test")).toContain("example.test. 60 IN MX 10 mail.example.test.\n");
    expect(zone("example.test")).toMatch(
      /^example\.test\. 3600 IN SOA ada\.ns\.cloudflare\.com\. \S+ 7 /,
    );
  });

  test("answer reverse names of both families", () => {
    expect(zone("18.198.in-addr.arpa")).toContain(
      "5.1.18.198.in-addr.arpa. 60 IN PTR mail.example.test.\n",
    );
    expect(zone("0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa")).toContain(
      `${reverseName("2001:2:0:5::1")}. 60 IN PTR`,
    );
  });

  test("have the DS records of a zone in the nearest zone above it", () => {
    const signed = withDelegationSigners(zones, ({ origin }) => [`1 13 2 ${origin || "root"}`]);
    const signersIn = (origin: string): string[] =>
      (signed.find((each) => each.origin === origin)?.records ?? [])
        .filter(({ type }) => type === "DS")
        .map(({ name, rdata }) => `${name} ${rdata}`);
    const below = zones.map(({ origin }) => origin).filter((name) => /^\w+\.test$/.test(name));
    expect(below).toContain("example.test");
    expect(signersIn("test").sort()).toEqual(below.map((name) => `${name} 1 13 2 ${name}`).sort());
    expect(signersIn("in-addr.arpa")).toContain("18.198.in-addr.arpa 1 13 2 18.198.in-addr.arpa");
    expect(signersIn("")).toContain("test 1 13 2 test");
    expect(signersIn("example.test")).toEqual([]);
  });

  test("name every zone once", () => {
    const origins = zones.map(({ origin }) => origin);
    expect(new Set(origins).size).toBe(origins.length);
  });
});

describe("a registrar", () => {
  const [one, other] = [`2371 13 2 ${"1F".repeat(32)}`, `5 13 2 ${"ab".repeat(32)}`];

  test.each([
    [["none"], []],
    [[one], [one]],
    [one.split(" "), [one]],
    [
      [one, other],
      [one, other],
    ],
    [[`example.test. 3600 IN DS ${one}`], [one]],
  ])("is told %j", (words, ds) => {
    expect(delegationSignersIn(words)).toEqual(ds);
  });

  test("refuses what is no DS record", () => {
    expect(() => delegationSignersIn(["2371 13 2"])).toThrow(/^DS: "2371 13 2" is not <key tag>/);
    expect(() => delegationSignersIn([`${one} more`])).toThrow("is not <key tag>");
  });
});

describe("what a machine learns of itself", () => {
  const server: ServerSpec = {
    id: 42,
    name: "mail",
    image: "debian-13",
    userData: "#cloud-config\n",
    sshPublicKeys: ["ssh-ed25519 AAAA one"],
    location: "nbg1",
    addresses: { ipv4: "198.18.1.5", ipv6Network: "2001:2:0:5::/64" },
  };

  test("user data is decoded where it is base64, and left alone where it is not", () => {
    const packed = gzipSync("#cloud-config\n");
    expect(decodedUserData(packed.toString("base64"))).toEqual(packed);
    expect(decodedUserData("#cloud-config\n").toString()).toBe("#cloud-config\n");
    expect(decodedUserData("")).toEqual(Buffer.alloc(0));
  });

  test("the network has Hetzner's gateways", () => {
    const [device] = parse(networkConfig(server)).config;
    expect(
      device.subnets.map(({ address, gateway }: { address: string; gateway: string }) => [
        address,
        gateway,
      ]),
    ).toEqual([
      ["198.18.1.5/32", "172.31.1.1"],
      ["2001:2:0:5::1/64", "fe80::1"],
    ]);
  });

  test("the metadata service answers whole and in parts, and 404 to what it does not know", () => {
    expect(parse(metadataAnswer(server, "/metadata") ?? "")).toMatchObject({
      hostname: "mail",
      "instance-id": 42,
      "public-keys": ["ssh-ed25519 AAAA one"],
    });
    expect(metadataAnswer(server, "/metadata/public-ipv4")).toBe("198.18.1.5");
    expect(metadataAnswer(server, "/userdata")).toBe("#cloud-config\n");
    expect(metadataAnswer(server, "/metadata/unheard-of")).toBeUndefined();
  });
});

test("reverse names are those of RFC 1035 and RFC 3596", () => {
  expect(reverseName("198.18.1.5")).toBe("5.1.18.198.in-addr.arpa");
  expect(reverseName("2001:2::1")).toBe(`1.${"0.".repeat(23)}2.0.0.0.1.0.0.2.ip6.arpa`);
});

test("a server takes the first address of its network, and a MAC address of Hetzner's", () => {
  expect(serverIpv6("2001:2:0:5::/64")).toBe("2001:2:0:5::1");
  expect(macAddress(0x1234)).toBe("96:00:00:00:12:34");
});

test("the operator's key is an ed25519 key and the same everywhere", () => {
  const blob = Buffer.from(operatorPublicKey.split(" ")[1] ?? "", "base64");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), blob.subarray(-32)]);
  expect(createPublicKey({ key: spki, format: "der", type: "spki" }).asymmetricKeyType).toBe(
    "ed25519",
  );
  expect(operatorPublicKey).toBe(
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPgGrprmtOibL6yR3Gb1MdUtBpVrgpSHNWbITkMYBYcQ operator@mail-host-lab",
  );
});

test("the name of a lab cannot leave its folder", () => {
  expect(() => labPaths("../x")).toThrow('"../x"');
  expect(labPaths("one").namespace).toBe("mail-host-one");
});

describe("the package cache", () => {
  test("takes the mirror from apt's own configuration, and no third party for it", () => {
    const targets = [
      "https://third.example/linux/debian bookworm stable",
      "http://mirror.example/debian bookworm main",
      "http://mirror.example/debian-security bookworm-security main",
    ];
    expect(mirrorFrom(targets.join("\n"))).toEqual({
      debian: "http://mirror.example/debian",
      security: "http://mirror.example/debian-security",
    });
    expect(mirrorFrom("http://archive.ubuntu.example/ubuntu noble main").debian).toBe(
      "http://deb.debian.org/debian",
    );
  });

  test("knows Debian's archives and nothing else", () => {
    expect(archivePath("http://deb.debian.org/debian/dists/trixie/InRelease")).toBe(
      "debian/dists/trixie/InRelease",
    );
    expect(archivePath("http://example.com/debian/x")).toBeUndefined();
    expect(archivePath("http://deb.debian.org/debian/%2e%2e/%2e%2e/etc/passwd")).toBeUndefined();
    expect(archivePath("/debian/x")).toBeUndefined();
  });
});
