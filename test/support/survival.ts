// Whether a host is still what it was: the same daemons, nothing bad in the journal, no file where none belongs.

import { expect } from "vitest";
import { presentDirectory } from "./directory";
import { onHost } from "./target";

/** How the daemons tell of what they could not bear. */
const failure = /panic|fatal|segfault|core dump|query failed|SQL|Internal error|assert/i;

/** What Dovecot says of each login that is refused, as it should be. */
const refusal = /: auth-worker\(.*: request \[\d+\]: sql: (unknown user|Password mismatch)$/;

/** Dovecot's names of sessions, in which the clock spells any word once, as it did "SQL". */
const sessions = /<[A-Za-z0-9+/]{16,}>/g;

const daemons = () =>
  onHost("for name in master dovecot mariadbd; do pidof -s $name; done").trim().split("\n");

/** Remembers how the host is now; what it gives checks that the host has stayed so. */
export function watchHost(): () => void {
  const before = daemons();
  const [time = "", mark = ""] = onHost("date +%s; mktemp").trim().split("\n");
  return () => {
    expect(daemons()).toEqual(before);
    const journal = onHost(
      `journalctl --quiet --no-pager --since @${time} -u postfix -u dovecot -u mariadb`,
    );
    expect(journal).not.toBe("");
    const lines = journal.replace(sessions, "").split("\n");
    const bad = lines.filter((line) => failure.test(line) && !refusal.test(line));
    expect(bad).toEqual([]);
    const homes = presentDirectory().users.map(({ email }) => email.split("@").reverse().join("/"));
    const found = onHost(
      "cd /var/spool/mail/virtual/ && find . -mindepth 2 -maxdepth 2 -printf '%P\\n'; find . -mindepth 3 -maxdepth 3 ! -name Maildir",
    );
    expect(found.split("\n").filter((path) => path !== "" && !homes.includes(path))).toEqual([]);
    const elsewhere = `find / -xdev -user virtual -newer ${mark} ! -path '/proc/*' ! -path /var/mail/virtual; rm ${mark}`;
    expect(onHost(elsewhere).trim()).toBe("");
  };
}
