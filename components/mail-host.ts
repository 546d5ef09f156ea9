// MailHost: firewall, volume, server and the proof that it works. Mail lives on the volume; the server
// is disposable and is replaced on purpose only.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { filesOverSsh } from "../cloud-init/files";
import type { HostSettings } from "../cloud-init/host-settings";
import { renderFiles } from "../cloud-init/render";
import { renderUserData } from "../cloud-init/user-data";
import type { HostConfig } from "../config";
import type { SmarthostConfig } from "../config/host";
import { keyMaterial } from "./existing";
import { lastingLabel, type MailAddress } from "./mail-address";

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
  /** Takes outgoing mail to other domains; without one it goes there directly. */
  readonly smarthost: SmarthostConfig | undefined;
}

const ports = [
  { port: "25", description: "SMTP from other mail servers" },
  { port: "80", description: "the certificate authority's challenges (RFC 8555)" },
  { port: "443", description: "MTA-STS policy (RFC 8461) and settings for mail programs" },
  { port: "465", description: "submission over TLS (RFC 8314)" },
  { port: "587", description: "submission with STARTTLS (RFC 6409)" },
  { port: "993", description: "IMAP over TLS" },
] as const;

const everywhere = ["0.0.0.0/0", "::/0"];

/** What the world may reach; everything else is dropped before it gets to the host. */
export function firewallRules(adminCidrs: readonly string[]) {
  return [
    ...ports.map((rule) => ({
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

/** What is known of a host before it is made. */
type KnownSettings = Omit<HostSettings, "volumeDevice" | "databasePassword">;

/** What the host's files are filled with, as far as the configuration says it. */
export const knownSettings = (host: HostConfig, postmaster: string): KnownSettings => ({
  hostname: host.name,
  postmaster,
  acmeDirectory: host.acmeDirectory,
  adminCidrs: host.adminCidrs.join(" "),
});

/** The rest with values as long as they get. */
const complete = (settings: KnownSettings): HostSettings => ({
  ...settings,
  volumeDevice: "/dev/disk/by-id/scsi-0HC_Volume_999999999999",
  databasePassword: "x".repeat(databasePasswordLength),
});

/** Refuses what is too large before anything is created. Throws what `renderUserData` throws. */
export function checkUserData(settings: KnownSettings): void {
  renderUserData(complete(settings));
}

/** The MTA-STS policy that a host of these settings serves for every domain. */
export function servedPolicy(settings: KnownSettings): string {
  const path = "/usr/local/share/mail-host/web/mta-sts.txt";
  const policy = renderFiles(complete(settings)).find((file) => file.path === path);
  if (policy === undefined) throw new Error(`${path}: not among the host's files`);
  return policy.content;
}

/** The files that come over SSH, as `place-files.sh` reads them. */
export function linesOverSsh(settings: KnownSettings): string {
  return renderFiles(complete(settings))
    .filter(({ path }) => filesOverSsh.has(path))
    .map(
      ({ mode, path, content }) => `${mode} ${path} ${Buffer.from(content).toString("base64")}\n`,
    )
    .join("");
}

const databasePasswordLength = 32;

function smarthostLines({ host, port, user, password }: SmarthostConfig): string {
  return [host, port, user, password].map((line) => `${line}\n`).join("");
}

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
  /** Resolves when the host has proven itself and has the commands that the engine uses; what is to come after depends on it. */
  public readonly ready: pulumi.CustomResource;

  constructor(name: string, args: MailHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailHost", name, {}, opts);
    const { host, address } = args;
    const child = { parent: this };
    const labels = { ...args.labels, component: "host" };
    const stack = pulumi.getStack();
    const settings = knownSettings(host, args.postmaster);

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
        labels: { ...labels, component: "volume", ...lastingLabel(args.lasting) },
      },
      { ...child, protect: args.lasting },
    );
    this.volumeId = volume.id;

    const databasePassword = new random.RandomPassword(
      `${name}-database-password`,
      { length: databasePasswordLength, special: false },
      child,
    );

    // What deliberately makes a new machine, even where today's rendering is what the running one was born with.
    const replacementTrigger = [host.image, architectureOf(host.serverType), host.generation];

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
              renderUserData({ ...settings, volumeDevice, databasePassword: password }),
            ),
        }),
      },
      { ...child, replacementTrigger },
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
      { ...child, dependsOn: [address], deleteBeforeReplace: true, replacementTrigger },
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

    const ready = new command.remote.Command(
      `${name}-ready`,
      {
        // A new machine takes its time until it answers. Pauses between attempts grow to five seconds: ten minutes
        // where SSH is refused, as the host key scan gives the first machine, and twenty where nobody answers.
        connection: this.connection.apply((connection) => ({
          ...connection,
          dialErrorLimit: 130,
          perDialTimeout: 5,
        })),
        create: "/usr/local/sbin/mail-wait 1200",
        triggers: [server.id],
      },
      { ...child, dependsOn: [release] },
    );

    this.ready = new command.remote.Command(
      `${name}-commands`,
      {
        connection: this.connection,
        create: script("place-files.sh"),
        stdin: linesOverSsh(settings),
        triggers: [server.id],
      },
      { ...child, dependsOn: [ready] },
    );

    // Runs without a smarthost too, or one that is taken out of the configuration would stay in use.
    const { smarthost } = args;
    new command.remote.Command(
      `${name}-smarthost`,
      {
        connection: this.connection,
        create: "/usr/local/sbin/mail-smarthost",
        stdin: pulumi.secret(smarthost === undefined ? "" : smarthostLines(smarthost)),
        triggers: [server.id, volume.id],
      },
      { ...child, dependsOn: [this.ready] },
    );

    this.registerOutputs({
      connection: this.connection,
      volumeId: this.volumeId,
      serverId: this.serverId,
    });
  }
}
