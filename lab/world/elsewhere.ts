// The foreign mail domain: a host of its own that takes every message for elsewhere.test and keeps
// it, with what it saw of the sender, as two files that tests read.

import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { z } from "zod";
import { run, until } from "../host/run";
import { elsewhere } from "../network/addresses";
import { type LabPaths, labPaths } from "../paths";
import { elsewhereDomain, elsewhereHost } from "./zones";

const envelopeSchema = z.object({
  receivedAt: z.string(),
  clientAddress: z.string(),
  /** Name that the client gave in HELO or EHLO. */
  helo: z.string(),
  from: z.string(),
  to: z.array(z.string()),
  /** TLS of the session; null when the message came in the clear. */
  tls: z.object({ protocol: z.string(), cipher: z.string() }).nullable(),
});

/** What the receiving host saw of a message besides its bytes. */
export type ReceivedEnvelope = z.infer<typeof envelopeSchema>;

/** One message that elsewhere.test received. */
export interface ReceivedMail {
  readonly envelope: ReceivedEnvelope;
  /** The message as it came over the wire. */
  readonly raw: string;
}

const withoutMapping = (address: string): string => address.replace(/^::ffff:/, "");

async function certificate(folder: string): Promise<{ key: string; cert: string }> {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const request = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
  ];
  const subject = [
    "-subj",
    `/CN=${elsewhereHost}`,
    "-addext",
    `subjectAltName=DNS:${elsewhereHost}`,
  ];
  await run([...request, "-nodes", "-days", "3650", ...subject, "-keyout", key, "-out", cert]);
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}

/** Starts the receiving host on both of its addresses. */
export async function serveElsewhere(paths: LabPaths): Promise<SMTPServer[]> {
  await mkdir(paths.received, { recursive: true });
  const keys = await certificate(paths.received);
  let count = 0;
  const listen = (address: string): Promise<SMTPServer> => {
    const server = new SMTPServer({
      ...keys,
      name: elsewhereHost,
      banner: "elsewhere",
      disabledCommands: ["AUTH"],
      disableReverseLookup: true,
      size: 50 * 2 ** 20,
      onRcptTo: ({ address: recipient }, _session, done) => {
        const ours = recipient.toLowerCase().endsWith(`@${elsewhereDomain}`);
        done(ours ? null : Object.assign(new Error("relay denied"), { responseCode: 550 }));
      },
      onData: (stream, session, done) => {
        const parts: Buffer[] = [];
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("error", done);
        stream.on("end", () => {
          const tls = session.secure
            ? z
                .object({ name: z.string(), version: z.string().optional() })
                .safeParse(session.tlsOptions)
            : undefined;
          const { mailFrom, rcptTo } = session.envelope;
          const envelope: ReceivedEnvelope = {
            receivedAt: new Date().toISOString(),
            clientAddress: withoutMapping(session.remoteAddress),
            helo: session.hostNameAppearsAs,
            from: mailFrom === false ? "" : mailFrom.address,
            to: rcptTo.map((recipient) => recipient.address),
            tls: session.secure
              ? { protocol: tls?.data?.version ?? "TLS", cipher: tls?.data?.name ?? "unknown" }
              : null,
          };
          count += 1;
          const name = join(paths.received, `${Date.now()}-${process.pid}-${count}`);
          const keep = async (): Promise<void> => {
            await writeFile(`${name}.eml`, Buffer.concat(parts));
            await writeFile(`${name}.new`, JSON.stringify(envelope, null, 2));
            await rename(`${name}.new`, `${name}.json`);
          };
          keep().then(() => done(), done);
        });
      },
    });
    server.on("error", (error) => process.stderr.write(`elsewhere: ${error.message}\n`));
    return new Promise((resolve) => server.listen(25, address, () => resolve(server)));
  };
  return [await listen(elsewhere.ipv4), await listen(elsewhere.ipv6)];
}

/** All mail that elsewhere.test received, oldest first. */
export async function receivedMail(lab?: string): Promise<ReceivedMail[]> {
  const folder = labPaths(lab).received;
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".json"));
  const time = (name: string): number => Number(name.split("-")[0]);
  const order = (name: string): number => Number(name.split("-")[2]?.replace(".json", ""));
  names.sort((one, other) => time(one) - time(other) || order(one) - order(other));
  return Promise.all(
    names.map(async (name) => ({
      envelope: envelopeSchema.parse(JSON.parse(await readFile(join(folder, name), "utf8"))),
      raw: await readFile(join(folder, name.replace(/json$/, "eml")), "utf8"),
    })),
  );
}

/** Waits for a message that elsewhere.test received and that `wanted` accepts. */
export function waitForMail(
  lab: string | undefined,
  wanted: (mail: ReceivedMail) => boolean,
  timeoutSeconds = 30,
): Promise<ReceivedMail> {
  return until("mail at elsewhere.test", timeoutSeconds, async () =>
    (await receivedMail(lab)).find(wanted),
  );
}
