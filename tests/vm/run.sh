#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [-c v1|v2] [-j GUESTS] [-k FILTER] [-t SECONDS] [BUILD]
#
# The suites of `make check` on a stock Debian: its kernel, systemd, cgroup v2, AppArmor. What is
# tested is BUILD (default: build) as it was built here. -k: pytest's filter, and no C programs.
# -c v1: with the hierarchies of cgroup v1 instead, and only what deals with cgroups.
# -j: so many guests side by side (default 2; 1 with -k), each with its part of the test files; what guest N says
# has `N: ` before it. One that ends without a word is a failure like another.
# The last line is `N passed, N failed, N skipped`, the exit status that of tools/check.py.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
cgroup=v2 filter='' guests='' seconds=${CAY_VM_SECONDS:-3600}
while getopts c:j:k:t: option; do
	case $option in
	c) cgroup=$OPTARG ;;
	j) guests=$OPTARG ;;
	k) filter=$OPTARG ;;
	t) seconds=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
build=$(cd "${1:-$top/build}" && pwd)
[ -x "$build/cay" ] || {
	echo "run.sh: $build/cay: not built" >&2
	exit 2
}
[ -n "$guests" ] || guests=$([ -z "$filter" ] && echo 2 || echo 1)
[ "$cgroup$filter" != v1 ] || filter="cgroup or systemd or limit or update or stats or events"
share=$(mktemp -d "${TMPDIR:-/tmp}/cay-vm-run.XXXXXX")
said=$(mktemp -d "${TMPDIR:-/tmp}/cay-vm-said.XXXXXX")
running=()
finish() {
	[ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true
	wait
	rm -rf "$share" "$said"
}
trap finish EXIT
trap 'exit 2' INT TERM HUP

# The guest has no compiler: programs of the tests are made here.
mkdir -p "$share/build/tests" "$share/tools"
ninja -C "$build" --quiet all meson-test-prereq >/dev/null
for f in cay cay-init cay-systemd cay-broker src/cay-init; do
	[ ! -e "$build/$f" ] || cp "$build/$f" "$share/build/"
done
[ -n "$filter" ] || find "$build/tests" -maxdepth 1 -type f -name 'test_*' -perm -u+x -exec cp -t "$share/build/tests" {} +
find "$share/build" -type f -exec strip --strip-debug {} +
for f in integration/probe integration/broker_probe attack/racer attack/roads; do
	cc -static -O1 -pthread -o "$share/build/${f##*/}" "$top/tests/$f.c"
done
(cd "$top" && tar -c --exclude=__pycache__ --exclude=tests/torture --exclude=tests/bench --exclude=tests/fuzz tests) | tar -x -C "$share"
cp "$top"/tools/*.py "$share/tools/"
cp -r "$top/docs" "$top/contrib" "$top/src" "$share/"

# Every step costs twenty times as much there: repetition is left to the host.
guest=(env "CAY_CHECK_SECONDS=$((seconds - 60))" CAY_TEST_SECONDS=180 CAY_TEST_TIMEOUT=60
	"CAY_CYCLES=${CAY_CYCLES:-20}" CAY_EMULATED=1 CAY_PROBE=/share/build/probe
	"CAY_MUST_RUN=${CAY_MUST_RUN:-0}"
	python3 -u tools/check.py --programs)
# What only reads its input is the same on every kernel, and long there.
guest+=(-k "${filter:-not bad_input}")
# Debian's kernel has weights of block I/O only with this scheduler, which is a module.
guest=(sh -c 'modprobe bfq && echo bfq >/sys/block/nvme1n1/queue/scheduler; exec "$@"' sh "${guest[@]}")
guest_run() {
	local log=$said/$1
	"$here/guest.sh" -c "$cgroup" -s "$share" -t "$seconds" -- "${guest[@]}" --part "$1/$guests" build >"$log" 2>&1 &
	running+=($!)
	tail -n +1 -f --pid=$! "$log" | sed -u "s/^/$1: /" &
}
: >"$said/all"
for n in $(seq "$guests"); do
	: >"$said/$n"
	guest_run "$n"
done
ended=0
for pid in "${running[@]}"; do
	wait "$pid" || ended=1
done
running=()
wait
tally='^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$'
for n in $(seq "$guests"); do
	line=$(tail -n 1 "$said/$n" | tr -d '\r' | sed -n "s/$tally/\1 \2 \3/p")
	if [ -z "$line" ]; then
		echo "run.sh: guest $n did not end its part"
		line='0 1 0'
	fi
	echo "$line" >>"$said/all"
done
awk '{ p += $1; f += $2; s += $3 } END { print p " passed, " f " failed, " s " skipped"; exit f > 0 || p == 0 }' "$said/all" || ended=1
exit $ended
