// Whether mail-outbound tells a network that lets port 25 out from one that does not.

import { afterEach, describe, expect, it } from "vitest";
import { onHost } from "../../support/target";

const host = "gmail-smtp-in.l.google.com";
const outbound = () => JSON.parse(onHost("mail-outbound"));
const block = (families: string) =>
  onHost(
    `nft 'table inet blocked { chain output { type filter hook output priority 0; meta nfproto ${families} tcp dport 25 drop; }; }'`,
  );

afterEach(() => {
  onHost("nft delete table inet blocked 2>/dev/null || true");
});

describe("mail-outbound", () => {
  it("finds port 25 open where mail can leave over both families", () => {
    expect(outbound()).toEqual({
      port25: "open",
      detail: `${host} answers over IPv4 and IPv6`,
    });
  });

  it.each([
    ["ipv4", "IPv6", "IPv4"],
    ["ipv6", "IPv4", "IPv6"],
  ])("finds it open where only %s is blocked, and says so", (family, open, silent) => {
    block(family);
    expect(outbound()).toEqual({
      port25: "open",
      detail: `${host} answers over ${open}; no mail host of gmail.com answers over ${silent}`,
    });
  });

  it("finds it blocked where no connection comes about, within ten seconds", () => {
    block("{ ipv4, ipv6 }");
    const start = Date.now();
    expect(outbound()).toEqual({
      port25: "blocked",
      detail: "no mail host of gmail.com answers over IPv4 or IPv6",
    });
    expect(Date.now() - start).toBeLessThan(11_000);
  });
});
