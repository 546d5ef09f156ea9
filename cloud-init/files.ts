// The manifest: every file that a mail host gets, with its owner and mode. Contents are in files/,
// which mirrors the host's "/".

/** Who may do what with a file on the host. */
export interface FileAccess {
  /** Octal, four digits. */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

const readable: FileAccess = { mode: "0644", owner: "root", group: "root" };
const executable: FileAccess = { mode: "0755", owner: "root", group: "root" };
/** Holds the database password, and only root reads it. */
const secret: FileAccess = { mode: "0600", owner: "root", group: "root" };
/** Holds the database password; Postfix opens it after dropping its privileges. */
const secretOfPostfix: FileAccess = { mode: "0640", owner: "root", group: "postfix" };

/**
 * No boot needs these, so that they come over SSH: user data has room for 32 KiB. The engine's commands use some of
 * them, and a change of the others reaches a running host. They hold no secret.
 */
export const filesOverSsh: ReadonlySet<string> = new Set([
  "/etc/fail2ban/fail2ban.d/mail-host.conf",
  "/etc/fail2ban/filter.d/mail-host.conf",
  "/etc/fail2ban/jail.d/mail-host.conf",
  "/usr/local/sbin/mail-directory",
  "/usr/local/sbin/mail-outbound",
  "/usr/local/sbin/mail-smarthost",
  "/usr/local/share/mail-host/directory.sql",
]);

/** Path on the host → access, sorted by path. */
export const files: Readonly<Record<string, FileAccess>> = {
  "/etc/aliases": readable,
  "/etc/default/postsrsd": readable,
  "/etc/dovecot/dovecot-sql.conf.ext": secret,
  "/etc/dovecot/dovecot.conf": readable,
  "/etc/dovecot/sieve/junk.sieve": readable,
  "/etc/fail2ban/fail2ban.d/mail-host.conf": readable,
  "/etc/fail2ban/filter.d/mail-host.conf": readable,
  "/etc/fail2ban/jail.d/mail-host.conf": readable,
  "/etc/mta-sts-daemon.yml": readable,
  "/etc/mysql/mariadb.conf.d/90-mail-host.cnf": readable,
  "/etc/nftables.conf": executable,
  "/etc/nginx/nginx.conf": readable,
  "/etc/postfix/main.cf": readable,
  "/etc/postfix/master.cf": readable,
  "/etc/postfix/sql_alias.cf": secretOfPostfix,
  "/etc/postfix/sql_domains.cf": secretOfPostfix,
  "/etc/postfix/sql_mailbox.cf": secretOfPostfix,
  "/etc/postfix/sql_senders.cf": secretOfPostfix,
  "/etc/rspamd/rspamd.conf": readable,
  "/etc/rspamd/rspamd.local.lua": readable,
  "/etc/ssh/sshd_config.d/10-mail-host.conf": readable,
  "/etc/systemd/system/dovecot.service.d/mail-host.conf": readable,
  "/etc/systemd/system/mail-certificates.service": readable,
  "/etc/systemd/system/mail-certificates.timer": readable,
  "/etc/systemd/system/mail-dkim.service": readable,
  "/etc/systemd/system/mail-dkim.timer": readable,
  "/etc/systemd/system/mail-install.service": readable,
  "/etc/systemd/system/mail-prove.service": readable,
  "/etc/systemd/system/mail-ready.target": readable,
  "/etc/systemd/system/mail-tls-policy.service": readable,
  "/etc/systemd/system/mariadb.service.d/mail-host.conf": readable,
  "/etc/systemd/system/nginx.service.d/mail-host.conf": readable,
  "/etc/systemd/system/postfix-mta-sts-resolver.service.d/mail-host.conf": readable,
  "/etc/systemd/system/postfix.service.d/mail-host.conf": readable,
  "/etc/systemd/system/postsrsd.service.d/mail-host.conf": readable,
  "/etc/systemd/system/rspamd.service.d/mail-host.conf": readable,
  "/etc/systemd/system/srv-mail\\x2dhost.mount": readable,
  "/etc/systemd/system/ssh.service.d/mail-host.conf": readable,
  "/etc/systemd/system/unbound.service.d/mail-host.conf": readable,
  "/etc/systemd/system/var-lib-mysql.mount": readable,
  "/etc/systemd/system/var-mail-virtual.mount": readable,
  "/etc/systemd/system/var-spool-postfix.mount": readable,
  "/etc/sysusers.d/mail-host.conf": readable,
  "/etc/tmpfiles.d/mail-host.conf": readable,
  "/usr/local/sbin/mail-certificates": executable,
  "/usr/local/sbin/mail-directory": executable,
  "/usr/local/sbin/mail-dkim": executable,
  "/usr/local/sbin/mail-install": executable,
  "/usr/local/sbin/mail-outbound": executable,
  "/usr/local/sbin/mail-prove": executable,
  "/usr/local/sbin/mail-release": executable,
  "/usr/local/sbin/mail-smarthost": executable,
  "/usr/local/sbin/mail-tls-policy": executable,
  "/usr/local/sbin/mail-wait": executable,
  "/usr/local/share/mail-host/database.sql": secret,
  "/usr/local/share/mail-host/directory.sql": readable,
  "/usr/local/share/mail-host/resolv.conf": readable,
  "/usr/local/share/mail-host/volume.conf": readable,
  "/usr/local/share/mail-host/web/apple.mobileconfig": readable,
  "/usr/local/share/mail-host/web/autoconfig.xml": readable,
  "/usr/local/share/mail-host/web/autodiscover.xml": readable,
  "/usr/local/share/mail-host/web/mta-sts.txt": readable,
};
