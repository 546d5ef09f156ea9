// Addresses from which logins fail again and again: they wait longer each time, and then they are banned, they alone
// and for a while. Does not prove that a crowd of addresses with few attempts each is kept out: passwords do that.

import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { hostIsReady } from "../../support/cloud";
import { imapLogin, smtpLogin } from "../../support/conversation";
import { deliver, fetchMail, token, withMailbox } from "../../support/mail";
import { until } from "../../support/outage";
import { domain, login, onHost, openPorts, target } from "../../support/target";

const { ipv4, ipv6, elsewhere } = target;
const user = `alice@${domain}`;
const alice = login(user);
const userPorts = [465, 587, 993];
const allowedFailures = 19;

const failed = () =>
  Number(/Total failed:\s*(\d+)/.exec(onHost("fail2ban-client status mail-host"))?.[1]);
const banned = () => onHost("fail2ban-client get mail-host banip").split(/\s+/).filter(Boolean);
/** Bans, counts, and the waits that Dovecot imposes, which Postfix would outlast ten seconds of. */
const forget = () =>
  onHost("systemctl restart dovecot && fail2ban-client restart --unban mail-host");

/** That many wrong passwords, one at each submission port and the others over IMAP, where no wait is too long. */
async function fail(from: string | undefined, times: number, name: string = user): Promise<void> {
  const address = from?.includes(":") ? ipv6 : ipv4;
  const attempt = () => ({ user: name, password: token() });
  const submissions = ([465, 587] as const).slice(0, times - 1).map(async (port) => {
    const { smtp } = await smtpLogin(attempt(), { address, port, from });
    smtp.close();
  });
  await Promise.all(submissions);
  const fetches = Array.from({ length: times - submissions.length }, async () => {
    const { imap } = await imapLogin(attempt(), address, from);
    imap.close();
  });
  await Promise.all(fetches);
}

/** Fails, and waits until each failure is noticed. */
async function failAndCount(from: string, times: number, name?: string): Promise<void> {
  const before = failed();
  await fail(from, times, name);
  await until("each failure's count", 30, () => failed() >= before + times);
}

beforeEach(forget);
afterAll(() => {
  forget();
  return hostIsReady();
});

describe("an address from which logins fail", () => {
  it("waits longer after each of them", async () => {
    const penalty = () => {
      const line = onHost("doveadm penalty")
        .split("\n")
        .find((one) => one.startsWith(`${elsewhere.ipv4} `));
      return Number(line?.split(/\s+/)[1] ?? 0);
    };
    const seen: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      await fail(elsewhere.ipv4, 1);
      seen.push(penalty());
    }
    expect(seen).toEqual([1, 2, 3]);
  });

  it.each([
    ["IPv4", ipv4, elsewhere.ipv4],
    ["IPv6", ipv6, elsewhere.ipv6],
  ])(
    "is kept from users' ports after twenty, over %s, and lets go of nobody else",
    async (_family, address, from) => {
      await failAndCount(from, allowedFailures);
      expect(await openPorts(address, userPorts, from)).toEqual(userPorts);
      await fail(from, 1);
      await until("the ban", 30, () => banned().length > 0);
      expect(banned()).toEqual([from]);
      expect(await openPorts(address, [25, ...userPorts], from)).toEqual([25]);
      expect(await openPorts(address, userPorts)).toEqual(userPorts);
      const subject = token();
      await deliver({ to: user, subject, family: from.includes(":") ? 6 : 4 });
      await fetchMail({ ...alice, subject });
    },
  );

  it("is let in again when its time is over", async () => {
    const seconds = onHost("fail2ban-client get mail-host bantime").trim();
    expect(seconds).toBe("3600");
    onHost("fail2ban-client set mail-host bantime 5");
    try {
      await fail(elsewhere.ipv4, allowedFailures + 1);
      await until("the ban", 30, () => banned().length > 0);
      await until("its end", 60, () => banned().length === 0);
    } finally {
      onHost(`fail2ban-client set mail-host bantime ${seconds}`);
    }
    expect(await openPorts(ipv4, userPorts, elsewhere.ipv4)).toEqual(userPorts);
  });

  it("stays banned when the rules are taken anew, and when the daemon is", async () => {
    await fail(elsewhere.ipv4, allowedFailures + 1);
    await until("the ban", 30, () => banned().length > 0);
    for (const command of ["reload", "restart"]) {
      onHost(`systemctl ${command} fail2ban`);
      await until("its return", 30, () => banned().includes(elsewhere.ipv4));
      expect(await openPorts(ipv4, userPorts, elsewhere.ipv4)).toEqual([]);
    }
  });
});

describe("nobody is banned", () => {
  it("for a name that looks like another's address, in whatever signs", async () => {
    const victim = elsewhere.ipv6;
    const line = `x,${victim})<1>: request [1]: sql: Password mismatch`;
    const names = [
      line,
      `auth-worker(${line}`,
      `\nauth-worker(${line}`,
      `<${victim}>`,
      `rip=${victim}`,
    ];
    const time = onHost("date +%s").trim();
    await Promise.all(names.map((name) => fail(elsewhere.ipv4, 3, name)));
    await failAndCount(elsewhere.ipv4, 1);
    const noticed = onHost(`journalctl --unit=fail2ban --since=@${time} --output=cat`);
    expect(noticed).toContain(`Found ${elsewhere.ipv4} `);
    expect(noticed).not.toContain(victim);
    forget();
    await failAndCount(elsewhere.ipv4, allowedFailures + 1, "192.0.2.1");
    await until("the ban", 30, () => banned().length > 0);
    expect(banned()).toEqual([elsewhere.ipv4]);
  });

  it("of the operators", async () => {
    await fail(undefined, 30);
    await failAndCount(elsewhere.ipv4, 1);
    expect(banned()).toEqual([]);
    expect(await withMailbox(alice, async () => true)).toBe(true);
  });

  it("for what the host could not judge", async () => {
    const before = failed();
    onHost("systemctl stop mariadb");
    try {
      await fail(elsewhere.ipv4, allowedFailures + 1);
    } finally {
      onHost("systemctl start mariadb");
      await hostIsReady();
    }
    await failAndCount(elsewhere.ipv4, 1);
    expect(failed()).toBe(before + 1);
    expect(banned()).toEqual([]);
  });
});
