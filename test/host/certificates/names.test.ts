// Each port and each name, over both families, as a scanner that is no part of the host judges them. Does
// not prove what it is that a certificate is asked for: the lab's authority gives whatever is due.

import { beforeAll, describe, expect, it } from "vitest";
import { mailPorts, webNames, withWebNames } from "../../support/authority";
import { scanCertificates } from "../../support/certificate-scanner";
import { domain, secondDomain, target } from "../../support/target";

const doors = [
  ...mailPorts.map((port) => ({ port, name: target.hostname })),
  ...[domain, secondDomain].flatMap(webNames).map((name) => ({ port: 443, name })),
];

beforeAll(withWebNames);

describe("a scanner", () => {
  it.each(["ipv4", "ipv6"] as const)(
    "finds on each port over %s one certificate, for the one name that it asked for, with all that leads to a root",
    (family) => {
      const faultless = doors.map((door) => ({
        ...door,
        names: [door.name],
        curve: "secp256r1",
        sent: 2,
        sentInOrder: true,
        sentRoot: false,
        trusted: true,
      }));
      expect(scanCertificates(family, doors)).toEqual(faultless);
    },
  );
});
