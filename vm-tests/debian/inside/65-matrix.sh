# The Matrix daemon under its real unit: refused without a configuration, there without a homeserver, and no more exposed
# than it says.

systemctl start testudo-matrixd.service 2>/dev/null && fail "testudo-matrixd starts without a homeserver"
equal "exit status" 78 "$(systemctl show --value -p ExecMainStatus testudo-matrixd.service)"
systemctl reset-failed testudo-matrixd.service

install -d /etc/credstore
printf '%064d\n' 7 >/etc/credstore/matrix-store-key
echo correct-horse-battery >/etc/credstore/matrix-password
printf '[matrixd]\nhomeserver = "http://127.0.0.1:9"\nuser = "@testudo:home.org"\nowners = ["@ann:home.org"]\n' >/etc/testudo/testudo.toml
systemctl enable --quiet --now testudo-matrixd.service
equal "state" active "$(systemctl show --value -p ActiveState testudo-matrixd.service)"
# Not well, and it says why.
answer=$(testudoctl matrix status --json) && fail "all is well without a homeserver: $answer"
jq -e '.user == "@testudo:home.org" and .conditions[0].word == "not-logged-in"' <<<"$answer" >/dev/null || fail "status: $answer"
equal "mode of its state" "700 testudo-matrixd" "$(stat -c '%a %U' /var/lib/testudo/matrixd)"
equal "files that others may read" "" "$(find /var/lib/testudo/matrixd -type f -perm /077)"
grep -rqs correct-horse-battery /var/lib/testudo/matrixd && fail "the password lies in its state"
systemd-analyze security --no-pager --threshold=12 testudo-matrixd.service >/tmp/security.txt || fail "$(tail -n 1 /tmp/security.txt)"

# Not a name of the bus for others, and nobody but operators asks it.
for user in nobody testudo-agentd testudo-toold; do
  answer=$(setpriv --reuid=$user --regid="$(id -g $user)" --clear-groups \
    busctl --timeout=5 call org.testudo.Matrix1 /org/testudo/Matrix1 org.testudo.Matrix1 Status 2>&1) && fail "$user may ask for its status"
  grep -q 'Access denied' <<<"$answer" || fail "$user: $answer"
done
systemctl disable --quiet --now testudo-matrixd.service
rm -r /etc/testudo/testudo.toml /etc/credstore/matrix-*
equal "failed units" "" "$(systemctl --failed --no-legend --plain)"
echo "78 without a homeserver; ready while it is away; exposure $(sed -n 's/.*: \([0-9.]*\) .*/\1/p' /tmp/security.txt | tail -n 1)"
