// The policy pack: the rules as Pulumi runs them, `pulumi preview --policy-pack policy`. Decides nothing itself.

import { PolicyPack, type PolicyResource, Secret as PolicySecret } from "@pulumi/policy";
import { inSecretForm, plainProperties } from "./engine-values";
import { type PlannedResource, Secret } from "./resource";
import { rules } from "./rules";
import { noPlainSecret } from "./secret-rules";

/** Inputs by URN, with their secrets marked as such. */
const inputs = new Map<string, Readonly<Record<string, unknown>>>();

/**
 * A stack is judged by its outputs, whose secrets are unpacked. Only a remediation is shown inputs and which of
 * them are secret, so that one notes them and mends nothing.
 */
function note(resource: { readonly urn: string; readonly props: Record<string, unknown> }): void {
  inputs.set(resource.urn, plainProperties(markedSecrets(resource.props)));
}

/** The values behind the proxies that throw on unknown ones and that hide which are secret (@pulumi/policy, proxy.ts). */
function behind(value: unknown): unknown {
  let inner = value;
  while (typeof inner === "object" && inner !== null && Reflect.get(inner, "__isSpecialProxy")) {
    inner = Reflect.get(inner, "__getSpecialProxyTarget");
  }
  return inner;
}

function markedSecrets(properties: unknown): Record<string, unknown> {
  const fields = behind(properties);
  return typeof fields === "object" && fields !== null
    ? Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, marked(value)]))
    : {};
}

function marked(value: unknown): unknown {
  const inner = behind(value);
  if (inner instanceof PolicySecret) return inSecretForm(marked(inner.value));
  if (Array.isArray(inner)) return inner.map(marked);
  return typeof inner === "object" && inner !== null ? markedSecrets(inner) : inner;
}

function planned({ urn, type, name, props, opts }: PolicyResource): PlannedResource {
  const outputs = plainProperties(markedSecrets(props));
  return {
    urn,
    type,
    name,
    props: inputs.get(urn) ?? outputs,
    protect: opts.protect,
    ignoreChanges: opts.ignoreChanges,
    secretOutputs: opts.additionalSecretOutputs.map((output) => new Secret(outputs[output])),
  };
}

new PolicyPack("mail-host", {
  description: "What a plan of mail-host must never break",
  enforcementLevel: "mandatory",
  policies: rules.map((rule) => ({
    name: rule.name,
    description: rule.sentence,
    ...(rule === noPlainSecret
      ? { enforcementLevel: "remediate" as const, remediateResource: note }
      : {}),
    validateStack: ({ resources }, reportViolation) => {
      // What this run does not register shows its outputs alone, with all secrets unpacked.
      const judged = resources.filter(({ urn }) => rule !== noPlainSecret || inputs.has(urn));
      for (const { message, resource } of rule.check(judged.map(planned))) {
        reportViolation(message, resource);
      }
    },
  })),
});
