# A wrong configuration: the daemon says where, exits 78, and systemd does not try again until an operator does.

printf '[agentd]\nmax_turn = 3\n' >/etc/testudo/testudo.toml
if systemctl restart testudo-agentd.service 2>/dev/null; then fail "testudo-agentd starts with an unknown key"; fi
equal "exit status" 78 "$(systemctl show --value -p ExecMainStatus testudo-agentd.service)"
equal "state" failed "$(systemctl show --value -p ActiveState testudo-agentd.service)"
equal "restarts" 0 "$(systemctl show --value -p NRestarts testudo-agentd.service)"
journalctl --sync
journalctl --boot --no-pager --output=cat --unit=testudo-agentd.service | grep -F 'testudo.toml:2:1: ' ||
  fail "the journal does not say where the mistake is"

rm /etc/testudo/testudo.toml
systemctl start testudo-agentd.service
equal "failed units" "" "$(systemctl --failed --no-legend --plain)"
echo "78, not restarted, healed by hand"
