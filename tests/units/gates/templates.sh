# The templates of sandboxes: each is a link to one text, with a socket of its own and limits in a drop-in; what is installed
# are files, because a link would be another name of one unit.
cd "$UNITS/system" || exit
names=0
for socket in testudo-sandbox-*.socket; do
  names=$((names + 1))
  stem=${socket%.socket}
  name=${stem#testudo-sandbox-}
  [ "$(readlink "$stem@.service")" = testudo-sandbox@.service ] || { echo "$stem@.service is no link to testudo-sandbox@.service"; exit 1; }
  grep -qx "ListenStream=/run/testudo/sandbox/$name.sock" "$socket" || { echo "$socket listens elsewhere"; exit 1; }
  limits=$stem@.service.d/10-limits.conf
  grep -q "^ExecStart=.* --template $name\$" "$limits" || { echo "$limits does not say --template $name"; exit 1; }
  for key in CPUQuota MemoryMax TasksMax RuntimeMaxSec; do
    grep -q "^$key=." "$limits" || { echo "$limits lacks $key="; exit 1; }
  done
  installed=$ROOT/usr/lib/systemd/system/$stem@.service
  [ -f "$installed" ] && [ ! -L "$installed" ] || { echo "$stem@.service is not installed as a file"; exit 1; }
  diff -r "$stem@.service.d" "$installed.d" || exit 1
done
links=$(find . -maxdepth 1 -type l | wc -l)
[ "$links" -eq "$names" ] || { echo "$links links for $names sockets"; exit 1; }
# Only these two leave the empty network.
egress=$(grep -l -- --egress testudo-sandbox-*.d/*.conf | sort | tr '\n' ' ')
expected='testudo-sandbox-ai-provider@.service.d/20-egress.conf testudo-sandbox-integration-test@.service.d/20-egress.conf '
[ "$egress" = "$expected" ] || { echo "a way out is in $egress"; exit 1; }
echo "$names templates of one text"
