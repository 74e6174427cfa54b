# A session stands still while it is frozen, goes on when it is thawed, and can be ended while it stands still.

call() { testudoctl call --session ice "$@" --json; }
call shell.run '{"command":"true"}' >/dev/null
call shell.run '{"command":"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1; done; echo done"}' >/results/ice.json &
unit() { systemctl list-units --no-legend --plain --state=running 'testudo-sandbox-workshop@*' | awk '{print $1}'; }
frozen() { for name in $(unit); do [ "$(systemctl show --property=FreezerState --value "$name")" != frozen ] || return 0; done; return 1; }
until_true 60 "the call runs" pgrep -u testudo-work -x sleep
testudoctl freeze ice
frozen || fail "no unit is frozen"
sleep 3
[ ! -s /results/ice.json ] || fail "a frozen call ended"
testudoctl thaw ice
! frozen || fail "a unit is still frozen"
wait
equal "what the thawed call said" done "$(jq -r .result.content.stdout /results/ice.json | tr -d '\n')"
testudoctl freeze ice
testudoctl close ice 2>/dev/null || testudoctl stop ice
still() { frozen; }
until_true 20 "a frozen session ended" eval '! still'
echo "frozen, thawed, and ended while frozen"
