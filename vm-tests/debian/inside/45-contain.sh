# From inside a tool call under the real unit: what the daemons are and have is out of reach.

# answer COMMAND: what a sandboxed shell says, its approvals given.
answer() {
  testudoctl call shell.run "$(jq -n --arg command "$1" '{command: $command}')" --json >/tmp/call.json &
  local call=$!
  while kill -0 "$call" 2>/dev/null; do
    testudoctl approvals --json | jq -r '.[].id' | while read -r id; do testudoctl approve "$id" >/dev/null || true; done
    sleep 0.05
  done
  wait "$call" || true
  jq -e '.error == null' /tmp/call.json >/dev/null || fail "shell.run failed: $(cat /tmp/call.json)"
  jq -r '.result.content.stdout' /tmp/call.json
}

# The control: the same shell does what it may.
equal "a harmless command" "hi" "$(answer 'cat notes/a.txt')"

for command in \
  'cat /etc/shadow' \
  'ls /run' \
  'ls /var/lib/testudo' \
  'ls /home /root' \
  'cat /proc/sys/kernel/hostname' \
  '[ "$(ls -d /proc/[0-9]* | wc -l)" -gt 8 ]' \
  'echo x >/usr/x' \
  'echo x >/x' \
  'mount -t tmpfs tmpfs /tmp' \
  'unshare --user true' \
  'bash -c "echo >/dev/udp/127.0.0.1/9"'; do
  probe="($command) >/dev/null 2>&1 && echo done || echo refused"
  equal "in a tool call: $command" "refused" "$(answer "$probe")"
  # The same shell outside can do it, so it is the sandbox that refused.
  equal "outside: $command" "done" "$(in_unit PrivateMounts=yes -- sh -c "$probe")"
done

unit=$(systemctl --no-legend --plain list-units 'testudo-sandbox-*@*' | awk 'NR == 1 { print $1 }')
[ -n "$unit" ] || fail "no sandbox instance is to be seen"
equal "slice of $unit" testudo-sandbox.slice "$(systemctl show --value -p Slice "$unit")"
# What the unit promises holds for the process and not only in the file.
pid=$(systemctl show --value -p MainPID "$unit")
equal "capabilities of the instance" 0000000000000000 "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")"
equal "filter of the instance" 2 "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")"
for namespace in net ipc mnt pid user; do
  [ "$(readlink "/proc/$pid/ns/$namespace")" != "$(readlink "/proc/1/ns/$namespace")" ] ||
    fail "$unit shares the $namespace namespace of the host"
done
echo "11 attempts refused that work outside"
