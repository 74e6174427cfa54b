# tmpfiles.d makes the directories with the right owners.
chroot "$ROOT" systemd-sysusers /usr/lib/sysusers.d/testudo.conf >/dev/null 2>&1
output=$(chroot "$ROOT" systemd-tmpfiles --create /usr/lib/tmpfiles.d/testudo.conf 2>&1)
[ -z "$output" ] || { echo "$output"; exit 1; }
found=$(chroot "$ROOT" stat -c '%a %U %G %n' /run/testudo /var/lib/testudo /var/lib/testudo/workspace)
expected='755 root root /run/testudo
755 root root /var/lib/testudo
750 testudo-work testudo-work /var/lib/testudo/workspace'
diff <(echo "$expected") <(echo "$found")
echo "3 directories"
