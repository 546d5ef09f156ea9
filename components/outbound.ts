// Whether the host's network lets it send mail to others: asked of the host itself in each preview and
// `up`, since a network may open or close port 25 at any time. Whatever goes wrong is an answer too.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** How to reach the host, and from when on. */
export interface OutboundArgs {
  readonly connection: pulumi.Output<{ host: string; hostKey: string }>;
  /** Known when the host has proven itself. */
  readonly readyId: pulumi.Output<string>;
}

/** `open`, `blocked` or `unknown`, with what was seen. */
export function outboundPort25({ connection, readyId }: OutboundArgs): pulumi.Output<string> {
  return pulumi.all([connection, readyId]).apply(async ([{ host, hostKey }]) => {
    const probe = command.local.run({
      command: readFileSync(join(__dirname, "scripts", "probe-outbound.sh"), "utf8"),
      environment: { ADDRESS: host, HOST_KEY: hostKey },
      logging: "none",
    });
    return probe.then(({ stdout }) => outboundAnswer(stdout), nobodyAsked);
  });
}

/** An engine that ends because something else failed asks nobody any more. */
const nobodyAsked = () => outboundAnswer("");

/** The host's own line of JSON in words; everything else is `unknown`. */
export function outboundAnswer(line: string): string {
  try {
    const said: unknown = JSON.parse(line);
    if (typeof said === "object" && said !== null && "port25" in said && "detail" in said) {
      return `${said.port25}: ${said.detail}`;
    }
  } catch {
    // Not JSON: the host could not be asked.
  }
  return `unknown: ${line.trim() || "the host did not answer"}`;
}
