// The world's smarthost: takes mail to anybody on port 587 from those who log in inside TLS, and keeps it
// with what it saw of the sender, as two files that tests read. Its certificate names it alone: the
// impostor is another name of the same server.

import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { smarthost } from "../network/addresses";
import type { LabPaths } from "../paths";
import type { Authority } from "./authority";

export const smarthostDomain = "smarthost.test";
export const impostorHost = `impostor.${smarthostDomain}`;
export const smarthostPort = 587;
/** Not a secret: it opens nothing outside a lab. Full of what a careless table or shell would trip over. */
export const smarthostLogin = {
  user: `mail-host@${smarthostDomain}`,
  password: "the-$word:of-'a'-\"smarthost\"#1\\",
};

/** Starts the smarthost on both of its addresses. */
export async function serveSmarthost(paths: LabPaths, authority: Authority): Promise<void> {
  await mkdir(paths.smarthost, { recursive: true });
  const credentials = await authority.issue([smarthostDomain]);
  let count = 0;
  const keep = async (raw: Buffer, envelope: Readonly<Record<string, unknown>>): Promise<void> => {
    count += 1;
    const name = join(paths.smarthost, `${Date.now()}-${process.pid}-${count}`);
    await writeFile(`${name}.eml`, raw);
    await writeFile(`${name}.new`, JSON.stringify(envelope, null, 2));
    await rename(`${name}.new`, `${name}.json`);
  };
  const listen = (address: string): Promise<void> => {
    const server = new SMTPServer({
      ...credentials,
      name: smarthostDomain,
      authMethods: ["PLAIN", "LOGIN"],
      disableReverseLookup: true,
      onAuth: ({ username, password }, _session, done) => {
        const known = username === smarthostLogin.user && password === smarthostLogin.password;
        if (known) done(null, { user: username });
        else done(Object.assign(new Error("authentication failed"), { responseCode: 535 }));
      },
      onData: (stream, session, done) => {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("error", done);
        stream.on("end", () => {
          const { mailFrom, rcptTo } = session.envelope;
          const envelope = {
            user: session.user,
            secure: session.secure,
            from: mailFrom === false ? "" : mailFrom.address,
            to: rcptTo.map((recipient) => recipient.address),
          };
          keep(Buffer.concat(parts), envelope).then(() => done(), done);
        });
      },
    });
    server.on("error", (error) => process.stderr.write(`smarthost: ${error.message}\n`));
    return new Promise((resolve) => server.listen(smarthostPort, address, () => resolve()));
  };
  await Promise.all([listen(smarthost.ipv4), listen(smarthost.ipv6)]);
}
