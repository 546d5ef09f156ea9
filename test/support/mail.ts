// One mail tool for all tests: deliver as a stranger, submit as a user, fetch as a user, talk SMTP by hand.

import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";
import { type Connection, Conversation, type Reply } from "./conversation";
import { target } from "./target";

/** Unique word for a subject, so that a test finds its own mail. */
export function token(): string {
  return `t${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
}

/** Says each line after the former was answered, up to the first refusal; all replies, the greeting first. */
export async function smtpDialogue(
  lines: readonly string[],
  connection: Connection = {},
): Promise<Reply[]> {
  const session = await Conversation.open(connection);
  const replies = [await session.reply()];
  for (const line of lines) {
    const { code } = replies.at(-1) ?? { code: 0 };
    if (code === 0 || code >= 400) break;
    replies.push(await session.say(line));
  }
  session.close();
  return replies;
}

/** A mail from elsewhere, handed to port 25 as any other mail server would; the reply to each step. */
export async function deliver({
  to,
  subject,
  from = `sender@${target.elsewhere.domain}`,
  family = 4,
}: {
  to: string;
  subject: string;
  from?: string;
  family?: 4 | 6;
}): Promise<Reply[]> {
  const address = family === 4 ? target.ipv4 : target.ipv6;
  const message = `From: <${from}>\r\nTo: <${to}>\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@${target.elsewhere.domain}>\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\n\r\nHello.\r\n.`;
  const lines = [
    `EHLO mx.${target.elsewhere.domain}`,
    `MAIL FROM:<${from}>`,
    `RCPT TO:<${to}>`,
    "DATA",
    message,
    "QUIT",
  ];
  return smtpDialogue(lines, { address });
}

/** A mail in these very words, handed to port 25 from elsewhere; the last reply. */
export async function deliverRaw({
  to,
  message,
  from = `sender@${target.elsewhere.domain}`,
}: {
  to: string;
  message: string;
  from?: string;
}): Promise<Reply> {
  const helo = `EHLO mx.${target.elsewhere.domain}`;
  const text = message.replace(/\r?\n/g, "\r\n");
  const lines = [helo, `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA", `${text}\r\n.`];
  return (await smtpDialogue(lines)).at(-1) ?? { code: 0, text: "" };
}

/** Submits with a login; resolves with the last reply, rejects with the server's refusal. */
export async function submit({
  user,
  password,
  from = user,
  to,
  subject,
  port = 465,
  headerFrom = from,
}: {
  user: string;
  password: string;
  from?: string;
  to: string;
  subject: string;
  port?: 465 | 587;
  headerFrom?: string;
}): Promise<string> {
  const transport = createTransport({
    host: target.ipv4,
    port,
    secure: port === 465,
    requireTLS: true,
    tls: { rejectUnauthorized: false, servername: target.hostname },
    auth: { user, pass: password },
  });
  try {
    const info = await transport.sendMail({
      envelope: { from, to },
      from: headerFrom,
      to,
      subject,
      text: "Hello.",
    });
    return info.response;
  } finally {
    transport.close();
  }
}

/** Opens a mailbox over IMAPS, runs `use`, logs out. Rejects when the login is refused. */
export async function withMailbox<T>(
  { user, password, family = 4 }: { user: string; password: string; family?: 4 | 6 },
  use: (client: ImapFlow) => Promise<T>,
): Promise<T> {
  const client = new ImapFlow({
    host: family === 4 ? target.ipv4 : target.ipv6,
    port: 993,
    secure: true,
    servername: target.hostname,
    tls: { rejectUnauthorized: false },
    auth: { user, pass: password },
    logger: false,
  });
  await client.connect();
  try {
    await client.mailboxOpen("INBOX");
    return await use(client);
  } finally {
    await client.logout();
  }
}

/** Waits until a mail with this subject is in the mailbox, or in Junk where no folder is named; its source. IMAP IDLE would hide a lost mail no better. */
export async function fetchMail({
  user,
  password,
  subject,
  seconds = 60,
  family = 4,
  folder,
}: {
  user: string;
  password: string;
  subject: string;
  seconds?: number;
  family?: 4 | 6;
  folder?: string;
}): Promise<string> {
  const deadline = Date.now() + seconds * 1000;
  const found = withMailbox({ user, password, family }, async (client) => {
    for (let look = 0; ; look++) {
      await client.mailboxOpen(folder ?? (look % 2 === 0 ? "INBOX" : "Junk"));
      const uids = await client.search({ header: { subject } }, { uid: true });
      const uid = Array.isArray(uids) ? uids.at(-1) : undefined;
      const message =
        uid === undefined
          ? false
          : await client.fetchOne(String(uid), { source: true }, { uid: true });
      if (message !== false && message.source !== undefined) return message.source.toString("utf8");
      // Nobody waits for it any more.
      if (Date.now() > deadline) return "";
      await client.noop();
    }
  });
  // A mailbox that does not answer holds no mail for its user either.
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`no mail with subject ${subject} for ${user} within ${seconds} s`);
    limit = setTimeout(() => reject(error), seconds * 1000);
  });
  return Promise.race([found, late]).finally(() => clearTimeout(limit));
}
