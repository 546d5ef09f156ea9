// DKIM on users' mail, verified by a library that did not sign: both selectors, through a change of keys
// from end to end. The domain is one that the tests add to the directory, with records of their own.

import { authenticate, dkimVerify } from "mailauth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { presentDirectory, putDirectory } from "../../support/directory";
import { publishText, withdrawText } from "../../support/dns";
import { mailElsewhere } from "../../support/elsewhere";
import { deliver, submit, token } from "../../support/mail";
import { domain, hostSucceeds, login, onHost, secondDomain, target } from "../../support/target";

const alice = login(`alice@${domain}`);
const friend = `friend@${target.elsewhere.domain}`;
// Another one each time: resolvers remember.
const signing = `${token()}.${secondDomain}`;
const folder = `/srv/mail-host/dkim/${signing}`;
const author = `alice@${signing}`;
const forwarder = `forward@${signing}`;
const directory = presentDirectory();

const Keys = z.object({
  keys: z.array(
    z.strictObject({
      generation: z.number(),
      selector: z.string(),
      type: z.enum(["rsa", "ed25519"]),
      publicKey: z.string(),
    }),
  ),
});
type Key = z.infer<typeof Keys>["keys"][number];

const dkim = (generation: number, revoked: number) =>
  Keys.parse(
    JSON.parse(onHost(`/usr/local/sbin/mail-dkim keys ${signing} ${generation} ${revoked}`)),
  ).keys;
const recordName = (selector: string) => `${selector}._domainkey.${signing}`;
const publish = async (keys: readonly Key[]) => {
  for (const { selector, type, publicKey } of keys)
    await publishText(recordName(selector), `v=DKIM1; k=${type}; p=${publicKey}`);
};

/** Sends a mail to the world; as it arrived there. */
async function sent(): Promise<string> {
  const subject = token();
  await submit({ ...alice, from: author, to: friend, subject });
  return mailElsewhere(subject);
}

/** Selector → verdict of each signature of the author's domain. */
async function verified(mail: string): Promise<Record<string, string>> {
  const { results } = await dkimVerify(mail);
  return Object.fromEntries(
    results
      .filter(({ signingDomain }) => signingDomain === signing)
      .map(({ selector, status }) => [selector, status.result]),
  );
}

/** Sends mail until one is signed with these selectors; every mail until then. */
async function sentUntil(selectors: readonly string[], seconds: number): Promise<string[]> {
  const mails: string[] = [];
  for (const deadline = Date.now() + seconds * 1000; ; ) {
    const mail = await sent();
    mails.push(mail);
    const verdicts = await verified(mail);
    if (Object.keys(verdicts).sort().join() === selectors.join()) return mails;
    if (Date.now() > deadline) throw new Error(`no mail signed by ${selectors} in ${seconds} s`);
  }
}

beforeAll(() => {
  const aliases = [
    ...directory.aliases,
    { mail: author, destination: alice.user },
    { mail: forwarder, destination: friend },
  ];
  putDirectory({ ...directory, domains: [...directory.domains, signing].sort(), aliases });
});
afterAll(async () => {
  putDirectory(directory);
  onHost(`rm -rf ${folder}; systemctl start mail-dkim`);
  for (const selector of ["rsa1", "ed1", "rsa2", "ed2"]) await withdrawText(recordName(selector));
});

describe("a mail of a user", () => {
  it("goes out unsigned as long as the records are not public", async () => {
    const keys = dkim(1, 0);
    expect(keys.map(({ selector, type }) => `${selector} ${type}`)).toEqual([
      "rsa1 rsa",
      "ed1 ed25519",
    ]);
    await publish(keys.slice(0, 1));
    onHost("systemctl start mail-dkim");
    expect(await verified(await sent())).toEqual({});
  });

  it("is signed with both keys once both records are public", async () => {
    await publish(dkim(1, 0));
    const mail = (await sentUntil(["ed1", "rsa1"], 90)).at(-1) ?? "";
    expect(await verified(mail)).toEqual({ rsa1: "pass", ed1: "pass" });
    // A signature that passes whatever it signs would be none.
    const changed = await verified(mail.replace("Hello", "Hallo"));
    expect(Object.values(changed)).not.toContain("pass");
  });

  it("has no signature of another domain", async () => {
    const { results } = await dkimVerify(await sent());
    expect([...new Set(results.map(({ signingDomain }) => signingDomain))]).toEqual([signing]);
  });
});

describe("a mail that an alias forwards to another domain", () => {
  it("is sealed with our verdict on it (ARC)", async () => {
    const subject = token();
    await deliver({ to: forwarder, subject });
    const mail = await mailElsewhere(subject);
    const { arc } = await authenticate(mail, { ip: target.ipv4, helo: target.hostname });
    expect(arc).toMatchObject({
      status: { result: "pass" },
      signature: { signingDomain: signing },
    });
    expect(mail.replace(/\r?\n[ \t]+/g, " ")).toMatch(
      new RegExp(`^ARC-Authentication-Results: i=1; ${target.hostname};.*spf=pass`, "m"),
    );
    const changed = await authenticate(mail.replace("Hello", "Hallo"), { ip: target.ipv4 });
    expect(changed.arc).toMatchObject({ status: { result: "fail" } });
  });
});

describe("a change of keys while mail flows", () => {
  const mails: string[] = [];

  it("gives the same keys however often they are asked for", () => {
    expect(dkim(2, 0)).toEqual(dkim(2, 0));
    expect(dkim(2, 0).slice(0, 2)).toEqual(dkim(1, 0));
  });

  it("signs with the old keys until the new records are public for longer than their TTL", async () => {
    const keys = dkim(2, 0);
    onHost("systemctl start mail-dkim");
    expect(await verified(await sent())).toEqual({ rsa1: "pass", ed1: "pass" });
    await publish(keys);
    const start = Date.now();
    mails.push(...(await sentUntil(["ed2", "rsa2"], 240)));
    expect(Date.now() - start).toBeGreaterThan(60_000);
    const verdicts = await Promise.all(mails.map(verified));
    expect([...new Set(verdicts.flatMap(Object.values))]).toEqual(["pass"]);
    expect(verdicts.map((each) => Object.keys(each).length)).toEqual(mails.map(() => 2));
  });

  it("refuses to revoke keys whose mail may be under way, and says until when", () => {
    const command = `/usr/local/sbin/mail-dkim keys ${signing} 2 1`;
    expect(hostSucceeds(command)).toBe(false);
    expect(onHost(`${command} 2>&1 || true`)).toMatch(
      /generation 1 may be under way until \d{4}-\d\d-\d\dT/,
    );
    expect(onHost(`ls ${folder}`)).toContain("rsa1.key");
  });

  it("refuses to revoke keys that sign", () => {
    const command = `/usr/local/sbin/mail-dkim keys ${signing} 3 2`;
    expect(onHost(`${command} 2>&1 || true`)).toContain("generation 2 still signs");
  });

  it("revokes the old keys when nothing signed by them can be under way any more", async () => {
    // As if the change had been longer ago than a mail stays in the queue.
    onHost(
      `awk '{ print $1, $2 - 8 * 86400 }' ${folder}/signs >/run/s && cat /run/s >${folder}/signs`,
    );
    expect(dkim(2, 1).map(({ selector }) => selector)).toEqual(["rsa2", "ed2"]);
    expect(onHost(`ls ${folder}`)).not.toContain("1.key");
    for (const [selector, type] of [
      ["rsa1", "rsa"],
      ["ed1", "ed25519"],
    ])
      await publishText(recordName(selector ?? ""), `v=DKIM1; k=${type}; p=`);
    expect(await verified(await sent())).toEqual({ rsa2: "pass", ed2: "pass" });
  });
});

describe("the private keys", () => {
  it("are on the volume, for Rspamd to read and nobody to change", () => {
    const said = onHost(`stat --format='%a %U:%G' ${folder} ${folder}/rsa2.key ${folder}/ed2.key`);
    expect(said.trim().split("\n")).toEqual([
      "750 root:_rspamd",
      "640 root:_rspamd",
      "640 root:_rspamd",
    ]);
  });

  it.each(["../etc 1 0", "UPPER.test 1 0", "a.test 0 0", "a.test 1 1", "a.test x 0"])(
    "are not made for a mistake: %s",
    (words) => {
      expect(hostSucceeds(`/usr/local/sbin/mail-dkim keys ${words}`)).toBe(false);
      expect(onHost("ls /srv/mail-host/dkim")).not.toContain("a.test");
    },
  );
});
