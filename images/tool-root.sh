#!/bin/bash
# tool-root.sh DIR [PACKAGE…]: makes a Debian tree of programs for sandboxed commands, apart from the host's own, and
# seals it. The counterpart on NixOS is services.testudo.tools.
#
# Without one, commands see the host's /usr. With one they see DIR/usr, whatever the host has installed, and only after
# testudo-tool-root.service found it to be what was sealed. What it prints is what to configure:
#
#   images/tool-root.sh /var/lib/testudo/tool-root >/etc/testudo/tool-root
#   systemctl restart testudo-tool-root.service
#
# The same packages give the same digest, whenever and wherever it is made.
#   SUITE=trixie   the release of Debian that it is made from
#   SANDBOX=…      the program that seals it (default: the installed one)
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: images/tool-root.sh DIR [PACKAGE…]" >&2; exit 2; }
directory=$(realpath -m "$1")
shift
[ ! -e "$directory" ] || { echo "cannot make $directory: it is already there" >&2; exit 1; }
suite=${SUITE:-trixie}
sandbox=${SANDBOX:-/usr/lib/testudo/testudo-sandbox}

packages=(bash bzip2 ca-certificates coreutils curl dash diffutils file findutils gawk git grep gzip jq less patch
  procps python3 ripgrep sed tar xz-utils "$@")
building=$(mktemp -d "$(dirname "$directory")/tool-root.XXXXXX")
trap 'rm -rf "$building"' EXIT

# Nothing is started in it and nobody logs in to it: the packages are unpacked and their scripts are not run.
mmdebstrap --quiet --mode=root --variant=extract --include="$(IFS=,; echo "${packages[*]}")" \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --extract-hook="cd \"\$1/var/cache/apt/archives\" && ls -1 *.deb >$building/debs" \
  "$suite" "$building/unpacked" >&2

root=$building/root
mkdir -p "$root/etc/ssl/certs"
mv "$building/unpacked/usr" "$root/usr"
for link in bin sbin lib lib32 lib64; do
  [ ! -L "$building/unpacked/$link" ] || cp -P "$building/unpacked/$link" "$root/$link"
done
# What Debian makes in the scripts of its packages.
ln -sf dash "$root/usr/bin/sh"
ln -sf gawk "$root/usr/bin/awk"
find "$root/usr/share/ca-certificates" -name '*.crt' -print0 | LC_ALL=C sort -z | xargs -0 cat \
  >"$root/etc/ssl/certs/ca-certificates.crt"
# No package manager, nothing that leads out of the tree, and nothing that is empty without its scripts.
rm -rf "$root"/usr/bin/{apt,dpkg}* "$root"/usr/lib/{apt,dpkg} "$root"/usr/{games,include,src} \
  "$root"/usr/share/{apt,debconf,dpkg,lintian} "$root"/usr/sbin/{adduser,deluser,update-*} \
  "$root"/usr/lib/python3*/sitecustomize.py

# One name for each file, so that nobody can change it by another.
find "$root" -type f -links +1 -print0 | while IFS= read -r -d '' file; do
  cp -p "$file" "$building/copy"
  mv "$building/copy" "$file"
done
# Programs and data belong to root and are nobody's to change; no setuid bit has any use in there.
chown -R -h root:root "$root"
chmod -R u=rwX,go=rX,u-s,g-s,-t "$root"

built_from=()
while read -r deb; do
  # NAME_VERSION_ARCHITECTURE.deb, with %3a for the colon of an epoch.
  IFS=_ read -r name version _ <<<"${deb//%3a/:}"
  built_from+=(--built-from "$name $version")
done <"$building/debs"
[ ${#built_from[@]} -gt 0 ] || { echo "cannot tell what $directory is built from" >&2; exit 1; }
version=$(printf '%s\n' "${built_from[@]}" | LC_ALL=C sort | sha256sum | cut -c1-12)

mv "$root" "$directory"
"$sandbox" seal-root "$directory" --name "debian-$suite" --root-version "$version" "${built_from[@]}"
