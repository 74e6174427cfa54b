# Runs the behaviours in their order and stops at the first that fails: the later ones build on it.
set -uo pipefail
export LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 SYSTEMD_PAGER=

for behaviour in /share/inside/[0-9]*.sh; do
  name=$(basename "$behaviour" .sh)
  since=$(date '+%F %T.%6N')
  if output=$(timeout 90 bash -euo pipefail -c '. /share/inside/expect.sh; . "$1"' bash "$behaviour" 2>&1); then
    printf 'ok    %-16s %s\n' "${name#*-}" "$(tail -n 1 <<<"$output")"
  else
    printf 'FAIL  %s\n%s\n' "${name#*-}" "$output"
    echo "---- journal since it began"
    journalctl --sync
    journalctl --no-pager --since "$since" --output=short-precise | grep -v 'run-p[0-9]*-i' | tail -n 80
    echo "---- units"
    systemctl --no-pager --no-legend list-units --all 'testudo*'
    exit 1
  fi
done
