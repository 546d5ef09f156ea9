# Before the volume is detached: stop the daemons, sync, unmount. A dead host must not keep the volume,
# so that a host that does not answer is passed over. Expects ADDRESS and HOST_KEY; uses the SSH agent.
set -u
known_hosts=$(mktemp)
trap 'rm -f "$known_hosts"' EXIT
printf '%s %s\n' "$ADDRESS" "$HOST_KEY" >"$known_hosts"
timeout 120 ssh -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=yes \
  -o UserKnownHostsFile="$known_hosts" -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR \
  "root@$ADDRESS" /usr/local/sbin/mail-release
status=$?
# 255 is ssh's own failure, 124 the time limit: the host is not there to be asked.
case "$status" in
  0) ;;
  124 | 255) echo "$ADDRESS does not answer; its volume is detached without a farewell" >&2 ;;
  *) exit "$status" ;;
esac
