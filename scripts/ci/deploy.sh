#!/usr/bin/env bash
# Deploys one stack from this machine: deploy.sh <stack>. SSH is open to this machine alone, and only while `pulumi
# up` runs. The state is refreshed before, so that drift is put right, and after, so that the way in which is gone
# again is not taken for the program's. Expects DEPLOY_SSH_KEY (the private half of one of host.sshKeys), or an
# agent that holds it.
set -euo pipefail
cd "$(dirname "$0")/../.."
stack=${1:?usage: scripts/ci/deploy.sh <stack>}

if [[ -n "${DEPLOY_SSH_KEY:-}" ]]; then
  agent=$(ssh-agent -s)
  eval "${agent}" >/dev/null
  trap 'ssh-agent -k >/dev/null' EXIT
  printf '%s\n' "${DEPLOY_SSH_KEY}" | ssh-add -q -
  # Nothing that is started from here needs it.
  unset DEPLOY_SSH_KEY
fi

# What a run that was killed has left open.
npx tsx scripts/ci/with-ssh.ts --stack "${stack}" --close
pulumi refresh --yes --skip-preview --non-interactive --stack "${stack}"
up() {
  npx tsx scripts/ci/with-ssh.ts --stack "${stack}" -- \
    pulumi up --yes --non-interactive --policy-pack policy --stack "${stack}"
}
status=0
up || status=$?
# Records that promise what the host serves only now.
if [[ "${status}" -eq 0 && "$(pulumi stack output pending --json --stack "${stack}")" != "[]" ]]; then
  up || status=$?
fi
pulumi refresh --yes --skip-preview --non-interactive --stack "${stack}"
exit "${status}"
