// `cloudflare.ZoneDnssec` of the stand-in on the real engine, against the emulated Cloudflare. Does not
// prove that the official plugin behaves the same, only what is known of it.

import * as cloudflare from "@pulumi/cloudflare";
import type * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { changes, failure, stackOf } from "./engine-support";
import { emulatedZone, otherZoneId, zoneId } from "./engine-zone";

describe("DNSSEC of a zone", () => {
  const setting = `/client/v4/zones/${zoneId}/dnssec`;
  const signed =
    (fields: Partial<cloudflare.ZoneDnssecArgs> = {}, options: pulumi.CustomResourceOptions = {}) =>
    async () => {
      const args = { zoneId, status: "active", ...fields };
      const { id, ds, keyTag, flags, status } = new cloudflare.ZoneDnssec("zone", args, options);
      return { id, ds, keyTag, flags, status };
    };

  it("is switched on, told with its DS, and switched off before it is deleted", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(signed(), zone.environment);
    const { outputs } = await stack.up();
    const { key_tag, ds } = await zone.dnssec();
    expect(ds).toMatch(/^example\.com\. 3600 IN DS \d+ 13 2 [0-9A-F]{64}$/);
    expect(outputs).toMatchObject({
      id: { value: zoneId },
      ds: { value: ds },
      keyTag: { value: key_tag },
      flags: { value: 257 },
      status: { value: "active" },
    });
    expect(await changes(stack)).toEqual({ same: 2 });
    await stack.destroy();
    expect(zone.requests.map(({ line, body }) => [line, body])).toEqual([
      [`PATCH ${setting}`, { status: "active" }],
      [`PATCH ${setting}`, { status: "disabled" }],
      [`DELETE ${setting}`, undefined],
    ]);
  });

  it("differs after a refresh while its DS is not at the parent, unless status is ignored", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(signed(), zone.environment);
    await stack.up();
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 1, update: 1 });
    expect(await changes(stack, signed({}, { ignoreChanges: ["status"] }))).toEqual({ same: 2 });
    zone.atParent.push((await zone.dnssec()).ds.replace(/^.* DS /, ""));
    await stack.refresh();
    expect(await changes(stack)).toEqual({ same: 2 });
  });

  it("is replaced with its zone, and sends null for a setting that is no longer wanted", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(signed({ dnssecUseNsec3: true }), zone.environment);
    await stack.up();
    expect(await changes(stack, signed({ zoneId: otherZoneId }))).toEqual({
      replace: 1,
      same: 1,
    });
    await stack.up({ program: signed() });
    expect(zone.requests.at(-1)?.body).toEqual({ status: "active", dnssec_use_nsec3: null });
  });

  it("is imported by the zone's id", async () => {
    const zone = await emulatedZone();
    zone.atParent.push((await zone.dnssec("active")).ds.replace(/^.* DS /, ""));
    const stack = await stackOf(signed({}, { import: zoneId }), zone.environment);
    expect((await stack.up()).summary.resourceChanges).toEqual({ create: 1, import: 1 });
  });

  it("is refused with a status that cannot be asked for", async () => {
    const zone = await emulatedZone();
    const stack = await stackOf(signed({ status: "pending" }), zone.environment);
    expect(await failure(stack.up())).toContain('status: "pending" is not one of active, disabled');
  });
});
