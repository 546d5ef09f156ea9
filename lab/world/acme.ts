// The world's ACME server: Debian's pebble at acme.test. It checks ports 80 and 443 through the lab's
// resolvers, as the real authority does; its own door is on the routers' loopback, where no machine gets.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import * as https from "node:https";
import { join } from "node:path";
import { z } from "zod";
import { until } from "../host/run";
import { acmePort, resolvers } from "../network/addresses";
import type { LabPaths } from "../paths";
import type { Authority } from "./authority";
import { Daemon } from "./children";
import { acmeHost } from "./zones";

/** Where clients begin. */
export const acmeDirectory = `https://${acmeHost}:${acmePort}/dir`;

const optionsSchema = z.strictObject({
  /** Names that it refuses a certificate for, with all names below them. */
  refusedNames: z.array(z.string()).exactOptional(),
  /** Life of a certificate; 90 days unless said otherwise, as Let's Encrypt gives. */
  validitySeconds: z.number().int().positive().exactOptional(),
});

/** How the authority behaves. */
export type AcmeOptions = z.infer<typeof optionsSchema>;

/** What the supervisor takes: the authority away, or there with these options. */
export const acmeOrderSchema = optionsSchema.extend({ running: z.boolean() });
export type AcmeOrder = z.infer<typeof acmeOrderSchema>;

const management = { host: "127.0.0.1", port: 15000 };
const ninetyDays = 90 * 86_400;

/** The certificate authority of the lab's internet. */
export class AcmeServer {
  readonly #paths: LabPaths;
  readonly #authority: Authority;
  readonly #folder: string;
  #daemon: Daemon | undefined;
  #queue: Promise<void> = Promise.resolve();

  constructor(paths: LabPaths, authority: Authority) {
    this.#paths = paths;
    this.#authority = authority;
    this.#folder = join(paths.state, "acme");
  }

  /** Starts it, in place of one that runs, and resolves when it answers and its root is trusted. */
  start(options: AcmeOptions = {}): Promise<void> {
    return this.#inTurn(async () => {
      await this.#end();
      await this.#begin(options);
    });
  }

  /** Takes it away until it is started again. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#end());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#queue.then(work);
    this.#queue = next.catch(() => {});
    return next;
  }

  async #end(): Promise<void> {
    await this.#daemon?.stop();
    this.#daemon = undefined;
  }

  async #begin({ refusedNames = [], validitySeconds = ninetyDays }: AcmeOptions): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const { key, cert } = await this.#authority.issue([acmeHost, management.host]);
    const files = {
      certificate: join(this.#folder, "cert.pem"),
      key: join(this.#folder, "key.pem"),
    };
    await writeFile(files.certificate, cert);
    await writeFile(files.key, key, { mode: 0o600 });
    const configuration = join(this.#folder, "pebble.json");
    const pebble = {
      listenAddress: `:${acmePort}`,
      managementListenAddress: `${management.host}:${management.port}`,
      certificate: files.certificate,
      privateKey: files.key,
      httpPort: 80,
      tlsPort: 443,
      domainBlocklist: refusedNames,
      // Debian 12's pebble reads the first; versions with profiles read the others instead.
      certificateValidityPeriod: validitySeconds,
      profiles: { default: { description: "default", validityPeriod: validitySeconds } },
      caaIdentities: [acmeHost],
    };
    await writeFile(configuration, JSON.stringify({ pebble }, null, 2));
    const resolver = ["-dnsserver", `${resolvers[0].ipv4}:53`];
    let trusted: Promise<void> = Promise.resolve();
    this.#daemon = new Daemon(
      ["pebble", "-config", configuration, ...resolver],
      join(this.#paths.log, "pebble.log"),
      {
        environment: { PEBBLE_VA_NOSLEEP: "1" },
        // It makes a root of its own at each start, also at one after a death of its own.
        started: () => {
          trusted = this.#trustRoot();
          trusted.catch((error: unknown) => process.stderr.write(`pebble: ${error}\n`));
        },
      },
    );
    this.#daemon.start();
    await trusted;
  }

  async #trustRoot(): Promise<void> {
    const daemon = this.#daemon;
    const ca = await readFile(this.#paths.caFile);
    const root = await until("ACME server", 30, async () =>
      daemon === this.#daemon
        ? get({ ...management, path: "/roots/0", ca }).catch(() => undefined)
        : null,
    );
    if (root !== null) await this.#authority.trust(root);
  }
}

function get(options: https.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = https.get({ ...options, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(parts).toString());
        else reject(new Error(`status ${answer.statusCode}`));
      });
    });
    request.on("error", reject);
  });
}
