// The judge's probes against a small mail server on this machine's loopback: that they see what it speaks,
// and what it does not. Does not prove that a real mail host is judged rightly.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, it } from "vitest";
import { Unreachable } from "../../scripts/verify/check";
import type { Place } from "../../scripts/verify/context";
import { hello } from "../../scripts/verify/probes/hello";
import { reach, talk } from "../../scripts/verify/probes/smtp";
import { earlyData, sessionWith } from "../../scripts/verify/probes/tls";
import { ancient, ciphers, groups, modern, signatures } from "../../scripts/verify/tls-lists";

const name = "mail.example.test";

const { key, cert } = (() => {
  const folder = mkdtempSync(join(tmpdir(), "mail-host-verify-"));
  const [keyFile, certFile] = [join(folder, "key"), join(folder, "cert")];
  const what = ["-nodes", "-days", "2", "-subj", `/CN=${name}`];
  const how = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const files = ["-keyout", keyFile, "-out", certFile, "-addext", `subjectAltName=DNS:${name}`];
  execFileSync("openssl", [...how, ...what, ...files], { stdio: "ignore" });
  const pair = { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
  rmSync(folder, { recursive: true });
  return pair;
})();

let close = () => {};
afterEach(() => close());

/** A server that begins TLS with STARTTLS. */
function serve(options: SMTPServerOptions = {}): Promise<Place> {
  const server = new SMTPServer({ key, cert, authOptional: true, name, ...options });
  server.on("error", () => {});
  close = () => server.close(() => {});
  return new Promise((resolve) => {
    const listener = server.listen(0, "127.0.0.1", () => {
      const at = listener.address();
      const port = typeof at === "object" && at !== null ? at.port : 0;
      resolve({ address: "127.0.0.1", port, name });
    });
  });
}

describe("the first words of TLS by hand", () => {
  it("find the newest version, its cipher and its group", async () => {
    const { agreed } = await hello(await serve(), modern("TLS 1.3"));
    expect(agreed?.version).toBe("TLS 1.3");
    expect(ciphers.good["TLS 1.3"]).toContain(agreed?.cipher);
    expect(groups.good).toContain(agreed?.group);
  });

  it("find in TLS 1.2 how the key exchange is made and signed", async () => {
    const { agreed } = await hello(await serve({ maxVersion: "TLSv1.2" }), modern("TLS 1.2"));
    expect(signatures.good).toContain(agreed?.signature);
    expect(groups.good).toContain(agreed?.group);
    expect(ciphers.good["TLS 1.2"]).toContain(agreed?.cipher);
    expect(agreed).toMatchObject({
      version: "TLS 1.2",
      compressed: false,
      extendedMasterSecret: true,
      secureRenegotiation: true,
    });
  });

  it("find nothing where the host refuses", async () => {
    const place = await serve({ minVersion: "TLSv1.3" });
    expect(await hello(place, modern("TLS 1.2"))).toEqual({});
    expect(await hello(place, ancient("TLS 1.0"))).toEqual({});
    expect(
      await hello(place, { ...modern("TLS 1.3"), groups: groups.bad["TLS 1.3"].slice(0, 20) }),
    ).toEqual({});
  });

  it("find what ought to be refused and is not: old versions, CBC, SHA-1", async () => {
    const weak = { minVersion: "TLSv1", ciphers: "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0" } as const;
    const place = await serve({ ...weak, maxVersion: "TLSv1.2" });
    expect((await hello(place, ancient("TLS 1.0"))).agreed?.version).toBe("TLS 1.0");
    const bad = { ...modern("TLS 1.2"), ciphers: ciphers.bad["TLS 1.2"] };
    expect((await hello(place, bad)).agreed?.cipher).toBe(49161);
    const sha1 = await hello(place, { ...bad, signatures: signatures.bad });
    expect(sha1.agreed?.signature).toBe(0x0203);
  });
});

describe("a whole handshake", () => {
  it("has the chain, why it is not trusted, and how often the client may begin anew", async () => {
    const { chain, distrust, renegotiations } = await sessionWith(undefined)(await serve());
    expect(chain.map((one) => one.checkHost(name))).toEqual([name]);
    expect(distrust).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    // Node ends a session at the fourth (CLIENT_RENEG_LIMIT).
    expect(renegotiations).toBe(3);
  });

  it("is trusted when the caller trusts who signed it", async () => {
    expect((await sessionWith(cert)(await serve())).distrust).toBeUndefined();
  });

  it("tells of no early data where there is none, and nothing where there is no host", async () => {
    const place = await serve();
    expect(await earlyData(place)).toBe(0);
    expect(await earlyData({ ...place, port: 1 })).toBeUndefined();
  });
});

describe("a conversation", () => {
  it("has a reply to the greeting and to each line, in the clear and in TLS", async () => {
    const place = await serve({ banner: "hello" });
    const lines = ["EHLO", "MAIL FROM:<>", "NONSENSE"];
    for (const encrypted of [false, true]) {
      const replies = await talk({ ...place, lines, encrypted });
      expect(replies.map(({ code }) => code)).toEqual([220, 250, 250, 500]);
      expect(replies[1]?.text.includes("STARTTLS")).toBe(!encrypted);
    }
  });

  it("ends with silence when the host waits for more, and with its words when it does not", async () => {
    const place = await serve();
    const lines = ["EHLO", "MAIL FROM:<>", "RCPT TO:<a@example.test>", "DATA"];
    const waiting = await talk({ ...place, lines, unfinished: "a\r\n" });
    expect(waiting.at(-1)).toEqual({ code: 0, text: "" });
    const ended = await talk({ ...place, lines, unfinished: "a\r\n.\r\n" });
    expect(ended.at(-1)?.code).toBe(250);
  });

  it("is not to be had where nobody listens, and that is no finding", async () => {
    const place = { address: "127.0.0.1", port: 1, name };
    await expect(talk({ ...place, lines: [] })).rejects.toThrow(Unreachable);
    expect(await reach("127.0.0.1", 1)).toBe("refused");
    const { address, port } = await serve();
    expect(await reach(address, port)).toBe("open");
  });
});
