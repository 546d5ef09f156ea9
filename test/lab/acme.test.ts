// The certificate authority of a lab as a machine meets it, with Debian's own ACME client. Proves nothing
// of CAA, of rate limits or of accounts that are never forgotten: pebble has none of them.

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { labTokens } from "../../lab/engine-run";
import { until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import { cloudOf, soon } from "./lab-support";

const lab = openLab(`test-${randomBytes(3).toString("hex")}`);
const both = "probe.example.test";
const onlyIpv6 = "six.example.test";
let ipv4 = "";

const attemptInside = (command: string) => lab.exec("probe", ["sh", "-c", command]);

async function inside(command: string): Promise<string> {
  const { status, stdout, stderr } = await attemptInside(command);
  if (status !== 0) throw new Error(`${command}: ${status}: ${stderr}${stdout}`);
  return stdout.trim();
}

async function publish(type: string, name: string, content: string): Promise<void> {
  const body = JSON.stringify({ type, name, content, ttl: 60, proxied: false });
  const { cloudflare } = (await lab.status()).apis;
  const url = `${cloudflare}/zones/${zoneIdOf("example.test")}/dns_records`;
  const headers = ["-H", `authorization: Bearer ${labTokens.cloudflare}`];
  const json = ["-H", "content-type: application/json"];
  const { stdout } = await lab.inNetwork(["curl", "-s", ...headers, ...json, "-d", body, url]);
  expect(JSON.parse(stdout).success, stdout).toBe(true);
}

const order = (name: string, folder = "certs"): string =>
  `dehydrated --cron --force --domain ${name} --out /root/${folder}`;

const fieldOf = (field: string, name: string, folder = "certs"): Promise<string> =>
  inside(`openssl x509 -noout -${field} -in /root/${folder}/${name}/cert.pem`);

const verifies = async (name: string, folder = "certs"): Promise<boolean> => {
  const place = `/root/${folder}/${name}`;
  const command = `openssl verify -CApath /etc/ssl/certs -untrusted ${place}/chain.pem ${place}/cert.pem`;
  return (await attemptInside(command)).status === 0;
};

const rootsOf = (folder: string): string[] =>
  readdirSync(folder).filter((name) => name.endsWith(".crt"));

// By name and chain, each with a library of its own: OpenSSL, GnuTLS and Python's.
const clients = [
  `curl --silent --show-error --output /dev/null https://${both}/`,
  `wget --quiet --output-document=/dev/null https://${both}/`,
  `python3 -c "import urllib.request as r; r.urlopen('https://${both}/')"`,
];

describe.skipIf(process.getuid?.() !== 0)("the certificate authority of a lab", () => {
  beforeAll(async () => {
    await lab.up();
    const { ipv6, ...made } = await cloudOf(lab).machine("probe");
    ipv4 = made.ipv4;
    await publish("A", both, ipv4);
    await publish("AAAA", both, ipv6);
    await publish("AAAA", onlyIpv6, ipv6);
    await soon(lab, ipv4, 22);
    await inside("cloud-init status --wait");
    await inside("apt-get update && apt-get install --yes dehydrated wget");
    await inside(`cat > /etc/dehydrated/conf.d/lab.sh <<'END'
CA=https://acme.test:14000/dir
WELLKNOWN=/srv/web/.well-known/acme-challenge
KEY_ALGO=prime256v1
END
mkdir -p /srv/web/.well-known/acme-challenge
systemd-run --quiet --unit=web python3 -m http.server --bind :: --directory /srv/web 80
dehydrated --register --accept-terms`);
  });

  afterAll(() => lab.down());

  it("certifies a machine's name for 90 days, over either family", async () => {
    for (const name of [both, onlyIpv6]) {
      await inside(order(name));
      const [, ...names] = (await fieldOf("ext subjectAltName", name)).split("\n");
      expect(names).toEqual([`    DNS:${name}`]);
      const validity = await fieldOf("dates", name);
      const [from = "", to = ""] = validity.split("\n").map((line) => line.split("=")[1] ?? "");
      expect(Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000)).toBe(90);
    }
  });

  it("does not certify a name that leads elsewhere", async () => {
    await publish("A", "stranger.example.test", "198.19.25.1");
    const { status, stderr } = await attemptInside(order("stranger.example.test"));
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/Challenge is invalid|connection refused/i);
  });

  it("is trusted by every library of a machine, also after ca-certificates was installed again", async () => {
    const folder = `/root/certs/${both}`;
    const server = `openssl s_server -quiet -www -accept 443 -cert ${folder}/cert.pem`;
    const files = `-cert_chain ${folder}/chain.pem -key ${folder}/privkey.pem`;
    await inside(`systemd-run --quiet --unit=tls ${server} ${files}`);
    await soon(lab, ipv4, 443);
    for (const client of clients) await inside(client);
    await inside("rm -r /etc/ssl/certs && apt-get install --reinstall --yes ca-certificates");
    for (const client of clients) await inside(client);
  });

  it("is trusted by a Node that is given the lab's roots, and by no other", async () => {
    const probe = [process.execPath, "-e", `fetch("https://${both}/").then((a) => a.text())`];
    const environment = { ...process.env, NODE_EXTRA_CA_CERTS: lab.paths.caFile };
    expect(await lab.inNetwork(probe, { environment })).toMatchObject({ status: 0 });
    const { stderr } = await lab.inNetwork(probe);
    expect(stderr).toMatch(/UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT/);
  });

  it("keeps its own door shut to machines", async () => {
    for (const address of ["198.18.0.20", "198.18.0.1", "[2001:2::20]"]) {
      const { stderr } = await attemptInside(`curl -sS https://${address}:15000/root-keys/0`);
      expect(stderr).toContain("Failed to connect");
    }
  });

  it("is away when told to, and trusted again by a running machine when it is back", async () => {
    const before = rootsOf(lab.paths.ca);
    await lab.stopAcme();
    expect((await attemptInside(order(both))).stderr).toContain("Problem connecting to server");
    await lab.startAcme();
    expect(rootsOf(lab.paths.ca)).toHaveLength(before.length + 1);
    expect((await attemptInside(order(both))).stderr).toContain("accountDoesNotExist");
    await inside("rm -r /var/lib/dehydrated/accounts && dehydrated --register --accept-terms");
    await inside(order(both, "later"));
    await until(
      "trust in the new root",
      20,
      async () => (await verifies(both, "later")) || undefined,
    );
    expect(await verifies(both)).toBe(true);
  });

  it("refuses the names, and gives the lifetime, that it was told to", async () => {
    await lab.startAcme({ refusedNames: [onlyIpv6], validitySeconds: 300 });
    await inside("rm -r /var/lib/dehydrated/accounts && dehydrated --register --accept-terms");
    expect((await attemptInside(order(onlyIpv6, "short"))).stderr).toContain("rejectedIdentifier");
    await inside(order(both, "short"));
    const dates = (await fieldOf("dates", both, "short")).split("\n");
    const [from = 0, to = 0] = dates.map((line) => Date.parse(line.split("=")[1] ?? ""));
    // The last second is one of validity (RFC 5280, 4.1.2.5).
    expect((to - from) / 1000 + 1).toBe(300);
  });

  it("comes back with a killed supervisor, and what it had signed before stays trusted", async () => {
    const before = rootsOf(lab.paths.ca);
    const { pid } = z
      .object({ pid: z.number() })
      .parse(JSON.parse(readFileSync(join(lab.paths.state, "supervisor.pid"), "utf8")));
    process.kill(pid, "SIGKILL");
    await lab.up();
    expect(rootsOf(lab.paths.ca)).toEqual(expect.arrayContaining(before));
    expect(rootsOf(lab.paths.ca)).toHaveLength(before.length + 1);
    await soon(lab, ipv4, 22);
    expect(await verifies(both)).toBe(true);
  });
});
