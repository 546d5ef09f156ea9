// Rows and passwords as pure functions of directory and secret. Does not prove that MariaDB or Dovecot takes them.

import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { directoryRows, generatedPasswords } from "../../components/directory-rows";
import { derivedHash, derivedPassword } from "../../components/passwords";
import type { Directory } from "../../config/directory";

const zoneId = "0".repeat(32);
const directory: Directory = {
  domains: [
    {
      name: "example.test",
      zoneId,
      dmarcPolicy: "quarantine",
      reportAddress: "postmaster@example.test",
    },
  ],
  mailboxes: [
    { address: "alice@example.test", password: "generated", generation: 1 },
    { address: "carol@example.test", generation: 1, hash: "$5$x" },
  ],
  aliases: [
    { address: "@example.test", destinations: ["alice@example.test"] },
    { address: "postmaster@example.test", destinations: ["carol@example.test"] },
    { address: "team@example.test", destinations: ["Alice@Example.test", "Bob@Elsewhere.TEST"] },
  ],
};

describe("the rows of a directory", () => {
  it("are the article's three tables, with identity rows and the addresses of RFC 2142", () => {
    const rows = directoryRows(directory, "secret");
    expect(rows.domains).toEqual(["example.test"]);
    expect(rows.users).toEqual([
      {
        email: "alice@example.test",
        crypt: derivedHash("secret", { address: "alice@example.test", generation: 1 }),
      },
      { email: "carol@example.test", crypt: "$5$x" },
    ]);
    expect(rows.aliases.map(({ mail, destination }) => `${mail} ${destination}`)).toEqual([
      "@example.test alice@example.test",
      "abuse@example.test alice@example.test",
      "alice@example.test alice@example.test",
      "carol@example.test carol@example.test",
      "hostmaster@example.test alice@example.test",
      "postmaster@example.test carol@example.test",
      "team@example.test Bob@elsewhere.test",
      "team@example.test alice@example.test",
      "webmaster@example.test alice@example.test",
    ]);
  });

  it("do not depend on the order in which the directory is written, but for the first mailbox", () => {
    const reversed = { ...directory, aliases: [...directory.aliases].reverse() };
    expect(directoryRows(reversed, "secret")).toEqual(directoryRows(directory, "secret"));
  });
});

describe("a derived password", () => {
  it("is known for generated mailboxes only", () => {
    expect(Object.keys(generatedPasswords(directory, "secret"))).toEqual(["alice@example.test"]);
  });

  it("has 125 bits in five groups, and is the same every time", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.emailAddress(),
        fc.nat(),
        (secret, address, generation) => {
          const password = derivedPassword(secret, { address, generation });
          expect(password).toMatch(/^([0-9a-hjkmnp-tv-z]{5}-){4}[0-9a-hjkmnp-tv-z]{5}$/);
          expect(derivedPassword(secret, { address, generation })).toBe(password);
        },
      ),
    );
  });

  it("differs with secret, address and generation", () => {
    const one = derivedPassword("secret", { address: "a@example.test", generation: 1 });
    expect(derivedPassword("secret", { address: "a@example.test", generation: 2 })).not.toBe(one);
    expect(derivedPassword("secret", { address: "b@example.test", generation: 1 })).not.toBe(one);
    expect(derivedPassword("other", { address: "a@example.test", generation: 1 })).not.toBe(one);
  });

  it("matches its hash in Dovecot's SSHA512 form", () => {
    const owner = { address: "a@example.test", generation: 1 };
    const blob = Buffer.from(derivedHash("secret", owner).replace("{SSHA512}", ""), "base64");
    const digest = createHash("sha512")
      .update(derivedPassword("secret", owner))
      .update(blob.subarray(64))
      .digest();
    expect(blob.subarray(0, 64).equals(digest)).toBe(true);
    expect(blob).toHaveLength(64 + 16);
  });

  it("is made ten thousand times in the time of one preview", () => {
    const mailboxes = Array.from({ length: 10_000 }, (_, i) => ({
      address: `u${i}@example.test`,
      password: "generated" as const,
      generation: 1,
    }));
    const rows = directoryRows({ ...directory, mailboxes }, "secret");
    expect(new Set(rows.users.map(({ crypt }) => crypt)).size).toBe(10_000);
  });
});
