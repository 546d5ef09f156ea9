// A first deployment that is interrupted at each of its stages: by a power cut of the operator's
// machine or of the host, by clouds that refuse, by SSH that breaks. Every time the next `pulumi up`
// goes on, and in the end there is one mail host, which `pulumi destroy` removes.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import {
  ask,
  counts,
  engineRuns,
  holdAnswers,
  inventory,
  killAt,
  pardon,
  recover,
  refuse,
  up,
} from "../support/interruption";

const lab = openLab("recover");
const host = "mail.example.test";
const zones = [zoneIdOf("example.test"), zoneIdOf("second.test")];

const onHost = (command: string) => lab.exec(host, ["bash", "-c", command]);
const succeedsOnHost = async (command: string): Promise<boolean> =>
  (await onHost(command).catch(() => ({ status: 1 }))).status === 0;
/** Until the command succeeds on a host that may not be installed yet. */
const untilOnHost = (what: string, command: string) =>
  until(what, 600, async () => (await succeedsOnHost(command)) || undefined);

/** Names that lead to the host: its own with an SPF record, three for each domain. */
const addressRecords = 3 + 2 * 3 * 2;
/** What a first `pulumi up` leaves in the clouds at least, and nothing twice. */
const complete = {
  ...{ ssh_keys: 1, firewalls: 1, primary_ips: 2, volumes: 1, servers: 1 },
  records: addressRecords + 2 * 18,
};
/** What waits for the certificates: two sets at the host's name; of each domain three, and its policy. */
const promises = 4 + 2 * 7;

/** How many records the stack says that it has: a later `up` has some of the promises too. */
async function published(): Promise<number> {
  const { stdout } = await lab.pulumiOrThrow(["stack", "output", "--json"]);
  const records: { type: string }[] = JSON.parse(stdout).dnsRecords;
  return records.filter(({ type }) => type !== "PTR").length;
}

/** A `pulumi up` after the other, until nothing waits any more for what the host serves. */
async function everythingIsServed(): Promise<void> {
  await until("a host that serves everything", 300, async () => {
    expect((await up(lab)).status).toBe(0);
    const { stdout } = await lab.pulumiOrThrow(["stack", "output", "--json"]);
    return JSON.parse(stdout).pending.length === 0 || undefined;
  });
}

async function mailIsUp(): Promise<void> {
  const said = await published();
  expect(said).toBeGreaterThanOrEqual(complete.records);
  expect(await counts(lab, zones)).toEqual({ ...complete, records: said });
  expect(await succeedsOnHost("systemctl is-active --quiet mail-ready.target")).toBe(true);
  const { records } = await inventory(lab, zones);
  const mx = records.filter(isMx);
  expect(
    mx.map(({ name, content }: Record<string, string>) => `${name} ${content}`).sort(),
  ).toEqual([`example.test ${host}`, `second.test ${host}`]);
  // Resolvers remember the address of a deployment before this one for up to a minute.
  const [machine] = (await lab.status()).machines;
  await until("the host's address in the DNS", 90, async () => {
    const { stdout } = await lab.inNetwork(["getent", "ahostsv4", host]);
    return stdout.split(/\s/).includes(machine?.ipv4 ?? "") || undefined;
  });
  const { host: through, reply } = await lab.sendMail({
    from: "friend@elsewhere.test",
    to: "alice@example.test",
    subject: "after all",
    text: "It arrived.\r\n",
  });
  expect({ through, reply }).toEqual({ through: host, reply: expect.stringMatching(/^250 /) });
}

const isMx = ({ type, content }: Record<string, string>) => type === "MX" && content !== ".";

/** Each record that is there besides those of before is imported, under a name of its own. */
async function expectImported(before: number, name: RegExp): Promise<void> {
  const there = (await counts(lab, zones)).records ?? 0;
  const { imported } = await recover(lab);
  expect(imported).toHaveLength(there - before);
  expect(new Set(imported).size).toBe(imported.length);
  for (const one of imported) expect(one).toMatch(name);
}

async function leavesNothing(): Promise<void> {
  await lab.pulumiOrThrow(["destroy", "--yes", "--skip-preview"]);
  expect(await counts(lab, zones)).toEqual({});
}

/** Keeps `mail-directory` waiting for its lock, until the end of the test. */
async function holdDirectory(): Promise<void> {
  const wait = "touch /run/held; while test -e /run/held; do sleep 0.1; done";
  void onHost(`flock /run/lock/mail-directory bash -c '${wait}'`);
  await untilOnHost("the held lock", "test -e /run/held");
}

/** Waits on the host for a command of the engine's, and returns the process that serves its connection. */
async function servedBy(command: string): Promise<string> {
  await untilOnHost(command, `pgrep --full '^/bin/bash ${command}'`);
  const { stdout } = await onHost(
    `pid=$(pgrep --full --oldest '^/bin/bash ${command}'); until [[ "$(cat /proc/$pid/comm)" == sshd* ]]; do pid=$(ps -o ppid= "$pid" | tr -d ' '); ((pid > 1)) || exit 1; done; echo "$pid"`,
  );
  return stdout.trim();
}

/** What is waited for, unless `pulumi up` ends before it. */
const during = <T>(ended: ReturnType<typeof up>, waited: Promise<T>): Promise<T> =>
  Promise.race([
    waited,
    ended.then(({ said }): never => {
      throw new Error(`pulumi up has ended: ${said}`);
    }),
  ]);

/** A firewall between the engine and every host's SSH, which drops packets or refuses connections. */
async function closeSsh(verdict: "drop" | "reject with tcp reset"): Promise<void> {
  const rules = `add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out tcp dport 22 counter ${verdict}`;
  const { status, stderr } = await lab.inNetwork(["nft", rules]);
  expect(`${status} ${stderr}`).toBe("0 ");
}

/** How many packets the firewall has turned away: as many attempts to connect, where it refuses them. */
async function turnedAway(): Promise<number> {
  const { stdout } = await lab.inNetwork(["nft", "list", "table", "inet", "cut"]);
  return Number(/packets (\d+)/.exec(stdout)?.[1]);
}

const openSsh = () => lab.inNetwork(["nft", "delete table inet cut"]);

beforeAll(async () => {
  await lab.up();
});
// A test that fails must not hold the directory of those after it.
afterEach(async () => {
  await succeedsOnHost("rm --force /run/held");
});
afterAll(async () => {
  await lab.down();
});

describe("an engine that is killed", () => {
  it("between the first creations and their answers: each is imported, under its own name", async () => {
    await holdAnswers(lab, "hcloud", "/v1/(ssh_keys|firewalls|primary_ips|volumes)$");
    const first = { ssh_keys: 1, firewalls: 1, primary_ips: 2, volumes: 1 };
    await killAt(lab, "the first creations", async () => {
      const now = await counts(lab, zones);
      return Object.entries(first).every(([kind, count]) => now[kind] === count);
    });
    await pardon(lab);
    const { wasLocked, interrupted, imported, leftAlone } = await recover(lab);
    const names = [
      "mail-address-ipv4",
      "mail-address-ipv6",
      "mail-host-firewall",
      expect.stringMatching(/^mail-host-ssh-/),
      "mail-host-volume",
    ];
    expect({ wasLocked, imported, leftAlone }).toEqual({
      wasLocked: true,
      imported: names,
      leftAlone: [],
    });
    // And perhaps what the engine was at beside them, such as a password.
    for (const name of imported) expect(interrupted).toContain(`creating ${name}`);
    expect(await counts(lab, zones)).toEqual(first);
  });

  it("between address records, PTR records and their answers", async () => {
    await holdAnswers(lab, "hcloud", "change_dns_ptr$");
    await holdAnswers(lab, "cloudflare", "dns_records$");
    await killAt(lab, "the records of the addresses", async () => {
      const { records, primary_ips } = await inventory(lab, zones);
      return records.length > 4 && JSON.stringify(primary_ips).split(`"${host}"`).length === 3;
    });
    await pardon(lab);
    await expectImported(0, /^mail-address-/);
  });

  it("between the server and its answer", async () => {
    await holdAnswers(lab, "hcloud", "/v1/servers$");
    await killAt(lab, "the server", async () => (await counts(lab, zones)).servers === 1);
    await pardon(lab);
    expect((await recover(lab)).imported).toEqual(["mail-host"]);
  });

  it("between the attachment and its answer", async () => {
    const [halfMade] = (await inventory(lab, zones)).servers;
    await holdAnswers(lab, "hcloud", "actions/attach$");
    await killAt(
      lab,
      "the attachment",
      async () => (await inventory(lab, zones)).volumes[0].server !== null,
    );
    await pardon(lab);
    await untilOnHost(
      "a host whose proof waits",
      "mkdir -p /run/systemd/system/mail-prove.service.d && printf '[Service]\\nExecStartPre=/bin/bash -c \"while test -e /run/unproven; do sleep 0.1; done\"\\n' >/run/systemd/system/mail-prove.service.d/wait.conf && touch /run/unproven && systemctl daemon-reload",
    );
    expect((await recover(lab)).imported).toEqual(["mail-host-volume-attachment"]);
    const [server] = (await inventory(lab, zones)).servers;
    expect(server.id).not.toBe(halfMade.id);
  });

  it("at the first contact over SSH, which gets through to nobody", async () => {
    await closeSsh("drop");
    await killAt(lab, "the host key scan", () => engineRuns(lab, "ssh-keyscan"));
    await openSsh();
    expect(await recover(lab)).toEqual({
      wasLocked: true,
      interrupted: ["creating mail-host-host-key"],
      imported: [],
      leftAlone: [],
    });
  });

  it("while the host proves itself", async () => {
    await killAt(lab, "mail-wait", () => succeedsOnHost("pgrep --full '^/bin/bash .*/mail-wait'"));
    expect((await recover(lab)).interrupted).toEqual(["creating mail-host-ready"]);
    await onHost("rm /run/unproven");
  });

  it("while the directory is carried to the host", async () => {
    await holdDirectory();
    await killAt(lab, "mail-directory", () =>
      succeedsOnHost("pgrep --full '^/bin/bash .*/mail-directory'"),
    );
    const before = (await counts(lab, zones)).records ?? 0;
    const { interrupted, imported } = await recover(lab);
    expect(interrupted).toContain("creating mail-directory");
    // What the engine may have been at beside it, and nothing that must wait for the directory.
    const beside = /^creating mail-(directory|host-smarthost|certificate|certificate-.*)$/;
    for (const one of interrupted) expect(one).toMatch(beside);
    for (const one of imported) expect(interrupted).toContain(`creating ${one}`);
    expect((await counts(lab, zones)).records).toBe(before);
  });

  it("between the records of the domains and their answers", async () => {
    const before = (await counts(lab, zones)).records ?? 0;
    expect(before).toBeGreaterThanOrEqual(addressRecords);
    await holdAnswers(lab, "cloudflare", "dns_records$");
    const more = async () => ((await counts(lab, zones)).records ?? 0) > before + 4;
    await killAt(lab, "the records of the domains", more);
    await pardon(lab);
    await expectImported(before, /^(example\.test|second\.test|mail-certificate)-/);
  });

  it("between the MX records and their answers", async () => {
    await everythingIsServed();
    const all = complete.records + promises;
    expect((await counts(lab, zones)).records).toBe(all);
    const { records } = await inventory(lab, zones);
    // As if they had never been there.
    for (const { id, name, zone_id, content } of records.filter(isMx)) {
      expect(content).toBe(host);
      await ask(
        lab,
        "cloudflare",
        "DELETE",
        `/zones/${zone_id ?? zoneIdOf(name)}/dns_records/${id}`,
      );
    }
    await lab.pulumiOrThrow(["refresh", "--yes", "--skip-preview"]);
    await holdAnswers(lab, "cloudflare", "dns_records$");
    await killAt(lab, "the MX records", async () => (await counts(lab, zones)).records === all);
    await pardon(lab);
    expect((await recover(lab)).imported).toEqual(["example.test-mx", "second.test-mx"]);
  });

  it("every time: the next `pulumi up` finishes the deployment, with nothing twice", async () => {
    expect((await up(lab)).said).toContain("unchanged");
    expect(await published()).toBe(complete.records + promises);
    await mailIsUp();
  });

  it("every time: nothing is left to change, to refresh or to recover", async () => {
    await lab.pulumiOrThrow(["refresh", "--yes", "--skip-preview"]);
    expect(await up(lab, "--expect-no-changes")).toMatchObject({ status: 0 });
    expect((await recover(lab)).imported).toEqual([]);
  });

  it("every time: `pulumi destroy` removes it all", leavesNothing);
});

describe("clouds that refuse, SSH that breaks, and a host that loses its power", () => {
  const stages: [what: string, order: () => Promise<void>][] = [
    ["the zones", () => refuse(lab, "cloudflare", "/zones/", 3, "GET")],
    [
      "the first creations",
      () => refuse(lab, "hcloud", "/v1/(ssh_keys|firewalls|primary_ips|volumes)$", 3, "POST"),
    ],
    [
      "the records of the addresses",
      async () => {
        await refuse(lab, "hcloud", "change_dns_ptr$", 2, "POST");
        await refuse(lab, "cloudflare", "dns_records$", 2, "POST");
      },
    ],
    ["the server", () => refuse(lab, "hcloud", "/v1/servers$", 1, "POST")],
    ["the attachment", () => refuse(lab, "hcloud", "actions/attach$", 1, "POST")],
  ];

  it.each(stages)("stop `pulumi up` at %s, and say why", async (_what, order) => {
    await order();
    const { status, said } = await up(lab);
    await pardon(lab);
    expect(status).not.toBe(0);
    expect(said).toMatch(/not available at the moment/);
  });

  it("stop `pulumi up` while the host installs itself: its power is cut as its database is made", async () => {
    const stopped = up(lab);
    await during(stopped, servedBy(".*/mail-wait"));
    await during(
      stopped,
      untilOnHost("a database half made", "test -e /var/lib/mysql/mysql/user.frm"),
    );
    const [{ id }] = (await inventory(lab, zones)).servers;
    await ask(lab, "hcloud", "POST", `/servers/${id}/actions/poweroff`);
    await until("a server that is off", 60, async () => {
      const [{ status }] = (await inventory(lab, zones)).servers;
      return status === "off" || undefined;
    });
    await ask(lab, "hcloud", "POST", `/servers/${id}/actions/poweron`);
    const { status, said } = await stopped;
    expect(status).not.toBe(0);
    expect(said).toMatch(/mail-host-ready.*error: /);
  });

  it("stop `pulumi up` while the host proves itself: a connection breaks", async () => {
    const stopped = up(lab);
    const server = await during(stopped, servedBy(".*/mail-wait"));
    await onHost(`kill -KILL ${server}`);
    const { status, said } = await stopped;
    expect(status).not.toBe(0);
    expect(said).toMatch(/mail-host-ready.*error: /);
  });

  it("stop `pulumi up` while the directory is carried to the host, not before: its sshd is killed after a firewall has refused more attempts than Pulumi's ten", async () => {
    await holdDirectory();
    await closeSsh("reject with tcp reset");
    const stopped = up(lab);
    const attempts = until("attempts", 600, async () => (await turnedAway()) > 12 || undefined);
    await during(stopped, attempts).finally(openSsh);
    await during(stopped, servedBy(".*/mail-directory"));
    await onHost("kill -KILL $(pgrep sshd)");
    const { status, said } = await stopped;
    expect(status).not.toBe(0);
    expect(said).toMatch(/mail-directory.*error: /);
  });

  it("stop `pulumi up` at the MX records", async () => {
    await refuse(lab, "cloudflare", "dns_records$", 2, "POST");
    const { status, said } = await up(lab);
    await pardon(lab);
    expect(status).not.toBe(0);
    expect(said).toMatch(/not available at the moment/);
  });

  it("are over: a plain `pulumi up` finishes the deployment", async () => {
    expect((await up(lab)).status).toBe(0);
    await mailIsUp();
    // Names each table of which anything is lost.
    expect((await onHost("mariadb-check --all-databases --silent")).stdout).toBe("");
  });

  it("are over: `pulumi destroy` removes it all", leavesNothing);
});
