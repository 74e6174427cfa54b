# `systemctl stop testudo.target` leaves no process, no socket, no sandbox, and what must stay stays.

# A sandbox is alive, so that there is something to leave behind.
testudoctl call fs.list '{}' --json >/dev/null
systemctl --no-legend --plain list-units 'testudo-sandbox-*@*' | grep -q running || fail "no sandbox instance to stop"

started=$(date +%s%N)
systemctl stop testudo.target
# PartOf= stops the units with the target, but stop itself waits for the target's own job only.
nothing_left() {
  [ -z "$(systemctl --no-legend --plain --state=active,activating,deactivating,failed list-units 'testudo*' |
    awk '$1 !~ /\.(slice|mount)$/')" ]
}
until_true 20 "all units are stopped" nothing_left
took=$((($(date +%s%N) - started) / 1000000))

equal "processes that are left" "" "$(ps -eo user:32=,args= | grep '^testudo' || true)"
# Directories of sockets stay, and are empty.
equal "in /run/testudo" "" "$(find /run/testudo -not -type d)"
equal "the file" hi "$(cat /var/lib/testudo/workspace/notes/a.txt)"

# The same again: nothing of the first life is in the way of the second.
systemctl start testudo.target
testudoctl audit verify --json | jq -e .ok >/dev/null || fail "the record does not verify after a restart"
systemctl stop testudo.target
until_true 20 "all units are stopped again" nothing_left
echo "stopped in $took ms"
