#!/usr/bin/env bash
# A whole test stack on a runner: test-stack.sh <name> <zone>. The host is made for a key that lives as long as this
# script and is never on disk for longer than it takes to load it.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${1:?usage: scripts/ci/test-stack.sh <name> <zone>}
zone=${2:?usage: scripts/ci/test-stack.sh <name> <zone>}

agent=$(ssh-agent -s)
eval "${agent}" >/dev/null
folder=$(mktemp --directory)
trap 'rm -rf "${folder}"; ssh-agent -k >/dev/null' EXIT
ssh-keygen -q -t ed25519 -N '' -C "${name}" -f "${folder}/key"
ssh-add -q "${folder}/key"
rm "${folder}/key" "${folder}/key.pub"

npm run test-stack -- --name "${name}" --zone "${zone}" --hours 4
