# Runs the behaviours in their order and stops at the first that fails. Each line that counts begins with "vm-test: ".
set -uo pipefail
export LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 SYSTEMD_PAGER=

ended() {
  printf 'vm-test: end %s\n' "$1"
  sleep 1 # the console is slower than the power switch
  # At once: there is nothing to lose, and stopping every unit takes an emulated minute.
  echo o >/proc/sysrq-trigger
  sleep 60
}
mkdir -p /results
for behaviour in /share/20-install.sh /share/inside/[0-9]*.sh; do
  name=$(basename "$behaviour" .sh)
  if output=$(timeout 200 bash -euo pipefail -c '. /share/expect.sh; . "$1"' bash "$behaviour" 2>&1); then
    printf 'vm-test: ok    %-16s %s\n' "${name#*-}" "$(tail -n 1 <<<"$output")"
  else
    printf 'FAIL  %s\n%s\n' "${name#*-}" "$output" | sed 's/^/vm-test: /'
    journalctl --sync
    journalctl --no-pager -b --output=short-precise | grep -i testudo | grep -v dbus-broker | tail -n 60 | sed 's/^/vm-test: /'
    ended 1
  fi
done
ended 0
