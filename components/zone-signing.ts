// Switches DNSSEC on for the zones, when asked to. It stays on when the stack goes: a DS record at the
// parent with nothing behind it would take the whole domain off the net.

import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import type { Existing } from "./existing";

/** The DS record of each zone, by its name, as a registrar wants it. */
export function signZones(zones: Existing["zones"]): pulumi.Output<Record<string, string>> {
  const signed = [...zones].flatMap(([zoneId, zone]) =>
    typeof zone === "string" ? [] : [{ name: zone.name, ds: signZone(zoneId, zone.name) }],
  );
  return pulumi
    .all(signed.map(({ ds }) => ds))
    .apply((all) => Object.fromEntries(signed.map(({ name }, i) => [name, all[i] ?? ""])));
}

function signZone(zoneId: string, name: string): pulumi.Output<string> {
  return new cloudflare.ZoneDnssec(
    `${name}-dnssec`,
    { zoneId, status: "active" },
    // Cloudflare says "pending" until the DS record is at the parent, which is no difference to mend.
    { retainOnDelete: true, ignoreChanges: ["status"] },
  ).ds;
}
