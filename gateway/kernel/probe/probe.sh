#!/bin/sh
# probe.sh <Image> <cmdline file> <sysctl.conf> <output folder>
#
# Boots a kernel by itself in QEMU on a throw-away EROFS root whose init is init.c, and writes what it says:
#   <out>/console   all of it
#   <out>/facts     version, command line, security modules, lockdown, ...
#   <out>/sysctl    what `sysctl -a` prints on that kernel after sysctl.conf was applied
#   <out>/cmdline   the kernel's own command line, on one line
# Fails if the kernel does not get to the end of the probe, or refuses a setting.
#
# Needs aarch64-linux-gnu-gcc with a static libc, mkfs.erofs, qemu-system-aarch64.
set -eu
image=$1 cmdline=$2 sysctl=$3 out=$4
here=$(cd "$(dirname "$0")" && pwd)

rm -rf "$out"
mkdir -p "$out/root/proc" "$out/root/sys" "$out/root/dev"
"${CROSS_COMPILE:-aarch64-linux-gnu-}gcc" -std=gnu11 -Wall -Wextra -O2 -static \
	-o "$out/root/init" "$here/init.c"
cp "$sysctl" "$out/root/sysctl.conf"
mkfs.erofs "$out/root.erofs" "$out/root" >"$out/mkfs.log" 2>&1

params=$(grep -v '^#' "$cmdline" | tr '\n' ' ' | tr -s ' ')
timeout "${PROBE_TIMEOUT:-120}" qemu-system-aarch64 \
	-machine virt,gic-version=3 -cpu "${PROBE_CPU:-cortex-a57}" -smp 2 -m 1024 \
	-nodefaults -display none -serial stdio -no-reboot \
	-global virtio-mmio.force-legacy=false \
	-drive if=none,id=root,format=raw,readonly=on,file="$out/root.erofs" \
	-device virtio-blk-device,drive=root \
	-netdev user,id=net -device virtio-net-device,netdev=net \
	-device virtio-rng-device \
	-kernel "$image" \
	-append "console=ttyAMA0 root=/dev/vda rootfstype=erofs init=/init $params" \
	</dev/null >"$out/console.raw" 2>&1 || true
tr -d '\r' <"$out/console.raw" >"$out/console"
rm "$out/console.raw"

if ! grep -q '^=== end$' "$out/console"; then
	echo "probe: the kernel did not finish; see $out/console" >&2
	exit 1
fi
sed -n '/^=== facts$/,/^=== sysctl$/p' "$out/console" | grep -v '^===' >"$out/facts"
sed -n '/^=== sysctl$/,/^=== end$/p' "$out/console" | grep -v '^===' | sort >"$out/sysctl"
sed -n 's/^cmdline = //p' "$out/facts" >"$out/cmdline"
if grep '^sysctl-failed' "$out/console" >&2; then
	exit 1
fi
