// The certificate of each name as a stranger sees it. Does not prove that the real authorities issue one.

import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import {
  allShowWhatIsThere,
  mailPorts,
  servedNames,
  shownCertificate,
  tlsaOf,
  webNames,
  withWebNames,
} from "../../support/authority";
import { domain, onHost, target } from "../../support/target";

beforeAll(withWebNames);

describe("the host's certificate", () => {
  it.each(mailPorts)("is the authority's, for its name, on port %d", (port) => {
    const { certificate, trusted } = shownCertificate(port) ?? {};
    expect(trusted).toBe(true);
    expect(certificate?.subjectAltName).toBe(`DNS:${target.hostname}`);
    expect(certificate?.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  });

  it("was there within a minute and a half of the installation", () => {
    const told = "journalctl --output=short-unix --no-pager";
    const at = (line: string) => Number(line.split(" ")[0]);
    const installed = at(onHost(`${told} --unit=mail-install | grep 'installed in' | tail -1`));
    const issued = at(
      onHost(`${told} --unit=mail-certificates | grep '${target.hostname}: has' | head -1`),
    );
    expect(issued - installed).toBeLessThan(90);
  });

  it("is the one on the volume, with its key in the same file, which root alone reads", () => {
    expect(allShowWhatIsThere()).toBe(true);
    expect(
      onHost(`stat --format='%a %U:%G' /srv/mail-host/tls/${target.hostname}.pem`).trim(),
    ).toBe("600 root:root");
  });

  it("is described to the program with the key in use and the next one", () => {
    const said = JSON.parse(onHost("mail-certificates host 1 60"));
    const next = onHost(
      `openssl pkey -in /srv/mail-host/tls/${target.hostname}.next.key -pubout -outform DER | sha256sum`,
    );
    const { certificate } = shownCertificate(25) ?? {};
    expect(said).toEqual({
      account: expect.stringMatching(/^https:\/\/acme\.test:14000\/my-account\//),
      caaIdentity: expect.stringMatching(/^[a-z.]+$/),
      tlsa: [
        certificate === undefined ? "" : tlsaOf(new X509Certificate(certificate.raw)),
        next.slice(0, 64).toUpperCase(),
      ],
    });
  });
});

describe("the web server", () => {
  it("has a certificate of the authority for each name of each domain, one name in each", () => {
    const names = servedNames().filter((name) => name !== target.hostname);
    expect(names).toHaveLength(6);
    for (const name of names) {
      const shown = shownCertificate(443, name);
      expect({ name: shown?.certificate.subjectAltName, trusted: shown?.trusted }).toEqual({
        name: `DNS:${name}`,
        trusted: true,
      });
    }
  });

  it("reads their keys, and those of nobody else", () => {
    const read = (name: string) =>
      onHost(`runuser -u www-data -- cat /srv/mail-host/tls/${name} 2>&1 >/dev/null || true`);
    for (const name of webNames(domain)) expect(read(`${name}.pem`)).toBe("");
    for (const file of [`${target.hostname}.pem`, `${target.hostname}.next.key`]) {
      expect(read(file)).toContain("Permission denied");
    }
  });

  it.each([
    ["the host's own name", target.hostname],
    ["a name of another domain", "mta-sts.elsewhere.test"],
    ["a domain itself", domain],
    ["a name of another service", `www.${domain}`],
  ])("shakes no hands for %s", (_what, name) => {
    expect(shownCertificate(443, name)).toBeUndefined();
  });
});
