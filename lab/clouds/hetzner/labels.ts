// Labels and the label selector grammar: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`,
// joined by commas that all must hold.

import { z } from "zod";
import { invalidInput } from "./errors";
import type { Labels } from "./state";

const segment = /^[a-z0-9A-Z](?:[\w.-]{0,61}[a-z0-9A-Z])?$/;
const prefix = /^(?=.{1,253}$)[a-z0-9A-Z](?:[a-z0-9A-Z.-]*[a-z0-9A-Z])?$/;

function isKey(key: string): boolean {
  const parts = key.split("/");
  const name = parts.pop() ?? "";
  if (parts.length > 1 || !segment.test(name)) {
    return false;
  }
  const [before] = parts;
  return before === undefined || (prefix.test(before) && before !== "hetzner.cloud");
}

const isValue = (value: string) => value === "" || segment.test(value);

/** Schema of the `labels` of a request. */
export const labelsBody = z.record(z.string(), z.string()).superRefine((labels, context) => {
  for (const [key, value] of Object.entries(labels)) {
    if (!isKey(key)) {
      context.addIssue({
        code: "custom",
        message: `label key '${key}' is not correctly formatted`,
      });
    }
    if (!isValue(value)) {
      context.addIssue({
        code: "custom",
        message: `label value '${value}' (key: ${key}) is not correctly formatted`,
      });
    }
  }
});

type Requirement = (labels: Labels) => boolean;

function requirement(text: string): Requirement | undefined {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    if (!isKey(key) || !values.every(isValue)) {
      return undefined;
    }
    return (labels) => values.includes(labels[key] ?? "\0") === (operator === "in");
  }
  const equality = /^([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)$/.exec(text);
  if (equality !== null) {
    const [, key = "", operator, value = ""] = equality;
    if (!isKey(key) || !isValue(value)) {
      return undefined;
    }
    return (labels) => (labels[key] === value) === (operator !== "!=");
  }
  const key = text.replace(/^!\s*/, "");
  return isKey(key) ? (labels) => key in labels === (key === text) : undefined;
}

/** Reads a label selector into a test of labels; a malformed one is `invalid_input`. */
export function labelSelector(selector: string, field = "label_selector"): Requirement {
  const parts = selector.split(/,(?![^(]*\))/).map((part) => part.trim());
  const requirements = parts.filter((part) => part !== "").map((part) => requirement(part));
  return (labels) =>
    requirements.every((holds) => {
      if (holds === undefined) {
        throw invalidInput(field, `label selector '${selector}' is malformed`);
      }
      return holds(labels);
    });
}

/** Throws unless the selector follows the grammar. */
export function checkLabelSelector(selector: string, field: string): void {
  const parts = selector.split(/,(?![^(]*\))/).map((part) => part.trim());
  if (selector.trim() === "" || parts.some((part) => requirement(part) === undefined)) {
    throw invalidInput(field, `label selector '${selector}' is malformed`);
  }
}
