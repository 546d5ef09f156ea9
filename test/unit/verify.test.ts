// Each check of `npm run verify` against a host that is as it ought to be, and against one in which just
// that is wrong. Does not prove that the probes see a real host as it is: the host tests do.

import { describe, expect, it } from "vitest";
import { type Judged, judgeAll } from "../../scripts/verify/check";
import { checks } from "../../scripts/verify/checks";
import { dnsDefects } from "../support/defects-dns";
import { hostDefects } from "../support/defects-host";
import {
  certificate,
  contextOf,
  type Defect,
  domain,
  host,
  set,
  type World,
  world,
} from "../support/judged";

const defects = [...dnsDefects, ...hostDefects];

const judge = (it: World, id?: string): Promise<Judged[]> =>
  judgeAll(
    checks.filter((check) => id === undefined || check.id === id),
    contextOf(it),
  );
/** For reading beside what is expected. */
const verdicts = (judged: readonly Judged[], but: string) =>
  judged
    .filter(({ verdict }) => verdict !== but)
    .map((check) => [
      check.id,
      check.verdict,
      JSON.stringify("faults" in check ? check.faults : ""),
    ]);
const providers = ["33", "34", "35", "36", "37", "38"];

describe("a host that is as it ought to be", () => {
  it("passes every check but those of its providers' networks, and needs no order of ciphers", async () => {
    expect(verdicts(await judge(world()), "pass")).toEqual([
      ["17", "not applicable", '""'],
      ...providers.map((id) => [id, "not judged", '""']),
    ]);
  });

  it("fails no check without a login, and what needs one is not judged", async () => {
    const judged = await judge({ ...world(), loggedIn: false });
    expect(verdicts(judged, "pass").filter(([, verdict]) => verdict !== "not judged")).toEqual([
      ["17", "not applicable", '""'],
    ]);
    const open = judged.filter(({ verdict }) => verdict === "not judged").map(({ id }) => id);
    expect(open.filter((id) => !providers.includes(id)).sort()).toEqual([
      "enumeration",
      "envelope-from",
      "header-from",
      "settings-log-in",
      "signed",
      "smtputf8",
    ]);
  });
});

describe("a host with one defect", () => {
  it.each(defects)("fails check %s: %s", async (id, _what, spoil) => {
    const it = world();
    spoil(it);
    const [check] = await judge(it, id);
    expect(check?.verdict).toBe("fail");
    const faults = check?.verdict === "fail" ? check.faults : [];
    for (const fault of faults) for (const text of Object.values(fault)) expect(text).not.toBe("");
  });

  it("can fail each check but those of its providers' networks", () => {
    const failing = new Set(defects.map(([id]) => id));
    const all = checks.map(({ id }) => id);
    expect(all.filter((id) => !failing.has(id))).toEqual(providers);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("what cannot be judged from here is not called a failure", () => {
  it.each<Defect>([
    ["4", "there is no IPv6 here", (it) => set(it.reach, { "2001:db8::25 25": "no route" })],
    [
      "port-25",
      "the network lets nobody out on port 25",
      (it) => set(it, { reach: { "192.0.2.25 25": "no answer", "192.0.2.99 25": "no answer" } }),
    ],
    [
      "6",
      "the resolver does not validate",
      (it) => {
        it.unsigned.push(".", domain);
      },
    ],
    ["23", "openssl is missing", (it) => set(it.tls, { earlyData: undefined })],
    [
      "zen",
      "the list does not talk to the resolver",
      (it) => set(it.records, { "2.0.0.127.zen.spamhaus.org A": ["127.255.255.254"] }),
    ],
    [
      "zen",
      "the list answers with an error",
      (it) => set(it.records, { "25.2.0.192.zen.spamhaus.org A": ["127.255.255.254"] }),
    ],
    [
      "unknown-recipient",
      "the domain has a catch-all",
      (it) => {
        it.server.addresses.push(`@${domain}`);
      },
    ],
  ])("check %s: %s", async (id, _what, spoil) => {
    const it = world();
    spoil(it);
    expect((await judge(it, id)).map(({ verdict }) => verdict)).toEqual(["not judged"]);
  });
});

it("takes a key rolled over to for the host's own: the next key's record means it", async () => {
  const it = world();
  it.chain = ["next"];
  expect(certificate("next").checkHost(host)).toBe(host);
  expect((await judge(it, "31")).map(({ verdict }) => verdict)).toEqual(["pass"]);
});
