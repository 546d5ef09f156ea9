// One HTTPS request, to the address that the judge's own resolver gives, with a certificate that must be
// right. Follows no redirection: those who read these pages must not either (RFC 8461 3.3).

import { request } from "node:https";
import { Unreachable } from "../check";
import type { Ask } from "./dns";

export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const answerSeconds = 10;

export const pagesBy =
  (ask: Ask, ca: string | undefined) =>
  async (url: string, body?: string): Promise<Page> => {
    const { hostname, origin, pathname } = new URL(url);
    const shown = `${origin}${pathname}`;
    const [ipv4, ipv6] = await Promise.all([ask(hostname, "A"), ask(hostname, "AAAA")]);
    const addresses = [
      ...ipv4.records.map((address) => ({ address, family: 4 })),
      ...ipv6.records.map((address) => ({ address, family: 6 })),
    ];
    const [first] = addresses;
    if (first === undefined) throw new Error(`${hostname} has no address`);
    return new Promise((resolve, reject) => {
      const asked = request(url, {
        method: body === undefined ? "GET" : "POST",
        headers: body === undefined ? {} : { "content-type": "text/xml; charset=utf-8" },
        lookup: (_name, { all }, done) =>
          all ? done(null, addresses) : done(null, first.address, first.family),
        ...(ca === undefined ? {} : { ca }),
        agent: false,
        timeout: answerSeconds * 1000,
      });
      asked.on("timeout", () => asked.destroy(new Error("no answer")));
      asked.on("error", (error) => {
        const code = "code" in error ? error.code : undefined;
        const away = code === "ENETUNREACH";
        reject(
          away ? new Unreachable(`${shown}: ${code}`) : new Error(`${shown}: ${error.message}`),
        );
      });
      asked.on("response", (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.on("end", () =>
          resolve({
            status: answer.statusCode ?? 0,
            contentType: answer.headers["content-type"] ?? "",
            text: Buffer.concat(parts).toString("utf8"),
          }),
        );
      });
      asked.end(body);
    });
  };
