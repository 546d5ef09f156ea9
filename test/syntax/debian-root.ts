// A Debian 13 root with the packages of a mail host, for tests that ask the daemons' own parsers.
// It is built once, from the system's own mirror, and kept under a digest of its recipe.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RenderedFile } from "../../cloud-init/render";
import { run } from "../../lab/host/run";

const packages = [
  ...["systemd-sysv", "cloud-init", "openssh-server", "nftables", "openssl", "shellcheck"],
  ...["postfix", "postfix-mysql", "dovecot-imapd", "dovecot-lmtpd", "dovecot-mysql"],
  ...["dovecot-sieve", "rspamd", "bind9-dnsutils"],
  ...["mariadb-server", "unbound", "dns-root-data", "netcat-openbsd", "ca-certificates"],
  ...["nginx", "acme-tiny", "jq", "fail2ban", "python3-systemd"],
];
const recipe = ["--variant=minbase", "--components=main", `--include=${packages.join(",")}`];

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Enters the root $1 and runs $2 there, with folders of its own for what passes. */
const inside = [
  'mount -t proc proc "$1/proc"',
  'mount --rbind /dev "$1/dev"',
  'mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"',
  'mount -t tmpfs -o mode=0755 tmpfs "$1/run"',
  'mkdir "$1/run/lock"; ip link set lo up',
  'exec chroot "$1" bash --norc -euo pipefail -c "$2"',
].join("; ");

/** What a command said, and whether it was content. */
export interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A throw-away copy of the root. Commands run one at a time in it, without a network. */
export interface DebianRoot {
  run(script: string, input?: string): Answer;
  remove(): void;
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.slice(-2000)}`);
}

/** The mirrors that this system itself installs from. */
function mirrors(): { readonly main: string; readonly security: string } {
  const folder = "/etc/apt/sources.list.d";
  const lists = [
    "/etc/apt/sources.list",
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ].filter((path) => existsSync(path));
  const addresses = lists.flatMap(
    (path) =>
      readFileSync(path, "utf8")
        .replace(/^#.*$/gm, "")
        .match(/https?:\/\/[^\s\]]+/g) ?? [],
  );
  const ending = (pattern: RegExp) => addresses.find((address) => pattern.test(address));
  return {
    main: ending(/\/debian\/?$/) ?? "http://deb.debian.org/debian",
    security: ending(/\/debian-security\/?$/) ?? "http://deb.debian.org/debian-security",
  };
}

function sources(): string {
  const { main, security } = mirrors();
  return [
    `deb ${main} trixie main`,
    `deb ${main} trixie-updates main`,
    `deb ${security} trixie-security main`,
    "",
  ].join("\n");
}

/** Builds the root unless it is there, and gives its path. It takes minutes, and vitest wants to hear of its worker. */
async function cachedRoot(): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error("the syntax tests need root: run them with sudo");
  const digest = createHash("sha256").update(recipe.join("\n")).digest("hex").slice(0, 16);
  const cache = join(homedir(), ".cache/mail-host");
  const root = join(cache, `syntax-root-${digest}`);
  if (existsSync(root)) return root;
  mkdirSync(cache, { recursive: true });
  if (spawnSync("mmdebstrap", ["--version"]).status !== 0) {
    throw new Error("mmdebstrap is missing: apt-get install mmdebstrap");
  }
  process.stderr.write("syntax tests: building a Debian 13 root with the host's packages, once\n");
  const building = mkdtempSync(join(cache, "syntax-root-building-"));
  const list = `${building}.list`;
  writeFileSync(list, sources());
  try {
    await run(["mmdebstrap", ...recipe, "--skip=check/empty", "trixie", building, list], {
      timeoutSeconds: 1500,
    });
    must("chmod", ["0755", building]);
    renameSync(building, root);
  } finally {
    rmSync(list, { force: true });
    rmSync(building, { recursive: true, force: true });
  }
  return root;
}

/** A root with these files in it, where cloud-init would put them; owners as the manifest says. */
export async function debianRoot(files: readonly RenderedFile[]): Promise<DebianRoot> {
  const lower = await cachedRoot();
  const folder = mkdtempSync(join(tmpdir(), "mail-host-syntax-"));
  const [upper, work, merged] = ["upper", "work", "merged"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [upper, work, merged]) mkdirSync(path);
  must("mount", [
    ...["-t", "overlay", "overlay"],
    ...["-o", `lowerdir=${lower},upperdir=${upper},workdir=${work}`, merged],
  ]);
  for (const { path, mode, content } of files) {
    mkdirSync(dirname(join(merged, path)), { recursive: true });
    writeFileSync(join(merged, path), content);
    must("chmod", [mode, join(merged, path)]);
  }
  return {
    run(script, input = "") {
      const { status, stdout, stderr } = spawnSync(
        "unshare",
        [
          ...["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"],
          ...["sh", "-euc", inside, "inside", merged, script],
        ],
        { input, encoding: "utf8", timeout: 120_000, env: { PATH: path, LANG: "C.UTF-8" } },
      );
      return { status, stdout, stderr };
    },
    remove() {
      must("umount", [merged]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
