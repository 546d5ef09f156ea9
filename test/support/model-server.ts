// An SMTP server that behaves, for the judge to talk to; each property of it can be spoiled. No sockets.

import type { Reply, Talk } from "../../scripts/verify/probes/smtp";

export interface ModelServer {
  greeting: string;
  name: string;
  /** Announced on port 25, and on 465 and 587. */
  extensions: { 25: string[]; 587: string[]; 465: string[] };
  /** Announced once inside TLS. */
  authentication: { 25: string; 587: string; 465: string };
  /** Announced on port 587 before TLS. */
  authenticationInClear: string;
  starttls: boolean;
  relays: boolean;
  sizeLimit: number;
  keepsToSize: boolean;
  /** Addresses that are taken; one that begins with @ stands for a catch-all. */
  addresses: string[];
  verifies: boolean;
  waits: boolean;
  /** What ends a mail. */
  endings: string[];
  user: string;
  password: string;
  bindsEnvelope: boolean;
  bindsHeader: boolean;
  tellsUsersApart: boolean;
  /** Mails that users have sent. */
  sent: string[];
}

const reply = (code: number, text: string): Reply => ({ code, text: `${code} ${text}` });
const addressIn = (line: string) => /<([^>]*)>/.exec(line)?.[1]?.toLowerCase() ?? "";

type Port = 25 | 465 | 587;
const portOf = (port: number): Port => (port === 465 || port === 587 ? port : 25);

/** All replies to a conversation. */
export function converse(server: ModelServer, talk: Talk): Reply[] {
  const port = portOf(talk.port);
  const inTls = talk.encrypted === true;
  let user: string | undefined;
  let inData = false;

  const ehlo = (): Reply => {
    const auth = inTls
      ? server.authentication[port]
      : port === 587
        ? server.authenticationInClear
        : "";
    const words = [
      `SIZE ${server.sizeLimit}`,
      ...server.extensions[port],
      ...(server.starttls && !inTls ? ["STARTTLS"] : []),
      ...(auth === "" ? [] : [auth]),
    ];
    return { code: 250, text: [server.name, ...words].map((word) => `250-${word}`).join("\r\n") };
  };

  const logIn = (line: string): Reply => {
    const [, name = "", password = ""] = Buffer.from(line.slice(11), "base64")
      .toString()
      .split("\0");
    if (name === server.user && password === server.password) {
      user = name;
      return reply(235, "welcome");
    }
    const known = server.tellsUsersApart && name === server.user;
    return reply(535, known ? "wrong password" : "authentication failed");
  };

  const sender = (line: string): Reply => {
    const octets = Number(/SIZE=(\d+)/.exec(line)?.[1] ?? 0);
    return octets > server.sizeLimit && server.keepsToSize
      ? reply(552, "too big")
      : reply(250, "ok");
  };
  let from = "";

  const recipient = (line: string): Reply => {
    const to = addressIn(line);
    const [local = "", domain = ""] = to.split("@");
    const own = from === user || from === user?.replace("@", "+list@");
    if (user !== undefined) {
      return own || !server.bindsEnvelope ? reply(250, "ok") : reply(553, "not yours");
    }
    if (
      server.addresses.includes(to) ||
      server.addresses.includes(`@${domain}`) ||
      to === "postmaster"
    )
      return reply(250, "ok");
    if (server.relays) return reply(250, "will relay");
    return local.startsWith("nobody-") ? reply(550, "unknown user") : reply(554, "relay denied");
  };

  const answer = (line: string): Reply => {
    if (inData) {
      inData = false;
      const header = /^From: .*?<([^>]*)>/m.exec(line)?.[1];
      if (server.bindsHeader && header !== server.user) return reply(550, "not your From");
      server.sent.push(line);
      return reply(250, "queued");
    }
    const verb = line.split(" ")[0]?.toUpperCase();
    switch (verb) {
      case "EHLO":
      case "HELO":
        return ehlo();
      case "STARTTLS":
        return server.starttls ? reply(220, "go ahead") : reply(502, "no");
      case "AUTH":
        return logIn(line);
      case "MAIL":
        from = addressIn(line);
        return sender(line);
      case "RCPT":
        return recipient(line);
      case "DATA":
        inData = true;
        return reply(354, "go ahead");
      case "VRFY":
      case "EXPN":
        return server.verifies ? reply(250, "that one") : reply(502, "no");
      default:
        return reply(500, "what");
    }
  };

  const replies = [{ code: 220, text: server.greeting }];
  for (const line of talk.lines) replies.push(answer(line));
  if (talk.unfinished !== undefined) {
    const { unfinished } = talk;
    if (!inData) replies.push(server.waits ? reply(554, "too early") : ehlo());
    else {
      const ended = server.endings.some((ending) => unfinished.endsWith(ending));
      replies.push(ended ? reply(250, "queued") : { code: 0, text: "" });
    }
  }
  return replies;
}
