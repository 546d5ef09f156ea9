// MailHost: firewall, volume, server and the proof that it works. Mail lives on the volume; the server
// is disposable and is replaced on purpose only.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { renderUserData } from "../cloud-init/user-data";
import type { HostConfig } from "../config";
import { keyMaterial } from "./existing";
import type { MailAddress } from "./mail-address";

/** What a mail host needs to know. */
export interface MailHostArgs {
  readonly host: HostConfig;
  /** The addresses mail reputation hangs on. They outlive the server. */
  readonly address: MailAddress;
  /** Where the host's own mail goes, e.g. `postmaster@example.com`. */
  readonly postmaster: string;
  /** Protects the volume from deletion, here and at Hetzner. */
  readonly lasting: boolean;
  readonly labels: Record<string, string>;
  /** Ids of SSH keys that Hetzner knows already and this stack did not make, by `type base64`. */
  readonly foreignSshKeys: ReadonlyMap<string, string>;
}

const mailPorts = [
  { port: "25", description: "SMTP from other mail servers" },
  { port: "465", description: "submission over TLS (RFC 8314)" },
  { port: "587", description: "submission with STARTTLS (RFC 6409)" },
  { port: "993", description: "IMAP over TLS" },
] as const;

const everywhere = ["0.0.0.0/0", "::/0"];

/** What the world may reach; everything else is dropped before it gets to the host. */
export function firewallRules(adminCidrs: readonly string[]) {
  return [
    ...mailPorts.map((rule) => ({
      ...rule,
      direction: "in",
      protocol: "tcp",
      sourceIps: everywhere,
    })),
    {
      port: "22",
      description: "SSH for the operators",
      direction: "in",
      protocol: "tcp",
      sourceIps: [...adminCidrs],
    },
    {
      description: "path MTU discovery and ping",
      direction: "in",
      protocol: "icmp",
      sourceIps: everywhere,
    },
  ];
}

/** ARM and x86 need different images, so that a change between them is a new machine. */
export function architectureOf(serverType: string): "arm" | "x86" {
  return serverType.startsWith("cax") ? "arm" : "x86";
}

/**
 * Renders user data with values as long as they get, so that what is too large is refused before
 * anything is created. Throws what `renderUserData` throws.
 */
export function checkUserData(settings: { hostname: string; postmaster: string }): void {
  renderUserData({
    ...settings,
    volumeDevice: "/dev/disk/by-id/scsi-0HC_Volume_999999999999",
    databasePassword: "x".repeat(databasePasswordLength),
  });
}

const databasePasswordLength = 32;

function script(name: string): string {
  return readFileSync(join(__dirname, "scripts", name), "utf8");
}

export class MailHost extends pulumi.ComponentResource {
  /** How the operators reach the host over SSH, with its key pinned. */
  public readonly connection: pulumi.Output<{ host: string; user: string; hostKey: string }>;
  /** Hetzner's id of the volume that everything lasting lives on. */
  public readonly volumeId: pulumi.Output<string>;
  /** Hetzner's id of the machine that serves at present. */
  public readonly serverId: pulumi.Output<string>;
  /** Resolves when the host has proven itself; what is to come after depends on it. */
  public readonly ready: pulumi.Resource;

  constructor(name: string, args: MailHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailHost", name, {}, opts);
    const { host, address } = args;
    const child = { parent: this };
    const labels = { ...args.labels, component: "host" };
    const stack = pulumi.getStack();

    const sshKeyIds = host.sshKeys.map((publicKey) => {
      const material = keyMaterial(publicKey);
      const foreign = args.foreignSshKeys.get(material);
      if (foreign !== undefined) return foreign;
      const short = material.slice(-12).replace(/[^A-Za-z0-9]/g, "-");
      return new hcloud.SshKey(
        `${name}-ssh-${short}`,
        { name: `${stack}-${short}`, publicKey, labels },
        { ...child, deleteBeforeReplace: true },
      ).id;
    });

    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      { name: `${stack}-mail`, rules: firewallRules(host.adminCidrs), labels },
      child,
    );

    // Formatted by the API: a host never formats, or a slow attachment could cost all mail.
    const volume = new hcloud.Volume(
      `${name}-volume`,
      {
        name: `${stack}-mail`,
        size: host.volumeSize,
        location: host.location,
        format: "ext4",
        deleteProtection: args.lasting,
        labels: { ...labels, component: "volume" },
      },
      { ...child, protect: args.lasting },
    );
    this.volumeId = volume.id;

    const databasePassword = new random.RandomPassword(
      `${name}-database-password`,
      { length: databasePasswordLength, special: false },
      child,
    );

    // Any change of user data or SSH keys would replace the server. The stash keeps what the machine
    // was born with; only its trigger, a deliberate new machine, lets today's rendering through.
    const birth = new pulumi.Stash(
      `${name}-birth`,
      {
        input: pulumi.secret({
          sshKeys: sshKeyIds,
          userData: pulumi
            .all([volume.linuxDevice, databasePassword.result])
            .apply(([volumeDevice, password]) =>
              renderUserData({
                hostname: host.name,
                postmaster: args.postmaster,
                volumeDevice,
                databasePassword: password,
              }),
            ),
        }),
      },
      {
        ...child,
        replacementTrigger: [host.image, architectureOf(host.serverType), host.generation],
      },
    );

    const server = new hcloud.Server(
      name,
      {
        name: host.name,
        serverType: host.serverType,
        image: host.image,
        location: host.location,
        keepDisk: true,
        shutdownBeforeDeletion: true,
        publicNets: [
          { ipv4Enabled: true, ipv4: address.ipv4Id, ipv6Enabled: true, ipv6: address.ipv6Id },
        ],
        firewallIds: [firewall.id.apply(Number)],
        sshKeys: birth.output.apply((born) => born.sshKeys),
        userData: birth.output.apply((born) => born.userData),
        labels,
      },
      // The names that the host serves are there before it is; its name is unique at Hetzner.
      { ...child, dependsOn: [address], deleteBeforeReplace: true },
    );

    this.serverId = server.id;

    const attachment = new hcloud.VolumeAttachment(
      `${name}-volume-attachment`,
      { serverId: server.id.apply(Number), volumeId: volume.id.apply(Number), automount: false },
      { ...child, deleteBeforeReplace: true },
    );

    // Trust on first use: read once, kept in the state, and the same after every replacement of the
    // server, because the key lives on the volume.
    const hostKey = new command.local.Command(
      `${name}-host-key`,
      {
        create: script("scan-host-key.sh"),
        environment: { ADDRESS: address.ipv4 },
        logging: "none",
      },
      { ...child, dependsOn: [attachment] },
    );
    this.connection = pulumi
      .all([address.ipv4, hostKey.stdout])
      .apply(([ip, key]) => ({ host: ip, user: "root", hostKey: key.trim() }));

    const release = new command.local.Command(
      `${name}-volume-release`,
      {
        create: "true",
        delete: script("release-volume.sh"),
        environment: { ADDRESS: address.ipv4, HOST_KEY: hostKey.stdout.apply((key) => key.trim()) },
        // Released with every server and every attachment that goes.
        triggers: [server.id, attachment.id],
      },
      { ...child, deleteBeforeReplace: true },
    );

    this.ready = new command.remote.Command(
      `${name}-ready`,
      {
        connection: this.connection,
        create: "/usr/local/sbin/mail-wait 1200",
        triggers: [server.id],
      },
      { ...child, dependsOn: [release] },
    );

    this.registerOutputs({
      connection: this.connection,
      volumeId: this.volumeId,
      serverId: this.serverId,
    });
  }
}
