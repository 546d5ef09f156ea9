// The rules that a plan must not break, as named sentences. Pure: run by the policy pack, over previews and
// states, and by tests over what the program registers.

import {
  dmarcNeverNone,
  everyRecordHasReason,
  mxPointsHome,
  neverProxied,
  spfWithinTen,
} from "./dns-rules";
import {
  databaseNeverReachable,
  everythingLabelled,
  lastingIsProtected,
  openPorts,
  sshFromKnownNetworks,
  userDataFits,
} from "./host-rules";
import type { PlannedResource, Rule } from "./resource";
import { noPlainSecret } from "./secret-rules";

export type { PlannedResource, Rule, Violation } from "./resource";

export const rules: readonly Rule[] = [
  neverProxied,
  mxPointsHome,
  openPorts,
  sshFromKnownNetworks,
  databaseNeverReachable,
  spfWithinTen,
  dmarcNeverNone,
  noPlainSecret,
  lastingIsProtected,
  everythingLabelled,
  userDataFits,
  everyRecordHasReason,
];

/** Everything that breaks a rule, rule by rule; empty where all is well. */
export function violationsOf(
  resources: readonly PlannedResource[],
): { rule: string; resource?: string; message: string }[] {
  return rules.flatMap((rule) =>
    rule.check(resources).map((violation) => ({ rule: rule.name, ...violation })),
  );
}
