// Parts of the host stop, hang, die, or run out of room while mail comes in. It is answered 4xx, not
// answered, or taken and kept; what was taken arrives; and mail-ready.target says how it is.

import { afterEach, describe, expect, it } from "vitest";
import {
  attachVolume,
  cutPower,
  detachVolume,
  hostIsReady,
  powerOn,
  restart,
} from "../../support/cloud";
import { deliver, fetchMail, submit, token, withMailbox } from "../../support/mail";
import {
  answersPing,
  domain,
  hostAnswers,
  login,
  onHost,
  openPorts,
  target,
} from "../../support/target";
import { answersOf, isReady, underTraffic, until } from "../../support/traffic";

const user = `alice@${domain}`;
const alice = login(user);
const mailPorts = [25, 465, 587, 993];

afterEach(async () => {
  await hostIsReady();
});

describe("mail that comes in while something is stopped", () => {
  it.each([
    ["Dovecot", "systemctl stop dovecot", "systemctl start dovecot"],
    ["the resolver", "systemctl stop unbound", "systemctl start unbound"],
  ])("arrives by itself when %s is back", async (_part, stop, start) => {
    await underTraffic(
      async (traffic) => {
        onHost(stop);
        await until("the end of mail-ready.target", 60, () => !isReady());
        const before = answersOf(traffic);
        await until("answers meanwhile", 90, () => answersOf(traffic) >= before + 4);
      },
      async () => void onHost(start),
      { byItself: true },
    );
  });

  it("arrives when the database is back; until then users hear that it will pass, not that a password is wrong", async () => {
    const traffic = await underTraffic(
      async () => {
        onHost("systemctl stop mariadb");
        await Promise.all([
          expect(withMailbox(alice, async () => true)).rejects.toMatchObject({
            serverResponseCode: "UNAVAILABLE",
          }),
          expect(submit({ ...alice, to: user, subject: token() })).rejects.toMatchObject({
            responseCode: 454,
          }),
        ]);
        expect(isReady()).toBe(false);
      },
      async () => void onHost("systemctl start mariadb"),
    );
    expect(traffic.postponed.length).toBeGreaterThan(0);
    const subject = token();
    await submit({ ...alice, to: user, subject });
    await fetchMail({ ...alice, subject });
  });

  it("arrives when a database that hangs goes on", async () => {
    await underTraffic(
      async () => {
        onHost("pkill -STOP mariadbd");
        await until("the end of mail-ready.target", 90, () => !isReady());
      },
      async () => void onHost("pkill -CONT mariadbd"),
    );
  });

  it("arrives when the whole host is back from a reboot", async () => {
    await underTraffic(restart, async () => {});
  });
});

describe("a daemon that is killed", () => {
  it.each([
    ["MariaDB", "pidof mariadbd"],
    ["Dovecot", "systemctl show --property=MainPID --value dovecot"],
    ["Dovecot's authentication", "pgrep -o -f '^dovecot/auth'"],
    ["Dovecot's LMTP", "pgrep -o -f '^dovecot/lmtp'"],
    ["Postfix", "cat /var/spool/postfix/pid/master.pid"],
    ["Postfix's queue manager", "pgrep -o -x qmgr"],
    ["the resolver", "pidof unbound"],
    ["the watch over the host", "systemctl show --property=MainPID --value mail-prove"],
    ["SSH", "systemctl show --property=MainPID --value ssh"],
  ])("comes back by itself: %s", async (_name, find) => {
    await underTraffic(
      async () => {
        const pid = onHost(find).trim();
        expect(pid).toMatch(/^[1-9]\d*$/);
        onHost(`kill -KILL ${pid}`);
        await until("SSH", 60, hostAnswers);
        await until("another process", 60, () => {
          const now = onHost(`${find} || true`).trim();
          return now !== pid && /^[1-9]\d*$/.test(now);
        });
      },
      async () => {},
    );
  });
});

describe("a full volume", () => {
  // To the last block that is not the superuser's.
  const fill = `fallocate -l $(df --output=avail -B1 /srv/mail-host | tail -1) /srv/mail-host/filler
    runuser -u virtual -- dd if=/dev/zero of=/srv/mail-host/virtual/filler bs=4k 2>/dev/null || true
    df --output=avail /srv/mail-host | tail -1`;
  const free = "rm -f /srv/mail-host/filler /srv/mail-host/virtual/filler";

  it("takes no mail that it cannot keep, bounces none that it has, and goes on when there is room", async () => {
    const traffic = await underTraffic(
      async ({ taken, postponed }) => {
        onHost("systemctl stop dovecot");
        const before = taken.length;
        await until("mail in the queue", 30, () => taken.length >= before + 3);
        expect(Number(onHost(fill))).toBe(0);
        const since = onHost("date +%s").trim();
        onHost("systemctl start dovecot && postqueue -f");
        await until("a delivery that fails for want of room", 60, () =>
          onHost(`journalctl --unit=dovecot --since=@${since}`).includes("No space left on device"),
        );
        await until("an answer of 452", 60, () =>
          postponed.some((said) => said.includes("452 4.3.1")),
        );
        await until("the end of mail-ready.target", 60, () => !isReady());
      },
      async () => void onHost(`${free}; systemctl start dovecot`),
    );
    expect(traffic.postponed.length).toBeGreaterThan(0);
  });

  it("leaves the directory as it was when a new one does not fit", () => {
    const rows = () => onHost("mariadb -N maildb -e 'CHECKSUM TABLE domains, users, aliases'");
    const before = rows();
    const many = JSON.stringify({
      domains: [domain],
      users: Array.from({ length: 100_000 }, (_, i) => ({
        email: `u${i}@${domain}`,
        crypt: `$5$${"x".repeat(200)}`,
      })),
      aliases: [],
    });
    onHost(fill);
    try {
      expect(() => onHost("timeout 60 /usr/local/sbin/mail-directory 2>&1", many)).toThrow();
      expect(rows()).toBe(before);
    } finally {
      onHost(free);
    }
  });
});

describe("a boot without the volume", () => {
  it("opens nothing, and all of it as soon as the volume is there", async () => {
    const subject = token();
    await deliver({ to: user, subject });
    await fetchMail({ ...alice, subject });
    await cutPower();
    await detachVolume();
    await powerOn();
    try {
      // Without the volume there is no host key, and so no SSH; only ping shows that the host is up.
      await until("an answer to ping", 60, () => answersPing());
      for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
        expect(await openPorts(target.ipv4, [22, ...mailPorts])).toEqual([]);
      }
    } finally {
      await attachVolume();
    }
    await hostIsReady(180);
    expect(await openPorts(target.ipv4, mailPorts)).toEqual(mailPorts);
    await fetchMail({ ...alice, subject });
  });
});
