// A conversation in SMTP, line by line, and the way into TLS on any port. Understands no more than where
// a reply ends.

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Unreachable } from "../check";
import type { Place, Reach } from "../context";

/** What was answered; code 0: nothing, or the end of the connection. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

export interface Talk extends Place {
  /** Said one after the other, each when the former was answered, after the greeting. */
  readonly lines: readonly string[];
  /** Takes the conversation into TLS before the lines. */
  readonly encrypted?: boolean;
  /** Said before the greeting. */
  readonly early?: string;
  /** Sent at the end, as it is; what comes back within a moment is the last reply. */
  readonly unfinished?: string;
}

/** Ports where TLS begins with the first byte. */
export const implicitTls: readonly number[] = [443, 465, 993];

const connectSeconds = 5;
const replySeconds = 20;
/** A host that took the bytes for the end of a mail would have said so by then. */
const silenceMilliseconds = 1500;
const complete = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/;

/** Whether a connection comes about. */
export function reach(address: string, port: number): Promise<Reach> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const finish = (reached: Reach) => {
      socket.destroy();
      resolve(reached);
    };
    socket.setTimeout(connectSeconds * 1000, () => finish("no answer"));
    socket.once("connect", () => finish("open"));
    socket.once("error", (error) => {
      const code = "code" in error ? error.code : undefined;
      finish(code === "ENETUNREACH" || code === "EADDRNOTAVAIL" ? "no route" : "refused");
    });
  });
}

/** What the other side says, reply by reply. */
class Listener {
  #heard = "";
  #ended = false;
  #wake = () => {};
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.on("close", this.#onClose);
    // A reset is one way to hang up.
    socket.on("error", () => {});
  }

  readonly #onData = (data: Buffer) => {
    this.#heard += data.toString("latin1");
    this.#wake();
  };
  readonly #onClose = () => {
    this.#ended = true;
    this.#wake();
  };

  /** The next reply; code 0 when there is none in time. */
  async reply(milliseconds: number): Promise<Reply> {
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      this.#wake();
    }, milliseconds);
    try {
      for (;;) {
        const found = complete.exec(this.#heard);
        if (found !== null) {
          this.#heard = this.#heard.slice(found[0].length);
          return { code: Number(found[1]), text: found[0].trimEnd() };
        }
        if (this.#ended || late) return { code: 0, text: this.#heard };
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(limit);
    }
  }

  /** Leaves the socket to somebody else. */
  stop(): void {
    this.#socket.off("data", this.#onData);
    this.#socket.off("close", this.#onClose);
    this.#socket.pause();
  }
}

function connected({ address, port }: Place): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    const give = (why: string) => {
      socket.destroy();
      reject(new Unreachable(`port ${port} of ${address} cannot be reached (${why})`));
    };
    socket.setTimeout(connectSeconds * 1000, () => give("no answer"));
    socket.once("error", (error) => give(error.message));
    socket.once("connect", () => {
      socket.removeAllListeners();
      socket.setTimeout(0);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** How a client without a name of its own greets (RFC 5321 4.1.3). */
function ehlo(socket: Socket): string {
  const own = socket.localAddress ?? "127.0.0.1";
  return own.includes(":") ? `EHLO [IPv6:${own}]` : `EHLO [${own}]`;
}

/** A connection on which the next byte is the first of TLS, with the greeting that came before. */
export async function beforeTls(place: Place): Promise<{ socket: Socket; greeting?: Reply }> {
  const socket = await connected(place);
  if (implicitTls.includes(place.port)) return { socket };
  const listener = new Listener(socket);
  const say = (line: string) => {
    socket.write(`${line}\r\n`);
    return listener.reply(replySeconds * 1000);
  };
  const greeting = await listener.reply(replySeconds * 1000);
  await say(ehlo(socket));
  const { code, text } = await say("STARTTLS");
  listener.stop();
  if (code === 220) return { socket, greeting };
  socket.destroy();
  throw new Error(
    `${place.address} port ${place.port} answers STARTTLS with "${text || "nothing"}"`,
  );
}

/** A connection inside TLS, whoever's certificate it shows, with the greeting in the clear if there was one. */
export async function encrypted(place: Place): Promise<{ socket: Socket; greeting?: Reply }> {
  const { socket, greeting } = await beforeTls(place);
  const tls = connectTls({ socket, servername: place.name, rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    tls.once("secureConnect", resolve);
    tls.once("error", reject);
    tls.once("close", () => reject(new Error("hung up during the TLS handshake")));
  });
  return { socket: tls, ...(greeting === undefined ? {} : { greeting }) };
}

/** All replies: the greeting, one to each line, and one to what was left unfinished. */
export async function talk(conversation: Talk): Promise<Reply[]> {
  const { lines, early, unfinished } = conversation;
  const { socket, greeting } = conversation.encrypted
    ? await encrypted(conversation)
    : { socket: await connected(conversation), greeting: undefined };
  const own = ehlo(socket);
  const listener = new Listener(socket);
  try {
    if (early !== undefined) socket.write(early);
    const replies = [greeting ?? (await listener.reply(replySeconds * 1000))];
    for (const line of lines) {
      if (replies.at(-1)?.code === 0) return replies;
      socket.write(`${line === "EHLO" ? own : line}\r\n`);
      replies.push(await listener.reply(replySeconds * 1000));
    }
    if (unfinished !== undefined) {
      socket.write(unfinished);
      replies.push(await listener.reply(silenceMilliseconds));
    }
    return replies;
  } finally {
    socket.destroy();
  }
}
