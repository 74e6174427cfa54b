#!/bin/bash
# run.sh: boots the appliance on a whole kernel of its own, in an emulated machine, and shows what no container can.
#
#   TESTUDO_BIN_DIR=DIR   the binaries (default: target/debug)
#   RESULTS=DIR           keep the console there
#
# A container shares its host's kernel, cgroup tree and /proc, and so cannot show that a call's own cgroup bites, that a
# frozen unit stands still, or that the kernel lets a call mount its own /proc. Emulated, everything is some eight times
# slower, so what vm-tests/debian shows is not shown again. Exit status: 0, 1 when something fails, 77 when it is not
# possible here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
bin_dir=${TESTUDO_BIN_DIR:-$repository/target/debug}
limit=600 # seconds; it takes two minutes where nothing else runs

skip() {
  echo "skip  vm-tests/qemu: $1"
  exit 77
}
[ "$(id -u)" -eq 0 ] || skip "only root can make the machine's disk"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
{ read -r guest && read -r emulator; } < <("$here/images.sh") || skip "the Debian roots could not be built"

work=$(mktemp -d)
results=${RESULTS:-$work/results}
mkdir -p "$results" "$work/bin" "$work/disk"
trap 'umount -l "$work/emulator/dev" "$work/emulator/proc" "$work/emulator/machine" "$work/emulator" 2>/dev/null || true; rm -rf "$work"' EXIT

# What debuggers read would be most of the disk.
for binary in "$bin_dir"/testudo-{agentd,auditd,egressd,extension,matrixd,modeld,policyd,sandbox,toold} "$bin_dir/testudoctl"; do
  [ -x "$binary" ] || { echo "FAIL  vm-tests/qemu: $binary is not built" >&2; exit 1; }
  strip --strip-debug -o "$work/bin/${binary##*/}" "$binary"
done
cp -a --reflink=auto "$guest/." "$work/disk/"
mkdir -p "$work/disk/share"
cp -r "$here/inside" "$here/../debian/inside/expect.sh" "$here/../debian/inside/20-install.sh" "$work/disk/share/"
BIN_DIR=$work/bin "$repository/units/install" "$work/disk/share/package"
install -D -m 0644 "$here/vm-test.service" "$work/disk/etc/systemd/system/vm-test.service"
ln -s ../vm-test.service "$work/disk/etc/systemd/system/multi-user.target.wants/vm-test.service"
echo appliance >"$work/disk/etc/hostname"

# QEMU and mkfs of the guest's own Debian, whatever this machine has.
mkdir "$work/emulator"
mount --bind "$emulator" "$work/emulator"
mkdir -p "$work/emulator/machine"
mount --bind "$work" "$work/emulator/machine"
mount -t proc proc "$work/emulator/proc"
mount --bind /dev "$work/emulator/dev"
in_emulator() { chroot "$work/emulator" "$@"; }

truncate -s 3G "$work/disk.img"
in_emulator /sbin/mkfs.ext4 -q -F -O ^has_journal -d /machine/disk /machine/disk.img
kernel=$(cd "$work/disk/boot" && echo vmlinuz-*)
started=$(date +%s%N)
status=0
for attempt in 1 2; do
  # Emulators hang now and then, always before the first line; one more try tells it from a failure.
  timeout "$limit" chroot "$work/emulator" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -M q35 -m 2048 -smp 2 \
    -nographic -no-reboot -nic none -kernel "/machine/disk/boot/$kernel" -initrd "/machine/disk/boot/${kernel/vmlinuz/initrd.img}" \
    -drive file=/machine/disk.img,if=virtio,format=raw,snapshot=on \
    -append "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no systemd.mask=serial-getty@ttyS0.service panic=-1" \
    </dev/null >"$results/console.log" 2>&1 || status=$?
  tr -d '\r' <"$results/console.log" | sed -n 's/^.*vm-test: //p' >"$results/lines"
  [ ! -s "$results/lines" ] && [ "$attempt" = 1 ] || break
done
grep -v '^end ' "$results/lines" || true
if ! grep -qx 'end 0' "$results/lines"; then
  [ -s "$results/lines" ] || tail -n 30 "$results/console.log"
  echo "FAIL  vm-tests/qemu: the machine did not come to a good end (status $status)"
  exit 1
fi
echo "      kernel ${kernel#vmlinuz-}, emulated, $((($(date +%s%N) - started) / 1000000)) ms in all"
