# SPDX-License-Identifier: Apache-2.0
"""LXD, which answers some calls of its containers, too: unpacked, not installed, with nothing of it left behind.

Its daemon runs in process, network and mount namespaces that end with the script, on a directory of ours.
"""
import contextlib
import os
import shutil
import tarfile

import measure
from world import CGROUPS

PACKAGES = ("lxd", "lxd-client", "liblxc1", "libraft2", "libdqlite0", "libuv1", "attr", "rsync", "libpopt0", "squashfs-tools")
INTERCEPT = {"mknod": "true", "mount": "true", "mount.allowed": "tmpfs", "setxattr": "true", "sched_setscheduler": "true"}
METADATA = "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: bench\n"

# $1: the directory; $2: the container; $3: how often to ask; $4...: its options. What it prints behind "---" is the program's.
SCRIPT = """set -e
place=$1 name=$2 times=$3; shift 3
ip link set lo up
printf 'root:1000000:1000000000\\n' >"$place/subid"
mount --bind "$place/subid" /etc/subuid
mount --bind "$place/subid" /etc/subgid
lxd --group root >"$place/log" 2>&1 &
lxd waitready --timeout 30
lxc storage create default dir
lxc profile device add default root disk path=/ pool=default
lxc image import "$place/image.tar" --alias image
lxc init image "$name" "$@"
lxc start "$name"
echo ---
lxc exec "$name" -- /bin/ask cost "$times"
lxc delete -f "$name" >/dev/null
"""


def _unpack(place):
    if shutil.which("lxd"):
        return
    measure.run(["apt-get", "download", "-q", *PACKAGES], cwd=place, timeout=60)
    for package in place.glob("*.deb"):
        measure.run(["dpkg-deb", "-x", str(package), str(place / "root")])


def _image(world, place):
    """Busybox and the program that asks, with an init that sleeps."""
    root = place / "rootfs"
    shutil.copytree(world.rootfs, root, symlinks=True)
    for name in ("mnt/x", "sbin"):
        (root / name).mkdir(parents=True)
    shutil.copy(world.tool("ask"), root / "bin" / "ask")
    init = root / "sbin" / "init"
    init.write_text("#!/bin/sh\nwhile :; do sleep 1000; done\n")
    init.chmod(0o755)
    (place / "metadata.yaml").write_text(METADATA)
    with tarfile.open(place / "image.tar", "w") as archive:
        for name in ("metadata.yaml", "rootfs"):
            archive.add(place / name, name)


def _remove_cgroups(name):
    """The daemon keeps one to step into, and died before it could remove the others."""
    for path, _, _ in os.walk(CGROUPS, topdown=False):
        if os.path.basename(path) in ("lxc.pivot", "lxc.monitor." + name, "lxc.payload." + name):
            with contextlib.suppress(OSError):
                os.rmdir(path)


def costs(world, times):
    """What `ask cost` prints in a container whose calls LXD intercepts."""
    place = world.dir / "lxd"
    place.mkdir(exist_ok=True)
    _unpack(place)
    _image(world, place)
    (place / "var").mkdir()
    root = place / "root" / "usr"
    env = {**os.environ, "LXD_DIR": str(place / "var"), "HOME": str(place),
           "LD_LIBRARY_PATH": f"{root}/lib/x86_64-linux-gnu", "PATH": f"{root}/bin:{root}/sbin:" + os.environ["PATH"]}
    options = [word for name, value in INTERCEPT.items() for word in ("-c", f"security.syscalls.intercept.{name}={value}")]
    name = f"cay-bench-{os.getpid()}"
    try:
        out = measure.run(["unshare", "-m", "-n", "-p", "-f", "--mount-proc", "--kill-child", "--propagation", "private",
                           "sh", "-c", SCRIPT, "sh", str(place), name, times, *options], timeout=100, env=env)
    finally:
        _remove_cgroups(name)
    return out.partition("---\n")[2]
