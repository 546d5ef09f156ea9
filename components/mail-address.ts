// MailAddress: the addresses that mail reputation hangs on, the names that lead to them and the names
// they lead back to. They outlive every server.

import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { createDnsRecord } from "./dns-record";
import { hostRecords } from "./mail-records";

/** What the addresses need to know. */
export interface MailAddressArgs {
  /** Name of both PTR records and of the A and AAAA records, e.g. `mail.example.com`. */
  readonly hostname: string;
  /** Cloudflare zone of the host name. */
  readonly zoneId: string;
  /** Hetzner location. Changing it replaces the addresses; a lasting stack refuses. */
  readonly location: string;
  /** Protects the addresses from deletion, here and at Hetzner. */
  readonly lasting: boolean;
  readonly labels: Record<string, string>;
  /** `zone/record` ids of identical A and AAAA records that exist already, by type. */
  readonly imports: Readonly<Record<string, string>>;
}

/** Primary IPv4 and IPv6 with PTR, A and AAAA. */
export class MailAddress extends pulumi.ComponentResource {
  /** e.g. `203.0.113.5`. */
  public readonly ipv4: pulumi.Output<string>;
  /** The host's own address in its network, e.g. `2001:db8:1:2::1`. */
  public readonly ipv6: pulumi.Output<string>;
  /** Hetzner's ids, as a server wants them. */
  public readonly ipv4Id: pulumi.Output<number>;
  public readonly ipv6Id: pulumi.Output<number>;

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
          labels: { ...args.labels, component: "address" },
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
    const addresses = pulumi.all([this.ipv4, this.ipv6]);
    for (const record of hostRecords({ hostname: args.hostname, ipv4: "", ipv6: "" })) {
      const importId = args.imports[record.type];
      createDnsRecord(
        `${name}-${record.key}`,
        {
          ...record,
          zoneId: args.zoneId,
          content: addresses.apply(([v4, v6]) => (record.type === "A" ? v4 : v6)),
          ...(importId === undefined ? {} : { importId }),
        },
        { parent: this },
      );
    }

    this.registerOutputs({
      ipv4: this.ipv4,
      ipv6: this.ipv6,
      ipv4Id: this.ipv4Id,
      ipv6Id: this.ipv6Id,
    });
  }
}

/** Hetzner hands out a network, written `2001:db8:1:2::` or with `/64`; the server takes `::1` of it. */
export function firstAddress(network: string): string {
  return `${network.replace(/\/64$/, "")}1`;
}
