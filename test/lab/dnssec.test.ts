// DNSSEC of a lab from its root: Debian's own unbound in a machine, and delv beside it, against chains of
// trust that are complete, missing and broken. Does not prove that every validator agrees with the two.

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { labTokens } from "../../lab/engine-run";
import { runningPid, signal } from "../../lab/host/processes";
import { until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import { secureDelegations } from "../../lab/world/registrar";
import { cloudOf, soon } from "./lab-support";

const lab = openLab(`test-${randomBytes(3).toString("hex")}`);
const folder = mkdtempSync(join(tmpdir(), "dnssec-test-"));
const zone = `/zones/${zoneIdOf("example.test")}`;
const brokenDs = `12345 13 2 ${"00".repeat(32)}`;

/** Asks the emulated Cloudflare. */
async function cloudflare(method: string, path: string, body?: object) {
  const { stdout } = await lab.inNetwork([
    ...["curl", "-s", "-X", method, `http://198.18.0.2:8081/client/v4${path}`],
    ...["-H", `authorization: Bearer ${labTokens.cloudflare}`],
    ...["-H", "content-type: application/json"],
    ...(body === undefined ? [] : ["-d", JSON.stringify(body)]),
  ]);
  return JSON.parse(stdout).result;
}

const inside = async (command: string): Promise<string> => {
  const { status, stdout, stderr } = await lab.exec("probe", ["sh", "-c", command]);
  if (status !== 0) throw new Error(`${command}: ${status}: ${stderr}${stdout}`);
  return stdout.trim();
};

/** What the machine's own resolver answers: status, and whether that is authenticated. */
async function asked(name: string, type: string): Promise<string> {
  const said = await inside(`dig @127.0.0.1 +dnssec +tries=1 +timeout=15 ${name} ${type}`);
  const status = /status: (\w+)/.exec(said)?.[1];
  return /flags:[^;]* ad[ ;]/.test(said) ? `${status} authenticated` : `${status}`;
}

/** The same of a resolver that remembers nothing, not even that a chain was broken. */
async function askedAnew(name: string, type: string): Promise<string> {
  await inside(restart);
  return asked(name, type);
}

// systemd takes the fifth start within ten seconds for a failure.
const restart = "systemctl reset-failed unbound && systemctl restart unbound";
const forgetful = "server:\\n  cache-max-ttl: 0\\n  cache-max-negative-ttl: 0\\n";

describe.skipIf(process.getuid?.() !== 0)("DNSSEC of a lab", () => {
  beforeAll(async () => {
    await lab.up();
    const { ipv4 } = await cloudOf(lab).machine("probe");
    await soon(lab, ipv4, 22);
    await inside("cloud-init status --wait");
    const install = "apt-get install --yes --no-install-recommends";
    await inside(`apt-get update && ${install} unbound dns-root-data bind9-dnsutils`);
  });

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await lab.down();
  });

  const chained: [string, string, string][] = [
    [".", "NS", "NOERROR"],
    ["a.root-servers.net", "AAAA", "NOERROR"],
    ["elsewhere.test", "MX", "NOERROR"],
    ["elsewhere.test", "CAA", "NOERROR"],
    ["nothing.elsewhere.test", "A", "NXDOMAIN"],
    ["nothing", "A", "NXDOMAIN"],
    ["ada.ns.cloudflare.com", "A", "NOERROR"],
    ["1.25.19.198.in-addr.arpa", "PTR", "NOERROR"],
    ["9.9.9.9.in-addr.arpa", "PTR", "NXDOMAIN"],
    ["5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.f.f.f.f.0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa", "PTR", "NOERROR"],
  ];

  it.each(chained)("authenticates %s %s as %s in a stock machine", async (name, type, status) => {
    expect(await asked(name, type)).toBe(`${status} authenticated`);
  });

  it("authenticates the same for delv, which follows the chain itself", async () => {
    const dnskey = readFileSync(join(lab.paths.anchor, "root.key"), "utf8").trim().split(" ");
    const [flags, protocol, algorithm, key] = dnskey.slice(3);
    const anchor = join(folder, "anchor");
    writeFileSync(
      anchor,
      `trust-anchors { . static-key ${flags} ${protocol} ${algorithm} "${key}"; };\n`,
    );
    for (const [name, type, status] of chained) {
      const delv = ["delv", "-a", anchor, "+root=.", "@185.12.64.1", name, type];
      const { stdout, stderr } = await lab.inNetwork(delv);
      const validated =
        status === "NOERROR" ? /^; fully validated/m : /^; negative response, fully/m;
      const nodata = type === "CAA" ? /^; negative response, fully/m : validated;
      expect(stdout, `${name} ${type}: ${stderr}`).toMatch(nodata);
    }
  });

  it("keeps the lab's trust anchor when Debian's package comes again", async () => {
    const anchor = readFileSync(join(lab.paths.anchor, "root.key"), "utf8").trim();
    await inside("apt-get install --yes --reinstall dns-root-data");
    await inside(`rm /var/lib/unbound/root.key && ${restart}`);
    expect(await inside("cat /usr/share/dns/root.key")).toBe(anchor);
    expect(await inside("cat /usr/share/dns/root.key.distrib")).toContain("257 3 8");
    expect(await asked("elsewhere.test", "MX")).toBe("NOERROR authenticated");
  });

  it("answers for a zone without chain, and not at all for a broken one", async () => {
    const record = { type: "A", name: "www.example.test", content: "192.0.2.1", ttl: 60 };
    await cloudflare("POST", `${zone}/dns_records`, record);
    const www = () => askedAnew("www.example.test", "A");
    expect(await www()).toBe("NOERROR");
    const { ds, status } = await cloudflare("PATCH", `${zone}/dnssec`, { status: "active" });
    expect(status).toBe("pending");
    expect(await www()).toBe("NOERROR");
    await secureDelegations(lab, { "example.test": ds });
    expect((await cloudflare("GET", `${zone}/dnssec`)).status).toBe("active");
    expect(await www()).toBe("NOERROR authenticated");
    expect(await asked("nothing.example.test", "A")).toBe("NXDOMAIN authenticated");
    await lab.register("example.test", [brokenDs]);
    expect(await www()).toBe("SERVFAIL");
    expect((await cloudflare("GET", `${zone}/dnssec`)).status).toBe("pending");
    await lab.register("example.test", []);
    expect(await www()).toBe("NOERROR");
    await lab.register("example.test", [ds]);
    expect(await www()).toBe("NOERROR authenticated");
  });

  it("breaks and mends a domain of its own", async () => {
    await lab.register("elsewhere.test", [brokenDs]);
    expect(await askedAnew("elsewhere.test", "MX")).toBe("SERVFAIL");
    await lab.register("elsewhere.test", null);
    expect(await askedAnew("elsewhere.test", "MX")).toBe("NOERROR authenticated");
  });

  it("refuses a domain that nobody has, and names those that there are", async () => {
    await expect(lab.register("nobody.test", [])).rejects.toThrow(
      /registrar: "nobody\.test" is not a domain of this lab; it has .*elsewhere\.test/,
    );
  });

  it("stays valid at every moment while a zone changes", async () => {
    await inside(`printf '${forgetful}' >/etc/unbound/unbound.conf.d/forgetful.conf`);
    await inside(restart);
    await inside(`cat >/root/loop <<'END'
while [ ! -e /root/stop ]; do
  dig @127.0.0.1 +dnssec +tries=1 +timeout=15 www.example.test A |
    sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p; s/^;; flags:[^;]* ad;.*/ad/p; s/^www.*IN\\tA\\t/A /p' | tr '\\n' ' '
  echo
done
END`);
    const looping = inside("rm -f /root/stop; sh /root/loop");
    const [{ id }] = await cloudflare("GET", `${zone}/dns_records?name=www.example.test`);
    const contents = Array.from({ length: 40 }, (_, at) => `192.0.2.${at + 10}`);
    for (const content of contents) {
      await cloudflare("PATCH", `${zone}/dns_records/${id}`, { content });
      await until(content, 10, async () =>
        (await inside("dig @127.0.0.1 +short www.example.test A")) === content ? true : undefined,
      );
    }
    await inside("touch /root/stop");
    await inside("rm /etc/unbound/unbound.conf.d/forgetful.conf");
    const answers = (await looping).split("\n");
    const wrong = answers.filter((answer) => !/^NOERROR ad A 192\.0\.2\.\d+ ?$/.test(answer));
    expect(wrong).toEqual([]);
    expect(new Set(answers).size).toBeGreaterThan(20);
  });

  it("keeps its keys when its supervisor is killed", async () => {
    const anchor = readFileSync(join(lab.paths.anchor, "root.key"), "utf8");
    const pid = await runningPid(join(lab.paths.state, "supervisor.pid"));
    if (pid === undefined) throw new Error("the lab has no supervisor");
    signal(pid, "SIGKILL");
    await lab.up();
    await until("the machine's resolver", 60, async () =>
      (await inside("systemctl is-active unbound").catch(() => "")) === "active" ? true : undefined,
    );
    expect(readFileSync(join(lab.paths.anchor, "root.key"), "utf8")).toBe(anchor);
    expect(await asked("elsewhere.test", "MX")).toBe("NOERROR authenticated");
    expect(await asked("www.example.test", "A")).toBe("NOERROR authenticated");
  });
});
