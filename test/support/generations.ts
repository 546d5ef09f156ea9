// The generations of keys that a host has now, as values of the stack's configuration: tests raise them,
// and nothing leads back.

import type { Values } from "./configuration";

/** Asks the host itself. */
export async function presentGenerations(
  host: string,
  domain: string,
  onHost: (command: string) => string | Promise<string>,
): Promise<{ readonly key: number; readonly dkim: number; readonly revoked: number }> {
  const said = await onHost(
    `cut --delimiter=' ' --fields=1 /srv/mail-host/acme/${host}.generation
     cd /srv/mail-host/dkim/${domain}
     cat generation
     ls | sed --quiet 's/^rsa\\([0-9]*\\)[.]key$/\\1/p' | sort --numeric-sort | head --lines=1`,
  );
  const [key = 0, dkim = 0, oldest = 0] = said.trim().split("\n").map(Number);
  return { key, dkim, revoked: oldest - 1 };
}

export const generationValues = ({
  key,
  dkim,
  revoked,
}: Awaited<ReturnType<typeof presentGenerations>>): Values => ({
  "mail-host:host.keyGeneration": key,
  "mail-host:dkim": { generation: dkim, revoked },
});
