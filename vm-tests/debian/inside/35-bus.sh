# Who may call what: every method of every interface, by every user, against this table. The rest is refused by the bus.
# Nothing is carried out: the calls come without their arguments, so the daemon that gets one refuses its form.

allowed='
testudo-agentd   Audit1  Append
testudo-egressd  Audit1  Append
testudo-matrixd  Audit1  Append Head
testudo-modeld   Audit1  Append
testudo-policyd  Audit1  Append
testudo-toold    Audit1  Append
testudo-agentd   Models1 Complete Cancel List
testudo-agentd   Tools1  Invoke Cancel Catalogue CloseSession Prepare Receive Fetch
testudo-policyd  Models1 Complete Cancel
testudo-agentd   Policy1 Observe
testudo-matrixd  Agent1  Send Attach Fetch Wait Cancel Sessions Session Context UseModel Pin Unpin Compact Subscribe
testudo-matrixd  Policy1 Approvals Approve Deny Leases Revoke Rules Disable Enable Vouch Subscribe
testudo-toold    Egress1 Open Close
testudo-egressd  Policy1 Decide Await Redeem Withdraw
testudo-toold    Policy1 Decide Observe Await Redeem Withdraw Plan Collect
operator         Agent1  Send Attach Fetch Wait Cancel Sessions Session Context UseModel Pin Unpin Compact Subscribe
operator         Audit1  Log Show Verify Head
operator         Egress1 Status
operator         Matrix1 Status RecoveryKey RotateRecoveryKey Recover Verifications Verify Accept Emojis Confirm AcceptIdentity DeadLetters Rooms
operator         Models1 List
operator         Policy1 Approvals Approve Deny Leases Revoke EnrolOtp Explain Check Replay Amend Files Rules Disable Enable Vouch Subscribe
operator         Tools1  Invoke Cancel Catalogue CloseSession Prepare Undo History Stop Resume Stops Freeze Thaw Containment
'
useradd --groups testudo alice

# as USER COMMAND…
as() {
  local user=$1
  shift
  setpriv --reuid="$user" --regid="$user" --init-groups "$@"
}

refused_by_bus() { grep -q 'Call failed: Access denied' <<<"$1"; }

pairs=0 forbidden=0
for user in root alice nobody testudo-work testudo-{agentd,auditd,egressd,matrixd,modeld,policyd,toold}; do
  row=$user
  case $user in root | alice) row=operator ;; esac
  group=$user
  [ "$user" != nobody ] || group=nogroup
  for file in /usr/share/dbus-1/interfaces/org.testudo.*.xml; do
    name=$(basename "$file" .xml)
    # It is not enabled here, so a call would be refused for want of it and not by the policy.
    [ "$name" != org.testudo.Matrix1 ] || continue
    members=$(awk -v row="$row" -v name="${name#org.testudo.}" '$1 == row && $2 == name { $1 = $2 = ""; print }' <<<"$allowed")
    while read -r member; do
      answer=$(setpriv --reuid="$user" --regid="$group" --init-groups \
        busctl --timeout=5 call "$name" "/org/testudo/${name#org.testudo.}" "$name" "$member" 2>&1 || true)
      pairs=$((pairs + 1))
      if [[ " $members " == *" $member "* ]]; then
        if refused_by_bus "$answer"; then fail "$user may not call $name.$member"; fi
      else
        forbidden=$((forbidden + 1))
        refused_by_bus "$answer" || fail "$user may call $name.$member: $answer"
      fi
    done < <(sed -n 's/.*<method name="\([^"]*\)".*/\1/p' "$file")
  done
done

# A name can be had by its own user only, and a daemon can call nothing else on the bus, not even what all others may.
for daemon in agentd auditd egressd matrixd modeld policyd toold; do
  answer=$(as "testudo-$daemon" busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
    org.freedesktop.DBus.Peer Ping 2>&1 || true)
  refused_by_bus "$answer" || fail "testudo-$daemon reaches systemd over the bus: $answer"
done
as alice busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping >/dev/null ||
  fail "control: nobody at all reaches systemd over the bus"
answer=$(as testudo-agentd busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus \
  RequestName su org.testudo.Policy1 4 2>&1 || true)
refused_by_bus "$answer" || fail "testudo-agentd may own org.testudo.Policy1: $answer"
echo "$pairs pairs of user and method, $forbidden of them refused by the bus"
