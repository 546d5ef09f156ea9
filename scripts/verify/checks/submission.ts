// What only a user can see: in whose name mail may be sent, and how it is signed on its way out. Sends one
// mail, to the user's own address, and deletes it again.

import { randomBytes } from "node:crypto";
import { dkimVerify } from "mailauth/lib/dkim/verify";
import { z } from "zod";
import {
  type Check,
  each,
  type Fault,
  fail,
  faultsOf,
  notJudged,
  pass,
  type Result,
} from "../check";
import { addressesOf, type Context, type Place } from "../context";
import { plainLogin } from "../login";
import type { MailLogin } from "../probes/mailbox";
import type { Reply } from "../probes/smtp";
import { nodeResolver } from "../spf";
import { announced, saying } from "./server";

const mend = "compare main.cf and the settings of Rspamd with docs/article.md";
const fault = (seen: string, wanted: string): Fault => ({ seen, wanted, mend });
const accepted = (reply: Reply | undefined) =>
  reply !== undefined && reply.code >= 200 && reply.code < 300;

const withLogin =
  (judge: (context: Context, login: MailLogin) => Promise<Result>): Check["judge"] =>
  async (context) =>
    context.subject.login === undefined
      ? notJudged("needs a login (--user)")
      : judge(context, context.subject.login);

async function place({ subject, ...context }: Context, port: number): Promise<Place> {
  const [address] = await addressesOf({ subject, ...context }, subject.hostname);
  if (address === undefined) throw new Error(`${subject.hostname} has no address`);
  return { address, port, name: subject.hostname };
}

/** The last reply to these lines, said after the login. */
async function loggedIn(context: Context, login: MailLogin, lines: readonly string[]) {
  const replies = await context.talk({
    ...(await place(context, 465)),
    encrypted: true,
    lines: ["EHLO", `AUTH PLAIN ${plainLogin(login)}`, ...lines],
  });
  const answer = replies[2];
  if (answer?.code !== 235)
    throw new Error(`${login.user} cannot log in on port 465: ${answer?.text || "no answer"}`);
  return replies.at(-1);
}

const domainOf = (address: string) => address.slice(address.indexOf("@") + 1);
const word = () => randomBytes(8).toString("hex");

function message({ from, to, subject }: { from: string; to: string; subject: string }): string {
  const date = new Date().toUTCString().replace("GMT", "+0000");
  return [
    `From: ${from}`,
    `To: <${to}>`,
    `Subject: ${subject}`,
    `Date: ${date}`,
    `Message-ID: <${subject}@${domainOf(to)}>`,
    "",
    "npm run verify looks at how this mail is signed, and deletes it.",
    ".",
  ].join("\r\n");
}

/** As mailauth gives them; its types call the algorithm otherwise. */
const Signatures = z.array(
  z.object({
    algo: z.string().default("none"),
    signingDomain: z.string().default(""),
    status: z.object({ result: z.string() }),
  }),
);

/** Hands a mail to oneself over, from one's own envelope address. */
const send = (context: Context, login: MailLogin, from: string, subject: string, more = "") =>
  loggedIn(context, login, [
    `MAIL FROM:<${login.user}>${more}`,
    `RCPT TO:<${login.user}>`,
    "DATA",
    message({ from, to: login.user, subject }),
  ]);

async function signatures(context: Context, login: MailLogin): Promise<Result> {
  const subject = `verify ${word()}`;
  const taken = await send(context, login, `<${login.user}>`, subject);
  if (!accepted(taken)) return fail(fault(`the mail is refused: ${taken?.text}`, "250"));
  const { source } = await context.arrival(login, await place(context, 993), subject);
  if (source === undefined) return fail(fault("the mail did not arrive", "it does, in seconds"));
  const verified = await dkimVerify(source, { resolver: nodeResolver(context.ask) });
  const results = Signatures.parse(verified.results);
  const good = results.filter(
    ({ status, signingDomain }) =>
      status.result === "pass" && signingDomain === domainOf(login.user),
  );
  const missing = ["rsa-sha256", "ed25519-sha256"].filter(
    (algorithm) => !good.some(({ algo }) => algo === algorithm),
  );
  const head = source.split(/\r?\n\r?\n/)[0] ?? "";
  const revealing = /^(User-Agent|X-Mailer|X-Originating-IP):/im.exec(head)?.[1];
  return faultsOf([
    ...missing.map((algorithm) =>
      fault(
        `no valid ${algorithm} signature of ${domainOf(login.user)} (${results.map(({ algo, status }) => `${algo} ${status.result}`).join(", ") || "no signature"})`,
        "one that the published key verifies, of the domain of the From header",
      ),
    ),
    ...(revealing === undefined ? [] : [fault(`the mail carries ${revealing}`, "none")]),
  ]);
}

/** Offered to anybody, mail with addresses and headers beyond ASCII must come through to the end. */
const utf8: Check["judge"] = async (context) => {
  const [, ehlo] = await saying(context, ["EHLO"]);
  if (!announced(ehlo).includes("SMTPUTF8")) return pass;
  return withLogin(async (_, login) => {
    const subject = `verify ${word()}`;
    const [name, user] = ["Jörg Müller", login.user];
    const taken = await send(context, login, `"${name}" <${user}>`, subject, " SMTPUTF8");
    if (!accepted(taken)) return fail(fault(`the mail is refused: ${taken?.text}`, "250"));
    const { source } = await context.arrival(login, await place(context, 993), subject);
    if (source?.includes(name)) return pass;
    return fail(fault("SMTPUTF8 is offered, and such a mail did not arrive as it was", "it does"));
  })(context);
};

export const submissionChecks: readonly Check[] = [
  {
    id: "smtputf8",
    group: "SMTP server",
    sentence: "Mail beyond ASCII is offered only where it can be delivered",
    judge: utf8,
  },
  {
    id: "signed",
    group: "DNS and identity",
    sentence: "A user's mail is signed by the published keys, for the domain of its From",
    judge: withLogin(signatures),
  },
  {
    id: "envelope-from",
    group: "SMTP server",
    sentence: "A user sends from addresses of their own only, extensions included",
    judge: withLogin(async (context, login) => {
      const [local = "", domain = ""] = login.user.split("@");
      const others = [`postmaster-${word()}@${domain}`, `root@${context.subject.hostname}`];
      const own = [login.user, `${local}+list@${domain}`];
      return each([...others, ...own], async (from) => {
        const reply = await loggedIn(context, login, [
          `MAIL FROM:<${from}>`,
          `RCPT TO:<${login.user}>`,
        ]);
        if (accepted(reply) === own.includes(from)) return pass;
        const wanted = own.includes(from) ? "250" : "553";
        return fail(fault(`as <${from}>: ${reply?.text}`, wanted));
      });
    }),
  },
  {
    id: "header-from",
    group: "SMTP server",
    sentence: "The From header is bound to the login too",
    judge: withLogin(async (context, login) => {
      const stranger = `somebody-${word()}@${domainOf(login.user)}`;
      const subject = `verify ${word()}`;
      const reply = await send(context, login, `<${stranger}>`, subject);
      if (!accepted(reply)) return pass;
      await context.arrival(login, await place(context, 993), subject);
      return fail(fault(`a mail with From: ${stranger} is taken: ${reply?.text}`, "a refusal"));
    }),
  },
  {
    id: "enumeration",
    group: "SMTP server",
    sentence: "A wrong password is answered as an unknown user is",
    judge: withLogin(async (context, login) => {
      const password = word();
      const replies = await Promise.all(
        [login.user, `nobody-${word()}@${domainOf(login.user)}`].map(async (user) => {
          const lines = ["EHLO", `AUTH PLAIN ${plainLogin({ user, password })}`];
          const at = await place(context, 465);
          return (await context.talk({ ...at, encrypted: true, lines })).at(-1);
        }),
      );
      const [known, unknown] = replies.map((reply) => reply?.text ?? "");
      if (known === unknown && replies[0]?.code === 535) return pass;
      return fail(fault(`"${known}" and "${unknown}"`, "535 and the same words"));
    }),
  },
];
