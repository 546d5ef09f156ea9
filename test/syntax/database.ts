// A MariaDB with the host's own set-up, beside which a script runs.

import type { Answer, DebianRoot } from "./debian-root";

/** Runs a script beside a MariaDB with the reader and, unless told otherwise, no tables. */
export function withDatabase(root: DebianRoot, script: string, input = ""): Answer {
  return root.run(
    `
    install -d -o mysql /run/mysqld
    install -d /srv/mail-host/srs
    # Nothing is started here, nor could it be.
    ln -sf /bin/true /usr/local/bin/systemctl
    rm -rf /var/lib/mysql; mariadb-install-db --user=mysql --skip-test-db >/dev/null 2>&1
    mariadbd --user=mysql 2>/tmp/mariadb.log &
    trap 'mariadb-admin shutdown' EXIT
    for i in {1..300}; do [[ -S /run/mysqld/mysqld.sock ]] && break; sleep 0.1; done
    mariadb </usr/local/share/mail-host/database.sql
    # Again, as on a host built anew.
    mariadb </usr/local/share/mail-host/database.sql
    ask() { postmap -q "$2" "mysql:/etc/postfix/sql_$1.cf" 2>&1 || echo "status $?"; }
    ${script}`,
    input,
  );
}
