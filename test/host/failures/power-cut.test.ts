// The power goes in the middle of deliveries, twenty times: no mail that was answered with 250 is lost.
// Does not prove that Hetzner's disks keep what they say they have synced.

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { cutPower, hostIsReady, powerOn } from "../../support/cloud";
import { until } from "../../support/outage";
import { onHost } from "../../support/target";
import { missingMail, startTraffic, storedMail } from "../../support/traffic";

const moments = Array.from({ length: 20 }, () => Math.round(500 + 3500 * Math.random()));

/** Cuts the power at some moment of traffic that flows, and boots; what was taken, and what of it is not there. */
async function powerCutAt(moment: () => Promise<void>) {
  const traffic = startTraffic();
  try {
    await until("the first mail", 60, () => traffic.taken.length > 0);
    await moment();
    await cutPower();
  } finally {
    await traffic.stop();
  }
  await powerOn();
  await hostIsReady();
  const { taken, refused } = traffic;
  return { taken, refused, missing: await missingMail(taken) };
}

describe("a power cut", () => {
  const duplicates: string[] = [];
  let takenInAll = 0;

  it.each(moments)("after %d ms of traffic loses no mail that was taken", async (moment) => {
    const { taken, refused, missing } = await powerCutAt(() => pause(moment));
    expect(missing).toEqual([]);
    expect(refused).toEqual([]);
    takenInAll += taken.length;
    const stored = storedMail();
    for (const { subject } of taken) {
      // The same queue id twice is one mail delivered twice: Dovecot had it, and Postfix did not yet know.
      const ids = stored.get(subject) ?? [];
      if (ids.length > 1) duplicates.push(`${subject}: ${ids.join(", ")}`);
      expect(new Set(ids).size).toBe(1);
    }
  });

  afterAll(() => {
    process.stderr.write(
      `power cuts: ${takenInAll} mails taken and none lost, ${duplicates.length} delivered twice\n`,
    );
  });

  it("is one that loses mail once Dovecot does not sync it", async () => {
    onHost("echo 'mail_fsync = never' >>/etc/dovecot/dovecot.conf && doveadm reload");
    try {
      const before = storedMail().size;
      const { missing } = await powerCutAt(() =>
        until("mail in mailboxes", 60, () => storedMail().size > before + 20),
      );
      expect(missing.length).toBeGreaterThan(0);
    } finally {
      onHost(
        `sed -i '/^mail_fsync = never$/d' /etc/dovecot/dovecot.conf && doveadm reload
        find /var/spool/mail/virtual/ -path '*/Maildir/*' -type f -empty -delete`,
      );
    }
  });
});
