// A conversation by hand with a port of the host, byte for byte: what is sent is what the test says, and
// when. Understands no more of SMTP and IMAP than where an answer ends.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { target } from "./target";

/** Where to connect, and from which address: at port 25 that of a foreign server unless told otherwise. */
export interface Connection {
  readonly address?: string;
  readonly port?: number;
  readonly from?: string | undefined;
}

/** What SMTP said: the code of the last line, and all of it. Code 0: the host has hung up. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

export interface Login {
  readonly user: string | Buffer;
  readonly password: string;
  /** The user that this one asks to be taken for. */
  readonly actingFor?: string;
}

/** How long a client waits for an answer (RFC 5321 4.5.3.2), in milliseconds. */
const patience = 5 * 60_000;
const smtpReply = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/;
const imapAnswer = /^(?:a (?:OK|NO|BAD)|\+)[^\n]*\n/m;
const encryptedPorts = [465, 993];
const foreignAddress = (address: string) =>
  address.includes(":") ? target.elsewhere.ipv6 : target.elsewhere.ipv4;

export class Conversation {
  private heard = "";
  private hungUp = false;
  private silent = false;
  private wake = () => {};
  private socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.listen();
  }

  /** Connects, over TLS where the port wants it, and leaves it to the caller to hear the greeting. */
  static async open({
    address = target.ipv4,
    port = 25,
    from = port === 25 ? foreignAddress(address) : undefined,
  }: Connection = {}): Promise<Conversation> {
    const source = from === undefined ? {} : { localAddress: from };
    const socket = connect({ host: address, port, ...source });
    const conversation = new Conversation(socket);
    await once(socket, "connect");
    if (encryptedPorts.includes(port)) await conversation.encrypt();
    return conversation;
  }

  private listen(): void {
    this.socket.setEncoding("utf8");
    this.socket.setTimeout(patience, () => {
      this.silent = true;
      this.socket.destroy(new Error("no answer for five minutes"));
    });
    this.socket.on("data", (text: string) => {
      this.heard += text;
      this.wake();
    });
    // A reset is one way to hang up.
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.hungUp = true;
      this.wake();
    });
  }

  /** Takes the conversation into TLS: what was sent or received so far was in the clear. */
  async encrypt(): Promise<void> {
    this.socket.removeAllListeners();
    this.socket = connectTls({
      socket: this.socket,
      servername: target.hostname,
      rejectUnauthorized: false,
    });
    this.listen();
    await once(this.socket, "secureConnect");
  }

  /** Sends bytes as they are. */
  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** What the host says next, up to the end of a match; or all, and "[closed]", when it has hung up. */
  async hear(end: RegExp): Promise<string> {
    for (;;) {
      const found = end.exec(this.heard);
      if (found !== null) {
        const length = found.index + found[0].length;
        const said = this.heard.slice(0, length);
        this.heard = this.heard.slice(length);
        return said;
      }
      if (this.silent)
        throw new Error(`no answer for five minutes after ${JSON.stringify(this.heard)}`);
      if (this.hungUp) return `${this.heard}[closed]`;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** SMTP's next reply. */
  async reply(): Promise<Reply> {
    const text = await this.hear(smtpReply);
    return { code: Number(smtpReply.exec(text)?.[1] ?? 0), text };
  }

  /** That many further replies, or all until the host hangs up, which is the last then. */
  async replies(count = Number.POSITIVE_INFINITY): Promise<Reply[]> {
    const replies: Reply[] = [];
    while (replies.length < count && replies.at(-1)?.code !== 0) replies.push(await this.reply());
    return replies;
  }

  /** Sends a line of SMTP and waits for the reply to it. */
  say(line: string): Promise<Reply> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** All that IMAP says up to the end of the command with the tag "a", or up to its wish for more. */
  answer(): Promise<string> {
    return this.hear(imapAnswer);
  }

  /** Sends an IMAP command and waits for the answer to it. */
  ask(...command: readonly (string | Buffer)[]): Promise<string> {
    this.send(Buffer.concat(["a ", ...command, "\r\n"].map((part) => Buffer.from(part))));
    return this.answer();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Text as an IMAP literal that needs no permission (RFC 7888). */
export function literal(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`{${bytes.length}+}\r\n`), bytes]);
}

/** The last line that was said, for reading beside what it answers. */
export const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)?.trimEnd() ?? "";

/** What AUTH PLAIN of SMTP and AUTHENTICATE PLAIN of IMAP want to hear. */
export function plainLogin({ user, password, actingFor = "" }: Login): string {
  return Buffer.concat(
    [`${actingFor}\0`, user, `\0${password}`].map((part) => Buffer.from(part)),
  ).toString("base64");
}

/** An SMTP conversation in TLS, after its greeting, wherever TLS begins. */
export async function openEncrypted(connection: Connection): Promise<Conversation> {
  const smtp = await Conversation.open(connection);
  await smtp.reply();
  if (connection.port !== 465) {
    await smtp.say("EHLO client.elsewhere.test");
    await smtp.say("STARTTLS");
    await smtp.encrypt();
  }
  return smtp;
}

/** An SMTP conversation in TLS in which someone has tried to log in, and the reply to that. */
export async function smtpLogin(login: Login, connection: Connection = { port: 465 }) {
  const smtp = await openEncrypted(connection);
  await smtp.say("EHLO client.elsewhere.test");
  return { smtp, reply: await smtp.say(`AUTH PLAIN ${plainLogin(login)}`) };
}

/** An SMTP conversation in TLS in which the user has logged in. */
export async function openLoggedIn(login: Login): Promise<Conversation> {
  const { smtp, reply } = await smtpLogin(login);
  if (reply.code !== 235) throw new Error(`${login.user} cannot log in: ${reply.text}`);
  return smtp;
}

/** An IMAP conversation, after its greeting. */
export async function openImap(address = target.ipv4, from?: string): Promise<Conversation> {
  const imap = await Conversation.open({ address, port: 993, from });
  await imap.hear(/\n/);
  return imap;
}

/** An IMAP conversation in which someone has tried to log in, and the answer to that. */
export async function imapLogin({ user, password }: Login, address = target.ipv4, from?: string) {
  const imap = await openImap(address, from);
  return { imap, answer: await imap.ask("LOGIN ", literal(user), " ", literal(password)) };
}
