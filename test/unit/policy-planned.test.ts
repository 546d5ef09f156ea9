// What the engine prints, read as planned resources: its forms of unknown values and secrets, and what stays.

import { describe, expect, it } from "vitest";
import { plannedResources } from "../../policy/planned";
import { Secret } from "../../policy/resource";

const urn = (name: string, type = "x:y:Z") => `urn:pulumi:dev::mail-host::a:b:C$${type}::${name}`;
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const secret = (shown: object) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  ...shown,
});
const state = (name: string, more: object = {}) => ({ urn: urn(name), type: "x:y:Z", ...more });

describe("a preview", () => {
  const preview = {
    config: { "mail-host:lasting": "true", "hcloud:token": "[secret]" },
    steps: [
      {
        op: "same",
        newState: { urn: urn("dev", "pulumi:pulumi:Stack"), type: "pulumi:pulumi:Stack" },
      },
      {
        op: "create",
        newState: state("new::er", {
          inputs: { a: unknown, b: ["x", unknown], c: "[secret]", d: { e: 1 } },
          protect: true,
          parent: urn("dev"),
          ignoreChanges: ["comment"],
        }),
      },
      { op: "create-replacement", newState: state("replaced", { inputs: { generation: 2 } }) },
      { op: "replace", newState: state("replaced", { inputs: { generation: 2 } }) },
      { op: "delete-replaced", oldState: state("replaced", { inputs: { generation: 1 } }) },
      { op: "delete", oldState: state("gone"), newState: state("gone") },
    ],
  };

  it("is the resources after it, each once, with what is unknown and what is secret", () => {
    const [stack, created, replaced, ...others] = plannedResources(preview);
    expect(created).toEqual({
      urn: urn("new::er"),
      type: "x:y:Z",
      name: "new::er",
      props: { a: undefined, b: ["x", undefined], c: { secret: true }, d: { e: 1 } },
      protect: true,
      parent: urn("dev"),
      ignoreChanges: ["comment"],
      secretOutputs: [],
    });
    expect(replaced).toMatchObject({ name: "replaced", props: { generation: 2 }, protect: false });
    expect(others).toEqual([]);
    expect(stack?.configuration).toEqual({
      "mail-host:lasting": "true",
      "hcloud:token": { secret: true },
    });
  });

  it("may come as text", () => {
    expect(plannedResources(JSON.stringify(preview))).toEqual(plannedResources(preview));
  });
});

describe("an exported state", () => {
  const exported = (inputs: object, outputs: object = {}, more: object = {}) =>
    plannedResources({
      version: 3,
      deployment: { resources: [state("it", { inputs, outputs, ...more })] },
    });

  it("shows secrets where they were to be shown, and never in print", () => {
    const [shown] = exported(
      { a: secret({ plaintext: '{"b":["s3cret"]}' }), c: secret({ ciphertext: "v1:…" }) },
      { result: secret({ plaintext: '"generated"' }), id: "1" },
    );
    const values = [shown?.props.a, shown?.props.c, ...(shown?.secretOutputs ?? [])];
    expect(values.map((value) => value instanceof Secret && value.reveal())).toEqual([
      { b: ["s3cret"] },
      undefined,
      "generated",
    ]);
    expect(JSON.stringify(shown)).not.toMatch(/s3cret|generated/);
  });

  it("leaves out what waits to be deleted", () => {
    expect(exported({}, {}, { delete: true })).toEqual([]);
  });

  it("may be empty", () => {
    expect(plannedResources({ version: 3, deployment: { manifest: {} } })).toEqual([]);
  });
});

it.each(["{}", "[]", '{"steps":1}'])("is refused when it is neither: %s", (text) => {
  expect(() => plannedResources(text)).toThrow(/neither the output of "pulumi preview --json"/);
});
