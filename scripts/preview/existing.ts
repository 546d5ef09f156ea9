// What public DNS has already at the names of a domain that a change adds: mail that flows elsewhere today.
// Without the owner's token nobody sees more than that.

import { Resolver } from "node:dns/promises";
import type { ForeignRecord } from "./compare";
import type { ZoneName } from "./configuration";

/** MX, SPF and DMARC of the domains. A name that cannot be asked about has none. */
export async function publicRecords(domains: readonly ZoneName[]): Promise<ForeignRecord[]> {
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  const found = await Promise.all(
    domains.map(async ({ name, id: zoneId }): Promise<ForeignRecord[]> => {
      const texts = async (at: string, mark: string) =>
        (await resolver.resolveTxt(at).catch(() => []))
          .map((pieces) => pieces.join(""))
          .filter((text) => text.toLowerCase().startsWith(mark))
          .map((text): ForeignRecord => ({ zoneId, type: "TXT", name: at, content: quoted(text) }));
      const exchanges = await resolver.resolveMx(name).catch(() => []);
      return [
        ...exchanges.map(({ exchange, priority }): ForeignRecord => {
          return { zoneId, type: "MX", name, content: exchange === "" ? "." : exchange, priority };
        }),
        ...(await texts(name, "v=spf1")),
        ...(await texts(`_dmarc.${name}`, "v=dmarc1")),
      ];
    }),
  );
  return found.flat();
}

/** As Cloudflare takes TXT content. */
const quoted = (text: string): string =>
  (text.match(/[\s\S]{1,255}/g) ?? [""])
    .map((piece) => `"${piece.replace(/["\\]/g, "\\$&")}"`)
    .join(" ");
