#!/bin/bash
# tool-root.sh DIR [PACKAGE…]: makes a Debian tree of programs for sandboxed commands, apart from the host's own.
#
# Without it commands see the host's /usr. With it they see DIR/usr, whatever the host has installed:
#
#   # /etc/systemd/system/testudo-sandbox@.service.d/tool-root.conf
#   [Service]
#   BindReadOnlyPaths=DIR/usr:/usr /usr/lib/testudo
#
# The counterpart on NixOS is services.testudo.tools.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: images/tool-root.sh DIR [PACKAGE…]" >&2; exit 2; }
directory=$1
shift
[ ! -e "$directory" ] || { echo "cannot make $directory: it is already there" >&2; exit 1; }

packages=(bash coreutils dash diffutils findutils gawk git grep gzip patch sed tar "$@")
building=$(mktemp -d "$(dirname "$directory")/tool-root.XXXXXX")
trap 'rm -rf "$building"' EXIT

# Nothing is started in it and nobody logs in to it, so it has no package manager and no accounts of its own.
mmdebstrap --quiet --mode=root --variant=extract --include="$(IFS=,; echo "${packages[*]}")" \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  "${SUITE:-trixie}" "$building/root"
# Debian makes these in the scripts of its packages, which --variant=extract does not run.
ln -sf dash "$building/root/usr/bin/sh"
ln -sf gawk "$building/root/usr/bin/awk"
# The unit binds the sandbox's own program here.
mkdir -p "$building/root/usr/lib/testudo"
mkdir "$directory"
mv "$building/root/usr" "$directory/usr"
# Programs and data belong to root and are nobody's to change; no setuid bit has any use in there.
chmod -R u-s,g-s,go-w "$directory/usr"
du -sh "$directory/usr"
