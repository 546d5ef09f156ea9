// `npm start`: the lab, the real `pulumi up`, the registrar's step, a mail in, a mail out, the judge, and a
// report for a person.

import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";
import { z } from "zod";
import { type Lab, openLab } from "../lab/lab";
import type { ReceivedMail } from "../lab/world/mail";
import { secureDelegations } from "../lab/world/registrar";

const Outputs = z.object({
  hostname: z.string(),
  ipv4: z.string(),
  ipv6: z.string(),
  passwords: z.record(z.string(), z.string()),
  ds: z.record(z.string(), z.string()).default({}),
});

const friend = "friend@elsewhere.test";
const say = (line: string) => process.stdout.write(`${line}\n`);

/** `pulumi up`, and what the stack says of itself then. */
async function goUp(lab: Lab): Promise<z.infer<typeof Outputs>> {
  await lab.pulumiOrThrow(["up", "--yes", "--skip-preview"], { show: true });
  const { stdout } = await lab.pulumiOrThrow(["stack", "output", "--json", "--show-secrets"]);
  return Outputs.parse(JSON.parse(stdout));
}

interface Judgement {
  readonly clean: boolean;
  readonly text: string;
}

/** What `npm run verify` says, in its short form. */
async function judgement(lab: Lab, user: string, password: string): Promise<Judgement> {
  // Not on the command line, which every user of this machine can read.
  process.env.MAIL_HOST_PASSWORD = password;
  const command = ["npx", "tsx", "scripts/verify.ts", "--short", "--user", user];
  const { status, stdout, stderr } = await lab.withEngine(command);
  return { clean: status === 0, text: (stdout || stderr).trimEnd() };
}

async function main(): Promise<void> {
  const began = Date.now();
  const lab = openLab();
  await lab.up({}, (line) => say(`› ${line}`));
  say("\n› pulumi up: the unmodified program, on the lab's clouds");
  const first = await goUp(lab);
  const zones = Object.keys(first.ds);
  if (zones.length > 0) {
    say(`\n› the registrar's step: the output \`ds\` into the parent zones of ${zones.join(", ")}`);
    await secureDelegations(lab, first.ds);
    say("› pulumi up again: what waited for the certificate and the signed zones");
  }
  const outputs = zones.length > 0 ? await goUp(lab) : first;
  const [user, password] = Object.entries(outputs.passwords)[0] ?? [];
  if (user === undefined || password === undefined)
    throw new Error("the stack has no mailbox with a generated password");

  const imap = await lab.forward(outputs.hostname, 993);
  const submission = await lab.forward(outputs.hostname, 465);

  say(`› a mail in: ${friend} → ${user}`);
  const subject = `first mail ${new Date().toISOString()}`;
  const text = "Welcome to your own mail host.\r\n";
  await lab.sendMail({ from: friend, to: user, subject, text });
  const arrived = await readMail({ user, password, port: imap, subject });

  say(`› a mail out: ${user} → ${friend}`);
  const transport = createTransport({
    host: "127.0.0.1",
    port: submission,
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user, pass: password },
  });
  await transport.sendMail({
    from: user,
    to: friend,
    subject: `Re: ${subject}`,
    text: "It works.\n",
  });
  transport.close();
  const answered = await lab.waitForMail((mail) => mail.raw.includes(`Re: ${subject}`));

  say("› npm run verify: the host as the strictest public tests see it");
  const judged = await judgement(lab, user, password);

  const seconds = Math.round((Date.now() - began) / 1000);
  say(
    report({
      ...outputs,
      user,
      password,
      imap,
      submission,
      arrived,
      answered,
      judged,
      seconds,
    }),
  );
  if (!authentic(findingsIn(arrived)) || !authentic(findingsOf(answered)) || !judged.clean)
    process.exitCode = 1;
}

async function readMail({
  user,
  password,
  port,
  subject,
}: {
  user: string;
  password: string;
  port: number;
  subject: string;
}): Promise<string> {
  const client = new ImapFlow({
    host: "127.0.0.1",
    port,
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user, pass: password },
    logger: false,
  });
  await client.connect();
  try {
    await client.mailboxOpen("INBOX");
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      const found = await client.search({ header: { subject } }, { uid: true });
      const uid = Array.isArray(found) ? found.at(-1) : undefined;
      const message =
        uid === undefined
          ? false
          : await client.fetchOne(String(uid), { source: true }, { uid: true });
      if (message !== false && message.source !== undefined) return message.source.toString("utf8");
      await client.noop();
    }
    throw new Error(
      `the mail did not reach ${user} within a minute; look at: npm run lab -- exec <machine> journalctl -u postfix -u dovecot`,
    );
  } finally {
    await client.logout();
  }
}

/** What a receiver found: `spf pass`, `dkim pass` … */
type Findings = readonly (readonly [method: string, result: string])[];

/** What the host wrote about a mail from elsewhere (RFC 8601), of what senders are judged by. */
function findingsIn(source: string): Findings {
  const unfolded = source.split(/\r?\n\r?\n/)[0]?.replace(/\r?\n[ \t]+/g, " ") ?? "";
  const written = /^Authentication-Results: (.*)$/im.exec(unfolded)?.[1] ?? "";
  return [...written.matchAll(/\b(spf|dkim|dmarc)=(\w+)/g)].map(([, method = "", result = ""]) => [
    method,
    result,
  ]);
}

/** What elsewhere.test found of the host's mail. */
const findingsOf = ({ verdicts: { spf, dkim, dmarc } }: ReceivedMail): Findings => [
  ["spf", spf.result],
  ...dkim.map(({ algorithm, result }) => [`dkim ${algorithm}`, result] as const),
  ["dmarc", dmarc.result],
];

/** All three methods, and nothing but "pass". */
const authentic = (findings: Findings) =>
  ["spf", "dkim", "dmarc"].every((method) => findings.some(([name]) => name.startsWith(method))) &&
  findings.every(([, result]) => result === "pass");

const findingsText = (findings: Findings) =>
  `    ${findings.map((finding) => finding.join(" ")).join(", ") || "nothing"}${authentic(findings) ? "" : "   ← all should pass"}`;

/** The headers that say where a mail has been, unfolded. */
function headers(source: string): string {
  return (
    source
      .split(/\r?\n\r?\n/)[0]
      ?.replace(/\r?\n[ \t]+/g, " ")
      .split(/\r?\n/)
      .filter((line) => /^(Received|From|To|Subject|Date):/i.test(line))
      .map((line) => `    ${line}`)
      .join("\n") ?? ""
  );
}

function report(r: {
  hostname: string;
  ipv4: string;
  ipv6: string;
  user: string;
  password: string;
  imap: number;
  submission: number;
  arrived: string;
  answered: ReceivedMail;
  judged: Judgement;
  seconds: number;
}): string {
  return `
────────────────────────────────────────────────────────────────────────
  ${r.hostname} carries mail, ${r.seconds} s after you asked for it.

  What arrived (read over IMAPS)
${headers(r.arrived)}
  and the host found of it
${findingsText(findingsIn(r.arrived))}

  What elsewhere.test received (sent through submission)
${headers(r.answered.raw)}
  and finds of it
${findingsText(findingsOf(r.answered))}

  What npm run verify finds
${r.judged.text}

  The host          ${r.hostname}   ${r.ipv4}   ${r.ipv6}

  Log in with a mail client on this machine
    user            ${r.user}
    password        ${r.password}
    IMAP            127.0.0.1 port ${r.imap}, TLS
    SMTP            127.0.0.1 port ${r.submission}, TLS
    certificate     of the lab's own authority: accept it once

  Go on
    npm run lab -- status
    npm run lab -- run npm run verify
    npm run lab -- pulumi preview
    npm run lab -- exec ${r.hostname} journalctl --follow
  Stop
    npm run lab -- pulumi destroy --yes
    npm run lab -- down
────────────────────────────────────────────────────────────────────────`;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
