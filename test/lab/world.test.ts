// The foreign mail domains as dig, openssl and curl see them: each does what its name says, also what it
// does wrong. What their mail is worth stands in world-mail.test.ts; proves nothing of the mail host.

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLab } from "../../lab/lab";
import { elsewhere, foreignWeb, reverseName } from "../../lab/network/addresses";
import { listedHost, mailDomains, refusedHost } from "../../lab/world/domains";

const lab = openLab(`test-${randomBytes(3).toString("hex")}`);

const output = async (argv: readonly string[], input = ""): Promise<string> => {
  const { stdout, stderr } = await lab.inNetwork(argv, { input, timeoutSeconds: 60 });
  return stdout + stderr;
};

/** Records whatever their signatures are worth. */
const dig = async (name: string, type: string): Promise<string[]> =>
  (await output(["dig", "+short", "+cdflag", name, type])).split("\n").filter(Boolean);

const text = async (name: string): Promise<string[]> =>
  (await dig(name, "TXT")).map((line) => line.replaceAll('" "', "").replaceAll('"', ""));

/** What openssl says of the certificate behind STARTTLS. */
async function shownBy(host: string, address: string, ...options: string[]): Promise<string> {
  const place = address.includes(":") ? `[${address}]:25` : `${address}:25`;
  return output(
    [
      ...["openssl", "s_client", "-starttls", "smtp", "-connect", place, "-servername", host],
      ...["-verify_hostname", host, "-CAfile", lab.paths.caFile, ...options],
    ],
    "QUIT\n",
  );
}

const verdicts: Readonly<Record<string, string>> = {
  "0 (ok)": "trusted",
  "18 (self-signed certificate)": "self-signed",
  "62 (hostname mismatch)": "misnamed",
};

/** What a validating resolver, and one that does not validate, say of a domain's own records. */
async function trustIn(name: string): Promise<string> {
  const ask = (...options: string[]) => output(["dig", "+adflag", ...options, name, "MX"]);
  const validated = await ask();
  if (/status: SERVFAIL/.test(validated)) {
    return /status: NOERROR/.test(await ask("+cdflag")) ? "bogus" : "no answer";
  }
  return /flags:[^;]* ad[ ;]/.test(validated) ? "secure" : "insecure";
}

/** Everything about a domain in which some differ from others. */
async function seen(name: string) {
  const [mx = ""] = await dig(name, "MX");
  const host = mx.split(" ")[1]?.replace(/\.$/, "") ?? "";
  const [ipv4] = await dig(host, "A");
  const [ipv6] = await dig(host, "AAAA");
  const address = ipv4 ?? ipv6 ?? "";
  const shown = await shownBy(host, address);
  const verified = /Verify return code: (.*)/i.exec(shown)?.[1] ?? "";
  const refused = /Connection refused/.test(shown);
  const starttls = !/Didn't find STARTTLS/.test(shown);
  const [tlsa] = await dig(`_25._tcp.${host}`, "TLSA");
  const fits = async (data: string) => {
    const record = data.replace(
      /^(\d+ \d+ \d+) (.*)$/,
      (_, head, hex) => `${head} ${hex.replaceAll(" ", "")}`,
    );
    // A certificate that DANE itself names needs no name (RFC 7671, section 5.1).
    const dane = ["-dane_ee_no_namechecks", "-dane_tlsa_domain", host, "-dane_tlsa_rrdata", record];
    return /Verification: OK/.test(await shownBy(host, address, ...dane)) ? "fits" : "fits nothing";
  };
  const policy = ["curl", "-s", "--cacert", lab.paths.caFile];
  const published = await output([...policy, `https://mta-sts.${name}/.well-known/mta-sts.txt`]);
  const [announced] = await text(`_mta-sts.${name}`);
  return {
    host,
    dnssec: await trustIn(name),
    families: [...(ipv4 ? [4] : []), ...(ipv6 ? [6] : [])],
    port25: refused ? "closed" : starttls ? (verdicts[verified] ?? verified) : "no STARTTLS",
    tlsa: tlsa === undefined ? "none" : await fits(tlsa),
    policy: announced === undefined ? published : /mode: (\w+)\r\nmx: (\S+)/.exec(published)?.[0],
    spf: (await text(name)).find((line) => line.startsWith("v=spf1")),
    dmarc: /p=(\w+)/.exec((await text(`_dmarc.${name}`))[0] ?? "")?.[1],
  };
}

type Seen = Awaited<ReturnType<typeof seen>>;

const usual = (name: string): Seen => ({
  host: `mx.${name}`,
  dnssec: "secure",
  families: [4, 6],
  port25: "trusted",
  tlsa: "none",
  policy: "",
  spf: "v=spf1 mx -all",
  dmarc: "reject",
});

const enforces = (host: string) => ({ policy: `mode: enforce\r\nmx: ${host}` });

const expected: Readonly<Record<string, Partial<Seen>>> = {
  "elsewhere.test": {},
  "gmail.com": { host: "gmail-smtp-in.l.google.com" },
  "forged-spf.test": { spf: "v=spf1 -all", dmarc: undefined },
  "forged-none.test": { spf: "v=spf1 -all", dmarc: "none" },
  "forged-quarantine.test": { spf: "v=spf1 -all", dmarc: "quarantine" },
  "forged-reject.test": { spf: "v=spf1 -all" },
  "dane.test": { port25: "self-signed", tlsa: "fits" },
  "dane-wrong.test": { tlsa: "fits nothing" },
  "mta-sts.test": enforces("mx.mta-sts.test"),
  "mta-sts-wrong.test": { port25: "misnamed", ...enforces("mx.mta-sts-wrong.test") },
  "mta-sts-self-signed.test": {
    port25: "self-signed",
    ...enforces("mx.mta-sts-self-signed.test"),
  },
  "mta-sts-no-tls.test": { port25: "no STARTTLS", ...enforces("mx.mta-sts-no-tls.test") },
  "mta-sts-other-mx.test": enforces("mx.elsewhere.test"),
  "mta-sts-testing.test": {
    port25: "misnamed",
    policy: "mode: testing\r\nmx: mx.mta-sts-testing.test",
  },
  "dane-right-mta-sts-wrong.test": {
    port25: "misnamed",
    tlsa: "fits",
    ...enforces("mx.dane-right-mta-sts-wrong.test"),
  },
  "dane-wrong-mta-sts-right.test": {
    tlsa: "fits nothing",
    ...enforces("mx.dane-wrong-mta-sts-right.test"),
  },
  "dane-unsigned.test": { dnssec: "insecure", tlsa: "fits nothing" },
  "dnssec-broken.test": { dnssec: "bogus" },
  "no-tls.test": { port25: "no STARTTLS" },
  "greylisting.test": {},
  "slow.test": {},
  "closed.test": { port25: "closed" },
  "ipv4-only.test": { families: [4] },
  "ipv6-only.test": { families: [6] },
  "listed.test": {},
  "list-refuses.test": {},
};

/** Hands a mail over with curl; what was said. */
const curl = (to: string, from = "sender@elsewhere.test"): Promise<string> => {
  const mail = ["--mail-from", from, "--mail-rcpt", to, "--upload-file", "-"];
  const url = `smtp://mx.${to.split("@")[1]}`;
  const source = ["--interface", elsewhere.ipv4];
  return output(
    ["curl", "-sv", ...source, "--url", url, ...mail],
    "Subject: by hand\r\n\r\nHello.\r\n",
  );
};

beforeAll(async () => {
  await lab.up();
});

afterAll(() => lab.down());

describe("a foreign mail domain", () => {
  it("stands in this table", () => {
    expect(mailDomains.map(({ name }) => name)).toEqual(Object.keys(expected));
  });

  it.each(Object.entries(expected))("%s shows what its name says", async (name, particulars) => {
    expect(await seen(name)).toEqual({ ...usual(name), ...particulars });
  });

  it("has a name for each address, and the address for the name", async () => {
    for (const { host, addresses, families } of mailDomains) {
      const own = families.map((family) => (family === 4 ? addresses.ipv4 : addresses.ipv6));
      for (const address of own)
        expect(await dig(reverseName(address), "PTR")).toEqual([`${host}.`]);
    }
  });

  it("takes mail for itself and for nobody else", async () => {
    expect(await curl("anybody@elsewhere.test")).toMatch(/< 250 OK: message queued/);
    const url = ["--url", "smtp://mx.elsewhere.test", "--mail-rcpt", "anybody@gmail.com"];
    const mail = ["--mail-from", "sender@elsewhere.test", "--upload-file", "-", ...url];
    expect(await output(["curl", "-sv", ...mail], "\r\n")).toMatch(/< 550 relay denied/);
  });

  it("that greylists takes mail at the second try of the same sender", async () => {
    const again = () => curl("first@greylisting.test");
    expect(await again()).toMatch(/< 451 4\.7\.1/);
    expect(await curl("second@greylisting.test")).toMatch(/< 451 4\.7\.1/);
    expect(await again()).toMatch(/< 250 OK: message queued/);
  });

  it("that is slow keeps its sender waiting for a greeting, and then takes the mail", async () => {
    const began = Date.now();
    expect(await curl("anybody@slow.test")).toMatch(/< 250 OK: message queued/);
    expect(Date.now() - began).toBeGreaterThan(3500);
  });

  it("publishes its policies under its own names only", async () => {
    const ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"];
    const resolve = ["--resolve", `mx.elsewhere.test:443:${foreignWeb.ipv4}`];
    const path = ".well-known/mta-sts.txt";
    const code = (...rest: string[]) => output([...ask, lab.paths.caFile, ...rest]);
    expect(await code(`https://mta-sts.mta-sts.test/${path}`)).toBe("200");
    expect(await code("https://mta-sts.mta-sts.test/")).toBe("404");
    expect(await code(...resolve, `https://mx.elsewhere.test/${path}`)).toBe("404");
  });
});

describe("the block list", () => {
  const listing = (address: string) =>
    dig(reverseName(address).replace(/(in-addr|ip6)\.arpa$/, "zen.spamhaus.org"), "A");

  it.each([4, 6] as const)(
    "lists an address of IPv%d, refuses another, knows no third",
    async (family) => {
      const of = ({ ipv4, ipv6 }: typeof elsewhere) => (family === 4 ? ipv4 : ipv6);
      expect(await listing(of(listedHost))).toEqual(["127.0.0.2"]);
      expect(await listing(of(refusedHost))).toEqual(["127.255.255.254"]);
      expect(await listing(of(elsewhere))).toEqual([]);
    },
  );

  it("has the entry by which its users see that it answers", async () => {
    expect(await listing("127.0.0.2")).toEqual(["127.0.0.2"]);
    expect(await listing("127.0.0.1")).toEqual([]);
  });

  it("lists the hosts of the domains that are called so, and the domains themselves", async () => {
    expect(await dig("mx.listed.test", "A")).toEqual([listedHost.ipv4]);
    expect(await dig("mx.list-refuses.test", "AAAA")).toEqual([refusedHost.ipv6]);
    expect(await dig("listed.test.dbl.spamhaus.org", "A")).toEqual(["127.0.1.2"]);
    expect(await dig("list-refuses.test.dbl.spamhaus.org", "A")).toEqual(["127.255.255.254"]);
    expect(await dig("elsewhere.test.dbl.spamhaus.org", "A")).toEqual([]);
    expect(await dig("dbltest.com.dbl.spamhaus.org", "A")).toEqual(["127.0.1.2"]);
  });
});
