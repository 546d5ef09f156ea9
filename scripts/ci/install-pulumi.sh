#!/usr/bin/env bash
# Puts the Pulumi CLI that the lab is tested with on PATH of this and the following steps. Its plugins come with
# the first command that needs them. Does nothing where that version is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed --quiet 's/^export const cliVersion = "\([0-9.]*\)";$/\1/p' lab/engine/parts.ts)
if [[ ! "${version}" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
  echo "install-pulumi: lab/engine/parts.ts names no version of the CLI" >&2
  exit 1
fi

found=$(pulumi version 2>/dev/null || true)
if [[ "${found}" == "v${version}" ]]; then
  echo "pulumi ${found} is there already"
  exit 0
fi

case "$(uname --machine)" in
  x86_64) architecture=x64 ;;
  aarch64) architecture=arm64 ;;
  *)
    echo "install-pulumi: no CLI for this machine" >&2
    exit 1
    ;;
esac

folder="${HOME}/.pulumi-cli/${version}"
mkdir --parents "${folder}"
archive="${folder}/pulumi.tar.gz"
curl --fail --silent --show-error --location --proto '=https' --retry 3 --max-time 300 \
  --output "${archive}" "https://get.pulumi.com/releases/sdk/pulumi-v${version}-linux-${architecture}.tar.gz"
tar --extract --gzip --strip-components=1 --directory "${folder}" --file "${archive}"
rm "${archive}"
"${folder}/pulumi" version

if [[ -n "${GITHUB_PATH:-}" ]]; then
  echo "${folder}" >>"${GITHUB_PATH}"
else
  echo "add it to PATH: ${folder}"
fi
