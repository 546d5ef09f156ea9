// Everything that the files on a mail host depend on. Plain, resolved values: no Pulumi here.

/** Values are limited to alphabets that are inert in every target syntax; `renderFile` enforces them. */
export interface HostSettings {
  /** Fully qualified name of the host, e.g. `mail.example.com`: EHLO, PTR and certificate name. */
  readonly hostname: string;
  /** Where the host's own mail (root, MAILER-DAEMON notices) goes, e.g. `postmaster@example.com`. */
  readonly postmaster: string;
  /** The attached volume, e.g. `/dev/disk/by-id/scsi-0HC_Volume_123`. */
  readonly volumeDevice: string;
  /** Directory of the certificate authority (RFC 8555 7.1.1), e.g. Let's Encrypt's. */
  readonly acmeDirectory: string;
  /** Networks whose failed logins ban nobody, in CIDR notation, separated by spaces, e.g. `192.0.2.0/24 2001:db8::/64`. */
  readonly adminCidrs: string;
  /** Password of the read-only database user `mail`: letters and digits. */
  readonly databasePassword: string;
}
