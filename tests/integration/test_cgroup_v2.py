# SPDX-License-Identifier: Apache-2.0
"""Limits on a pure cgroup v2 host: that they are written, and that they bite."""
import os

import pytest

from harness import CGROUP_ROOT, cgroup_dirs_of, skip, wait_for


@pytest.fixture(autouse=True)
def _pure_v2():
    if not (CGROUP_ROOT / "cgroup.controllers").exists():
        skip("pure cgroup v2")


def controllers():
    return (CGROUP_ROOT / "cgroup.controllers").read_text().split()


def need_controller(name):
    if name not in controllers():
        skip(f"cgroup controller {name}")


@pytest.fixture
def started(cay, bundle):
    """Start a container with these resources; returns a reader of its cgroup's files."""
    ids = []

    def start(args=("sleep", "1000"), **resources):
        bundle.linux["resources"].update(resources)
        ids.append(cay.start(bundle.args(*args)))
        d = cgroup_dirs_of(cay.pid(ids[0]))["unified"]

        def read(name):
            if not (d / name).exists():
                skip(f"{name} of this kernel")
            return (d / name).read_text().strip()
        read.id, read.dir = ids[0], d
        return read
    yield start
    for id in ids:
        cay.destroy(id)


def test_memory_limits_are_written(started):
    need_controller("memory")
    read = started(memory={"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20})
    assert (read("memory.max"), read("memory.low")) == (str(64 << 20), str(32 << 20))
    assert read("memory.swap.max") == str(32 << 20)


def test_who_takes_too_much_memory_is_killed_and_it_is_counted(cay, started):
    need_controller("memory")
    read = started(("sh", "-c", "probe memory 128; echo $? > /tmp/status; sleep 1000"), memory={"limit": 32 << 20})
    wait_for(lambda: "oom_kill 1" in read("memory.events"), "the oom kill")


def test_cpu_limits_are_written(started):
    need_controller("cpu")
    read = started(cpu={"shares": 1024, "quota": 50000, "period": 100000, "burst": 10000})
    assert (read("cpu.max"), read("cpu.weight"), read("cpu.max.burst")) == ("50000 100000", "39", "10000")


def test_idle_is_written(started):
    need_controller("cpu")
    assert started(cpu={"idle": 1})("cpu.idle") == "1"


def test_who_takes_too_much_time_is_throttled(started):
    need_controller("cpu")
    read = started(("sh", "-c", "while :; do :; done"), cpu={"quota": 5000, "period": 100000})
    stat = lambda: dict(ln.split() for ln in read("cpu.stat").splitlines())  # noqa: E731
    wait_for(lambda: int(stat()["nr_throttled"]) > 2, "the throttle")


def test_a_cpu_set_is_written_and_in_force(cay, started):
    need_controller("cpuset")
    read = started(cpu={"cpus": "0", "mems": "0"})
    assert (read("cpuset.cpus"), read("cpuset.cpus.effective"), read("cpuset.mems")) == ("0", "0", "0")
    assert os.sched_getaffinity(cay.pid(read.id)) == {0}


def test_the_number_of_processes_is_limited_from_the_first_on(cay, bundle):
    need_controller("pids")
    bundle.linux["resources"]["pids"] = {"limit": 1}
    assert cay.out(bundle.args("echo", "alone")) == "alone\n"
    assert int(cay.out(bundle.args("probe", "fork", "5"))) == 0


def disk():
    """Device number of a whole disk."""
    for d in sorted(os.listdir("/sys/block")):
        if os.path.exists(f"/sys/block/{d}/device"):
            with open(f"/sys/block/{d}/dev") as f:
                return tuple(map(int, f.read().split(":")))
    skip("a disk")


def test_block_io_is_limited(started):
    need_controller("io")
    major, minor = disk()
    read = started(blockIO={
        "throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 1 << 20}],
        "throttleWriteIOPSDevice": [{"major": major, "minor": minor, "rate": 300}]})
    assert read("io.max") == f"{major}:{minor} rbps={1 << 20} wbps=max riops=max wiops=300"


def test_huge_pages_are_limited(started):
    need_controller("hugetlb")
    assert started(hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])("hugetlb.2MB.max") == str(4 << 20)


def test_unified_values_have_the_last_word(started):
    need_controller("memory")
    read = started(memory={"limit": 64 << 20},
                   unified={"memory.max": str(48 << 20), "memory.high": str(40 << 20), "memory.oom.group": "1"})
    assert [read(f) for f in ("memory.max", "memory.high", "memory.oom.group")] == \
        [str(48 << 20), str(40 << 20), "1"]


@pytest.mark.parametrize("resources, word", [
    ({"memory": {"limit": 1 << 20, "swappiness": 10}}, "swappiness"),
    ({"cpu": {"realtimeRuntime": 1000, "realtimePeriod": 10000}}, "realtime"),
    ({"network": {"classID": 7}}, "net_cls"),
    ({"unified": {"no.such": "1"}}, "no.such"),
    ({"unified": {"memory.max": "much"}}, "memory.max"),
    ({"cpu": {"cpus": "4000"}}, "cpuset.cpus"),
])
def test_what_v2_lacks_or_refuses_is_an_error(cay, bundle, resources, word):
    bundle.linux["resources"].update(resources)
    line = cay.error_line(cay.run(bundle.args("true")))
    assert word in line


# Whether there is a driver is told behind the program's word: ENODEV is not EPERM.
FUSE = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}


def test_devices_are_denied_by_a_program(cay, bundle):
    bundle.linux["devices"] = [FUSE]
    bundle.sh("(: < /dev/fuse) 2>&1; echo > /dev/null && echo null")
    out = cay.out(bundle)
    assert "Operation not permitted" in out and "null" in out
    bundle.linux["resources"]["devices"].append({"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"})
    assert "Operation not permitted" not in cay.out(bundle)


def test_a_device_that_is_readable_only_can_not_be_written(cay, bundle):
    bundle.linux["devices"] = [FUSE]
    bundle.linux["resources"]["devices"].append({"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"})
    assert "Operation not permitted" in cay.run(bundle.sh("(: >> /dev/fuse) 2>&1")).out


def test_a_cgroup_namespace_shows_nothing_above(cay, bundle):
    bundle.namespace("cgroup")
    bundle.mount("/sys/fs/cgroup", type="cgroup", source="cgroup", options=["ro"])
    bundle.linux["resources"]["pids"] = {"limit": 33}
    out = cay.out(bundle.sh("cat /proc/self/cgroup /sys/fs/cgroup/pids.max; grep cgroup2 /proc/self/mountinfo"))
    lines = out.splitlines()
    assert lines[:2] == ["0::/", "33"]
    assert lines[2].split()[3:5] == ["/", "/sys/fs/cgroup"]


def test_a_container_may_hand_out_its_own_cgroup(cay, bundle):
    """What systemd inside needs: a writable mount, controllers to hand down."""
    need_controller("pids")
    bundle.namespace("cgroup")
    bundle.mount("/sys/fs/cgroup", type="cgroup", source="cgroup", options=["rw"])
    out = cay.out(bundle.sh("cd /sys/fs/cgroup && mkdir inner && echo $$ > inner/cgroup.procs && "
                            "echo +pids > cgroup.subtree_control && mkdir sub && echo 5 > sub/pids.max && "
                            "cat sub/pids.max && cat /proc/self/cgroup"))
    assert out.split() == ["5", "0::/inner"]


def test_kill_all_uses_the_tree(cay, bundle):
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "pid"]
    id = cay.start(bundle.sh("for i in 1 2 3; do setsid sleep 1000 & done; sleep 1000"))
    d = cgroup_dirs_of(cay.pid(id))["unified"]
    wait_for(lambda: len((d / "cgroup.procs").read_text().split()) >= 4, "the processes")
    cay.ok("kill", id, "KILL")
    wait_for(lambda: not (d / "cgroup.procs").read_text(), "their end")
    cay.ok("delete", id)
    assert not d.exists()
