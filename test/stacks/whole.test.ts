// `npm run test-stack -- --lab` as it is typed: a lab, a host in it, some of the host tests, the judge, and
// nothing left. Does not prove what the other files of test/host find on such a stack.

import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { attempt, type Finished } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import { counts } from "../support/interruption";

const lab = openLab("test-whole");
const stack = "test-whole";
const command = ["npm", "run", "test-stack", "--", "--lab", "--name", stack];

let finished: Finished;
beforeAll(async () => {
  finished = await attempt([...command, "--only", "incoming/delivery", "--only", "served"], {
    environment: { ...process.env, MAIL_HOST_LAB: "test-whole", NO_COLOR: "1" },
    timeoutSeconds: 1200,
  });
});
afterAll(async () => {
  await lab.down();
});

it("brings a test stack up below the test zone, for a day", () => {
  expect(finished.stdout).toMatch(
    new RegExp(
      `^› ${stack}: up, in the zone example.test, until the end of 20\\d\\d-\\d\\d-\\d\\d`,
      "m",
    ),
  );
});

it("runs host tests against it, and the judge, who finds nothing to mend", () => {
  expect(finished.stdout).toContain(`› ${stack}: 2 files of test/host`);
  expect(finished.stdout).toMatch(/Test Files +2 passed/);
  expect(finished.stdout).toMatch(/^ *Together +\d+ pass, (\d+ n\/a, )?\d+ not judged$/m);
  expect(finished.status, finished.stdout + finished.stderr).toBe(0);
});

it("takes it down: nothing is left, neither in the clouds nor here", async () => {
  expect(finished.stdout).toContain(
    `› ${stack}: nothing is left: no server, address, volume, firewall, key, record or state`,
  );
  expect(await counts(lab, [zoneIdOf("example.test"), zoneIdOf("second.test")])).toEqual({});
  expect((await lab.status()).machines).toEqual([]);
  const { stdout } = await lab.pulumiOrThrow(["stack", "ls", "--json"]);
  expect(stdout).not.toContain(`"${stack}"`);
  expect(existsSync(`Pulumi.${stack}.yaml`)).toBe(false);
});
