// What `npm run verify` says of the host under test: no failure while it is as it ought to be, and the right
// one when a single thing is broken. Which checks there are, and that each can fail, the unit tests prove.

import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { withoutRecord, withRecord } from "../support/broken-records";
import { domain, login, onHost, secondDomain, target } from "../support/target";

const Report = z.object({
  counts: z.object({ pass: z.number() }),
  checks: z.array(
    z.object({
      id: z.string(),
      verdict: z.string(),
      faults: z.array(z.object({ seen: z.string(), mend: z.string() })).optional(),
    }),
  ),
});

const domains = [domain, secondDomain];
const { user, password } = login(`alice@${domain}`);

/** Runs the command as an operator does; its exit status and what it printed. */
function run(...options: readonly string[]): Promise<{ status: number; stdout: string }> {
  const subject = [target.hostname, ...domains].flatMap((name, i) => [
    i === 0 ? "--host" : "--domain",
    name,
  ]);
  const script = resolve(__dirname, "../../scripts/verify.ts");
  const argv = ["tsx", script, ...subject, "--ca", target.caFile, "--user", user, ...options];
  return new Promise((settle) => {
    execFile(
      "npx",
      argv,
      { env: { ...process.env, MAIL_HOST_PASSWORD: password }, maxBuffer: 1 << 24 },
      (error, stdout, stderr) =>
        settle({ status: Number(error?.code ?? 0), stdout: stdout || stderr }),
    );
  });
}

/** Ids of the checks that fail, with what they saw. */
async function failures(): Promise<Record<string, string>> {
  const { status, stdout } = await run("--json");
  const { checks } = Report.parse(JSON.parse(stdout));
  const failed = checks.filter(({ verdict }) => verdict === "fail");
  expect(status).toBe(failed.length === 0 ? 0 : 1);
  return Object.fromEntries(
    failed.map(({ id, faults = [] }) => [id, faults.map(({ seen }) => seen).join("; ")]),
  );
}

/** What fails of itself, so that what is broken on purpose is told apart from it. */
let before: Record<string, string> = {};
beforeAll(async () => {
  before = await failures();
});

/** Ids of the checks that fail because of what was broken. */
const broken = async () =>
  Object.keys(await failures())
    .filter((id) => !(id in before))
    .sort();

/** The same once it is as expected: the resolver remembers for a record's lifetime what was before. */
async function brokenInTheDns(isExpected: (found: readonly string[]) => boolean) {
  for (const deadline = Date.now() + 120_000; ; await pause(1000)) {
    const found = await broken();
    if (isExpected(found) || Date.now() > deadline) return found;
  }
}

describe("npm run verify", () => {
  it("finds nothing to mend on the host as it is", async () => {
    expect(before).toEqual({});
  });

  it("prints a page of 80 columns with every group and its counts", async () => {
    const { stdout } = await run();
    const lines = stdout.split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^IPv6 +4 pass$/m);
    expect(stdout).toMatch(/^Together +\d+ pass, .*not judged$/m);
  });
});

describe("one thing that is broken fails its checks and no other", () => {
  // All at once, since the resolver remembers each for a minute.
  it("records that are gone, for DMARC, DANE and SRV, and a second one for SPF", async () => {
    const gone = [
      { name: `_dmarc.${domain}`, type: "TXT" },
      { name: `_25._tcp.${target.hostname}`, type: "TLSA" },
      { name: `_submissions._tcp.${domain}`, type: "SRV" },
    ];
    const second = { name: domain, type: "TXT", content: '"v=spf1 +all"' };
    const ids = ["10", "12", "13", "32", "9", "dmarc", "no-mail-names", "spf", "srv"];
    const all = (found: readonly string[]) => ids.every((id) => found.includes(id));
    const use = async () => expect(await brokenInTheDns(all)).toEqual(ids);
    const withAll = gone.reduce(
      (inner, record) => () => withoutRecord(record, inner),
      () => withRecord(second, use),
    );
    await withAll();
    expect(await brokenInTheDns((found) => found.length === 0)).toEqual([]);
  });

  it.each([
    ["a host that greets by another name", "smtpd_banner=localhost ESMTP", ["names-agree"]],
    [
      "a host that offers notices of delivery to strangers",
      "smtpd_discard_ehlo_keywords=",
      ["extensions"],
    ],
    ["a host that verifies addresses", "disable_vrfy_command=no", ["vrfy"]],
    ["a host that speaks TLS 1.3 no more", "smtpd_tls_protocols=TLSv1.2", ["15"]],
  ])("%s", async (_what, setting, ids) => {
    onHost(`cp -p /etc/postfix/main.cf /run && postconf -e '${setting}' && postfix reload`);
    try {
      expect(await broken()).toEqual(ids);
    } finally {
      onHost("mv /run/main.cf /etc/postfix/main.cf && postfix reload");
    }
  });

  it("a web server that is away, which breaks policy and settings", async () => {
    onHost("systemctl stop nginx");
    try {
      expect(await broken()).toEqual([
        "apple",
        "autoconfig",
        "autodiscover",
        "mta-sts-policy",
        "settings-log-in",
      ]);
    } finally {
      onHost("systemctl start nginx");
    }
  });
});
