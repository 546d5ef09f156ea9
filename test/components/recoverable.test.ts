// Whatever the program creates in a cloud, `npm run recover` can find again: by its kind and its marks.
// Does not prove that the clouds keep the marks.

import { expect, it } from "vitest";
import { stackLabels } from "../../components/existing";
import { isOurs } from "../../components/mail-records";
import program from "../../index";
import { labelled, recordType } from "../../scripts/recovery/clouds";
import { attachmentType } from "../../scripts/recovery/placement";
import { settle, withMocks } from "../support/mocks";

const zoneId = "09952be409a7d6464cd7661beeeb966e";
const publicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPgGrprmtOibL6yR3Gb1MdUtBpVrgpSHNWbITkMYBYcQ you@laptop";

// A pointer is set, not created: setting it again changes nothing, and it goes with its address.
const pointerType = "hcloud:index/rdns:Rdns";

it("finds everything again that a first deployment creates in a cloud", async () => {
  const recorded = withMocks(
    {
      host: { name: "mail.example.test", adminCidrs: ["198.18.0.0/24"], sshKeys: [publicKey] },
      domains: [{ name: "example.test", zoneId }],
      mailboxes: [{ address: "alice@example.test", password: "generated" }],
    },
    {
      "cloudflare:index/getZone:getZone": ({ zoneId }) => ({ zoneId, name: "example.test" }),
      "cloudflare:index/getDnsRecords:getDnsRecords": () => ({ results: [] }),
      "hcloud:index/getPrimaryIps:getPrimaryIps": () => ({ primaryIps: [] }),
      "hcloud:index/getSshKeys:getSshKeys": () => ({ sshKeys: [] }),
    },
  );
  await program();
  await settle();
  const created = recorded.filter(({ type }) => /^(hcloud|cloudflare):/.test(type));
  const labels: readonly string[] = labelled.map(({ type }) => type);
  const lost = created.filter(({ type, inputs }) => {
    if (type === attachmentType || type === pointerType) return false;
    if (type === recordType) return !isOurs("dev", String(inputs.comment));
    const marks = Object.entries(stackLabels("dev"));
    return !(
      labels.includes(type) &&
      typeof inputs.name === "string" &&
      marks.every(([label, value]) => Reflect.get(Object(inputs.labels), label) === value)
    );
  });
  expect(lost.map(({ type, name }) => `${type} ${name}`)).toEqual([]);
  expect(new Set(created.map(({ type }) => type))).toEqual(
    new Set([...labels, attachmentType, pointerType, recordType]),
  );
});
