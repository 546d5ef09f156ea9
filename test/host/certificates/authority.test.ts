// An authority that is away, refuses, or is not asked at all: the host goes on with what it has. Does not
// prove a real authority's limits; the number of orders is counted instead.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  askedAbout,
  authority,
  endWait,
  fingerprintOf,
  lookForDue,
  makeDue,
  restoreAuthority,
  shownCertificate,
  waitOf,
  webNames,
  withWebNames,
} from "../../support/authority";
import { presentDirectory, putDirectory } from "../../support/directory";
import { deliver, fetchMail, submit, token, withMailbox } from "../../support/mail";
import { until } from "../../support/outage";
import { domain, hostSucceeds, login, onHost, secondDomain, target } from "../../support/target";

const user = `alice@${domain}`;
const alice = login(user);
const host = target.hostname;
const undelegated = "undelegated.test";

beforeAll(async () => {
  await withWebNames();
  // It would look at the same moment as a test, now and then.
  onHost("systemctl stop mail-certificates.timer && systemctl start mail-certificates.service");
});
afterEach(() => authority.startAcme());
afterAll(async () => {
  onHost("systemctl start mail-certificates.timer");
  await restoreAuthority();
});

/** Mail comes in and goes out, and the host calls itself ready. */
async function mailFlows(): Promise<void> {
  const [incoming, own] = [token(), token()];
  await deliver({ to: user, subject: incoming });
  await fetchMail({ ...alice, subject: incoming });
  await submit({ ...alice, to: user, subject: own });
  await fetchMail({ ...alice, subject: own });
  expect(hostSucceeds("systemctl is-active --quiet mail-ready.target")).toBe(true);
}

describe("an authority that is away", () => {
  it("stops no mail, is asked each minute, and knows the host anew when it is back", async () => {
    const before = fingerprintOf();
    const account = onHost("cat /srv/mail-host/acme/account");
    await authority.stopAcme();
    makeDue();
    for (let i = 0; i < 3; i++) {
      endWait(host);
      expect(lookForDue()).toContain(`${host}: https://acme.test:14000/dir does not answer`);
    }
    expect(waitOf(host)).toMatch(/^\d+ 60\nhttps:\/\/acme\.test:14000\/dir does not answer: /);
    await mailFlows();
    expect(fingerprintOf()).toBe(before);
    expect(onHost("mail-certificates host 1")).toContain(account.split(" ")[0]);
    await authority.startAcme();
    endWait(host);
    lookForDue();
    expect(fingerprintOf()).not.toBe(before);
    expect(onHost("cat /srv/mail-host/acme/account")).not.toBe(account);
  });

  it("is told to the postmaster, once a day, when the certificate ends within twenty days", async () => {
    const told = `/srv/mail-host/acme/${host}.told`;
    const subject = `${host}: certificate ends`;
    await withMailbox(alice, async (client) => {
      for (const folder of ["INBOX", "Junk"]) {
        await client.mailboxOpen(folder);
        await client.messageDelete({ header: { subject } });
      }
    });
    /** Whether the host has told, and when. */
    const lookAgain = () => {
      makeDue();
      endWait(host);
      lookForDue();
      return onHost(`stat --format=%.Y ${told} 2>/dev/null || true`).trim();
    };
    const renewFor = async (days: number) => {
      await authority.startAcme({ validitySeconds: days * 24 * 3600 });
      onHost(`rm --force ${told}`);
      expect(lookAgain()).toBe("");
      await authority.stopAcme();
    };
    await renewFor(21);
    expect(lookAgain()).toBe("");
    await renewFor(19);
    const sent = lookAgain();
    expect(sent).not.toBe("");
    const mail = await fetchMail({ ...alice, subject });
    expect(mail).toMatch(/^https:\/\/acme\.test:14000\/dir does not answer: /m);
    expect(lookAgain()).toBe(sent);
    onHost(`touch --date='-25 hours' ${told}`);
    expect(lookAgain()).not.toBe(sent);
    await authority.startAcme();
    lookAgain();
  });

  it("leaves a certificate that has expired in use", async () => {
    await authority.startAcme({ validitySeconds: 1 });
    makeDue();
    lookForDue();
    const expired = fingerprintOf();
    await authority.stopAcme();
    await until(
      "its end",
      10,
      () => Date.parse(shownCertificate(993)?.certificate.validTo ?? "") < Date.now(),
    );
    onHost("mail-certificates self-signed");
    onHost("systemctl restart postfix dovecot mail-prove");
    onHost("mail-wait 60");
    expect(fingerprintOf()).toBe(expired);
    await mailFlows();
    await authority.startAcme();
    endWait(host);
    lookForDue();
    expect(shownCertificate(993)?.trusted).toBe(true);
  });
});

describe("an authority that refuses", () => {
  it("is not asked again for five minutes, then ten, up to twelve hours; others get theirs", async () => {
    const [, refused = ""] = webNames(secondDomain);
    await authority.startAcme({ refusedNames: [refused] });
    const before = { other: fingerprintOf(`mta-sts.${domain}`), same: fingerprintOf(refused) };
    makeDue(refused);
    makeDue(`mta-sts.${domain}`);
    expect(lookForDue()).toMatch(/refuses: .*rejectedIdentifier/s);
    expect(waitOf(refused)).toMatch(/^\d+ 300\nhttps:\/\/acme\.test:14000\/dir refuses: /);
    const asked = askedAbout(refused);
    expect(asked).toBeGreaterThan(0);
    expect(lookForDue()).not.toContain(refused);
    expect(askedAbout(refused)).toBe(asked);
    expect(fingerprintOf(`mta-sts.${domain}`)).not.toBe(before.other);
    expect(fingerprintOf(refused)).toBe(before.same);
    for (const seconds of [600, 1200, 2400, 4800, 9600, 19200, 38400, 43200, 43200]) {
      onHost(`sed --in-place '1s/^[0-9]*/0/' /srv/mail-host/acme/${refused}.waits`);
      lookForDue();
      const [, waited] = waitOf(refused).split(/[ \n]/);
      expect(Number(waited)).toBe(seconds);
    }
    await authority.startAcme();
    onHost(`mail-certificates obtain ${refused}`);
    expect(waitOf(refused)).toBe("");
    expect(fingerprintOf(refused)).not.toBe(before.same);
  });

  it("is asked once by two who see at the same time that a name is due", async () => {
    const [, refused = ""] = webNames(secondDomain);
    await authority.startAcme({ refusedNames: [refused] });
    makeDue(refused);
    endWait(refused);
    const asked = askedAbout(refused);
    // The second sees that it is due while the first has the lock.
    const look = "mail-certificates >/dev/null 2>&1 {lock}>&- &";
    onHost(
      `exec {lock}>/run/lock/mail-certificates.${refused}; flock $lock; ${look} ${look} until (($(pgrep --count --exact flock) >= 2)); do sleep 0.1; done; exec {lock}>&-; wait`,
    );
    const once = askedAbout(refused) - asked;
    expect(waitOf(refused)).toMatch(/^\d+ 300\n/);
    endWait(refused);
    lookForDue();
    expect(askedAbout(refused) - asked).toBe(2 * once);
    await authority.startAcme();
    endWait(refused);
    lookForDue();
  });

  it("is quoted to whoever waits for the host's certificate", async () => {
    await authority.startAcme({ refusedNames: [host] });
    const before = fingerprintOf();
    onHost(`rm /srv/mail-host/acme/${host}.issued`);
    expect(() => onHost("mail-certificates host 1 5")).toThrow(
      /mail\.example\.test: https:\/\/acme\.test:14000\/dir refuses: .*rejectedIdentifier.*next attempt at .* UTC, or at once with: mail-certificates obtain mail\.example\.test/s,
    );
    const report = "sed s/is-active/is-failed/ /usr/local/sbin/mail-wait | bash -s 0 || true";
    expect(onHost(report)).toMatch(/acme\/mail\.example\.test\.waits <==\n.*rejectedIdentifier/);
    expect(fingerprintOf()).toBe(before);
    await authority.startAcme();
    endWait(host);
    expect(JSON.parse(onHost("mail-certificates host 1 60")).tlsa).toHaveLength(2);
    expect(fingerprintOf()).not.toBe(before);
  });
});

describe("a new authority", () => {
  const program = "/usr/local/sbin/mail-certificates";

  it("that refuses holds nothing up: its account is told, which CAA records have to name first", async () => {
    await authority.startAcme({ refusedNames: [host] });
    const before = fingerprintOf();
    const former = onHost("cat /srv/mail-host/acme/account");
    onHost(`cp -p ${program} /run/former && sed -i 's/^readonly directory=.*/&?new/' ${program}`);
    try {
      const { account } = JSON.parse(onHost("mail-certificates host 1 5"));
      expect(former).not.toContain(account);
      expect(waitOf(host)).toContain("/dir?new refuses: ");
      expect(fingerprintOf()).toBe(before);
      await authority.startAcme();
      endWait(host);
      lookForDue();
      expect(fingerprintOf()).not.toBe(before);
    } finally {
      onHost(`mv /run/former ${program}`);
      await authority.startAcme();
      endWait(host);
      lookForDue();
    }
  });
});

describe("a domain whose DNS is not live yet", () => {
  const before = presentDirectory();
  afterAll(() => putDirectory(before));

  it("costs no order, and holds no other name up", async () => {
    const renewed = `autodiscover.${domain}`;
    const fingerprint = fingerprintOf(renewed);
    makeDue(renewed);
    putDirectory({ ...before, domains: [undelegated, ...before.domains] });
    const names = webNames(undelegated);
    // mail-directory itself has started it.
    await until("a word about each name", 60, () =>
      names.every((name) => waitOf(name).includes("leads to no address; this host is")),
    );
    await until("the other name's renewal", 60, () => fingerprintOf(renewed) !== fingerprint);
    for (const name of names) expect(askedAbout(name)).toBe(0);
    for (const name of names) expect(shownCertificate(443, name)).toBeUndefined();
  });

  it("costs none either while it leads elsewhere", async () => {
    const name = `autoconfig.${target.elsewhere.domain}`;
    putDirectory({ ...before, domains: [target.elsewhere.domain, ...before.domains] });
    await until("a word about it", 60, () => waitOf(name) !== "");
    expect(askedAbout(name)).toBe(0);
  });
});
