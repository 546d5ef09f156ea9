// Hetzner's recursive resolvers: unbound, starting at the lab's root and validating from its key.

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resolvers, rootServers, router } from "../network/addresses";
import type { LabPaths } from "../paths";
import { Daemon } from "./children";

/** Root hints as every resolver ships them. */
export const rootHints = (): string =>
  rootServers
    .map(
      ([letter, ipv4, ipv6]) =>
        `. 3600000 NS ${letter}.root-servers.net.\n${letter}.root-servers.net. 3600000 A ${ipv4}\n${letter}.root-servers.net. 3600000 AAAA ${ipv6}\n`,
    )
    .join("");

const configuration = (folder: string, anchor: string): string => `server:
  directory: "${folder}"
  username: ""
  chroot: ""
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  logfile: ""
  num-threads: 1
${resolvers
  .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
  .map((address) => `  interface: ${address}\n`)
  .join("")}  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  outgoing-interface: ${router.ipv4}
  outgoing-interface: ${router.ipv6}
  trust-anchor-file: "${anchor}"
  aggressive-nsec: no
  root-hints: "${folder}/root.hints"
  local-zone: "test." nodefault
  cache-max-ttl: 60
  cache-max-negative-ttl: 1
remote-control:
  control-enable: no
`;

/** Starts the resolvers. */
export async function startResolver(paths: LabPaths): Promise<Daemon> {
  const folder = join(paths.state, "resolver");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "root.hints"), rootHints());
  await writeFile(
    join(folder, "unbound.conf"),
    configuration(folder, join(paths.anchor, "root.key")),
  );
  // A copy of its own, since Debian's AppArmor profile for /usr/sbin/unbound knows /etc/unbound only.
  const program = join(folder, "unbound");
  await copyFile("/usr/sbin/unbound", program);
  const daemon = new Daemon(
    [program, "-c", join(folder, "unbound.conf")],
    join(paths.log, "unbound.log"),
  );
  daemon.start();
  return daemon;
}
