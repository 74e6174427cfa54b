# `systemctl start testudo.target` returns with every daemon ready and every socket listening.

started=$(date +%s%N)
systemctl start testudo.target
took=$((($(date +%s%N) - started) / 1000000))

for daemon in agentd auditd egressd modeld policyd toold; do
  unit=testudo-$daemon.service
  equal "$unit" active "$(systemctl show --value -p ActiveState "$unit")"
  [ -n "$(systemctl show --value -p StatusText "$unit")" ] || fail "$unit has no STATUS"
  equal "user of $unit" "testudo-$daemon" "$(ps -o user:32= -p "$(systemctl show --value -p MainPID "$unit")")"
  # egressd keeps nothing.
  [ "$daemon" = egressd ] || equal "state directory of $unit" "700 testudo-$daemon" "$(stat -c '%a %U' "/var/lib/testudo/$daemon")"
done
equal "sandbox socket" "600 testudo-toold" "$(stat -c '%a %U' /run/testudo/sandbox/workshop.sock)"
equal "apply socket" "600 testudo-toold" "$(stat -c '%a %U' /run/testudo/apply.sock)"
equal "socket of calls" "600 testudo-work" "$(stat -c '%a %U' /run/testudo/egress/calls.sock)"
equal "socket of modeld" "600 testudo-modeld" "$(stat -c '%a %U' /run/testudo/egress/models.sock)"
equal "failed units" "" "$(systemctl --failed --no-legend --plain)"
echo "all ready after $took ms"
