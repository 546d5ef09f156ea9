// The clock that the daemons see jumps ahead and back by more than a year, under traffic: libfaketime
// stands between them and the system's clock. Does not prove anything of a clock that is wrong at boot.

import { afterAll, beforeAll, describe, it } from "vitest";
import { hostIsReady } from "../../support/cloud";
import { answersOf, underTraffic, until } from "../../support/outage";
import { onHost } from "../../support/target";

const library = "/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1";
const variables = "LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_CACHE_DURATION";

// Postfix and Dovecot pass on only the variables that they know.
const install = `
set -eu
apt-get install --quiet=2 --yes libfaketime >/dev/null 2>&1
ahead() { echo "$1" | tee /etc/faketimerc >/var/spool/postfix/etc/faketimerc; }
ahead +0
environment="LD_PRELOAD=${library} FAKETIME_TIMESTAMP_FILE=/etc/faketimerc FAKETIME_CACHE_DURATION=1"
for daemon in mariadb dovecot postfix; do
  mkdir -p /run/systemd/system/$daemon.service.d
  printf '[Service]\\nEnvironment=%s\\n' "$environment" >/run/systemd/system/$daemon.service.d/clock.conf
done
postconf -e "import_environment=$(postconf -dh import_environment) ${variables}"
cp -p /etc/dovecot/dovecot.conf /etc/dovecot/dovecot.conf.before
{ echo 'import_environment {'; printf '  %s\\n' $environment | sed 's/=/ = /'; echo '}'; } >>/etc/dovecot/dovecot.conf
systemctl daemon-reload
systemctl restart mariadb dovecot postfix`;

const remove = `
for daemon in mariadb dovecot postfix; do rm -f /run/systemd/system/$daemon.service.d/clock.conf; done
rm -f /etc/faketimerc /var/spool/postfix/etc/faketimerc
postconf -X import_environment
if [ -e /etc/dovecot/dovecot.conf.before ]; then mv /etc/dovecot/dovecot.conf.before /etc/dovecot/dovecot.conf; fi
systemctl daemon-reload
systemctl restart mariadb dovecot postfix
apt-get purge --quiet=2 --yes libfaketime >/dev/null 2>&1`;

const setClock = (offset: string) =>
  onHost(`echo ${offset} | tee /etc/faketimerc >/var/spool/postfix/etc/faketimerc`);

/** What Postfix took for today when it logged its last mail from this host, and another such mail. */
const yearOfPostfix = () =>
  onHost(
    "journalctl --unit=postfix --output=cat --lines=200 | grep -o 'message-id=<[0-9]\\{14\\}' | tail -1 | cut -c13-16; printf 'Subject: clock\\n\\n' | sendmail -f '<>' postmaster",
  ).trim();

beforeAll(async () => {
  onHost(install);
  await hostIsReady();
});
afterAll(async () => {
  onHost(remove);
  await hostIsReady();
});

describe("a clock that is wrong", () => {
  it.each([
    ["ahead", "+400d"],
    ["back", "-400d"],
  ])("by more than a year, %s, loses and refuses no mail", async (_way, offset) => {
    const now = new Date().getFullYear();
    await underTraffic(
      async (traffic) => {
        setClock(offset);
        await until("the other year in the log", 60, () => {
          const year = yearOfPostfix();
          return year !== "" && Number(year) !== now;
        });
        const before = answersOf(traffic);
        await until("answers meanwhile", 90, () => answersOf(traffic) >= before + 4);
      },
      async () => {
        setClock("+0");
        onHost("systemctl restart mariadb dovecot postfix");
      },
    );
    await until("this year in the log", 60, () => yearOfPostfix() === String(now));
  });
});
