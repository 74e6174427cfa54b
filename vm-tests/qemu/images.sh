#!/bin/bash
# images.sh: prints two paths, a Debian root with a kernel and a Debian root with QEMU, building them when not in the cache.
#
# The directories are named after what they were made from. QEMU comes from the same suite as the guest: older ones do
# not emulate a processor that its kernel boots on.
set -euo pipefail

suite=${SUITE:-trixie}
guest=systemd,systemd-sysv,dbus,dbus-broker,polkitd,libbpf1,libseccomp2,procps,jq,python3-minimal,podman,crun,linux-image-cloud-amd64,initramfs-tools
emulator=qemu-system-x86,e2fsprogs

cache=${XDG_CACHE_HOME:-$HOME/.cache}/testudo/roots
mkdir -p "$cache"

# root NAME PACKAGES: builds it if need be, and prints where it is.
root() {
  local key directory building
  key=$(printf '%s' "$suite $2" | sha256sum | cut -c1-12)
  directory=$cache/$1-$suite-$key
  if [ ! -e "$directory/.complete" ]; then
    building=$(mktemp -d "$cache/building.XXXXXX")
    # shellcheck disable=SC2016  # $1 is for the hook's own shell
    mmdebstrap -q --mode=root --variant=minbase --include="$2" \
      --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' \
      --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf"; : >"$1/etc/machine-id"' \
      "$suite" "$building/root" >&2
    touch "$building/root/.complete"
    rm -rf "$directory"
    mv "$building/root" "$directory"
    rmdir "$building"
  fi
  printf '%s\n' "$directory"
}

root qemu-guest "$guest"
root qemu-emulator "$emulator"
