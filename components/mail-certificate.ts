// MailCertificate: the host name's certificate and keys, and the records that promise them to others.
// The first `up` waits here for the authority's certificate, and shows why there is none.

import * as command from "@pulumi/command";
import type * as inputs from "@pulumi/command/types/input";
import * as pulumi from "@pulumi/pulumi";
import { createDnsRecords, type PublishedRecord, type RecordPlan } from "./dns-record";
import { hostCertificate } from "./host-answers";
import { certificateRecords, type HostName } from "./host-records";
import type { CertificateAuthority } from "./mail-records";

/** What the host name's certificate needs to know. */
export interface MailCertificateArgs {
  readonly host: HostName & {
    /** Raised by one it makes the next key the one in use. */
    readonly keyGeneration: number;
  };
  /** How to reach the host; the host key is pinned. */
  readonly connection: pulumi.Input<inputs.remote.ConnectionArgs>;
  /** The server and the volume: the keys live on the one, the other serves them. */
  readonly livesOn: readonly pulumi.Input<string>[];
  readonly plan: RecordPlan;
}

/** Long enough for an authority that looks from several places, in seconds. */
const patienceSeconds = 300;

export class MailCertificate extends pulumi.ComponentResource {
  /** Who certifies the host's names, for which account. */
  public readonly authority: pulumi.Output<CertificateAuthority>;
  public readonly published: pulumi.Output<PublishedRecord[]>;
  /** There when the authority's certificate is; what must not come before it depends on it. */
  public readonly obtained: pulumi.Resource;

  constructor(name: string, args: MailCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailCertificate", name, {}, opts);
    const { host } = args;

    const obtained = new command.remote.Command(
      name,
      {
        connection: args.connection,
        create: `/usr/local/sbin/mail-certificates host ${host.keyGeneration} ${patienceSeconds}`,
        triggers: [...args.livesOn, host.keyGeneration],
      },
      { parent: this },
    );
    this.obtained = obtained;
    const answer = obtained.stdout.apply(hostCertificate);
    this.authority = answer.apply(({ account, caaIdentity }) => ({ account, caaIdentity }));

    const recordsOf = (told: ReturnType<typeof hostCertificate>) =>
      certificateRecords(host, { ...told, keyGeneration: host.keyGeneration });
    const { published } = createDnsRecords(
      name,
      recordsOf({ account: "", caaIdentity: "", tlsa: ["", ""] }),
      { parent: this, plan: args.plan, later: answer.apply(recordsOf) },
    );
    this.published = published;
    this.registerOutputs({ authority: this.authority, published: this.published });
  }
}
