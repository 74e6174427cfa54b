#!/bin/bash
# boot.sh ROOT SHARE RESULTS COMMAND…: boots ROOT with systemd as PID 1, runs COMMAND in it as a unit, powers it off.
#
# ROOT stays as it is: everything is written to an overlay in memory. SHARE is /share inside, read-only, RESULTS is
# /results. The exit status is COMMAND's. The host needs no systemd of its own, only systemd-nspawn and root.
#
# UNIFIED=1 leaves the v1 hierarchies out: then units can be frozen and thawed, and limits may do nothing.
#
# A container lies more easily than a machine does: several settings below leave hardening accepted but not enforced
# when they are left out. inside/10-control.sh asserts that each of them bites.
set -euo pipefail

root=$1 share=$2 results=$3
shift 3
machine=testudo-vm-$$

# The controllers must be writable inside, else MemoryMax=, TasksMax= and CPUQuota= are accepted and do nothing. Where
# the host still mounts them as cgroup v1, v2 has none of them and the container needs the v1 hierarchies too.
hierarchies=(unified)
if [ -z "${UNIFIED:-}" ] && [ -d /sys/fs/cgroup/memory ]; then
  own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup) # what we use stays accounted to whoever started us
  hierarchies=(unified systemd cpu cpuacct pids blkio devices freezer "memory$own")
fi
[ -d /sys/fs/cgroup/unified ] || hierarchies=("")
init=$results/init
cat >"$init" <<'X'
#!/bin/sh
# nspawn mounts v1 controllers read-only and PID 1 then ignores them.
for controller in cpu cpuacct memory pids devices blkio freezer; do
  [ -d /sys/fs/cgroup/$controller ] || continue
  mount -o remount,bind,rw,nosuid,nodev,noexec /sys/fs/cgroup/$controller
done
exec /usr/lib/systemd/systemd
X
chmod 0755 "$init"

nspawn=
cleanup() {
  if [ -n "$nspawn" ]; then
    kill -TERM "$nspawn" 2>/dev/null || true # becomes SIGRTMIN+4 for PID 1, which is "power off"
    for _ in $(seq 100); do
      kill -0 "$nspawn" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$nspawn" 2>/dev/null || true
  fi
  for hierarchy in "${hierarchies[@]}"; do
    # The last processes leave their cgroups a moment after they ended.
    for _ in $(seq 50); do
      [ -d "/sys/fs/cgroup/$hierarchy/$machine" ] || break
      find "/sys/fs/cgroup/$hierarchy/$machine" -depth -type d -exec rmdir {} \; 2>/dev/null || sleep 0.1
    done
  done
}
trap cleanup EXIT

for hierarchy in "${hierarchies[@]}"; do mkdir -p "/sys/fs/cgroup/$hierarchy/$machine"; done
(
  # Without cgroups of its own nspawn leaves "payload" and "supervisor" behind in the host's root.
  for hierarchy in "${hierarchies[@]}"; do echo 0 >"/sys/fs/cgroup/$hierarchy/$machine/cgroup.procs"; done
  start=(--boot)
  if [ "${#hierarchies[@]}" -gt 1 ]; then start=(/testudo-init); else export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1; fi
  # nspawn refuses to work when /run/systemd is on a disk, so it gets a tmpfs that only it sees.
  # shellcheck disable=SC2016  # "$@" is for the inner shell
  exec setsid unshare --mount --propagation private \
    sh -c 'mkdir -p /run/systemd; mount -t tmpfs -o mode=755 tmpfs /run/systemd; exec systemd-nspawn "$@"' sh \
    --quiet --directory="$root" --volatile=overlay --register=no --keep-unit --console=read-only \
    --machine="$machine" --hostname=appliance --private-network --resolv-conf=off --timezone=off --link-journal=no \
    --kill-signal=SIGRTMIN+4 \
    `# IPAddressDeny=, SocketBindDeny= and DevicePolicy= are BPF programs.` \
    --capability=CAP_BPF,CAP_PERFMON,CAP_SYS_RESOURCE --system-call-filter=bpf \
    `# Landlock: older nspawn knows no @sandbox set and refuses each call unless it is named.` \
    --system-call-filter=landlock_create_ruleset --system-call-filter=landlock_add_rule \
    --system-call-filter=landlock_restrict_self \
    --bind-ro="$share":/share --bind="$results":/results --bind-ro="$init":/testudo-init "${start[@]}" \
    </dev/null >"$results/console.log" 2>&1
) &
nspawn=$!

leader=
for _ in $(seq 400); do
  kill -0 "$nspawn" 2>/dev/null || { cat "$results/console.log" >&2; exit 1; }
  leader=$(pgrep -P "$nspawn" -x systemd | head -n 1 || true)
  [ -n "$leader" ] && [ -S "/proc/$leader/root/run/dbus/system_bus_socket" ] && break
  leader=
  sleep 0.05
done
[ -n "$leader" ] || { echo "the container did not come up:" >&2; cat "$results/console.log" >&2; exit 1; }

# nsenter alone would stay in our cgroup and outside of what PID 1 restricts; a unit does not.
inside=(nsenter -t "$leader" -m -u -i -n -p -C env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8)
"${inside[@]}" systemctl is-system-running --wait >"$results/running" || true
[ "$(cat "$results/running")" = running ] || {
  echo "systemd is not running but $(cat "$results/running"):" >&2
  "${inside[@]}" systemctl --failed --no-pager >&2
  exit 1
}
status=0
"${inside[@]}" systemd-run --quiet --wait --pipe --collect --unit=vm-test --property=RuntimeMaxSec=300 "$@" || status=$?
"${inside[@]}" sh -c 'journalctl --sync; journalctl --boot --output=short-precise --no-pager' >"$results/journal.txt"
exit "$status"
