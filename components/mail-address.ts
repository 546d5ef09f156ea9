// MailAddress: the addresses that mail reputation hangs on, the names that lead to them and the names
// they lead back to. They outlive every server.

import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { canonicalIpv6 } from "../config/values";
import { createDnsRecords, type PublishedRecord, type RecordPlan } from "./dns-record";
import type { HostAddresses, MailRecord } from "./mail-records";

/** What the addresses need to know. */
export interface MailAddressArgs {
  /** Name of both PTR records, e.g. `mail.example.com`. */
  readonly hostname: string;
  /** The records of all names that lead to the addresses. */
  readonly records: (addresses: HostAddresses) => readonly MailRecord[];
  /** Hetzner location. Changing it replaces the addresses; a lasting stack refuses. */
  readonly location: string;
  /** Protects the addresses from deletion, here and at Hetzner. */
  readonly lasting: boolean;
  readonly labels: Record<string, string>;
  readonly plan: RecordPlan;
}

/** Primary IPv4 and IPv6 with their PTR records and the names that lead to them. */
export class MailAddress extends pulumi.ComponentResource {
  /** e.g. `203.0.113.5`. */
  public readonly ipv4: pulumi.Output<string>;
  /** The host's own address in its network, e.g. `2001:db8:1:2::1`. */
  public readonly ipv6: pulumi.Output<string>;
  /** Hetzner's ids, as a server wants them. */
  public readonly ipv4Id: pulumi.Output<number>;
  public readonly ipv6Id: pulumi.Output<number>;
  public readonly published: pulumi.Output<PublishedRecord[]>;

  constructor(name: string, args: MailAddressArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mailhost:index:MailAddress", name, {}, opts);

    const primaryIp = (type: "ipv4" | "ipv6") =>
      new hcloud.PrimaryIp(
        `${name}-${type}`,
        {
          // Hetzner's names are unique in a project, so that a second one would be refused before the first is gone.
          name: `${pulumi.getStack()}-${type}`,
          type,
          location: args.location,
          autoDelete: false,
          deleteProtection: args.lasting,
          labels: { ...args.labels, component: "address", ...lastingLabel(args.lasting) },
        },
        { parent: this, protect: args.lasting, deleteBeforeReplace: true },
      );
    const ipv4 = primaryIp("ipv4");
    const ipv6 = primaryIp("ipv6");
    this.ipv4 = ipv4.ipAddress;
    this.ipv6 = ipv6.ipAddress.apply(firstAddress);
    this.ipv4Id = ipv4.id.apply(Number);
    this.ipv6Id = ipv6.id.apply(Number);

    for (const [family, ip, address] of [
      ["ipv4", ipv4, this.ipv4],
      ["ipv6", ipv6, this.ipv6],
    ] as const) {
      new hcloud.Rdns(
        `${name}-${family}-ptr`,
        { primaryIpId: ip.id.apply(Number), ipAddress: address, dnsPtr: args.hostname },
        { parent: this, deleteBeforeReplace: true },
      );
    }
    const addresses = pulumi
      .all([this.ipv4, this.ipv6])
      .apply(([v4, v6]) => ({ ipv4: v4, ipv6: v6 }));
    const { published } = createDnsRecords(name, args.records({ ipv4: "", ipv6: "" }), {
      parent: this,
      plan: args.plan,
      later: addresses.apply(args.records),
    });
    const pointers = addresses.apply(({ ipv4: v4, ipv6: v6 }) =>
      [v4, v6].map((ip) => ({
        name: ip,
        type: "PTR",
        value: args.hostname,
        reason: "receivers want the name that the host greets with",
      })),
    );
    this.published = pulumi.all([published, pointers]).apply((lists) => lists.flat());

    this.registerOutputs({
      ipv4: this.ipv4,
      ipv6: this.ipv6,
      ipv4Id: this.ipv4Id,
      ipv6Id: this.ipv6Id,
      published: this.published,
    });
  }
}

/** Says of what may be deleted that it may: whatever lacks it is taken to be protected. */
export function lastingLabel(lasting: boolean): Record<string, string> {
  return lasting ? {} : { lasting: "false" };
}

/** Hetzner hands out a network, written `2001:db8:1:2::` or with `/64`; the server takes `::1` of it. */
export function firstAddress(network: string): string {
  return canonicalIpv6(`${network.replace(/\/64$/, "")}1`);
}
