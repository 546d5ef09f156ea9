// `npm run recover` on the real engine and the clouds' control planes alone: what it finds, places,
// leaves alone and says. Does not prove that a host comes up; that is the other file's.

import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { labTokens } from "../../lab/engine-run";
import { until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import {
  ask,
  counts,
  engineRuns,
  inventory,
  killAt,
  loseAnswers,
  pardon,
  recover,
  recoverSaid,
  up,
} from "../support/interruption";

const lab = openLab("rcplanes");
const zone = zoneIdOf("example.test");
const zones = [zone, zoneIdOf("second.test")];
const marks = { project: "mail-host", stack: "lab" };

/** Records of one of the names that the host serves for each domain. */
const addressesOf = (label: string) =>
  ["example.test", "second.test"].flatMap((domain) =>
    ["a", "aaaa"].map((key) => `mail-address-${label}.${domain}-${key}`),
  );

/** Everything in both clouds, once no volume is being created any more. */
const settledInventory = () =>
  until("volumes that are available", 20, async () => {
    const all = await inventory(lab, zones);
    return JSON.stringify(all).includes('"creating"') ? undefined : all;
  });

beforeAll(async () => {
  await lab.up({ withoutMachines: true });
  await ask(lab, "hcloud", "POST", "/volumes", {
    ...{ name: "of-another-stack", size: 10, location: "nbg1" },
    labels: { ...marks, stack: "dev" },
  });
});
afterAll(async () => {
  await lab.down();
});

describe("an answer that got lost on its way, to an engine that lived on", () => {
  beforeAll(async () => {
    await loseAnswers(lab, "hcloud", "/v1/volumes$", 1);
    expect((await up(lab)).status).not.toBe(0);
    await pardon(lab);
  });

  it("makes the next `pulumi up` fail on the names that are taken", async () => {
    expect((await up(lab)).said).toContain("uniqueness_error");
  });

  it("is made up for by `npm run recover`, which says so to a person", async () => {
    const { status, stdout } = await recoverSaid(lab);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^imported {5}volume "lab-mail" \(\d+\) as mail-host-volume\n\nGo on with: pulumi up\n$/,
    );
  });

  it("leaves nothing for a second `npm run recover`", async () => {
    expect(await recoverSaid(lab)).toMatchObject({
      status: 0,
      stdout:
        "Nothing to recover: no lock, nothing interrupted, and nothing of this stack outside its state.\n",
    });
  });
});

describe("what carries the stack's marks and has no place in its program", () => {
  let record: string;
  let volume: number;
  let before: unknown;
  let said: Awaited<ReturnType<typeof recoverSaid>>;
  beforeAll(async () => {
    // `up` goes as far as it can without machines: to the first contact with the host.
    await killAt(lab, "the host key scan", () => engineRuns(lab, "ssh-keyscan"));
    const spf = { type: "TXT", name: "earlier.example.test", content: '"v=spf1 -all"', ttl: 1 };
    const comment = "mail-host/lab: from an earlier configuration";
    record = (
      await ask(lab, "cloudflare", "POST", `/zones/${zone}/dns_records`, { ...spf, comment })
    ).result.id;
    const old = { name: "lab-old", size: 10, location: "nbg1", labels: marks };
    volume = (await ask(lab, "hcloud", "POST", "/volumes", old)).volume.id;
    before = await settledInventory();
    said = await recoverSaid(lab);
  });

  it("is named with the command that deletes it, and nothing else is", async () => {
    const { apis } = await lab.status();
    expect(said.status).toBe(1);
    const cures = said.stdout.split("\n").filter((line) => line.trim().startsWith("curl"));
    expect(cures.map((line) => line.trim()).sort()).toEqual(
      [
        `curl -X DELETE -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" ${apis.cloudflare}/zones/${zone}/dns_records/${record}`,
        `curl -X DELETE -H "Authorization: Bearer $HCLOUD_TOKEN" ${apis.hcloud}/volumes/${volume}`,
      ].sort(),
    );
    expect(said.stdout).toContain(
      `left alone   volume "lab-old" (${volume}): the program has no place`,
    );
  });

  it("is not touched, and neither is anything else", async () => {
    expect(await inventory(lab, zones)).toEqual(before);
  });

  it("is gone when the command has been run", async () => {
    const cures = said.stdout.match(/curl -X DELETE.*/g) ?? [];
    for (const cure of cures) expect((await lab.withEngine(["bash", "-c", cure])).status).toBe(0);
    expect((await recover(lab)).leftAlone).toEqual([]);
  });
});

describe("a state that knows nothing of what is there", () => {
  it("gets addresses, volume, firewall and records back, but no server that runs on its volume", async () => {
    await lab.pulumiOrThrow(["state", "delete", "--all", "--yes"]);
    const { imported, leftAlone } = await recover(lab);
    expect(imported).toEqual([
      "mail-address-a",
      "mail-address-aaaa",
      ...["autoconfig", "autodiscover"].flatMap(addressesOf),
      "mail-address-ipv4",
      "mail-address-ipv6",
      ...addressesOf("mta-sts"),
      "mail-address-spf",
      "mail-host-firewall",
      expect.stringMatching(/^mail-host-ssh-/),
      "mail-host-volume",
    ]);
    const { apis } = await lab.status();
    const [server] = (await ask(lab, "hcloud", "GET", "/servers")).servers;
    expect(leftAlone).toEqual([
      {
        what: `server "mail.example.test" (${server.id})`,
        reason: "it runs on its volume; the next `pulumi up` would replace it without a farewell",
        cure: `curl -X POST -H "Authorization: Bearer $HCLOUD_TOKEN" ${apis.hcloud}/servers/${server.id}/actions/shutdown && npm run recover`,
      },
    ]);
  });

  it("gets the server as well once it is off, and `pulumi up` makes a new one on the same volume", async () => {
    const [before] = (await ask(lab, "hcloud", "GET", "/servers")).servers;
    await ask(lab, "hcloud", "POST", `/servers/${before.id}/actions/poweroff`);
    await expect
      .poll(async () => (await ask(lab, "hcloud", "GET", `/servers/${before.id}`)).server.status, {
        timeout: 20_000,
      })
      .toBe("off");
    expect((await recover(lab)).imported).toEqual(["mail-host"]);
    await killAt(lab, "the host key scan", () => engineRuns(lab, "ssh-keyscan"));
    const [after, ...others] = (await ask(lab, "hcloud", "GET", "/servers")).servers;
    expect(others).toEqual([]);
    expect(after.id).not.toBe(before.id);
    expect(after.volumes).toEqual(before.volumes);
  });
});

describe("`npm run recover`", () => {
  it("does nothing while another `pulumi` is at work, and names it", async () => {
    await recover(lab);
    const refusals: Awaited<ReturnType<typeof recoverSaid>>[] = [];
    await killAt(lab, "the refusal", async () => {
      if (!engineRuns(lab, "ssh-keyscan")) return false;
      refusals.push(await recoverSaid(lab));
      return true;
    });
    const [refused] = refusals;
    expect(refused?.status).toBe(1);
    expect(refused?.stderr).toMatch(
      /pulumi: process (\d+) is at work in this folder; wait for its end, or end it with: kill \1/,
    );
  });

  it("leaves a lock alone that another machine holds, and says how to clear it", async () => {
    const folder = join(lab.paths.pulumi, ".pulumi/locks/organization/mail-host/lab");
    const [name = ""] = readdirSync(folder).filter((file) => file.endsWith(".json"));
    const lock = readFileSync(join(folder, name), "utf8");
    writeFileSync(join(folder, name), lock.replaceAll(hostname(), "elsewhere"));
    const { status, stderr } = await recoverSaid(lab);
    writeFileSync(join(folder, name), lock);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^the stack is locked by \S+@elsewhere \(pid \d+\), .*: pulumi cancel --yes && npm run recover$/m,
    );
  });

  it("mends what a power cut left half written of the state, and loses nothing by it", async () => {
    await recover(lab);
    const before = await settledInventory();
    const state = join(lab.paths.pulumi, ".pulumi/stacks/mail-host/lab.json");
    const halved = [state, `${state}.attrs`];
    for (const file of halved) truncateSync(file, statSync(file).size >> 1);
    expect((await lab.pulumi(["stack", "export"])).stderr).toContain("failed to load checkpoint");
    const { status, stdout } = await recoverSaid(lab);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^state +\S+lab\.json\.attrs could not be read: removed/m);
    expect(stdout).toMatch(/^state +\S+lab\.json could not be read: replaced by lab\.json\.bak/m);
    expect(await settledInventory()).toEqual(before);
    const { mended, ...rest } = JSON.parse((await recoverSaid(lab, "--json")).stdout);
    expect(mended).toEqual([]);
    expect(rest).toEqual({ wasLocked: false, interrupted: [], imported: [], leftAlone: [] });
  });

  it("says which token is missing, and how to set it", async () => {
    const { status, stderr } = await lab.withEngine([
      ...["env", "--unset", "HCLOUD_TOKEN"],
      ...["npm", "run", "--silent", "recover"],
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain("pulumi config set --secret hcloud:token <token>");
  });

  it("shows no secret, whatever it says", async () => {
    const state = await lab.pulumiOrThrow(["stack", "export", "--show-secrets"]);
    const secrets = [...state.stdout.matchAll(/"plaintext": ?"\\"(\w{32,43})\\""/g)].map(
      ([, s]) => s,
    );
    expect(secrets.length).toBeGreaterThan(0);
    const { stdout, stderr } = await lab.withEngine(["npm", "run", "recover", "--", "--json"]);
    for (const secret of [...secrets, labTokens.hcloud, labTokens.cloudflare])
      expect(stdout + stderr).not.toContain(secret);
  });

  it("leaves a state that `pulumi destroy` empties both clouds with", async () => {
    await recover(lab);
    await lab.pulumiOrThrow(["destroy", "--yes", "--skip-preview"]);
    const [foreign] = (await ask(lab, "hcloud", "GET", "/volumes")).volumes;
    expect(foreign.name).toBe("of-another-stack");
    expect(await counts(lab, zones)).toEqual({ volumes: 1 });
  });
});
