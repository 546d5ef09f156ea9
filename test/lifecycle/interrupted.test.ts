// A first deployment that is interrupted at each of its stages: by a power cut of the operator's
// machine, by clouds that refuse, by SSH that breaks. Every time the next `pulumi up` goes on, and in
// the end there is one mail host, which `pulumi destroy` removes.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { zoneIdOf } from "../../lab/clouds/cloudflare";
import { until } from "../../lab/host/run";
import { openLab } from "../../lab/lab";
import {
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
/** Until the command succeeds on a host that may not have booted yet. */
const untilOnHost = (what: string, command: string) =>
  until(what, 120, async () => (await succeedsOnHost(command)) || undefined);

/** What a whole deployment leaves in the clouds, and nothing twice. */
const complete = { ssh_keys: 1, firewalls: 1, primary_ips: 2, volumes: 1, servers: 1, records: 4 };

async function mailIsUp(): Promise<void> {
  expect(await counts(lab, zones)).toEqual(complete);
  expect(await succeedsOnHost("systemctl is-active --quiet mail-ready.target")).toBe(true);
  const { records } = await inventory(lab, zones);
  const mx = records.filter(({ type }: { type: string }) => type === "MX");
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

async function leavesNothing(): Promise<void> {
  await lab.pulumiOrThrow(["destroy", "--yes", "--skip-preview"]);
  expect(await counts(lab, zones)).toEqual({});
}

/** Keeps `mail-directory` waiting for its lock; `rm /run/held` lets it go on. */
async function holdDirectory(): Promise<void> {
  const wait = "touch /run/held; while test -e /run/held; do sleep 0.1; done";
  void onHost(`flock /run/lock/mail-directory bash -c '${wait}'`);
  await untilOnHost("the held lock", "test -e /run/held");
}

/** Waits on the host for a command of the engine's, and returns the process that serves its connection. */
async function servedBy(command: string): Promise<string> {
  await untilOnHost(command, `pgrep --full '^/bin/bash ${command}'`);
  const { stdout } = await onHost(
    `pid=$(pgrep --full --oldest '^/bin/bash ${command}'); until [[ "$(cat /proc/$pid/comm)" == sshd* ]]; do pid=$(ps -o ppid= "$pid" | tr -d ' '); done; echo "$pid"`,
  );
  return stdout.trim();
}

/** A firewall between the engine and every host's SSH, which drops packets or refuses connections. */
async function closeSsh(verdict: "drop" | "reject with tcp reset"): Promise<void> {
  const rules = `add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out tcp dport 22 ${verdict}`;
  const { status, stderr } = await lab.inNetwork(["nft", rules]);
  expect(`${status} ${stderr}`).toBe("0 ");
}

const openSsh = () => lab.inNetwork(["nft", "delete table inet cut"]);

beforeAll(async () => {
  await lab.up();
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
      return records.length === 2 && JSON.stringify(primary_ips).split(`"${host}"`).length === 3;
    });
    await pardon(lab);
    expect((await recover(lab)).imported).toEqual(["mail-address-a", "mail-address-aaaa"]);
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
    expect((await recover(lab)).interrupted).toEqual(["creating mail-directory"]);
    await onHost("rm /run/held");
  });

  it("between the MX records and their answers", async () => {
    await holdAnswers(lab, "cloudflare", "dns_records$");
    await killAt(lab, "the MX records", async () => (await counts(lab, zones)).records === 4);
    await pardon(lab);
    expect((await recover(lab)).imported).toEqual(["example.test-mx", "second.test-mx"]);
  });

  it("every time: the next `pulumi up` finishes the deployment, with nothing twice", async () => {
    expect((await up(lab)).said).toContain("unchanged");
    await mailIsUp();
  });

  it("every time: nothing is left to change, to refresh or to recover", async () => {
    await lab.pulumiOrThrow(["refresh", "--yes", "--skip-preview"]);
    expect(await up(lab, "--expect-no-changes")).toMatchObject({ status: 0 });
    expect((await recover(lab)).imported).toEqual([]);
  });

  it("every time: `pulumi destroy` removes it all", leavesNothing);
});

describe("clouds that refuse and SSH that breaks", () => {
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

  it("stop `pulumi up` while the host proves itself: a connection breaks", async () => {
    const stopped = up(lab);
    await onHost(`kill -KILL ${await servedBy(".*/mail-wait")}`);
    const { status, said } = await stopped;
    expect(status).not.toBe(0);
    expect(said).toMatch(/mail-host-ready.*error: /);
  });

  it("stop `pulumi up` while the host proves itself: a firewall closes SSH", async () => {
    await closeSsh("reject with tcp reset");
    const { status, said } = await up(lab);
    await openSsh();
    expect(status).not.toBe(0);
    expect(said).toMatch(/mail-host-ready.*error: /);
  });

  it("stop `pulumi up` while the directory is carried to the host: its sshd is killed", async () => {
    await holdDirectory();
    const stopped = up(lab);
    await servedBy(".*/mail-directory");
    await onHost("kill -KILL $(pgrep sshd)");
    const { status, said } = await stopped;
    await onHost("rm /run/held");
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
  });

  it("are over: `pulumi destroy` removes it all", leavesNothing);
});
