# SPDX-License-Identifier: Apache-2.0
"""System calls on loan: what a call costs by kind, done by oneself and through cay agent; and what is not asked about."""
import contextlib
import os
import shutil
import subprocess
import time

import lxd
import measure
import peers
from world import OCI

CALLS = ["socket", "connect", "bind", "mount", "umount2", "mknod", "mknodat", "setxattr", "sched_setscheduler", "sched_setaffinity"]
POLICY = """default deny
allow socket unix dgram
allow socket inet stream
allow socket inet dgram
allow socket inet dgram icmp
allow connect udp 127.0.0.1/32:9080
allow bind udp 127.0.0.1/32:9080
allow unix /mnt/server
allow mount tmpfs on /mnt/x size<=64k
allow mknod p
allow mknod c 1:3 on /mnt/*
allow xattr trusted.overlay.opaque on /mnt/**
allow sched cpus 0
"""
# Kinds of `ask cost`, in our words.
KINDS = {"socket": "socket, left to the kernel", "socket-refused": "socket, refused", "socket-ping": "socket for a ping",
         "connect-udp": "socket and connect, UDP", "connect-unix": "socket and connect, Unix by path", "bind": "socket and bind, UDP",
         "mount-umount2": "mount and umount2, tmpfs", "mknod-fifo": "mknod of a pipe, unlink",
         "mknod-null": "mknod of a device, umount2, unlink", "setxattr-opaque": "setxattr, trusted.overlay.opaque",
         "sched_setaffinity": "sched_setaffinity"}
# Units of bench/work, and calls in each: what is not asked about.
REST = {"getppid": (40, 10000), "pipe": (10, 10000), "stat": (15, 5000)}


@contextlib.contextmanager
def _agent(world):
    """An agent beside cay; the path of its socket."""
    world.program("cay-broker", world.build / "cay-broker")
    policies, sock = world.dir / "policies", str(world.dir / "agent.sock")
    policies.mkdir(exist_ok=True)
    (policies / "bench.policy").write_text(POLICY)
    words = [world.cay, "agent", "--policy-dir", str(policies), "--listen", sock, "--rate", "1000000"]
    with open(world.dir / "agent.log", "w+", encoding="utf-8") as log, \
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as agent:
        try:
            for _ in range(200):
                if measure.call([world.cay, "agent", "status", "--listen", sock], 10)[0] == 0:
                    break
                if agent.poll() is not None:
                    raise measure.Failed((world.dir / "agent.log").read_text().strip()[-300:])
                time.sleep(0.02)
            yield sock
        finally:
            agent.terminate()
            agent.wait(10)
            shutil.rmtree(sock + ".dev", ignore_errors=True)


def _rootfs(world, owner):
    root = world.dir / world.name("root")
    shutil.copytree(world.rootfs, root, symlinks=True)
    (root / "mnt" / "x").mkdir(parents=True)
    shutil.copy(world.tool("ask"), root / "bin" / "ask")
    subprocess.run(["chown", "-R", f"{owner}:{owner}", root], check=True)
    return root


def _own(spec):
    """Root without a filter, with the capabilities that the calls need; devices are all allowed."""
    for caps in spec["process"]["capabilities"].values():
        caps += ["CAP_SYS_ADMIN", "CAP_MKNOD"]
    spec["root"]["readonly"] = False
    spec["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    spec["linux"]["sysctl"] = {"net.ipv4.ping_group_range": "0 0"}


def _lent(sock):
    """Root of a user namespace of its own, that asks for each of the calls."""
    def change(spec):
        linux = spec["linux"]
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        spec["root"]["readonly"] = False
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "listenerPath": sock,
                            "listenerMetadata": "bench", "syscalls": [{"names": CALLS, "action": "SCMP_ACT_NOTIFY"}]}
    return change


def _commands(world, run, sock, args):
    """Who makes the calls: a container with the rights for them, and ones that borrow, of each runtime that can."""
    commands = {"native": peers.start(world, "cay", world.bundle(_own, args, _rootfs(world, 0)))}
    for name in (n for n in OCI if n in run.able):
        commands[f"{name}, agent"] = peers.start(world, name, world.bundle(_lent(sock), args, _rootfs(world, 100000)))
    return commands


def _kinds(world, run, table, sock):
    best, rounds, times = {}, 1 if world.quick else 4, "10" if world.quick else "200"

    def note(series, out):
        for kind, took in (line.split() for line in out.splitlines()):
            if kind in KINDS and took.isdigit():
                cells = best.setdefault(kind, {})
                cells[series] = min(cells.get(series, 1 << 62), int(took) / 1e3)

    commands = _commands(world, run, sock, ("/bin/ask", "cost", times))
    for number in range(rounds):
        for series, argv in commands.items():
            run.progress(f"{series}, round {number + 1}/{rounds}")
            note(series, table.attempt(world, series, lambda a=argv: measure.run(a, timeout=60)) or "")
    if world.quick:
        table.absent("LXD", "started anew for this: not with --quick")
    else:
        run.progress("LXD")
        note("LXD", table.attempt(world, "LXD", lambda: lxd.costs(world, times)) or "")
    for kind in (k for k in KINDS if k in best):
        table.put_all(KINDS[kind], best[kind])
    return {series for cells in best.values() for series in cells}


def _rest(world, run, table, sock, able):
    for load, (units, calls) in REST.items():
        units = units // 4 if world.quick else units
        commands, best = _commands(world, run, sock, ("/bin/work", load, str(units))), {}
        for _ in range(2 if world.quick else 10):
            for series, argv in ((s, a) for s, a in commands.items() if s in able):
                run.progress(f"{load}, {series}")
                best[series] = min(best.get(series, 1 << 62), int(measure.run(argv)) / 1e3 / units / calls)
        table.put_all(f"{load}, not asked about", best)


def brokered(world, run):
    table = run.table("System calls on loan: a call by kind", "µs",
                      "native: by root of the host's user namespace, in a container without a filter. agent: by a container with a "
                      "user namespace of its own, whose calls cay agent performs. "
                      "LXD: likewise, by its daemon, of mount, mknod, setxattr and sched_setscheduler; all else it leaves to the "
                      "kernel. What the filter does not send costs the filter alone.")
    os.chmod(world.dir, 0o755)
    with _agent(world) as sock:
        _rest(world, run, table, sock, _kinds(world, run, table, sock))
