// The rows of docs/article.md as the running host answers them: its daemons, its database, its
// files, and the DNS. Does not prove that the settings work together.

import { resolve } from "node:dns/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { contract, type Row, settings } from "../../support/article";
import { domain, onHost, target } from "../../support/target";

const sections = contract();
const values: Readonly<Record<string, string>> = {
  "<hostname>": target.hostname,
  "<parent>": target.hostname.slice(target.hostname.indexOf(".") + 1),
  "<domain>": domain,
  "<ipv4>": target.ipv4,
  "<ipv6>": target.ipv6,
};
const filled = (text: string) => text.replace(/<[a-z0-9]+>/g, (name) => values[name] ?? name);

/** What the host answers to each section's commands, asked in one connection. A command that fails
 *  says so on standard error, and leaves the rows that it should have answered without an answer. */
function shellAnswers(): string[][] {
  // The colon keeps a section without commands a list of commands.
  const mark = "=== the next section ===";
  const commands = sections.map(({ shell }) => `(:\n${shell})\necho '${mark}'`);
  const output = onHost('bash -c "$(cat)"', commands.join("\n"));
  return output.split(`${mark}\n`).map(settings);
}

async function dnsAnswers(questions: string): Promise<string[]> {
  const asked = questions
    .trim()
    .split("\n")
    .map(async (question) => {
      const [name = "", type = ""] = question.split(" ");
      const records: unknown[] = [await resolve(name, type)].flat();
      return records.map((record) => `${question} ${recordData(record)}`);
    });
  return (await Promise.all(asked)).flat();
}

function recordData(record: unknown): string {
  if (typeof record === "string") return record;
  if (typeof record === "object" && record !== null && "exchange" in record && "priority" in record)
    return `${record.priority} ${record.exchange}`;
  throw new Error(`neither an address nor an MX record: ${JSON.stringify(record)}`);
}

const commonStart = (a: string, b: string) => {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
};

/** The answer itself when the host gave it, else the one that begins most like it. */
function answerLike(expected: string, answers: readonly string[]): string | undefined {
  if (answers.includes(expected)) return expected;
  return [...answers].sort((a, b) => commonStart(expected, b) - commonStart(expected, a))[0];
}

/** What a failing row is called: its setting, or what it adds to the article. */
const rowName = ({ article, status, answers }: Row) =>
  status === "added" ? `${answers[0]} (added)` : article.replaceAll("`", "");

const answers = new Map<string, readonly string[]>();
beforeAll(async () => {
  const fromShell = shellAnswers();
  for (const [index, { heading, dns }] of sections.entries()) {
    const fromDns = dns === "" ? [] : await dnsAnswers(filled(dns));
    answers.set(heading, [...(fromShell[index] ?? []), ...fromDns]);
  }
});

describe.each(sections.map(({ heading, rows }) => [heading, rows] as const))(
  "%s",
  (heading, rows) => {
    it.each(rows.map((row) => [rowName(row), row] as const))(
      "is on the host as its row says: %s",
      (_name, row) => {
        const expected = row.answers.map(filled);
        const given = answers.get(heading) ?? [];
        expect(expected.map((answer) => answerLike(answer, given))).toEqual(expected);
      },
    );
  },
);
