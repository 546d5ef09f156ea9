// What the emulated clouds ask of the lab for their effects. The clouds keep the state and speak
// HTTP; this is the only door through which a call becomes a machine, a disk, a route or a record.
// `noInfrastructure` is the control-plane mode: every effect succeeds at once and does nothing.

/** A server as Hetzner would hand it to its hypervisor. */
export interface ServerSpec {
  readonly id: number;
  /** The server's name, which is also the hostname that the metadata service reports. */
  readonly name: string;
  /** Name of the system image, e.g. `debian-13`. */
  readonly image: string;
  /** `user_data` exactly as it was posted; empty when none was given. Decoding is the datasource's work. */
  readonly userData: string;
  /** Public keys in authorized_keys format, in the order of the request. */
  readonly sshPublicKeys: readonly string[];
  /** Name of the location, e.g. `nbg1`. */
  readonly location: string;
  readonly addresses: ServerAddresses;
}

export interface ServerAddresses {
  /** e.g. `198.18.1.5`, or null when the server has no public IPv4. */
  readonly ipv4: string | null;
  /** A /64 such as `2001:2:0:5::/64`; the server itself takes `::1` of it. Null when it has none. */
  readonly ipv6Network: string | null;
}

/** One rule of a firewall, as in the API. */
export interface FirewallRule {
  readonly direction: "in" | "out";
  readonly protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  /** `"25"`, `"80-85"` or `"any"`; absent for protocols without ports. */
  readonly port?: string;
  readonly source_ips: readonly string[];
  readonly destination_ips: readonly string[];
}

export interface VolumeSpec {
  readonly id: number;
  readonly sizeGib: number;
  /** Filesystem that the API puts on a new volume; null leaves it raw. */
  readonly format: "ext4" | "xfs" | null;
}

/** One DNS record set member in presentation format, ready for a zone file. */
export interface ZoneRecord {
  /** Fully qualified, lower case, no trailing dot. */
  readonly name: string;
  readonly ttlSeconds: number;
  /** e.g. `A`, `MX`, `TXT`. */
  readonly type: string;
  /** RDATA in presentation format, e.g. `10 mail.example.test.` */
  readonly rdata: string;
}

/** Every method resolves once the effect is in place; a rejection becomes a failed action in the API. */
export interface Infrastructure {
  /** Makes the disk and the network of a server; does not start it. */
  createServer(server: ServerSpec): Promise<void>;
  startServer(serverId: number): Promise<void>;
  /** Asks the system to shut down (ACPI) and resolves when it is off. */
  shutdownServer(serverId: number): Promise<void>;
  /** Pulls the plug. */
  powerOffServer(serverId: number): Promise<void>;
  /** Pulls the plug and removes disk and network. */
  deleteServer(serverId: number): Promise<void>;
  /** Gives the server these addresses instead of its former ones; the server is off. */
  setAddresses(serverId: number, addresses: ServerAddresses): Promise<void>;
  /** Union of the rules of all applied firewalls; `null` when no firewall is applied (everything passes). */
  setFirewall(serverId: number, rules: readonly FirewallRule[] | null): Promise<void>;

  createVolume(volume: VolumeSpec): Promise<void>;
  /** Grows the block device; the filesystem is the server's own business. */
  resizeVolume(volumeId: number, sizeGib: number): Promise<void>;
  /** Makes the volume appear in the server as `/dev/disk/by-id/scsi-0HC_Volume_<id>`, running or not. */
  attachVolume(volumeId: number, serverId: number): Promise<void>;
  detachVolume(volumeId: number, serverId: number): Promise<void>;
  deleteVolume(volumeId: number): Promise<void>;

  /** PTR record of one address; null removes it. */
  setPtr(ip: string, name: string | null): Promise<void>;
  /**
   * Publishes a zone: all its records except SOA and NS, which are the name server's own; signed with a
   * private key in PEM, or unsigned without one.
   */
  publishZone(
    zone: string,
    records: readonly ZoneRecord[],
    signingKey: string | null,
  ): Promise<void>;
  /** RDATA of the DS records that the registrar has put into the parent of a zone. */
  delegationSigners(zone: string): Promise<readonly string[]>;
}

const nothing = async (): Promise<void> => {};

/** The control-plane mode: the clouds answer, nothing is booted. */
export const noInfrastructure: Infrastructure = {
  createServer: nothing,
  startServer: nothing,
  shutdownServer: nothing,
  powerOffServer: nothing,
  deleteServer: nothing,
  setAddresses: nothing,
  setFirewall: nothing,
  createVolume: nothing,
  resizeVolume: nothing,
  attachVolume: nothing,
  detachVolume: nothing,
  deleteVolume: nothing,
  setPtr: nothing,
  publishZone: nothing,
  delegationSigners: async () => [],
};
