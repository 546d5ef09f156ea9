// What the host's commands print is read strictly. Does not prove that they print so.

import { describe, expect, it } from "vitest";
import { dkimKeys, hostCertificate } from "../../components/host-answers";

const certificate = {
  account: "https://ca.test/acct/1",
  caaIdentity: "ca.test",
  tlsa: ["A".repeat(64), "B".repeat(64)],
};
const key = { generation: 1, selector: "rsa1", type: "rsa", publicKey: "M".repeat(392) };

describe("the host's answer", () => {
  it("is taken when it is whole", () => {
    expect(hostCertificate(`${JSON.stringify(certificate)}\n`)).toEqual(certificate);
    expect(dkimKeys(JSON.stringify({ keys: [key] }))).toEqual([key]);
  });

  it.each([
    ["nothing", ""],
    ["no JSON", "mail-certificates: no answer"],
    ["one key", JSON.stringify({ ...certificate, tlsa: ["A".repeat(64)] })],
    [
      "a digest in lower case",
      JSON.stringify({ ...certificate, tlsa: ["a".repeat(64), "B".repeat(64)] }),
    ],
    [
      "an account that ends a parameter",
      JSON.stringify({ ...certificate, account: "https://ca.test/;x" }),
    ],
    ["an account with a quote", JSON.stringify({ ...certificate, account: 'https://ca.test/"' })],
    ["an identity with a parameter", JSON.stringify({ ...certificate, caaIdentity: "ca.test; x" })],
  ])("about its certificate is refused with %s in it", (_what, line) => {
    expect(() => hostCertificate(line)).toThrow(
      /^mail-certificates: the host's answer cannot be read: /,
    );
  });

  it.each([
    ["nothing", ""],
    ["an empty key", JSON.stringify({ keys: [{ ...key, publicKey: "" }] })],
    [
      "a key that ends its tag",
      JSON.stringify({ keys: [{ ...key, publicKey: `${"M".repeat(50)};` }] }),
    ],
    ["another selector", JSON.stringify({ keys: [{ ...key, selector: "default" }] })],
  ])("about DKIM keys is refused with %s in it", (_what, line) => {
    expect(() => dkimKeys(line)).toThrow(/^mail-dkim: the host's answer cannot be read: /);
  });
});
