# Each call has a control group of its own, whose limits hold for all of its processes together.

# Four processes, each well below the limit of one, together above the limit of the call: all of them go, none stays.
hog='import os,sys,time
for _ in range(4):
    if os.fork() == 0:
        block = bytearray(400 << 20)
        for at in range(0, len(block), 4096): block[at] = 1
        time.sleep(30)
        os._exit(0)
for _ in range(4): os.wait()
print("survived")'
call() { testudoctl call --session group "$@" --json; }
instance() { systemctl list-units --no-legend --plain 'testudo-sandbox-workshop@*' | awk '{print $1 "=" $4}' | sort | tr '\n' ' '; }

equal "an ordinary call" 0 "$(call shell.run '{"command":"true"}' | jq .result.content.exit)"
before=$(instance)
answer=$(call shell.run "$(jq -n --arg hog "$hog" '{command: ("exec python3 -c " + ($hog | @sh))}')")
! grep -q survived <<<"$answer" || fail "a call used more memory than it may: $answer"
equal "the next call" 0 "$(call shell.run '{"command":"true"}' | jq .result.content.exit)"
equal "the instance, which lives on" "$before" "$(instance)"

# The kernel's own account of it, while a call runs.
call shell.run '{"command":"sleep 8"}' >/dev/null &
groups() { find /sys/fs/cgroup/testudo.slice -path '*testudo-sandbox-workshop@*' -name memory.max -path '*call*' -exec grep -vx max {} +; }
until_true 8 "a control group of the running call with a limit" groups
limit=$(groups | head -n 1 | sed 's/.*://')
wait

# Two loops that wait for nothing, on two processors, in a call that may use one: the kernel holds them back, again and again.
[ "$(nproc)" -ge 2 ] || fail "with one processor nobody could use more than one"
call shell.run '{"command":"(while :; do :; done) & while :; do :; done","timeout_ms":15000}' >/dev/null &
held_back() {
  find /sys/fs/cgroup/testudo.slice -path '*testudo-sandbox-workshop@*' -path '*call*' -name cpu.stat -exec cat {} + |
    awk '$1 == "nr_throttled" && $2 >= 3 { print $2; found = 1 } END { exit !found }'
}
until_true 15 "a call that is held back to its share of a processor" held_back
wait
echo "a call's processes have at most $((limit >> 20)) MiB and one processor together, and are killed together"
