// What a mail program does with the web servers of its domain: asks, follows what it is told, and logs in
// with it. Documents are parsed by Python's own library, which is a stranger to both sides.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { connect } from "node:net";
import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";
import { target } from "./target";

interface Question {
  readonly method?: string;
  readonly body?: string;
  readonly family?: "ipv4" | "ipv6";
}

/** What a web server answered. */
export interface WebAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Asks the host for a URL, trusting the world's authorities alone. */
export async function ask(url: string, question: Question = {}): Promise<WebAnswer> {
  const { method = "GET", body = "", family = "ipv4" } = question;
  const { protocol, hostname, pathname, search } = new URL(url);
  const options = {
    host: target[family],
    servername: hostname,
    headers: { host: hostname, "content-length": Buffer.byteLength(body) },
    method,
    path: pathname + search,
    ca: readFileSync(target.caFile),
    agent: false,
  };
  const request = protocol === "https:" ? https.request(options) : http.request(options);
  request.end(body);
  const [answer]: http.IncomingMessage[] = await once(request, "response");
  if (answer === undefined) throw new Error(`${url}: no answer`);
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part);
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    body: Buffer.concat(parts).toString(),
  };
}

/** Sends bytes to port 80 as they are; everything that comes back. */
export async function askRaw(request: string): Promise<string> {
  const socket = connect({ host: target.ipv4, port: 80 });
  let heard = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
  });
  socket.on("error", () => {}); // a reset is one way to say nothing
  socket.write(request);
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return heard;
}

/** An element of an XML document. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
  readonly children: readonly Element[];
}

const parser = `
import json, plistlib, sys
from xml.etree import ElementTree
def tree(e):
    return {"name": e.tag.split("}")[-1], "attributes": e.attrib, "text": (e.text or "").strip(), "children": [tree(c) for c in e]}
text = sys.stdin.buffer.read()
print(json.dumps(plistlib.loads(text) if sys.argv[1] == "plist" else tree(ElementTree.fromstring(text))))`;

const parsed = (kind: "xml" | "plist", input: string) =>
  JSON.parse(execFileSync("python3", ["-c", parser, kind], { input, encoding: "utf8" }));

export const parseXml = (document: string): Element => parsed("xml", document);
export const parsePlist = (document: string): Record<string, unknown> => parsed("plist", document);

/** All elements of a name below one. */
export const elements = (root: Element, name: string): Element[] =>
  root.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...elements(child, name),
  ]);

/** The texts of an element's children by their names. */
export const fields = (element: Element): Record<string, string> =>
  Object.fromEntries(element.children.map(({ name, text }) => [name, text]));

/** How a mail program is told to reach a server, in one form for all of them. */
export interface Account {
  readonly server: string;
  readonly port: number;
  readonly tls: "at once" | "STARTTLS";
  readonly user: string;
}

const tlsOptions = (server: string) => ({
  servername: server,
  ca: readFileSync(target.caFile),
});

function addressOf(server: string): string {
  if (server !== target.hostname) throw new Error(`${server} is not the host under test`);
  return target.ipv4;
}

/** Logs in over IMAP as told; throws when that fails, or the certificate is not to be trusted. */
export async function logInToImap(account: Account, password: string): Promise<void> {
  const client = new ImapFlow({
    host: addressOf(account.server),
    port: account.port,
    secure: account.tls === "at once",
    doSTARTTLS: account.tls === "STARTTLS",
    servername: account.server,
    tls: tlsOptions(account.server),
    auth: { user: account.user, pass: password },
    logger: false,
  });
  await client.connect();
  await client.logout();
}

/** Logs in over SMTP as told; throws likewise. */
export async function logInToSmtp(account: Account, password: string): Promise<void> {
  const transport = createTransport({
    host: addressOf(account.server),
    port: account.port,
    secure: account.tls === "at once",
    requireTLS: account.tls === "STARTTLS",
    tls: tlsOptions(account.server),
    auth: { user: account.user, pass: password },
  });
  try {
    await transport.verify();
  } finally {
    transport.close();
  }
}
