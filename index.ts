// The composition root: configuration → what is there already → address, host, directory, domains.

import * as pulumi from "@pulumi/pulumi";
import {
  conflicts,
  type ExistingRecord,
  importId,
  readExisting,
  stackLabels,
} from "./components/existing";
import { MailAddress } from "./components/mail-address";
import { MailDirectory } from "./components/mail-directory";
import { MailDomain } from "./components/mail-domain";
import { checkUserData, MailHost } from "./components/mail-host";
import { domainRecords, hostRecords } from "./components/mail-records";
import { loadConfig } from "./config";
import { ConfigurationError } from "./config/mistakes";

/** What stands in the DNS because of this stack. */
type PublishedRecord = Pick<ExistingRecord, "name" | "type"> & { value: string; reason: string };

async function main() {
  const stack = pulumi.getStack();
  const config = loadConfig();
  const { host, directory, lasting } = config;
  const hostname = host.name;
  const postmaster = `postmaster@${directory.domains[0]?.name ?? hostname}`;
  checkUserData({ hostname, postmaster });
  const existing = await readExisting(config, stack);
  const mistakes = conflicts(config, stack, existing);
  if (mistakes.length > 0) throw new ConfigurationError(mistakes);

  const labels = stackLabels(stack);
  const importsAt = (name: string, types: readonly string[]) =>
    Object.fromEntries(
      types.flatMap((type) => {
        const id = importId({ name, type }, { config, stack, existing });
        return id === undefined ? [] : [[type, id]];
      }),
    );

  const address = new MailAddress("mail-address", {
    hostname,
    zoneId: host.zoneId,
    location: host.location,
    lasting,
    labels,
    imports: importsAt(hostname, ["A", "AAAA"]),
  });
  const mailHost = new MailHost("mail-host", {
    host,
    address,
    postmaster,
    lasting,
    labels,
    foreignSshKeys: existing.foreignSshKeys,
  });
  const mailDirectory = new MailDirectory(
    "mail-directory",
    {
      directory,
      connection: mailHost.connection,
      livesOn: [mailHost.serverId, mailHost.volumeId],
    },
    { dependsOn: [mailHost.ready] },
  );
  for (const { name: domain, zoneId } of directory.domains) {
    new MailDomain(
      domain,
      { domain, zoneId, hostname, imports: importsAt(domain, ["MX"]) },
      { dependsOn: [mailDirectory] },
    );
  }

  const dnsRecords = pulumi
    .all([address.ipv4, address.ipv6])
    .apply(([ipv4, ipv6]): PublishedRecord[] => [
      ...[
        ...hostRecords({ hostname, ipv4, ipv6 }),
        ...directory.domains.flatMap(({ name }) => domainRecords({ domain: name, hostname })),
      ].map(({ name, type, content, priority, reason }) => ({
        name,
        type,
        value: priority === undefined ? content : `${priority} ${content}`,
        reason,
      })),
      ...[ipv4, ipv6].map((ip) => ({
        name: ip,
        type: "PTR",
        value: hostname,
        reason: "receivers want the name that the host greets with",
      })),
    ]);

  return {
    /** The host's name: what mail clients connect to. */
    hostname,
    ipv4: address.ipv4,
    ipv6: address.ipv6,
    /** Secret; `pulumi stack output passwords --show-secrets`. */
    passwords: mailDirectory.passwords,
    dnsRecords,
    sshCommand: pulumi.interpolate`ssh root@${address.ipv4}`,
  };
}

/** A mistake of the operator's is shown as it is, without a stack trace. */
function shown(error: unknown): unknown {
  if (!(error instanceof ConfigurationError)) return error;
  const refusal = new pulumi.RunError(error.message);
  // The engine's runtime asks for the stack, and mapping it back to TypeScript takes ten seconds.
  refusal.stack = error.message;
  return refusal;
}

export = () =>
  main().catch((error: unknown) => {
    throw shown(error);
  });
