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
import { presentDirectory, putDirectory } from "../../support/directory";
import { deliver, fetchMail, submit, token, withMailbox } from "../../support/mail";
import { answersOf, isReady, underTraffic, until } from "../../support/outage";
import {
  answersPing,
  domain,
  hostAnswers,
  login,
  onHost,
  openPorts,
  target,
} from "../../support/target";

const user = `alice@${domain}`;
const alice = login(user);
const mailPorts = [25, 465, 587, 993];

afterEach(async () => {
  await hostIsReady();
});

/** A database that answers nobody for a while, and everybody afterwards. */
const slowness =
  "mariadb maildb --execute='LOCK TABLES domains WRITE, users WRITE, aliases WRITE; DO SLEEP(20)'";

describe("mail that comes in while something does not work", () => {
  it.each([
    ["Dovecot", "systemctl stop dovecot", "systemctl start dovecot"],
    ["the resolver", "systemctl stop unbound", "systemctl start unbound"],
    ["Rspamd", "systemctl stop rspamd", "systemctl start rspamd"],
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

  it("arrives when the database is back; until then nobody is let in, and IMAP says that it will pass", async () => {
    const traffic = await underTraffic(
      async () => {
        onHost("systemctl stop mariadb");
        await Promise.all([
          expect(withMailbox(alice, async () => true)).rejects.toMatchObject({
            serverResponseCode: "UNAVAILABLE",
          }),
          // Postfix 3.10 does not know the word by which Dovecot 2.4 tells a failure that will pass: 535, not 454.
          expect(submit({ ...alice, to: user, subject: token() })).rejects.toThrow(),
        ]);
        await until("the end of mail-ready.target", 60, () => !isReady());
      },
      async () => void onHost("systemctl start mariadb"),
    );
    expect(traffic.postponed.length).toBeGreaterThan(0);
    const subject = token();
    await submit({ ...alice, to: user, subject });
    await fetchMail({ ...alice, subject });
  });

  it("arrives when a database that is slow has answered", async () => {
    await underTraffic(
      async () => void onHost(slowness),
      async () => {},
    );
  });

  it.each(["mariadbd", "unbound"])("arrives when a %s that hangs goes on", async (daemon) => {
    await underTraffic(
      async () => {
        onHost(`pkill -STOP -x ${daemon}`);
        await until("the end of mail-ready.target", 90, () => !isReady());
      },
      async () => void onHost(`pkill -CONT -x ${daemon}`),
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
    ["Dovecot's authentication", "pgrep -f '^dovecot/auth'"],
    ["Dovecot's LMTP", "pgrep -f '^dovecot/lmtp'"],
    ["Rspamd", "systemctl show --property=MainPID --value rspamd"],
    ["Rspamd's worker", "pgrep -f '^rspamd: rspamd_proxy'"],
    ["Postfix", "cat /var/spool/postfix/pid/master.pid"],
    ["Postfix's queue manager", "pgrep -x qmgr"],
    ["the resolver", "pidof unbound"],
    ["the watch over the host", "systemctl show --property=MainPID --value mail-prove"],
    ["the web server", "cat /run/nginx.pid"],
    ["the guard against guessed passwords", "systemctl show --property=MainPID --value fail2ban"],
    ["SSH", "systemctl show --property=MainPID --value ssh"],
  ])("comes back by itself: %s", async (_name, find) => {
    const pids = () => onHost(`${find} 2>/dev/null || true`).split(/\s+/).filter(Number);
    await underTraffic(
      async (traffic) => {
        await until("a process", 30, () => pids().length > 0);
        const killed = pids();
        onHost(`kill -KILL ${killed.join(" ")}`);
        const before = answersOf(traffic);
        await until("SSH", 60, hostAnswers);
        await until("other processes", 60, () => {
          const now = pids();
          return now.length > 0 && now.every((pid) => !killed.includes(pid));
        });
        await until("an answer meanwhile", 90, () => answersOf(traffic) > before);
      },
      async () => {},
    );
  });

  it("does not leave mail-ready.target behind when it is the watch, and the host is broken", async () => {
    onHost("pkill -STOP -x mariadbd");
    try {
      onHost("systemctl kill --signal=KILL mail-prove");
      await until("the end of mail-ready.target", 10, () => !isReady());
    } finally {
      onHost("pkill -CONT -x mariadbd");
    }
  });
});

describe("a full volume", () => {
  // To the last block that mail may have; what gets free meanwhile is filled again.
  const most = `fallocate -l $(($(df --output=avail -B1 /srv/mail-host | tail -1) - 64 * 1024 * 1024)) /srv/mail-host/filler`;
  const rest = `runuser -u virtual -- dd if=/dev/zero of=/srv/mail-host/virtual/filler bs=4k oflag=append conv=notrunc 2>/dev/null || true
    df --output=avail /srv/mail-host | tail -1`;
  const reserveOfDatabase =
    "runuser -u mysql -G volume-reserve -- dd if=/dev/zero of=/srv/mail-host/mysql/filler bs=1M 2>/dev/null || true";
  const free =
    "rm -f /srv/mail-host/filler /srv/mail-host/virtual/filler /srv/mail-host/mysql/filler";
  const fill = async () => {
    onHost(most);
    await until("a full volume", 30, () => Number(onHost(rest)) === 0);
  };

  it("takes no mail that it cannot keep, bounces none that it has, and goes on when there is room", async () => {
    await underTraffic(
      async ({ taken, postponed }) => {
        onHost("systemctl stop dovecot");
        const before = taken.length;
        await until("mail in the queue", 60, () => taken.length >= before + 3);
        await fill();
        const since = onHost("date +%s").trim();
        onHost("systemctl start dovecot");
        await until("a delivery that fails for want of room", 60, () => {
          onHost(`${rest}; postqueue -f`);
          const log = onHost(`journalctl --unit=dovecot --since=@${since}`);
          return log.includes("No space left on device");
        });
        await until("an answer of 452", 60, () =>
          postponed.some(({ said }) => said.includes("452 4.3.1")),
        );
        await until("the end of mail-ready.target", 60, () => !isReady());
      },
      async () => void onHost(`${free}; systemctl start dovecot`),
    );
  });

  it("lets users in after a reboot, for they make room", async () => {
    const subject = token();
    await deliver({ to: user, subject });
    await fetchMail({ ...alice, subject });
    await fill();
    try {
      await restart();
      await until("SSH", 60, hostAnswers);
      await until("the open ports", 60, () =>
        onHost("nft list set inet mail_host open_ports || true").includes("993"),
      );
      expect(await withMailbox(alice, (client) => client.messageDelete("1"))).toBe(true);
      expect(isReady()).toBe(false);
    } finally {
      onHost(free);
    }
  });

  it("leaves the directory as it was when a new one does not fit", async () => {
    const before = presentDirectory();
    const many = {
      ...before,
      users: [
        ...before.users,
        ...Array.from({ length: 30_000 }, (_, i) => ({
          email: `u${i}@${domain}`,
          crypt: `$5$${"x".repeat(200)}`,
        })),
      ],
    };
    try {
      await fill();
      onHost(reserveOfDatabase);
      expect(() => putDirectory(many)).toThrow(/nothing has changed: .*(full|space)/i);
      expect(presentDirectory()).toEqual(before);
      onHost(free);
      putDirectory(many);
      const mailboxes = onHost("mariadb -N maildb -e 'SELECT COUNT(*) FROM users'");
      expect(Number(mailboxes)).toBe(many.users.length);
    } finally {
      onHost(free);
      putDirectory(before);
    }
    expect(presentDirectory()).toEqual(before);
  });
});

describe("a lock on a mailbox that a power cut left behind", () => {
  it("holds nobody up", async () => {
    const [name] = user.split("@");
    // Its index is whole: of one that was being written Dovecot puts the first mail off, and mends it.
    const earlier = token();
    await deliver({ to: user, subject: earlier });
    await fetchMail({ ...alice, subject: earlier });
    onHost(
      `install --owner=virtual --group=virtual --mode=0600 /dev/null /var/mail/virtual/${domain}/${name}/Maildir/dovecot-uidlist.lock; sync`,
    );
    await cutPower();
    await powerOn();
    await hostIsReady();
    const subject = token();
    await deliver({ to: user, subject });
    // By itself Dovecot takes such a lock for stale after two minutes.
    await fetchMail({ ...alice, subject, seconds: 30 });
  });
});

describe("a boot without the volume", () => {
  it("opens nothing, and all of it as soon as the volume is there", async () => {
    const subject = token();
    await deliver({ to: user, subject });
    await fetchMail({ ...alice, subject });
    // Of an index that was being written the first look fails, and Dovecot mends it: not asked here.
    onHost("sync");
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
