// What TLS a port speaks, from two sides: sslyze, which brings old and broken libraries of its own to ask
// for what should be gone, and the OpenSSL of the host, which knows today's groups.

import { execFileSync } from "node:child_process";
import { z } from "zod";
import { scannerFolder } from "./install-tools";
import { domain, onHost, target } from "./target";

const finding = <T extends z.ZodType>(result: T) =>
  z.object({ status: z.literal("COMPLETED"), result });
const suites = finding(
  z.object({
    accepted_cipher_suites: z.array(z.object({ cipher_suite: z.object({ name: z.string() }) })),
  }),
);
const Report = z.object({
  server_scan_results: z.array(
    z.object({
      server_location: z.object({ port: z.number() }),
      scan_result: z.object({
        ssl_2_0_cipher_suites: suites,
        ssl_3_0_cipher_suites: suites,
        tls_1_0_cipher_suites: suites,
        tls_1_1_cipher_suites: suites,
        tls_1_2_cipher_suites: suites,
        tls_1_3_cipher_suites: suites,
        tls_compression: finding(z.object({ supports_compression: z.boolean() })),
        tls_1_3_early_data: finding(z.object({ supports_early_data: z.boolean() })),
        tls_extended_master_secret: finding(z.object({ supports_ems_extension: z.boolean() })),
        session_renegotiation: finding(
          z.object({
            supports_secure_renegotiation: z.boolean(),
            client_renegotiations_success_count: z.number(),
          }),
        ),
      }),
    }),
  ),
});

/** What a port lets a client negotiate. Versions that it refuses are not among the protocols. */
export interface Negotiable {
  readonly protocols: Readonly<
    Record<string, { readonly suites: readonly string[]; readonly groups: readonly string[] }>
  >;
  readonly compression: boolean;
  readonly earlyData: boolean;
  readonly extendedMasterSecret: boolean;
  readonly secureRenegotiation: boolean;
  readonly renegotiationsByClient: number;
}

/** Port 443 serves the mail domains' names alone. */
const nameOf = (port: number) => (port === 443 ? `mta-sts.${domain}` : target.hostname);

/** Asks each port for everything that TLS ever was. */
export function scanPorts(ports: readonly number[]): Map<number, Negotiable> {
  const questions = [
    ...["sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3"],
    ...["compression", "early_data", "ems", "reneg"],
  ].map((name) => `--${name}`);
  const json = execFileSync(
    "python3",
    [
      ...["-W", "ignore", "-m", "sslyze", "--json_out=-", "--mozilla_config", "disable"],
      ...["--starttls", "auto", ...questions],
      ...ports.map((port) => `${nameOf(port)}:${port}{${target.ipv4}}`),
    ],
    { encoding: "utf8", env: { ...process.env, PYTHONPATH: scannerFolder }, maxBuffer: 2 ** 26 },
  );
  const results = Report.parse(JSON.parse(json)).server_scan_results;
  return new Map(
    results.map(({ server_location: { port }, scan_result: found }) => [
      port,
      {
        protocols: protocolsOf(port, {
          SSLv2: found.ssl_2_0_cipher_suites,
          SSLv3: found.ssl_3_0_cipher_suites,
          "TLSv1.0": found.tls_1_0_cipher_suites,
          "TLSv1.1": found.tls_1_1_cipher_suites,
          "TLSv1.2": found.tls_1_2_cipher_suites,
          "TLSv1.3": found.tls_1_3_cipher_suites,
        }),
        compression: found.tls_compression.result.supports_compression,
        earlyData: found.tls_1_3_early_data.result.supports_early_data,
        extendedMasterSecret: found.tls_extended_master_secret.result.supports_ems_extension,
        secureRenegotiation: found.session_renegotiation.result.supports_secure_renegotiation,
        renegotiationsByClient:
          found.session_renegotiation.result.client_renegotiations_success_count,
      },
    ]),
  );
}

function protocolsOf(
  port: number,
  found: Readonly<Record<string, z.output<typeof suites>>>,
): Negotiable["protocols"] {
  const groups = groupsOf(port);
  return Object.fromEntries(
    Object.entries(found)
      .map(([protocol, { result }]): [string, string[]] => [
        protocol,
        result.accepted_cipher_suites.map(({ cipher_suite: { name } }) => name).sort(),
      ])
      .filter(([, names]) => names.length > 0)
      .map(([protocol, names]) => [
        protocol,
        { suites: names, groups: (groups.get(protocol) ?? []).sort() },
      ]),
  );
}

/**
 * Groups that the port agrees on, one handshake for each that OpenSSL knows. In TLS 1.2 a client that does
 * not know the curve of the server's key, P-256, gets nowhere: there it is offered as the second choice.
 */
function groupsOf(port: number): Map<string, string[]> {
  const starttls = port === 25 || port === 587 ? "-starttls smtp" : "";
  const agreed = onHost(`agree() {
    local version=$1 group=$2 groups=$3 said
    said=$(openssl s_client -connect ${target.ipv4}:${port} -servername ${nameOf(port)} ${starttls} -tls$version -groups $groups \
      -cipher DEFAULT@SECLEVEL=0 </dev/null 2>/dev/null) || return 0
    case $group:$said in secp256r1:*) ;; *prime256v1,*) return ;; esac
    echo TLSv$version $group
  }
  for group in $(openssl list -tls-groups -tls1_2 | tr : ' '); do
    agree 1_2 $group $group:secp256r1
  done
  for group in $(openssl list -tls-groups -tls1_3 | tr : ' '); do agree 1_3 $group $group; done`);
  const groups = new Map<string, string[]>();
  for (const line of agreed.trim().replaceAll("_", ".").split("\n")) {
    const [protocol = "", group = ""] = line.split(" ");
    groups.set(protocol, [...(groups.get(protocol) ?? []), group]);
  }
  return groups;
}
