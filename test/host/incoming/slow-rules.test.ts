// Large mails on a host that is busy: a rule of Rspamd's that takes 0.3 s while another waits for the DNS makes
// it start a timer, by which Rspamd 3.12 crashes, and the sender is put off. Does not prove that nothing else
// makes it crash.

import { afterAll, beforeAll, expect, it } from "vitest";
import { hostIsReady } from "../../support/cloud";
import { Conversation } from "../../support/conversation";
import { token, withMailbox } from "../../support/mail";
import { restartRspamd } from "../../support/outage";
import { domain, login, onHost, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const { elsewhere } = target;
const [configuration, rules] = ["/etc/rspamd/rspamd.conf", "/etc/rspamd/rspamd.local.lua"];
/** After those that ask the DNS, and as slow as a large mail makes one that is disturbed. */
const slowRule = `
rspamd_config:register_symbol {
  name = "SLOW", type = "normal", priority = -100, callback = function()
    local start = os.clock()
    repeat until os.clock() - start > 0.4
  end,
}
`;
const subject = token();
let since: string;

beforeAll(async () => {
  since = onHost("date +@%s").trim();
  for (const file of [configuration, rules]) onHost(`cp --preserve ${file} ${file}.saved`);
  // On this level it tells of its timers.
  onHost(`sed -i 's/level = "notice"/level = "info"/' ${configuration}`);
  onHost(`cat >>${rules}`, slowRule);
  await restartRspamd();
});
afterAll(async () => {
  for (const file of [configuration, rules]) onHost(`mv ${file}.saved ${file}`);
  await restartRspamd();
  await hostIsReady();
  await withMailbox(alice, (client) => client.messageDelete({ header: { subject } }));
});

/** Hands over a mail large enough for its rules to be timed, which is 2 MiB; what the host says of it. */
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
  const text = `${"x".repeat(76)}\r\n`.repeat(40_000);
  const { text: answer } = await session.say(
    `From: <sender@${elsewhere.domain}>\r\nTo: <${alice.user}>\r\nSubject: ${subject}\r\n` +
      `Message-ID: <${token()}@${elsewhere.domain}>\r\nDate: ${new Date().toUTCString()}\r\n\r\n${text}.`,
  );
  session.close();
  return answer;
}

// A timer that outlives its mail makes one of five crash.
it("large mails are taken at once, however slow a rule is", async () => {
  for (let round = 0; round < 8; round += 1)
    for (const answer of await Promise.all(Array.from({ length: 4 }, handOver)))
      expect(answer).toMatch(/^250 /);
  const log = onHost(`journalctl --unit=rspamd --output=cat --since=${since}`);
  expect(log).toMatch(/slow synchronous rule: SLOW.*enable 100ms idle timer/);
  expect(log).not.toContain("fatal signal");
});
