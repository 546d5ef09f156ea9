// What becomes of a text from a pull request's own run before a bot posts it. Pure. The text is Markdown of
// strangers: it must name nobody, lead nowhere unseen and not look like another comment of the bot's.

/** GitHub takes 65,536 characters; the frame needs some. */
const limitCharacters = 60_000;

const zeroWidthSpace = "\u200b";

/** Tags that a preview is made of; every other one is shown instead of obeyed. */
const tags = /<(?!\/?(?:details|summary)>|br>)(?=[a-z/!?])/gi;

/** The text of a file, or what is wrong with it. */
export function plainText(bytes: Uint8Array): string {
  const text = (() => {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new Error("comment: is not text in UTF-8");
    }
  })();
  if (/[^\P{Cc}\n\t\r]/u.test(text)) throw new Error("comment: holds control characters");
  return text.replaceAll("\r\n", "\n");
}

/**
 * The same text without power: mentions, links, images and tags stay readable and do nothing, and nothing
 * turns the reading direction around.
 */
export function harmless(text: string): string {
  return text
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/(?<!\w)@(?=\w)/g, `@${zeroWidthSpace}`)
    .replace(/&(?=#?\w+;)/g, `&${zeroWidthSpace}`)
    .replace(/\](?=[([:])/g, `]${zeroWidthSpace}`)
    .replace(tags, `<${zeroWidthSpace}`);
}

/** What closes the fence and the details that a text leaves open: nothing of what follows is swallowed. */
function endOf(text: string): string[] {
  let fence = "";
  let details = 0;
  for (const line of text.split("\n")) {
    const [, marks = "", rest = ""] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (fence === "") {
      fence = marks.startsWith("`") && rest.includes("`") ? "" : marks;
      const open = line.match(/<details>/gi)?.length ?? 0;
      details = Math.max(0, details + open - (line.match(/<\/details>/gi)?.length ?? 0));
    } else if (marks.startsWith(fence) && rest.trim() === "") {
      fence = "";
    }
  }
  return [
    ...(fence === "" ? [] : [fence]),
    ...Array.from({ length: details }, () => "\n</details>"),
  ];
}

/** What a comment begins with, so that the next run finds it. */
export const markerOf = (kind: string) => `<!-- mail-host ${kind} -->`;

/** The comment as it is posted: marker, where the text comes from, the text. */
export function commentBody(
  kind: string,
  text: string,
  { run, commit }: { readonly run: string; readonly commit: string },
): string {
  const safe = harmless(text);
  const isCut = safe.length > limitCharacters;
  const shown = isCut ? safe.slice(0, limitCharacters).replace(/[^\n]*$/, "") : safe;
  return [
    markerOf(kind),
    shown.trimEnd(),
    ...endOf(shown),
    "",
    ...(isCut
      ? [`_Cut after ${limitCharacters} characters; the whole stands in the run._`, ""]
      : []),
    `<sub>Said by [this run](${run}) of the pull request's own code, at ${commit.slice(0, 12)}.</sub>`,
    "",
  ].join("\n");
}
