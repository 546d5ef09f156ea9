// How port 25 answers clients that are hostile, broken, or ask for much. Does not prove who may send
// what to whom.

import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Conversation } from "../../support/conversation";
import { fetchMail, smtpDialogue, token, withMailbox } from "../../support/mail";
import { domain, login, onHost, target } from "../../support/target";

const { elsewhere } = target;
const alice = login(`alice@${domain}`);
const greeting = `EHLO mx.${elsewhere.domain}`;
const mailFrom = `MAIL FROM:<sender@${elsewhere.domain}>`;
const rcptTo = `RCPT TO:<${alice.user}>`;
const codes = (replies: readonly { code: number }[]) => replies.map(({ code }) => code);

let session: Conversation;
beforeEach(async () => {
  session = await Conversation.open();
});
afterEach(() => session.close());

/** Takes the greeting and says these lines; the last reply. */
async function saying(...lines: readonly string[]) {
  let reply = await session.reply();
  for (const line of lines) reply = await session.say(line);
  return reply;
}

const date = new Date().toUTCString().replace("GMT", "+0000");
/** Headers of a mail that is nobody's spam. */
const ordinary = `From: <sender@${elsewhere.domain}>\r\nTo: <${alice.user}>\r\nMessage-ID: <${token()}@${elsewhere.domain}>\r\nDate: ${date}\r\n`;

/** Hands over a whole message, and waits until it is in the mailbox; what is stored of it. */
async function delivered(message: string, parameters = ""): Promise<string> {
  const subject = token();
  await saying(greeting, `${mailFrom}${parameters}`, rcptTo, "DATA");
  expect((await session.say(`${ordinary}Subject: ${subject}\r\n${message}\r\n.`)).code).toBe(250);
  return (await fetchMail({ ...alice, subject })).split(`Subject: ${subject}\r\n`)[1] ?? "";
}

describe("a client that does not wait for its turn is hung up on", () => {
  it.each([
    ["its first word", ""],
    ["a whole mail", `${mailFrom}\r\n${rcptTo}\r\nDATA\r\nEarly.\r\n.\r\n`],
  ])("when it says %s before the greeting", async (_words, mail) => {
    // Holds Postfix up, or who is first would be a matter of luck.
    const signal = (name: string) => onHost(`pkill --signal ${name} --exact 'master|smtpd'`);
    signal("STOP");
    let early: Conversation;
    try {
      early = await Conversation.open();
      early.send(`${greeting}\r\n${mail}QUIT\r\n`);
    } finally {
      signal("CONT");
    }
    const answers = codes(await early.replies());
    early.close();
    expect(answers).toEqual([554, 0]);
  });

  it.each(["EHLO", "HELO"])("when it goes on before it knows the answer to %s", async (verb) => {
    await session.reply();
    session.send(`${verb} mx.${elsewhere.domain}\r\n${mailFrom}\r\nQUIT\r\n`);
    expect(codes(await session.replies())).toEqual([554, 0]);
  });

  it("when it sends the message before the go-ahead to DATA", async () => {
    await saying(greeting);
    session.send(
      `${mailFrom}\r\n${rcptTo}\r\nDATA\r\nSubject: early\r\n\r\nEarly.\r\n.\r\nQUIT\r\n`,
    );
    expect(codes(await session.replies())).toEqual([250, 250, 554, 0]);
  });

  it("and not when it pipelines as the host has offered (RFC 2920)", async () => {
    const { text } = await saying(greeting);
    expect(text).toContain("PIPELINING");
    session.send(`${mailFrom}\r\n${rcptTo}\r\nDATA\r\n`);
    expect(codes(await session.replies(3))).toEqual([250, 250, 354]);
  });
});

describe("the list of users", () => {
  it.each([
    [`VRFY ${alice.user}`, 502],
    [`VRFY nobody@${domain}`, 502],
    ["VRFY alice", 502],
    ["EXPN sales", 500],
    [`EXPN sales@${domain}`, 500],
  ])("is not given away by %s", async (command, code) => {
    const [, ehlo, answer] = await smtpDialogue([greeting, command]);
    expect(ehlo?.text).not.toMatch(/VRFY|EXPN/);
    expect(answer?.code).toBe(code);
  });
});

describe("size", () => {
  const limit = 50_000_000;
  const line = `${"x".repeat(76)}\r\n`;
  /** A message of so many octets, the end of data left out. */
  const messageOf = (size: number, subject: string) => {
    const head = `${ordinary}Subject: ${subject}\r\n\r\n`;
    const lines = line.repeat(Math.floor((size - head.length) / line.length) - 1);
    const rest = size - head.length - lines.length;
    return `${head}${lines}${"x".repeat(rest - 2)}\r\n`;
  };

  it("is announced", async () => {
    expect((await saying(greeting)).text).toMatch(new RegExp(`^250-SIZE ${limit}$`, "m"));
  });

  it("over the limit is refused at MAIL FROM when the client says so", async () => {
    expect((await saying(greeting, `${mailFrom} SIZE=${limit}`)).code).toBe(250);
    expect((await session.say("RSET")).code).toBe(250);
    expect((await session.say(`${mailFrom} SIZE=${limit + 1}`)).code).toBe(552);
  });

  it("over the limit is refused at the end of the data when the client says nothing", async () => {
    await saying(greeting, mailFrom, rcptTo, "DATA");
    session.send(`${messageOf(limit + 10_000, token())}.\r\n`);
    expect((await session.reply()).code).toBe(552);
    expect((await session.say("NOOP")).code).toBe(250);
  });

  it("over the limit is refused in chunks", async () => {
    await saying(greeting, mailFrom, rcptTo);
    const message = messageOf(limit, token());
    session.send(`BDAT ${message.length}\r\n${message}`);
    expect((await session.reply()).code).toBe(250);
    session.send(`BDAT ${line.length * 200} LAST\r\n${line.repeat(200)}`);
    expect((await session.reply()).code).toBe(552);
    expect((await session.say("NOOP")).code).toBe(250);
  });

  it("just under the limit reaches the mailbox whole", async () => {
    const subject = token();
    await saying(greeting, `${mailFrom} SIZE=${limit}`, rcptTo, "DATA");
    const message = messageOf(limit - 10_000, subject);
    session.send(`${message}.\r\n`);
    expect((await session.reply()).text).toMatch(/^250 /);
    const stored = await fetchMail({ ...alice, subject });
    expect(stored.endsWith(message)).toBe(true);
    await withMailbox(alice, (client) => client.messageDelete({ header: { subject } }));
  });
});

describe("recipients", () => {
  it("are taken by the hundred (RFC 5321 4.5.3.1.8), and not without end", async () => {
    await saying(greeting, mailFrom);
    const recipients = Array.from({ length: 1001 }, (_, i) => `alice+${i}@${domain}`);
    session.send(recipients.map((recipient) => `RCPT TO:<${recipient}>\r\n`).join(""));
    const replies = codes(await session.replies(1001));
    expect(replies.lastIndexOf(250)).toBe(999);
    expect(replies.indexOf(452)).toBe(1000);
  });
});

describe("long lines", () => {
  it("of 998 octets reach the mailbox as they are", async () => {
    const [header, body] = [`X-Long: ${"h".repeat(990)}`, "b".repeat(998)];
    expect(await delivered(`${header}\r\n\r\n${body}`)).toBe(`${header}\r\n\r\n${body}\r\n`);
  });

  it("far beyond what is allowed reach the mailbox folded, and complete", async () => {
    const [header, body] = [`X-Long: ${"h".repeat(50_000)}`, "b".repeat(1_000_000)];
    const stored = await delivered(`${header}\r\n\r\n${body}`);
    expect(stored.replaceAll("\r\n ", "")).toBe(`${header}\r\n\r\n${body}\r\n`);
    expect(Math.max(...stored.split("\r\n").map(({ length }) => length))).toBe(998);
  });

  it.each([
    ["NOOP of 600 octets", `NOOP ${"x".repeat(594)}`, 250],
    ["RCPT of 600 octets", `RCPT TO:<${"x".repeat(570)}@${domain}>`, 550],
    ["RCPT of 2000 octets", `RCPT TO:<${"x".repeat(1970)}@${domain}>`, 550],
    ["RCPT of 2000 octets and no end", `RCPT TO:<${"x".repeat(1970)}`, 501],
  ])("are answered in a command: %s", async (_form, line, code) => {
    expect((await saying(greeting, mailFrom, line)).code).toBe(code);
    expect((await session.say("NOOP")).code).toBe(250);
  });
});

describe("mistakes", () => {
  it("are answered slowly after the third, and the twelfth ends the session", async () => {
    await saying(greeting);
    const seconds: number[] = [];
    const answers: number[] = [];
    while (answers.at(-1) !== 0) {
      const start = performance.now();
      answers.push((await session.say("MISTAKE")).code);
      seconds.push((performance.now() - start) / 1000);
    }
    expect(answers).toEqual([...Array(12).fill(500), 421, 0]);
    expect(Math.min(...seconds.slice(0, 3))).toBeLessThan(0.5);
    expect(Math.min(...seconds.slice(3, 12))).toBeGreaterThan(0.9);
  });

  it.each([
    ["an unknown command", "WIZ", 500],
    ["an empty line", "", 500],
    ["a command with a wrong argument", "MAIL TO:<x>", 501],
    ["a command out of turn", rcptTo, 503],
    ["DATA without recipients", "DATA", 503],
    ["a parameter nobody knows", `${mailFrom} UNKNOWN=1`, 555],
    ["AUTH", "AUTH PLAIN AGFsaWNlAHg=", 503],
  ])("are answered, and the session goes on: %s", async (_mistake, line, code) => {
    await saying(greeting);
    session.send(`${line}\r\n`);
    expect((await session.reply()).code).toBe(code);
    expect(codes([await session.say("NOOP"), await session.say("RSET")])).toEqual([250, 250]);
  });

  it.each(["GET /", "POST /", `CONNECT mx.${elsewhere.domain}:25`])(
    "that a browser can be made to make end at the first word: %s",
    async (request) => {
      await session.reply();
      const body = [greeting, mailFrom, rcptTo, "DATA", "From a browser.", ".", "QUIT"];
      session.send([`${request} HTTP/1.1`, "Host: mail", "", ...body, ""].join("\r\n"));
      expect(codes(await session.replies())).toEqual([221, 0]);
    },
  );

  const clientHello = Buffer.concat([
    Buffer.from("1603010200010001fc0303", "hex"),
    randomBytes(508),
  ]);
  it.each([
    ["a TLS handshake", clientHello],
    ["every octet there is", Buffer.from([...Array(256).keys(), 13, 10])],
    ["noise", Buffer.from(randomBytes(6000).filter((octet) => octet !== 10))],
    ["a line without end", Buffer.from("X".repeat(6000))],
    ["zeros", Buffer.alloc(6000)],
  ])("that are no SMTP at all harm nobody: %s", async (_mistake, bytes) => {
    await session.reply();
    session.send(bytes);
    session.send("\r\nQUIT\r\n");
    const answers = codes(await session.replies());
    expect(answers.filter((code) => code > 0 && code !== 221 && code < 500)).toEqual([]);
    expect(codes(await smtpDialogue([greeting, "QUIT"]))).toEqual([220, 250, 221]);
  });
});

describe("mail that is not ASCII", () => {
  it("is offered and delivered as it is, with a UTF-8 address and header (RFC 6531)", async () => {
    const { text } = await saying(greeting);
    expect(text).toContain("SMTPUTF8");
    const subject = token();
    const sender = `jörg.müller@${elsewhere.domain}`;
    const message = `To: ${alice.user}\r\nMessage-ID: <${subject}@${elsewhere.domain}>\r\nDate: ${date}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nFrom: Jörg Müller <${sender}>\r\nSubject: ${subject} Grüße 日本\r\n\r\nÄöü €\r\n`;
    for (const line of [`MAIL FROM:<${sender}> SMTPUTF8 BODY=8BITMIME`, rcptTo, "DATA"])
      await session.say(line);
    expect((await session.say(`${message}.`)).code).toBe(250);
    const stored = await fetchMail({ ...alice, subject });
    expect(stored).toContain(`Return-Path: <${sender}>`);
    expect(stored.endsWith(message)).toBe(true);
  });

  it("is delivered as it is with an 8-bit body (RFC 6152)", async () => {
    const message = "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße, 日本 €";
    expect(await delivered(message, " BODY=8BITMIME")).toBe(`${message}\r\n`);
  });
});
