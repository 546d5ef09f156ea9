// `npm run verify`: judges a mail host as the strictest public tests do, from outside. Changes nothing;
// with a login it sends one mail to that user and deletes it. Knows nothing of the lab.

import { getServers } from "node:dns";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { runCommand, UsageError } from "./command-line";
import { pulumiOn } from "./pulumi";
import { judgeAll } from "./verify/check";
import { checks } from "./verify/checks";
import type { Subject } from "./verify/context";
import { liveProbes } from "./verify/live";
import { counts, fullReport, shortReport } from "./verify/report";
import { namedSubject, subjectOf } from "./verify/subject";

const usage = `usage: npm run verify -- [--stack <stack> | --host <name> --domain <domain>…]
         [--resolver <address>] [--ca <file>] [--user <address>] [--short | --json]
       The user's password is read from MAIL_HOST_PASSWORD, or from standard input.`;

const options = {
  stack: { type: "string", short: "s" },
  host: { type: "string" },
  domain: { type: "string", multiple: true },
  resolver: { type: "string" },
  ca: { type: "string" },
  user: { type: "string" },
  short: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

async function subjectFrom(
  stack: string | undefined,
  host: string | undefined,
  domains: readonly string[],
): Promise<Subject> {
  if (host !== undefined && domains.length > 0) return namedSubject(host, domains);
  if (host !== undefined || domains.length > 0)
    throw new UsageError("--host and --domain belong together");
  const outputs = await pulumiOn(stack)("stack", "output", "--json");
  if (outputs.status !== 0)
    throw new Error(
      `pulumi stack output failed; mend what it says, or use --host and --domain:\n${outputs.stderr.trim()}`,
    );
  return subjectOf(JSON.parse(outputs.stdout));
}

const password = async (): Promise<string> =>
  process.env.MAIL_HOST_PASSWORD ?? (await text(process.stdin)).replace(/\r?\n$/, "");

async function main(): Promise<number> {
  const { values } = parseArgs({ options });
  const [systems = ""] = getServers();
  const resolver = values.resolver ?? systems.replace(/^\[|\](:\d+)?$/g, "");
  const found = await subjectFrom(values.stack, values.host, values.domain ?? []);
  const subject =
    values.user === undefined
      ? found
      : { ...found, login: { user: values.user.toLowerCase(), password: await password() } };
  const ca = values.ca === undefined ? {} : { ca: readFileSync(values.ca, "utf8") };
  const judged = await judgeAll(checks, { subject, ...liveProbes({ resolver, ...ca }) });
  const about = `${subject.hostname} with ${subject.domains.join(", ")}, as seen through ${resolver}`;
  const report = values.json
    ? JSON.stringify(
        {
          host: subject.hostname,
          domains: subject.domains,
          counts: counts(judged),
          checks: judged,
        },
        undefined,
        2,
      )
    : values.short
      ? shortReport(judged)
      : fullReport(judged, about);
  process.stdout.write(`${report}\n`);
  return counts(judged).fail === 0 ? 0 : 1;
}

runCommand(main, usage);
