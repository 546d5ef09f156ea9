// One SMTP conversation byte by byte: what is sent is what the test says, and when. Understands
// no more of the protocol than where a reply ends.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { target } from "./target";

/** What a server said: the code of the last line, and all of it. Code 0: it has hung up. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** Where to connect, and from which address. Port 465 speaks TLS from the first byte. */
export interface Connection {
  readonly address?: string;
  readonly port?: number;
  readonly from?: string;
}

const replyPattern = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/;

export class SmtpSession {
  private received = "";
  private hungUp = false;
  private silent = false;
  private wake = () => {};
  private socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.listen();
  }

  /** Connects, and leaves it to the caller to wait for the greeting. */
  static async open({
    address = target.ipv4,
    port = 25,
    from = address.includes(":") ? target.elsewhere.ipv6 : target.elsewhere.ipv4,
  }: Connection = {}): Promise<SmtpSession> {
    const socket = connect({ host: address, port, localAddress: from });
    await once(socket, "connect");
    const session = new SmtpSession(socket);
    if (port === 465) await session.encrypt();
    return session;
  }

  private listen(): void {
    this.socket.setTimeout(60_000, () => {
      this.silent = true;
      this.socket.destroy();
    });
    this.socket.on("data", (bytes: Buffer) => {
      this.received += bytes.toString("utf8");
      this.wake();
    });
    // A reset is one way to hang up.
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.hungUp = true;
      this.wake();
    });
  }

  /** Sends bytes as they are. */
  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next reply. */
  async reply(): Promise<Reply> {
    for (;;) {
      const found = replyPattern.exec(this.received);
      if (found !== null) {
        this.received = this.received.slice(found[0].length);
        return { code: Number(found[1]), text: found[0].replaceAll("\r", "") };
      }
      if (this.silent) throw new Error(`no answer for a minute after "${this.received}"`);
      if (this.hungUp) return { code: 0, text: this.received };
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** That many further replies, or all until the server hangs up, which is the last then. */
  async replies(count = Number.POSITIVE_INFINITY): Promise<Reply[]> {
    const replies: Reply[] = [];
    while (replies.length < count && replies.at(-1)?.code !== 0) replies.push(await this.reply());
    return replies;
  }

  /** Sends a line and waits for the reply to it. */
  say(line: string): Promise<Reply> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Takes the conversation into TLS: what was sent or received so far was in the clear. */
  async encrypt(): Promise<void> {
    this.socket.removeAllListeners();
    this.socket = connectTls({
      socket: this.socket,
      servername: target.hostname,
      rejectUnauthorized: false,
    });
    await once(this.socket, "secureConnect");
    this.listen();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Waits for the greeting, and takes the conversation into TLS where it does not begin there. */
export async function openEncrypted(connection: Connection): Promise<SmtpSession> {
  const session = await SmtpSession.open(connection);
  await session.reply();
  if (connection.port !== 465) {
    await session.say("EHLO client.elsewhere.test");
    await session.say("STARTTLS");
    await session.encrypt();
  }
  return session;
}

/** The argument of AUTH PLAIN. */
export function plainLogin({ user, password }: { user: string; password: string }): string {
  return Buffer.from(`\0${user}\0${password}`).toString("base64");
}

/** A conversation in TLS in which the user has logged in. */
export async function openLoggedIn(
  login: { user: string; password: string },
  port: 465 | 587 = 465,
): Promise<SmtpSession> {
  const session = await openEncrypted({ port });
  await session.say("EHLO client.elsewhere.test");
  const { code, text } = await session.say(`AUTH PLAIN ${plainLogin(login)}`);
  if (code !== 235) throw new Error(`${login.user} cannot log in: ${text}`);
  return session;
}
