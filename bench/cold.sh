#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cold.sh CAY [RUNS]: `run` of busybox true, cay against the installed crun and runc, on the same
# bundle and in one run. As root. Prints hyperfine's table and the ratios of the minima.
#
# crun refuses hybrid cgroup hosts: there all three run in a private mount namespace without
# the v2 mount, so that they do the same work.
set -eu

cay=$(realpath "${1:?usage: $0 CAY [RUNS]}")
runs=${2:-60}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir -p "$dir/rootfs/bin"
install -m 0755 "$(command -v busybox)" "$dir/rootfs/bin/busybox"
ln -s busybox "$dir/rootfs/bin/true"
cp "$cay" "$dir/cay"
strip "$dir/cay"
(cd "$dir" && "$cay" spec)
python3 - "$dir/config.json" <<'PY'
import json, sys
path = sys.argv[1]
spec = json.load(open(path))
spec["ociVersion"] = "1.0.2"
spec["process"]["terminal"] = False
spec["process"]["args"] = ["/bin/true"]
json.dump(spec, open(path, "w"))
PY

cat >"$dir/inner" <<SH
set -eu
cd "$dir"
[ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified
# Interleaved rounds, so that a slow moment hits everybody.
for round in 1 2 3; do
	hyperfine -N -w 5 -r $runs --export-json "$dir/\$round.json" \\
		-n cay "./cay --root $dir/s1 run bench-cay" \\
		-n crun "crun --root $dir/s2 run bench-crun" \\
		-n runc "runc --root $dir/s3 run bench-runc" >/dev/null 2>"$dir/log" || { cat "$dir/log" >&2; exit 1; }
done
SH
unshare -m --propagation private sh "$dir/inner"
python3 - "$dir" <<'PY'
import json, statistics, sys
times = {}
for r in "123":
    for res in json.load(open(f"{sys.argv[1]}/{r}.json"))["results"]:
        times.setdefault(res["command"], []).extend(res["times"])
best = min(times["cay"])
print(f"{'':6}{'min ms':>9}{'median ms':>11}{'min / cay':>11}")
for name, t in times.items():
    print(f"{name:6}{min(t)*1e3:9.2f}{statistics.median(t)*1e3:11.2f}{min(t)/best:11.2f}")
PY
