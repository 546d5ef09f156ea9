// The whole program over mocks: which resources, which inputs. Does not prove parentage or what a provider does.

import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import program from "../../index";
import { good, sshKey, zoneId } from "../support/configuration";
import { type Calls, emptyClouds, type Recorded, settle, withMocks } from "../support/mocks";

async function run(values: Record<string, unknown>, calls: Calls = emptyClouds) {
  const recorded = withMocks(values, calls);
  const outputs = await program();
  await settle();
  return { recorded, outputs };
}

/** Mark that the engine puts on a secret value (pulumi/pulumi sdk, asset and secret signatures). */
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

function isSecret(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && Object.values(value).includes(secretSignature)
  );
}

const hcloudType = (name: string) =>
  `hcloud:index/${name.charAt(0).toLowerCase()}${name.slice(1)}:${name}`;

function inputsOf(
  recorded: readonly Recorded[],
  name: string,
  type: string,
): Record<string, unknown> {
  const found = recorded.find((resource) => resource.name === name && resource.type === type);
  if (found === undefined) throw new Error(`no ${type} named ${name}`);
  return found.inputs;
}

describe("a stack", () => {
  let recorded: Recorded[];
  let outputs: Awaited<ReturnType<typeof run>>["outputs"];
  beforeAll(async () => {
    ({ recorded, outputs } = await run(good));
  });

  it("is exactly these resources", () => {
    expect(recorded.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      ...[
        "example.test-autoconfig-mx",
        "example.test-autoconfig-spf",
        "example.test-autodiscover-mx",
        "example.test-autodiscover-spf",
        "example.test-dkim-ed1",
        "example.test-dkim-rsa1",
        "example.test-dmarc",
        "example.test-mta-sts-mx",
        "example.test-mta-sts-spf",
        "example.test-mx",
        "example.test-spf",
        "example.test-srv-imap",
        "example.test-srv-imaps",
        "example.test-srv-pop3",
        "example.test-srv-pop3s",
        "example.test-srv-submission",
        "example.test-srv-submissions",
        "example.test-tls-rpt",
        "mail-address-a",
        "mail-address-aaaa",
        "mail-address-autoconfig.example.test-a",
        "mail-address-autoconfig.example.test-aaaa",
        "mail-address-autodiscover.example.test-a",
        "mail-address-autodiscover.example.test-aaaa",
        "mail-address-mta-sts.example.test-a",
        "mail-address-mta-sts.example.test-aaaa",
        "mail-address-spf",
      ].map((name) => `cloudflare:index/dnsRecord:DnsRecord ${name}`),
      "command:local:Command mail-host-host-key",
      "command:local:Command mail-host-volume-release",
      "command:remote:Command example.test-dkim",
      "command:remote:Command mail-certificate",
      "command:remote:Command mail-directory",
      "command:remote:Command mail-host-commands",
      "command:remote:Command mail-host-ready",
      "command:remote:Command mail-host-smarthost",
      "hcloud:index/firewall:Firewall mail-host-firewall",
      "hcloud:index/primaryIp:PrimaryIp mail-address-ipv4",
      "hcloud:index/primaryIp:PrimaryIp mail-address-ipv6",
      "hcloud:index/rdns:Rdns mail-address-ipv4-ptr",
      "hcloud:index/rdns:Rdns mail-address-ipv6-ptr",
      "hcloud:index/server:Server mail-host",
      "hcloud:index/sshKey:SshKey mail-host-ssh-bITkMYBYcQ".replace(
        "bITkMYBYcQ",
        sshKey.split(" ")[1]?.slice(-12) ?? "",
      ),
      "hcloud:index/volume:Volume mail-host-volume",
      "hcloud:index/volumeAttachment:VolumeAttachment mail-host-volume-attachment",
      "mailhost:index:MailAddress mail-address",
      "mailhost:index:MailCertificate mail-certificate",
      "mailhost:index:MailDirectory mail-directory",
      "mailhost:index:MailDomain example.test",
      "mailhost:index:MailHost mail-host",
      "pulumi:index:Stash mail-host-birth",
      "random:index/randomPassword:RandomPassword mail-directory-seed",
      "random:index/randomPassword:RandomPassword mail-host-database-password",
    ]);
  });

  it("opens the mail and web ports to the world and SSH to the operators' networks alone", () => {
    const { rules } = inputsOf(recorded, "mail-host-firewall", "hcloud:index/firewall:Firewall");
    expect(rules).toEqual([
      ...["25", "80", "443", "465", "587", "993"].map((port) =>
        expect.objectContaining({
          direction: "in",
          protocol: "tcp",
          port,
          sourceIps: ["0.0.0.0/0", "::/0"],
        }),
      ),
      expect.objectContaining({
        direction: "in",
        protocol: "tcp",
        port: "22",
        sourceIps: ["198.18.0.0/24"],
      }),
      expect.objectContaining({
        direction: "in",
        protocol: "icmp",
        sourceIps: ["0.0.0.0/0", "::/0"],
      }),
    ]);
  });

  it("protects addresses and volume at Hetzner, and keeps them apart from the server", () => {
    expect(inputsOf(recorded, "mail-address-ipv4", "hcloud:index/primaryIp:PrimaryIp")).toEqual({
      name: "dev-ipv4",
      type: "ipv4",
      location: "nbg1",
      autoDelete: false,
      deleteProtection: true,
      labels: { project: "mail-host", stack: "dev", component: "address" },
    });
    expect(inputsOf(recorded, "mail-host-volume", "hcloud:index/volume:Volume")).toEqual({
      name: "dev-mail",
      size: 20,
      location: "nbg1",
      format: "ext4",
      deleteProtection: true,
      labels: { project: "mail-host", stack: "dev", component: "volume" },
    });
  });

  it("points A, AAAA, PTR and MX at one name, never proxied, each with its reason", () => {
    expect(inputsOf(recorded, "mail-address-a", "cloudflare:index/dnsRecord:DnsRecord")).toEqual({
      zoneId,
      name: "mail.example.test",
      type: "A",
      content: "198.18.1.10",
      ttl: 1,
      proxied: false,
      comment: "mail-host/dev: the mail host over IPv4; equals its PTR",
    });
    expect(
      inputsOf(recorded, "mail-address-aaaa", "cloudflare:index/dnsRecord:DnsRecord"),
    ).toMatchObject({ type: "AAAA", content: "2001:2:0:10::1" });
    expect(inputsOf(recorded, "example.test-mx", "cloudflare:index/dnsRecord:DnsRecord")).toEqual({
      zoneId,
      name: "example.test",
      type: "MX",
      content: "mail.example.test",
      priority: 10,
      ttl: 1,
      proxied: false,
      comment: "mail-host/dev: mail for this domain goes to the mail host",
    });
    expect(inputsOf(recorded, "mail-address-ipv6-ptr", "hcloud:index/rdns:Rdns")).toMatchObject({
      ipAddress: "2001:2:0:10::1",
      dnsPtr: "mail.example.test",
    });
  });

  it("keeps user data, the directory and the passwords secret", async () => {
    expect(isSecret(inputsOf(recorded, "mail-host-birth", "pulumi:index:Stash").input)).toBe(true);
    expect(isSecret(inputsOf(recorded, "mail-host", "hcloud:index/server:Server").userData)).toBe(
      true,
    );
    expect(isSecret(inputsOf(recorded, "mail-directory", "command:remote:Command").stdin)).toBe(
      true,
    );
    expect(await pulumi.isSecret(pulumi.output(outputs.passwords))).toBe(true);
    for (const { inputs } of recorded) {
      const open = JSON.stringify(inputs, (_key, value: unknown) =>
        isSecret(value) ? "[secret]" : value,
      );
      expect(open).not.toContain("SECRET");
    }
  });
});

describe("a test stack with a last day", () => {
  const until = (expires: string) => run({ ...good, lasting: "false", expires });

  it("bears the day on everything that bears a mark, and nothing of it is protected", async () => {
    const { recorded } = await until("2026-12-01");
    const labelled = recorded.filter(({ inputs }) => inputs.labels !== undefined);
    expect(new Set(labelled.map(({ type }) => type))).toEqual(
      new Set(["SshKey", "Firewall", "PrimaryIp", "Volume", "Server"].map(hcloudType)),
    );
    for (const { inputs } of labelled) {
      expect(inputs.labels).toMatchObject({ stack: "dev", expires: "2026-12-01" });
      expect(inputs.deleteProtection ?? false).toBe(false);
    }
    const comments = recorded.flatMap(({ inputs }) =>
      typeof inputs.comment === "string" ? [inputs.comment] : [],
    );
    expect(comments.length).toBeGreaterThan(20);
    for (const comment of comments) expect(comment).toMatch(/^mail-host\/dev until=2026-12-01: ./);
  });

  it("has nothing but marks changed by another day", async () => {
    const plain = ({ recorded }: { recorded: readonly Recorded[] }) =>
      JSON.stringify(recorded).replaceAll(/2026-12-0\d/g, "DAY");
    expect(plain(await until("2026-12-02"))).toBe(plain(await until("2026-12-01")));
  });
});

describe("the commands on the host", () => {
  const commandOf = (recorded: readonly Recorded[], name: string) =>
    inputsOf(recorded, name, "command:remote:Command");

  it("wait for a new machine that does not answer yet: ten minutes at least, half an hour at most", async () => {
    const { recorded } = await run(good);
    const { connection } = commandOf(recorded, "mail-host-ready");
    // The package makes a secret of every connection.
    const attempts = { dialErrorLimit: z.int().positive(), perDialTimeout: z.int().positive() };
    const secret = z.object({ value: z.object(attempts) });
    const { dialErrorLimit, perDialTimeout } = secret.parse(connection).value;
    // Pulumi's pauses between attempts (sdk/go/common/util/retry).
    const pauses = Array.from({ length: dialErrorLimit }, (_, i) => Math.min(5, 0.1 * 1.5 ** i));
    const refused = pauses.reduce((sum, pause) => sum + pause);
    expect(refused).toBeGreaterThan(600);
    expect(refused + dialErrorLimit * perDialTimeout).toBeLessThan(1800);
  });

  it("tell the host the operators' networks, from which nobody is banned", async () => {
    const networks = ["192.0.2.0/24", "2001:db8::/64"];
    const { recorded } = await run({ ...good, host: { ...good.host, adminCidrs: networks } });
    const { stdin } = commandOf(recorded, "mail-host-commands");
    const line = String(stdin)
      .split("\n")
      .find((one) => one.includes(" /etc/fail2ban/jail.d/mail-host.conf "));
    const jail = Buffer.from(line?.split(" ")[2] ?? "", "base64").toString();
    expect(jail).toContain(`\nignoreip = ${networks.join(" ")}\n`);
  });

  it("are run again for a new machine, a new volume or new generations, and for nothing else", async () => {
    const { recorded } = await run(good);
    const other = await run({
      ...good,
      aliases: [{ address: "x@example.test", destinations: ["alice@example.test"] }],
      domains: [{ ...good.domains[0], dmarcPolicy: "reject" }],
    });
    for (const name of ["mail-certificate", "example.test-dkim", "mail-host-smarthost"]) {
      expect(commandOf(other.recorded, name)).toEqual(commandOf(recorded, name));
      expect(commandOf(recorded, name).triggers).toHaveLength(
        { "mail-certificate": 3, "example.test-dkim": 4 }[name] ?? 2,
      );
    }
    const later = await run({
      ...good,
      host: { ...good.host, keyGeneration: 2 },
      dkim: { generation: 3, revoked: 1 },
    });
    expect(commandOf(later.recorded, "mail-certificate").create).toBe(
      "/usr/local/sbin/mail-certificates host 2 300",
    );
    expect(commandOf(later.recorded, "example.test-dkim").create).toBe(
      "/usr/local/sbin/mail-dkim keys example.test 3 1",
    );
    const dkim = later.recorded.flatMap(({ name, inputs }) =>
      name.startsWith("example.test-dkim-") ? [`${inputs.name} ${inputs.content}`] : [],
    );
    expect(dkim.map((text) => text.replace(/([ME])\1+.*$/, "$1")).sort()).toEqual(
      [
        'rsa1._domainkey.example.test "v=DKIM1; k=rsa; p="',
        'ed1._domainkey.example.test "v=DKIM1; k=ed25519; p="',
        ...[2, 3].flatMap((n) => [
          `rsa${n}._domainkey.example.test "v=DKIM1; k=rsa; p=M`,
          `ed${n}._domainkey.example.test "v=DKIM1; k=ed25519; p=E`,
        ]),
      ].sort(),
    );
  });

  it("hear of a smarthost and its password in secret, and of none as nothing", async () => {
    const smarthost = { host: "smtp.relay.test", user: "me", spf: "include:_spf.relay.test" };
    const { recorded } = await run({ ...good, smarthost, smarthostPassword: "pa55word" });
    const { stdin, create } = commandOf(recorded, "mail-host-smarthost");
    expect(isSecret(stdin)).toBe(true);
    expect(stdin).toMatchObject({ value: "smtp.relay.test\n587\nme\npa55word\n" });
    expect(create).toBe("/usr/local/sbin/mail-smarthost");
    const open = JSON.stringify(recorded, (_key, value: unknown) => (isSecret(value) ? "" : value));
    expect(open).not.toContain("pa55word");
    const direct = await run(good);
    expect(commandOf(direct.recorded, "mail-host-smarthost").stdin).toMatchObject({ value: "" });
  });

  it.each([
    ['{"port25":"open","detail":"x answers"}\n', "open: x answers"],
    ['{"port25":"blocked","detail":"nobody answers"}\n', "blocked: nobody answers"],
    [
      "ssh: connect to host 198.18.1.10 port 22: refused\n",
      "unknown: ssh: connect to host 198.18.1.10 port 22: refused",
    ],
    ["", "unknown: the host did not answer"],
  ])("tell whether port 25 is open, in each preview and `up`: %j", async (stdout, expected) => {
    const { outputs } = await run(good, {
      ...emptyClouds,
      "command:local:run": () => ({ stdout }),
    });
    expect(await new Promise((resolve) => outputs.outboundPort25.apply(resolve))).toBe(expected);
  });

  it("need not answer: an engine that asks nobody any more is no failure of the program", async () => {
    const { outputs } = await run(good, {
      ...emptyClouds,
      "command:local:run": () => {
        throw new Error("the client connection is closing");
      },
    });
    expect(await new Promise((resolve) => outputs.outboundPort25.apply(resolve))).toBe(
      "unknown: the host did not answer",
    );
  });
});

describe("a stack that must not be built", () => {
  it("is refused by the existing MX before anything is registered", async () => {
    const calls: Calls = {
      ...emptyClouds,
      "cloudflare:index/getDnsRecords:getDnsRecords": () => ({
        results: [
          {
            id: "b".repeat(32),
            name: "example.test",
            type: "MX",
            content: "mx.old.test",
            priority: 10,
            comment: "",
          },
        ],
      }),
    };
    const recorded = withMocks(good, calls);
    await expect(program()).rejects.toThrow(
      /example\.test MX: "10 mx\.old\.test" is there already/,
    );
    expect(recorded).toEqual([]);
  });

  it("is refused by its configuration before anything is registered", async () => {
    const recorded = withMocks({ ...good, colour: "blue" }, emptyClouds);
    await expect(program()).rejects.toThrow(
      /mail-host:colour: is a key that this program does not know/,
    );
    expect(recorded).toEqual([]);
  });
});
