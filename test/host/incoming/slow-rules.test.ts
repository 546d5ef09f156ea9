// A large mail on a host that is busy: no rule of Rspamd's that reads the whole of it runs while another
// waits for the DNS, for then Rspamd 3.12 is prone to crash, and the sender is put off. Does not prove that
// Rspamd never crashes.

import { afterAll, beforeAll, expect, it } from "vitest";
import { hostIsReady } from "../../support/cloud";
import { Conversation } from "../../support/conversation";
import { token, withMailbox } from "../../support/mail";
import { restartRspamd } from "../../support/outage";
import { domain, login, onHost, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const { elsewhere } = target;
const configuration = "/etc/rspamd/rspamd.conf";
const workers = "^rspamd: rspamd_proxy";
/** Rspamd gets a ninth of a processor, and whatever it was at takes longer than 0.3 s. */
const slowDown = `
import os, signal, subprocess, time
pids = [int(pid) for pid in subprocess.check_output(["pgrep", "--full", "${workers}"]).split()]
while True:
    for what, seconds in (signal.SIGSTOP, 0.32), (signal.SIGCONT, 0.04):
        for pid in pids:
            os.kill(pid, what)
        time.sleep(seconds)
`;
const subject = token();
let since: string;

beforeAll(async () => {
  since = onHost("date +@%s").trim();
  // On this level it tells which rule was slow, and what it does about it.
  onHost(`cp --preserve ${configuration} ${configuration}.saved
    sed -i 's/level = "notice"/level = "info"/' ${configuration}`);
  await restartRspamd();
  onHost('systemd-run --quiet --unit=busy python3 -c "$(cat)"', slowDown);
});
afterAll(async () => {
  onHost(
    `systemctl stop busy; pkill -CONT -f '${workers}'; mv ${configuration}.saved ${configuration}`,
  );
  await restartRspamd();
  await hostIsReady();
  await withMailbox(alice, (client) => client.messageDelete({ header: { subject } }));
});

/** Hands over a mail of nearly fifty megabytes; what the host says of it. */
async function handOver(): Promise<string> {
  const session = await Conversation.open();
  await session.reply();
  for (const line of [
    `EHLO mx.${elsewhere.domain}`,
    `MAIL FROM:<sender@${elsewhere.domain}>`,
    `RCPT TO:<${alice.user}>`,
    "DATA",
  ])
    await session.say(line);
  const text = `${"x".repeat(76)}\r\n`.repeat(620_000);
  const { text: answer } = await session.say(
    `From: <sender@${elsewhere.domain}>\r\nTo: <${alice.user}>\r\nSubject: ${subject}\r\n` +
      `Message-ID: <${token()}@${elsewhere.domain}>\r\nDate: ${new Date().toUTCString()}\r\n\r\n${text}.`,
  );
  session.close();
  return answer;
}

it("large mails are taken at once, and what reads the whole of them awaits nobody's answer", async () => {
  for (const answers of [await Promise.all([handOver(), handOver()]), [await handOver()]])
    for (const answer of answers) expect(answer).toMatch(/^250 /);
  const log = onHost(
    `journalctl --unit=rspamd --output=cat --since=${since} | grep 'slow synchronous rule'`,
  );
  const slow = log.split("\n").filter((line) => /(R_MIXED_CHARSET|ARC_SIGNED)\(/.test(line));
  expect(slow).not.toEqual([]);
  expect(slow.filter((line) => line.includes("enable 100ms idle timer"))).toEqual([]);
});
