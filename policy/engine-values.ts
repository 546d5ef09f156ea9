// The engine's special values, as it writes them to plugins, previews and states. Pure.

import { Secret } from "./resource";

/** Inputs as the engine writes them, with `undefined` for what is not known yet and a `Secret` for each secret. */
export function plainProperties(
  properties: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name, plainValue(value)]),
  );
}

/** Where the engine's special values carry what they are, and that of a secret (its wire format). */
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** A secret in the engine's own form. */
export function inSecretForm(value: unknown): Record<string, unknown> {
  return { [signatureKey]: secretSignature, value };
}

/** What stands for a value that is not known yet, by its kind (pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go). */
const unknowns: ReadonlySet<unknown> = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

function plainValue(value: unknown): unknown {
  if (unknowns.has(value)) return undefined;
  // How the engine shows a secret in a preview.
  if (value === "[secret]") return new Secret();
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  if (Reflect.get(value, signatureKey) !== secretSignature) return plainProperties({ ...value });
  const plaintext: unknown = Reflect.get(value, "plaintext");
  const revealed: unknown =
    typeof plaintext === "string" ? JSON.parse(plaintext) : Reflect.get(value, "value");
  return new Secret(plainValue(revealed));
}
