// What the machine must bring, and what apt adds to it. Services that Debian would start with a
// package are neither started nor left enabled.

import { access, constants, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { attempt, run } from "./run";

/** Programs that a lab runs, and the Debian packages that hold them. */
const programs: Readonly<Record<string, string>> = {
  ip: "iproute2",
  ping: "iputils-ping",
  nft: "nftables",
  "systemd-nspawn": "systemd-container",
  mmdebstrap: "mmdebstrap",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  losetup: "mount",
  nsenter: "util-linux",
  knotd: "knot",
  unbound: "unbound",
  openssl: "openssl",
  dig: "bind9-dnsutils",
  pebble: "pebble",
  "ssh-agent": "openssh-client",
  pip3: "python3-pip",
};

/** Units that come with those packages and belong to the machine's owner, not to a lab. */
const foreignUnits: Readonly<Record<string, readonly string[]>> = {
  knot: ["knot.service"],
  unbound: ["unbound.service", "unbound-resolvconf.service"],
};

const searchPath = (process.env.PATH ?? "").split(delimiter).concat(["/usr/sbin", "/sbin"]);

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of searchPath) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/** Says in one sentence why this machine cannot run machines; undefined when it can. */
export async function whyImpossible(): Promise<string | undefined> {
  if (process.platform !== "linux" || !(await isInstalled("apt-get"))) {
    return "lab: machines need a Debian or Ubuntu system; use `up --no-machines` for the cloud APIs alone";
  }
  if (process.getuid?.() !== 0) {
    return "lab: machines need root, since they live in network namespaces; run it as root, or use `up --no-machines`";
  }
  const namespaces = await attempt(["unshare", "--mount", "--net", "--pid", "--fork", "true"]);
  if (namespaces.status !== 0) {
    return "lab: this system does not allow new namespaces (a container without privileges?); use `up --no-machines`";
  }
  return undefined;
}

const policyFile = "/usr/sbin/policy-rc.d";

/** Runs `work` while Debian's own switch keeps packages from starting their services. */
async function withoutStartingServices(work: () => Promise<void>): Promise<void> {
  const ours = await writeFile(policyFile, "#!/bin/sh\nexit 101\n", {
    mode: 0o755,
    flag: "wx",
  }).then(
    () => true,
    () => false,
  );
  try {
    await work();
  } finally {
    if (ours) await rm(policyFile, { force: true });
  }
}

/** Installs the packages that a lab needs and that are missing. */
export async function ensureHostPackages(report: (line: string) => void): Promise<void> {
  const reason = await whyImpossible();
  if (reason !== undefined) throw new Error(reason);
  const missing = new Set<string>();
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!(await isInstalled(program))) missing.add(debianPackage);
  }
  const trust = await access("/usr/share/keyrings/debian-archive-keyring.gpg").then(
    () => true,
    () => false,
  );
  if (!trust) missing.add("debian-archive-keyring");
  if (missing.size === 0) return;
  report(`installing ${[...missing].join(", ")}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "--yes", "--no-install-recommends", ...missing];
  await withoutStartingServices(async () => {
    const known = await attempt(install, { environment });
    if (known.status === 0) return;
    await run(["apt-get", "update"], { environment });
    await run(install, { environment });
  });
  if ((await attempt(["systemctl", "is-system-running"])).stdout.trim() === "offline") return;
  for (const debianPackage of missing) {
    const units = foreignUnits[debianPackage] ?? [];
    if (units.length > 0) await attempt(["systemctl", "disable", "--now", ...units]);
  }
}
