# Everything starts on a kernel that is ours alone, with all controllers of cgroup v2.

for controller in cpu memory pids; do
  grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || fail "there is no controller $controller"
done
systemctl start testudo.target
equal "failed units" "" "$(systemctl --failed --no-legend --plain 'testudo*')"
# Emulated, a look at the workspace's own rules takes longer than the 100 ms that it may, so each call is asked about.
systemd-run --quiet --unit=yes bash -c 'while sleep 0.5; do
  for id in $(testudoctl approvals --json | jq -r ".[].id"); do testudoctl approve "$id"; done
done'
echo "kernel $(uname -r), systemd $(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
