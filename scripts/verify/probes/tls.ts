// A whole TLS handshake as Node makes it: the certificates and whether they are trusted, and whether the
// host lets itself be asked for another one. What Node cannot see, openssl says.

import { spawn } from "node:child_process";
import type { X509Certificate } from "node:crypto";
import { isIPv6 } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Place } from "../context";
import { beforeTls, implicitTls } from "./smtp";

export interface Session {
  /** From the host's own certificate on, as it was sent. */
  readonly chain: readonly X509Certificate[];
  /** Why the chain is not trusted; undefined when it is. */
  readonly distrust?: string;
  /** How often the client could begin a new handshake within the session (TLS 1.2), up to a few. */
  readonly renegotiations: number;
}

/** More than internet.nl allows is not asked for. */
const renegotiationsAsked = 11;
const handshakeSeconds = 15;

function renegotiate(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (done: boolean) => {
      clearTimeout(limit);
      resolve(done);
    };
    const limit = setTimeout(() => finish(false), 2000);
    socket.once("close", () => finish(false));
    socket.once("error", () => finish(false));
    if (socket.destroyed) finish(false);
    else socket.renegotiate({}, (error) => finish(error === null));
  });
}

async function secured(place: Place, ca: string | undefined, version?: "TLSv1.2") {
  const { socket } = await beforeTls(place);
  const tls = connectTls({
    socket,
    servername: place.name,
    rejectUnauthorized: false,
    ...(ca === undefined ? {} : { ca }),
    ...(version === undefined ? {} : { maxVersion: version }),
    // Names are looked at by the checks themselves.
    checkServerIdentity: () => undefined,
  });
  tls.setTimeout(handshakeSeconds * 1000, () => tls.destroy(new Error("no answer in TLS")));
  await new Promise<void>((resolve, reject) => {
    tls.once("secureConnect", resolve);
    tls.once("error", reject);
    tls.once("close", () => reject(new Error("hung up during the TLS handshake")));
  });
  tls.on("error", () => {});
  return tls;
}

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && !seen.has(next.fingerprint256)) {
    chain.push(next);
    seen.add(next.fingerprint256);
    next = next.issuerCertificate;
  }
  return chain;
}

/** Looks at one port; `ca` are the certificates to trust instead of the world's. */
export const sessionWith =
  (ca: string | undefined) =>
  async (place: Place): Promise<Session> => {
    const tls = await secured(place, ca);
    const distrust = tls.authorizationError;
    const chain = chainOf(tls);
    tls.destroy();
    const older = await secured(place, ca, "TLSv1.2").catch(() => undefined);
    let renegotiations = 0;
    while (
      older !== undefined &&
      renegotiations < renegotiationsAsked &&
      (await renegotiate(older))
    ) {
      renegotiations += 1;
    }
    older?.destroy();
    return {
      chain,
      ...(distrust ? { distrust: String(distrust) } : {}),
      renegotiations,
    };
  };

/** How much early data (0-RTT) the host would take, in octets; undefined where openssl cannot tell. */
export function earlyData({ address, port, name }: Place): Promise<number | undefined> {
  const at = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  const plain = port === 143 ? ["-starttls", "imap"] : ["-starttls", "smtp"];
  const options = ["-tls1_3", "-servername", name, ...(implicitTls.includes(port) ? [] : plain)];
  return new Promise((resolve) => {
    // Its answer is in the session tickets, which come after the handshake: -ign_eof waits for them.
    const arguments_ = ["s_client", "-connect", at, ...options, "-ign_eof"];
    const child = spawn("openssl", arguments_, { stdio: ["pipe", "pipe", "ignore"] });
    const limit = setTimeout(() => child.kill(), handshakeSeconds * 1000);
    let said = "";
    child.stdout.on("data", (data: Buffer) => {
      said += data.toString("latin1");
    });
    child.on("error", () => resolve(undefined));
    child.stdin.on("error", () => {});
    child.on("close", () => {
      clearTimeout(limit);
      const found = [...said.matchAll(/Max Early Data: (\d+)/g)].map(([, octets]) =>
        Number(octets),
      );
      // Said after the handshake. Without a session ticket there is nothing early data could begin with.
      resolve(said.includes("Cipher is") ? Math.max(0, ...found) : undefined);
    });
    child.stdin.end(port === 993 ? "a LOGOUT\r\n" : "QUIT\r\n");
  });
}
