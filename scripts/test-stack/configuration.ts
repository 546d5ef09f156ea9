// The configuration of a test stack: the one that the host tests are written for, at names of its own
// below a test zone. Pure, but for the name.

import { randomInt } from "node:crypto";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { dayOf } from "../sweep/stale";

/** Where a test stack stands, and who may reach it. */
export interface Site {
  readonly zone: { readonly id: string; readonly name: string };
  readonly adminCidrs: readonly string[];
  readonly sshKeys: readonly string[];
  /** Default: the program's own. */
  readonly acmeDirectory?: string;
  readonly dnssec: boolean;
  /** Whether there is a foreign domain that takes what is forwarded to it. */
  readonly hasElsewhere: boolean;
}

/** The lab's configuration, as far as a test stack is made of it. */
const Model = z.object({
  config: z.object({
    "mail-host:host": z.object({
      location: z.string(),
      serverType: z.string(),
      acmeDirectory: z.string(),
      adminCidrs: z.array(z.string()),
      sshKeys: z.array(z.string()),
    }),
    "mail-host:domains": z.array(z.object({ name: z.string(), zoneId: z.string() })).min(2),
    "mail-host:mailboxes": z.array(z.object({ address: z.string() }).loose()),
    "mail-host:aliases": z.array(
      z.object({ address: z.string(), destinations: z.array(z.string()) }),
    ),
  }),
});

/** Reads `Pulumi.lab.yaml`. */
export const modelOf = (text: string) => Model.parse(parse(text)).config;
export type StackModel = ReturnType<typeof modelOf>;

/** Names of test stacks; what is called so is never a lasting one's. */
export const testStackName = /^test-[a-z0-9]{1,20}$/;

const letters = "abcdefghijkmnpqrstuvwxyz23456789";

/** A name that no other test stack has: one of a thousand million. */
export const uniqueName = (): string =>
  `test-${Array.from({ length: 6 }, () => letters[randomInt(letters.length)]).join("")}`;

/** The last day, in UTC, of what is wanted for so many hours from now. */
export const lastDayFor = (hours: number, now: number): string => dayOf(now + hours * 3_600_000);

/** The two mail domains of a test stack. Siblings, since the policy of one must not be the other's. */
export const domainsOf = (stack: string, zone: string) =>
  [`one.${stack}.${zone}`, `two.${stack}.${zone}`] as const;

/** The text of `Pulumi.<stack>.yaml`. */
export function configurationText(
  stack: string,
  expires: string,
  { model, site }: { model: StackModel; site: Site },
): string {
  const names = domainsOf(stack, site.zone.name);
  const former = model["mail-host:domains"].map(({ name }) => name);
  const moved = (address: string): string => {
    const at = address.lastIndexOf("@");
    const index = former.indexOf(address.slice(at + 1));
    return index < 0 ? address : `${address.slice(0, at)}@${names[index]}`;
  };
  const isHere = (address: string) => names.some((name) => address.endsWith(`@${name}`));
  const { location, serverType } = model["mail-host:host"];
  const config = {
    "mail-host:lasting": "false",
    "mail-host:expires": expires,
    "mail-host:host": {
      name: `mail.${names[0]}`,
      location,
      serverType,
      ...(site.acmeDirectory === undefined ? {} : { acmeDirectory: site.acmeDirectory }),
      adminCidrs: site.adminCidrs,
      sshKeys: site.sshKeys,
    },
    "mail-host:dnssec": String(site.dnssec),
    "mail-host:domains": names.map((name) => ({ name, zoneId: site.zone.id })),
    "mail-host:mailboxes": model["mail-host:mailboxes"].map((mailbox) => ({
      ...mailbox,
      address: moved(mailbox.address),
    })),
    "mail-host:aliases": model["mail-host:aliases"]
      .map(({ address, destinations }) => ({
        address: moved(address),
        destinations: destinations.map(moved),
      }))
      .filter(({ destinations }) => site.hasElsewhere || destinations.every(isHere)),
  };
  // A date without quotes would be a point in time to YAML.
  const text = stringify(
    { config },
    { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" },
  );
  return `# Written by \`npm run test-stack\`, and removed with its stack.\n${text}`;
}
