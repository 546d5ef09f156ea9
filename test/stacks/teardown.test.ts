// The end of a lasting stack, on the real engine and the clouds' control planes alone: what stops a hasty
// hand, what a deliberate one is asked, and that nothing is left. Does not prove what a host counts.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { openLab } from "../../lab/lab";
import { counts, engineRuns, inventory, killAt } from "../support/interruption";

const lab = openLab("test-teardown");
const zones = [zoneIdOf("example.test"), zoneIdOf("second.test")];
const stack = "test-lasting";
const file = `Pulumi.${stack}.yaml`;
const host = "mail.example.test";

const teardown = (...args: string[]) =>
  lab.withEngine(["npm", "run", "--silent", "teardown", "--", "--stack", stack, ...args]);
const things = async () =>
  JSON.stringify(await inventory(lab, zones)).replaceAll('"creating"', '"available"');

let before: string;
beforeAll(async () => {
  await lab.up({ withoutMachines: true });
  const lasting = readFileSync("Pulumi.lab.yaml", "utf8").replace(
    /lasting: "false"/,
    'lasting: "true"',
  );
  writeFileSync(file, lasting);
  const up = ["pulumi", "up", "--yes", "--skip-preview", "--parallel=128", "--stack", stack];
  await killAt(lab, "the host key scan", () => engineRuns(lab, "ssh-keyscan"), up);
  await lab.pulumiOrThrow(["cancel", "--yes", "--stack", stack]);
  before = await things();
});
afterAll(async () => {
  rmSync(file, { force: true });
  await lab.down();
});

it("a bare `pulumi destroy` is stopped in its preview, in the engine's own words", async () => {
  const { status, stdout, stderr } = await lab.pulumi(["destroy", "--yes", "--stack", stack]);
  expect(status).not.toBe(0);
  expect(stdout + stderr).toMatch(/cannot be deleted\s+because it is protected/);
  expect(stdout + stderr).toMatch(/mail-address-ipv4|mail-host-volume/);
  expect(await things()).toBe(before);
});

it("a script without the word is told what would be lost, and nothing is", async () => {
  const { status, stderr } = await teardown();
  expect(status).toBe(1);
  expect(stderr).toContain(`${host}, the stack ${stack}, would be deleted for good:`);
  expect(stderr).toContain("its mail could not be counted");
  expect(stderr).toMatch(/1 server, 1 volume \(20 GiB\)[\s\S]* 2 addresses [\s\S]* 15 DNS records/);
  expect(stderr).toContain(
    `nothing was deleted; a script says that it means it with: --yes-delete ${host}`,
  );
  expect(await things()).toBe(before);
});

it("a person is asked for the host's name, and another word deletes nothing", async () => {
  const command = `npm run --silent teardown -- --stack ${stack}`;
  const typed = [
    "bash",
    "-c",
    `echo yes | script --quiet --return --command '${command}' /dev/null`,
  ];
  const { status, stdout } = await lab.withEngine(typed);
  expect(status).toBe(1);
  expect(stdout).toContain("To delete it, type the host's name:");
  expect(stdout).toContain(`that is not ${host}: nothing was deleted`);
  expect(await things()).toBe(before);
});

it("with the word everything goes, protected as it was, and the proof says so", async () => {
  const { status, stdout, stderr } = await teardown("--json", "--yes-delete", host);
  expect(status, stderr).toBe(0);
  expect(stderr).toContain("nothing is left: no server, address, volume, firewall, key or record");
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ stack, hostname: host, host: null, volumes: [20], servers: 1, records: 15 },
    ...{ deleted: true, remaining: [] },
  });
  expect(await counts(lab, zones)).toEqual({});
});
