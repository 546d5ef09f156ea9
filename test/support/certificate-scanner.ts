// Certificates as sslyze sees them: it reads what a server sends by itself, and judges the path with the
// verifier of Python's cryptography, which is not OpenSSL's.

import { execFileSync } from "node:child_process";
import { z } from "zod";
import { scannerFolder } from "./install-tools";
import { target } from "./target";

const Certificate = z.object({
  subject_alternative_name: z.object({
    dns_names: z.array(z.string()),
    ip_addresses: z.array(z.string()),
  }),
  public_key: z.object({ ec_curve_name: z.string().nullish() }),
});
const Report = z.object({
  server_scan_results: z.array(
    z.object({
      server_location: z.object({ port: z.number(), hostname: z.string() }),
      /** Null where nothing answered. */
      scan_result: z
        .object({
          certificate_info: z.object({
            status: z.literal("COMPLETED"),
            result: z.object({
              certificate_deployments: z.array(
                z.object({
                  received_certificate_chain: z.array(Certificate),
                  received_chain_has_valid_order: z.boolean(),
                  received_chain_contains_anchor_certificate: z.boolean().nullable(),
                  path_validation_results: z.array(
                    z.object({
                      trust_store: z.object({ name: z.string() }),
                      was_validation_successful: z.boolean(),
                    }),
                  ),
                }),
              ),
            }),
          }),
        })
        .nullable(),
    }),
  ),
});

/** Where a server shows a certificate, and the name that it is asked for. */
export interface Door {
  readonly port: number;
  readonly name: string;
}

/** What a server shows of itself at a door. */
export interface Shown extends Door {
  readonly names: readonly string[];
  readonly curve: string | undefined;
  /** Certificates that it sends. */
  readonly sent: number;
  readonly sentInOrder: boolean;
  readonly sentRoot: boolean;
  /** Whether the world's roots lead to it, under that name. */
  readonly trusted: boolean;
}

const place = ({ port, name }: Door): string => `${port} ${name}`;

/** Looks at every door of the host over one family; one answer for each certificate, in order of the doors. */
export function scanCertificates(family: "ipv4" | "ipv6", doors: readonly Door[]): Shown[] {
  const json = execFileSync(
    "python3",
    [
      ...["-W", "ignore", "-m", "sslyze", "--json_out=-", "--mozilla_config", "disable"],
      ...["--starttls", "auto", "--certinfo", "--certinfo_ca_file", target.caFile],
      ...doors.map(({ port, name }) => `${name}:${port}{${target[family]}}`),
    ],
    { encoding: "utf8", env: { ...process.env, PYTHONPATH: scannerFolder }, maxBuffer: 2 ** 26 },
  );
  const order = doors.map(place);
  const found = Report.parse(JSON.parse(json)).server_scan_results.flatMap(
    ({ server_location: { port, hostname: name }, scan_result }) =>
      (scan_result?.certificate_info.result.certificate_deployments ?? []).map((shown) => {
        const [leaf, ...others] = shown.received_certificate_chain;
        const alternatives = leaf?.subject_alternative_name;
        return {
          port,
          name,
          names: [...(alternatives?.dns_names ?? []), ...(alternatives?.ip_addresses ?? [])],
          curve: leaf?.public_key.ec_curve_name ?? undefined,
          sent: 1 + others.length,
          sentInOrder: shown.received_chain_has_valid_order,
          sentRoot: shown.received_chain_contains_anchor_certificate ?? false,
          trusted: shown.path_validation_results.some(
            ({ trust_store, was_validation_successful }) =>
              trust_store.name === "Supplied CA file" && was_validation_successful,
          ),
        };
      }),
  );
  return found.sort((one, other) => order.indexOf(place(one)) - order.indexOf(place(other)));
}
