// What the foreign mail domain received: whole messages, found by a word in them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { target } from "./target";

/** Every message with this word that has reached elsewhere by now. */
export function mailsElsewhere(word: string): string[] {
  return readdirSync(target.elsewhere.inbox)
    .filter((file) => file.endsWith(".eml"))
    .map((file) => readFileSync(join(target.elsewhere.inbox, file), "utf8"))
    .filter((mail) => mail.includes(word));
}

/** Waits until elsewhere has a message with this word. */
export async function mailElsewhere(word: string): Promise<string> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const [mail] = mailsElsewhere(word);
    if (mail !== undefined) return mail;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`elsewhere received no mail with ${word} within a minute`);
}
