#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# static.sh BUILD [LANE...]: everything that can be said about the source without running it.
# One line a lane, its findings above it when it fails; exit status 1 when one does.
# Lanes: layers scripts clang analyzer cppcheck tidy format. Build directories: BUILD-clang, BUILD-analyzer.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build=${1:?usage: static.sh BUILD [LANE...]}
shift
lanes=${*:-layers scripts clang analyzer cppcheck tidy format}
jobs=$(nproc)
log=$(mktemp) out=$(mktemp)
trap 'rm -f "$log" "$out"' EXIT
limit="timeout --kill-after=10 1800"

setup() { # DIR COMPILER ARGS: a build directory whose arguments are always these
	if [ -e "$1/build.ninja" ]; then
		meson configure "$1" "-Dc_args=$3" >"$log" 2>&1
	else
		CC=$2 meson setup "$1" "-Dc_args=$3" >"$log" 2>&1
	fi || { cat "$log"; return 1; }
}

lane_layers() {
	/usr/bin/python3 tools/check_layers.py
}

lane_scripts() {
	git ls-files '*.py' | xargs pyflakes3 &&
		git grep -lE '^#!/bin/(ba)?sh' | xargs shellcheck --severity=warning
}

# Every warning of meson.build that clang knows is an error here, in programs and tests.
lane_clang() {
	setup "$build-clang" clang "" && $limit ninja -C "$build-clang" -k0 all meson-test-prereq
}

# Off: use-of-uninitialized-value. An output is set only on success, and across files gcc 12
# does not see that its reader looked at the result first; every automatic variable starts as zero.
# Off: fd-leak. It does not know the fds that AUTO_FD closes (gcc 12 has few of these; 13 has many).
analyzer_off="-fdiagnostics-path-format=none -Wno-analyzer-use-of-uninitialized-value"
if gcc -Wanalyzer-fd-leak -x c -c -o /dev/null /dev/null 2>/dev/null; then
	analyzer_off="$analyzer_off -Wno-analyzer-fd-leak"
fi

lane_analyzer() {
	# shellcheck disable=SC2086 # words on purpose
	setup "$build-analyzer" gcc "-fanalyzer $analyzer_off" &&
		$limit ninja -C "$build-analyzer" -k0 cay cay-broker &&
		for f in src/init/*.c; do
			gcc -std=gnu17 -O2 -D_GNU_SOURCE -Isrc -Wall -Wextra -Werror -fanalyzer $analyzer_off \
				-c -o /dev/null "$f" || return
		done
}

# memleak, resourceLeak: cppcheck does not know __attribute__((cleanup)).
# The rest: taste (style is not enabled), or what another lane sees better.
lane_cppcheck() {
	$limit cppcheck -q -j "$jobs" --std=c11 --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 \
		--suppress=memleak --suppress=resourceLeak --suppress=missingIncludeSystem \
		-Isrc -D_GNU_SOURCE '-DCAY_VERSION="x"' -D__x86_64__ src
}

# The islander's own files are no part of the compilation database. One file a process: with more,
# clang-tidy 14 sees uninitialised va_lists that are none.
lane_tidy() {
	[ -e "$build-clang/build.ninja" ] || setup "$build-clang" clang "" || return
	local db status=0
	db=$(realpath "$build-clang")
	ninja -C "$db" src/islander_blob.c >/dev/null || return
	find src -name '*.c' ! -path 'src/init/*' -print0 |
		$limit xargs -0 -n 1 -P "$jobs" clang-tidy --quiet -p "$db" || status=1
	for f in src/init/*.c; do
		clang-tidy --quiet "$f" -- -std=gnu17 -D_GNU_SOURCE -Isrc || status=1
	done
	return $status
}

lane_format() {
	find src tests bench -name '*.[ch]' -print0 2>/dev/null |
		xargs -0 clang-format --dry-run --Werror
}

show() { # the lines that say something, not too many
	grep -vE '^\[[0-9]+/[0-9]+\]|warnings? (generated|treated)|^Suppressed|^ninja: (Entering|no work)' "$out" |
		head -n 120
}

failed=
for lane in $lanes; do
	start=$SECONDS
	if "lane_$lane" >"$out" 2>&1; then
		state=pass
	else
		state=FAIL
		failed="$failed $lane"
		show
	fi
	printf '%s  %-9s %d s\n' "$state" "$lane" $((SECONDS - start))
done
if [ -n "$failed" ]; then
	echo "static checks failed:$failed"
	exit 1
fi
echo "static checks passed"
