// What the judge found, for a person: one page in 80 columns, grouped, and what to do about each failure.
// Pure.

import { type Fault, type Group, groups, type Judged } from "./check";

const columns = 80;
const marks = { pass: "pass", fail: "FAIL", "not applicable": "n/a", "not judged": "?" } as const;
/** Where sentences begin: after the verdict and internet.nl's number. */
const indent = 12;

/** Lines of at most that many columns; what has no blank stays whole. */
function wrapped(text: string, first: string, from: number): string[] {
  const lines = [first];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const last = lines.at(-1) ?? "";
    const blank = last.trim() === "" || last.length === from ? "" : " ";
    if (last.length + blank.length + word.length <= columns || last.length <= from)
      lines[lines.length - 1] = `${last}${blank}${word}`;
    else lines.push(`${" ".repeat(from)}${word}`);
  }
  return lines;
}

const numbered = (id: string) => (/^\d+$/.test(id) ? id : "");

const part = (name: string, text: string) =>
  wrapped(text, `${" ".repeat(indent)}${name.padEnd(8)}`, indent + 8);

/** What several faults have in common is said once, below the last of them. */
function faultLines(faults: readonly Fault[]): string[] {
  return faults.flatMap(({ seen, wanted, mend }, i) => {
    const next = faults[i + 1];
    return [
      ...part("seen", seen),
      ...(next?.wanted === wanted && next.mend === mend ? [] : part("wanted", wanted)),
      ...(next?.mend === mend ? [] : part("mend", mend)),
    ];
  });
}

function lines(check: Judged, next: Judged | undefined): string[] {
  const head = `  ${marks[check.verdict].padEnd(5)}${numbered(check.id).padStart(3)}  `;
  const sentence = wrapped(check.sentence, head.slice(0, indent), indent);
  switch (check.verdict) {
    case "pass":
      return sentence;
    case "fail":
      return [...sentence, ...faultLines(check.faults)];
    case "not applicable":
    case "not judged": {
      // The same reason is said once, below the last check that it holds for.
      const again =
        next !== undefined && next.group === check.group && "why" in next && next.why === check.why;
      return again
        ? sentence
        : [...sentence, ...wrapped(`(${check.why})`, " ".repeat(indent), indent)];
    }
    default:
      return check satisfies never;
  }
}

export interface Counts {
  readonly pass: number;
  readonly fail: number;
  readonly notApplicable: number;
  readonly notJudged: number;
}

export function counts(judged: readonly Judged[]): Counts {
  const of = (verdict: Judged["verdict"]) =>
    judged.filter((check) => check.verdict === verdict).length;
  return {
    pass: of("pass"),
    fail: of("fail"),
    notApplicable: of("not applicable"),
    notJudged: of("not judged"),
  };
}

/** `12 pass, 1 FAIL`; nothing of what there is none. */
function countsText(judged: readonly Judged[]): string {
  const { pass, fail, notApplicable, notJudged } = counts(judged);
  const parts = [
    [pass, "pass"],
    [fail, "FAIL"],
    [notApplicable, "n/a"],
    [notJudged, "not judged"],
  ] as const;
  return parts
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`)
    .join(", ");
}

const present = (judged: readonly Judged[]): Group[] =>
  groups.filter((group) => judged.some((check) => check.group === group));
const inGroup = (judged: readonly Judged[], group: Group) =>
  judged.filter((check) => check.group === group);
const aligned = (left: string, right: string) =>
  `${left}${right.padStart(Math.max(1, columns - left.length))}`;

/** Everything, group by group, and the counts. */
export function fullReport(judged: readonly Judged[], about: string): string {
  const body = present(judged).flatMap((group) => {
    const checks = inGroup(judged, group);
    return [
      "",
      aligned(group, countsText(checks)),
      ...checks.flatMap((check, i) => lines(check, checks[i + 1])),
    ];
  });
  return [...wrapped(about, "", 0), ...body, "", aligned("Together", countsText(judged))].join(
    "\n",
  );
}

/** One line for each group, and each failure in full. */
export function shortReport(judged: readonly Judged[]): string {
  const failed = judged.filter(({ verdict }) => verdict === "fail");
  return [
    ...present(judged).map(
      (group) => `    ${group.padEnd(32)}${countsText(inGroup(judged, group))}`,
    ),
    `    ${"Together".padEnd(32)}${countsText(judged)}`,
    ...(failed.length === 0 ? [] : [""]),
    ...failed.flatMap((check) => lines(check, undefined)),
  ].join("\n");
}
