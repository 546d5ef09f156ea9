// Mail that the foreign domains keep: for each message its bytes, and what the receiving host noted.

import { mkdirSync } from "node:fs";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../host/run";
import { labPaths } from "../paths";
import {
  envelopeSchema,
  type ReceivedEnvelope,
  type ReceivedMail,
  type Verdicts,
  verdictsSchema,
} from "./mail";

const noteSchema = envelopeSchema.extend({ verdicts: verdictsSchema });

/** Where messages are written, each whole or not at all. */
export class Inbox {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Keeps a message. */
  async keep(raw: Buffer, envelope: ReceivedEnvelope, verdicts: Verdicts): Promise<void> {
    this.#count += 1;
    const name = join(this.#folder, `${Date.now()}-${process.pid}-${this.#count}`);
    await writeFile(`${name}.eml`, raw);
    await writeFile(`${name}.new`, JSON.stringify({ ...envelope, verdicts }, null, 2));
    await rename(`${name}.new`, `${name}.json`);
  }
}

/** All mail in an inbox, oldest first. */
export async function mailIn(folder: string): Promise<ReceivedMail[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".json"));
  const time = (name: string): number => Number(name.split("-")[0]);
  const order = (name: string): number => Number(name.split("-")[2]?.replace(".json", ""));
  names.sort((one, other) => time(one) - time(other) || order(one) - order(other));
  return Promise.all(
    names.map(async (name) => {
      const note = JSON.parse(await readFile(join(folder, name), "utf8"));
      const { verdicts, ...envelope } = noteSchema.parse(note);
      const raw = await readFile(join(folder, name.replace(/json$/, "eml")), "utf8");
      return { envelope, verdicts, raw };
    }),
  );
}

/** All mail that the foreign domains of a lab received, oldest first. */
export const receivedMail = (lab?: string): Promise<ReceivedMail[]> =>
  mailIn(labPaths(lab).received);

/** Waits for a message that a foreign domain received and that `wanted` accepts. */
export function waitForMail(
  lab: string | undefined,
  wanted: (mail: ReceivedMail) => boolean,
  timeoutSeconds = 30,
): Promise<ReceivedMail> {
  return until("mail at a foreign domain", timeoutSeconds, async () =>
    (await receivedMail(lab)).find(wanted),
  );
}
