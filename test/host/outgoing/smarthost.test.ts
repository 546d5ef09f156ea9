// Mail to other domains through a smarthost, as mail-smarthost sets and removes it. Does not prove that the
// smarthost carries it further.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { mailsElsewhere, waitForElsewhere } from "../../support/elsewhere";
import { fetchMail, submit, token } from "../../support/mail";
import { until } from "../../support/outage";
import { domain, login, onHost, target } from "../../support/target";

const { elsewhere, smarthost } = target;
const alice = login(`alice@${domain}`);
const friend = `friend@${elsewhere.domain}`;
const Envelope = z.object({
  user: z.string(),
  secure: z.boolean(),
  from: z.string(),
  to: z.array(z.string()),
});

function atSmarthost(word: string): z.output<typeof Envelope>[] {
  const read = (file: string) => readFileSync(join(smarthost.inbox, file), "utf8");
  return readdirSync(smarthost.inbox)
    .filter((file) => file.endsWith(".json"))
    .filter((file) => read(file.replace(/json$/, "eml")).includes(word))
    .map((file) => Envelope.parse(JSON.parse(read(file))));
}

const set = (changed: Partial<Record<"host" | "port" | "user" | "password", string>> = {}) => {
  const { host, port, user, password } = { ...smarthost, ...changed };
  return onHost("mail-smarthost", `${host}\n${port}\n${user}\n${password}\n`);
};
const remove = () => onHost("mail-smarthost");

async function submitToFriend(to = friend): Promise<string> {
  const subject = token();
  await submit({ ...alice, to, subject });
  return subject;
}

/** Why Postfix keeps what is in its queue. */
const reasons = () => onHost("postqueue -j | grep --only-matching '\"delay_reason.*' || true");

async function putOffBecause(reason: RegExp): Promise<void> {
  await until(`mail that waits because of ${reason}`, 60, () => reason.test(reasons()));
}

afterAll(() => {
  remove();
});

describe("with a smarthost", () => {
  beforeAll(() => {
    set();
  });

  it("mail to others goes there, with the login, in TLS", async () => {
    const subject = await submitToFriend();
    await until("the mail at the smarthost", 60, () => atSmarthost(subject).length > 0);
    expect(atSmarthost(subject)).toEqual([
      { user: smarthost.user, secure: true, from: alice.user, to: [friend] },
    ]);
    expect(mailsElsewhere(subject)).toEqual([]);
    expect(onHost("journalctl --unit=postfix.service --lines=200")).toMatch(
      new RegExp(`Verified TLS connection established to ${smarthost.host}\\[`),
    );
  });

  it("mail to a mailbox here stays here", async () => {
    const subject = await submitToFriend(`bob@${domain}`);
    await fetchMail({ ...login(`bob@${domain}`), subject });
    expect(atSmarthost(subject)).toEqual([]);
  });

  it("its password stands in no process list, log, or file that others may read", () => {
    const { password } = smarthost;
    expect(onHost("ps -eo args")).not.toContain(password);
    expect(onHost("journalctl --boot --output=cat")).not.toContain(password);
    expect(onHost("stat --format=%a /srv/mail-host/smarthost /srv/mail-host/smarthost/*")).toBe(
      "700\n600\n600\n600\n",
    );
    const holders = onHost(
      "grep --recursive --files-with-matches --fixed-strings --file=- /etc /srv/mail-host/smarthost /var/lib/postfix",
      password,
    );
    expect(holders).toBe("/srv/mail-host/smarthost/password\n");
  });
});

describe("mail waits, and goes when it is mended,", () => {
  it.each([
    [
      "the smarthost's certificate is for another name",
      { host: smarthost.impostor },
      /certificate not verified/i,
    ],
    ["the smarthost refuses the password", { password: "wrong" }, /535 authentication failed/],
  ])("when %s", async (_why, changed, reason) => {
    set(changed);
    const subject = await submitToFriend();
    await putOffBecause(reason);
    expect([...atSmarthost(subject), ...mailsElsewhere(subject)]).toEqual([]);
    set();
    await until("the mail at the smarthost", 60, () => atSmarthost(subject).length > 0);
  });
});

describe("without a smarthost", () => {
  it("mail goes to its destination directly again", async () => {
    set();
    expect(remove()).toBe("mail-smarthost: mail goes to its destination directly\n");
    const subject = await submitToFriend();
    await waitForElsewhere(subject);
    expect(atSmarthost(subject)).toEqual([]);
  });

  it.each([
    ["no password", "a.test 587 user\n"],
    ["a fifth line", "a.test\n587\nuser\nword\nmore\n"],
    ["no host name", "a_b\n587\nuser\nword\n"],
    ["no port", "a.test\n0\nuser\nword\n"],
    ["a port too high", "a.test\n70000\nuser\nword\n"],
    ["a user with a colon", "a.test\n587\nus:er\nword\n"],
    ["a password with a tab", "a.test\n587\nuser\nwo\trd\n"],
  ])("%s on standard input changes nothing", (_what, input) => {
    const tables = () => onHost("cat /srv/mail-host/smarthost/*");
    const before = tables();
    expect(() => onHost("mail-smarthost", input)).toThrow("mail-smarthost: nothing has changed: ");
    expect(tables()).toBe(before);
  });
});
