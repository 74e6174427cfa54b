# The container enforces what the units ask for. Otherwise every later "refused" could be luck and every "allowed" a lie.

touch /results/control
bites MemoryMax=20M bash -o pipefail -c 'head -c 100M /dev/zero | tail -c 90M | wc -c'
bites TasksMax=5 sh -c 'for _ in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait'
bites IPAddressDeny=any bash -c 'echo >/dev/udp/127.0.0.1/9'
bites RestrictAddressFamilies=AF_UNIX bash -c 'echo >/dev/udp/127.0.0.1/9'
bites DevicePolicy=closed bash -c 'exec 3<>/dev/net/tun'
bites ProtectSystem=strict touch /usr/control
bites RestrictNamespaces=yes unshare --user true
bites PrivateUsers=yes chown 1:1 /results/control
bites InaccessiblePaths=/etc/shadow grep -q root /etc/shadow
bites SystemCallFilter=~@chown chown 0:0 /results/control
bites PrivatePIDs=yes bash -c 'kill -0 "$1"' bash "$$"

# Landlock is a hard requirement of a tool call; without it there would be none to test.
landlock=(setpriv --landlock-access fs --landlock-rule "path-beneath:execute,read-file,read-dir:/")
"${landlock[@]}" cat /etc/passwd >/dev/null || fail "control: Landlock is not available"
if "${landlock[@]}" mkdir /results/landlock 2>/dev/null; then fail "control: Landlock refuses nothing"; fi
rm -f /results/control /usr/control
echo "12 restrictions bite here"
