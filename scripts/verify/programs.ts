// What mail programs are told to do: the settings that the host publishes for Thunderbird, Outlook and
// Apple's devices, read as those programs read them. Pure: documents in, settings out.

import { XMLParser, XMLValidator } from "fast-xml-parser";
import { z } from "zod";

/** One server that a mail program would use. */
export interface Setting {
  readonly protocol: "imap" | "smtp";
  readonly host: string;
  readonly port: number;
  readonly encryption: "TLS" | "STARTTLS" | "none";
  /** What the program would log in as. */
  readonly user: string;
}

const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false });
const list = <T extends z.ZodType>(item: T) =>
  z.union([z.array(item), item.transform((one) => [one])]);
const port = z.coerce.number().int().min(1).max(65535);

const ThunderbirdServer = z.object({
  "@_type": z.enum(["imap", "smtp"]),
  hostname: z.string(),
  port,
  socketType: z.enum(["SSL", "STARTTLS", "plain"]),
  username: z.string(),
});
const Thunderbird = z.object({
  clientConfig: z.object({
    emailProvider: z.object({
      domain: list(z.string()),
      incomingServer: list(ThunderbirdServer),
      outgoingServer: list(ThunderbirdServer),
    }),
  }),
});

const OutlookProtocol = z.object({
  Type: z.enum(["IMAP", "SMTP"]),
  Server: z.string(),
  Port: port,
  SSL: z.enum(["on", "off"]).default("on"),
  Encryption: z.string().optional(),
  LoginName: z.string().optional(),
});
const Outlook = z.object({
  Autodiscover: z.object({
    Response: z.object({
      Account: z.object({ Protocol: list(OutlookProtocol) }),
    }),
  }),
});

function parsed<T extends z.ZodType>(shape: T, text: string): z.output<T> {
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw new Error(`no XML: ${valid.err.msg} (line ${valid.err.line})`);
  const read = shape.safeParse(parser.parse(text));
  if (!read.success) throw new Error(z.prettifyError(read.error).replaceAll("\n", " "));
  return read.data;
}

/** Mozilla's config-v1.1.xml. */
export function thunderbirdSettings(text: string, address: string): Setting[] {
  const { emailProvider } = parsed(Thunderbird, text).clientConfig;
  if (!emailProvider.domain.includes(address.split("@")[1] ?? ""))
    throw new Error(`is about ${emailProvider.domain.join(", ")}`);
  const encryptions = { SSL: "TLS", STARTTLS: "STARTTLS", plain: "none" } as const;
  return [...emailProvider.incomingServer, ...emailProvider.outgoingServer].map((server) => ({
    protocol: server["@_type"],
    host: server.hostname,
    port: server.port,
    encryption: encryptions[server.socketType],
    user: server.username
      .replace("%EMAILADDRESS%", address)
      .replace("%EMAILLOCALPART%", address.split("@")[0] ?? ""),
  }));
}

/** Microsoft's answer to an Autodiscover question (MS-OXDSCLI). */
export function outlookSettings(text: string, address: string): Setting[] {
  return parsed(Outlook, text).Autodiscover.Response.Account.Protocol.map((protocol) => ({
    protocol: protocol.Type === "IMAP" ? "imap" : "smtp",
    host: protocol.Server,
    port: protocol.Port,
    encryption: protocol.SSL === "on" ? "TLS" : "none",
    user: protocol.LoginName ?? address,
  }));
}

/** The question that Outlook posts. */
export const outlookQuestion = (address: string) => `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress>${address}</EMailAddress>
    <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
  </Request>
</Autodiscover>`;

/** Elements in their order, since a property list pairs each key with what follows it. */
const Node = z.record(z.string(), z.unknown());
const ordered = new XMLParser({ preserveOrder: true, parseTagValue: false });

const Text = z.array(z.object({ "#text": z.coerce.string() }));

function plist(nodes: unknown): Record<string, unknown>[] {
  const dictionaries: Record<string, unknown>[] = [];
  for (const node of z.array(Node).parse(nodes)) {
    for (const [tag, content] of Object.entries(node)) {
      if (tag === "array" || tag === "plist") dictionaries.push(...plist(content));
      if (tag === "dict") {
        const entries: Record<string, unknown> = {};
        dictionaries.push(entries, ...plist(content));
        let key = "";
        for (const entry of z.array(Node).parse(content)) {
          const [[kind, value] = ["", undefined]] = Object.entries(entry);
          const said = Text.safeParse(value).data?.[0]?.["#text"] ?? "";
          if (kind === "key") key = said;
          else entries[key] = kind === "true" || kind === "false" ? kind === "true" : said;
        }
      }
    }
  }
  return dictionaries;
}

const AppleAccount = z.object({
  PayloadType: z.literal("com.apple.mail.managed"),
  EmailAccountType: z.literal("EmailTypeIMAP"),
  EmailAddress: z.string(),
  IncomingMailServerHostName: z.string(),
  IncomingMailServerPortNumber: port,
  IncomingMailServerUseSSL: z.boolean(),
  IncomingMailServerUsername: z.string(),
  OutgoingMailServerHostName: z.string(),
  OutgoingMailServerPortNumber: port,
  OutgoingMailServerUseSSL: z.boolean(),
  OutgoingMailServerUsername: z.string(),
});

/** Apple's configuration profile. */
export function appleSettings(text: string, address: string): Setting[] {
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw new Error(`no XML: ${valid.err.msg} (line ${valid.err.line})`);
  const accounts = plist(ordered.parse(text)).flatMap(
    (entries) => AppleAccount.safeParse(entries).data ?? [],
  );
  const [account] = accounts;
  if (account === undefined) throw new Error("holds no mail account");
  if (account.EmailAddress !== address) throw new Error(`is for ${account.EmailAddress}`);
  return [
    {
      protocol: "imap",
      host: account.IncomingMailServerHostName,
      port: account.IncomingMailServerPortNumber,
      encryption: account.IncomingMailServerUseSSL ? "TLS" : "none",
      user: account.IncomingMailServerUsername,
    },
    {
      protocol: "smtp",
      host: account.OutgoingMailServerHostName,
      port: account.OutgoingMailServerPortNumber,
      encryption: account.OutgoingMailServerUseSSL ? "TLS" : "none",
      user: account.OutgoingMailServerUsername,
    },
  ];
}
