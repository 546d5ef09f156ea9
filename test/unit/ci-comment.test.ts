// The comment of a pull request, from what a stranger's run has left behind. Does not prove that GitHub
// answers as its stand-in does.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { comment } from "../../scripts/ci/comment";
import { commentBody, harmless, plainText } from "../../scripts/ci/comment-text";
import { githubFrom } from "../../scripts/ci/github";
import { onlyFile } from "../../scripts/ci/zip";
import { archiveOf } from "../support/archive";
import { bot, startGitHub } from "../support/github";

const commit = "a".repeat(40);
const fork = { full_name: "stranger/mail-host", owner: { login: "stranger" } };
const goodRun = {
  path: ".github/workflows/preview.yml",
  event: "pull_request",
  status: "completed",
  html_url: "https://github.test/run/7",
  head_sha: commit,
  head_branch: "main",
  head_repository: fork,
};
const pull = (number: number, sha = commit) => ({
  number,
  head: { sha, repo: { full_name: fork.full_name } },
});

let github: Awaited<ReturnType<typeof startGitHub>>;
beforeEach(async () => {
  github = await startGitHub();
  github.held.run = goodRun;
  github.held.pulls.push(pull(3));
  leave("### Preview\n");
});
afterEach(() => github.close());

function leave(text: string | Buffer, name = "comment.md") {
  const archive = archiveOf({ name, content: Buffer.from(text) });
  github.held.archives.set("9", archive);
  github.held.artefacts.splice(0, 1, {
    id: 9,
    name: "comment",
    size_in_bytes: archive.length,
    expired: false,
  });
}
const commentsOn = (number: string) =>
  (github.held.comments.get(number) ?? []).map(({ body }) => body);
const run = () => comment(github.api, "7");

describe("the comment of a preview", () => {
  it("is posted on the pull request whose newest commit the run has seen", async () => {
    github.held.pulls.unshift(pull(2, "b".repeat(40)));
    expect(await run()).toBe("posted https://github.test/101");
    expect(commentsOn("3")).toEqual([
      `<!-- mail-host preview -->\n### Preview\n\n<sub>Said by [this run](https://github.test/run/7) of the pull request's own code, at aaaaaaaaaaaa.</sub>\n`,
    ]);
    expect(github.held.asked).toContain(
      "GET /repos/owner/mail-host/pulls?state=open&head=stranger%3Amain&per_page=100&page=1",
    );
  });

  it("is edited in place by the next run, wherever it stands among the others", async () => {
    const others = Array.from({ length: 130 }, (_, i) => ({
      id: 1000 + i,
      body: "hello",
      user: bot,
    }));
    github.held.comments.set("3", others);
    await run();
    leave("### Another\n");
    expect(await run()).toBe("edited https://github.test/101");
    expect(commentsOn("3").filter((body) => body.includes("mail-host preview"))).toEqual([
      expect.stringContaining("### Another"),
    ]);
  });

  it("has a place of its own beside that of the real stack's preview", async () => {
    await run();
    github.held.run = { ...goodRun, path: ".github/workflows/preview-stack.yml" };
    await run();
    expect(commentsOn("3").map((body) => body.split("\n")[0])).toEqual([
      "<!-- mail-host preview -->",
      "<!-- mail-host preview-stack -->",
    ]);
  });

  it("is never written into a person's comment that begins in the same way", async () => {
    const body = "<!-- mail-host preview -->\nmine";
    github.held.comments.set("3", [{ id: 1, body, user: { login: "stranger", type: "User" } }]);
    expect(await run()).toMatch(/^posted /);
    expect(commentsOn("3")[0]).toBe(body);
  });
});

describe("nothing is written", () => {
  afterEach(() => expect(github.held.writes).toEqual([]));

  it("when a newer commit has been pushed meanwhile", async () => {
    github.held.pulls.splice(0, 1, pull(3, "b".repeat(40)));
    expect(await run()).toBe("no open pull request has this commit as its newest");
  });

  it("when the same commit is another repository's", async () => {
    github.held.pulls.splice(0, 1, {
      number: 3,
      head: { sha: commit, repo: { full_name: "victim/mail-host" } },
    });
    expect(await run()).toBe("no open pull request has this commit as its newest");
  });

  it("when two pull requests have it", async () => {
    github.held.pulls.push(pull(4));
    await expect(run()).rejects.toThrow("2 pull requests have the commit");
  });

  it("when the run has left nothing", async () => {
    github.held.artefacts.length = 0;
    expect(await run()).toBe("the run left no comment");
  });

  it.each([
    ["of another workflow", { path: ".github/workflows/mine.yml" }, "not a workflow that may"],
    ["that no pull request started", { event: "push" }, 'was started by "push"'],
  ])("for a run %s", async (_, values, why) => {
    github.held.run = { ...goodRun, ...values };
    await expect(run()).rejects.toThrow(why);
  });

  it("for an artefact that says to be too large", async () => {
    const [artefact] = github.held.artefacts;
    if (artefact !== undefined) artefact.size_in_bytes = 2 * 1024 * 1024;
    await expect(run()).rejects.toThrow("2097152 bytes are more than 1048576");
  });

  it("for one that is larger than it says", async () => {
    github.held.archives.set("9", Buffer.alloc(2 * 1024 * 1024));
    await expect(run()).rejects.toThrow("is larger than 1048576 bytes");
  });

  it("for one that unpacks to more than is read", async () => {
    leave(Buffer.alloc(8 * 1024 * 1024, "a"));
    await expect(run()).rejects.toThrow("broken, or larger than 1048576 bytes");
  });

  it.each([
    ["another file", "../../etc/passwd", "text", 'holds "../../etc/passwd" instead of'],
    ["what is no text", "comment.md", Buffer.from([0xff, 0xfe]), "is not text in UTF-8"],
    ["what steers a terminal", "comment.md", "\u001b[31m", "holds control characters"],
  ])("for one that holds %s", async (_, name, content, why) => {
    leave(content, name);
    await expect(run()).rejects.toThrow(why);
  });

  it("for a run whose number is not one", async () => {
    await expect(comment(github.api, "7/../8")).rejects.toThrow("is not a number");
  });
});

describe("an archive", () => {
  const entry = { name: "a", content: Buffer.from("text") };
  const read = (archive: Buffer) => onlyFile(archive, { name: "a", limitBytes: 100 });

  it.each([0, 8])("is read whose file is packed by method %d", (method) => {
    expect(read(archiveOf({ ...entry, method })).toString()).toBe("text");
  });

  it.each([
    ["with two files", archiveOf(entry, entry), "holds 2 files instead of one"],
    ["without any", archiveOf(), "holds 0 files instead of one"],
    ["that is encrypted", archiveOf({ ...entry, flags: 9 }), "is encrypted"],
    ["packed in an unknown way", archiveOf({ ...entry, method: 14 }), "is packed by method 14"],
    ["that is none", Buffer.from("no archive, but some text in its place"), "is not a ZIP archive"],
    ["that lost its beginning", archiveOf(entry).subarray(4), "has no directory"],
    ["that points outside itself", pointingOutside(), "broken, or larger than 100 bytes"],
  ])("is refused %s", (_, archive, why) => {
    expect(() => read(archive)).toThrow(why);
  });

  function pointingOutside() {
    const archive = archiveOf(entry);
    archive.writeUInt32LE(0xfffffff0, archive.length - 6);
    return archive;
  }
});

describe("a stranger's text", () => {
  it("calls nobody, leads nowhere unseen, and turns nothing around", () => {
    expect(harmless("@owner, see @org/team and you@example.com")).toBe(
      "@\u200bowner, see @\u200borg/team and you@example.com",
    );
    expect(harmless("[merge](https://evil.test) ![](https://evil.test/x)")).not.toContain("](");
    expect(harmless("[merge]\n\n[merge]: https://evil.test")).toContain("[merge]\u200b:");
    expect(harmless("a\u202eb")).toBe("ab");
  });

  it.each([
    ["a mention after a sign", "see -@owner, +@owner and .@owner", /(?<!\w)@\w/],
    ["a mention by entity", "&#64;owner &commat;owner", /&#?\w+;/],
    ["a link by reference", "[Approve][x] ![a][x]", /\]\[/],
    ["a definition in a quotation", "> [x]: https://evil.test", /\]:/],
    ["a definition of two lines", "[a\nb]: https://evil.test", /\]:/],
    ["a definition with a bracket", "[a\\]b]: https://evil.test", /\]:/],
  ])("has no power in %s", (_, text, power) => {
    expect(text).toMatch(power);
    expect(harmless(text)).not.toMatch(power);
  });

  it.each([
    ["a fence", "```\nopen", "```"],
    ["a long fence, which a short one does not end", "~~~~~diff\n~~~", "~~~~~"],
    ["an indented fence", "  ````\n```", "````"],
    ["details", "<details><summary>a</summary>", "</details>"],
    [
      "details in details, of which one is closed",
      "<details>\n<details>\n</details>",
      "</details>",
    ],
  ])("ends %s before the bot's own words", (_, text, end) => {
    const body = commentBody("preview", text, { run: "https://github.test/run/7", commit });
    expect(body.startsWith(`<!-- mail-host preview -->\n${text}\n`)).toBe(true);
    expect(body.slice(body.indexOf(text) + text.length).trim()).toMatch(
      new RegExp(`^${end}\\s+<sub>Said by `),
    );
  });

  it("has nothing ended that is not open", () => {
    const text = "````md\n```\n````\n`` ` ``\n<details>\n\na\n\n</details>";
    const body = commentBody("preview", text, { run: "https://github.test/run/7", commit });
    expect(body).toContain(`${text}\n\n<sub>Said by `);
  });

  it("keeps the tags that a preview is made of, and shows every other one", () => {
    const fine = "<details><summary>Files</summary>\n\na<br>b\n\n</details>";
    expect(harmless(fine)).toBe(fine);
    expect(harmless('<img src="x"> <details open> <!-- mail-host preview -->')).toBe(
      '<\u200bimg src="x"> <\u200bdetails open> <\u200b!-- mail-host preview -->',
    );
    expect(harmless("1 < 2 and a <b> c")).toBe("1 < 2 and a <\u200bb> c");
  });

  it("is read as text, with any line ends", () => {
    expect(plainText(Buffer.from("ä\r\n\tb"))).toBe("ä\n\tb");
  });

  it("is cut at a line where it is too long for a comment, and its last block is ended", () => {
    const body = commentBody("preview", `\`\`\`\n${"line\n".repeat(20_000)}\`\`\`\n`, {
      run: "https://github.test/run/7",
      commit,
    });
    expect(body.length).toBeLessThan(65_536);
    expect(body).toMatch(/line\n```\n\n_Cut after 60000 characters/);
    expect(body).toMatch(/at aaaaaaaaaaaa\.<\/sub>\n$/);
  });
});

describe("a workflow's environment", () => {
  const good = { GITHUB_REPOSITORY: "owner/mail-host", GH_TOKEN: "token" };

  it("says where GitHub is, and whose token to use", () => {
    expect(githubFrom({ ...good, GITHUB_API_URL: "https://github.test/api/v3/" })).toEqual({
      endpoint: "https://github.test/api/v3",
      repository: "owner/mail-host",
      token: "token",
    });
  });

  it("is refused without a token, or with something else for a repository", () => {
    expect(() => githubFrom({ GITHUB_REPOSITORY: "owner/mail-host" })).toThrow("GH_TOKEN: not set");
    expect(() => githubFrom({ ...good, GITHUB_REPOSITORY: "owner/../x" })).toThrow(
      "is not owner/name",
    );
  });
});
