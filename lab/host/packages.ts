// Debian's packages for machines that have no way out: an HTTP proxy on a unix socket, which knows
// two archives and nothing else. It keeps what it fetched, and answers from that when the mirror
// does not. The mirror is the one that this system itself is configured with.

import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat, utimes } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { attempt } from "./run";

/** Base addresses of Debian's two archives. */
export interface Mirror {
  readonly debian: string;
  readonly security: string;
}

const publicMirror: Mirror = {
  debian: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
};

/** Picks the archives out of `apt-get indextargets`, one `<uri> <release> <component>` a line. */
export function mirrorFrom(targets: string): Mirror {
  const found: { debian?: string; security?: string } = {};
  for (const line of targets.split("\n")) {
    const [uri, release, component] = line.trim().split(/\s+/);
    if (uri === undefined || release === undefined || component !== "main") continue;
    const base = uri.replace(/\/+$/, "");
    if (!/\/debian(-security)?(\/\d{8}T\d{6}Z)?$/.test(base)) continue;
    if (release.includes("-security")) found.security ??= base;
    else found.debian ??= base;
  }
  return {
    debian: found.debian ?? publicMirror.debian,
    security: found.security ?? publicMirror.security,
  };
}

/** The mirror of this system's apt, or Debian's public one where apt names none. */
export async function systemMirror(): Promise<Mirror> {
  const listed = await attempt([
    "apt-get",
    "indextargets",
    "--format",
    "$(REPO_URI) $(RELEASE) $(COMPONENT)",
  ]);
  return mirrorFrom(listed.stdout);
}

const agents = {
  "http:": new http.Agent({ keepAlive: true, maxSockets: 8 }),
  "https:": new https.Agent({ keepAlive: true, maxSockets: 8 }),
};

function get(url: URL, headers: http.OutgoingHttpHeaders): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === "https:"
        ? https.get(url, { headers, agent: agents["https:"] }, resolve)
        : http.get(url, { headers, agent: agents["http:"] }, resolve);
    request.setTimeout(60_000, () => request.destroy(new Error("mirror: no answer")));
    request.on("error", reject);
  });
}

const freshMilliseconds = 10 * 60 * 1000;

class Archive {
  readonly #fetching = new Map<string, Promise<number>>();

  constructor(
    readonly folder: string,
    readonly mirror: Mirror,
  ) {}

  /** Brings one file into the cache; returns 200, or the status of the mirror's refusal. */
  fetch(path: string): Promise<number> {
    const running = this.#fetching.get(path);
    if (running !== undefined) return running;
    const started = this.#fetch(path).finally(() => this.#fetching.delete(path));
    this.#fetching.set(path, started);
    return started;
  }

  async #fetch(path: string): Promise<number> {
    const file = join(this.folder, path);
    const kept = await stat(file).catch(() => undefined);
    const unchanging = /\.u?deb$|\/by-hash\//.test(path);
    if (kept?.isFile() && (unchanging || Date.now() - kept.ctimeMs < freshMilliseconds)) return 200;
    try {
      return await this.#download(path, file, kept?.mtime);
    } catch (error) {
      if (kept?.isFile()) return 200;
      throw error;
    }
  }

  async #download(path: string, file: string, kept: Date | undefined): Promise<number> {
    const rest = path.replace(/^debian(-security)?\//, "");
    const base = path.startsWith("debian-security/") ? this.mirror.security : this.mirror.debian;
    let url = new URL(`${base}/${rest}`);
    const headers = kept === undefined ? {} : { "if-modified-since": kept.toUTCString() };
    for (let hop = 0; hop < 5; hop++) {
      const answer = await get(url, headers);
      const status = answer.statusCode ?? 502;
      const location = answer.headers.location;
      if (status >= 300 && status < 400 && status !== 304 && location !== undefined) {
        answer.resume();
        url = new URL(location, url);
        continue;
      }
      if (status !== 200) {
        answer.resume();
        if (status !== 304 || kept === undefined) return status;
        await utimes(file, new Date(), kept);
        return 200;
      }
      await mkdir(dirname(file), { recursive: true });
      const partial = `${file}.${process.pid}.part`;
      try {
        await pipeline(answer, createWriteStream(partial));
        const modified = new Date(answer.headers["last-modified"] ?? Date.now());
        await utimes(partial, new Date(), modified);
        await rename(partial, file);
      } finally {
        await rm(partial, { force: true });
      }
      return 200;
    }
    return 508;
  }
}

/** The path inside the cache that a proxy request asks for; undefined when it is not Debian's. */
export function archivePath(target: string): string | undefined {
  if (!URL.canParse(target)) return undefined;
  const url = new URL(target);
  const known = ["deb.debian.org", "security.debian.org"];
  if (url.protocol !== "http:" || !known.includes(url.hostname)) return undefined;
  const path = decodeURIComponent(url.pathname).slice(1);
  if (!/^debian(-security)?\/[\w.+~:%/-]+$/.test(path)) return undefined;
  return path.split("/").includes("..") ? undefined : path;
}

/** Serves the archives as an HTTP proxy; the caller says where it listens. */
export function packageProxy(folder: string, mirror: Mirror): http.Server {
  const archive = new Archive(folder, mirror);
  const respond = async (request: http.IncomingMessage, answer: http.ServerResponse) => {
    const path = archivePath(request.url ?? "");
    if (path === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
      answer.writeHead(403).end("the lab knows Debian's archive and nothing else\n");
      return;
    }
    const status = await archive.fetch(path);
    if (status !== 200) {
      answer.writeHead(status).end();
      return;
    }
    const file = join(folder, path);
    const { size, mtime } = await stat(file);
    const since = Date.parse(request.headers["if-modified-since"] ?? "");
    if (since >= Math.floor(mtime.getTime() / 1000) * 1000) {
      answer.writeHead(304).end();
      return;
    }
    answer.writeHead(200, { "content-length": size, "last-modified": mtime.toUTCString() });
    if (request.method === "HEAD") answer.end();
    else await pipeline(createReadStream(file), answer);
  };
  return http.createServer((request, answer) => {
    respond(request, answer).catch((error: unknown) => {
      if (answer.headersSent) answer.destroy();
      else answer.writeHead(502).end(`${error instanceof Error ? error.message : error}\n`);
    });
  });
}
