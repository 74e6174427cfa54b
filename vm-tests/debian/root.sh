#!/bin/bash
# root.sh: prints the path of a Debian root with real systemd, building it when it is not in the cache.
#
# The directory is named after what it was made from, so a change of the list below builds a new one.
# It is never written to afterwards: boot.sh runs on an overlay above it.
set -euo pipefail

suite=${SUITE:-trixie} # systemd 257, the oldest that the units are written for
packages=systemd,systemd-sysv,dbus,dbus-broker,polkitd,libbpf1,libseccomp2,procps,jq

cache=${XDG_CACHE_HOME:-$HOME/.cache}/testudo/roots
key=$(printf '%s' "$suite $packages" | sha256sum | cut -c1-12)
root=$cache/debian-$suite-$key

if [ ! -e "$root/.complete" ]; then
  mkdir -p "$cache"
  building=$(mktemp -d "$cache/building.XXXXXX")
  trap 'rm -rf "$building"' EXIT
  # mmdebstrap copies the host's name, and --hostname of the container would lose to it.
  # An empty machine-id is "first boot"; the uninitialized one would ask at the console.
  # shellcheck disable=SC2016  # $1 is for the hook's own shell
  mmdebstrap -q --mode=root --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf"; : >"$1/etc/machine-id"' \
    "$suite" "$building/root" >&2
  touch "$building/root/.complete"
  rm -rf "$root"
  mv "$building/root" "$root"
fi
printf '%s\n' "$root"
