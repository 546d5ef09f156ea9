// The authoritative name server: Knot DNS over the lab's zone files, which it signs. A change is a new file
// with a higher serial and a reload of that one zone, signed before it answers; the server never stops.

import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ZoneRecord } from "../clouds/infrastructure";
import { publicZoneKey } from "../clouds/zone-key";
import { attempt, run, until } from "../host/run";
import { nameserverAddresses } from "../network/addresses";
import type { LabPaths } from "../paths";
import { Daemon } from "./children";
import { keptZoneKey } from "./zone-keys";
import { internetZones, renderZone, withDelegationSigners, type Zone } from "./zones";

/** Everything that the name server was told, by domain or address. */
export interface Names {
  readonly zones: Readonly<Record<string, readonly ZoneRecord[]>>;
  /** Private keys of the zones among them that are signed. */
  readonly zoneKeys: Readonly<Record<string, string>>;
  readonly pointers: Readonly<Record<string, string>>;
  /** DS records that registrars were told of. */
  readonly delegationSigners: Readonly<Record<string, readonly string[]>>;
}

interface SignedZone {
  readonly zone: Zone;
  /** Absent where the zone is not signed. */
  readonly key: string | undefined;
}

const fileName = (origin: string): string => `${origin === "" ? "root" : origin}.zone`;

/** Knot's configuration for these zones. */
export function knotConfiguration(
  folder: string,
  zones: readonly { readonly origin: string; readonly signed: boolean }[],
): string {
  const sections = zones.map(
    ({ origin, signed }) =>
      `  - domain: "${origin}."\n    file: "${fileName(origin)}"\n    dnssec-signing: ${signed ? "on" : "off"}\n`,
  );
  return `server:
    rundir: "${folder}"
    pidfile: "${folder}/knot.pid"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    listen: [${nameserverAddresses.map((address) => `"${address}@53"`).join(", ")}]
control:
    listen: "${folder}/knot.sock"
log:
  - target: stderr
    any: warning
database:
    storage: "${folder}/database"
policy:
  - id: one-key
    manual: on
    single-type-signing: on
    algorithm: ecdsap256sha256
    dnskey-ttl: 60
    cds-cdnskey-publish: none
template:
  - id: default
    storage: "${folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    dnssec-policy: one-key
zone:
${sections.join("")}`;
}

const without = <T>(all: Readonly<Record<string, T>>, name: string): Record<string, T> =>
  Object.fromEntries(Object.entries(all).filter(([each]) => each !== name));

/** Knot DNS with what it answers. */
export class Nameserver {
  readonly #paths: LabPaths;
  readonly #folder: string;
  readonly #log: string;
  readonly #foreign: readonly Zone[];
  readonly #written = new Map<string, { serial: number; content: string }>();
  /** Keys that Knot has, with its own id of each. */
  readonly #imported = new Map<string, { key: string; id: string }>();
  #configured = "";
  #daemon: Daemon | undefined;
  #queue: Promise<void> = Promise.resolve();
  #names: Names = { zones: {}, zoneKeys: {}, pointers: {}, delegationSigners: {} };

  constructor(paths: LabPaths, foreign: readonly Zone[]) {
    this.#paths = paths;
    this.#foreign = foreign;
    this.#folder = join(paths.state, "nameserver");
    this.#log = join(paths.log, "knot.log");
  }

  /** What it was told so far, for `load`. */
  get names(): Names {
    return this.#names;
  }

  /** Starts answering from what was known before. */
  async load({ zones, zoneKeys, pointers, delegationSigners }: Names): Promise<void> {
    await this.#tell({ zones, zoneKeys, pointers, delegationSigners });
  }

  /** Answers a zone with these records from now on, signed where there is a key. */
  async publish(zone: string, records: readonly ZoneRecord[], key: string | null): Promise<void> {
    const { zones, zoneKeys } = this.#names;
    await this.#tell({
      ...this.#names,
      zones: { ...zones, [zone]: records },
      zoneKeys: key === null ? without(zoneKeys, zone) : { ...zoneKeys, [zone]: key },
    });
  }

  /** Answers the reverse name of an address with `name` from now on. */
  async setPointer(address: string, name: string | null): Promise<void> {
    const { pointers } = this.#names;
    await this.#tell({
      ...this.#names,
      pointers: name === null ? without(pointers, address) : { ...pointers, [address]: name },
    });
  }

  /** Answers for a domain's parent with these DS records from now on; null undoes what was told. */
  async setDelegationSigners(domain: string, signers: readonly string[] | null): Promise<void> {
    const domains = this.#zones()
      .map(({ zone }) => zone.origin)
      .filter(Boolean);
    if (!domains.includes(domain)) {
      throw new Error(
        `registrar: "${domain}" is not a domain of this lab; it has ${domains.join(", ")}`,
      );
    }
    const { delegationSigners } = this.#names;
    await this.#tell({
      ...this.#names,
      delegationSigners:
        signers === null
          ? without(delegationSigners, domain)
          : { ...delegationSigners, [domain]: signers },
    });
  }

  #tell(names: Names): Promise<void> {
    this.#names = names;
    const next = this.#queue.then(() => this.#write());
    this.#queue = next.catch(() => {});
    return next;
  }

  /** All zones with their keys. A cloud's domain has a DS only once its registrar was told. */
  #zones(): SignedZone[] {
    const { zones, zoneKeys, pointers, delegationSigners } = this.#names;
    const keyOf = ({ origin, unsigned }: Zone): string | undefined => {
      if (origin in zones) return zoneKeys[origin];
      return unsigned ? undefined : keptZoneKey(this.#paths, origin);
    };
    const signersOf = (zone: Zone): readonly string[] => {
      const told = delegationSigners[zone.origin] ?? zone.delegationSigners;
      if (told !== undefined || zone.origin in zones) return told ?? [];
      const key = keyOf(zone);
      return key === undefined ? [] : [publicZoneKey(zone.origin, key).ds];
    };
    return withDelegationSigners(internetZones(zones, pointers, this.#foreign), signersOf).map(
      (zone) => ({
        zone,
        key: keyOf(zone),
      }),
    );
  }

  async #write(): Promise<void> {
    // Knot's own database of keys is made anew from the lab's by each supervisor.
    if (this.#daemon === undefined) {
      await rm(join(this.#folder, "database"), { recursive: true, force: true });
    }
    await mkdir(join(this.#folder, "database"), { recursive: true });
    const zones = this.#zones();
    const origins = zones.map(({ zone, key }) => ({ ...zone, signed: key !== undefined }));
    const configuration = knotConfiguration(this.#folder, origins);
    const reconfigured = configuration !== this.#configured;
    if (reconfigured) await writeFile(this.#configuration, configuration);
    const changed: string[] = [];
    for (const { zone, key } of zones) {
      const rekeyed = await this.#giveKey(zone.origin, key);
      if (await this.#writeZone(zone, rekeyed)) changed.push(`${zone.origin}.`);
    }
    if (this.#daemon === undefined) await this.#start();
    else {
      if (reconfigured) await this.#knotc("reload");
      if (changed.length > 0) await this.#knotc("zone-reload", ...changed);
    }
    this.#configured = configuration;
  }

  get #configuration(): string {
    return join(this.#folder, "knot.conf");
  }

  /** Gives Knot the key of a zone in place of its former one; tells whether that is another. */
  async #giveKey(origin: string, key: string | undefined): Promise<boolean> {
    const known = this.#imported.get(origin);
    if (known?.key === key) return false;
    const keymgr = ["keymgr", "--config", this.#configuration, `${origin}.`];
    if (known !== undefined) {
      await run([...keymgr, "delete", known.id]);
      this.#imported.delete(origin);
    }
    if (key === undefined) return true;
    const file = join(this.#folder, "key.pem");
    await writeFile(file, key, { mode: 0o600 });
    const imported = await run([
      ...keymgr,
      "import-pem",
      file,
      "algorithm=13",
      "ksk=yes",
      "zsk=yes",
    ]);
    await rm(file);
    this.#imported.set(origin, { key, id: imported.split("\n")[0] ?? "" });
    return true;
  }

  async #writeZone(zone: Zone, rekeyed: boolean): Promise<boolean> {
    const content = renderZone(zone, 0);
    const before = this.#written.get(zone.origin);
    if (before?.content === content && !rekeyed) return false;
    const serial = Math.max(Math.floor(Date.now() / 1000), (before?.serial ?? 0) + 1);
    await writeFile(join(this.#folder, fileName(zone.origin)), renderZone(zone, serial));
    this.#written.set(zone.origin, { serial, content });
    return true;
  }

  async #start(): Promise<void> {
    // A copy of its own, since a distribution's AppArmor profile goes by the path.
    const program = join(this.#folder, "knotd");
    await copyFile("/usr/sbin/knotd", program);
    this.#daemon = new Daemon([program, "--config", this.#configuration], this.#log);
    this.#daemon.start();
    await until("name server", 15, async () => {
      const status = await attempt(this.#command("status"));
      return status.status === 0 ? true : undefined;
    });
  }

  #command(...command: readonly string[]): string[] {
    return ["knotc", "--socket", join(this.#folder, "knot.sock"), "--blocking", ...command];
  }

  async #knotc(...command: readonly string[]): Promise<void> {
    await run(this.#command(...command), { timeoutSeconds: 20 });
  }

  /** Stops answering. */
  async stop(): Promise<void> {
    await this.#daemon?.stop();
  }
}
