#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# image.sh: print the directory that holds the guest's `kernel` and `disk`; make it if it is not there.
#
# A stock Debian of the release this machine's apt is configured for, with its cloud kernel. The
# directory is named after what it was made from: the package list, this script, the guest's files.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CAY_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cay-vm}

fail() {
	echo "image.sh: $*" >&2
	exit 1
}

# Everything that only costs boot time under emulation, 0.2 to 0.5 s each.
unwanted=(timers.target getty.target systemd-firstboot.service systemd-machine-id-commit.service
	systemd-journal-flush.service systemd-random-seed.service systemd-pstore.service
	systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-sysusers.service
	systemd-remount-fs.service systemd-binfmt.service systemd-timesyncd.service ldconfig.service
	modprobe@drm.service modprobe@efi_pstore.service modprobe@dm_mod.service
	modprobe@loop.service modprobe@configfs.service sys-kernel-config.mount
	sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount)

apt_sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		grep -E ' main$' | sort -u
}

release() {
	(. /etc/os-release && echo "$VERSION_CODENAME")
}

# The archive's package is a name for the current one. Unpacked, not installed: no initrd is wanted.
kernel_package() {
	apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }'
}

# The boot protocol's header (Documentation/x86/boot.rst: setup_sects at 0x1f1, payload_offset at
# 0x248, payload_length at 0x24c) tells where the compressed kernel lies. Emulated, decompressing
# it costs 3 s at each boot.
uncompress_kernel() {
	local from=$1 to=$2 sects offset length
	sects=$(od -An -tu1 -j $((0x1f1)) -N 1 "$from")
	offset=$(od -An -tu4 -j $((0x248)) -N 4 "$from")
	length=$(od -An -tu4 -j $((0x24c)) -N 4 "$from")
	tail -c +$(((sects + 1) * 512 + offset + 1)) "$from" | head -c $((length - 4)) |
		lz4 -dcq >"$to" 2>/dev/null && [ "$(head -c 4 "$to")" = $'\x7fELF' ] || cp "$from" "$to"
}

install_kernel() {
	local work=$1 root=$2 package
	package=$(kernel_package)
	[ -n "$package" ] || { apt-get update -qq >&2; package=$(kernel_package); }
	if [ -z "$package" ]; then
		apt-get update -qq >&2
		package=$(kernel_package)
	fi
	[ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64"
	(cd "$work" && apt-get -qq download -o APT::Sandbox::User=root "$package" >&2)
	mkdir "$work/kernel.d"
	dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel.d"
	uncompress_kernel "$work"/kernel.d/boot/vmlinuz-* "$work/kernel"
	mkdir -p "$root/lib/modules"
	cp -a "$work"/kernel.d/lib/modules/. "$root/lib/modules/"
	chroot "$root" depmod "$(ls "$root/lib/modules")"
	rm -r "$work"/kernel.d "$work"/*.deb
}

configure() {
	local root=$1 etc=$1/etc u
	: >"$etc/fstab"
	echo island >"$etc/hostname"
	echo "127.0.0.1 localhost island" >"$etc/hosts"
	echo 6361790000000000000000006361790a >"$etc/machine-id"
	# Profiles for programs that the guest doesn't run; loading one costs a second.
	rm -f "$etc"/apparmor.d/{lsb_release,nvidia_modprobe,usr.bin.man}
	chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash user
	for u in "${unwanted[@]}"; do
		ln -sfn /dev/null "$etc/systemd/system/$u"
	done
	mkdir -p "$etc"/systemd/{system-generators,journald.conf.d} "$root"/{share,out,usr/lib/cay-vm}
	for u in "$root"/lib/systemd/system-generators/*; do
		ln -sfn /dev/null "$etc/systemd/system-generators/${u##*/}"
	done
	printf '[Journal]\nStorage=volatile\n' >"$etc/systemd/journald.conf.d/volatile.conf"
	# Engines are started by the tests that need them.
	for u in docker.service docker.socket containerd.service podman.socket podman.service; do
		rm -f "$etc"/systemd/system/*.wants/"$u"
	done
	install -m 644 "$here"/guest/cay-vm.* "$etc/systemd/system/"
	install -m 755 "$here"/guest/{begin,command,end} "$root/usr/lib/cay-vm/"
}

make_image() {
	local work=$1 root=$1/root
	apt_sources >"$work/sources"
	mmdebstrap --quiet --mode=root --variant=apt --include="${packages// /,}" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"$(release)" "$root" - <"$work/sources" >&2
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	install_kernel "$work" "$root"
	configure "$root"
	mke2fs -q -t ext4 -L cay-vm -m 0 -O ^has_journal -E lazy_itable_init=1 -d "$root" "$work/disk" \
		$(($(du -sm "$root" | cut -f 1) + 1536))M >/dev/null
	rm -rf "$root" "$work/sources"
}

for tool in mmdebstrap mke2fs lz4 dpkg-deb; do
	command -v $tool >/dev/null || fail "$tool: not found (tools/deps.sh vm)"
done
packages=$(sed 's/#.*//' "$here/packages" | xargs)
key=$(cat "$here"/{packages,image.sh} "$here"/guest/* | sha256sum | head -c 16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -d "$cache/$key" ]; then
	[ "$(id -u)" = 0 ] || fail "making the image needs root"
	echo "image.sh: making the guest's image, once" >&2
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	make_image "$work"
	# One image is kept: an older list's is of no use.
	find "$cache" -mindepth 1 -maxdepth 1 -type d ! -path "$work" -exec rm -rf {} +
	chmod 755 "$work"
	mv "$work" "$cache/$key"
	trap - EXIT
fi
echo "$cache/$key"
