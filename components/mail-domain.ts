// MailDomain: the DNS records of one domain that receives mail. Created last, when the host is proven.

import * as pulumi from "@pulumi/pulumi";
import { createDnsRecord } from "./dns-record";
import { domainRecords } from "./mail-records";

/** What a mail domain's records need to know. */
export interface MailDomainArgs {
  /** e.g. `example.com`. */
  readonly domain: string;
  /** Cloudflare zone of the domain. */
  readonly zoneId: string;
  /** The host that its mail goes to. */
  readonly hostname: string;
  /** `zone/record` ids of identical records that exist already, by type. */
  readonly imports: Readonly<Record<string, string>>;
}

export class MailDomain extends pulumi.ComponentResource {
  constructor(name: string, args: MailDomainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailDomain", name, {}, opts);
    for (const record of domainRecords(args)) {
      const importId = args.imports[record.type];
      createDnsRecord(
        `${name}-${record.key}`,
        { ...record, zoneId: args.zoneId, ...(importId === undefined ? {} : { importId }) },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}
