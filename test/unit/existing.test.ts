// Which zones and places a deployment refuses. Does not prove that the clouds tell of them so.

import { describe, expect, it } from "vitest";
import { type Existing, movedLocation, wrongZones } from "../../components/existing";
import { good, nothingThere, read, zoneId } from "../support/configuration";

const config = read(good);
const zones = (...entries: [string, Partial<{ name: string; status: string }> | string][]) => ({
  ...nothingThere,
  zones: new Map(
    entries.map(
      ([id, zone]): [
        string,
        Existing["zones"] extends ReadonlyMap<string, infer Z> ? Z : never,
      ] => [
        id,
        typeof zone === "string"
          ? zone
          : {
              name: "example.test",
              status: "active",
              nameServers: ["ada.test", "bob.test"],
              ...zone,
            },
      ],
    ),
  ),
});

describe("a live stack", () => {
  it("is not moved to another location", () => {
    const existing = {
      ...nothingThere,
      addresses: [{ type: "ipv4", ip: "198.18.1.10", location: "fsn1" }],
    };
    expect(
      movedLocation(config, existing).map(({ where, message }) => `${where}: ${message}`),
    ).toEqual([
      'mail-host:host.location: "nbg1" is not where this stack lives: its addresses and its volume are bound to "fsn1"',
    ]);
  });
});

describe("a zone", () => {
  it("that is active and holds the names is taken", () => {
    expect(wrongZones(config, zones([zoneId, {}]))).toEqual([]);
  });

  it("in which the names do not lie is refused, once for each of them", () => {
    expect(
      wrongZones(config, zones([zoneId, { name: "other.test" }])).map(({ where }) => where),
    ).toEqual(["mail-host:host.zoneId", "mail-host:domains[0].zoneId"]);
  });

  it.each(["pending", "initializing", "moved"])(
    "that is %s is refused, with the name servers that its registrar must name",
    (status) => {
      const [mistake, ...rest] = wrongZones(config, zones([zoneId, { status }]));
      expect(rest).toEqual([]);
      expect(mistake?.where).toBe("mail-host:domains[0].zoneId");
      expect(mistake?.message).toContain(
        `"example.test" is not active at Cloudflare but ${status}`,
      );
      expect(mistake?.cure).toContain("ada.test, bob.test");
    },
  );

  it("that cannot be read is refused with Cloudflare's own words and the command that sets another", () => {
    const found = wrongZones(config, zones([zoneId, "403 Forbidden: Authentication error"]));
    expect(found.map(({ message, cure }) => `${message} | ${cure}`)).toEqual([
      expect.stringMatching(
        /cannot be read at Cloudflare: 403 Forbidden.* \| set it with: pulumi config set --path 'mail-host:domains\[0\]\.zoneId'.*Zone:Read/,
      ),
    ]);
  });
});
