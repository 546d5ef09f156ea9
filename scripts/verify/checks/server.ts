// The SMTP server as a stranger meets it: whom it takes mail for, and what it gives away. No mail is sent.

import { randomBytes } from "node:crypto";
import { type Check, each, type Fault, fail, faultsOf, notJudged, pass } from "../check";
import { type Context, type Place, placesOf } from "../context";
import type { Reply, Talk } from "../probes/smtp";
import { accepts, firstPlace, recipientReply } from "../recipients";

/** A domain that no mail host answers for (RFC 2606). */
const foreign = "example.org";
const hostMend =
  "compare main.cf and master.cf with docs/article.md; was the host changed by hand?";
const accepted = ({ code }: Reply) => code >= 200 && code < 300;
const nobody = () => `nobody-${randomBytes(4).toString("hex")}`;

/** Ways to ask for mail to be carried elsewhere. */
function relayForms({ hostname, domains: [domain = hostname] }: Context["subject"]) {
  const victim = `victim@${foreign}`;
  const from = (sender: string, to: string, greeting = "EHLO") => ({ sender, to, greeting });
  const senders = ["", `sender@${foreign}`, `postmaster@${domain}`, `root@${hostname}`];
  const recipients = [
    `victim%${foreign}@${domain}`,
    `victim%${foreign}@${hostname}`,
    `victim%${foreign}`,
    `${foreign}!victim`,
    `${foreign}!victim@${hostname}`,
    `@${hostname}:${victim}`,
    `"${victim}"@${hostname}`,
    `"${victim}"`,
    `${victim}@${hostname}`,
    `postmaster+${victim}@${domain}`,
    `victim@[192.0.2.1]`,
    `victim@sub.${hostname}`,
  ];
  return [
    ...senders.map((sender) => from(sender, victim)),
    ...recipients.map((recipient) => from("", recipient)),
    from("", victim, "EHLO localhost"),
    from(`postmaster@${domain}`, victim, `EHLO ${hostname}`),
    from(`postmaster@${domain}`, victim, "HELO localhost"),
  ];
}

const fault = (seen: string, wanted: string, mend = hostMend): Fault => ({ seen, wanted, mend });

/** One conversation with the first mail host; what it answered, the greeting first. */
export async function saying(context: Context, lines: readonly string[], more: Partial<Talk> = {}) {
  return context.talk({ ...(await firstPlace(context)), lines, ...more });
}

/** The words that EHLO announces. */
export const announced = (reply: Reply | undefined): string[] =>
  (reply?.text ?? "")
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.slice(4).trim().toUpperCase());

const openRelay: Check = {
  id: "relay",
  group: "SMTP server",
  sentence: "It carries no stranger's mail elsewhere, in whatever form it is asked",
  judge: async (context) => {
    const places = await placesOf(context);
    const forms = relayForms(context.subject);
    const attempts = places.flatMap((place) => forms.map((form) => ({ place, ...form })));
    return each(attempts, async ({ place, sender, to, greeting }) => {
      const lines = [greeting, `MAIL FROM:<${sender}>`, `RCPT TO:<${to}>`];
      const reply = (await context.talk({ ...place, lines })).at(-1);
      if (reply !== undefined && !accepted(reply) && reply.code !== 0) return pass;
      return fail(
        fault(
          `${place.address}: ${greeting}, from <${sender}>, to <${to}>: ${reply?.text || "no answer"}`,
          "a refusal",
        ),
      );
    });
  },
};

/** What somebody might take for the end of a mail, and is none (CVE-2023-51764). */
const falseEndings = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n"];

const smuggling: Check = {
  id: "smuggling",
  group: "SMTP server",
  sentence: "Only CR LF . CR LF ends a mail: nothing is smuggled in",
  judge: async (context) => {
    const [domain = context.subject.hostname] = context.subject.domains;
    return each(falseEndings, async (ending) => {
      const lines = ["EHLO", "MAIL FROM:<>", `RCPT TO:<postmaster@${domain}>`, "DATA"];
      // The connection ends here, and with it the mail, which was never whole.
      const unfinished = `Subject: unfinished\r\n\r\nNever sent.${ending}`;
      const replies = await saying(context, lines, { unfinished });
      const [data, end] = replies.slice(-2);
      if (data?.code !== 354)
        return notJudged(`postmaster@${domain} gets no mail here: ${replies.at(-1)?.text}`);
      if (end === undefined || !accepted(end)) return pass;
      return fail(
        fault(`${JSON.stringify(ending)} ended a mail: ${end.text}`, "no answer, or a refusal"),
      );
    });
  },
};

const early: Check = {
  id: "early-talker",
  group: "SMTP server",
  sentence: "It hangs up on who does not wait for an answer",
  judge: async (context) => {
    // A command behind EHLO, before it is known what the host can do (RFC 2920 3.1).
    const replies = await saying(context, [], {
      unfinished: "EHLO early.invalid\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nQUIT\r\n",
    });
    const last = replies.at(-1);
    if (last !== undefined && !accepted(last)) return pass;
    return fail(fault(`answers: ${last?.text}`, "554, and the end of the connection"));
  },
};

const unknownRecipients: Check = {
  id: "unknown-recipient",
  group: "SMTP server",
  sentence: "Mail for nobody is refused in the conversation, not bounced later",
  judge: async (context) => {
    const { hostname, domains } = context.subject;
    return each([hostname, ...domains], async (domain) => {
      const reply = await recipientReply(context, `${nobody()}@${domain}`);
      if (reply.code >= 500) return pass;
      if (domain !== hostname && accepted(reply))
        return notJudged(`${domain} takes every address, which is right if it has a catch-all`);
      return fail(fault(`${nobody()}@${domain}: ${reply.text || "no answer"}`, "550"));
    });
  },
};

const always: Check = {
  id: "postmaster",
  group: "SMTP server",
  sentence: "postmaster, abuse, hostmaster and webmaster of each domain take mail",
  judge: (context) =>
    accepts(
      context,
      context.subject.domains.flatMap((domain) =>
        ["postmaster", "abuse", "hostmaster", "webmaster"].map((name) => `${name}@${domain}`),
      ),
    ),
};

const lists: Check = {
  id: "vrfy",
  group: "SMTP server",
  sentence: "VRFY and EXPN give no address away",
  judge: async (context) => {
    const [domain = context.subject.hostname] = context.subject.domains;
    const commands = ["VRFY", "EXPN"].flatMap((command) => [
      `${command} postmaster@${domain}`,
      `${command} ${nobody()}@${domain}`,
    ]);
    return each(commands, async (command) => {
      const [, ehlo, answer] = await saying(context, ["EHLO", command]);
      const words = announced(ehlo).filter((word) => /^(VRFY|EXPN)$/.test(word));
      // 252: "cannot verify, but will take mail", the same for everybody (RFC 5321 3.5.3).
      const silent = answer !== undefined && (answer.code === 252 || answer.code >= 500);
      return faultsOf([
        ...(silent ? [] : [fault(`${command}: ${answer?.text}`, "502 or 252")]),
        ...words.map((word) => fault(`EHLO announces ${word}`, "not announced")),
      ]);
    });
  },
};

const banner: Check = {
  id: "banner",
  group: "SMTP server",
  sentence: "The greeting names no version and no system",
  judge: async (context) =>
    each(await placesOf(context), async (place) => {
      const [greeting] = await context.talk({ ...place, lines: [] });
      const said = (greeting?.text ?? "").replace(/^220[ -]\S+/, "");
      if (!/\d+\.\d+|debian|ubuntu|linux|postfix|exim|sendmail/i.test(said)) return pass;
      return fail(fault(greeting?.text ?? "", "the host's name and ESMTP"));
    }),
};

const size: Check = {
  id: "size",
  group: "SMTP server",
  sentence: "The largest mail that it announces is the largest that it takes",
  judge: async (context) => {
    const [, ehlo] = await saying(context, ["EHLO"]);
    const limit = Number(
      announced(ehlo)
        .find((word) => word.startsWith("SIZE "))
        ?.slice(5),
    );
    if (!(limit > 0)) return fail(fault("EHLO announces no SIZE", "the limit (RFC 1870)"));
    const [within, beyond] = await Promise.all(
      [limit, limit + 1].map(async (octets) =>
        (await saying(context, ["EHLO", `MAIL FROM:<> SIZE=${octets}`])).at(-1),
      ),
    );
    return faultsOf([
      ...(within?.code === 250 ? [] : [fault(`SIZE=${limit}: ${within?.text}`, "250")]),
      ...(beyond?.code === 552 ? [] : [fault(`SIZE=${limit + 1}: ${beyond?.text}`, "552")]),
    ]);
  },
};

const extensions: Check = {
  id: "extensions",
  group: "SMTP server",
  sentence: "Strangers are offered no notices of delivery (DSN)",
  judge: async (context) => {
    const [, ehlo] = await saying(context, ["EHLO"]);
    const [, inside] = await saying(context, ["EHLO"], { encrypted: true });
    const dsn = [...announced(ehlo), ...announced(inside)].includes("DSN");
    if (!dsn) return pass;
    return fail(fault("EHLO on port 25 announces DSN", "announced to who has logged in alone"));
  },
};

/** Where AUTH must not be: on port 25 at all, and nowhere before TLS. */
const auth: Check = {
  id: "auth",
  group: "SMTP server",
  sentence: "A login is offered inside TLS on 465 and 587 only, by PLAIN and LOGIN or SCRAM",
  judge: async (context) => {
    const mail = await firstPlace(context);
    const at = (port: number): Place => ({ ...mail, port });
    const ehlo = async (place: Place, encrypted: boolean) => {
      const [, reply] = await context.talk({ ...place, lines: ["EHLO"], encrypted });
      return announced(reply).filter((word) => word.startsWith("AUTH"));
    };
    const hidden = [
      ["port 25 in the clear", await ehlo(mail, false)],
      ["port 25 in TLS", await ehlo(mail, true)],
      ["port 587 in the clear", await ehlo(at(587), false)],
    ] as const;
    const shown = [
      ["port 465", await ehlo(at(465), true)],
      ["port 587", await ehlo(at(587), true)],
    ] as const;
    return faultsOf([
      ...hidden.flatMap(([where, words]) =>
        words.map((word) => fault(`${where} offers ${word}`, "no login there")),
      ),
      ...shown.flatMap(([where, words]) => {
        const mechanisms = words.flatMap((word) => word.split(/[ =]/).slice(1));
        const odd = mechanisms.filter((name) => !/^(PLAIN|LOGIN|SCRAM-.*)$/.test(name));
        return mechanisms.length > 0 && odd.length === 0
          ? []
          : [fault(`${where} offers ${words.join(", ") || "no login"}`, "AUTH PLAIN LOGIN")];
      }),
    ]);
  },
};

const plainPorts: Check = {
  id: "plain-ports",
  group: "SMTP server",
  sentence: "Mailboxes are not to be had in the clear: ports 110 and 143 are closed",
  judge: async (context) => {
    const places = await placesOf(context, 143);
    return each(
      places.flatMap(({ address }) => [110, 143].map((port) => ({ address, port }))),
      async ({ address, port }) =>
        (await context.reach(address, port)) === "open"
          ? fail(fault(`${address} port ${port} is open`, "closed (RFC 8314 4.1)"))
          : pass,
    );
  },
};

export const serverChecks: readonly Check[] = [
  openRelay,
  unknownRecipients,
  always,
  lists,
  banner,
  early,
  smuggling,
  size,
  extensions,
  auth,
  plainPorts,
];
