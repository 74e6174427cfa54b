# A tool root made of Debian's packages: verified by its unit, seen by calls in place of the host's /usr, and refused
# when a single byte of it is another.
[ -d /share/tool-root ] || { echo "skipped: no tool root could be built"; exit 0; }
directory=/var/lib/testudo/tool-root
cp -a /share/tool-root "$directory"
digest=$(jq -r .digest "$directory/testudo-root.json")
printf 'TOOL_ROOT=%s\nTOOL_ROOT_DIGEST=%s\n' "$directory" "$digest" >/etc/testudo/tool-root

# call SESSION COMMAND: what a shell says in a session of its own, or why it does not run.
call() {
  testudoctl call code.run "$(jq -n --arg code "$2" '{language: "sh", code: $code}')" --session "$1" --json >/tmp/call.json || true
  jq -r '.result.content.stdout // .error.message' /tmp/call.json
}

systemctl start testudo-tool-root.service || fail "the root is not verified: $(journalctl -u testudo-tool-root -o cat)"
took=$(systemctl show --value -p ExecMainExitTimestampMonotonic testudo-tool-root.service)
took=$(((took - $(systemctl show --value -p ExecMainStartTimestampMonotonic testudo-tool-root.service)) / 1000))
tools='for name in bash dash git rg python3 jq curl gawk patch tar; do command -v $name >/dev/null || echo "no $name"; done'
equal "the tools of the root" "" "$(call root-1 "$tools")"
for absent in systemctl apt dpkg su mount; do
  equal "$absent in the root" "" "$(call root-1 "command -v $absent")"
done
[ -x /usr/bin/systemctl ] || fail "control: the host has no systemctl either"
equal "git in the root" "git version" "$(call root-1 'git --version' | cut -d' ' -f1,2)"
equal "certificates" 1 "$(call root-1 'grep -c . /etc/ssl/certs/ca-certificates.crt | grep -c ...')"
{ testudoctl doctor --json || true; } | jq -e '.checks[] | select(.check == "tool root") | .outcome == "pass" and (.detail | startswith("debian-trixie"))' >/dev/null ||
  fail "doctor does not know the root: $({ testudoctl doctor --json || true; } | jq -c '.checks[] | select(.check == "tool root")')"

# One byte: the unit fails by the path, and no sandbox that starts from now on runs a call.
printf x >>"$directory/usr/bin/jq"
if systemctl restart testudo-tool-root.service; then fail "a changed root is verified"; fi
journalctl -u testudo-tool-root -o cat | grep -q 'usr/bin/jq has another size' || fail "the change is not named"
case $(call root-2 'echo ran') in *"not verified"*) ;; *) fail "a call ran on a root that is not verified: $(cat /tmp/call.json)" ;; esac
{ testudoctl doctor --json || true; } | jq -e '.checks[] | select(.check == "tool root") | .outcome == "fail"' >/dev/null || fail "doctor does not fail"

rm -r /etc/testudo/tool-root "$directory"
systemctl stop testudo-tool-root.service
systemctl reset-failed testudo-tool-root.service
equal "without a root" ran "$(call root-3 'echo ran')"
echo "verified in $took ms; one byte more and no call runs"
