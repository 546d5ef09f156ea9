// What the running machine says of itself: identity, secrets, ports, and whom it believes in the DNS.

import { describe, expect, it } from "vitest";
import { deliver, fetchMail, token, withMailbox } from "../../support/mail";
import { domain, onHost, openPorts, secondDomain, target } from "../../support/target";

describe("the machine", () => {
  it("has the article's virtual user, who owns the mail", () => {
    expect(
      onHost("id -u virtual; id -g virtual; stat -L -c '%U:%G %u:%g' /var/spool/mail/virtual")
        .trim()
        .split("\n"),
    ).toEqual(["5000", "5000", "virtual:virtual 5000:5000"]);
    expect(onHost("getent passwd virtual")).toContain("nologin");
  });

  it("calls itself by its full name everywhere", () => {
    expect(onHost("hostname --fqdn; postconf -h myhostname").trim().split("\n")).toEqual([
      target.hostname,
      target.hostname,
    ]);
  });

  it.each(["ipv4", "ipv6"] as const)("opens only the intended ports over %s", async (family) => {
    const wellKnown = Array.from({ length: 1024 }, (_, i) => i + 1);
    const ours = [2000, 3306, 4190, 5432, 6379, 8080, 11332, 11333, 11334];
    expect(await openPorts(target[family], [...wellKnown, ...ours])).toEqual([
      22, 25, 80, 443, 465, 587, 993,
    ]);
  });

  it("authenticates what it asks the DNS, from the root down", () => {
    // The name servers of the root, asked for as authenticated data (RFC 6840); the answer's flags.
    const question = String.raw`\0\1\1\40\0\1\0\0\0\0\0\0\0\0\2\0\1`;
    const ask = `exec 3<>/dev/udp/127.0.0.1/53; printf '${question}' >&3; timeout 10 head --bytes=4 <&3 | od -A n -t x1`;
    expect(onHost(ask).trim()).toBe("00 01 81 a0");
  });

  it("has reached mail-ready.target", () => {
    onHost("/usr/local/sbin/mail-wait 60");
    expect(onHost("systemctl --failed --no-legend --plain").trim()).toBe("");
  });

  it("starts no daemon while packages are being installed", () => {
    const said = onHost("journalctl --no-pager --output=cat");
    const from = said.indexOf("mail-install: install all packages");
    const to = said.indexOf("mail-install: make keys", from);
    expect(from).toBeGreaterThan(-1);
    expect(to).toBeGreaterThan(from);
    expect(said.slice(from, to)).toContain("Setting up postfix ");
    expect(
      said
        .slice(from, to)
        .match(/^Start(ing|ed) (postfix|dovecot|mariadb|nginx|unbound|fail2ban|postsrsd)\b.*/gm),
    ).toBeNull();
  });

  it.each(["mail-dkim", "mail-certificates"])(
    "lets %s wait for its time when systemd is reloaded, as each upgraded package does",
    (timer) => {
      const lastRun = `systemctl show --property=LastTriggerUSecMonotonic --value ${timer}.timer`;
      const runs = onHost(`for i in {1..6}; do systemctl daemon-reload; ${lastRun}; done`);
      // Its time may come while these reloads go on, once.
      expect(new Set(runs.trim().split("\n")).size).toBeLessThanOrEqual(2);
    },
  );
});

describe("the generated database password", () => {
  it("is the one in the state", () => {
    expect(target.databasePassword).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(
      onHost(`grep -l -F -f - /etc/postfix/sql_alias.cf`, target.databasePassword).trim(),
    ).toBe("/etc/postfix/sql_alias.cf");
    expect(
      onHost(
        `cat > /run/p.cnf && chmod 600 /run/p.cnf && mariadb --defaults-file=/run/p.cnf -N -e 'select count(*) from maildb.domains'; rm /run/p.cnf`,
        `[client]\nuser=mail\npassword=${target.databasePassword}\n`,
      ).trim(),
    ).toBe("2");
  });

  it("stands in no log, process list, or world-readable file", () => {
    expect(target.engineLog).not.toContain(target.databasePassword);
    const look = [
      "journalctl --no-pager | grep -c -F -f /run/needle",
      "ps -eo args | grep -v grep | grep -c -F -f /run/needle",
      "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -type f -perm -o+r -size -4M -print0 | xargs -0 grep -l -F -f /run/needle 2>/dev/null | wc -l",
    ];
    const script = `umask 077; cat > /run/needle; ${look.map((command) => `${command} || true`).join("; ")}; rm /run/needle`;
    expect(onHost(script, target.databasePassword).trim().split("\n")).toEqual(["0", "0", "0"]);
  });

  it("may read and nothing else", () => {
    const grants = onHost(`mariadb -N -e "show grants for 'mail'@'localhost'"`);
    expect(grants).toMatch(/GRANT SELECT ON `maildb`\.\* TO `mail`@`localhost`/);
    expect(grants).not.toMatch(/INSERT|UPDATE|DELETE|ALL PRIVILEGES/);
  });
});

describe("a login", () => {
  it("works with a hash made the article's own way", async () => {
    const user = `dave@${secondDomain}`;
    const subject = token();
    await deliver({ to: user, subject });
    expect(await fetchMail({ user, password: "the article's own way", subject })).toContain(
      subject,
    );
    expect(
      onHost(
        `mariadb -N maildb -e "select crypt like '\\$5\\$%' from users where email='${user}'"`,
      ).trim(),
    ).toBe("1");
  });

  it("with a wrong password is refused over IMAPS", async () => {
    await expect(
      withMailbox({ user: `alice@${domain}`, password: "wrong" }, async () => true),
    ).rejects.toThrow();
  });
});
