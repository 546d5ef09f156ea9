// Whether a domain elsewhere takes our domains' DMARC reports. Does not prove that a resolver answers so.

import { expect, it } from "vitest";
import { type ResolveTexts, unwantedReports } from "../../components/reports";
import { good, read } from "../support/configuration";

const reportingTo = (reportAddress: string) =>
  read({ ...good, domains: [{ ...good.domains[0], reportAddress }] }).directory;
const name = "example.test._report._dmarc.elsewhere.test";
const answering =
  (texts: Readonly<Record<string, string[][]>>): ResolveTexts =>
  async (asked) =>
    texts[asked] ?? failing("ENOTFOUND")(asked);
const failing =
  (code: string): ResolveTexts =>
  async () => {
    throw Object.assign(new Error(code), { code });
  };
const refused = async (texts: ResolveTexts, address = "a@elsewhere.test") =>
  (await unwantedReports(reportingTo(address), texts)).map(
    ({ where, message, cure }) => `${where} | ${message} | ${cure}`,
  );

it("refuses a receiver that has not said that it wants them, with the record to ask for", async () => {
  for (const texts of [
    answering({}),
    failing("ENODATA"),
    answering({ [name]: [["v=spf1 -all"], ["v=DMARC10"]] }),
  ]) {
    expect(await refused(texts)).toEqual([
      `mail-host:domains[0].reportAddress | "a@elsewhere.test" gets no reports of example.test before elsewhere.test says that it wants them | ask its owner for this record: ${name} TXT "v=DMARC1"; or use an address here, e.g. postmaster@example.test`,
    ]);
  }
});

it("takes a receiver that wants them", async () => {
  expect(await refused(answering({ [name]: [["other"], ["v=DM", "ARC1;"]] }))).toEqual([]);
});

it("takes the receiver's word as given while no resolver answers", async () => {
  expect(await refused(failing("ESERVFAIL"))).toEqual([]);
  expect(await refused(failing("ETIMEOUT"))).toEqual([]);
});

it("asks nobody about addresses here or in the same organisation", async () => {
  const nobody: ResolveTexts = async (asked) => {
    throw new Error(`asked for ${asked}`);
  };
  for (const address of ["postmaster@example.test", "dmarc@reports.example.test"]) {
    expect(await refused(nobody, address)).toEqual([]);
  }
});
