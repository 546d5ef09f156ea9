// The whole program over mocks: which resources, which inputs. Does not prove parentage or what a provider does.

import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
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
      "cloudflare:index/dnsRecord:DnsRecord example.test-mx",
      "cloudflare:index/dnsRecord:DnsRecord mail-address-a",
      "cloudflare:index/dnsRecord:DnsRecord mail-address-aaaa",
      "command:local:Command mail-host-host-key",
      "command:local:Command mail-host-volume-release",
      "command:remote:Command mail-directory",
      "command:remote:Command mail-host-ready",
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
      "mailhost:index:MailDirectory mail-directory",
      "mailhost:index:MailDomain example.test",
      "mailhost:index:MailHost mail-host",
      "pulumi:index:Stash mail-host-birth",
      "random:index/randomPassword:RandomPassword mail-directory-seed",
      "random:index/randomPassword:RandomPassword mail-host-database-password",
    ]);
  });

  it("opens the mail ports to the world and SSH to the operators' networks alone", () => {
    const { rules } = inputsOf(recorded, "mail-host-firewall", "hcloud:index/firewall:Firewall");
    expect(rules).toEqual([
      ...["25", "465", "587", "993"].map((port) =>
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

describe("a stack that must not be built", () => {
  it("is refused by the existing MX before anything is registered", async () => {
    const calls: Calls = {
      ...emptyClouds,
      "cloudflare:index/getDnsRecords:getDnsRecords": ({ name }) => ({
        results: JSON.stringify(name).includes("mail.")
          ? []
          : [
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
    await expect(program()).rejects.toThrow(/example\.test MX: "mx\.old\.test" is there already/);
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
