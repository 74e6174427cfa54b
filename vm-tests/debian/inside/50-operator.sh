# What an operator looks at: units, the journal and its explanations, exposure.

equal "failed units" "" "$(systemctl --failed --no-legend --plain)"

# Fields to search by, and every message of the catalogue with its own explanation, no field left open.
journalctl --sync
fields=$(journalctl --boot --unit=testudo-toold.service --output=json --no-pager \
  | jq -r 'keys[] | select(startswith("TESTUDO_"))' | sort -u | tr '\n' ' ')
for field in TESTUDO_CALL TESTUDO_SESSION TESTUDO_TOOL; do
  [[ " $fields" == *" $field "* ]] || fail "testudo-toold logged no $field, only: $fields"
done
explained=$(journalctl --boot --catalog --no-pager 'MESSAGE_ID=b47eeda4bbb74b25b250c6eb118801a8' + \
  'MESSAGE_ID=dba96a6dbcb8462ba1a3553999ac0609' + 'MESSAGE_ID=9ebb7cb42bab4a4ca441171bb3f18b23')
grep -q 'was decided' <<<"$explained" || fail "no call-decided message with its explanation"
grep -q 'is ready' <<<"$explained" || fail "no daemon-ready message with its explanation"
if grep -n '@TESTUDO_' <<<"$explained"; then fail "an explanation has a field that the message lacks"; fi

# Exposure of what runs, not of what is written in a file.
scores=
for daemon in agentd auditd egressd modeld policyd toold; do
  limit=4
  # The way out.
  [ "$daemon" != egressd ] || limit=12
  systemd-analyze security --no-pager --threshold="$limit" "testudo-$daemon.service" >/tmp/security.txt ||
    fail "testudo-$daemon.service: $(tail -n 1 /tmp/security.txt)"
  scores+=" $daemon $(sed -n 's/.*: \([0-9.]*\) .*/\1/p' /tmp/security.txt | tail -n 1)"
done

# egressd refuses every address when it cannot see the machine's own: under its unit it can.
egressd=$(systemctl show --value -p MainPID testudo-egressd.service)
for table in fib_trie route if_inet6; do
  nsenter --target "$egressd" --mount --net setpriv --reuid=testudo-egressd --regid=testudo-egressd --clear-groups \
    cat "/proc/self/net/$table" >/dev/null || fail "egressd cannot read /proc/self/net/$table"
done
nsenter --target "$egressd" --mount test ! -e /proc/net/../meminfo || fail "control: the unit's /proc is whole"

# The bus let operators call; testudoctl works for one who is not root.
setpriv --reuid=alice --regid=alice --init-groups testudoctl approvals --json >/dev/null ||
  fail "a member of the group testudo cannot see approvals"
echo "exposure$scores"
