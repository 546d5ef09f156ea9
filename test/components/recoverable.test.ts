// Whatever the program creates in a cloud, `npm run recover` can find again: by its kind and its marks.
// Does not prove that the clouds keep the marks.

import { expect, it } from "vitest";
import { stackLabels } from "../../components/existing";
import { isOurs } from "../../components/mail-records";
import program from "../../index";
import { labelled } from "../../scripts/clouds/marked";
import { recordType } from "../../scripts/recovery/clouds";
import { attachmentType } from "../../scripts/recovery/placement";
import { good } from "../support/configuration";
import { emptyClouds, settle, withMocks } from "../support/mocks";

// A pointer is set, not created: setting it again changes nothing, and it goes with its address.
const pointerType = "hcloud:index/rdns:Rdns";

it("finds everything again that a first deployment creates in a cloud", async () => {
  const recorded = withMocks(good, emptyClouds);
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
