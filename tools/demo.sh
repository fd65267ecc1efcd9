#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh CAY: start one container and show what it sees beside what the host sees.
# As root with limits; as an ordinary user without those, which need a delegated cgroup.
set -euo pipefail
cay=$(realpath "${1:?usage: demo.sh CAY}")
busybox=${BUSYBOX:-/bin/busybox}
id=cay-demo-$$
rootless=
if [ "$(id -u)" != 0 ]; then rootless=1; fi

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/cay-demo.XXXXXX")
cleanup() {
	"$cay" --root "$work/state" delete --force "$id" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ---- A bundle: one static program, and config.json from `cay spec` -------------------
rootfs=$work/bundle/rootfs
mkdir -p "$rootfs/bin" "$rootfs/etc"
chmod -R 755 "$work"
if [ -r "$busybox" ]; then
	install -m 755 "$busybox" "$rootfs/bin/busybox"
else
	echo "demo.sh: can't read $busybox (package busybox-static)" >&2
	exit 1
fi
for applet in sh cat cut dd grep head hostname id ls sleep tr wc; do
	ln -s busybox "$rootfs/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$rootfs/etc/passwd"

# Prints name=value lines; the same script asks the host.
cat >"$work/look" <<'EOF'
try() { (eval "$1") >/dev/null 2>&1 && echo yes || echo refused; }
limit() { # the first of these files; a root cgroup has none of them
	for f; do [ ! -r "$f" ] || { v=$(cat "$f"); break; }; done
	case ${v:-max} in max | ????????????????*) echo none ;; *) echo "$v" ;; esac
}
processes() { set -- /proc/[0-9]*; echo $#; }
echo "pid1=$(cat /proc/1/comm)"
echo "processes=$(processes)"
echo "hostname=$(hostname)"
echo "user=$(id -u)"
echo "mounts=$(wc -l </proc/self/mountinfo)"
echo "root=$(ls / | wc -l) entries"
echo "network=$(cut -d: -f1 /proc/net/dev | tr -d ' ' | grep -v '|' | tr '\n' ' ')"
echo "caps=$(grep CapEff /proc/self/status | cut -f2)"
echo "privs=$(grep NoNewPrivs /proc/self/status | cut -f2)"
echo "firmware=$(set -- /sys/firmware/*; [ -e "$1" ] && echo "$# entries" || echo empty)"
echo "kcore=$(head -c 1 /proc/kcore 2>/dev/null | grep -q . && echo readable || echo empty)"
echo "memory=$(limit /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes)"
echo "pids=$(limit /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max)"
EOF
cp "$work/look" "$rootfs/bin/look"
cat >>"$rootfs/bin/look" <<'EOF'
echo "rootwrite=$(try '>/file')"
echo "sysctl=$(try 'echo 1 >/proc/sys/kernel/panic')"
echo "sysrq=$(try 'echo h >/proc/sysrq-trigger')"
if [ "$1" = limits ]; then
	dd if=/dev/zero of=/dev/null bs=96M count=1 2>/dev/null
	echo "greedy=exit status $?"
	(i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i + 1)); done) >/dev/null 2>&1
	echo "forks=$(set -- /proc/[0-9]*; echo $#)"
fi
EOF
(cd "$work/bundle" && "$cay" spec ${rootless:+--rootless})
/usr/bin/python3 - "$work/bundle/config.json" "${rootless:+rootless}" <<'EOF'
import json, sys
path, rootless = sys.argv[1:3]
with open(path) as f:
    c = json.load(f)
c["hostname"] = "island"
c["root"] = {"path": "rootfs", "readonly": True}
c["process"].update(terminal=False, args=["/bin/sh", "/bin/look"] + ([] if rootless else ["limits"]),
                    noNewPrivileges=True)
c["process"]["capabilities"] = {k: [] for k in ("bounding", "effective", "inheritable", "permitted", "ambient")}
namespaces = c["linux"]["namespaces"]
if "network" not in [n["type"] for n in namespaces]:
    namespaces.append({"type": "network"})
if not rootless:
    c["linux"].setdefault("resources", {}).update(
        memory={"limit": 64 << 20}, pids={"limit": 32})
with open(path, "w") as f:
    json.dump(c, f, indent=1)
EOF

# ---- Ask both sides ------------------------------------------------------------------
sh "$work/look" >"$work/host" 2>/dev/null
start=$(date +%s%N)
"$cay" --root "$work/state" run -b "$work/bundle" "$id" >"$work/inside" </dev/null
took=$((($(date +%s%N) - start) / 1000000))

value() { sed -n "s/^$2=//p" "$work/$1" | head -n 1; }

row() { # TITLE KEY EXPLANATION
	local host inside
	host=$(value host "$2") inside=$(value inside "$2")
	printf '%s%-15s%s %-19.19s %-19.19s %s%s%s\n' "$bold" "$1" "$plain" "${host:--}" "${inside:--}" \
		"$dim" "$3" "$plain"
}

"$cay" --version | head -n 1
if [ -n "$rootless" ]; then
	echo "a container started by uid $(id -u), without privilege: cay run -b BUNDLE $id"
else
	echo "a container started by root: cay run -b BUNDLE $id"
fi
why_user="uid 0 on both sides, but see the capabilities"
if [ -n "$rootless" ]; then why_user="its own user namespace: uid 0 inside is you outside"; fi
printf '\n%-15s %-19s %-19s %s\n' "what" "on the host" "in the container" "why"
row "pid 1" pid1 "its own pid namespace: the program is its first process"
row "processes seen" processes "and it can't see or signal any other"
row "host name" hostname "its own UTS namespace"
row "user" user "$why_user"
row "mounts" mounts "its own mount namespace, on a root it can't leave (pivot_root)"
row "files in /" root "the bundle's root and nothing of the host's"
row "capabilities" caps "none, so root inside is root in name only"
row "no new privs" privs "1: set-uid programs give nothing"
row "network" network "its own network namespace: no device but lo"
row "/sys/firmware" firmware "masked: the firmware's tables"
if [ "$(value host kcore)" = readable ]; then row "/proc/kcore" kcore "masked: the kernel's memory"; fi
row "write /" rootwrite "the root is read-only"
row "write sysctl" sysctl "/proc/sys is read-only"
row "write sysrq" sysrq "so are the switches of the host's kernel"
if [ -z "$rootless" ]; then
	row "memory limit" memory "set to 64 MiB by its cgroup"
	row "ask for 96 MiB" greedy "137: the kernel killed the program that did"
	row "process limit" pids "set to 32 by its cgroup"
	row "start 60 more" forks "this many processes were alive when the kernel said no"
fi
printf '\n%s\n' "all of it took $took ms, and nothing of it is left. \`cay plan\` prints how it is done."
