// `cloudflare.DnsRecord`: what is sent, what is kept in state, and what counts as a change. A create
// or an update keeps the inputs as given; only a read takes everything as the API canonicalised it.

import { ApiError, ask, type Credentials } from "./cloudflare-api";
import { differences } from "./differences";
import { camelCased, snakeCased } from "./names";
import type { Change, Failure, Resource } from "./plugin";
import {
  equal,
  flagOf,
  isList,
  isProperties,
  numberOf,
  type Properties,
  present,
  reveal,
  revealProperties,
  textOf,
  unknown,
  type Value,
  withSecretsOf,
} from "./values";

const recordTypes = new Set(
  "A AAAA CAA CERT CNAME DNSKEY DS HTTPS LOC MX NAPTR NS OPENPGPKEY PTR SMIMEA SRV SSHFP SVCB TLSA TXT URI".split(
    " ",
  ),
);
const inputNames = [
  "comment",
  "content",
  "data",
  "name",
  "priority",
  "privateRouting",
  "proxied",
  "settings",
  "tags",
  "ttl",
  "type",
] as const;
const answerNames = [
  ...inputNames,
  "commentModifiedOn",
  "createdOn",
  "meta",
  "modifiedOn",
  "proxiable",
  "tagsModifiedOn",
] as const;
const replacing: ReadonlySet<string> = new Set(["zoneId", "type"]);

export function dnsRecord(credentials: () => Credentials): Resource {
  return {
    check,
    diff,
    async create({ inputs, preview }) {
      if (preview) return { id: "", state: withSecretsOf(planned(inputs, undefined), inputs) };
      const plain = revealProperties(inputs);
      refuseProxiedTtl(plain);
      const answer = await ask(credentials(), "POST", path(plain), { body: body(plain, {}) });
      const record = answered(answer);
      const state = computed(plain, record);
      return { id: idOf(record), state: withSecretsOf(state, inputs) };
    },
    async read({ id, state, inputs }) {
      const imported = /^([^/]+)\/([^/]+)$/.exec(id);
      const zoneId = imported?.[1] ?? textOf(revealProperties(state), "zoneId");
      if (zoneId === undefined) {
        throw new Error(`import: "${id}" is not <zone id>/<record id>`);
      }
      let record: Properties;
      try {
        record = answered(await ask(credentials(), "GET", path({ zoneId }, imported?.[2] ?? id)));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
      const found = {
        ...present(record, answerNames),
        zoneId,
        includeShadowMetadata: reveal(state.includeShadowMetadata ?? false),
      };
      const known = Object.keys(inputs).length > 0;
      return {
        id: idOf(record),
        state: withSecretsOf(found, state),
        inputs: known ? inputs : { ...present(record, inputNames), zoneId },
      };
    },
    async update({ id, state, inputs, preview }) {
      if (preview) return withSecretsOf(planned(inputs, state), inputs);
      const plain = revealProperties(inputs);
      refuseProxiedTtl(plain);
      const before = revealProperties(state);
      const answer = await ask(credentials(), "PUT", path(plain, id), {
        body: body(plain, before),
      });
      return withSecretsOf(computed(plain, answered(answer)), inputs);
    },
    async delete({ id, state }) {
      await ask(credentials(), "DELETE", path(revealProperties(state), id));
    },
  };
}

function check(inputs: Properties): readonly Failure[] {
  const plain = revealProperties(inputs);
  const failures: Failure[] = [];
  const refuse = (property: string, reason: string) => failures.push({ property, reason });
  for (const name of ["name", "ttl", "type", "zoneId"]) {
    if (plain[name] === undefined) refuse(name, `${name}: missing required property`);
  }
  const { type, priority, content, data } = plain;
  if (typeof type === "string" && !recordTypes.has(type.toUpperCase())) {
    refuse("type", `type: "${type}" is not one of ${[...recordTypes].join(", ")}`);
  }
  if (typeof priority === "number" && (priority < 0 || priority > 65535)) {
    refuse("priority", `priority: ${priority} is not between 0 and 65535`);
  }
  if (content !== undefined && data !== undefined) {
    refuse("content", "content: cannot be given together with data");
  }
  return failures;
}

function diff(state: Properties, _oldInputs: Properties, inputs: Properties): readonly Change[] {
  const old = comparable(revealProperties(state));
  const now = settled(old, comparable(revealProperties(inputs)));
  return differences(old, now).map((difference) => ({
    ...difference,
    replaces: replacing.has(difference.path),
  }));
}

/** Only what the program may decide, with the provider's defaults. */
function comparable(values: Properties): Properties {
  return {
    ...present(values, inputNames),
    ...present(values, ["zoneId"]),
    proxied: values.proxied ?? false,
    includeShadowMetadata: values.includeShadowMetadata ?? false,
  };
}

/** The wanted values, with the stored one wherever the two mean the same. */
function settled(old: Properties, now: Properties): Properties {
  const keep = (name: string) => (old[name] === undefined ? {} : { [name]: old[name] });
  return {
    ...now,
    ...(sameName(old.name, now.name) ? keep("name") : {}),
    ...(sameContent(old, now) ? keep("content") : {}),
    ...(now.tags === undefined || (isEmpty(now.tags) && isEmpty(old.tags)) ? keep("tags") : {}),
    ...(sameSettings(old, now) ? keep("settings") : {}),
    ...(sameData(old.data, now.data) ? keep("data") : {}),
  };
}

function sameName(old: Value | undefined, now: Value | undefined): boolean {
  if (typeof old !== "string" || typeof now !== "string") return false;
  if (now === "@") return old.includes(".");
  // The provider takes any shortened name for the same one.
  return `${old.replace(/\.$/, "")}.`.startsWith(`${now.replace(/\.$/, "")}.`);
}

function sameContent(old: Properties, now: Properties): boolean {
  if (now.content === undefined || now.data !== undefined) return true;
  const [one, other] = [old.content, now.content];
  return (
    now.type === "CNAME" &&
    typeof one === "string" &&
    typeof other === "string" &&
    one.toLowerCase() === other.toLowerCase()
  );
}

function sameSettings(old: Properties, now: Properties): boolean {
  const [one, other] = [old.settings, now.settings];
  if (!isProperties(other)) return other === undefined;
  const names = ["flattenCname", "ipv4Only", "ipv6Only"];
  const before = isProperties(one) ? one : {};
  if (names.every((name) => other[name] === undefined)) return true;
  return names.every((name) => equal(before[name] ?? false, other[name] ?? false));
}

function sameData(old: Value | undefined, now: Value | undefined): boolean {
  if (!isProperties(old) || !isProperties(now)) return false;
  return equal(withFlagsAsText(old), withFlagsAsText(now));
}

function withFlagsAsText(data: Properties): Properties {
  const flags = data.flags;
  return typeof flags === "number" ? { ...data, flags: String(flags) } : data;
}

function isEmpty(value: Value | undefined): boolean {
  return value === undefined || (isList(value) && value.length === 0);
}

/** What a preview can say of the record. */
function planned(inputs: Properties, state: Properties | undefined): Properties {
  const plain = revealProperties(inputs);
  const before = state === undefined ? undefined : revealProperties(state);
  const kept = (name: string): Properties => {
    const value = before === undefined ? unknown : before[name];
    return value === undefined ? {} : { [name]: value };
  };
  const stamp = (name: string, of: string): Properties => {
    if (isEmpty(plain[of]) || plain[of] === "") return {};
    if (before !== undefined && equal(before[of], plain[of])) return kept(name);
    return { [name]: unknown };
  };
  return {
    ...kept("content"),
    ...kept("settings"),
    ...kept("tags"),
    ...kept("createdOn"),
    ...kept("proxiable"),
    ...kept("meta"),
    modifiedOn: unknown,
    ...stamp("commentModifiedOn", "comment"),
    ...stamp("tagsModifiedOn", "tags"),
    ...plain,
    proxied: plain.proxied ?? false,
    includeShadowMetadata: plain.includeShadowMetadata ?? false,
  };
}

/** The state after a create or an update: inputs as given, the rest as answered. */
function computed(inputs: Properties, record: Properties): Properties {
  return {
    ...present(record, ["content", "settings", "tags"]),
    ...present(record, ["commentModifiedOn", "createdOn", "meta", "modifiedOn", "proxiable"]),
    ...present(record, ["tagsModifiedOn"]),
    ...inputs,
    ...(inputs.type === "CNAME"
      ? { settings: cnameSettings(inputs.settings ?? record.settings) }
      : {}),
    proxied: inputs.proxied ?? false,
    includeShadowMetadata: inputs.includeShadowMetadata ?? false,
  };
}

function cnameSettings(settings: Value | undefined): Properties {
  const given = isProperties(settings) ? settings : {};
  return { flattenCname: false, ipv4Only: false, ipv6Only: false, ...given };
}

/** The API's record in Pulumi's names. */
function answered(answer: unknown): Properties {
  const record = camelCased(answer);
  const { meta, type } = record;
  return {
    ...record,
    ...(meta === undefined ? {} : { meta: JSON.stringify(meta) }),
    ...(type === "CNAME" ? { settings: cnameSettings(record.settings) } : {}),
  };
}

function idOf(record: Properties): string {
  const id = textOf(record, "id");
  if (id === undefined) throw new Error("id: the answer names no record");
  return id;
}

function path(values: Properties, id?: string): string {
  const zoneId = textOf(values, "zoneId");
  if (zoneId === undefined) throw new Error("zoneId: missing");
  return `zones/${zoneId}/dns_records${id === undefined ? "" : `/${id}`}`;
}

/** Every field that is set; null for one that was set and is no longer. */
function body(inputs: Properties, before: Properties): Record<string, unknown> {
  const fields = inputNames.flatMap((name): [string, unknown][] => {
    const value = name === "proxied" ? (inputs[name] ?? false) : inputs[name];
    if (value !== undefined) return [[name, value]];
    const optional = name === "comment" || name === "priority" || name === "data";
    return optional && before[name] !== undefined ? [[name, null]] : [];
  });
  return snakeCased(Object.fromEntries(fields));
}

function refuseProxiedTtl(inputs: Properties): void {
  if (flagOf(inputs, "proxied") === true && numberOf(inputs, "ttl") !== 1) {
    throw new Error(
      "ttl: must be set to 1 when `proxied` is true, since Cloudflare decides it then",
    );
  }
}
