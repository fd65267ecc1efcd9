#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest.sh [-c v1|v2] [-s DIR] [-o OUT] [-t SECONDS] [--] COMMAND [ARGUMENT...]
#
# Run a command as root in a freshly booted Debian: its own kernel, systemd, cgroup v2 (or v1), AppArmor.
# A copy of DIR is its working directory, /share. What it writes to /out is copied to OUT. Its
# output is ours, its exit status too; 124: out of time; 125: the guest itself failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
	echo "guest.sh: $*" >&2
	exit 125
}

# Emulation keeps time badly when two processors of the guest wait for each other on one of ours.
processors=${CAY_VM_CPUS:-2}
memory=${CAY_VM_MEMORY:-2048}
cgroup=v2 share='' out='' seconds=${CAY_VM_SECONDS:-900}
while getopts c:s:o:t: option; do
	case $option in
	c) cgroup=$OPTARG ;;
	s) share=$OPTARG ;;
	o) out=$OPTARG ;;
	t) seconds=$OPTARG ;;
	*) exit 125 ;;
	esac
done
shift $((OPTIND - 1))
case $cgroup in
v1) hierarchy="systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1" ;;
v2) hierarchy="systemd.unified_cgroup_hierarchy=1" ;;
*) fail "-c $cgroup: must be v1 or v2" ;;
esac
[ $# -gt 0 ] || fail "no command; usage: guest.sh [-s DIR] [-o OUT] [-t SECONDS] [--] COMMAND..."
for tool in qemu-system-x86_64 mke2fs debugfs; do
	command -v $tool >/dev/null || fail "$tool: not found (tools/deps.sh vm)"
done
image=$("$here/image.sh") || exit 125
work=$(mktemp -d "${TMPDIR:-/tmp}/cay-vm.XXXXXX")
qemu=
finish() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 125' INT TERM HUP

# A device file alone says little: under a hypervisor that emulates it, no kernel gets anywhere. The
# probe boots ours without a disk; it must panic and so end.
accelerator() {
	if [ -w /dev/kvm ] && [ ! -e "$image/no-kvm" ]; then
		if timeout -k 1 8 qemu-system-x86_64 -nodefaults -display none -no-reboot -m 256 \
			-accel kvm -cpu host -kernel "$image/kernel" -append panic=-1 </dev/null >/dev/null 2>&1; then
			echo "-accel kvm -cpu host"
			return
		fi
		: >"$image/no-kvm"
	fi
	echo "-accel tcg,thread=multi -cpu max"
}

make_share() {
	local tree=$work/share
	mkdir -p "$tree/.guest"
	[ -z "$share" ] || cp -a "$share/." "$tree/"
	chmod 755 "$tree"
	printf '%q ' "$@" >"$tree/.guest/command"
	mke2fs -q -t ext4 -m 0 -O ^has_journal -E root_owner=0:0 -d "$tree" "$work/share.disk" \
		$(($(du -sm "$tree" | cut -f 1) + 768))M >/dev/null
	rm -rf "$tree"
}

kernel_options() {
	echo "root=/dev/nvme0n1 rootfstype=ext4 rw console=ttyS0 quiet loglevel=4 panic=-1" \
		"systemd.unit=cay-vm.target $hierarchy systemd.show_status=no" \
		"lsm=landlock,lockdown,yama,apparmor,bpf apparmor=1 mitigations=off cryptomgr.notests" \
		"${CAY_VM_APPEND:-}"
}

make_share "$@"
# shellcheck disable=SC2046 # two options with their values
TMPDIR=$work timeout -k 5 "$seconds" qemu-system-x86_64 $(accelerator) -machine pc -smp "$processors" \
	-m "$memory" -nodefaults -no-user-config -no-reboot -display none \
	-serial "file:$work/console" -serial stdio \
	-drive "if=none,id=disk,format=raw,snapshot=on,cache=unsafe,file=$image/disk" \
	-device nvme,drive=disk,serial=disk \
	-drive "if=none,id=share,format=raw,cache=unsafe,file=$work/share.disk" \
	-device nvme,drive=share,serial=share \
	-kernel "$image/kernel" -append "$(kernel_options)" </dev/null &
qemu=$!
ended=0
wait "$qemu" || ended=$?
qemu=
if [ -n "$out" ]; then
	mkdir -p "$out"
	debugfs -R "rdump /.guest/out $work" "$work/share.disk" >/dev/null 2>&1 || true
	[ ! -d "$work/out" ] || cp -a "$work/out/." "$out/"
fi
[ $ended != 124 ] && [ $ended != 137 ] || {
	tail -n 20 "$work/console" >&2
	echo "guest.sh: not done after $seconds s" >&2
	exit 124
}
status=$(debugfs -R "cat /.guest/status" "$work/share.disk" 2>/dev/null || true)
case $status in
'' | *[!0-9]*)
	tail -n 60 "$work/console" >&2
	fail "the guest ended without a word (qemu: $ended)"
	;;
esac
exit "$status"
