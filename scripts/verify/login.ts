// What AUTH PLAIN of SMTP wants to hear (RFC 4616).

import type { MailLogin } from "./probes/mailbox";

export const plainLogin = ({ user, password }: MailLogin): string =>
  Buffer.from(`\0${user}\0${password}`).toString("base64");
