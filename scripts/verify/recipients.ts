// Whether the host would take mail for an address. No mail is sent: the conversation ends before it.

import { each, fail, notApplicable, pass, type Result } from "./check";
import { type Context, type Place, placesOf } from "./context";
import type { Reply } from "./probes/smtp";

/** Where to begin a conversation with the host: the first address of the first mail host. */
export async function firstPlace(context: Context): Promise<Place> {
  const [place] = await placesOf(context);
  if (place === undefined) throw new Error("no mail host has an address");
  return place;
}

/** The reply to RCPT TO for one address, from a sender that has no address (RFC 5321 6.1). */
export async function recipientReply(
  context: Context,
  address: string,
  sender = "",
): Promise<Reply> {
  const place = await firstPlace(context);
  const lines = ["EHLO", `MAIL FROM:<${sender}>`, `RCPT TO:<${address}>`];
  const replies = await context.talk({ ...place, lines });
  return replies.at(-1) ?? { code: 0, text: "" };
}

/** Each of these addresses is taken; those of other domains are nobody's business here. */
export function accepts(context: Context, addresses: readonly string[]): Promise<Result> {
  const ours = addresses.filter((address) =>
    context.subject.domains.includes(address.split("@")[1] ?? ""),
  );
  if (ours.length === 0) return Promise.resolve(notApplicable("they go to another host"));
  return each(ours, async (address) => {
    const { code, text } = await recipientReply(context, address);
    if (code >= 200 && code < 300) return pass;
    return fail({
      seen: `${address}: ${text || "no answer"}`,
      wanted: "250",
      mend: `give the address a mailbox or an alias in mail-host:mailboxes or mail-host:aliases`,
    });
  });
}
