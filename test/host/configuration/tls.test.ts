// The protocols, cipher suites and groups of every port, as test/fixtures/tls.yaml lists them. Does not
// prove that the certificate is one to trust.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { withWebNames } from "../../support/authority";
import { type Negotiable, scanPorts } from "../../support/tls-scanner";

const file = join(__dirname, "../../fixtures/tls.yaml");
const expected: Readonly<Record<string, Negotiable>> = parse(readFileSync(file, "utf8"));
const ports = Object.keys(expected).map(Number);

describe("a scanner", () => {
  let found = new Map<number, Negotiable>();
  beforeAll(async () => {
    await withWebNames();
    found = scanPorts(ports);
  });

  it.each(ports)("finds exactly what test/fixtures/tls.yaml lists on port %d", (port) => {
    expect(found.get(port)).toEqual(expected[port]);
  });
});
