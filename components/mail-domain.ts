// MailDomain: the DNS records of one domain that receives mail. The MX comes last, when the host is
// proven and everything else is said.

import * as command from "@pulumi/command";
import type * as inputs from "@pulumi/command/types/input";
import * as pulumi from "@pulumi/pulumi";
import type { Domain } from "../config/directory";
import { createDnsRecords, type PublishedRecord, type RecordPlan } from "./dns-record";
import {
  dkimKeyPlaces,
  dkimRecords,
  domainRecords,
  policyRecord,
  webAuthorityRecords,
} from "./domain-records";
import { dkimKeys } from "./host-answers";
import type { CertificateAuthority } from "./mail-records";

/** What a mail domain's records need to know. */
export interface MailDomainArgs {
  readonly domain: Domain;
  /** All domains of the stack. */
  readonly domains: readonly Domain[];
  /** The host that its mail goes to. */
  readonly hostname: string;
  /** The smarthost's SPF mechanism. */
  readonly spf: string | undefined;
  /** Generations of its DKIM keys: the newest, and the newest that no longer count. */
  readonly dkim: { readonly generation: number; readonly revoked: number };
  /** Who certifies the names that the host serves for it. */
  readonly authority: pulumi.Input<CertificateAuthority>;
  /** What must be there before others are told to send mail. */
  readonly beforeMail: readonly pulumi.Resource[];
  /** Changes exactly when its MTA-STS policy does. */
  readonly policyId: string;
  /** How to reach the host; the host key is pinned. */
  readonly connection: pulumi.Input<inputs.remote.ConnectionArgs>;
  /** The server and the volume, where the keys live. */
  readonly livesOn: readonly pulumi.Input<string>[];
  readonly plan: RecordPlan;
}

export class MailDomain extends pulumi.ComponentResource {
  public readonly published: pulumi.Output<PublishedRecord[]>;

  constructor(name: string, args: MailDomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailDomain", name, {}, opts);
    const { domain, plan } = args;
    const { generation, revoked } = args.dkim;
    const child = { parent: this, plan };

    const keys = new command.remote.Command(
      `${name}-dkim`,
      {
        connection: args.connection,
        create: `/usr/local/sbin/mail-dkim keys ${domain.name} ${generation} ${revoked}`,
        triggers: [...args.livesOn, generation, revoked],
      },
      { parent: this },
    );
    const dkim = createDnsRecords(
      name,
      dkimRecords(domain, { keys: dkimKeyPlaces(generation, revoked), revoked }),
      {
        ...child,
        later: keys.stdout.apply((line) => dkimRecords(domain, { keys: dkimKeys(line), revoked })),
      },
    );
    const web = createDnsRecords(
      name,
      webAuthorityRecords(domain, { account: "", caaIdentity: "" }),
      {
        ...child,
        later: pulumi
          .output(args.authority)
          .apply((authority) => webAuthorityRecords(domain, authority)),
      },
    );
    const isLast = ({ key }: { key: string }) => key === "mx";
    const records = domainRecords(args);
    const own = createDnsRecords(
      name,
      [...records.filter((record) => !isLast(record)), policyRecord(domain, args.policyId)],
      child,
    );
    const first = [dkim, web, own];
    const last = createDnsRecords(name, records.filter(isLast), {
      ...child,
      dependsOn: [...args.beforeMail, ...first.flatMap(({ resources }) => resources)],
    });
    this.published = pulumi
      .all([last, ...first].map(({ published }) => published))
      .apply((lists) => lists.flat());
    this.registerOutputs({ published: this.published });
  }
}
