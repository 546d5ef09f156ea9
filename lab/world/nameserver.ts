// The authoritative name server: Knot DNS over the lab's zone files. A change is a new file with a
// higher serial and a reload of that one zone; the server never stops answering.

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ZoneRecord } from "../clouds/infrastructure";
import { attempt, run, until } from "../host/run";
import { nameserverAddresses } from "../network/addresses";
import type { LabPaths } from "../paths";
import { Daemon } from "./children";
import { internetZones, renderZone, type Zone } from "./zones";

const fileName = (origin: string): string => `${origin === "" ? "root" : origin}.zone`;

/** Knot's configuration for these zones. */
export function knotConfiguration(folder: string, origins: readonly string[]): string {
  const zones = origins.map(
    (origin) => `  - domain: "${origin}."\n    file: "${fileName(origin)}"\n`,
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
template:
  - id: default
    storage: "${folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
${zones.join("")}`;
}

/** Knot DNS with what it answers. */
export class Nameserver {
  readonly #folder: string;
  readonly #log: string;
  readonly #written = new Map<string, { serial: number; content: string }>();
  #daemon: Daemon | undefined;
  #queue: Promise<void> = Promise.resolve();
  #zones: Record<string, readonly ZoneRecord[]> = {};
  #pointers: Record<string, string> = {};

  constructor(paths: LabPaths) {
    this.#folder = join(paths.state, "nameserver");
    this.#log = join(paths.log, "knot.log");
  }

  get zones(): Readonly<Record<string, readonly ZoneRecord[]>> {
    return this.#zones;
  }

  get pointers(): Readonly<Record<string, string>> {
    return this.#pointers;
  }

  /** Starts answering from what was known before. */
  async load(
    zones: Readonly<Record<string, readonly ZoneRecord[]>>,
    pointers: Readonly<Record<string, string>>,
  ): Promise<void> {
    this.#zones = { ...zones };
    this.#pointers = { ...pointers };
    await this.#update();
  }

  /** Answers a zone with these records from now on. */
  async publish(zone: string, records: readonly ZoneRecord[]): Promise<void> {
    this.#zones = { ...this.#zones, [zone]: records };
    await this.#update();
  }

  /** Answers the reverse name of an address with `name` from now on. */
  async setPointer(address: string, name: string | null): Promise<void> {
    const { [address]: _, ...others } = this.#pointers;
    this.#pointers = name === null ? others : { ...others, [address]: name };
    await this.#update();
  }

  #update(): Promise<void> {
    const next = this.#queue.then(() => this.#write());
    this.#queue = next.catch(() => {});
    return next;
  }

  async #write(): Promise<void> {
    await mkdir(join(this.#folder, "database"), { recursive: true });
    const zones = internetZones(this.#zones, this.#pointers);
    const added = zones.some(({ origin }) => !this.#written.has(origin));
    const changed: string[] = [];
    for (const zone of zones) if (await this.#writeZone(zone)) changed.push(zone.origin);
    if (added) {
      const origins = zones.map(({ origin }) => origin);
      await writeFile(this.#configuration, knotConfiguration(this.#folder, origins));
    }
    if (this.#daemon === undefined) await this.#start();
    else if (added) await this.#knotc("reload");
    else if (changed.length > 0) {
      await this.#knotc("zone-reload", ...changed.map((origin) => `${origin}.`));
    }
  }

  get #configuration(): string {
    return join(this.#folder, "knot.conf");
  }

  async #writeZone(zone: Zone): Promise<boolean> {
    const content = renderZone(zone, 0);
    const before = this.#written.get(zone.origin);
    if (before?.content === content) return false;
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
