// A firewall's rules, from the emulated API to real packets between two machines of a lab: each rule lets
// through what it names, and nothing else. Does not prove that Hetzner's own firewall does the same.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { openLab } from "../../lab/lab";
import { router } from "../../lab/network/addresses";
import { answers, cloudOf, idOf, soon } from "./lab-support";

const lab = openLab(`wall-${randomBytes(3).toString("hex")}`);
const cloud = cloudOf(lab);
const traffic = readFileSync(join(__dirname, "traffic.py"), "utf8");

const ports = { tcp: [25, 26, 80, 83, 85, 86], udp: [500, 501] };
const tcp = (family: 4 | 6) => ports.tcp.map((port) => `tcp${family}/${port}`);
const udp = (family: 4 | 6) => ports.udp.map((port) => `udp${family}/${port}`);
const everything = [...tcp(4), ...tcp(6), ...udp(4), ...udp(6), "icmp4", "icmp6"];

type Machine = Awaited<ReturnType<typeof cloud.machine>>;
let guarded: Machine;
let peer: Machine;
let firewall = 0;

const world = ["0.0.0.0/0", "::/0"];
const inbound = (protocol: string, port: string | null, source_ips: readonly string[] = world) => ({
  direction: "in",
  protocol,
  source_ips,
  ...(port === null ? {} : { port }),
});
const outbound = (protocol: string, port: string | null, destination_ips = world) => ({
  direction: "out",
  protocol,
  destination_ips,
  ...(port === null ? {} : { port }),
});

const setRules = (...rules: readonly object[]) =>
  cloud.call("POST", `/firewalls/${firewall}/actions/set_rules`, { rules });

/** A second address of the peer. */
const second6 = () => peer.ipv6.replace(/1$/, "2");

const target = () => [{ type: "server", server: { id: guarded.id } }];

/** Which of the probes from one machine the other answers. */
async function passing(
  from: string,
  to: Machine,
  probes: readonly string[] = everything,
  source6?: string,
): Promise<string[]> {
  const place = { ipv4: to.ipv4, ipv6: to.ipv6, source6, probes };
  const asked = await lab.exec(from, ["python3", "-c", traffic, "ask", JSON.stringify(place)]);
  expect(asked.stderr).toBe("");
  return JSON.parse(asked.stdout);
}

const comesIn = (probes?: readonly string[], source6?: string) =>
  passing("peer", guarded, probes, source6);
const goesOut = (probes?: readonly string[]) => passing("guarded", peer, probes);

describe.skipIf(process.getuid?.() !== 0)("a firewall's rules", () => {
  beforeAll(async () => {
    await lab.up();
    guarded = await cloud.machine("guarded");
    peer = await cloud.machine("peer");
    for (const name of ["guarded", "peer"]) {
      await soon(lab, name === "peer" ? peer.ipv4 : guarded.ipv4, 22);
      const unit = ["systemd-run", "--quiet", "--expand-environment=no", "python3", "-c", traffic];
      const { status } = await lab.exec(name, [...unit, "serve", JSON.stringify(ports)]);
      expect(status).toBe(0);
    }
    // Never chosen as a source of itself.
    const lifetime = ["preferred_lft", "0", "nodad"];
    const second = ["ip", "address", "add", `${second6()}/64`, "dev", "eth0", ...lifetime];
    expect((await lab.exec("peer", second)).status).toBe(0);
    // Both ends serve, and nothing stands between them.
    await vi.waitFor(
      async () => {
        expect(await comesIn()).toEqual(everything);
        expect(await goesOut()).toEqual(everything);
      },
      { timeout: 20_000 },
    );
    firewall = idOf(await cloud.call("POST", "/firewalls", { name: "wall" }), "firewall");
    const path = `/firewalls/${firewall}/actions/apply_to_resources`;
    await cloud.call("POST", path, { apply_to: target() });
  });

  afterAll(() => lab.down());

  it("block all that comes in where there are none, and nothing that goes out", async () => {
    await setRules();
    expect(await comesIn()).toEqual([]);
    expect(await goesOut()).toEqual(everything);
  });

  it.each([
    ["a port of TCP", inbound("tcp", "25"), ["tcp4/25", "tcp6/25"]],
    ["a range of ports", inbound("tcp", "80-85", ["0.0.0.0/0"]), ["tcp4/80", "tcp4/83", "tcp4/85"]],
    ["any port of TCP", inbound("tcp", "any", ["::/0"]), tcp(6)],
    ["a port of UDP", inbound("udp", "500"), ["udp4/500", "udp6/500"]],
    ["any port of UDP", inbound("udp", "any", ["0.0.0.0/0"]), udp(4)],
    ["ICMP", inbound("icmp", null), ["icmp4", "icmp6"]],
    ["ICMP of one family", inbound("icmp", null, ["::/0"]), ["icmp6"]],
  ])("let in %s and nothing else", async (_what, rule, expected) => {
    await setRules(rule);
    expect(await comesIn()).toEqual(expected);
  });

  it("let in by source of IPv4", async () => {
    const fromBoth = async () => [
      ...(await comesIn(["tcp4/25"])),
      ...((await answers(lab, guarded.ipv4, 25)) ? ["router"] : []),
    ];
    await setRules(inbound("tcp", "25", [`${peer.ipv4}/32`]));
    expect(await fromBoth()).toEqual(["tcp4/25"]);
    await setRules(inbound("tcp", "25", [`${router.ipv4}/32`]));
    expect(await fromBoth()).toEqual(["router"]);
    await setRules(inbound("tcp", "25", ["198.18.0.0/23"]));
    expect(await fromBoth()).toEqual(["tcp4/25", "router"]);
    await setRules(inbound("tcp", "25", ["198.18.2.0/23"]));
    expect(await fromBoth()).toEqual([]);
  });

  it("let in by source of IPv6", async () => {
    const fromBoth = async () => [
      ...(await comesIn(["tcp6/25"], peer.ipv6)),
      ...((await comesIn(["tcp6/25"], second6())).length > 0 ? ["second"] : []),
    ];
    await setRules(inbound("tcp", "25", [`${peer.ipv6}/128`]));
    expect(await fromBoth()).toEqual(["tcp6/25"]);
    await setRules(inbound("tcp", "25", [`${second6()}/128`]));
    expect(await fromBoth()).toEqual(["second"]);
    await setRules(inbound("tcp", "25", [peer.ipv6.replace(/1$/, "/64")]));
    expect(await fromBoth()).toEqual(["tcp6/25", "second"]);
    await setRules(inbound("tcp", "25", [guarded.ipv6.replace(/1$/, "/64")]));
    expect(await fromBoth()).toEqual([]);
  });

  it.each([
    ["a port of TCP", outbound("tcp", "25"), ["tcp4/25", "tcp6/25"]],
    ["a range of ports", outbound("tcp", "80-85", ["::/0"]), ["tcp6/80", "tcp6/83", "tcp6/85"]],
    ["any port of UDP", outbound("udp", "any", ["::/0"]), udp(6)],
    ["ICMP", outbound("icmp", null), ["icmp4", "icmp6"]],
  ])("let out %s and nothing else", async (_what, rule, expected) => {
    await setRules(rule);
    expect(await goesOut()).toEqual(expected);
    expect(await comesIn()).toEqual([]);
  });

  it("let out by destination, and never stop Hetzner's resolvers and metadata", async () => {
    await setRules(outbound("tcp", "any", [`${peer.ipv4}/32`]));
    expect(await goesOut()).toEqual(tcp(4));
    await setRules(
      outbound("tcp", "any", [`${guarded.ipv4}/32`, guarded.ipv6.replace(/1$/, "/64")]),
    );
    expect(await goesOut()).toEqual([]);
    const resolved = await lab.exec("guarded", ["getent", "ahostsv4", "mx.elsewhere.test"]);
    expect(resolved.stdout).toContain("198.19.25.1");
    const metadata = "http://169.254.169.254/hetzner/v1/metadata/instance-id";
    expect((await lab.exec("guarded", ["curl", "-sfm3", metadata])).stdout).toBe(`${guarded.id}`);
  });

  it("let in the answers to what went out", async () => {
    await setRules(outbound("tcp", "25"));
    expect(await goesOut(["tcp4/25", "tcp6/25"])).toEqual(["tcp4/25", "tcp6/25"]);
  });

  // Last but one: what has no ports stays known to the connection tracking, and then passes as an answer.
  it("let in GRE and ESP each by a rule of its own", async () => {
    await setRules(...["tcp", "udp"].map((protocol) => inbound(protocol, "any")));
    expect(await comesIn(["gre4", "esp4"])).toEqual([]);
    await setRules(inbound("gre", null));
    expect(await comesIn(["gre4", "esp4"])).toEqual(["gre4"]);
    await setRules(inbound("esp", null));
    expect(await comesIn(["esp4"])).toEqual(["esp4"]);
  });

  it("of several firewalls add up, and all is open again once none is applied", async () => {
    await setRules(inbound("tcp", "25", ["0.0.0.0/0"]));
    const rules = [inbound("udp", "500", ["::/0"])];
    const more = { name: "more", rules, apply_to: target() };
    const second = idOf(await cloud.call("POST", "/firewalls", more), "firewall");
    expect(await comesIn()).toEqual(["tcp4/25", "udp6/500"]);
    const take = (id: number) =>
      cloud.call("POST", `/firewalls/${id}/actions/remove_from_resources`, {
        remove_from: target(),
      });
    await take(firewall);
    expect(await comesIn()).toEqual(["udp6/500"]);
    await take(second);
    expect(await comesIn()).toEqual(everything);
  });
});
