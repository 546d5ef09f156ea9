// Text as an enemy, a careless person or another script would write it, for property tests at every
// level. Each place where a value may stand gets the same.

import fc from "fast-check";

/** What means something to a shell, SQL, a file, a path, a terminal, or the eye. */
export const fragments: readonly string[] = [
  ...["'", '"', "`", "\\", "\\'", "%", "%s", "%u", "%{user}", "$", "\u0024{x}", "$(id)", "{", "}"],
  ...[";", "#", "@", "@@", "@@hostname@@", "--", "/*", "' or '1'='1", "|", "&", "*", "?", "!"],
  ...[",", ":", "<", ">", "(", ")", "[", "]", "=", "~", "^", "_", "-", ".", "..", "/", "../", " "],
  ...["\n", "\r\n", "\t", "\0", "\u0001", "\u001b[31m", "\u007f", "\u009b31m", "\u2028"],
  // Direction, width, look-alikes, and letters that case folding turns into ASCII.
  ...["\u202e", "\u2066", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u05d0", "\u0627", "\u3000"],
  ...[
    "\u00e9",
    "e\u0301",
    "\u0430",
    "\uff41",
    "\u3002",
    "\uff20",
    "\u{1f600}",
    "\ud800",
    "\u{e0041}",
  ],
  ...["\u212a", "\u017f", "\u00df", "\ufb01", "\u0130", "A", "Z", "0", "xn--", "__proto__"],
];

/** Any text at all, with what is worst in it more often than chance has it. */
export const hostileText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...fragments) },
      { weight: 2, arbitrary: fc.stringMatching(/^[a-z0-9.-]{1,5}$/) },
      { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 3 }) },
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

/** A good value with something hostile put into it, or instead of one of its characters. */
export function spoiled(good: string): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(good.length), fc.constantFrom(...fragments), fc.boolean())
    .map(
      ([at, fragment, instead]) => good.slice(0, at) + fragment + good.slice(instead ? at + 1 : at),
    );
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);

/** A domain name within the rules, up to their limit of 253 characters. */
export const legalDomain: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof(label, fc.constant("x".repeat(63))), { minLength: 1, maxLength: 4 }),
    fc.stringMatching(/^[a-z][a-z0-9]{1,10}$/),
  )
  .map(([labels, top]) => [...labels, top].join("."))
  .filter((name) => name.length <= 253);

/** The part of a mailbox's address before the @, up to the limit of 64 characters. */
export const legalLocalPart: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^[a-z0-9_]{1,10}([.-][a-z0-9_]{1,10}){0,3}$/),
  fc.constant("a-".repeat(31).concat("aa")),
  fc.constant("l".repeat(64)),
);

/** The part of a foreign address before the @: a dot-atom. */
export const legalForeignLocalPart: fc.Arbitrary<string> = fc.stringMatching(
  /^[A-Za-z0-9!#&*+/=?^_`{|}~][A-Za-z0-9!#&*+/=?^_`{|}~-]{0,20}$/,
);
