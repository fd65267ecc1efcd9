# SPDX-License-Identifier: Apache-2.0
"""Limits that only cgroup v1 has, or that few kernels still have: on the real files where they are.

test_cgroup_recorded.c has all of them, on recorded trees.
"""
import os

import pytest

from harness import CGROUP_ROOT, cgroup_dirs_of, skip


def needs(cay, controller, name):
    """A new cgroup has the file."""
    base = next((d for d in CGROUP_ROOT.iterdir() if controller in d.name.split(",")), None)
    if not base or not (base / "tasks").exists():
        skip(f"controller {controller} of cgroup v1")
    new = base / cay.token
    new.mkdir()
    there = (new / name).exists()
    new.rmdir()
    if not there:
        skip(f"{name} of this kernel")


    if name == "cpu.rt_runtime_us":
        taken = sum(int(f.read_text()) for f in base.glob(f"*/{name}"))
        if taken + 1000 > int((base / name).read_text()):
            skip("real time that no other cgroup has taken")


def disk():
    """A whole disk that the block layer knows, as MAJOR:MINOR; what a file lies on may be none."""
    for name in sorted(os.listdir("/sys/block")):
        with open(f"/sys/block/{name}/dev", encoding="ascii") as f:
            major, minor = map(int, f.read().split(":"))
        return {"major": major, "minor": minor}
    skip("a block device")
    return None


# resources, controller, file, what it then says; "%" is the device
LIMITS = {
    "kernelTCP": ({"memory": {"kernelTCP": 1 << 20}}, "memory", "memory.kmem.tcp.limit_in_bytes", "1048576"),
    "useHierarchy": ({"memory": {"useHierarchy": True}}, "memory", "memory.use_hierarchy", "1"),
    "swappiness": ({"memory": {"swappiness": 42}}, "memory", "memory.swappiness", "42"),
    "disableOOMKiller": ({"memory": {"disableOOMKiller": True}}, "memory", "memory.oom_control", "oom_kill_disable 1"),
    "read bps": ({"blockIO": {"throttleReadBpsDevice": [{"rate": 1048576}]}}, "blkio",
                 "blkio.throttle.read_bps_device", "% 1048576"),
    "write bps": ({"blockIO": {"throttleWriteBpsDevice": [{"rate": 1048576}]}}, "blkio",
                  "blkio.throttle.write_bps_device", "% 1048576"),
    "read iops": ({"blockIO": {"throttleReadIOPSDevice": [{"rate": 100}]}}, "blkio",
                  "blkio.throttle.read_iops_device", "% 100"),
    "write iops": ({"blockIO": {"throttleWriteIOPSDevice": [{"rate": 100}]}}, "blkio",
                   "blkio.throttle.write_iops_device", "% 100"),
    "weight": ({"blockIO": {"weight": 321}}, "blkio", "blkio.weight", "321"),
    "bfq weight": ({"blockIO": {"weight": 321}}, "blkio", "blkio.bfq.weight", "321"),
    "leafWeight": ({"blockIO": {"leafWeight": 321}}, "blkio", "blkio.leaf_weight", "321"),
    "classID": ({"network": {"classID": 0x100001}}, "net_cls", "net_cls.classid", "1048577"),
    "priorities": ({"network": {"priorities": [{"name": "lo", "priority": 3}]}}, "net_prio", "net_prio.ifpriomap", "lo 3"),
    "realtime": ({"cpu": {"realtimeRuntime": 1000, "realtimePeriod": 1000000}}, "cpu", "cpu.rt_runtime_us", "1000"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_of_v1_is_in_its_file(cay, bundle, name):
    resources, controller, file, want = LIMITS[name]
    needs(cay, controller, file)
    for rows in resources.get("blockIO", {}).values():
        if isinstance(rows, list):
            rows[0].update(disk())
            want = want.replace("%", "{major}:{minor}".format(**rows[0]))
    bundle.linux["resources"].update(resources)
    id = cay.start(bundle.args("sleep", "1000"))
    text = (cgroup_dirs_of(cay.pid(id))[controller] / file).read_text()
    assert want in text.splitlines()
    cay.destroy(id)


def test_a_limit_of_kernel_memory_is_taken_and_not_written(cay, bundle):
    """As runc does: the kernel refuses to set it, and old configurations name it."""
    needs(cay, "memory", "memory.kmem.limit_in_bytes")
    bundle.linux["resources"]["memory"] = {"limit": 1 << 30, "kernel": 32 << 20}
    id = cay.start(bundle.args("sleep", "1000"))
    text = (cgroup_dirs_of(cay.pid(id))["memory"] / "memory.kmem.limit_in_bytes").read_text()
    assert int(text) > 1 << 40
    cay.destroy(id)


@pytest.mark.parametrize("resources,controller,word", [
    ({"network": {"classID": 1}}, "net_cls", "linux.resources.network.classID"),
    ({"network": {"priorities": [{"name": "lo", "priority": 3}]}}, "net_prio", "linux.resources.network.priorities"),
])
def test_a_class_of_packets_where_there_is_no_such_controller_is_an_error(cay, bundle, resources, controller, word):
    if any(controller in d.name.split(",") and (d / "tasks").exists() for d in CGROUP_ROOT.iterdir()):
        skip(f"a host without {controller}")
    bundle.linux["resources"].update(resources)
    assert word in cay.error_line(cay.run(bundle.args("true")))


UPDATES = {
    "blkio weight": (["--blkio-weight", "321"], "blkio", "blkio.weight", "321"),
    "bfq weight": (["--blkio-weight", "321"], "blkio", "blkio.bfq.weight", "321"),
    "burst": (["--cpu-period", "100000", "--cpu-quota", "50000", "--cpu-burst", "20000"], "cpu", "cpu.cfs_burst_us", "20000"),
    "realtime runtime": (["--cpu-rt-period", "1000000", "--cpu-rt-runtime", "1000"], "cpu", "cpu.rt_runtime_us", "1000"),
    "realtime period": (["--cpu-rt-period", "500000"], "cpu", "cpu.rt_period_us", "500000"),
}


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_is_in_the_file_of_v1(cay, bundle, name):
    options, controller, file, want = UPDATES[name]
    needs(cay, controller, file)
    id = cay.start(bundle.args("sleep", "1000"))
    cay.ok("update", *options, id)
    assert (cgroup_dirs_of(cay.pid(id))[controller] / file).read_text().strip() == want
    cay.destroy(id)


def test_an_update_of_what_this_kernel_lacks_is_an_error_that_names_the_file(cay, bundle):
    if not (CGROUP_ROOT / "blkio" / "tasks").exists():
        skip("controller blkio of cgroup v1")
    id = cay.start(bundle.args("sleep", "1000"))
    if any((cgroup_dirs_of(cay.pid(id))["blkio"] / f).exists() for f in ("blkio.weight", "blkio.bfq.weight")):
        cay.destroy(id)
        skip("a kernel without weights of block I/O")
    assert "blkio.weight" in cay.error_line(cay("update", "--blkio-weight", "321", id))
    cay.destroy(id)
