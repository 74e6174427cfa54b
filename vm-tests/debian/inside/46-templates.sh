# Each template's instance under the real unit: its limits, its exposure, its name; and that toold may hold still and end
# instances, and nothing else.

# greet TEMPLATE: connects as toold does, says hello, prints the answer and holds the connection.
greet() {
  # shellcheck disable=SC2016  # the variables are perl's
  setpriv --reuid=testudo-toold --regid=testudo-toold --init-groups perl -MIO::Socket::UNIX -e '
    $s = IO::Socket::UNIX->new(Peer => "/run/testudo/sandbox/$ARGV[0].sock") or die "$ARGV[0]: $!";
    print $s "{\"hello\":{}}\0"; $s->flush; $/ = "\0"; $_ = <$s>; chop; $| = 1; print "$_\n"; <STDIN>;' "$1"
}

# gone UNIT: it does not run any more.
gone() { ! systemctl is-active --quiet "$1"; }

# limits TEMPLATE: what the instance may use up, in the words of `systemctl show`.
limits() {
  case $1 in
    ai-provider) echo "500ms $((256 << 20)) 16 1h" ;;
    code-executor) echo "1s $((1 << 30)) 112 1h" ;;
    policy-sandbox) echo "250ms $((128 << 20)) 12 1h" ;;
    integration-test) echo "1s $((1 << 30)) 176 1h" ;;
    workshop) echo "1s $((1 << 30)) 112 8h" ;;
  esac
}

scores=
for template in ai-provider code-executor policy-sandbox integration-test workshop; do
  equal "socket of $template" "600 testudo-toold" "$(stat -c '%a %U' "/run/testudo/sandbox/$template.sock")"
  coproc GREETING { greet "$template"; }
  # shellcheck disable=SC2153  # made by coproc
  greeting=$GREETING_PID
  read -r -t 20 answer <&"${GREETING[0]}" || fail "$template does not answer"
  unit=$(jq -r '.hello.unit' <<<"$answer")
  [[ $unit == testudo-sandbox-$template@*.service ]] || fail "$template says that it is $unit"
  equal "state of $unit" active "$(systemctl show --value -p ActiveState "$unit")"
  equal "invocation of $unit" "$(systemctl show --value -p InvocationID "$unit")" "$(jq -r '.hello.invocation' <<<"$answer")"
  show() { systemctl show --value -p "$1" "$unit"; }
  equal "limits of $unit" "$(limits "$template")" \
    "$(show CPUQuotaPerSecUSec) $(show MemoryMax) $(show TasksMax) $(show RuntimeMaxUSec)"
  equal "slice of $unit" testudo-sandbox.slice "$(show Slice)"
  limit=10
  [ "$template" != integration-test ] || limit=13
  systemd-analyze security --no-pager --threshold="$limit" "$unit" >/tmp/security.txt || fail "$unit: $(tail -n 1 /tmp/security.txt)"
  scores+=" $template $(sed -n 's/.*: \([0-9.]*\) .*/\1/p' /tmp/security.txt | tail -n 1)"
  # The way out is there for two of them.
  families=$(show RestrictAddressFamilies)
  case $template in
    ai-provider) equal "families of $unit" AF_UNIX "$families" ;;
    integration-test) equal "families of $unit" "AF_INET AF_UNIX" "$families" ;;
    *) equal "families of $unit" none "${families:-none}" ;;
  esac
  case $template in
    ai-provider | integration-test) [ -S "/proc/$(show MainPID)/root/run/egress.sock" ] || fail "$unit has no way to egressd" ;;
    *) [ ! -e "/proc/$(show MainPID)/root/run/egress.sock" ] || fail "$unit has a way to egressd" ;;
  esac
  printf '\0' >&"${GREETING[1]}"
  wait "$greeting" || true
  until_true 10 "$unit ends with its connection" gone "$unit"
done

# manager METHOD ARGUMENTS…: asks the service manager as toold.
manager() {
  setpriv --reuid=testudo-toold --regid=testudo-toold --init-groups \
    busctl call --timeout=10 org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager "$@" 2>&1
}
instance_of() { systemctl --no-legend --plain list-units 'testudo-sandbox-workshop@*' | awk 'END { print $1 }'; }

for unit in testudo-auditd.service dbus.service testudo-sandbox.slice testudo-sandbox-workshop.socket; do
  answer=$(manager StopUnit ss "$unit" replace) && fail "toold could stop $unit"
  grep -qi 'denied\|not permitted\|authentication' <<<"$answer" || fail "stopping $unit: $answer"
done
answer=$(manager StartUnit ss testudo-sandbox-workshop@x.service replace) && fail "toold could start a unit"
grep -qi 'denied' <<<"$answer" || fail "starting a unit: $answer"

testudoctl call fs.list '{}' --session still --json >/dev/null
unit=$(instance_of)
[ -n "$unit" ] || fail "no instance to freeze"
if answer=$(testudoctl freeze still 2>&1); then
  equal "freezer state of $unit" frozen "$(systemctl show --value -p FreezerState "$unit")"
  # A call that ends in an error ends with a status.
  refused=$({ testudoctl call fs.list '{}' --session still --json || true; } | jq -r '.error.message')
  grep -q 'is frozen' <<<"$refused" || fail "a call in a frozen session: $refused"
  # Nobody stops it as it is: the service manager refuses.
  systemctl stop "$unit" 2>/dev/null && fail "the control: a frozen unit could be stopped"
  testudoctl thaw still >/dev/null
  testudoctl call fs.list '{}' --session still --json | jq -e '.error == null' >/dev/null || fail "a thawed session does not go on"
  testudoctl freeze still >/dev/null
  testudoctl stop still >/dev/null
  until_true 10 "a frozen instance is thawed and stopped" gone "$unit"
  testudoctl resume still >/dev/null
  frozen="freezes, thaws and stops a frozen one"
else
  grep -qi 'support freez\|not supported\|OperationNotSupported' <<<"$answer" || fail "freeze: $answer"
  answer=$(manager StopUnit ss "$unit" replace) || fail "toold could not stop $unit: $answer"
  until_true 10 "$unit is stopped" gone "$unit"
  frozen="stops an instance; this hierarchy does not freeze"
fi
# An instance that nobody knows of any more, with who holds its connection still there: the next toold ends it.
coproc GREETING { greet workshop; }
greeting=$GREETING_PID
read -r -t 20 answer <&"${GREETING[0]}" || fail "workshop does not answer"
orphan=$(jq -r '.hello.unit' <<<"$answer")
systemctl restart testudo-toold.service
until_true 10 "$orphan, which no toold knows, is ended" gone "$orphan"
printf '\0' >&"${GREETING[1]}" 2>/dev/null || true
wait "$greeting" || true

# What one is contained by here, as people are told.
told=$({ testudoctl doctor --json || true; } | jq -r '.checks[] | select(.check == "isolation") | .detail')
grep -q '^Landlock ABI [0-9]*, .* the workspace is overlaid$' <<<"$told" || fail "doctor on isolation: $told"
echo "exposure$scores; toold $frozen; orphans are swept; $told"
