// The Debian 13 image that machines start from: what Hetzner's `debian-13` brings, none of the
// program's packages, and in a few files whatever must differ from the world.

import { createHash } from "node:crypto";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { attempt, run } from "../host/run";
import { packages, packagesPort } from "../network/addresses";
import { inNetwork } from "../network/namespaces";
import { cacheFolder, type LabPaths } from "../paths";
import { anchorFiles } from "../world/zone-keys";

const debianPackages = [
  "systemd-sysv",
  "dbus",
  "libpam-systemd",
  "udev",
  "kmod",
  "cloud-init",
  "netplan.io",
  "systemd-resolved",
  "openssh-server",
  "ca-certificates",
  "iproute2",
  "iputils-ping",
  "nftables",
  "python3",
  "locales",
  "curl",
  "cron",
  "e2fsprogs",
  "fdisk",
  "gpg",
  "less",
  "logrotate",
  "procps",
  "sudo",
  "vim-tiny",
];

const archive = "http://deb.debian.org";
const proxy = `http://${packages.ipv4}:${packagesPort}`;

const sources = [
  `deb ${archive}/debian trixie main`,
  `deb ${archive}/debian trixie-updates main`,
  `deb ${archive}/debian-security trixie-security main`,
];

const sourcesFile = `Types: deb
URIs: ${archive}/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: ${archive}/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;

// systemd leaves out fstab's devices where /sys is read-only, as it is under nspawn; this puts them back.
const fstabGenerator = `#!/bin/sh
set -eu
[ -r /etc/fstab ] || exit 0
while read -r what where type options _; do
  case "$what" in /dev/*) ;; *) continue ;; esac
  case "$where" in /?*) ;; *) continue ;; esac
  unit=$(systemd-escape --path --suffix=mount "$where")
  printf '[Unit]\\nSourcePath=/etc/fstab\\nBefore=local-fs.target\\n\\n[Mount]\\nWhat=%s\\nWhere=%s\\nType=%s\\nOptions=%s\\n' \
    "$what" "$where" "$type" "$options" > "$1/$unit"
  case ",$options," in *,noauto,*) continue ;; *,nofail,*) pull=wants ;; *) pull=requires ;; esac
  mkdir -p "$1/local-fs.target.$pull"
  ln -sf "../$unit" "$1/local-fs.target.$pull/$unit"
done < /etc/fstab
`;

// The lab that a machine runs in binds its roots into a folder where Debian looks for an owner's own. More
// than one may come while they are being taken over.
const trustScript = `#!/bin/sh
set -eu
folder=/usr/local/share/ca-certificates/lab
until before=$(ls "$folder") && update-ca-certificates && [ "$before" = "$(ls "$folder")" ]; do :; done
`;

const trustService = `[Unit]
Description=Trust in the lab's certificate authorities
Before=cloud-config.service ssh.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-trust
`;

const trustPath = `[Unit]
Description=Wait for further certificate authorities of the lab

[Path]
PathChanged=/usr/local/share/ca-certificates/lab
`;

/** Files of the image. The lab's differences from the world are the ones named `lab`. */
const files: Readonly<Record<string, string>> = {
  "etc/apt/sources.list.d/debian.sources": sourcesFile,
  "etc/apt/apt.conf.d/90lab": `// The only way to packages out of a lab.\nAcquire::http::Proxy "${proxy}";\n`,
  "etc/cloud/cloud.cfg.d/90-hetznercloud.cfg": `# As in Hetzner's images: root with the project's keys, no further user.
disable_root: false
users: []
apt: {preserve_sources_list: true}
`,
  "etc/cloud/cloud.cfg.d/95-lab.cfg": `# nspawn has no DMI, which DataSourceHetzner asks for.
datasource_list: [NoCloud, None]
`,
  "etc/systemd/system-generators/lab-fstab": fstabGenerator,
  "usr/local/sbin/lab-trust": trustScript,
  "etc/systemd/system/lab-trust.service": trustService,
  "etc/systemd/system/lab-trust.path": trustPath,
  "etc/systemd/system/multi-user.target.d/lab-trust.conf":
    "[Unit]\nWants=lab-trust.service lab-trust.path\n",
  // Unbound refuses test. by default (RFC 6761).
  "etc/unbound/unbound.conf.d/lab.conf": `server:
    local-zone: "test." nodefault
`,
};

/** Files that a machine has from its lab, whatever a package brings in their place. */
const diverted = anchorFiles.map((name) => `/usr/share/dns/${name}`);

/** Options of this system's apt that a frozen mirror needs, and that the image therefore needs too. */
async function inheritedAptOptions(): Promise<string> {
  const dumped = await attempt(["apt-config", "dump", "Acquire::Check-Valid-Until"]);
  return /"(false|0|no)"/i.test(dumped.stdout) ? 'Acquire::Check-Valid-Until "false";\n' : "";
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Builds the image unless the cache has it; returns its root folder. */
export async function ensureImage(
  paths: LabPaths,
  report: (line: string) => void,
): Promise<string> {
  const inherited = await inheritedAptOptions();
  const recipe = JSON.stringify([
    3,
    debianPackages,
    sources,
    files,
    diverted,
    inherited,
    process.arch,
  ]);
  const digest = createHash("sha256").update(recipe).digest("hex").slice(0, 16);
  const images = join(cacheFolder, "image");
  const image = join(images, `debian-13-${digest}`);
  if (await exists(image)) return image;
  report("building the system image debian-13 (about a minute, once)");
  await mkdir(images, { recursive: true });
  await removeAbandoned(images);
  const building = await mkdtemp(join(images, `.building-${process.pid}-`));
  try {
    await chmod(building, 0o755);
    const root = join(building, "root");
    const bootstrap = [
      "mmdebstrap",
      "--mode=root",
      "--variant=minbase",
      "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
      `--include=${debianPackages.join(",")}`,
      `--aptopt=Acquire::http::Proxy "${proxy}"`,
      ...(inherited === "" ? [] : ['--aptopt=Acquire::Check-Valid-Until "false"']),
      "trixie",
      root,
      ...sources,
    ];
    await run(inNetwork(paths, bootstrap), { timeoutSeconds: 900 });
    await rm(join(root, "etc/apt/sources.list"), { force: true });
    await rm(join(root, "etc/apt/apt.conf.d/99mmdebstrap"), { force: true });
    for (const name of await readdir(join(root, "etc/ssh"))) {
      if (name.startsWith("ssh_host_")) await rm(join(root, "etc/ssh", name));
    }
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), content, {
        mode: content.startsWith("#!") ? 0o755 : 0o644,
      });
    }
    for (const file of diverted) {
      await run(["chroot", root, "dpkg-divert", "--local", "--no-rename", "--add", file]);
    }
    if (inherited !== "") await writeFile(join(root, "etc/apt/apt.conf.d/91lab-mirror"), inherited);
    await rename(root, image).catch(async (error: unknown) => {
      // Another lab may have built the same image meanwhile.
      if (!(await exists(image))) throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return image;
}

/** Removes what builds that were killed left behind. */
async function removeAbandoned(images: string): Promise<void> {
  for (const name of await readdir(images)) {
    const pid = /^\.building-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !(await exists(`/proc/${pid}`))) {
      await rm(join(images, name), { recursive: true, force: true });
    }
  }
}
