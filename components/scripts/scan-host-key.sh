# First contact: prints the host's ed25519 key, which is pinned from then on. The host offers SSH only
# once its volume is mounted, since its key lives there. Expects ADDRESS; gives up after ten minutes.
set -eu
deadline=$(($(date +%s) + 600))
while [ "$(date +%s)" -lt "$deadline" ]; do
  key=$(ssh-keyscan -T 5 -t ed25519 "$ADDRESS" 2>/dev/null | cut -d ' ' -f 2-3)
  if [ -n "$key" ]; then
    printf '%s\n' "$key"
    exit 0
  fi
  sleep 1
done
echo "no SSH answer from $ADDRESS for ten minutes. The host opens SSH once its volume is mounted: look at its console at Hetzner, and whether mail-host:host.adminCidrs holds this machine's address." >&2
exit 1
