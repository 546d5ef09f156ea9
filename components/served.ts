// Asks the running host, before anything is created, what it serves: the authority's certificate for
// each name, and each domain's MTA-STS policy. Records that promise these are written only then.

import { get } from "node:https";
import { connect } from "node:tls";

/** Why a name's certificate, or the policy at a URL, is not as it must be; undefined where it is. */
export type Verdicts = ReadonlyMap<string, string | undefined>;

/** Where other servers read a domain's policy (RFC 8461 3.3). */
export const policyUrl = (domain: string) => `https://mta-sts.${domain}/.well-known/mta-sts.txt`;

/** What is looked at. */
export interface ServedArgs {
  /** The host's own IPv4 address, since the DNS may not lead there yet; empty where there is none. */
  readonly address: string;
  readonly hostname: string;
  /** The other names that it serves. */
  readonly webNames: readonly string[];
  /** Mail domains. */
  readonly domains: readonly string[];
  /** What every policy must say. */
  readonly policy: string;
  readonly imapsPort?: number;
  readonly httpsPort?: number;
}

const patienceMilliseconds = 4000;
/** The web server slows down whoever opens more at once. */
const atOnce = 8;

/** Looks at everything at once, for a few seconds at most; whatever fails is a verdict, never an error. */
export async function lookAtServed({
  address,
  hostname,
  webNames,
  domains,
  policy,
  imapsPort = 993,
  httpsPort = 443,
}: ServedArgs): Promise<Verdicts> {
  const verdicts = new Map<string, string | undefined>();
  if (address === "") return verdicts;
  const deadline = AbortSignal.timeout(patienceMilliseconds);
  const looks = [
    { of: hostname, look: () => certificateAt(address, imapsPort, hostname, deadline) },
    ...webNames.map((name) => ({
      of: name,
      look: () => certificateAt(address, httpsPort, name, deadline),
    })),
    ...domains.map((domain) => ({
      of: policyUrl(domain),
      look: () => policyAt(address, httpsPort, { url: policyUrl(domain), policy, deadline }),
    })),
  ];
  const rest = looks.values();
  const work = async () => {
    for (const { of, look } of rest) verdicts.set(of, await look());
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return verdicts;
}

const late = `no answer within ${patienceMilliseconds / 1000} seconds`;

/** Whether a handshake for the name ends with a certificate that this machine's authorities vouch for. */
function certificateAt(
  host: string,
  port: number,
  servername: string,
  deadline: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const place = `${servername}, port ${port}`;
    const end = (verdict: string | undefined) => {
      deadline.removeEventListener("abort", giveUp);
      socket.destroy();
      resolve(verdict);
    };
    const giveUp = () => end(`${place}: ${late}`);
    const socket = connect({ host, port, servername }, () => end(undefined));
    socket.on("error", ({ message }) => end(`${place}: ${message}`));
    if (deadline.aborted) giveUp();
    else deadline.addEventListener("abort", giveUp);
  });
}

/** Whether the policy is served over HTTPS with a valid certificate, and says what it must. */
function policyAt(
  host: string,
  port: number,
  { url, policy, deadline }: { url: string; policy: string; deadline: AbortSignal },
): Promise<string | undefined> {
  const { hostname, pathname } = new URL(url);
  return new Promise((resolve) => {
    const request = get(
      {
        host,
        port,
        path: pathname,
        servername: hostname,
        headers: { host: hostname },
        agent: false,
        signal: deadline,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", ({ message }) => resolve(`${url}: ${message}`));
        response.on("end", () => {
          const type = response.headers["content-type"] ?? "no type";
          if (response.statusCode !== 200) resolve(`${url}: status ${response.statusCode}`);
          else if (!/^text\/plain\b/.test(type)) resolve(`${url}: ${type} instead of text/plain`);
          else if (lines(Buffer.concat(chunks).toString()) !== lines(policy))
            resolve(`${url}: another policy than today's; a new generation of the host brings it`);
          else resolve(undefined);
        });
      },
    );
    request.on("error", ({ name, message }) =>
      resolve(`${url}: ${name === "AbortError" ? late : message}`),
    );
  });
}

/** Policies are sent with CRLF (RFC 8461 3.2) and kept with LF. */
const lines = (text: string) => text.replaceAll("\r\n", "\n");
