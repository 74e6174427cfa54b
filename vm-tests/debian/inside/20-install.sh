# Installs as a package does: the tree, then the users, the directories, the catalogue, and the running services told.

cp -r --preserve=mode /share/package/. /
systemd-sysusers
systemd-tmpfiles --create /usr/lib/tmpfiles.d/testudo.conf
journalctl --update-catalog
systemctl daemon-reload
# The bus reads new policy files as soon as they appear, before their users are there, and drops the rules of users
# that it does not know. So a package tells it again after sysusers.
reloaded=$(date '+%F %T.%6N')
systemctl reload dbus.service

journalctl --sync
complaints=$(journalctl --since "$reloaded" --no-pager --output=cat --unit=dbus-broker.service --grep='Invalid|no entry' || true)
equal "complaints of the bus about our policy" "" "$(grep -v -- '-- No entries --' <<<"$complaints" || true)"
echo "$(find /share/package -type f | wc -l) files, $(getent passwd | grep -c '^testudo-') users"
