// The stack over time, on the real engine and the emulated clouds: nothing changes by itself, a new
// machine keeps everything, and nothing is left behind. Runs last, since it ends the stack.

import { execSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { openLab } from "../../lab/lab";
import { nameOf } from "../../scripts/recovery/placement";
import { labConfiguration, type Values } from "../support/configuration";
import { generationValues, presentGenerations } from "../support/generations";

const lab = openLab(process.env.MAIL_HOST_LAB);
const host = "mail.example.test";

const pulumi = async (...args: string[]) => (await lab.pulumiOrThrow(args)).stdout;

async function onHost(command: string): Promise<string> {
  const { stdout, stderr, status } = await lab.exec(host, ["bash", "-c", command]);
  if (status !== 0) throw new Error(`${command} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout.trim();
}

async function outputs(): Promise<Record<string, unknown>> {
  return JSON.parse(await pulumi("stack", "output", "--json", "--show-secrets"));
}

/** What must outlive a machine. */
async function lasting() {
  return {
    mail: await onHost(
      "cd /var/mail/virtual && find . -type f -path '*/new/*' -o -type f -path '*/cur/*' | xargs -r sha256sum | sed 's/:2,.*//' | cut -d' ' -f1 | sort",
    ),
    users: await onHost("mariadb -N maildb -e 'select * from users order by email'"),
    hostKey: await onHost("ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null"),
    certificate: await onHost(
      "openssl s_client -connect 127.0.0.1:993 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
    ),
    // The lab's authority forgets accounts when it is stopped, as tests before these do to it: the next
    // order makes another. A real one's account is on the volume too.
    outputs: JSON.parse(
      JSON.stringify(await outputs()).replaceAll(/accounturi=[^;]+/g, "accounturi=…"),
    ),
    account: await onHost("openssl pkey -in /srv/mail-host/acme/account.key -pubout"),
  };
}

const secondKey = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"B".repeat(43)} second-operator`;

/** The generations of keys that the host has: tests before these raise them. */
let standing: Values = {};
beforeAll(async () => {
  standing = generationValues(await presentGenerations(host, "example.test", onHost));
});

/** The lab's configuration with these values, as a flag. */
const configured = (values: Values = {}) => [
  "--config-file",
  labConfiguration({ ...standing, ...values }),
];

const preview = (...flags: string[]) => pulumi("preview", ...configured(), ...flags);
const up = (values?: Values, ...flags: string[]) =>
  pulumi("up", "--yes", "--skip-preview", ...configured(values), ...flags);

/** A further SSH key, and perhaps a new generation. */
const machine = (generation: number): Values => ({
  "mail-host:host.generation": generation,
  "mail-host:host.sshKeys.1": secondKey,
});

/** What a preview with other values would do, each as `<operation> <name>`. */
async function previewed(values: Values): Promise<string[]> {
  const { steps } = JSON.parse(await pulumi("preview", "--json", ...configured(values)));
  return steps
    .filter(({ op }: { op: string }) => op !== "same")
    .map(({ op, urn }: { op: string; urn: string }) => `${op} ${nameOf(urn)}`)
    .sort();
}

describe("a stack that is up", () => {
  it("does not change in a second `pulumi up`", async () => {
    const result = await up({}, "--expect-no-changes");
    expect(result).not.toMatch(/\b(created|updated|replaced|deleted)\b/);
  });

  it("shows no change after a refresh", async () => {
    await pulumi("refresh", "--yes", "--skip-preview");
    await preview("--expect-no-changes");
  });

  it("serves everything that its records promise, and signs its zones", async () => {
    const { pending, ds } = await outputs();
    expect(pending).toEqual([]);
    expect(Object.keys(Object(ds)).sort()).toEqual(["example.test", "second.test"]);
  });

  it("changes no record when what is written to the host changes", async () => {
    const changes = await previewed({
      "mail-host:host.acmeDirectory": "https://acme.test:14000/other",
    });
    expect(changes).toEqual(["update mail-host-birth"]);
  });

  it("has a new machine by a new generation alone, whatever else is as it was", async () => {
    const changes = await previewed({ "mail-host:host.generation": 2 });
    expect(changes).toContain("replace mail-host");
  });

  it("touches no other domain's records when a domain is added", async () => {
    const name = "third.second.test";
    const zoneId = "8319fcd1d822979e21ecc5e09ddd04f6";
    const changes = await previewed({ "mail-host:domains.2": { name, zoneId } });
    const added = changes.filter((change) => change.startsWith("create "));
    expect(added.length).toBeGreaterThan(20);
    expect(added.filter((change) => !change.includes(name))).toEqual([]);
    expect(changes.filter((change) => !added.includes(change))).toEqual(["update mail-directory"]);
  });

  it("loses no record while nobody gets through to what they promise", async () => {
    const rules =
      "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out tcp dport { 443, 993 } reject with tcp reset";
    expect((await lab.inNetwork(["nft", rules])).stderr).toBe("");
    try {
      await preview("--expect-no-changes");
    } finally {
      await lab.inNetwork(["nft", "delete table inet cut"]);
    }
  });

  it("does not show the database password in a preview", async () => {
    const state = JSON.parse(await pulumi("stack", "export", "--show-secrets"));
    const password = state.deployment.resources.find((r: { urn: string }) =>
      r.urn.endsWith("mail-host-database-password"),
    ).outputs.result;
    const text = typeof password === "string" ? password : JSON.parse(password.plaintext);
    expect(text).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(await preview("--diff", "--json")).not.toContain(text);
  });
});

/** Which of the mail ports answer from outside. */
async function openMailPorts(): Promise<string> {
  const program = `
    const { connect } = require("node:net");
    const probe = (port) => new Promise((resolve) => {
      const socket = connect({ host: "198.18.1.10", port });
      const finish = (open) => { socket.destroy(); resolve(open ? [port] : []); };
      socket.setTimeout(2000, () => finish(false)).once("connect", () => finish(true)).once("error", () => finish(false));
    });
    Promise.all([25, 465, 587, 993].map(probe)).then((found) => console.log(found.flat().join(" ")));
  `;
  return (await lab.inNetwork(["node", "-e", program])).stdout.trim();
}

describe("a boot", () => {
  it("opens no mail port before the host has proven itself, and all of them after", async () => {
    const bootId = await onHost(
      "cat /proc/sys/kernel/random/boot_id; systemctl show --property=UserspaceTimestampMonotonic",
    );
    expect(await openMailPorts()).toBe("25 465 587 993");
    await onHost("systemctl mask --quiet mariadb.service");
    await lab.exec(host, ["systemctl", "reboot"]);
    const failedProof =
      "systemctl show --property=UserspaceTimestampMonotonic; systemctl show --property=NRestarts --value mail-prove.service";
    for (const deadline = Date.now() + 120_000; ; ) {
      const { stdout, status } = await lab
        .exec(host, ["bash", "-c", failedProof])
        .catch(() => ({ stdout: "", status: 1 }));
      const [boot = "", restarts = "0"] = stdout.trim().split("\n");
      if (status === 0 && !bootId.includes(boot) && Number(restarts) > 0) break;
      if (Date.now() > deadline)
        throw new Error(`no failed proof two minutes after a reboot: ${stdout}`);
    }
    expect(await openMailPorts()).toBe("");
    await onHost(
      "systemctl unmask --quiet mariadb.service && systemctl start mariadb.service && /usr/local/sbin/mail-wait 120",
    );
    expect(await openMailPorts()).toBe("25 465 587 993");
  });
});

describe("a change of what a machine is born with", () => {
  it("does not replace the running one", async () => {
    await onHost("touch /root/of-the-old-machine");
    await up(machine(1));
    expect(await onHost("test -e /root/of-the-old-machine && echo old || echo new")).toBe("old");
  });
});

describe("a new generation of the host", () => {
  let before: Awaited<ReturnType<typeof lasting>>;
  beforeAll(async () => {
    before = await lasting();
    expect(before.mail).not.toBe("");
    await up(machine(2));
  });

  it("is another machine", async () => {
    expect(await onHost("test -e /root/of-the-old-machine && echo old || echo new")).toBe("new");
  });

  it("was born with what the configuration says today", async () => {
    expect(await onHost("cat /root/.ssh/authorized_keys")).toContain(secondKey.split(" ")[1]);
  });

  it("keeps mail, passwords, host key, certificate, addresses and records", async () => {
    expect(await lasting()).toEqual(before);
  });

  it("changes nothing in the `pulumi up` after it", async () => {
    await up(machine(2), "--expect-no-changes");
  });
});

/** What the lab's own name server publishes, or why it has nothing. */
async function published(name: string, type: string): Promise<string> {
  const { nameserver } = await lab.status();
  const program = `
    const resolver = new (require("node:dns").promises.Resolver)();
    resolver.setServers([${JSON.stringify(nameserver?.ipv4)}]);
    resolver.resolve(${JSON.stringify(name)}, ${JSON.stringify(type)}).then((found) => console.log(JSON.stringify(found)), ({ code }) => console.log(code));
  `;
  return (await lab.inNetwork(["node", "-e", program])).stdout.trim();
}

describe("the name server", () => {
  it("publishes the records of a stack that is up", async () => {
    expect(await published("example.test", "MX")).toContain("mail.example.test");
    expect(await published(host, "A")).toBe('["198.18.1.10"]');
    expect(await published("10.1.18.198.in-addr.arpa", "PTR")).toBe('["mail.example.test"]');
  });
});

describe("`npm run teardown`", () => {
  it("counts what the host holds, and deletes nothing for another host's name", async () => {
    const users = (await onHost("mariadb -N maildb -e 'select email from users'")).split("\n");
    const messages = await onHost(
      `for user in ${users.join(" ")}; do doveadm -f tab mailbox status -u $user messages '*' | tail --lines=+2; done |
       awk '{ messages += $NF } END { print messages }'`,
    );
    expect(Number(messages)).toBeGreaterThan(0);
    const queued = await onHost("postqueue -j | wc --lines");
    const words = ["--silent", "teardown", "--", "--json", "--yes-delete", "another.test"];
    const { status, stdout, stderr } = await lab.withEngine(["npm", "run", ...words]);
    expect(status, stderr).toBe(1);
    expect(stderr).toContain(`that is not ${host}: nothing was deleted`);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      ...{ hostname: host, servers: 1, volumes: [20], deleted: false },
      host: { mailboxes: users.length, messages: Number(messages), queued: Number(queued) },
    });
    expect(report.host.bytes).toBeGreaterThan(report.host.messages);
    expect((await lab.status()).machines).toHaveLength(1);
  });
});

describe("`pulumi destroy`", () => {
  it("leaves nothing in either cloud, on the name server or on the machine", async () => {
    await pulumi("destroy", "--yes", "--skip-preview");
    const { machines, apis } = await lab.status();
    expect(machines).toEqual([]);
    const api = async (url: string, token: string) => {
      const { stdout } = await lab.inNetwork([
        "curl",
        "-sS",
        "-H",
        `Authorization: Bearer ${token}`,
        url,
      ]);
      return JSON.parse(stdout);
    };
    const hcloudToken = "0".repeat(64);
    for (const kind of ["servers", "primary_ips", "volumes", "firewalls", "ssh_keys"]) {
      expect((await api(`${apis.hcloud}/${kind}`, hcloudToken))[kind]).toEqual([]);
    }
    for (const zone of ["09952be409a7d6464cd7661beeeb966e", "8319fcd1d822979e21ecc5e09ddd04f6"]) {
      expect(
        (await api(`${apis.cloudflare}/zones/${zone}/dns_records`, "0".repeat(40))).result,
      ).toEqual([]);
    }
    expect(await published("example.test", "MX")).toBe("ENODATA");
    expect(await published(host, "A")).toBe("ENOTFOUND");
    expect(await published("10.1.18.198.in-addr.arpa", "PTR")).toBe("ENOTFOUND");
  });

  it("is followed by a `down` that leaves nothing on this machine", async () => {
    const { name } = await lab.status();
    await lab.down();
    // Another lab's name may begin with this one's.
    const ofThisLab = new RegExp(`mail-host-(lab/)?${name}(?![a-z0-9-])`);
    for (const list of [
      "ip netns list",
      "losetup --list --noheadings --output BACK-FILE",
      "ip -brief link",
      "ps -eo args",
      "find /var/lib /run -maxdepth 3",
    ]) {
      const printed = execSync(list, { encoding: "utf8" }).split("\n");
      expect(printed.filter((line) => ofThisLab.test(line))).toEqual([]);
    }
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    expect(mounts.filter((line) => ofThisLab.test(line))).toEqual([]);
  });
});
