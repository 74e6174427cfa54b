#!/bin/bash
# gates.sh [GATE…]: holds units/ to what systemd and we ask of it, one line per gate.
#
# The gates are the files in gates/, run with two variables: UNITS, the tree as checked in, and ROOT, a Debian root
# with the oldest systemd that we support and the tree installed in it (an overlay; nothing of it stays).
# Exit status: 0, 1 when a gate fails, 77 when there can be no such root here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export UNITS=${UNITS:-$here/../../units} LC_ALL=C

skip() {
  echo "skip  unit gates: $1"
  exit 77
}

if [ -z "${GATES_ROOT:-}" ]; then
  [ "$(id -u)" -eq 0 ] || skip "only root can make a Debian root"
  command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
  GATES_ROOT=$("$here/../../vm-tests/debian/root.sh") || skip "no Debian root could be built"
  export GATES_ROOT
  # Mounts of the gates are seen by nobody else and end with them.
  exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$GATES_ROOT,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
export ROOT=/mnt/root
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/run"

# verify wants ExecStart= to be there; what it does is no matter of these gates.
stubs=/mnt/stubs
mkdir "$stubs"
for name in testudo-{agentd,auditd,egressd,extension,matrixd,modeld,policyd,sandbox,toold} testudoctl; do
  install -m 0755 /dev/stdin "$stubs/$name" <<<'#!/bin/sh'
done
BIN_DIR=$stubs "$UNITS/install" "$ROOT"

failed=0
for gate in "$here"/gates/*.sh; do
  name=$(basename "$gate" .sh)
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  if output=$(bash -euo pipefail "$gate" 2>&1); then
    printf 'ok    %-12s %s\n' "$name" "$output"
  else
    printf 'FAIL  %s\n%s\n' "$name" "$output"
    failed=1
  fi
done
exit "$failed"
