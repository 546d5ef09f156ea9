#!/usr/bin/env bash
# Fails unless this run's commit is the main branch's newest: an approval may come late, and must not take the stack
# back to what was there before. Expects the environment of GitHub Actions, and GH_TOKEN.
set -euo pipefail
: "${GH_TOKEN:?}" "${GITHUB_API_URL:?}" "${GITHUB_REPOSITORY:?}" "${GITHUB_SHA:?}"
newest=$(curl --fail --silent --show-error --max-time 60 \
  --header "authorization: Bearer ${GH_TOKEN}" --header 'accept: application/vnd.github.sha' \
  "${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/commits/main")
if [[ "${newest}" != "${GITHUB_SHA}" ]]; then
  echo "deploy: ${GITHUB_SHA} is not the newest commit of main any more: approve the run of ${newest}" >&2
  exit 1
fi
