// The emulated clouds' calls made true: servers, volumes, firewalls and names of one lab. What must
// survive a killed supervisor is written down after each change.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type {
  FirewallRule,
  Infrastructure,
  ServerAddresses,
  ServerSpec,
  VolumeSpec,
  ZoneRecord,
} from "../clouds/infrastructure";
import { run } from "../host/run";
import { firewallScript } from "../network/firewall";
import { inNetwork } from "../network/namespaces";
import type { LabPaths } from "../paths";
import type { Nameserver } from "../world/nameserver";
import { Machine } from "./machine";
import {
  createVolumeFile,
  deleteVolumeFile,
  growVolumeFile,
  keepMoment,
  plugVolume,
  unplugVolume,
} from "./volumes";

const addressesSchema = z.object({
  ipv4: z.string().nullable(),
  ipv6Network: z.string().nullable(),
});

const ruleSchema = z.object({
  direction: z.enum(["in", "out"]),
  protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
  port: z.string().exactOptional(),
  source_ips: z.array(z.string()),
  destination_ips: z.array(z.string()),
});

const serverSchema = z.object({
  spec: z.object({
    id: z.number(),
    name: z.string(),
    image: z.string(),
    userData: z.string(),
    sshPublicKeys: z.array(z.string()),
    location: z.string(),
    addresses: addressesSchema,
  }),
  on: z.boolean(),
  rules: z.array(ruleSchema).nullable(),
  volumes: z.array(z.number()),
});

const recordSchema = z.object({
  name: z.string(),
  ttlSeconds: z.number(),
  type: z.string(),
  rdata: z.string(),
});

const writtenSchema = z.object({
  servers: z.array(serverSchema),
  pointers: z.record(z.string(), z.string()),
  zones: z.record(z.string(), z.array(recordSchema)),
  /** Private keys of published zones that are signed. */
  zoneKeys: z.record(z.string(), z.string()).default({}),
  /** What registrars were told, by domain. */
  delegationSigners: z.record(z.string(), z.array(z.string())).default({}),
});

interface Server {
  readonly machine: Machine;
  on: boolean;
  rules: readonly FirewallRule[] | null;
  readonly volumes: Set<number>;
}

/** Real machines, disks, routes and records behind the emulated clouds. */
export class LabInfrastructure implements Infrastructure {
  readonly #paths: LabPaths;
  readonly #image: string;
  readonly #nameserver: Nameserver;
  readonly #blockOutgoingMail: boolean;
  readonly #servers = new Map<number, Server>();
  readonly #file: string;

  constructor(paths: LabPaths, image: string, nameserver: Nameserver, blockOutgoingMail: boolean) {
    this.#paths = paths;
    this.#image = image;
    this.#nameserver = nameserver;
    this.#blockOutgoingMail = blockOutgoingMail;
    this.#file = join(paths.state, "infrastructure.json");
  }

  /** Takes up what a former supervisor of this lab wrote down: names answer, machines boot again. */
  async restore(): Promise<void> {
    let text: string;
    try {
      text = readFileSync(this.#file, "utf8");
    } catch {
      await this.#nameserver.load({
        zones: {},
        pointers: {},
        zoneKeys: {},
        delegationSigners: {},
      });
      return;
    }
    const written = writtenSchema.parse(JSON.parse(text));
    await this.#nameserver.load(written);
    for (const { spec, on, rules, volumes } of written.servers) {
      const server = this.#add(spec);
      server.rules = rules;
      for (const volume of volumes) {
        server.volumes.add(volume);
        await plugVolume(this.#paths, volume, spec.id);
      }
      if (on) await this.startServer(spec.id);
    }
  }

  #write(): void {
    const servers = [...this.#servers.values()].map((server) => ({
      spec: server.machine.spec,
      on: server.on,
      rules: server.rules,
      volumes: [...server.volumes],
    }));
    const next = `${this.#file}.new`;
    writeFileSync(next, JSON.stringify({ servers, ...this.#nameserver.names }), { mode: 0o600 });
    renameSync(next, this.#file);
  }

  #add(spec: ServerSpec): Server {
    const machine = new Machine(this.#paths, this.#image, spec, () => this.#applyFirewall(spec.id));
    const server: Server = { machine, on: false, rules: null, volumes: new Set() };
    this.#servers.set(spec.id, server);
    return server;
  }

  #server(serverId: number): Server {
    const server = this.#servers.get(serverId);
    if (server === undefined) throw new Error(`server ${serverId}: not in this lab`);
    return server;
  }

  /** Machines of this lab. */
  get machines(): readonly Machine[] {
    return [...this.#servers.values()].map(({ machine }) => machine);
  }

  async createServer(spec: ServerSpec): Promise<void> {
    if (spec.image !== "debian-13") {
      throw new Error(`image: the lab has debian-13 only, not "${spec.image}"`);
    }
    const server = this.#add(spec);
    await server.machine.create();
    this.#write();
  }

  async startServer(serverId: number): Promise<void> {
    const server = this.#server(serverId);
    await server.machine.start();
    server.on = true;
    this.#write();
  }

  async shutdownServer(serverId: number): Promise<void> {
    const server = this.#server(serverId);
    server.on = false;
    this.#write();
    if (!(await server.machine.shutdown())) await this.#pullPlug(server);
  }

  async powerOffServer(serverId: number): Promise<void> {
    const server = this.#server(serverId);
    server.on = false;
    this.#write();
    await this.#pullPlug(server);
  }

  /** What a machine has not yet written to its volumes is lost, as at Hetzner. */
  async #pullPlug({ machine, volumes }: Server): Promise<void> {
    await machine.powerOff(async () => {
      for (const volume of volumes) await keepMoment(this.#paths, volume);
    });
    for (const volume of volumes) await plugVolume(this.#paths, volume, machine.spec.id);
  }

  async deleteServer(serverId: number): Promise<void> {
    const server = this.#servers.get(serverId);
    if (server === undefined) return;
    await this.#pullPlug(server);
    for (const volume of server.volumes) await unplugVolume(this.#paths, volume, serverId);
    await server.machine.destroy();
    this.#servers.delete(serverId);
    await this.#nft(`table inet server_${serverId} {}\ndelete table inet server_${serverId}\n`);
    this.#write();
  }

  async setAddresses(serverId: number, addresses: ServerAddresses): Promise<void> {
    const { machine } = this.#server(serverId);
    machine.spec = { ...machine.spec, addresses };
    this.#write();
  }

  async setFirewall(serverId: number, rules: readonly FirewallRule[] | null): Promise<void> {
    this.#server(serverId).rules = rules;
    await this.#applyFirewall(serverId);
    this.#write();
  }

  async #applyFirewall(serverId: number): Promise<void> {
    const { rules } = this.#server(serverId);
    const blockOutgoingMail = this.#blockOutgoingMail;
    await this.#nft(firewallScript({ serverId, rules, blockOutgoingMail }));
  }

  async #nft(script: string): Promise<void> {
    await run(inNetwork(this.#paths, ["nft", "--file", "-"]), { input: script });
  }

  async createVolume(volume: VolumeSpec): Promise<void> {
    await createVolumeFile(this.#paths, volume);
  }

  async resizeVolume(volumeId: number, sizeGib: number): Promise<void> {
    await growVolumeFile(this.#paths, volumeId, sizeGib);
  }

  async attachVolume(volumeId: number, serverId: number): Promise<void> {
    const server = this.#server(serverId);
    await plugVolume(this.#paths, volumeId, serverId);
    server.volumes.add(volumeId);
    this.#write();
  }

  async detachVolume(volumeId: number, serverId: number): Promise<void> {
    await unplugVolume(this.#paths, volumeId, serverId);
    this.#servers.get(serverId)?.volumes.delete(volumeId);
    this.#write();
  }

  async deleteVolume(volumeId: number): Promise<void> {
    await deleteVolumeFile(this.#paths, volumeId);
  }

  async setPtr(ip: string, name: string | null): Promise<void> {
    await this.#nameserver.setPointer(ip, name);
    this.#write();
  }

  async publishZone(
    zone: string,
    records: readonly ZoneRecord[],
    signingKey: string | null,
  ): Promise<void> {
    await this.#nameserver.publish(zone, records, signingKey);
    this.#write();
  }

  async delegationSigners(zone: string): Promise<readonly string[]> {
    return this.#nameserver.names.delegationSigners[zone] ?? [];
  }

  /** What a registrar does: the parent of a domain has these DS records, or the first ones again. */
  async register(domain: string, signers: readonly string[] | null): Promise<void> {
    await this.#nameserver.setDelegationSigners(domain, signers);
    this.#write();
  }
}
