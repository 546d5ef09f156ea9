// The composition root: configuration → what is there already → address, host, directory, domains.

import * as pulumi from "@pulumi/pulumi";
import { policyIdOf } from "./components/domain-records";
import { movedLocation, readExisting, stackLabels, wrongZones } from "./components/existing";
import { hostRecords, webNames, webRecords } from "./components/host-records";
import { MailAddress } from "./components/mail-address";
import { MailCertificate } from "./components/mail-certificate";
import { MailDirectory } from "./components/mail-directory";
import { MailDomain } from "./components/mail-domain";
import { checkUserData, knownSettings, MailHost, servedPolicy } from "./components/mail-host";
import { outboundPort25 } from "./components/outbound";
import { foreignRecords, planRecords, policyIdFor } from "./components/record-plan";
import { unwantedReports } from "./components/reports";
import { lookAtServed } from "./components/served";
import { signZones } from "./components/zone-signing";
import { loadConfig } from "./config";
import { ConfigurationError } from "./config/mistakes";

// For each of its promises Pulumi's runtime reads the stack of an error without words, whose every frame
// ts-node maps back to TypeScript: a fifth of a preview. Errors that say something keep their stacks.
const mapped = Error.prepareStackTrace;
Error.prepareStackTrace = (error, frames) =>
  error.message === ""
    ? `${error}`
    : (mapped?.(error, frames) ?? [error, ...frames].join("\n    at "));

async function main() {
  const stack = pulumi.getStack();
  const config = loadConfig();
  const { host, directory, lasting, dkim, smarthost } = config;
  const { domains } = directory;
  const hostname = host.name;
  const postmaster = `postmaster@${domains[0]?.name ?? hostname}`;
  const settings = knownSettings(host, postmaster);
  checkUserData(settings);
  const [existing, unwanted] = await Promise.all([
    readExisting(config, stack),
    unwantedReports(directory),
  ]);
  const mistakes = [
    ...unwanted,
    ...wrongZones(config, existing),
    ...foreignRecords({ config, stack, existing }),
    ...movedLocation(config, existing),
  ];
  if (mistakes.length > 0) throw new ConfigurationError(mistakes);
  const policy = servedPolicy(settings);
  const verdicts = await lookAtServed({
    address: existing.ownAddresses.ipv4,
    hostname,
    webNames: webNames(domains),
    domains: domains.map(({ name }) => name),
    policy,
  });
  const plan = planRecords({ config, stack, existing, verdicts });
  if (plan.pending.length > 0) {
    pulumi.log.info(
      `${plan.pending.length} records wait for the host to serve what they promise (output \`pending\`); the next \`pulumi up\` looks again`,
    );
  }

  const labels = stackLabels(stack, config.expires);
  const spf = smarthost?.spf;
  const address = new MailAddress("mail-address", {
    hostname,
    records: (addresses) => [
      ...hostRecords(host, { ...addresses, spf }),
      ...webRecords(domains, addresses),
    ],
    location: host.location,
    lasting,
    labels,
    plan,
  });
  const mailHost = new MailHost("mail-host", {
    host,
    address,
    postmaster,
    lasting,
    labels,
    foreignSshKeys: existing.foreignSshKeys,
    smarthost,
  });
  const { connection } = mailHost;
  const livesOn = [mailHost.serverId, mailHost.volumeId];
  const mailDirectory = new MailDirectory(
    "mail-directory",
    { directory, connection, livesOn },
    { dependsOn: [mailHost.ready] },
  );
  const certificate = new MailCertificate(
    "mail-certificate",
    { host, connection, livesOn, plan },
    { dependsOn: [mailHost.ready] },
  );
  const mailDomains = domains.map(
    (domain) =>
      new MailDomain(
        domain.name,
        {
          domain,
          domains,
          hostname,
          spf,
          dkim,
          authority: certificate.authority,
          beforeMail: [certificate.obtained],
          policyId: policyIdFor(domain.name, {
            stack,
            existing,
            verdicts,
            today: policyIdOf(policy),
          }),
          connection,
          livesOn,
          plan,
        },
        { dependsOn: [mailDirectory] },
      ),
  );

  return {
    /** The host's name: what mail clients connect to. */
    hostname,
    ipv4: address.ipv4,
    ipv6: address.ipv6,
    /** Secret; `pulumi stack output passwords --show-secrets`. */
    passwords: mailDirectory.passwords,
    dnsRecords: pulumi
      .all([address, certificate, ...mailDomains].map(({ published }) => published))
      .apply((lists) => lists.flat()),
    /** Records that are left out because the host does not serve yet what they promise; the next `up` adds them. */
    pending: plan.pending,
    /** DS records by zone, for its registrar to hand to the parent zone. */
    ds: config.dnssec ? signZones(existing.zones) : {},
    outboundPort25: outboundPort25({ connection, readyId: mailHost.ready.id }),
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
