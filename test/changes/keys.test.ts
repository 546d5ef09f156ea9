// Keys that change by `pulumi up`, as operators change them, while mail flows in and out all the time: from
// peers that insist on DANE and MTA-STS, and to receivers that verify each signature. Leaves the stack with
// the keys that are newest then. Does not prove that a week of the queue passes between the two edits.

import { setTimeout as pause } from "node:timers/promises";
import { authenticate, dkimVerify } from "mailauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLab } from "../../lab/lab";
import type { Delivery } from "../../lab/world/mail";
import { nameOf } from "../../scripts/recovery/placement";
import { mailPorts, shownCertificate, tlsaOf } from "../support/authority";
import { labConfiguration, type Values } from "../support/configuration";
import { mailElsewhere, sendFromElsewhere } from "../support/elsewhere";
import { generationValues, presentGenerations } from "../support/generations";
import { submit, token } from "../support/mail";
import { isReady, until } from "../support/outage";
import { domain, login, onHost, secondDomain, target } from "../support/target";
import { lastLine, missingMail } from "../support/traffic";

const lab = openLab(process.env.MAIL_HOST_LAB);
const authors = [`alice@${domain}`, `carol@${secondDomain}`].map((user) => login(user));
const friend = `friend@${target.elsewhere.domain}`;
/** What Cloudflare's "automatic" TTL is, in milliseconds. */
const publicFor = 300_000;
const place = `_25._tcp.${target.hostname}`;

/** Between two mails of one sender, in milliseconds: a flow, no load. */
const pace = 500;

interface Sent {
  readonly at: number;
  readonly raw: string;
  /** Selector → verdict, when it arrived. */
  readonly verdicts: Readonly<Record<string, string>>;
}

let present: Awaited<ReturnType<typeof presentGenerations>>;
let flowing = true;
let published = 0;
const received: { readonly subject: string; readonly delivery: Delivery }[] = [];
const sent: Sent[] = [];
let loops: Promise<unknown> = Promise.resolve();

async function verdictsOn(raw: string): Promise<Sent["verdicts"]> {
  const { results } = await dkimVerify(raw);
  return Object.fromEntries(
    results.map(({ selector, signingDomain, status }) => [
      `${selector}.${signingDomain}`,
      status.result,
    ]),
  );
}

/** Mail from a peer that would rather keep it than hand it to a host that is not proven. */
async function mailComesIn(family: 4 | 6): Promise<void> {
  const [{ user: to } = { user: "" }] = authors;
  while (flowing) {
    const subject = token();
    const from = `friend@${target.elsewhere.domain}`;
    const mail = { from, to, subject, text: `${lastLine}\r\n`, family, enforce: true };
    received.push({ subject, delivery: await sendFromElsewhere(mail) });
    await pause(pace);
  }
}

async function mailGoesOut(author: { user: string; password: string }): Promise<void> {
  while (flowing) {
    const subject = token();
    await submit({ ...author, to: friend, subject });
    const raw = await mailElsewhere(subject);
    sent.push({ at: Date.now(), raw, verdicts: await verdictsOn(raw) });
    await pause(pace);
  }
}

const selectorsOf = (generation: number): string[] =>
  [domain, secondDomain].flatMap((each) => [`ed${generation}.${each}`, `rsa${generation}.${each}`]);
const signedBy = (generation: number) =>
  sent.filter(({ verdicts }) =>
    Object.keys(verdicts).some((s) => s.startsWith(`rsa${generation}.`)),
  );
/** Has some mail go both ways, so that what was just done meets mail. */
const moreMail = async () => {
  const [before, beforeOut] = [received.length, sent.length];
  await until(
    "mail both ways",
    60,
    () => received.length > before + 3 && sent.length > beforeOut + 3,
  );
};

/** `pulumi up` with other generations; what it did, or what it refused. */
async function up(change: Partial<typeof present>): Promise<{ ok: boolean; said: string }> {
  const file = labConfiguration(generationValues({ ...present, ...change }));
  const flags = ["--yes", "--skip-preview", "--config-file", file];
  const { status, stdout, stderr } = await lab.pulumi(["up", ...flags]);
  return { ok: status === 0, said: stdout + stderr };
}

async function stepsOf(values: Values): Promise<string[]> {
  const flags = ["--json", "--config-file", labConfiguration(values)];
  const { steps } = JSON.parse((await lab.pulumiOrThrow(["preview", ...flags])).stdout);
  return steps
    .filter(({ op }: { op: string }) => op !== "same")
    .map(({ op, urn }: { op: string; urn: string }) => `${op} ${nameOf(urn)}`)
    .sort();
}

const publicTlsa = (): string[] =>
  onHost(`dig +short +nosplit ${place} TLSA`)
    .trim()
    .split("\n")
    .map((line) => line.replace(/^3 1 1 /, ""))
    .sort();
const keysOnHost = (): [used: string, next: string] =>
  JSON.parse(onHost(`mail-certificates host ${present.key}`)).tlsa;

beforeAll(async () => {
  present = await presentGenerations(target.hostname, domain, onHost);
  loops = Promise.all([mailComesIn(4), mailComesIn(6), ...authors.map(mailGoesOut)]);
  loops.catch(() => {});
  await moreMail();
});
afterAll(async () => {
  flowing = false;
  await loops;
});

describe("new DKIM keys", () => {
  it("are one edit: `pulumi up` publishes them beside the old ones", async () => {
    const change = { dkim: present.dkim + 1 };
    const steps = await stepsOf(generationValues({ ...present, ...change }));
    expect(steps.filter((step) => !/-dkim\b/.test(step))).toEqual([]);
    expect(
      steps.filter((step) => /^(delete|create-replacement .*-dkim-(rsa|ed))/.test(step)),
    ).toEqual([]);
    published = Date.now();
    const { ok, said } = await up(change);
    expect({ ok, said }).toMatchObject({ ok: true });
    present = { ...present, ...change };
    await moreMail();
  });
});

describe("a new key of the host", () => {
  it("is one edit: `pulumi up` takes the next key into use, and its record is there already", async () => {
    const [used, next] = keysOnHost();
    expect(publicTlsa()).toEqual([used, next].sort());
    const change = { key: present.key + 1 };
    for (const deadline = Date.now() + 2 * publicFor + 60_000; ; ) {
      const { ok, said } = await up(change);
      if (ok) break;
      // Soon after a first deployment, or a roll; everything stays as it was.
      expect(said).toContain("roll after");
      expect(keysOnHost()).toEqual([used, next]);
      expect(Date.now()).toBeLessThan(deadline);
      await moreMail();
    }
    present = { ...present, ...change };
    const [usedNow, nextNow] = keysOnHost();
    expect(usedNow).toBe(next);
    for (const port of mailPorts) {
      const { certificate, trusted } = shownCertificate(port) ?? {};
      expect({ key: certificate && tlsaOf(certificate), trusted }).toEqual({
        key: next,
        trusted: true,
      });
    }
    await until("the records", 90, () => publicTlsa().join() === [usedNow, nextNow].sort().join());
    await moreMail();
  });

  it("is not rolled again before the record of the one after it has been public for two TTLs", async () => {
    const keys = keysOnHost();
    const { ok, said } = await up({ key: present.key + 1 });
    expect(ok).toBe(false);
    expect(said).toMatch(/roll after \d{4}-\d\d-\d\d|its record is not public/);
    expect(keysOnHost()).toEqual(keys);
    await moreMail();
  });
});

describe("the host", () => {
  it("signs with the new DKIM keys once everybody can know them", async () => {
    await until("mail of both domains that the new keys have signed", 420, () => {
      const seen = new Set(signedBy(present.dkim).flatMap(({ verdicts }) => Object.keys(verdicts)));
      return selectorsOf(present.dkim).every((selector) => seen.has(selector));
    });
    // Not before resolvers have forgotten that there was no such record.
    const first = Math.min(...signedBy(present.dkim).map(({ at }) => at));
    expect(first - published).toBeGreaterThanOrEqual(publicFor);
    await moreMail();
  });

  it("refuses to revoke the old ones while mail that they have signed may be under way", async () => {
    const { ok, said } = await up({ revoked: present.dkim - 1 });
    expect(ok).toBe(false);
    expect(said).toMatch(/may be under way until \d{4}-\d\d-\d\dT/);
    await moreMail();
    // Mail in flight: all that was sent until now can still be verified.
    for (const { raw } of sent)
      expect(Object.values(await verdictsOn(raw))).toEqual(["pass", "pass"]);
  });

  it("revokes them a queue's lifetime later: `pulumi up` empties their records", async () => {
    // As if the change had been longer ago than a mail stays in the queue.
    onHost(
      `for signs in /srv/mail-host/dkim/*/signs; do awk '{ print $1, $2 - 8 * 86400 }' "$signs" >/run/signs && cat /run/signs >"$signs"; done`,
    );
    const change = { revoked: present.dkim - 1 };
    const { ok, said } = await up(change);
    expect({ ok, said }).toMatchObject({ ok: true });
    present = { ...present, ...change };
    for (const each of [domain, secondDomain]) {
      const record = `rsa${change.revoked}._domainkey.${each}`;
      await until(`an empty ${record}`, 90, () =>
        onHost(`dig +short ${record} TXT`).includes('p="'),
      );
    }
    expect(onHost("ls /srv/mail-host/dkim/*")).not.toContain(`rsa${change.revoked}.key`);
    await moreMail();
  });
});

describe("the mail of all this time", () => {
  beforeAll(async () => {
    flowing = false;
    await loops;
  });

  it("was taken from every strict peer, with DANE and MTA-STS fulfilled, and none is lost", async () => {
    for (const { delivery } of received)
      expect(delivery).toMatchObject({
        accepted: true,
        dane: { result: "valid" },
        mtaSts: { result: "valid", mode: "enforce" },
      });
    const taken = received.map(({ subject }) => ({ what: "taken", subject, said: "" }) as const);
    expect(await missingMail(taken)).toEqual([]);
  });

  it("could be verified wherever it went, under two keys of one generation each", async () => {
    for (const { verdicts } of sent) expect(Object.values(verdicts)).toEqual(["pass", "pass"]);
    const generations = [present.dkim - 1, present.dkim].map((g) => signedBy(g).length);
    expect(Math.min(...generations)).toBeGreaterThan(3);
    const { raw = "" } = sent.at(-1) ?? {};
    const { dmarc } = await authenticate(raw, { ip: target.ipv4, helo: target.hostname });
    expect(dmarc).toMatchObject({ status: { result: "pass" } });
  });

  it("leaves a host that is ready, and a stack with nothing to do", async () => {
    expect(isReady()).toBe(true);
    const settle = labConfiguration(generationValues(present));
    await lab.pulumiOrThrow(["up", "--yes", "--skip-preview", "--config-file", settle]);
    expect(await stepsOf(generationValues(present))).toEqual([]);
  });
});
