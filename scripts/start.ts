// `npm start`: the lab, the real `pulumi up`, a mail in, a mail out, and a report for a person.

import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";
import { z } from "zod";
import { openLab } from "../lab/lab";

const Outputs = z.object({
  hostname: z.string(),
  ipv4: z.string(),
  ipv6: z.string(),
  passwords: z.record(z.string(), z.string()),
});

const say = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const began = Date.now();
  const lab = openLab();
  await lab.up({}, (line) => say(`› ${line}`));
  say("\n› pulumi up: the unmodified program, on the lab's clouds");
  await lab.pulumiOrThrow(["up", "--yes", "--skip-preview"], { show: true });
  const outputs = Outputs.parse(
    JSON.parse((await lab.pulumiOrThrow(["stack", "output", "--json", "--show-secrets"])).stdout),
  );
  const [user, password] = Object.entries(outputs.passwords)[0] ?? [];
  if (user === undefined || password === undefined)
    throw new Error("the stack has no mailbox with a generated password");

  const imap = await lab.forward(outputs.hostname, 993);
  const submission = await lab.forward(outputs.hostname, 465);

  say(`› a mail in: friend@elsewhere.test → ${user}`);
  const subject = `first mail ${new Date().toISOString()}`;
  await lab.sendMail({
    from: "friend@elsewhere.test",
    to: user,
    subject,
    text: "Welcome to your own mail host.\r\n",
  });
  const arrived = await readMail({ user, password, port: imap, subject });

  say(`› a mail out: ${user} → friend@elsewhere.test`);
  const transport = createTransport({
    host: "127.0.0.1",
    port: submission,
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user, pass: password },
  });
  await transport.sendMail({
    from: user,
    to: "friend@elsewhere.test",
    subject: `Re: ${subject}`,
    text: "It works.\n",
  });
  transport.close();
  const answered = await lab.waitForMail((mail) => mail.raw.includes(`Re: ${subject}`));

  const seconds = Math.round((Date.now() - began) / 1000);
  say(
    report({
      ...outputs,
      user,
      password,
      imap,
      submission,
      arrived,
      answered: answered.raw,
      seconds,
    }),
  );
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

/** The headers that say where a mail has been, unfolded. */
function headers(source: string): string {
  return (
    source
      .split(/\r?\n\r?\n/)[0]
      ?.replace(/\r?\n[ \t]+/g, " ")
      .split(/\r?\n/)
      .filter((line) => /^(Received|From|To|Subject|Date|Authentication-Results):/i.test(line))
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
  answered: string;
  seconds: number;
}): string {
  return `
────────────────────────────────────────────────────────────────────────
  ${r.hostname} carries mail, ${r.seconds} s after you asked for it.

  What arrived (read over IMAPS)
${headers(r.arrived)}

  What elsewhere.test received (sent through submission)
${headers(r.answered)}

  The host          ${r.hostname}   ${r.ipv4}   ${r.ipv6}

  Log in with a mail client on this machine
    user            ${r.user}
    password        ${r.password}
    IMAP            127.0.0.1 port ${r.imap}, TLS
    SMTP            127.0.0.1 port ${r.submission}, TLS
    certificate     self-signed: accept it once

  Go on
    npm run lab -- status
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
