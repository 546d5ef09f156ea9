// `cloudflare.ZoneDnssec`: the zone's setting under the zone's own id. A create or an update keeps
// `status` as wanted; a read takes it as it is, so that it differs while the parent has no DS.

import { ApiError, ask, type Credentials } from "./cloudflare-api";
import { differences } from "./differences";
import { camelCased, snakeCased } from "./names";
import type { Change, Failure, Resource } from "./plugin";
import {
  type Properties,
  present,
  revealProperties,
  textOf,
  unknown,
  withSecretsOf,
} from "./values";

const settings = ["dnssecMultiSigner", "dnssecPresigned", "dnssecUseNsec3", "status"] as const;
const inputNames = [...settings, "zoneId"] as const;
const computedNames = [
  "algorithm",
  "digest",
  "digestAlgorithm",
  "digestType",
  "ds",
  "flags",
  "keyTag",
  "keyType",
  "modifiedOn",
  "publicKey",
] as const;

export function zoneDnssec(credentials: () => Credentials): Resource {
  async function change(inputs: Properties, body: Properties): Promise<Properties> {
    const answer = await ask(credentials(), "PATCH", path(inputs), { body: snakeCased(body) });
    return { ...present(camelCased(answer), computedNames), ...inputs };
  }
  return {
    check,
    diff,
    async create({ inputs, preview }) {
      if (preview) return { id: "", state: planned(inputs) };
      const plain = revealProperties(inputs);
      const state = await change(plain, present(plain, settings));
      return { id: textOf(plain, "zoneId") ?? "", state: withSecretsOf(state, inputs) };
    },
    async read({ id, state, inputs }) {
      let answer: Properties;
      try {
        answer = camelCased(await ask(credentials(), "GET", path({ zoneId: id })));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
      const found = { ...present(answer, [...settings, ...computedNames]), zoneId: id };
      const known = Object.keys(inputs).length > 0;
      return {
        id,
        state: withSecretsOf(found, state),
        inputs: known ? inputs : present(found, inputNames),
      };
    },
    async update({ state, inputs, preview }) {
      if (preview) return planned(inputs);
      const plain = revealProperties(inputs);
      const before = revealProperties(state);
      const removed = settings.filter(
        (name) => plain[name] === undefined && before[name] !== undefined,
      );
      const nulls = Object.fromEntries(removed.map((name) => [name, null]));
      return withSecretsOf(await change(plain, { ...present(plain, settings), ...nulls }), inputs);
    },
    async delete({ state }) {
      const plain = revealProperties(state);
      await ask(credentials(), "PATCH", path(plain), { body: { status: "disabled" } });
      await ask(credentials(), "DELETE", path(plain));
    },
  };
}

function check(inputs: Properties): readonly Failure[] {
  const { zoneId, status } = revealProperties(inputs);
  const failures: Failure[] = [];
  if (zoneId === undefined) {
    failures.push({ property: "zoneId", reason: "zoneId: missing required property" });
  }
  if (typeof status === "string" && !/^(?:active|disabled)$/i.test(status)) {
    const reason = `status: "${status}" is not one of active, disabled`;
    failures.push({ property: "status", reason });
  }
  return failures;
}

function diff(state: Properties, _oldInputs: Properties, inputs: Properties): readonly Change[] {
  const [old, now] = [state, inputs].map((values) => present(revealProperties(values), inputNames));
  return differences(old ?? {}, now ?? {}).map((difference) => ({
    ...difference,
    replaces: difference.path === "zoneId",
  }));
}

/** What a preview can say: the API answers everything else anew. */
function planned(inputs: Properties): Properties {
  return { ...Object.fromEntries(computedNames.map((name) => [name, unknown])), ...inputs };
}

function path(values: Properties): string {
  const zoneId = textOf(values, "zoneId");
  if (zoneId === undefined) throw new Error("zoneId: missing");
  return `zones/${zoneId}/dnssec`;
}
