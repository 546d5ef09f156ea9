// Record types: what the API requires of each, the canonical form that it returns, and the RDATA.

import * as net from "node:net";
import { domainToASCII } from "node:url";
import { canonicalIpv6 } from "../ip";
import { invalidRecord } from "./errors";
import { canonicalTxt, quoted, txtRdata } from "./txt";

/** The fields of a record that carry more than one. */
export type RecordData = Readonly<Record<string, string | number>>;

/** A record's value as it was sent. */
export interface SentValue {
  readonly content: string | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly priority: number | undefined;
}

/** A record's value as it is stored and shown. */
export interface CanonicalValue {
  readonly content: string;
  readonly data: RecordData | null;
  readonly priority: number | null;
  /** In presentation format. */
  readonly rdata: string;
}

/** Lower-case punycode without a trailing dot; labels with `_` or `*` stay as they are. */
export function asciiName(name: string): string {
  const bare = name.replace(/\.$/, "").toLowerCase();
  return /^[\x21-\x7e]*$/.test(bare) ? bare : domainToASCII(bare);
}

/** Tells whether a name fits into DNS. */
export function isName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= 253 &&
    name
      .split(".")
      .every((label) => /^(?:\*|[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)$/i.test(label))
  );
}

const dotted = (name: string) => (name === "" || name === "." ? "." : `${name}.`);

function requireContent(type: string, content: string | undefined): string {
  if (content === undefined || content === "") {
    throw invalidRecord(9007, `Content for ${type} record is invalid.`);
  }
  return content.trim();
}

function hostContent(type: string, content: string | undefined, code: number): string {
  const host = asciiName(requireContent(type, content));
  if (host === "" && type === "MX") {
    return ".";
  }
  if (!isName(host) || net.isIP(host) !== 0) {
    throw invalidRecord(code, `Content for ${type} record must be a hostname.`);
  }
  return host;
}

function plain(content: string, rdata: string, priority: number | null = null): CanonicalValue {
  return { content, data: null, priority, rdata };
}

interface Field {
  readonly name: string;
  /** Upper bound of a number; a text when absent. */
  readonly max?: number;
}

const number = (name: string, bits: 8 | 16 | 32): Field => ({ name, max: 2 ** bits - 1 });
const text = (name: string): Field => ({ name });

const associationFields = [
  number("usage", 8),
  number("selector", 8),
  number("matching_type", 8),
  text("certificate"),
];
const bindingFields = [number("priority", 16), text("target"), text("value")];

/** The fields of each type that needs `data`. */
const dataFields: Readonly<Record<string, readonly Field[]>> = {
  CAA: [number("flags", 8), text("tag"), text("value")],
  CERT: [number("type", 16), number("key_tag", 16), number("algorithm", 8), text("certificate")],
  DNSKEY: [number("flags", 16), number("protocol", 8), number("algorithm", 8), text("public_key")],
  DS: [number("key_tag", 16), number("algorithm", 8), number("digest_type", 8), text("digest")],
  HTTPS: bindingFields,
  NAPTR: [
    number("order", 16),
    number("preference", 16),
    text("flags"),
    text("service"),
    text("regex"),
    text("replacement"),
  ],
  SMIMEA: associationFields,
  SRV: [number("priority", 16), number("weight", 16), number("port", 16), text("target")],
  SSHFP: [number("algorithm", 8), number("type", 8), text("fingerprint")],
  SVCB: bindingFields,
  TLSA: associationFields,
  URI: [number("weight", 16), text("target")],
};

const upperCaseHex = new Set(["TLSA certificate", "SMIMEA certificate", "SSHFP fingerprint"]);

function readField(type: string, field: Field, value: unknown): string | number {
  const problem = (reason: string) => invalidRecord(9101, `${field.name} ${reason}`);
  if (value === undefined || value === null || value === "") {
    if (field.name === "value" && (type === "HTTPS" || type === "SVCB")) {
      return "";
    }
    throw problem("is a required data field.");
  }
  if (field.max === undefined) {
    if (typeof value !== "string") {
      throw problem("must be a string.");
    }
    if (upperCaseHex.has(`${type} ${field.name}`)) {
      if (!/^(?:[0-9a-f]{2})+$/i.test(value)) {
        throw problem("must be hexadecimal.");
      }
      return value.toUpperCase();
    }
    return field.name === "target" && type !== "URI" ? asciiName(value) || "." : value;
  }
  const parsed = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof parsed !== "number" || !Number.isInteger(parsed) || parsed < 0 || parsed > field.max) {
    throw problem(`must be a number from 0 to ${field.max}.`);
  }
  return parsed;
}

const caaTags = new Set(["issue", "issuewild", "iodef", "issuemail", "issuevmc"]);

function dataValue(type: string, fields: readonly Field[], sent: SentValue): CanonicalValue {
  const given = sent.data ?? {};
  const data = Object.fromEntries(
    fields.map((field) => [field.name, readField(type, field, given[field.name])]),
  );
  const of = (name: string) => data[name] ?? "";
  const words = (...names: readonly string[]) => names.map(of).join(" ");
  const both = (content: string, priority: number | null = null) => ({
    content,
    data,
    priority,
    rdata: content,
  });
  switch (type) {
    case "CAA":
      if (!caaTags.has(String(of("tag")))) {
        throw invalidRecord(9101, `tag '${of("tag")}' is not a known CAA tag.`);
      }
      return {
        ...both(`${words("flags", "tag")} "${of("value")}"`),
        rdata: `${words("flags", "tag")} ${quoted(String(of("value")))}`,
      };
    case "SRV": {
      const host = dotted(String(of("target")));
      return {
        ...both(words("weight", "port", "target"), Number(of("priority"))),
        rdata: `${words("priority", "weight", "port")} ${host}`,
      };
    }
    case "HTTPS":
    case "SVCB": {
      const parameters = of("value") === "" ? "" : ` ${of("value")}`;
      const host = dotted(String(of("target")));
      return both(`${of("priority")} ${host}${parameters}`, Number(of("priority")));
    }
    case "URI": {
      const priority = sent.priority ?? 0;
      const value = `${of("weight")} ${quoted(String(of("target")))}`;
      return { ...both(value, priority), rdata: `${priority} ${value}` };
    }
    case "NAPTR": {
      const texts = ["flags", "service", "regex"].map((name) => quoted(String(of(name)))).join(" ");
      return both(`${words("order", "preference")} ${texts} ${of("replacement")}`);
    }
    default:
      return both(words(...fields.map(({ name }) => name)));
  }
}

/** Reads the value of a record of a type, or throws 1004 with the reason. */
export function canonicalValue(type: string, sent: SentValue): CanonicalValue {
  switch (type) {
    case "A": {
      const ip = requireContent(type, sent.content);
      if (!net.isIPv4(ip)) {
        throw invalidRecord(9005, "Content for A record must be a valid IPv4 address.");
      }
      return plain(ip, ip);
    }
    case "AAAA": {
      const ip = canonicalIpv6(requireContent(type, sent.content));
      if (ip === undefined) {
        throw invalidRecord(9006, "Content for AAAA record must be a valid IPv6 address.");
      }
      return plain(ip, ip);
    }
    case "CNAME":
    case "NS":
    case "PTR": {
      const host = hostContent(type, sent.content, 9007);
      return plain(host, dotted(host));
    }
    case "MX": {
      const host = hostContent(type, sent.content, 9009);
      const { priority } = sent;
      if (priority === undefined) {
        throw invalidRecord(9100, "priority is a required data field.");
      }
      return plain(host, `${priority} ${dotted(host)}`, priority);
    }
    case "TXT": {
      const content = sent.content ?? "";
      if (content === "") {
        throw invalidRecord(9007, "Content for TXT record is invalid.");
      }
      return plain(canonicalTxt(content), txtRdata(content));
    }
    case "OPENPGPKEY": {
      const content = requireContent(type, sent.content);
      return plain(content, content);
    }
    default: {
      const fields = dataFields[type];
      if (fields === undefined) {
        throw invalidRecord(9004, `DNS record type '${type}' is invalid.`);
      }
      return dataValue(type, fields, sent);
    }
  }
}
