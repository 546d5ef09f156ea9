// The rendered files through the parsers of those who read them, each of which is also shown to
// refuse a broken file. Does not prove that mail flows.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderFiles } from "../../cloud-init/render";
import { cloudConfig } from "../../cloud-init/user-data";
import { settings } from "../support/configuration";
import { type DebianRoot, debianRoot } from "./debian-root";

const files = renderFiles(settings);
let root: DebianRoot;

beforeAll(async () => {
  root = await debianRoot(files);
  // What mail-install makes besides packages: ids, folders, host key, certificate, alias map.
  const prepared = root.run(`
    systemd-sysusers /etc/sysusers.d/mail-host.conf 2>/dev/null
    systemd-tmpfiles --create /etc/tmpfiles.d/mail-host.conf /usr/local/share/mail-host/volume.conf
    cd /srv/mail-host
    ssh-keygen -q -t ed25519 -N '' -f ssh/ssh_host_ed25519_key
    mail-certificates self-signed
    newaliases
  `);
  expect(prepared).toMatchObject({ status: 0 });
});
afterAll(() => root?.remove());

const accepted = { status: 0, stdout: "", stderr: "" };

describe("Postfix", () => {
  const says =
    "postconf -n 2>&1 >/dev/null; postconf -M 2>&1 >/dev/null; postfix check >/dev/null 2>&1; postfix check 2>&1";

  it("has no complaint about its files", () => {
    expect(root.run(says)).toEqual(accepted);
  });

  it.each([
    ["a line that is no setting", "s/^biff = no/biff no/", "missing '=' after attribute name"],
    ["a service of an unknown type", "s/^submission inet/submission innet/", "invalid type field"],
  ])("refuses %s", (_mistake, change, message) => {
    const { status, stderr } = root.run(`
      cp -a /etc/postfix /tmp/postfix; sed -i '${change}' /tmp/postfix/{main,master}.cf
      postfix -c /tmp/postfix check`);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  it("complains about an alias that leads nowhere", () => {
    const { stderr } = root.run(
      "sed 's/^root: .*/root/' /etc/aliases >/tmp/aliases; postalias hash:/tmp/aliases",
    );
    expect(stderr).toContain("need name:value pair");
  });

  it("complains about an obsolete setting", () => {
    const { stdout } = root.run(`
      cp -a /etc/postfix /tmp/postfix; echo 'smtpd_use_tls = yes' >> /tmp/postfix/main.cf
      postconf -c /tmp/postfix -n 2>&1 >/dev/null`);
    expect(stdout).toContain('support for parameter "smtpd_use_tls" will be removed');
  });

  it("complains about a setting that nothing reads", () => {
    const { stdout } = root.run(`
      cp -a /etc/postfix /tmp/postfix; echo 'smtpd_milter = x' >> /tmp/postfix/main.cf
      postconf -c /tmp/postfix -n 2>&1 >/dev/null`);
    expect(stdout).toContain("unused parameter: smtpd_milter=x");
  });
});

describe("Dovecot", () => {
  it("accepts its files", () => {
    expect(root.run("doveconf -nx >/dev/null")).toEqual(accepted);
  });

  it("refuses a setting of 2.3", () => {
    const { status, stderr } = root.run(`
      cp -a /etc/dovecot /tmp/dovecot; echo 'mail_location = maildir:~/Maildir' >> /tmp/dovecot/dovecot.conf
      doveconf -c /tmp/dovecot/dovecot.conf -nx >/dev/null`);
    expect(status).toBe(89);
    expect(stderr).toContain("Unknown setting: mail_location");
  });

  it("refuses a certificate that is not there", () => {
    const { status } = root.run(`
      cp -a /etc/dovecot /tmp/dovecot; sed -i s,/tls/,/nowhere/, /tmp/dovecot/dovecot.conf
      doveconf -c /tmp/dovecot/dovecot.conf -nx >/dev/null`);
    expect(status).toBe(89);
  });

  it("holds no variable of 2.3, which 2.4 would take for text", () => {
    for (const { path, content } of files.filter(({ path }) => path.startsWith("/etc/dovecot/"))) {
      expect(`${path}: ${/%[a-zA-Z]/.exec(content)}`).toBe(`${path}: null`);
    }
  });
});

describe("Rspamd", () => {
  const says = "rspamadm configtest --quiet";

  it("accepts its files", () => {
    expect(root.run(says)).toMatchObject({ status: 0 });
  });

  it.each([
    ["a section that does not end", "/etc/rspamd/rspamd.conf", "dkim_signing {"],
    ["a rule that is no Lua", "/etc/rspamd/rspamd.local.lua", "if then"],
  ])("refuses %s", (_mistake, path, text) => {
    const { status } = root.run(`
      cp -a /etc/rspamd /tmp/rspamd; echo '${text}' >>/tmp/rspamd/${path.split("/").at(-1)}
      mount --bind /tmp/rspamd /etc/rspamd; ${says}`);
    expect(status).not.toBe(0);
  });
});

describe("Sieve", () => {
  it("compiles its script", () => {
    expect(root.run("sievec /etc/dovecot/sieve/junk.sieve")).toEqual(accepted);
  });

  it("refuses a script that names what it does not require", () => {
    const { status } = root.run("echo 'fileinto \"Junk\";' >/tmp/x.sieve; sievec /tmp/x.sieve");
    expect(status).not.toBe(0);
  });
});

describe("MariaDB", () => {
  const understood = "mariadbd --help --verbose 2>/tmp/errors";

  it("understands its file", () => {
    const { status, stdout } = root.run(understood);
    const names =
      /^(skip-networking|(key|aria-pagecache|innodb-log)-buffer-size|innodb-buffer-pool-size) /;
    const lines = stdout.split("\n").filter((line) => names.test(line));
    expect({ status, lines: lines.map((line) => line.replace(/ +/, " ")) }).toEqual({
      status: 0,
      lines: [
        "aria-pagecache-buffer-size 1048576",
        "innodb-buffer-pool-size 33554432",
        "innodb-log-buffer-size 2097152",
        "key-buffer-size 1048576",
        "skip-networking TRUE",
      ],
    });
  });

  it("refuses an unknown setting", () => {
    const { stdout } = root.run(`
      cp -a /etc/mysql/mariadb.conf.d /tmp/conf.d; sed -i s/skip-networking/no-network/ /tmp/conf.d/90-mail-host.cnf
      mount --bind /tmp/conf.d /etc/mysql/mariadb.conf.d
      ${understood} >/dev/null || true; grep ERROR /tmp/errors`);
    expect(stdout).toContain("unknown option '--no-network'");
  });
});

describe("nftables", () => {
  it("accepts the rules, and again when they are loaded", () => {
    expect(
      root.run("nft -c -f /etc/nftables.conf; for i in 1 2; do nft -f /etc/nftables.conf; done"),
    ).toEqual(accepted);
  });

  it("keeps the mail ports out of the rules until they are added", () => {
    const ports = "nft -j list set inet mail_host open_ports";
    const { stdout } = root.run(`nft -f /etc/nftables.conf; ${ports}
      nft add element inet mail_host open_ports '{ 25, 465, 587, 993 }'; ${ports}`);
    const elements = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).nftables[1].set.elem);
    expect(elements).toEqual([undefined, [25, 465, 587, 993]]);
  });

  it("refuses a broken rule", () => {
    expect(
      root.run("sed 's/policy drop/policy maybe/' /etc/nftables.conf | nft -c -f -").status,
    ).toBe(1);
  });
});

describe("nginx", () => {
  it("accepts its file", () => {
    expect(root.run("nginx -q -t")).toEqual(accepted);
  });

  it.each([
    ["a setting that it does not know", "s/server_tokens/server_secrets/", "unknown directive"],
    ["a variable that nothing sets", 's/domain" .account/nothing" $account/', "unknown"],
  ])("refuses %s", (_mistake, change, message) => {
    const { status, stderr } = root.run(
      `sed '${change}' /etc/nginx/nginx.conf >/tmp/nginx.conf; nginx -q -t -c /tmp/nginx.conf`,
    );
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });
});

describe("fail2ban", () => {
  it("accepts its files", () => {
    expect(root.run("fail2ban-client --test")).toMatchObject({ status: 0, stderr: "" });
  });

  it("refuses a jail that it cannot read", () => {
    const { status, stderr } = root.run(
      "sed -i 's/^findtime = .*/findtime = soon/; s/^enabled = true/enabled = %(never)s/' /etc/fail2ban/jail.d/mail-host.conf; fail2ban-client --test",
    );
    expect(status).not.toBe(0);
    expect(stderr).toContain("mail-host");
  });

  it.each([
    ["alice@example.com,192.0.2.1)<123><IoX3xSNhx4vGExmL>: request [8]: sql: Password mismatch", 1],
    ["alice@example.com,2001:db8::25)<123>: request [8]: sql: unknown user", 1],
    ["192.0.2.2,192.0.2.1)<123>: request [1]: sql: unknown user", 1],
    ["probe@invalid)<123>: request [1]: sql: unknown user", 0],
    ["alice@example.com,192.0.2.1)<123>: request [8]: sql: Password query failed", 0],
  ])("reads auth-worker(%s", (line, matches) => {
    const { stdout } = root.run(
      `fail2ban-regex 'Nov 26 01:22:25 mail dovecot[8396]: auth-worker(${line}' /etc/fail2ban/filter.d/mail-host.conf`,
    );
    expect(stdout).toContain(`${matches} matched`);
  });
});

describe("systemd", () => {
  const units = files
    .map(({ path }) => path)
    .filter((path) => /^\/etc\/systemd\/system\/[^/]*$/.test(path))
    .map((path) => path.replaceAll("\\", "\\\\"));
  const verify = (some: readonly string[]) =>
    `SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no ${some.join(" ")}`;

  it("accepts the units and the changes to others' units", () => {
    const others = ["postfix", "dovecot", "mariadb", "rspamd", "unbound", "ssh", "nginx"].map(
      (name) => `${name}.service`,
    );
    expect(root.run(verify([...units, ...others]))).toEqual(accepted);
  });

  it("refuses a unit that starts nothing", () => {
    expect(
      root.run(
        `printf '[Service]\\nExecStart=nowhere/x\\n' >/tmp/broken.service; ${verify(["/tmp/broken.service"])}`,
      ).status,
    ).toBe(1);
  });

  it("makes the ids of everyone who owns something on the volume", () => {
    const { stdout } = root.run(`mkdir -p /tmp/plain/etc; cd /usr/share/base-passwd
      cp passwd.master /tmp/plain/etc/passwd; cp group.master /tmp/plain/etc/group
      systemd-sysusers --root=/tmp/plain - </etc/sysusers.d/mail-host.conf 2>/dev/null
      cd /tmp/plain/etc; grep -hE '^(virtual|mysql|postfix|postdrop|volume-reserve|_rspamd):' passwd group`);
    expect(stdout.trim().split("\n")).toEqual([
      "virtual:x:5000:5000:Owner of all mail:/var/spool/mail/virtual:/usr/sbin/nologin",
      "mysql:x:901:901:MariaDB Server:/nonexistent:/bin/false",
      "postfix:x:902:902:Postfix MTA:/var/spool/postfix:/usr/sbin/nologin",
      "_rspamd:x:905:905:Rspamd:/var/lib/rspamd:/usr/sbin/nologin",
      "virtual:x:5000:",
      "mysql:x:901:",
      "postfix:x:902:",
      "postdrop:x:903:",
      "volume-reserve:x:904:",
      "_rspamd:x:905:",
    ]);
  });

  it("refuses an id that is no number", () => {
    const { status, stderr } = root.run(
      "sed 's/5000:5000/five:5000/' /etc/sysusers.d/mail-host.conf | systemd-sysusers --dry-run -",
    );
    expect(status).toBe(1);
    expect(stderr).toContain("Failed to parse UID");
  });

  it("refuses an owner that does not exist", () => {
    expect(
      root.run("echo 'z /etc/hosts 0644 nobody-at-all root - -' | systemd-tmpfiles --create -")
        .status,
    ).not.toBe(0);
  });
});

describe("cloud-init", () => {
  const check = "cat >/tmp/user-data; cloud-init schema --config-file /tmp/user-data";

  it("accepts the user data", () => {
    const { status, stdout } = root.run(check, cloudConfig(settings.hostname, files));
    expect({ status, stdout: stdout.trim() }).toEqual({
      status: 0,
      stdout: "Valid schema /tmp/user-data",
    });
  });

  it("refuses an unknown type of host key", () => {
    const broken = cloudConfig(settings.hostname, files).replace("- ed25519", "- ed448");
    const { status, stderr, stdout } = root.run(check, broken);
    expect(status).toBe(1);
    expect(stdout + stderr).toContain("ssh_genkeytypes.0: 'ed448' is not one of");
  });
});

describe("shellcheck", () => {
  it("has no complaint about the scripts", () => {
    const scripts = "$(grep --files-with-matches '^#!/bin/bash' /usr/local/sbin/mail-*)";
    expect(root.run(`shellcheck --enable=all ${scripts}`)).toEqual(accepted);
  });

  it.each([
    ["scripts/start", "bash"],
    [".ci/run", "bash"],
    ["test/run", "bash"],
    ["scripts/ci/deploy.sh", "bash"],
    ["scripts/ci/install-pulumi.sh", "bash"],
    ["scripts/ci/newest.sh", "bash"],
    ["scripts/ci/preview-stack.sh", "bash"],
    ["scripts/ci/suite.sh", "bash"],
    ["scripts/ci/test-stack.sh", "bash"],
    ["components/scripts/release-volume.sh", "sh"],
    ["components/scripts/scan-host-key.sh", "sh"],
  ])("has no complaint about %s, which runs beside the program", (path, shell) => {
    const script = readFileSync(join(__dirname, "../..", path), "utf8");
    expect(root.run(`shellcheck --shell=${shell} -`, script)).toEqual(accepted);
  });

  it("complains about a missing quote", () => {
    const { status, stdout } = root.run("shellcheck -", "#!/bin/bash\nrm $1\n");
    expect(status).toBe(1);
    expect(stdout).toContain("SC2086");
  });
});

describe("sshd", () => {
  it("accepts its file, and offers the volume's key alone", () => {
    const { status, stdout } = root.run("mkdir -p /run/sshd; sshd -t; sshd -T");
    expect(status).toBe(0);
    const settings = stdout
      .split("\n")
      .filter((line) => /^(hostkey|passwordauthentication|permitrootlogin) /.test(line));
    expect(settings.sort()).toEqual([
      "hostkey /srv/mail-host/ssh/ssh_host_ed25519_key",
      "passwordauthentication no",
      "permitrootlogin without-password",
    ]);
  });

  it("refuses a value that it does not know", () => {
    const { status, stderr } = root.run(`mkdir -p /run/sshd
      sed 's/Authentication no/Authentication perhaps/' /etc/ssh/sshd_config.d/10-mail-host.conf >/tmp/sshd
      sshd -t -f /tmp/sshd`);
    expect(status).toBe(255);
    expect(stderr).toContain('unsupported option "perhaps"');
  });

  it("refuses to start without that key", () => {
    const { status, stderr } = root.run(
      "mkdir -p /run/sshd /tmp/none; mount --bind /tmp/none /srv/mail-host/ssh; sshd -t",
    );
    expect(status).toBe(1);
    expect(stderr).toContain("no hostkeys available");
  });
});

describe("unbound", () => {
  it("accepts its configuration as Debian leaves it", () => {
    expect(
      root.run("/usr/libexec/unbound-helper root_trust_anchor_update; unbound-checkconf").status,
    ).toBe(0);
  });

  it("refuses a broken one", () => {
    expect(
      root.run("echo 'server: port: x' >/tmp/broken.conf; unbound-checkconf /tmp/broken.conf")
        .status,
    ).toBe(1);
  });
});
