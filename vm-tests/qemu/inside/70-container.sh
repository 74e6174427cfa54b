# A program of an image runs through the shipped path: tool, decision, the engine's own unit, and the proposal afterwards.

image=/var/tmp/image
mkdir -p $image/{tmp,workspace,proc,dev,sys,etc,bin}
for name in sh cat ls id sleep touch rm mkdir grep true; do
  program=$(readlink -f "$(type -P $name)")
  cp "$program" "$image/bin/$name"
  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$image$(dirname "$library")"
    cp -L "$library" "$image$library"
  done
done
tar -C $image -cf $image.tar .
podman import -q $image.tar localhost/tool:1 >/dev/null
digest=$(podman image inspect --format '{{.Digest}}' localhost/tool:1)
mkdir -p /etc/testudo
cat >/etc/testudo/testudo.toml <<CONFIG
[toold]
call_timeout = "90s"
[toold.containers.tool]
image = "localhost/tool@$digest"
[toold.containers.absent]
image = "localhost/tool@sha256:$(printf '0%.0s' {1..64})"
CONFIG
systemctl restart testudo-toold.service
systemctl enable --quiet --now testudo-container.socket

call() { testudoctl call --session box container.run "$(jq -n --arg container "$1" --arg command "$2" '$ARGS.named')" --json; }
answer=$(call tool 'id -u; ls /sys/class/net; grep -h -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status; echo made >note; touch /x')
output=$(jq -r .result.content.stdout <<<"$answer")
equal "what it sees" "$(id -u testudo-work) lo CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2" "$(tr '\t' ' ' <<<"$output" | xargs)"
equal "what it wrote, once somebody said yes" made "$(cat /var/lib/testudo/workspace/note)"
grep -q 'Read-only file system' <<<"$answer" || fail "the root of an image can be written: $answer"
equal "containers that are left" "" "$(podman ps --all --quiet)"
unit=$(systemctl list-units --no-legend --plain 'testudo-container@*' | awk '{print $1}')
[ -n "$unit" ] || fail "it did not run under its unit"
grep -q 'not in the engine' <<<"$(call absent true)" || fail "an image that is not there runs"
exposure=$(systemd-analyze security --no-pager "$unit" | sed -n 's/^.*Overall exposure level for .*: \([0-9.]*\).*/\1/p')

# Ended with its session, in the middle of a call.
call tool 'sleep 300' >/results/box.json &
runs() { [ -n "$(podman ps --quiet)" ]; }
until_true 60 "a container runs" runs
testudoctl stop box >/dev/null
wait
is_gone() { [ -z "$(podman ps --all --quiet)" ]; }
until_true 30 "a stopped session's container is gone" is_gone
grep -q '"ok": *true' <<<"$(testudoctl audit verify --json)" || fail "the record does not verify"
echo "$(podman --version | sed 's/podman version /Podman /'), exposure $exposure; nothing is left of a stopped call"
