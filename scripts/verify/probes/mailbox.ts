// A user's mailbox over IMAPS: whether a login works, and what has become of a mail.

import { setTimeout as pause } from "node:timers/promises";
import { ImapFlow } from "imapflow";
import type { Place } from "../context";

export interface MailLogin {
  readonly user: string;
  readonly password: string;
}

/** A mail that came; undefined source: it did not, in time. */
export interface Arrival {
  readonly source?: string;
}

const arrivalSeconds = 20;

function client({ user, password }: MailLogin, { address, port, name }: Place): ImapFlow {
  const flow = new ImapFlow({
    host: address,
    port,
    secure: true,
    servername: name,
    // Whether the certificate is right is another check's business.
    tls: { rejectUnauthorized: false },
    auth: { user, pass: password },
    logger: false,
  });
  flow.on("error", () => {});
  return flow;
}

/** What the host said when it refused; undefined when it let the user in. */
export async function imapLogin(login: MailLogin, place: Place): Promise<string | undefined> {
  const flow = client(login, place);
  try {
    await flow.connect();
    await flow.logout();
    return undefined;
  } catch (error) {
    if (error instanceof Error && "responseText" in error && error.responseText)
      return String(error.responseText);
    return error instanceof Error ? error.message : String(error);
  }
}

/** Waits for a mail, reads it and deletes it. */
export async function arrival(login: MailLogin, place: Place, subject: string): Promise<Arrival> {
  const flow = client(login, place);
  await flow.connect();
  try {
    for (const deadline = Date.now() + arrivalSeconds * 1000; Date.now() < deadline; ) {
      for (const mailbox of ["INBOX", "Junk"]) {
        const opened = await flow.mailboxOpen(mailbox).catch(() => undefined);
        const found = opened && (await flow.search({ header: { subject } }, { uid: true }));
        const uid = Array.isArray(found) ? found.at(-1) : undefined;
        if (uid === undefined) continue;
        const message = await flow.fetchOne(String(uid), { source: true }, { uid: true });
        await flow.messageDelete(String(uid), { uid: true });
        if (message !== false && message.source !== undefined)
          return { source: message.source.toString("utf8") };
      }
      await pause(250);
    }
    return {};
  } finally {
    await flow.logout();
  }
}
