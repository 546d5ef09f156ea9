# Asks the host whether outbound port 25 is open, and prints its line of JSON, or why there is none. Never
# fails. Expects ADDRESS and HOST_KEY; uses the SSH agent.
set -u
known_hosts=$(mktemp)
trap 'rm -f "$known_hosts"' EXIT
printf '%s %s\n' "$ADDRESS" "$HOST_KEY" >"$known_hosts"
timeout 25 ssh -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=yes \
  -o UserKnownHostsFile="$known_hosts" -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR \
  "root@$ADDRESS" /usr/local/sbin/mail-outbound 2>&1 || true
