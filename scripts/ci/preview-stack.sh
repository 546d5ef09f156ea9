#!/usr/bin/env bash
# Previews the real stack: preview-stack.sh <stack> [<file>]. --refresh asks the clouds how everything is: without
# it drift stays unseen, and credentials that were revoked since the last deployment read as fine. Writes Markdown
# into the file as well, and ends with the preview's own status.
set -euo pipefail
cd "$(dirname "$0")/../.."
stack=${1:?usage: scripts/ci/preview-stack.sh <stack> [<file>]}
file=${2:-}

said=$(mktemp)
trap 'rm -f "${said}"' EXIT
status=0
pulumi preview --refresh --diff --non-interactive --color never --suppress-permalink \
  --policy-pack policy --stack "${stack}" 2>&1 | tee "${said}" || status=$?

if [[ -n "${file}" ]]; then
  {
    failed=
    [[ "${status}" -eq 0 ]] || failed=' **failed**'
    printf '### Preview of the stack %s%s\n\n' "${stack}" "${failed}"
    printf '<details><summary>What would change, as the clouds are now</summary>\n\n'
    # A fence that nothing in the preview can end.
    printf '~~~~~~~~~~~~diff\n'
    # The engine's marks stand after the indentation; a diff's stand in the first column.
    sed --regexp-extended 's/^( +)([-+~])/\2\1/; s/^~/!/' "${said}"
    printf '~~~~~~~~~~~~\n\n</details>\n'
  } >"${file}"
fi
exit "${status}"
