// What may be said of the host itself: where and what it is, the generations of its keys, and the
// smarthost that takes its mail.

import { z } from "zod";
import type { Mistake, Source } from "./mistakes";
import {
  AcmeDirectory,
  Cidr,
  CloudflareId,
  HetznerImage,
  HetznerLocation,
  HetznerServerType,
  Hostname,
  RelayName,
  RelayPassword,
  RelayUser,
  SpfInclude,
  SshPublicKey,
} from "./values";

const Generation = z.int("is not a whole number").min(1, { error: "is less than 1", abort: true });

export const Host = z.strictObject(
  {
    /** Fully qualified name: EHLO, PTR and certificate name. A change renames the server in place; the machine itself takes it with the next generation. */
    name: Hostname,
    /** Cloudflare zone of the host name. Default: the zone of the configured domain that the name lies in. */
    zoneId: CloudflareId.optional(),
    /** Hetzner location. Addresses and volume are bound to it, so that a change on a live stack is refused. */
    location: HetznerLocation.default("nbg1"),
    /** Hetzner server type. A change restarts the server on the same disk; from or to `cax` (ARM) it is replaced. */
    serverType: HetznerServerType.default("cx23"),
    /** System image. A change replaces the server. */
    image: HetznerImage.default("debian-13"),
    /** Size of the volume in GiB, 10 to 10240. It can grow, never shrink. */
    volumeSize: z
      .int("is not a whole number of GiB")
      .min(10, "is less than Hetzner's smallest volume, 10 GiB")
      .max(10240, "is more than Hetzner's largest volume, 10240 GiB")
      .default(20),
    /** Networks that may reach SSH, in CIDR notation, and are never banned for failed logins. The program itself connects from here. */
    adminCidrs: z
      .array(Cidr, "is not a list of networks, e.g. [203.0.113.7/32]")
      .min(
        1,
        "names no network; without one `pulumi up` cannot reach the host, e.g. [203.0.113.7/32]",
      ),
    /** Public keys of the operators. The private half is used through the SSH agent. */
    sshKeys: z
      .array(SshPublicKey, "is not a list of SSH public keys")
      .min(1, "names no key; give the line in ~/.ssh/id_ed25519.pub"),
    /** Directory of the certificate authority. The machine takes changes with the next generation. */
    acmeDirectory: AcmeDirectory.default("https://acme-v02.api.letsencrypt.org/directory"),
    /** Raise it by one for a new key of the host's certificate. The host refuses until the next key's TLSA record has been public for two TTLs. */
    keyGeneration: Generation.default(1),
    /** Raise it by one to get a new machine with today's user data; mail, passwords and addresses stay. */
    generation: Generation.default(1),
  },
  "is not an object; wanted are at least name, adminCidrs and sshKeys",
);

/** A rotation is two edits: raise `generation`; when nothing signed with the old keys is on its way any more, raise `revoked`. */
export const Dkim = z
  .strictObject(
    {
      /** The newest keys, two selectors each (`rsa1`, `ed1`). They sign once their records are public. */
      generation: Generation.default(1),
      /** Keys up to this generation are deleted, and their records say so. */
      revoked: z.int("is not a whole number").min(0, "is less than 0").default(0),
    },
    "is not an object of generation and revoked",
  )
  .refine(({ generation, revoked }) => revoked < generation, {
    path: ["revoked"],
    error:
      "revokes the newest keys too, so that nothing could sign; it is less than dkim.generation",
  })
  .refine(({ generation, revoked }) => generation - revoked <= 2, {
    path: ["generation"],
    error:
      "is more than two above dkim.revoked; there are the keys in use and the next ones: revoke first, or raise it one by one",
  });

/** Takes outgoing mail where the network blocks port 25. */
const Smarthost = z.strictObject(
  {
    host: RelayName,
    port: z
      .int("is not a port number")
      .min(1, "is not a port number from 1 to 65535")
      .max(65535, "is not a port number from 1 to 65535")
      .default(587),
    user: RelayUser,
    /** What lets it send for our domains, e.g. `include:_spf.example.net`; stands in every domain's SPF record. */
    spf: SpfInclude.optional(),
  },
  "is not a smarthost, e.g. {host: smtp.example.net, user: me, spf: include:_spf.example.net}",
);

export const smarthostSchemas = {
  smarthost: Smarthost.optional(),
  /** Secret: `pulumi config set --secret mail-host:smarthostPassword`. */
  smarthostPassword: RelayPassword.optional(),
};

/** A smarthost with everything that is needed to use it. The password is secret. */
export type SmarthostConfig = Readonly<z.output<typeof Smarthost>> & { readonly password: string };

/** A smarthost and its password stand apart, since a secret is a key of its own; one without the other is a mistake. */
export function readSmarthost(
  values: Readonly<Record<string, unknown>>,
  {
    namespace,
    read,
    mistakes,
    source,
  }: {
    namespace: string;
    read: <T>(key: string, schema: z.ZodType<T>) => T | undefined;
    mistakes: Mistake[];
    source: Source;
  },
): SmarthostConfig | undefined {
  const smarthost = read("smarthost", smarthostSchemas.smarthost);
  const password = read("smarthostPassword", smarthostSchemas.smarthostPassword);
  const isGiven = (key: string) => values[key] !== undefined;
  if (isGiven("smarthost") && !isGiven("smarthostPassword")) {
    mistakes.push({
      where: source.where(["smarthostPassword"]),
      message: "is missing: a smarthost takes mail from those who log in",
      cure: `set it with: pulumi config set --secret ${namespace}:smarthostPassword <password>`,
    });
  }
  if (isGiven("smarthostPassword") && !isGiven("smarthost")) {
    mistakes.push({
      where: source.where(["smarthostPassword"]),
      message: "is the password of a smarthost, and there is none; wanted is smarthost.host too",
      cure: source.cure(["smarthostPassword"], "remove"),
    });
  }
  return smarthost === undefined || password === undefined ? undefined : { ...smarthost, password };
}
