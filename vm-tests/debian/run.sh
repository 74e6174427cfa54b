#!/bin/bash
# run.sh: installs the appliance into a Debian with real systemd and lives through a day of it, one line per behaviour.
#
#   TESTUDO_BIN_DIR=DIR   the binaries (default: target/debug)
#   RESULTS=DIR           keep the journal and the console there
#   UNIFIED=1             one cgroup hierarchy, where units can be frozen: the behaviours of templates alone
#
# The behaviours are the files in inside/, in this order, in one boot. Exit status: 0, 1 when one fails,
# 77 when it is not possible here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
bin_dir=${TESTUDO_BIN_DIR:-$repository/target/debug}

skip() {
  echo "skip  vm-tests/debian: $1"
  exit 77
}
[ "$(id -u)" -eq 0 ] || skip "only root can boot a container"
for tool in mmdebstrap systemd-nspawn; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -w /sys/fs/cgroup ] || [ -w /sys/fs/cgroup/unified ] || skip "there is no writable cgroup tree"
for name in testudo-{agentd,auditd,egressd,extension,matrixd,modeld,policyd,sandbox,toold} testudoctl; do
  [ -x "$bin_dir/$name" ] || { echo "FAIL  vm-tests/debian: $bin_dir/$name is not built" >&2; exit 1; }
done
root=$("$here/root.sh") || skip "no Debian root could be built"

share=$(mktemp -d)
results=${RESULTS:-$share.results}
mkdir -p "$results"
trap 'rm -rf "$share"; [ -n "${RESULTS:-}" ] || rm -rf "$results"' EXIT
cp -r "$here/inside" "$share/inside"
if [ -n "${UNIFIED:-}" ]; then
  # What needs limits that bite is left to the other run.
  find "$share/inside" -name '[0-9]*' -not -name '20-*' -not -name '30-*' -not -name '46-*' -delete
fi
BIN_DIR=$bin_dir "$repository/units/install" "$share/package"
if tool_root=$("$here/tool-root.sh" "$bin_dir/testudo-sandbox"); then cp -a "$tool_root" "$share/tool-root"; fi

status=0
started=$(date +%s%N)
"$here/boot.sh" "$root" "$share" "$results" /bin/bash /share/inside/all.sh || status=$?
echo "      $(head -c 60 "$root/etc/debian_version" | tr -d '\n'), $((($(date +%s%N) - started) / 1000000)) ms in all"
exit "$status"
