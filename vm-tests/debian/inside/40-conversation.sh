# A human asks for a file, sees what would be written, approves, and finds exactly that in the workspace.

testudoctl send --wait --json "write 'hi' to notes/a.txt" >/tmp/reply.json &
conversation=$!

pending() { testudoctl approvals --json | jq -e 'length > 0'; }
answers=0
while kill -0 "$conversation" 2>/dev/null; do
  if pending >/dev/null; then
    [ ! -e /var/lib/testudo/workspace/notes/a.txt ] || fail "the file was there before the approval"
    # The last shape asked for must be the application with its diff: what a human decides on is what is done.
    testudoctl approvals --json >/tmp/approvals.json
    testudoctl approve "$(jq -r '.[0].id' /tmp/approvals.json)" >/tmp/approve.txt
    answers=$((answers + 1))
    [ "$answers" -le 2 ] || fail "asked more than twice for one write"
  fi
  sleep 0.05
done
wait "$conversation" || fail "testudoctl send failed: $(cat /tmp/reply.json)"

[ "$answers" -ge 1 ] || fail "nobody was asked: $(cat /tmp/reply.json)"
equal "what was asked for last" "fs.write" "$(jq -r '.[0].tool' /tmp/approvals.json)"
jq -e '.[0].diff // "" | contains("+hi")' /tmp/approvals.json >/dev/null || fail "no diff was shown: $(cat /tmp/approvals.json)"
equal "the file" hi "$(cat /var/lib/testudo/workspace/notes/a.txt)"
equal "owner of the file" testudo-work "$(stat -c %U /var/lib/testudo/workspace/notes/a.txt)"
equal "tool that was called" fs.write "$(jq -r '.calls[0].tool' /tmp/reply.json)"
equal "error of the call" null "$(jq -r '.calls[0].error' /tmp/reply.json)"

# The same, denied, leaves nothing.
testudoctl send --wait --json "write 'no' to notes/b.txt" >/tmp/denied.json &
conversation=$!
until_true 30 "an approval for the second file" pending
testudoctl deny "$(testudoctl approvals --json | jq -r '.[0].id')" --reason "not today" >/dev/null
wait "$conversation" || true
[ ! -e /var/lib/testudo/workspace/notes/b.txt ] || fail "the denied file was written"
equal "error of the denied call" CONFIRMATION_DENIED "$(jq -r '.calls[0].error.code' /tmp/denied.json)"

testudoctl audit verify --json >/tmp/verify.json
jq -e '.ok and .records > 0 and .first_bad == null' /tmp/verify.json >/dev/null || fail "the record: $(cat /tmp/verify.json)"
echo "asked $answers times, $(jq -r .records /tmp/verify.json) records verify"
