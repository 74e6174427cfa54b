# A call gets its own /proc, which the kernel refuses where it would show more than what is there already.

answer=$(testudoctl call shell.run '{"command":"ls -d /proc/sys /proc/1; grep -c . /proc/self/status; id -u"}' --json)
output=$(jq -r '.result.content.stdout' <<<"$answer")
grep -qx /proc/1 <<<"$output" || fail "no call, or no /proc: $answer"
! grep -qx /proc/sys <<<"$output" || fail "the call sees /proc/sys: $answer"
equal "its user" 1000 "$(tail -n 1 <<<"$output")"
echo "a call ran in its own /proc"
