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
echo "a call's processes have at most $((limit >> 20)) MiB together, and are killed together"
