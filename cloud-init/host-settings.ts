// Everything that the files on a mail host depend on. Plain, resolved values: no Pulumi here.

/** Values are limited to alphabets that are inert in every target syntax; `renderFile` enforces them. */
export interface HostSettings {
  /** Fully qualified name of the host, e.g. `mail.example.com`: EHLO, PTR and certificate name. */
  readonly hostname: string;
  /** Where the host's own mail (root, MAILER-DAEMON notices) goes, e.g. `postmaster@example.com`. */
  readonly postmaster: string;
  /** The attached volume, e.g. `/dev/disk/by-id/scsi-0HC_Volume_123`. */
  readonly volumeDevice: string;
  /** Password of the read-only database user `mail`: letters and digits. */
  readonly databasePassword: string;
}
