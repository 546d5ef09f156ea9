// The rules that a preview must not break, as the comment asks them.

import { plannedResources } from "../../policy/planned";
import { rules as all, violationsOf } from "../../policy/rules";
import type { Rules } from "./compare";

export const rules: Rules = {
  count: all.length,
  broken: (preview) => violationsOf(plannedResources(preview)),
};
