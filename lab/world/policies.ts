// The web server of the foreign mail domains: it publishes their MTA-STS policies and knows nothing else.

import * as https from "node:https";
import { foreignWeb } from "../network/addresses";
import { policyHost, type WorldCredentials } from "./credentials";
import { mailDomains } from "./domains";

/** The policy that a name of this server publishes, as RFC 8461 writes it. */
function policyAt(host: string): string | undefined {
  const domain = mailDomains.find(({ name }) => policyHost(name) === host);
  if (domain === undefined || domain.mtaSts === null) return undefined;
  const { mode, mx } = domain.mtaSts;
  return ["version: STSv1", `mode: ${mode}`, `mx: ${mx}`, "max_age: 86400", ""].join("\r\n");
}

/** Starts the web server on both of its addresses. */
export async function servePolicies({ trusted }: WorldCredentials): Promise<void> {
  const listen = (address: string): Promise<void> => {
    const server = https.createServer(trusted, (request, answer) => {
      const policy = policyAt(request.headers.host ?? "");
      const found = policy !== undefined && request.url === "/.well-known/mta-sts.txt";
      answer.writeHead(found ? 200 : 404, { "content-type": "text/plain" });
      answer.end(found ? policy : "not found\n");
    });
    server.on("error", (error) => process.stderr.write(`policies: ${error.message}\n`));
    return new Promise((resolve) => server.listen(443, address, resolve));
  };
  await Promise.all([foreignWeb.ipv4, foreignWeb.ipv6].map(listen));
}
