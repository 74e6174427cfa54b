# kill -9 of every daemon: systemd starts it again, nothing stays failed, and the appliance answers.

for daemon in auditd policyd egressd modeld toold agentd; do
  unit=testudo-$daemon.service
  before=$(systemctl show --value -p MainPID "$unit")
  kill -KILL "$before"
  healed() {
    [ "$(systemctl show --value -p ActiveState "$unit")" = active ] &&
      [ "$(systemctl show --value -p MainPID "$unit")" != "$before" ]
  }
  until_true 20 "$unit is back" healed
done
equal "failed units" "" "$(systemctl --failed --no-legend --plain)"
testudoctl call time.now '{}' --json >/tmp/call.json || fail "no call after healing: $(cat /tmp/call.json)"
equal "error of a call after healing" null "$(jq -r '.error // "null"' /tmp/call.json)"
testudoctl audit verify --json | jq -e .ok >/dev/null || fail "the record does not verify after the kills"
echo "6 daemons killed, all back"
