# SPDX-License-Identifier: Apache-2.0
"""What runtime-spec 1.1 to 1.3 added: each with its effect seen from inside or from the kernel."""
import array
import ctypes
import json
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import threading
import time

import fcntl
import pytest

from harness import (MUST_RUN, Result, TIMEOUT, cay_only, cgroup_dirs_of, need, rt_runtime, run,
                     skip, wait_for)

CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def _newer_than_runc():
    cay_only("runtime-spec 1.3")


def held(cay, bundle, *options):
    """A container whose program sleeps; returns its id and host pid."""
    bundle.args("sleep", "1000")
    id = cay.start(bundle, *options)
    return id, cay.state(id)["pid"]


def detached(cay, *args):
    """A command that leaves a program behind, which must not hold our pipes."""
    with open(cay.dir / "err", "w+b") as err:
        rc = subprocess.run(cay.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=err, timeout=TIMEOUT).returncode
        err.seek(0)
        return Result(rc, "", err.read().decode(errors="replace"), args)


def done(cay, id):
    cay.ok("delete", "--force", id)


# ---- process.scheduler ----------------------------------------------------------------------

OTHER, FIFO, RR, BATCH, IDLE, DEADLINE = 0, 1, 2, 3, 5, 6


class SchedAttr(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64),
                ("nice", ctypes.c_int32), ("priority", ctypes.c_uint32),
                ("runtime", ctypes.c_uint64), ("deadline", ctypes.c_uint64),
                ("period", ctypes.c_uint64)]


def sched_attr(pid):
    a = SchedAttr()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(315, pid, ctypes.byref(a), ctypes.sizeof(a), 0) == 0, os.strerror(
        ctypes.get_errno())
    return a


@pytest.mark.parametrize("spec,policy,nice,priority", [
    ({"policy": "SCHED_OTHER", "nice": 7}, OTHER, 7, 0),
    ({"policy": "SCHED_OTHER", "nice": -3}, OTHER, -3, 0),
    ({"policy": "SCHED_BATCH", "nice": 5}, BATCH, 5, 0),
    ({"policy": "SCHED_IDLE"}, IDLE, 0, 0),
    ({"policy": "SCHED_FIFO", "priority": 12}, FIFO, 0, 12),
    ({"policy": "SCHED_RR", "priority": 3}, RR, 0, 3),
])
@pytest.mark.parametrize("user", [0, 1000])
def test_scheduler_is_that_of_the_program(cay, bundle, spec, policy, nice, priority, user):
    bundle.process["user"] = {"uid": user, "gid": user}
    bundle.process["scheduler"] = spec
    if policy in (FIFO, RR):
        rt_runtime(bundle)
    id, pid = held(cay, bundle)
    a = sched_attr(pid)
    assert (a.policy, a.nice, a.priority) == (policy, nice, priority)
    done(cay, id)


def test_scheduler_reset_on_fork_and_deadline(cay, bundle):
    bundle.process["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 1000000,
                                   "deadline": 50000000, "period": 100000000,
                                   "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    bundle.args("sleep", "1000")
    bundle.write()
    id = cay.id()
    r = detached(cay, "run", "-d", "-b", bundle.path, id)
    if r.rc != 0 and re.search("[Oo]peration not permitted|[Bb]usy", r.err):
        assert "deadline" in r.err or "all CPUs" in r.err
        skip("CPUs that take a deadline program")
    assert r.rc == 0, r
    a = sched_attr(cay.state(id)["pid"])
    assert (a.policy, a.runtime, a.deadline, a.period, a.flags & 1) == \
        (DEADLINE, 1000000, 50000000, 100000000, 1)
    done(cay, id)


def test_scheduler_of_exec(cay, bundle):
    id, _ = held(cay, bundle)
    process = dict(bundle.process, args=["sleep", "1001"], scheduler={"policy": "SCHED_BATCH", "nice": 4})
    f = cay.dir / "process.json"
    f.write_text(json.dumps(process))
    pidfile = cay.dir / "pid"
    assert detached(cay, "exec", "-d", "--process", f, "--pid-file", pidfile, id).rc == 0
    a = sched_attr(int(pidfile.read_text()))
    assert (a.policy, a.nice) == (BATCH, 4)
    done(cay, id)


@pytest.mark.parametrize("spec,message", [
    ({"policy": "SCHED_NONE"}, 'process.scheduler.policy "SCHED_NONE": no such policy'),
    ({"policy": ""}, "process.scheduler.policy: required"),
    ({"policy": "SCHED_OTHER", "nice": 20}, "process.scheduler.nice 20"),
    ({"policy": "SCHED_OTHER", "priority": 1}, "scheduler.priority can only be specified"),
    ({"policy": "SCHED_FIFO"}, "process.scheduler.priority 0: must be from 1 to 99"),
    ({"policy": "SCHED_RR", "priority": 5, "runtime": 1}, "runtime/deadline/period can only be"),
    ({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_X"]}, 'process.scheduler.flags[0] "SCHED_FLAG_X"'),
])
def test_scheduler_bad_values(cay, bundle, spec, message):
    bundle.process["scheduler"] = spec
    r = cay.run(bundle)
    assert r.rc != 0 and message in r.err, r


def test_real_time_without_real_time_says_what_is_missing(cay, bundle):
    f = pathlib.Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
    if not f.exists():
        skip("cgroup v1 cpu controller with real-time groups")
    bundle.process["scheduler"] = {"policy": "SCHED_FIFO", "priority": 1}
    r = cay.run(bundle)
    assert r.rc != 0 and "cpu.rt_runtime_us" in r.err and "realtimeRuntime" in r.err, r


# ---- ioPriority, execCPUAffinity --------------------------------------------------------------

@pytest.mark.parametrize("name,cls,priority", [("RT", 1, 2), ("BE", 2, 6), ("IDLE", 3, 0)])
def test_io_priority(cay, bundle, name, cls, priority):
    bundle.process["ioPriority"] = {"class": f"IOPRIO_CLASS_{name}", "priority": priority}
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    id, pid = held(cay, bundle)
    value = ctypes.CDLL(None).syscall(252, 1, pid)
    assert (value >> 13, value & 0x1fff) == (cls, priority)
    done(cay, id)


@pytest.mark.parametrize("spec,message", [
    ({"class": "IOPRIO_CLASS_NONE", "priority": 0}, "process.ioPriority.class"),
    ({"class": "IOPRIO_CLASS_BE", "priority": 8}, "process.ioPriority.priority 8"),
])
def test_io_priority_bad_values(cay, bundle, spec, message):
    bundle.process["ioPriority"] = spec
    r = cay.run(bundle)
    assert r.rc != 0 and message in r.err, r


def process_file(cay, bundle, **fields):
    f = cay.dir / "process.json"
    f.write_text(json.dumps({**bundle.process, **fields}))
    return f


def exec_json(cay, bundle, id, *, ok=True, **fields):
    r = cay("exec", "--process", process_file(cay, bundle, **fields), id)
    assert (r.rc == 0) == ok, r
    return r


def allowed(text):
    return re.search(r"^Cpus_allowed_list:\s*(\S+)", text, re.M)[1]


def test_exec_cpu_affinity(cay, bundle):
    if len(CPUS) < 2:
        skip("two CPUs")
    a, b = CPUS[:2]
    id, pid = held(cay, bundle)
    everywhere = allowed(pathlib.Path(f"/proc/{pid}/status").read_text())
    show = {"args": ["cat", "/proc/self/status"]}

    def run_on(affinity):
        return allowed(exec_json(cay, bundle, id, execCPUAffinity=affinity, **show).out)

    assert run_on({"initial": str(a), "final": str(b)}) == str(b)
    assert run_on({"final": str(a)}) == str(a)
    # Without a final list: what the container's cgroup has.
    assert run_on({"initial": str(a)}) == everywhere
    assert run_on({"initial": "", "final": ""}) == everywhere
    assert run_on({}) == everywhere
    r = run([cay.program, "--debug", *cay.argv("exec", "--process", process_file(cay, bundle, execCPUAffinity={"initial": str(a)}, **show), id)[1:]])
    assert f"nsexec: affinity: {1 << a:#x}" in r.err and r.err.count("affinity") == 1, r
    # From the configuration: exec only, the first process is not concerned.
    for bad in ("x", "1-0", "0,", "0 1", "-1", "99999"):
        r = exec_json(cay, bundle, id, ok=False, execCPUAffinity={"final": bad}, **show)
        assert "process.execCPUAffinity.final" in r.err
    r = exec_json(cay, bundle, id, ok=False, execCPUAffinity={"final": "8000"}, **show)
    assert "none of these CPUs is there" in r.err
    done(cay, id)


def test_exec_cpu_affinity_of_the_configuration(cay, bundle):
    bundle.process["execCPUAffinity"] = {"initial": str(CPUS[0]), "final": str(CPUS[-1])}
    id, pid = held(cay, bundle)
    assert os.sched_getaffinity(pid) == set(CPUS)
    assert allowed(cay.ok("exec", id, "cat", "/proc/self/status").out) == str(CPUS[-1])
    done(cay, id)


# ---- personality, memoryPolicy -----------------------------------------------------------------

def test_personality(cay, bundle):
    if os.uname().machine != "x86_64":
        skip("x86_64")
    bundle.linux["personality"] = {"domain": "LINUX32"}
    id, pid = held(cay, bundle)
    assert int(pathlib.Path(f"/proc/{pid}/personality").read_text(), 16) & 0xff == 8
    assert cay.ok("exec", id, "uname", "-m").out == "i686\n"
    done(cay, id)
    bundle.linux["personality"] = {"domain": "LINUX"}
    assert cay.out(bundle.sh("uname -m")) == "x86_64\n"


@pytest.mark.parametrize("spec,message", [
    ({"domain": "BSD"}, 'linux.personality.domain "BSD"'),
    ({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}, "linux.personality.flags[0]"),
])
def test_personality_bad_values(cay, bundle, spec, message):
    bundle.linux["personality"] = spec
    r = cay.run(bundle)
    assert r.rc != 0 and message in r.err, r


@pytest.mark.parametrize("spec,word", [
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]},
     "interleave=relative:0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
    ({"mode": "MPOL_PREFERRED"}, "local"),
    ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "prefer (many):0"),
    ({"mode": "MPOL_LOCAL"}, "local"),
    ({"mode": "MPOL_DEFAULT"}, "default"),
    ({}, "default"),
])
def test_memory_policy(cay, bundle, spec, word):
    if not os.path.exists("/proc/self/numa_maps"):
        skip("CONFIG_NUMA")
    bundle.linux["memoryPolicy"] = spec
    out = cay.out(bundle.args("cat", "/proc/self/numa_maps"))
    assert f" {word} " in out.splitlines()[0] + " ", out
    id, _ = held(cay, bundle)
    assert f" {word} " in cay.ok("exec", id, "cat", "/proc/self/numa_maps").out.splitlines()[0]
    done(cay, id)


@pytest.mark.parametrize("spec,message", [
    ({"mode": "MPOL_X"}, 'linux.memoryPolicy.mode "MPOL_X": invalid memory policy mode'),
    ({"nodes": "0-7"}, 'linux.memoryPolicy.mode "": invalid memory policy mode'),
    ({"mode": "MPOL_BIND"}, "linux.memoryPolicy.nodes: required"),
    ({"mode": "MPOL_BIND", "nodes": "0-"}, 'linux.memoryPolicy.nodes "0-": invalid memory policy node'),
    ({"mode": "MPOL_BIND", "nodes": "0-9876543210"}, 'linux.memoryPolicy.nodes "0-9876543210": invalid memory policy node'),
    ({"mode": "MPOL_BIND", "nodes": "1000"}, "linux.memoryPolicy: refused"),
    ({"mode": "MPOL_LOCAL", "nodes": "0"}, "takes no nodes"),
    ({"mode": "MPOL_DEFAULT", "flags": ["MPOL_F_STATIC_NODES"]}, "set_mempolicy they are an invalid argument"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"]}, 'linux.memoryPolicy.flags[0] "MPOL_F_X": invalid memory policy flag'),
    ({"mode": "MPOL_BIND", "nodes": "0",
      "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}, "exclude each other"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]},
     "MPOL_F_NUMA_BALANCING needs"),
])
def test_memory_policy_bad_values(cay, bundle, spec, message):
    bundle.linux["memoryPolicy"] = spec
    r = cay.run(bundle)
    assert r.rc != 0 and message in r.err, r


# ---- netDevices --------------------------------------------------------------------------------

@pytest.fixture
def nic(cay):
    """Two interfaces of the host, one with addresses; whatever happens, they go afterwards."""
    need("ip")
    a, b = f"cay{os.getpid() % 10000}a", f"cay{os.getpid() % 10000}b"
    r = run(["ip", "link", "add", a, "type", "veth", "peer", "name", b])
    if r.rc != 0:
        skip("interfaces of type veth")
    for args in (["addr", "add", "198.51.100.7/24", "dev", a],
                 ["addr", "add", "2001:db8:51::7/64", "dev", a, "nodad"],
                 ["addr", "add", "169.254.9.9/16", "scope", "link", "dev", a],
                 ["addr", "add", "203.0.113.5/24", "dev", a, "valid_lft", "600", "preferred_lft", "600"],
                 ["link", "set", a, "up"], ["link", "set", b, "up"]):
        assert run(["ip", *args]).rc == 0
    yield a, b
    run(["ip", "link", "del", a])
    run(["ip", "link", "del", b])


def link(name):
    r = run(["ip", "-j", "addr", "show", "dev", name])
    return json.loads(r.out)[0] if r.rc == 0 else None


def addresses(info):
    return {f"{a['local']}/{a['prefixlen']}" for a in info["addr_info"] if a["scope"] == "global"}


PERMANENT = {"198.51.100.7/24", "2001:db8:51::7/64"}


def inside(pid, *args):
    return run(["nsenter", "-t", str(pid), "-n", "ip", "-j", *args])


@pytest.mark.parametrize("name", [None, "eth0"])
def test_net_device_moves_in(cay, bundle, nic, name):
    a, _ = nic
    bundle.linux["netDevices"] = {a: {"name": name} if name else {}}
    bundle.hook("createRuntime", f"ip link show dev {a} >/dev/null 2>&1 && exit 1; exit 0")
    id, pid = held(cay, bundle)
    assert link(a) is None
    info = json.loads(inside(pid, "addr", "show", "dev", name or a).out)[0]
    assert "UP" in info["flags"]
    # What was leased or belongs to the link stays behind.
    assert addresses(info) == PERMANENT
    assert name is None or inside(pid, "addr", "show", "dev", a).rc != 0
    done(cay, id)


def test_net_device_and_a_user_namespace(cay, bundle, nic):
    a, _ = nic
    bundle.linux["netDevices"] = {a: {"name": "eth7"}}
    bundle.namespace("user")
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 1000}]
    r = cay.run(bundle.sh("ip addr show dev eth7"))
    if r.rc != 0 and "rootfs" in r.err:
        skip("a root that a mapped user may search")
    assert r.rc == 0 and "198.51.100.7/24" in r.out, r


@pytest.mark.parametrize("how", ["hook", "program", "second", "name"])
def test_net_device_comes_back_when_the_launch_fails(cay, bundle, nic, how):
    a, b = nic
    before = link(a)
    bundle.linux["netDevices"] = {a: {"name": "eth0"}}
    if how == "hook":
        bundle.hook("createRuntime", "exit 3")
    elif how == "program":
        # Found, but refused by the kernel: the very last step of all.
        (bundle.rootfs / "bin" / "odd").write_bytes(b"not a program\n")
        (bundle.rootfs / "bin" / "odd").chmod(0o755)
    elif how == "second":
        bundle.linux["netDevices"]["cay-none"] = {"name": "eth1"}
    else:
        bundle.linux["netDevices"][a] = {"name": "lo"}
    r = cay.run(bundle.args("/bin/odd" if how == "program" else "true"))
    assert r.rc != 0, r
    if how in ("second", "name"):
        assert 'linux.netDevices["' in r.err
    after = link(a)
    assert after, r
    assert "UP" in after["flags"] and after["address"] == before["address"]
    assert addresses(after) >= PERMANENT
    assert link(b)


@pytest.mark.parametrize("devices,message", [
    ({"a/b": {}}, "invalid network device name"),
    ({"": {}}, "invalid network device name"),
    ({"x" * 16: {}}, "invalid network device name"),
    ({"cay-x": {"name": ".."}}, "invalid network device name"),
    ({"cay-x": {"name": "e%d"}}, "invalid network device name"),
    ({"cay-x": {"name": "e"}, "cay-y": {"name": "e"}}, "two interfaces"),
    ({"cay-none": {}}, 'linux.netDevices["cay-none"]'),
])
def test_net_device_bad_values(cay, bundle, devices, message):
    bundle.linux["netDevices"] = devices
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and message in r.err, r


def test_net_device_needs_a_namespace(cay, bundle):
    bundle.linux["netDevices"] = {"lo": {}}
    bundle.namespace("network", remove=True)
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "NET namespace" in r.err, r


# ---- intelRdt, labels: hosts that lack them --------------------------------------------------------

def mounted(fstype):
    return f" - {fstype} " in pathlib.Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("rdt", [{}, {"closID": "x"}, {"closID": "/", "enableMonitoring": True}])
def test_rdt_without_resctrl_is_an_error(cay, bundle, rdt):
    if mounted("resctrl"):
        skip("a host without resctrl")
    bundle.linux["intelRdt"] = rdt
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "resctrl" in r.err, r


def apparmor():
    f = pathlib.Path("/sys/module/apparmor/parameters/enabled")
    return f.exists() and f.read_text().startswith("Y")


@pytest.mark.parametrize("field,value", [("apparmorProfile", "cay-none"), ("selinuxLabel", "a:b:c:s0")])
def test_label_without_its_module_is_an_error(cay, bundle, field, value):
    if mounted("selinuxfs") if field == "selinuxLabel" else apparmor():
        skip("a host without that security module")
    bundle.process[field] = value
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and f"process.{field}" in r.err and "disabled" in r.err, r


def test_mount_label_without_selinux_is_an_error(cay, bundle):
    if mounted("selinuxfs"):
        skip("a host without SELinux")
    bundle.linux["mountLabel"] = "a:b:c:s0"
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "linux.mountLabel" in r.err and "SELinux" in r.err, r


def test_empty_labels_ask_for_nothing(cay, bundle):
    bundle.process.update(apparmorProfile="", selinuxLabel="")
    bundle.linux["mountLabel"] = ""
    assert cay.run(bundle.args("true")).rc == 0
    bundle.process["apparmorProfile"] = "unconfined"
    assert cay.run(bundle.args("true")).rc == 0


# ---- linux.resources -----------------------------------------------------------------------------

def test_cpu_burst_and_idle(cay, bundle):
    bundle.linux["resources"]["cpu"] = {"quota": 50000, "period": 100000, "burst": 20000, "idle": 1}
    id, pid = held(cay, bundle)
    d = cgroup_dirs_of(pid)
    at = d.get("cpu") or d["unified"]
    burst = at / "cpu.cfs_burst_us"
    if not burst.exists():
        burst = at / "cpu.max.burst"
    assert burst.read_text() == "20000\n"
    assert (at / "cpu.idle").read_text() == "1\n"
    done(cay, id)


def test_update_changes_limits_in_both_directions(cay, bundle):
    """Whatever the kernel checks a new value against: what was, or what comes with it."""
    if not os.path.exists("/sys/fs/cgroup/cpu/cpu.cfs_burst_us"):
        skip("cgroup v1 cpu controller with cpu.cfs_burst_us")
    bundle.linux["resources"].update(memory={"limit": 100 << 20, "swap": 100 << 20},
                                     cpu={"quota": 50000, "period": 100000, "burst": 40000})
    id, pid = held(cay, bundle)
    d = cgroup_dirs_of(pid)

    def now():
        names = [d["memory"] / "memory.limit_in_bytes", d["memory"] / "memory.memsw.limit_in_bytes"]
        names += [d["cpu"] / f"cpu.{n}" for n in ("cfs_quota_us", "cfs_period_us", "cfs_burst_us", "idle")]
        return [int(f.read_text()) if f.exists() else None for f in names]

    state = now()
    swap = state[1] is not None
    for change, want in [
        ({"memory": {"limit": 200 << 20, "swap": 300 << 20}}, {0: 200 << 20, 1: 300 << 20}),
        ({"memory": {"limit": 50 << 20, "swap": 60 << 20}}, {0: 50 << 20, 1: 60 << 20}),
        ({"cpu": {"quota": 10000, "burst": 5000}}, {2: 10000, 4: 5000}),
        ({"cpu": {"quota": 80000, "period": 200000, "burst": 70000}}, {2: 80000, 3: 200000, 4: 70000}),
        ({"cpu": {"idle": 1}}, {5: 1}),
        ({"cpu": {"idle": 0}}, {5: 0}),
    ]:
        cay.ok("update", "--resources", "-", id, input=json.dumps(change))
        for i, v in want.items():
            state[i] = v if swap or i != 1 else None
        assert now() == state, change
    # Below what is used: refused, and nothing changed.
    cay.fails("update", "--resources", "-", id, input=json.dumps({"memory": {"limit": 4096, "swap": 4096}}))
    assert now() == state
    done(cay, id)


# ---- seccomp notifications -----------------------------------------------------------------------

NR = {"mkdir": 83, "mkdirat": 258}
RECV, SEND = 0xc0502100, 0xc0182101
CONTINUE = 1


class Agent:
    """Listens for container process states; answers mkdir with 9 (or the number in the path)."""

    def __init__(self, path, answers=True, delay=0):
        self.path, self.answers, self.delay = str(path), answers, delay
        self.states, self.seen, self.raw, self.fds = [], [], [], []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        self.sock.listen(8)
        self.stop_r, self.stop_w = os.pipe()
        self.errors = []
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        while True:
            ready, _, _ = select.select([self.sock, self.stop_r], [], [])
            if self.stop_r in ready:
                return
            conn, _ = self.sock.accept()
            with conn:
                conn.settimeout(TIMEOUT)
                time.sleep(self.delay)
                fds = array.array("i")
                text, anc, _, _ = conn.recvmsg(65536, socket.CMSG_LEN(64))
                for level, kind, data in anc:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        fds.frombytes(data)
                first = len(text)
                while True:
                    more = conn.recv(65536)
                    if not more:
                        break
                    text += more
            self.raw.append((first, len(text), len(fds)))
            self.fds += fds
            try:
                self.states.append(json.loads(text))
            except ValueError as e:
                self.errors.append((e, text))
            for fd in fds:
                t = threading.Thread(target=self.serve, args=(fd,))
                self.threads.append(t)
                t.start()

    def serve(self, fd):
        while self.answers:
            p = select.poll()
            p.register(fd, select.POLLIN)
            p.register(self.stop_r, select.POLLIN)
            got = dict(p.poll())
            if self.stop_r in got or got.get(fd, 0) & select.POLLHUP:
                return
            buf = bytearray(80)
            try:
                fcntl.ioctl(fd, RECV, buf)
            except OSError:
                continue
            id, pid, _ = struct.unpack_from("=QII", buf)
            nr, _, _, a0, a1 = struct.unpack_from("=iIQQQ", buf, 16)
            name = {v: k for k, v in NR.items()}.get(nr, str(nr))
            self.seen.append((name, pid))
            error, flags = (-9, 0) if name in NR else (0, CONTINUE)
            try:
                fcntl.ioctl(fd, SEND, bytearray(struct.pack("=QqiI", id, 0, error, flags)))
            except FileNotFoundError:
                pass  # a signal interrupted the call, which is asked about again, or ended its process
            except OSError as e:
                self.errors.append(e)

    def close(self):
        os.write(self.stop_w, b"x")
        for t in self.threads:
            t.join(TIMEOUT)
        for fd in self.fds + [self.stop_r, self.stop_w]:
            os.close(fd)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()
        assert not self.errors


def notify(bundle, path, *names, default="SCMP_ACT_ALLOW", more=(), **fields):
    bundle.linux["seccomp"] = {
        "defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"], "listenerPath": str(path),
        "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}, *more], **fields}
    return bundle


pytestmark_x86 = pytest.mark.skipif(os.uname().machine != "x86_64" and not MUST_RUN, reason="x86_64")
MKDIR = "mkdir /tmp/x 2>&1; echo $?; ls -d /tmp/x 2>/dev/null; true"


@pytestmark_x86
@pytest.mark.parametrize("nnp", [True, False])
@pytest.mark.parametrize("how", ["run", "create"])
def test_notify(cay, bundle, how, nnp):
    sock = cay.dir / "agent"
    bundle.process["noNewPrivileges"] = nnp
    bundle.config["annotations"] = {"a.b": "c"}
    notify(bundle, sock, "mkdir", "mkdirat", listenerMetadata="hello \"agent\"")
    if how == "create":
        bundle.sh(MKDIR + "; sleep 1000")
    else:
        bundle.sh(MKDIR)
    with Agent(sock) as agent:
        if how == "run":
            r = cay.run(bundle)
            assert r.rc == 0 and "Bad file descriptor" in r.out and "/tmp/x" not in r.lines[1:], r
            pid = agent.states[0]["pid"]
        else:
            id = cay.create(bundle)
            assert agent.states == []
            cay.ok("start", id)
            wait_for(lambda: agent.seen, "a notification")
            pid = cay.state(id)["pid"]
            done(cay, id)
    s, = agent.states
    assert s["fds"] == ["seccompFd"] and s["metadata"] == 'hello "agent"'
    assert s["pid"] == pid == s["state"]["pid"]
    assert s["state"]["status"] == ("created" if how == "create" else "creating")
    assert s["state"]["bundle"] == str(bundle.path) and s["state"]["annotations"] == {"a.b": "c"}
    assert s["ociVersion"].startswith("1.")
    # One message: the text whole, the fd with it.
    first, whole, fds = agent.raw[0]
    assert first == whole and fds == 1
    assert agent.seen


@pytestmark_x86
def test_notify_exec(cay, bundle):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir", "mkdirat").args("sleep", "1000")
    with Agent(sock) as agent:
        id = cay.start(bundle)
        r = cay("exec", id, "sh", "-c", MKDIR)
        assert "Bad file descriptor" in r.out, r
        first, second = agent.states
        init = cay.state(id)["pid"]
        done(cay, id)
    assert first["pid"] == first["state"]["pid"] == init
    assert second["state"]["pid"] == init and second["pid"] != init
    assert second["state"]["status"] == "running"
    assert "metadata" not in second


@pytestmark_x86
@pytest.mark.parametrize("names", [
    ["sendmsg", "recvmsg", "close", "futex", "nanosleep", "mkdir"],
    ["capset", "capget", "prctl", "execve", "mkdir"],
    ["close_range", "wait4", "exit", "sched_yield", "clock_gettime", "mkdir"],
])
@pytest.mark.parametrize("nnp", [True, False])
def test_notify_of_calls_that_the_runtime_makes_can_not_deadlock(cay, bundle, names, nnp):
    """The agent gets its fd whatever the profile asks it about."""
    sock = cay.dir / "agent"
    bundle.process["noNewPrivileges"] = nnp
    notify(bundle, sock, *names).sh(MKDIR)
    with Agent(sock) as agent:
        r = cay.run(bundle)
    assert r.rc == 0 and "Bad file descriptor" in r.out, (r, agent.seen)


@pytestmark_x86
@pytest.mark.parametrize("names", [
    ["sendmsg", "recvmsg", "close", "futex", "nanosleep", "clock_nanosleep", "close_range", "sched_yield"],
])
def test_notify_of_a_profile_that_kills_for_them(cay, bundle, names):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir", more=[{"names": [n for n in names if n != "close"],
                                         "action": "SCMP_ACT_KILL_PROCESS"}])
    with Agent(sock):
        r = cay.run(bundle.sh(MKDIR))
    assert r.rc == 0 and "Bad file descriptor" in r.out, r


@pytestmark_x86
def test_notify_of_a_real_time_program(cay, bundle):
    sock = cay.dir / "agent"
    bundle.process["scheduler"] = {"policy": "SCHED_FIFO", "priority": 5}
    rt_runtime(bundle)
    if "cpu" in bundle.linux["resources"]:
        bundle.linux["resources"]["cpu"]["realtimeRuntime"] = 100000
    with Agent(sock):
        r = cay.run(notify(bundle, sock, "mkdir").sh(MKDIR))
    assert r.rc == 0 and "Bad file descriptor" in r.out, r


@pytestmark_x86
def test_notify_without_an_agent_fails(cay, bundle):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir")
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "seccomp agent" in r.err and str(sock) in r.err, r
    id = cay.create(bundle.args("sleep", "1000"))
    r = cay.fails("start", id)
    assert "seccomp agent" in r.err
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


@pytestmark_x86
def test_notify_agent_that_hangs_up(cay, bundle):
    """Its fd is gone: the call fails with ENOSYS, the program goes on."""
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir").sh("sleep 0.5; " + MKDIR)
    with Agent(sock, answers=False) as agent:
        bundle.write()
        p = cay.popen("run", "-b", bundle.path, cay.id(), stdout=subprocess.PIPE,
                      stdin=subprocess.DEVNULL)
        wait_for(lambda: agent.states, "the state")
        for fd in agent.fds:
            os.close(fd)
        agent.fds.clear()
        out, _ = p.communicate(timeout=TIMEOUT)
    assert b"not implemented" in out, out


@pytestmark_x86
def test_notify_long_state_and_slow_agent(cay, bundle):
    sock = cay.dir / "agent"
    bundle.config["annotations"] = {f"k{i}": "v" * 1000 for i in range(300)}
    notify(bundle, sock, "mkdir")
    with Agent(sock, delay=0.7) as agent:
        r = cay.run(bundle.sh(MKDIR))
    assert r.rc == 0 and "Bad file descriptor" in r.out, r
    assert len(agent.states[0]["state"]["annotations"]) == 300
    assert agent.raw[0][2] == 1


@pytestmark_x86
def test_notify_leaves_no_fd_and_no_process(cay, bundle):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir")
    with Agent(sock):
        out = cay.out(bundle.sh("exec probe fds"))
        assert {ln.split()[0] for ln in out.splitlines()} <= {"0", "1", "2"}, out
        out = cay.out(bundle.sh("ps -o pid,stat,args"))
    assert not [ln for ln in out.splitlines() if " Z" in ln], out


@pytestmark_x86
def test_denied_close_range_leaks_no_fd(cay, bundle):
    for nnp in (True, False):
        bundle.process["noNewPrivileges"] = nnp
        bundle.linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["close_range"], "action": "SCMP_ACT_ERRNO"}]}
        out = cay.out(bundle.args("probe", "fds"))
        assert {ln.split()[0] for ln in out.splitlines()} <= {"0", "1", "2"}, out


@pytest.mark.parametrize("seccomp,message", [
    ({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x"}, "default"),
    ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x",
      "syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]},
     "SCMP_ACT_NOTIFY cannot be used for the write syscall"),
    ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]},
     "listenerPath"),
    ({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}, "linux.seccomp.listenerMetadata"),
    ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]},
     "SCMP_ACT_NOTIFY"),
    ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/" + "x" * 600,
      "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}, "too long"),
])
def test_notify_bad_values(cay, bundle, seccomp, message):
    bundle.linux["seccomp"] = seccomp
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and message in r.err, r


def test_listener_that_nobody_uses_is_ignored(cay, bundle):
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nowhere"}
    assert cay.run(bundle.args("true")).rc == 0


@pytestmark_x86
def test_notify_with_flags(cay, bundle):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir", flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                                         "SECCOMP_FILTER_FLAG_TSYNC"])
    with Agent(sock):
        r = cay.run(bundle.sh(MKDIR))
    assert r.rc == 0 and "Bad file descriptor" in r.out, r


@pytest.mark.parametrize("flags,number", [(None, 4), ([], 0), (["TSYNC"], 0), (["LOG"], 2), (["TSYNC", "LOG", "SPEC_ALLOW"], 6)])
def test_a_debug_message_tells_the_flags_of_the_filter(cay, bundle, flags, number):
    """As with runc, which takes the program's speculation for its own business when nothing is said."""
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}
    if flags is not None:
        bundle.linux["seccomp"]["flags"] = [f"SECCOMP_FILTER_FLAG_{f}" for f in flags]
    bundle.args("true").write()
    assert f'msg="seccomp filter flags: {number}"' in cay.ok("--debug", "run", "-b", bundle.path, cay.id()).err
    id = cay.start(bundle.args("sleep", "1000"))
    assert f'msg="seccomp filter flags: {number}"' in cay.ok("--debug", "exec", id, "true").err
    cay.destroy(id)


# ---- features ------------------------------------------------------------------------------------

def test_features_tell_the_truth(cay):
    f = json.loads(cay.ok("features").out)["linux"]
    for key in ("apparmor", "selinux", "intelRdt", "netDevices"):
        assert f[key]["enabled"] is True
    assert f["intelRdt"]["schemata"] and f["intelRdt"]["monitoring"] and f["cgroup"]["rdma"]
    assert "MPOL_WEIGHTED_INTERLEAVE" in f["memoryPolicy"]["modes"]
    assert "MPOL_F_STATIC_NODES" in f["memoryPolicy"]["flags"]
    assert "SCMP_ACT_NOTIFY" in f["seccomp"]["actions"]
    assert "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" in f["seccomp"]["supportedFlags"]
