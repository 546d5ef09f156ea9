// The rows of the host's database for a directory. Pure.

import { type Directory, requiredNames } from "../config/directory";
import { derivedHash, derivedPassword } from "./passwords";

/** What `mail-directory` on the host reads: the article's three tables. */
export interface DirectoryRows {
  readonly domains: readonly string[];
  readonly users: readonly { readonly email: string; readonly crypt: string }[];
  readonly aliases: readonly { readonly mail: string; readonly destination: string }[];
}

/**
 * Rows in a fixed order, so that the same directory is the same text. Every mailbox gets its identity
 * row, or a catch-all would take its mail; the required addresses lead to the first mailbox of the
 * directory unless the configuration says otherwise.
 */
export function directoryRows(directory: Directory, secret: string): DirectoryRows {
  const { domains, mailboxes, aliases } = directory;
  const configured = new Set([...mailboxes, ...aliases].map(({ address }) => address));
  const postmaster = mailboxes[0]?.address;
  const required = domains
    .flatMap(({ name }) => requiredNames.map((local) => `${local}@${name}`))
    .filter((address) => postmaster !== undefined && !configured.has(address))
    .map((address) => ({ mail: address, destination: postmaster ?? "" }));
  const aliasAddresses = new Set(aliases.map(({ address }) => address));
  const identities = mailboxes
    .filter(({ address }) => !aliasAddresses.has(address))
    .map(({ address }) => ({ mail: address, destination: address }));
  const own = new Set(domains.map(({ name }) => name));
  const given = aliases.flatMap(({ address, destinations }) =>
    destinations.map((destination) => ({
      mail: address,
      destination: canonical(destination, own),
    })),
  );
  return {
    domains: domains.map(({ name }) => name).sort(),
    users: mailboxes
      .map(({ address, generation, hash }) => ({
        email: address,
        crypt: hash ?? derivedHash(secret, { address, generation }),
      }))
      .sort((a, b) => compare(a.email, b.email)),
    aliases: [...required, ...identities, ...given].sort(
      (a, b) => compare(a.mail, b.mail) || compare(a.destination, b.destination),
    ),
  };
}

/** The derived passwords by address; mailboxes with a hash of their own have none that we know. */
export function generatedPasswords(
  { mailboxes }: Directory,
  secret: string,
): Record<string, string> {
  return Object.fromEntries(
    mailboxes
      .filter(({ hash }) => hash === undefined)
      .map(({ address, generation }) => [
        address,
        derivedPassword(secret, { address, generation }),
      ]),
  );
}

/** Lower case, but for the local part elsewhere, which may tell case apart (RFC 5321 2.4). */
function canonical(address: string, ownDomains: ReadonlySet<string>): string {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1).toLowerCase();
  const local = address.slice(0, at);
  return `${ownDomains.has(domain) ? local.toLowerCase() : local}@${domain}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
