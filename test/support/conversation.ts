// A conversation by hand with a port of the host, byte for byte, for what no mail library would send.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { target } from "./target";

const patienceMs = 30_000;

export class Conversation {
  private heard = "";
  private closed = false;
  private wake: () => void = () => undefined;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (bytes: Buffer) => {
      this.heard += bytes.toString("utf8");
      this.wake();
    });
    for (const event of ["close", "error"]) {
      socket.on(event, () => {
        this.closed = true;
        this.wake();
      });
    }
  }

  /** Connects, over TLS where the port wants it, and reads the greeting. */
  static async open(port: 25 | 465 | 993, address = target.ipv4): Promise<Conversation> {
    const from =
      port === 25 && address === target.ipv4 ? { localAddress: target.elsewhere.ipv4 } : {};
    const socket =
      port === 25
        ? connect({ host: address, port, ...from })
        : connectTls({
            host: address,
            port,
            servername: target.hostname,
            rejectUnauthorized: false,
          });
    await once(socket, port === 25 ? "connect" : "secureConnect");
    const conversation = new Conversation(socket);
    await conversation.hear(/^(\d{3} |\* )[^\n]*\n/m);
    return conversation;
  }

  /** Sends the bytes as they are; what was said until a line matches, or until the host hung up. */
  async say(bytes: string | Buffer, until: RegExp): Promise<string> {
    this.heard = "";
    if (!this.closed) this.socket.write(bytes);
    return this.hear(until);
  }

  private async hear(until: RegExp): Promise<string> {
    const deadline = Date.now() + patienceMs;
    while (!until.test(this.heard) && !this.closed) {
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`no answer within half a minute, but: ${JSON.stringify(this.heard)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.closed ? `${this.heard}[closed]` : this.heard;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** An SMTP command's reply; its last line has a space after the code. */
export const smtpReply = /^\d{3} [^\n]*\n/m;

/** IMAP's answer to the command with the tag "a", or its wish for more. */
export const imapAnswer = /^(a (OK|NO|BAD)|\+)[^\n]*\n/m;

/** Text as an IMAP literal that needs no permission (RFC 7888). */
export function literal(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`{${bytes.length}+}\r\n`), bytes]);
}

/** The last line that was said, for reading beside what it answers. */
export const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)?.trimEnd() ?? "";

export async function imapLogin(user: string | Buffer, password: string, address = target.ipv4) {
  const imap = await Conversation.open(993, address);
  const command = Buffer.concat([
    Buffer.from("a LOGIN "),
    literal(user),
    Buffer.from(" "),
    literal(password),
    Buffer.from("\r\n"),
  ]);
  return { imap, answer: lastLine(await imap.say(command, imapAnswer)) };
}

const plain = (user: string | Buffer, password: string, actingFor = "") =>
  Buffer.concat([
    Buffer.from(`${actingFor}\0`),
    Buffer.from(user),
    Buffer.from(`\0${password}`),
  ]).toString("base64");

export async function imapPlain(user: string | Buffer, password: string, actingFor = "") {
  const imap = await Conversation.open(993, target.ipv6);
  await imap.say("a AUTHENTICATE PLAIN\r\n", imapAnswer);
  const answer = await imap.say(`${plain(user, password, actingFor)}\r\n`, imapAnswer);
  imap.close();
  return lastLine(answer);
}

export async function smtpPlain(
  user: string | Buffer,
  password: string,
  address = target.ipv4,
  actingFor = "",
) {
  const smtp = await Conversation.open(465, address);
  await smtp.say("EHLO client.elsewhere.test\r\n", smtpReply);
  const answer = await smtp.say(`AUTH PLAIN ${plain(user, password, actingFor)}\r\n`, smtpReply);
  smtp.close();
  return lastLine(answer);
}
