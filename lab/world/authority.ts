// The lab's certificate authority for the world's own servers, made once for each lab, and the roots
// that everybody in the lab trusts: its own, and each that the ACME server ever had.

import { X509Certificate } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { run } from "../host/run";
import type { LabPaths } from "../paths";

/** A private key and the certificate for it, both as PEM. */
export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function writeWhole(file: string, content: string, mode = 0o644): Promise<void> {
  await writeFile(`${file}.new`, content, { mode });
  await rename(`${file}.new`, file);
}

/** Signs for the world's servers, and keeps what the lab trusts. */
export class Authority {
  readonly #paths: LabPaths;
  readonly #folder: string;

  private constructor(paths: LabPaths) {
    this.#paths = paths;
    this.#folder = join(paths.state, "authority");
  }

  /** The authority of a lab, with the key of a former supervisor where there was one. */
  static async open(paths: LabPaths): Promise<Authority> {
    const authority = new Authority(paths);
    await mkdir(authority.#folder, { recursive: true, mode: 0o700 });
    await mkdir(paths.ca, { recursive: true });
    const root = await readFile(authority.#root, "utf8").catch(() => authority.#create());
    await authority.trust(root);
    return authority;
  }

  get #root(): string {
    return join(this.#folder, "root.pem");
  }

  get #key(): string {
    return join(this.#folder, "root.key");
  }

  async #create(): Promise<string> {
    const subject = ["-subj", `/O=mail-host lab ${this.#paths.name}/CN=Lab Root`];
    const request = ["openssl", "req", "-x509", ...newKey, "-days", "3650", ...subject];
    const uses = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    await run([...request, ...uses, "-keyout", this.#key, "-out", `${this.#root}.new`]);
    await rename(`${this.#root}.new`, this.#root);
    return readFile(this.#root, "utf8");
  }

  /** Makes everybody in the lab trust a root, from now on and for good. */
  async trust(root: string): Promise<void> {
    const name = new X509Certificate(root).fingerprint256.replaceAll(":", "").toLowerCase();
    await writeWhole(join(this.#paths.ca, `lab-${name.slice(0, 16)}.crt`), root);
    const names = (await readdir(this.#paths.ca)).filter((each) => each.endsWith(".crt")).sort();
    const roots = await Promise.all(
      names.map((each) => readFile(join(this.#paths.ca, each), "utf8")),
    );
    await writeWhole(this.#paths.caFile, roots.join(""));
  }

  /** A key, and a certificate of a year for these names and addresses. */
  async issue(names: readonly [string, ...string[]]): Promise<Credentials> {
    const place = join(this.#folder, names[0]);
    const alternatives = names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`);
    const extensions = [
      `subjectAltName=${alternatives.join(",")}`,
      "basicConstraints=critical,CA:FALSE",
      "extendedKeyUsage=serverAuth",
    ].flatMap((extension) => ["-addext", extension]);
    const request = ["openssl", "req", "-x509", ...newKey, "-days", "365"];
    const signer = ["-CA", this.#root, "-CAkey", this.#key];
    const files = ["-subj", `/CN=${names[0]}`, "-keyout", `${place}.key`, "-out", `${place}.pem`];
    await run([...request, ...signer, ...extensions, ...files]);
    const credentials = {
      key: await readFile(`${place}.key`, "utf8"),
      cert: await readFile(`${place}.pem`, "utf8"),
    };
    await Promise.all([rm(`${place}.key`), rm(`${place}.pem`)]);
    return credentials;
  }
}
