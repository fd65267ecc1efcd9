# SPDX-License-Identifier: Apache-2.0
"""Cgroups and their limits."""
import os
import pathlib

from harness import CGROUP_ROOT, cay_only, cgroup_dirs_of, parse_status, skip
from test_cgroup_v1 import disk


def value(pid, controller, name):
    f = cgroup_dirs_of(pid).get(controller, pathlib.Path("/nowhere")) / name
    if not f.parent.is_dir():
        skip(f"cgroup controller {controller}")
    if not f.exists():
        skip(f"{name} of this kernel")
    return f.read_text().strip()


def test_the_container_lives_in_a_cgroup_of_its_name(cay, bundle):
    id = cay.start(bundle.args("sleep", "1000"))
    dirs = cgroup_dirs_of(cay.pid(id))
    assert all(d.name == id for d in dirs.values() if d.is_dir()), dirs
    cay.destroy(id)


def test_the_cgroups_path_of_the_config_is_used(cay, bundle):
    path = f"/{cay.token}/deep/er"
    bundle.linux["cgroupsPath"] = path
    id = cay.start(bundle.args("sleep", "1000"))
    dirs = cgroup_dirs_of(cay.pid(id))
    assert str(dirs.get("pids") or dirs["unified"]).endswith(path)
    cay.destroy(id)
    # What lay above it is not the container's to remove: engines make it. Nothing of ours stays
    # in it, so it can go.
    for base in (CGROUP_ROOT, *CGROUP_ROOT.iterdir()):
        for d in (base / cay.token / "deep", base / cay.token):
            if d.is_dir():
                d.rmdir()


def test_memory_is_limited(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 64 << 20, "reservation": 32 << 20}
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    assert value(pid, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert value(pid, "memory", "memory.soft_limit_in_bytes") == str(32 << 20)
    cay.destroy(id)


def test_who_takes_more_memory_is_killed(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 32 << 20}
    assert cay.run(bundle.args("probe", "memory", "16")).out == "ok\n"
    assert cay.run(bundle.args("probe", "memory", "128")).rc == 128 + 9


def test_a_memory_limit_smaller_than_the_runtime_is_no_obstacle(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 4 << 20}
    assert cay.out(bundle.args("echo", "ok")) == "ok\n"


def test_the_number_of_processes_is_limited(cay, bundle):
    bundle.linux["resources"]["pids"] = {"limit": 10}
    assert int(cay.out(bundle.args("probe", "fork", "50"))) == 9
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "pids", "pids.max") == "10"
    cay.destroy(id)


def test_cpu_shares_and_quota_are_set(cay, bundle):
    bundle.linux["resources"]["cpu"] = {"shares": 512, "quota": 50000, "period": 100000}
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    assert value(pid, "cpu", "cpu.shares") == "512"
    assert value(pid, "cpu", "cpu.cfs_quota_us") == "50000"
    assert value(pid, "cpu", "cpu.cfs_period_us") == "100000"
    cay.destroy(id)


def test_the_cpu_set_is_that_of_the_config(cay, bundle):
    bundle.linux["resources"]["cpu"] = {"cpus": "1", "mems": "0"}
    if os.cpu_count() < 2:
        skip("a second CPU")
    assert parse_status(cay.out(bundle.args("cat", "/proc/self/status")))["Cpus_allowed_list"] == "1"


def test_block_io_is_limited(cay, bundle):
    dev = disk()
    bundle.linux["resources"]["blockIO"] = {"throttleReadBpsDevice": [{**dev, "rate": 1048576}]}
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "blkio", "blkio.throttle.read_bps_device") == \
        f"{dev['major']}:{dev['minor']} 1048576"
    cay.destroy(id)


def test_huge_pages_are_limited_through_the_unified_hierarchy(cay, bundle):
    cay_only("hugetlb of a hybrid hierarchy")
    bundle.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "unified", "hugetlb.2MB.max") == str(4 << 20)
    cay.destroy(id)


def test_unified_values_are_written(cay, bundle):
    cay_only("unified values of a hybrid hierarchy")
    if not any((d / "cgroup.controllers").exists() for d in (CGROUP_ROOT, CGROUP_ROOT / "unified")):
        skip("cgroup v2, or v2 beside v1")
    bundle.linux["resources"]["unified"] = {"hugetlb.2MB.max": str(6 << 20)}
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "unified", "hugetlb.2MB.max") == str(6 << 20)
    cay.destroy(id)


def test_a_unified_value_that_is_no_file_name_is_refused(cay, bundle):
    cay_only("unified values of a hybrid hierarchy")
    for key in ("../x", "a/b", "cgroup.procs/../x"):
        bundle.linux["resources"]["unified"] = {key: "1"}
        cay.error_line(cay.run(bundle.args("true")))


def test_a_cgroups_path_may_not_climb(cay, bundle):
    bundle.linux["cgroupsPath"] = f"/{cay.token}/../../{cay.token}-up"
    r = cay.run(bundle.sh("cat /proc/self/cgroup"))
    assert r.rc != 0 or "/../" not in r.out
