// The program behind `startTraffic`: sends mail to port 25 from elsewhere without a pause and prints what
// becomes of each, a line of JSON at a time. A process of its own, so that mail keeps coming while a test
// waits for the host, and whatever is under way ends with it.

import { createTransport } from "nodemailer";
import { token } from "./mail";
import { target } from "./target";
import { type Event, lastLine, recipients } from "./traffic";

const line = "A line of a mail that must not get lost, of seventy characters or so.\r\n";
const text = `${line.repeat(460)}${lastLine}\r\n`;
const print = (event: Event) => process.stdout.write(`${JSON.stringify(event)}\n`);

async function send(to: string): Promise<void> {
  const subject = token();
  const transport = createTransport({
    host: target.ipv4,
    port: 25,
    localAddress: target.elsewhere.ipv4,
    name: `mx.${target.elsewhere.domain}`,
    tls: { rejectUnauthorized: false },
    connectionTimeout: 10_000,
    greetingTimeout: 30_000,
    socketTimeout: 60_000,
  });
  print({ what: "tried", subject, said: "" });
  try {
    const from = `sender@${target.elsewhere.domain}`;
    const { response } = await transport.sendMail({ from, to, subject, text });
    print({ what: "taken", subject, said: response });
  } catch (error) {
    const code = Number(Reflect.get(Object(error), "responseCode") ?? 0);
    const what = code >= 500 ? "refused" : code >= 400 ? "postponed" : "unanswered";
    print({ what, subject, said: error instanceof Error ? error.message : String(error) });
  }
}

async function sendForEver(lane: number): Promise<void> {
  for (let turn = lane; ; turn++) await send(recipients[turn % recipients.length] ?? "");
}

for (let lane = 0; lane < Number(process.argv[2]); lane++) void sendForEver(lane);
