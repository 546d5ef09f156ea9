// What protects a mail on its way to another domain: DANE, else MTA-STS, else what is offered; and that
// mail waits where the protection that a domain asks for cannot be had.

import { afterAll, afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { hostIsReady } from "../../support/cloud";
import { waitForElsewhere } from "../../support/elsewhere";
import { fetchMail, submit, token } from "../../support/mail";
import { until } from "../../support/outage";
import { domain, login, onHost, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const Queued = z.object({
  queue_id: z.string(),
  recipients: z.array(z.object({ address: z.string(), delay_reason: z.string().optional() })),
});

/** Submits a mail to a foreign domain under a word that stands in its recipient too. */
async function sendTo(foreign: string): Promise<string> {
  const word = token();
  await submit({ ...alice, to: `${word}@${foreign}`, subject: word });
  return word;
}

function queued(word: string) {
  const lines = onHost("postqueue -j").trim().split("\n").filter(Boolean);
  return lines
    .map((line) => Queued.parse(JSON.parse(line)))
    .find(({ recipients }) => recipients.some(({ address }) => address.startsWith(word)));
}

/** Why a mail waits, once it does. */
async function delayReason(word: string): Promise<string> {
  const reason = () => queued(word)?.recipients[0]?.delay_reason ?? "";
  await until(`a mail with ${word} to be put off`, 60, () => reason() !== "");
  return reason();
}

/** How Postfix judged the certificates of a host in its latest connections. */
const judgements = (host: string) =>
  onHost(
    `journalctl --unit=postfix.service --since=-2min --output=cat | grep " TLS connection established to ${host}\\[" || true`,
  )
    .split("\n")
    .map((line) => / (\w+) TLS connection/.exec(line)?.[1] ?? line.split(" ")[0]);

/** Shell: what Postfix is told of the TLS that mail to a domain needs. */
const policyOf = (foreign: string) =>
  `postmap -q ${foreign} socketmap:inet:127.0.0.1:8462:tls-policy`;

const tryAgain = () => onHost("postqueue -f");

afterAll(() => {
  const all = onHost("postqueue -j").trim().split("\n").filter(Boolean);
  const ids = all.map((line) => Queued.parse(JSON.parse(line)).queue_id);
  onHost("postsuper -d -", `${ids.join("\n")}\n`);
});

describe("a mail arrives", () => {
  it.each([
    ["verified by DANE, at a host whose certificate no CA has signed", "dane.test", "Verified"],
    ["verified as the domain's MTA-STS policy wants it", "mta-sts.test", "Verified"],
    [
      "verified by DANE, where MTA-STS alone would not let it pass",
      "dane-right-mta-sts-wrong.test",
      "Verified",
    ],
    ["encrypted, where an MTA-STS policy only tests", "mta-sts-testing.test", "Trusted"],
    ["encrypted, where a TLSA record is not signed", "dane-unsigned.test", "Trusted"],
  ])("%s", async (_how, foreign, judgement) => {
    const { envelope } = await waitForElsewhere(await sendTo(foreign));
    expect(envelope.tls?.protocol).toBe("TLSv1.3");
    expect(judgements(`mx.${foreign}`).at(0)).toBe(judgement);
  });

  it("in the clear, where nothing else is offered and nothing asked for", async () => {
    const { envelope } = await waitForElsewhere(await sendTo("no-tls.test"));
    expect(envelope.tls).toBeNull();
  });

  it("over IPv6, where there is nothing else", async () => {
    const { envelope } = await waitForElsewhere(await sendTo("ipv6-only.test"));
    expect(envelope.clientAddress).toBe(target.ipv6);
  });

  it("at the second try, where the first is put off", async () => {
    const word = await sendTo("greylisting.test");
    expect(await delayReason(word)).toContain("451 4.7.1 greylisted");
    tryAgain();
    await waitForElsewhere(word);
  });
});

describe("a mail waits", () => {
  it.each([
    [
      "no certificate of the host is the one that DANE announces",
      "dane-wrong.test",
      /certificate not verified/,
    ],
    [
      "the certificate is DANE's wrong one, though MTA-STS would take it",
      "dane-wrong-mta-sts-right.test",
      /certificate not verified/,
    ],
    [
      "the certificate is for another name than MTA-STS wants",
      "mta-sts-wrong.test",
      /certificate not verified/,
    ],
    [
      "no CA has signed the certificate that MTA-STS wants",
      "mta-sts-self-signed.test",
      /certificate not (verified|trusted)/,
    ],
    [
      "the host offers no TLS, which MTA-STS wants",
      "mta-sts-no-tls.test",
      /TLS is required, but was not offered/,
    ],
    [
      "the host is none that the MTA-STS policy names",
      "mta-sts-other-mx.test",
      /server unavailable or unable to receive mail/,
    ],
    [
      "the domain's DNSSEC is broken",
      "dnssec-broken.test",
      /Host or domain name not found|try again/,
    ],
  ])("where %s", async (_why, foreign, reason) => {
    expect(await delayReason(await sendTo(foreign))).toMatch(reason);
  });

  it("and its sender is told why", async () => {
    const warnAfter = (time: string) =>
      onHost(`postconf -e delay_warning_time=${time} && postfix reload 2>/dev/null`);
    warnAfter("1s");
    try {
      const word = await sendTo("dane-wrong.test");
      await delayReason(word);
      tryAgain();
      const notice = await fetchMail({ ...alice, subject: "Delayed Mail" });
      expect(notice).toContain(`${word}@dane-wrong.test`);
      expect(notice).toContain("certificate not verified");
    } finally {
      warnAfter("1h");
    }
  });
});

describe("an MTA-STS policy", () => {
  const forget = (assignment: string) =>
    onHost(
      "python3 -",
      `import sqlite3\nwith sqlite3.connect("/var/lib/mta-sts/cache.db") as cache:\n  cache.execute("UPDATE sts_policy_cache SET ${assignment} WHERE domain = 'mta-sts.test'")\n`,
    );

  afterEach(() => {
    onHost("nft delete table inet no_policies 2>/dev/null || true");
  });

  it("that was fetched once holds while it cannot be fetched again", () => {
    expect(onHost(policyOf("mta-sts.test"))).toMatch(/^secure match=mx\.mta-sts\.test /);
    onHost(
      "nft 'table inet no_policies { chain output { type filter hook output priority 0; tcp dport 443 reject; }; }'",
    );
    forget("ts = ts - 120, pol_id = 'an older one'");
    expect(onHost(policyOf("mta-sts.test"))).toMatch(/^secure match=mx\.mta-sts\.test /);
  });
});

describe("without the service that knows the policies", () => {
  afterEach(async () => {
    onHost("systemctl start mail-tls-policy.service postfix-mta-sts-resolver.service");
    await hostIsReady();
  });

  it("mail waits rather than go unprotected", async () => {
    onHost("systemctl stop mail-tls-policy.service");
    const word = await sendTo(target.elsewhere.domain);
    expect(await delayReason(word)).toMatch(/client TLS configuration problem/);
    onHost("systemctl start mail-tls-policy.service");
    tryAgain();
    await waitForElsewhere(word);
  });

  it("whoever starts it can ask it at once, as Postfix does at each boot", () => {
    const restart = "systemctl restart mail-tls-policy.service";
    expect(onHost(`${restart} && ${policyOf("mta-sts.test")}`)).toMatch(/^secure /);
  });

  it("a killed one is there again by itself", async () => {
    onHost(
      "systemctl kill --signal=KILL mail-tls-policy.service postfix-mta-sts-resolver.service postsrsd.service",
    );
    await hostIsReady();
    await waitForElsewhere(await sendTo(target.elsewhere.domain));
  });

  it("of MTA-STS, mail to a domain with DANE goes, and other mail waits", async () => {
    onHost("systemctl stop postfix-mta-sts-resolver.service");
    await waitForElsewhere(await sendTo("dane.test"));
    const word = await sendTo(target.elsewhere.domain);
    expect(await delayReason(word)).toMatch(/client TLS configuration problem/);
    onHost("systemctl start postfix-mta-sts-resolver.service");
    tryAgain();
    await waitForElsewhere(word);
  });
});
