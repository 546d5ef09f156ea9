// The directory: which domains, mailboxes and aliases there are. Entries come from the stack
// configuration, from a directory file, or from both; this file reads them and finds what is wrong
// with one entry or between several. It knows nothing of passwords made or rows written.

import { z } from "zod";
import { type KeyPath, type Mistake, mistakesOf, type Source, showSome } from "./mistakes";
import {
  AliasAddress,
  CloudflareId,
  DestinationAddress,
  DmarcPolicy,
  lowerCase,
  MailboxAddress,
  MailDomainName,
  PasswordHash,
  ReportAddress,
} from "./values";

const Domain = z
  .strictObject(
    {
      name: MailDomainName,
      zoneId: CloudflareId,
      /** What receivers are asked to do with mail in the domain's name that it did not send. */
      dmarcPolicy: DmarcPolicy.default("quarantine"),
      /** Where DMARC and TLS reports go. Default: postmaster of the domain. */
      reportAddress: ReportAddress.optional(),
    },
    "is not a domain with its zone, e.g. {name: example.com, zoneId: …}",
  )
  .transform((domain) => ({
    ...domain,
    reportAddress: domain.reportAddress ?? `postmaster@${domain.name}`,
  }));

const Mailbox = z
  .strictObject(
    {
      address: MailboxAddress,
      password: z
        .literal("generated", {
          error: "is not allowed; a password is either generated, or given as a hash",
        })
        .optional(),
      generation: z.int("is not a whole number").min(1, "is less than 1").default(1),
      hash: PasswordHash.optional(),
    },
    "is not a mailbox, e.g. {address: alice@example.com, password: generated}",
  )
  .readonly();

const Alias = z
  .strictObject(
    {
      address: AliasAddress,
      destinations: z
        .array(DestinationAddress, "is not a list of addresses, e.g. [alice@example.com]")
        .min(1, "names no address; give at least one"),
    },
    "is not an alias, e.g. {address: sales@example.com, destinations: [alice@example.com]}",
  )
  .readonly();

/** A domain that receives mail, with the Cloudflare zone that its records go into. */
export type Domain = Readonly<z.output<typeof Domain>>;

/** A mailbox: its password is `generated`, or its owner gave a hash. `generation` counts generated passwords. */
export type Mailbox = z.output<typeof Mailbox>;

/** An address (or `@domain`, a catch-all) and everything its mail goes to. */
export type Alias = z.output<typeof Alias>;

/** Everything that receives mail on the host. */
export interface Directory {
  readonly domains: readonly Domain[];
  readonly mailboxes: readonly Mailbox[];
  readonly aliases: readonly Alias[];
}

/** An entry together with where it was written, so that a mistake can name the place. */
export interface Placed<T> {
  readonly entry: T;
  readonly path: KeyPath;
  readonly source: Source;
}

/** A directory whose entries are each well formed; they may still contradict each other. */
export interface PlacedDirectory {
  readonly domains: readonly Placed<Domain>[];
  readonly mailboxes: readonly Placed<Mailbox>[];
  readonly aliases: readonly Placed<Alias>[];
  /** Names of all domains, those included whose entry is wrong in another way. */
  readonly domainNames: readonly string[];
}

const schemas = { domains: Domain, mailboxes: Mailbox, aliases: Alias };

/** Reads the three lists of one source. Entries that are wrong are reported and left out, so that the rest is checked too. */
export function readEntries(
  lists: Readonly<Record<string, unknown>>,
  { source, mistakes }: { source: Source; mistakes: Mistake[] },
): PlacedDirectory {
  const read = <T>(key: keyof typeof schemas, schema: z.ZodType<T>): Placed<T>[] => {
    const list = lists[key];
    if (list === undefined || list === null) return [];
    if (!Array.isArray(list)) {
      mistakes.push({
        where: source.where([key]),
        message: "is not a list",
        cure: source.cure([key], "set"),
      });
      return [];
    }
    return list.flatMap((value: unknown, index) => {
      const path = [key, index];
      const result = schema.safeParse(value);
      if (result.success) return [{ entry: result.data, path, source }];
      mistakes.push(...mistakesOf(result.error, { value, base: path, source, isSecret }));
      return [];
    });
  };
  return {
    domains: read("domains", Domain),
    mailboxes: read("mailboxes", Mailbox),
    aliases: read("aliases", Alias),
    domainNames: namesOf(lists.domains),
  };
}

function namesOf(domains: unknown): string[] {
  return (Array.isArray(domains) ? domains : []).flatMap((value: unknown) => {
    const name = MailDomainName.safeParse(
      typeof value === "object" && value !== null ? Reflect.get(value, "name") : undefined,
    );
    return name.success ? [name.data] : [];
  });
}

/** All of a mailbox that is wrong may hold its hash, or a password in the clear, but for these two. */
function isSecret([list, , field]: KeyPath): boolean {
  return list === "mailboxes" && field !== "address" && field !== "generation";
}

/** Finds what no single entry shows: duplicates, strangers, dead ends, loops. */
export function contradictions(directory: PlacedDirectory): Mistake[] {
  return [
    ...duplicates(directory.domains, ({ name }) => name, "domain"),
    ...duplicates(directory.mailboxes, ({ address }) => address, "mailbox"),
    ...duplicates(directory.aliases, ({ address }) => address, "alias"),
    ...withoutPassword(directory),
    ...repeatedDestinations(directory),
    ...strangers(directory),
    ...shadowedMailboxes(directory),
    ...deadEnds(directory),
    ...loops(directory),
    ...servedNames(directory),
    ...reportsToNobody(directory),
  ];
}

function mistake(
  placed: Placed<unknown>,
  field: string,
  message: string,
  kind: "set" | "remove" = "set",
): Mistake {
  const path = field === "" ? placed.path : [...placed.path, field];
  return { where: placed.source.where(path), message, cure: placed.source.cure(path, kind) };
}

function duplicates<T>(
  entries: readonly Placed<T>[],
  keyOf: (entry: T) => string,
  what: string,
): Mistake[] {
  const first = new Map<string, Placed<T>>();
  return entries.flatMap((placed) => {
    const key = keyOf(placed.entry);
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, placed);
      return [];
    }
    const message = `"${key}" is a ${what} already, at ${earlier.source.where(earlier.path)}; each ${what} stands once`;
    return [mistake(placed, "", message, "remove")];
  });
}

function withoutPassword({ mailboxes }: PlacedDirectory): Mistake[] {
  return mailboxes.flatMap((placed) => {
    const { address, hash, password } = placed.entry;
    if (hash === undefined && password === undefined) {
      return [
        mistake(
          placed,
          "password",
          `"${address}" has neither a hash nor a generated password; allowed: password: generated, or hash: <password hash>`,
        ),
      ];
    }
    if (hash !== undefined && password !== undefined) {
      return [
        mistake(
          placed,
          "password",
          `"${address}" has a hash and a generated password; keep one of them`,
          "remove",
        ),
      ];
    }
    return [];
  });
}

/** A local part elsewhere may tell case apart (RFC 5321 2.4), but no one wants two copies for that. */
function repeatedDestinations({ aliases }: PlacedDirectory): Mistake[] {
  return aliases.flatMap((placed) => {
    const seen = new Set<string>();
    return placed.entry.destinations
      .filter((destination) => seen.size === seen.add(lowerCase(destination)).size)
      .map((destination) =>
        mistake(
          placed,
          "destinations",
          `names "${destination}" twice; each destination stands once`,
        ),
      );
  });
}

export const domainOf = (address: string) => lowerCase(address.slice(address.lastIndexOf("@") + 1));

function strangers({ domainNames, mailboxes, aliases }: PlacedDirectory): Mistake[] {
  const names = new Set(domainNames);
  const known = names.size === 0 ? "there is none yet" : `allowed: ${showSome([...names].sort())}`;
  return [...mailboxes, ...aliases].flatMap((placed) =>
    names.has(domainOf(placed.entry.address))
      ? []
      : [
          mistake(
            placed,
            "address",
            `"${placed.entry.address}" is outside the domains of this host; ${known}`,
          ),
        ],
  );
}

/** An alias with the address of a mailbox would take its mail away, unless it leads back to the mailbox (a copy). */
function shadowedMailboxes({ mailboxes, aliases }: PlacedDirectory): Mistake[] {
  const boxes = new Set(mailboxes.map(({ entry }) => entry.address));
  return aliases.flatMap((placed) => {
    const { address, destinations } = placed.entry;
    if (
      !boxes.has(address) ||
      destinations.some((destination) => lowerCase(destination) === address)
    )
      return [];
    return [
      mistake(
        placed,
        "destinations",
        `"${address}" is a mailbox already, and this alias would take its mail away; list "${address}" among the destinations to keep a copy there`,
      ),
    ];
  });
}

function deadEnds({ domains, mailboxes, aliases }: PlacedDirectory): Mistake[] {
  const names = new Set(domains.map(({ entry }) => entry.name));
  const receivers = new Set([...mailboxes, ...aliases].map(({ entry }) => entry.address));
  return aliases.flatMap((placed) =>
    placed.entry.destinations
      .filter(
        (destination) => names.has(domainOf(destination)) && !receivers.has(lowerCase(destination)),
      )
      .map((destination) =>
        mistake(
          placed,
          "destinations",
          `${placed.entry.address.startsWith("@") ? "the catch-all" : "the alias"} "${placed.entry.address}" leads to "${destination}", which is neither a mailbox nor an alias here`,
        ),
      ),
  );
}

/** Names that the host serves for each mail domain: policy and settings over HTTPS. */
export const webLabels = ["mta-sts", "autoconfig", "autodiscover"] as const;

/** A name that is served for one domain takes no mail, so that it cannot be a mail domain itself. */
function servedNames({ domains }: PlacedDirectory): Mistake[] {
  const served = new Map(
    domains.flatMap(({ entry }) =>
      webLabels.map((label) => [`${label}.${entry.name}`, entry.name]),
    ),
  );
  return domains.flatMap((placed) => {
    const owner = served.get(placed.entry.name);
    return owner === undefined
      ? []
      : [
          mistake(
            placed,
            "name",
            `"${placed.entry.name}" is a name that this host serves for ${owner}, and takes no mail`,
          ),
        ];
  });
}

/** Addresses that every domain answers (RFC 2142 sections 4 and 5; RFC 5321 4.5.1 for postmaster). */
export const requiredNames = ["postmaster", "abuse", "hostmaster", "webmaster"];

function reportsToNobody({ domains, domainNames, mailboxes, aliases }: PlacedDirectory): Mistake[] {
  const receivers = new Set([
    ...[...mailboxes, ...aliases].map(({ entry }) => entry.address),
    ...domainNames.flatMap((name) => requiredNames.map((local) => `${local}@${name}`)),
  ]);
  return domains.flatMap((placed) => {
    const { reportAddress } = placed.entry;
    const place = domainOf(reportAddress);
    if (!domainNames.includes(place)) return [];
    if (receivers.has(reportAddress) || receivers.has(`@${place}`)) return [];
    return [
      mistake(
        placed,
        "reportAddress",
        `"${reportAddress}" is neither a mailbox nor an alias here, so that reports would be refused`,
      ),
    ];
  });
}

/** Follows aliases to aliases; a mailbox's own address ends the way (Postfix stops at identity, virtual(5)). */
function loops({ aliases }: PlacedDirectory): Mistake[] {
  const next = new Map(
    aliases.map(({ entry }) => [
      entry.address,
      entry.destinations.map(lowerCase).filter((d) => d !== entry.address),
    ]),
  );
  const finished = new Set<string>();
  return aliases.flatMap((placed) => {
    const cycle = findCycle(placed.entry.address, next, finished);
    if (cycle === undefined) return [];
    const round = showSome([...cycle, ...cycle.slice(0, 1)], " → ");
    return [mistake(placed, "destinations", `leads in a loop: ${round}`)];
  });
}

/**
 * Depth-first search with an explicit stack, since directories can be large. Everything that it came
 * by is finished afterwards, so that a ring of ten thousand is walked once and told once.
 */
function findCycle(
  start: string,
  next: ReadonlyMap<string, readonly string[]>,
  finished: Set<string>,
): string[] | undefined {
  const way: string[] = [];
  const onWay = new Set<string>();
  const todo: { address: string; leave: boolean }[] = [{ address: start, leave: false }];
  for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
    const { address, leave } = step;
    if (leave) {
      way.pop();
      onWay.delete(address);
      finished.add(address);
      continue;
    }
    if (onWay.has(address)) {
      for (const passed of way) finished.add(passed);
      return way.slice(way.indexOf(address));
    }
    if (finished.has(address)) continue;
    way.push(address);
    onWay.add(address);
    todo.push({ address, leave: true });
    for (const destination of next.get(address) ?? [])
      todo.push({ address: destination, leave: false });
  }
  return undefined;
}
