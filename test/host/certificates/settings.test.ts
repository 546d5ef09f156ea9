// What the web servers of the mail domains say: every value that they give to a mail program really logs
// in. Does not prove that each mail program asks in this way.

import { beforeAll, describe, expect, it } from "vitest";
import { withWebNames } from "../../support/authority";
import { domain, login, onHost, secondDomain, target } from "../../support/target";
import {
  type Account,
  ask,
  askRaw,
  elements,
  fields,
  logInToImap,
  logInToSmtp,
  parsePlist,
  parseXml,
} from "../../support/web";

const domains = [domain, secondDomain] as const;
const users = { [domain]: `alice@${domain}`, [secondDomain]: `carol@${secondDomain}` };
const alice = login(`alice@${domain}`);

beforeAll(withWebNames);

describe("the MTA-STS policy", () => {
  it.each(domains)("of %s says that the host alone takes its mail, and encrypted", async (name) => {
    for (const family of ["ipv4", "ipv6"] as const) {
      const { status, headers, body } = await ask(
        `https://mta-sts.${name}/.well-known/mta-sts.txt`,
        {
          family,
        },
      );
      expect({ status, type: headers["content-type"], body }).toEqual({
        status: 200,
        type: "text/plain",
        body: `version: STSv1\r\nmode: enforce\r\nmx: ${target.hostname}\r\nmax_age: 1209600\r\n`,
      });
    }
  });
});

describe("autoconfig", () => {
  const user = "%EMAILADDRESS%";
  const accounts = (document: string, kind: string): Account[] =>
    elements(parseXml(document), kind).map((element) => {
      const { hostname = "", port, socketType, username = "" } = fields(element);
      return {
        server: hostname,
        port: Number(port),
        tls: socketType === "SSL" ? "at once" : "STARTTLS",
        user: username,
      };
    });

  it.each(domains)("of %s gives servers that let its users in", async (name) => {
    const { body, headers } = await ask(
      `https://autoconfig.${name}/mail/config-v1.1.xml?emailaddress=${users[name]}`,
    );
    expect(headers["content-type"]).toBe("text/xml");
    const [provider] = elements(parseXml(body), "emailProvider");
    expect(provider?.attributes.id).toBe(name);
    expect(provider && fields(provider).domain).toBe(name);
    const [incoming, outgoing] = ["incomingServer", "outgoingServer"].map((kind) =>
      accounts(body, kind),
    );
    const server = target.hostname;
    expect(incoming).toEqual([{ server, port: 993, tls: "at once", user }]);
    expect(outgoing).toEqual([
      { server, port: 465, tls: "at once", user },
      { server, port: 587, tls: "STARTTLS", user },
    ]);
    const { password } = login(users[name] ?? "");
    const own = (account: Account) => ({
      ...account,
      user: account.user.replace(user, users[name] ?? ""),
    });
    for (const account of incoming ?? []) await logInToImap(own(account), password);
    for (const account of outgoing ?? []) await logInToSmtp(own(account), password);
  });

  it("is the same wherever it is looked for, and encrypted everywhere", async () => {
    const { body } = await ask(`https://autoconfig.${domain}/mail/config-v1.1.xml`);
    const place = "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=x";
    expect((await ask(`https://autoconfig.${domain}${place}`)).body).toBe(body);
    const { status, headers } = await ask(`http://autoconfig.${domain}${place}`);
    expect({ status, location: headers.location }).toEqual({
      status: 301,
      location: `https://autoconfig.${domain}${place}`,
    });
  });
});

describe("autodiscover", () => {
  const question = `<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>${alice.user}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`;

  it.each([
    ["POST", "/autodiscover/autodiscover.xml"],
    ["POST", "/Autodiscover/Autodiscover.xml"],
    ["GET", "/AutoDiscover/AutoDiscover.XML"],
  ])("answers %s %s with servers that let the user in", async (method, path) => {
    const { status, headers, body } = await ask(`https://autodiscover.${domain}${path}`, {
      method,
      body: method === "POST" ? question : "",
    });
    expect({ status, type: headers["content-type"] }).toEqual({ status: 200, type: "text/xml" });
    const protocols = elements(parseXml(body), "Protocol").map(fields);
    const common = { DomainRequired: "off", SPA: "off", SSL: "on", AuthRequired: "on" };
    expect(protocols).toEqual([
      { Type: "IMAP", Server: target.hostname, Port: "993", ...common },
      {
        ...{ Type: "SMTP", Server: target.hostname, Port: "465", ...common },
        ...{ UsePOPAuth: "on", SMTPLast: "off" },
      },
    ]);
    for (const { Type, Server = "", Port } of protocols) {
      // Without a LoginName the address is the login.
      const account: Account = {
        server: Server,
        port: Number(Port),
        tls: "at once",
        user: alice.user,
      };
      await (Type === "IMAP" ? logInToImap : logInToSmtp)(account, alice.password);
    }
  });

  it("refuses a question that is too long to be one", async () => {
    const { status } = await ask(`https://autodiscover.${domain}/autodiscover/autodiscover.xml`, {
      method: "POST",
      body: "x".repeat(17_000),
    });
    expect(status).toBe(413);
  });
});

describe("the profile for Apple's devices", () => {
  const profile = async (name: string, address: string) =>
    ask(`https://autoconfig.${name}/apple.mobileconfig?email=${address}`);
  const uuid = /^[0-9A-F]{8}-[0-9A-F]{4}-[1-8][0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$/i;

  it.each(domains)("of %s lets the user in", async (name) => {
    const address = users[name] ?? "";
    const { status, headers, body } = await profile(name, address);
    expect({ status, type: headers["content-type"] }).toEqual({
      status: 200,
      type: "application/x-apple-aspen-config",
    });
    const { PayloadContent, ...outer } = parsePlist(body);
    expect(outer).toEqual({
      PayloadType: "Configuration",
      PayloadVersion: 1,
      PayloadIdentifier: `${target.hostname}.${name}`,
      PayloadUUID: expect.stringMatching(uuid),
      PayloadDisplayName: `Mail of ${name}`,
    });
    const [mail] = PayloadContent as Record<string, string | number | boolean>[];
    expect(mail).toEqual({
      PayloadType: "com.apple.mail.managed",
      PayloadVersion: 1,
      PayloadIdentifier: `${target.hostname}.${name}.account`,
      PayloadUUID: expect.stringMatching(uuid),
      PayloadDisplayName: address,
      EmailAccountDescription: address,
      EmailAccountType: "EmailTypeIMAP",
      EmailAddress: address,
      IncomingMailServerAuthentication: "EmailAuthPassword",
      IncomingMailServerHostName: target.hostname,
      IncomingMailServerPortNumber: 993,
      IncomingMailServerUseSSL: true,
      IncomingMailServerUsername: address,
      OutgoingMailServerAuthentication: "EmailAuthPassword",
      OutgoingMailServerHostName: target.hostname,
      OutgoingMailServerPortNumber: 465,
      OutgoingMailServerUseSSL: true,
      OutgoingMailServerUsername: address,
      OutgoingPasswordSameAsIncomingPassword: true,
    });
    const account = (way: "Incoming" | "Outgoing"): Account => ({
      server: String(mail?.[`${way}MailServerHostName`]),
      port: Number(mail?.[`${way}MailServerPortNumber`]),
      tls: mail?.[`${way}MailServerUseSSL`] === true ? "at once" : "STARTTLS",
      user: String(mail?.[`${way}MailServerUsername`]),
    });
    const { password } = login(address);
    await logInToImap(account("Incoming"), password);
    await logInToSmtp(account("Outgoing"), password);
  });

  it("has identifiers that stay, and are others for another domain", async () => {
    const idsOf = async (name: string, address: string) =>
      (await profile(name, address)).body.match(/[0-9a-f]{8}-[0-9a-f-]{27}/g) ?? [];
    const first = await idsOf(domain, alice.user);
    expect(new Set([...first, ...(await idsOf(secondDomain, `carol@${secondDomain}`))]).size).toBe(
      4,
    );
    onHost("rm -r /var/lib/mail-host/profiles && mail-certificates");
    expect(await idsOf(domain, alice.user)).toEqual(first);
  });

  it.each([`alice+tag@${domain}`, `Alice@${domain.toUpperCase()}`, `alice%40${domain}`])(
    "is given for %s",
    async (address) => {
      const { status, body } = await profile(domain, address);
      expect(status).toBe(200);
      expect(body).toContain(`<string>${address.replace("%40", "@")}</string>`);
    },
  );

  it.each([
    ["no address", ""],
    ["no local part", `@${domain}`],
    ["no domain", "alice"],
    ["another domain", `carol@${secondDomain}`],
    ["a domain below", `alice@mail.${domain}`],
    ["markup", `%3Cb%3E@${domain}`],
    ["raw markup", `a</string>@${domain}`],
    ["an entity", `a&amp;b@${domain}`],
    ["a line break", `alice%0A@${domain}`],
    ["a directive", `%3C!--%23echo%20var=%22document_root%22--%3E@${domain}`],
    ["two addresses", `alice@${domain},bob@${domain}`],
    ["two @", `alice@x@${domain}`],
  ])("is refused for %s", async (_what, address) => {
    expect(await profile(domain, address)).toMatchObject({ status: 400 });
  });
});

describe("the web server", () => {
  it("says nothing on port 80 for names that are not served", async () => {
    for (const name of [domain, target.hostname, "mta-sts.elsewhere.test", "x"]) {
      expect(await askRaw(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`)).toBe("");
    }
    expect(await askRaw("GET / HTTP/1.0\r\n\r\n")).toBe("");
  });

  it.each([
    ["mta-sts", "/"],
    ["mta-sts", "/mail/config-v1.1.xml"],
    ["autoconfig", "/.well-known/mta-sts.txt"],
    ["autoconfig", `/profiles/${domain}.profile`],
    ["autodiscover", "/settings"],
    ["autodiscover", `/apple.mobileconfig?email=alice@${domain}`],
  ])("has nothing else: https://%s…%s", async (service, path) => {
    expect((await ask(`https://${service}.${domain}${path}`)).status).toBe(404);
  });

  it("does not lead out of its folders", async () => {
    const paths = ["/../", "/..%2f", "//", "/%2e%2e/"].map((step) => `${step}acme/account.key`);
    for (const path of paths) {
      const said = await askRaw(
        `GET /.well-known/acme-challenge${path} HTTP/1.1\r\nHost: ${domain}\r\nConnection: close\r\n\r\n`,
      );
      expect(said).not.toContain("PRIVATE KEY");
      expect(said).toMatch(/^(HTTP\/1\.1 40[04] |$)/);
    }
  });

  it("tells no version, and keeps no record of who asked", async () => {
    const { headers, body } = await ask(`https://mta-sts.${domain}/nothing-here`);
    expect(headers.server).toBe("nginx");
    expect(body).not.toMatch(/nginx\/\d/);
    expect(
      onHost(
        "cat /var/log/nginx/* 2>/dev/null; journalctl --unit=nginx | grep nothing-here || true",
      ),
    ).toBe("");
  });

  it("slows a flood down, and answers again after it", async () => {
    const url = `https://mta-sts.${domain}/.well-known/mta-sts.txt`;
    const statuses = await Promise.all(
      Array.from({ length: 15 }, async () => {
        const seen: number[] = [];
        for (let i = 0; i < 10; i++) seen.push((await ask(url)).status);
        return seen;
      }),
    );
    expect(new Set(statuses.flat())).toEqual(new Set([200, 429]));
    await expect.poll(async () => (await ask(url)).status, { timeout: 10_000 }).toBe(200);
  });
});
