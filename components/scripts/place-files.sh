# Puts files on the host, each in one step, and has fail2ban take its own anew, which forgets no ban. Expects lines of
# mode, path and content in base64 on standard input.
set -euo pipefail
while read -r mode path content; do
  mkdir --parents "${path%/*}"
  base64 --decode <<<"$content" >"$path.new"
  chmod "$mode" "$path.new"
  mv --force "$path.new" "$path"
done
# A host of an earlier generation does not have it.
if systemctl cat fail2ban.service >/dev/null 2>&1; then
  systemctl reload-or-restart fail2ban.service
fi
