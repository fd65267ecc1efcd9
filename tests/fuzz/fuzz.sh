#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh BUILD SECONDS: let each target search for so long; what it finds lands in BUILD/found.
set -eu
build=$1 seconds=$2 here=$(dirname "$0") status=0
mkdir -p "$build/found"
for program in "$build"/tests/fuzz/fuzz_*; do
	[ -x "$program" ] && [ -f "$program" ] || continue
	name=${program##*/fuzz_}
	mkdir -p "$build/corpus/$name"
	if "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=65536 \
		-print_final_stats=1 -artifact_prefix="$build/found/$name-" \
		"$build/corpus/$name" "$here/corpus/$name" >"$build/found/$name.log" 2>&1; then
		result=clean
	else
		result="FAILED, see $build/found/$name.log" status=1
	fi
	printf 'fuzz %-10s %9s inputs, %6s in the corpus: %s\n' "$name" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/found/$name.log")" \
		"$(ls "$build/corpus/$name" | wc -l)" "$result"
done
exit $status
