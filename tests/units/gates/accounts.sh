# sysusers.d makes every account that a unit, a directory or a bus policy names, and is clean on the second run.
chroot "$ROOT" systemd-sysusers --dry-run /usr/lib/sysusers.d/testudo.conf >/dev/null 2>&1
chroot "$ROOT" systemd-sysusers /usr/lib/sysusers.d/testudo.conf >/dev/null 2>&1
again=$(chroot "$ROOT" systemd-sysusers /usr/lib/sysusers.d/testudo.conf 2>&1)
[ -z "$again" ] || { echo "not idempotent: $again"; exit 1; }

cd "$UNITS" || exit
mapfile -t units < <(find system -type f)
users=$({
  sed -n 's/^\(User\|SocketUser\)=//p' "${units[@]}" dbus-1/system-services/*
  sed -n 's/.*<policy user="\([^"]*\)".*/\1/p' dbus-1/system.d/*
  awk '/^[^#]/ { print $4 }' tmpfiles.d/*
} | sort -u)
groups=$({
  sed -n 's/^Group=//p' "${units[@]}"
  sed -n 's/.*<policy group="\([^"]*\)".*/\1/p' dbus-1/system.d/*
  awk '/^[^#]/ { print $5 }' tmpfiles.d/*
} | sort -u)
for user in $users; do
  chroot "$ROOT" getent passwd "$user" >/dev/null || { echo "no user $user"; exit 1; }
done
for group in $groups; do
  chroot "$ROOT" getent group "$group" >/dev/null || { echo "no group $group"; exit 1; }
done
# Whoever is an operator may approve; no account of ours is one.
members=$(chroot "$ROOT" getent group testudo | cut -d: -f4)
[ -z "$members" ] || { echo "operators from the start: $members"; exit 1; }
echo "$(wc -w <<<"$users") users, $(wc -w <<<"$groups") groups"
