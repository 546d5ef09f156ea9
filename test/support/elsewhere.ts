// The foreign mail domains: mail from them, sent as their own hosts would or as forgers do, and what they
// received, found by a word in it, with what they found of it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ask } from "../../lab/control";
import { mailIn } from "../../lab/world/inbox";
import {
  type Delivery,
  deliverySchema,
  type OutgoingMail,
  type ReceivedMail,
} from "../../lab/world/mail";
import { target } from "./target";

/** Sends a mail to the host from the host of a foreign domain; what came of it. */
export async function sendFromElsewhere(mail: OutgoingMail): Promise<Delivery> {
  const delivery = await ask(target.elsewhere.post, "POST", "/send", deliverySchema, mail);
  if (delivery === undefined) throw new Error(`${target.elsewhere.post}: nobody sends mail there`);
  return delivery;
}

/** Every message with this word that has reached a foreign domain by now. */
export async function receivedElsewhere(word: string): Promise<ReceivedMail[]> {
  return (await mailIn(target.elsewhere.inbox)).filter(({ raw }) => raw.includes(word));
}

/** The same without what was found of them, at once. */
export function mailsElsewhere(word: string): string[] {
  return readdirSync(target.elsewhere.inbox)
    .filter((file) => file.endsWith(".eml"))
    .map((file) => readFileSync(join(target.elsewhere.inbox, file), "utf8"))
    .filter((mail) => mail.includes(word));
}

/** Waits until a foreign domain has a message with this word, and says what it found of it. */
export async function waitForElsewhere(word: string): Promise<ReceivedMail> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const [mail] = await receivedElsewhere(word);
    if (mail !== undefined) return mail;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`no mail with ${word} has reached a foreign domain within a minute`);
}

/** Waits until a foreign domain has a message with this word. */
export const mailElsewhere = async (word: string): Promise<string> =>
  (await waitForElsewhere(word)).raw;
