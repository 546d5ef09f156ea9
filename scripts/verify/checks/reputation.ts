// How the world sees the host's addresses: their reverse names, and the block lists.

import { isIPv6 } from "node:net";
import { type Check, each, fail, notJudged, pass, type Result } from "../check";
import { addressesOf, type Context } from "../context";

/** An IPv6 address in its 32 digits. */
function digits(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const groups = (part: string) => part.split(":").filter(Boolean);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - groups(head).length - after.length }, () => "0");
  return [...groups(head), ...(tail === undefined ? [] : zeros), ...after].flatMap((group) =>
    group.padStart(4, "0").split(""),
  );
}

/** An address back to front, as reverse zones and block lists name it. */
export const reversed = (address: string): string =>
  (isIPv6(address) ? digits(address) : address.split(".")).reverse().join(".");

const reverseName = (address: string) =>
  `${reversed(address)}.${isIPv6(address) ? "ip6" : "in-addr"}.arpa`;

async function reverse(context: Context, family: 4 | 6): Promise<Result> {
  const { ask, subject } = context;
  const { records } = await ask(subject.hostname, family === 4 ? "A" : "AAAA");
  if (records.length === 0)
    return fail({
      seen: `${subject.hostname} has no IPv${family} address`,
      wanted: "one",
      mend: "`pulumi refresh`, then `pulumi up`",
    });
  return each(records, async (address) => {
    const names = (await ask(reverseName(address), "PTR")).records;
    if (names.length === 1 && names[0] === subject.hostname) return pass;
    return fail({
      seen: `PTR of ${address}: ${names.join(", ") || "none"}`,
      wanted: subject.hostname,
      mend: "`pulumi refresh`, then `pulumi up`; others' networks: ask who owns the address",
    });
  });
}

/**
 * Whether a list knows any of these names. Answers in 127.255.255.0/24 say that the list does not talk to
 * this resolver; whether it talks at all, its own test entry shows.
 */
async function unlisted(
  { ask }: Context,
  list: { zone: string; test: string; removal: string },
  entries: readonly { what: string; name: string }[],
): Promise<Result> {
  const listed = async (name: string) => (await ask(`${name}.${list.zone}`, "A")).records;
  const refusal = (answers: readonly string[]) =>
    answers.some((answer) => answer.startsWith("127.255.255."));
  const test = await listed(list.test);
  if (test.length === 0 || refusal(test)) {
    return notJudged(
      `${list.zone} answers ${test.join(", ") || "nothing"} about its own test entry: it does not talk to this resolver`,
    );
  }
  return each(entries, async ({ what, name }) => {
    const answers = await listed(name);
    if (refusal(answers)) return notJudged(`${list.zone} answers ${answers.join(", ")}, an error`);
    if (answers.length === 0) return pass;
    return fail({
      seen: `${what} is in ${list.zone} (${answers.join(", ")})`,
      wanted: "not listed",
      mend: `find out what was sent, then ask for removal: ${list.removal}`,
    });
  });
}

export const reputationChecks: readonly Check[] = [
  {
    id: "ptr-ipv4",
    group: "DNS and identity",
    sentence: "The IPv4 address leads back to the host's name",
    judge: (context) => reverse(context, 4),
  },
  {
    id: "ptr-ipv6",
    group: "DNS and identity",
    sentence: "The IPv6 address leads back to the host's name",
    judge: (context) => reverse(context, 6),
  },
  {
    id: "zen",
    group: "DNS and identity",
    sentence: "The host's addresses are not in Spamhaus' zen",
    judge: async (context) => {
      const addresses = await addressesOf(context, context.subject.hostname);
      return unlisted(
        context,
        {
          zone: "zen.spamhaus.org",
          test: "2.0.0.127",
          removal: "https://check.spamhaus.org",
        },
        addresses.map((address) => ({ what: address, name: reversed(address) })),
      );
    },
  },
  {
    id: "dbl",
    group: "DNS and identity",
    sentence: "The domains and the host's name are not in Spamhaus' dbl",
    judge: (context) =>
      unlisted(
        context,
        {
          zone: "dbl.spamhaus.org",
          test: "dbltest.com",
          removal: "https://check.spamhaus.org",
        },
        [...context.subject.domains, context.subject.hostname].map((name) => ({
          what: name,
          name,
        })),
      ),
  },
];
