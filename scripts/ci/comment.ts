// Posts what a preview has said as the one comment of its pull request, or edits it in place. Runs after the
// preview, from the base branch, with a token that may comment: everything that the preview left behind is a
// stranger's, and so is its workflow file. Which pull request it is, is asked of GitHub.

import { z } from "zod";
import { commentBody, markerOf, plainText } from "./comment-text";
import { askGitHub, download, type GitHub, githubFrom, listAtGitHub } from "./github";
import { onlyFile } from "./zip";

const limitBytes = 1024 * 1024;
const artefactName = "comment";
const fileName = "comment.md";

/** Workflows whose runs may speak, and which comment is theirs. */
const kinds: Readonly<Record<string, string>> = {
  ".github/workflows/preview.yml": "preview",
  ".github/workflows/preview-stack.yml": "preview-stack",
};

const Run = z.object({
  path: z.string(),
  event: z.string(),
  status: z.string(),
  html_url: z.url(),
  head_sha: z.string().regex(/^[0-9a-f]{40}$/),
  head_branch: z.string(),
  head_repository: z.object({ full_name: z.string(), owner: z.object({ login: z.string() }) }),
});
type Run = z.infer<typeof Run>;

const PullRequests = z.array(
  z.object({
    number: z.int(),
    head: z.object({
      sha: z.string(),
      repo: z.object({ full_name: z.string() }).nullable(),
    }),
  }),
);
const Artefacts = z.object({
  artifacts: z.array(
    z.object({ id: z.int(), name: z.string(), size_in_bytes: z.int(), expired: z.boolean() }),
  ),
});
const Comments = z.array(
  z.object({
    id: z.int(),
    body: z.string().nullish(),
    user: z.object({ login: z.string(), type: z.string() }).nullable(),
  }),
);
const Written = z.object({ html_url: z.string() });

/** The open pull request whose newest commit this run has seen; undefined when there is none any more. */
async function pullRequestOf(github: GitHub, run: Run): Promise<number | undefined> {
  const head = encodeURIComponent(`${run.head_repository.owner.login}:${run.head_branch}`);
  const open = await listAtGitHub(github, PullRequests, `pulls?state=open&head=${head}`);
  const mine = open.filter(
    (one) =>
      one.head.sha === run.head_sha && one.head.repo?.full_name === run.head_repository.full_name,
  );
  if (mine.length > 1)
    throw new Error(`run: ${mine.length} pull requests have the commit ${run.head_sha}`);
  return mine[0]?.number;
}

async function textOf(github: GitHub, runId: string): Promise<string | undefined> {
  const { artifacts } = await askGitHub(
    github,
    Artefacts,
    "GET",
    `actions/runs/${runId}/artifacts?name=${artefactName}&per_page=100`,
  );
  const [artefact, ...others] = artifacts.filter(
    ({ name, expired }) => name === artefactName && !expired,
  );
  if (artefact === undefined) return undefined;
  if (others.length > 0) throw new Error(`artefact: there are ${others.length + 1} of that name`);
  if (artefact.size_in_bytes > limitBytes)
    throw new Error(`artefact: ${artefact.size_in_bytes} bytes are more than ${limitBytes}`);
  const archive = await download(github, `actions/artifacts/${artefact.id}/zip`, limitBytes);
  return plainText(onlyFile(archive, { name: fileName, limitBytes }));
}

/** Posts or edits; says in one line what it did. */
export async function comment(github: GitHub, runId: string): Promise<string> {
  if (!/^\d+$/.test(runId)) throw new Error(`RUN_ID: "${runId}" is not a number`);
  const run = await askGitHub(github, Run, "GET", `actions/runs/${runId}`);
  const kind = kinds[run.path.replace(/@.*$/, "")];
  if (kind === undefined) throw new Error(`run: "${run.path}" is not a workflow that may comment`);
  if (run.event !== "pull_request")
    throw new Error(`run: was started by "${run.event}", not by a pull request`);
  const pullRequest = await pullRequestOf(github, run);
  if (pullRequest === undefined) return "no open pull request has this commit as its newest";
  const text = await textOf(github, runId);
  if (text === undefined) return "the run left no comment";
  const body = commentBody(kind, text, { run: run.html_url, commit: run.head_sha });
  const comments = await listAtGitHub(github, Comments, `issues/${pullRequest}/comments`);
  // A marker that somebody else has copied is not ours to edit.
  const standing = comments.find(
    (one) =>
      one.user?.type === "Bot" &&
      one.user.login === "github-actions[bot]" &&
      one.body?.startsWith(markerOf(kind)),
  );
  const { html_url } =
    standing === undefined
      ? await askGitHub(github, Written, "POST", `issues/${pullRequest}/comments`, { body })
      : await askGitHub(github, Written, "PATCH", `issues/comments/${standing.id}`, { body });
  return `${standing === undefined ? "posted" : "edited"} ${html_url}`;
}

if (require.main === module) {
  comment(githubFrom(process.env), process.env.RUN_ID ?? "").then(
    (said) => console.log(said),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    },
  );
}
