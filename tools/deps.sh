#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deps.sh build|run|check|static|vm|fuzz|bench|parsers: see that the Debian packages for a target are there;
# install them when we are root or have sudo, else print the command and stop.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config musl-tools linux-libc-dev libjson-c-dev libseccomp-dev
       libcap-dev libmd-dev libsystemd-dev python3 libcmocka-dev"
run="busybox-static"
check="$run python3-pytest runc crun podman conmon containerd docker.io buildah
       fuse-overlayfs slirp4netns criu umoci skopeo uidmap passwd jq iproute2 procps file groff-base zsh fish iputils-ping e2fsprogs squashfs-tools mount"
# No web server and no database that the system would start: the benchmark unpacks nginx, redis-tools has the server.
bench="runc crun runsc bubblewrap lxc podman conmon golang-github-containers-common hyperfine wrk redis-tools binutils
       util-linux iproute2"
parsers="libjansson-dev libcjson-dev libjsmn-dev libyajl-dev libfastjson-dev libjsonparser-dev
         golang-github-containers-common binutils"
case ${1:-} in
build) want=$build ;;
run) want="$build $run" ;;
check) want="$build $check" ;;
static) want="$build clang clang-tidy clang-format libclang-rt-dev cppcheck pyflakes3 shellcheck git" ;;
vm) want="$build qemu-system-x86 mmdebstrap e2fsprogs lz4" ;;
fuzz) want="$build clang libclang-rt-14-dev" ;;
bench) want="$build $run $bench" ;;
parsers) want="$build $parsers" ;;
*) echo "usage: $0 build|run|check|static|vm|fuzz|bench|parsers" >&2; exit 2 ;;
esac

missing=
for p in $want; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	sudo=sudo
else
	echo "cay needs these packages:$missing" >&2
	echo "run: sudo $install" >&2
	exit 1
fi
echo "installing:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # words on purpose
$sudo env DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
