# SPDX-License-Identifier: Apache-2.0
"""pause, resume, update, events, mounts, --regex, --pidfd-socket, --config, help: against the real thing.

Where runc has the command, what it says and tells is the expected result.
"""
import array
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess

import pytest

from harness import (CGROUP_ROOT, IS_RUNC, REPO, TIMEOUT, cay_only, cgroup_dirs_of, need, run, skip,
                     status_of, wait_for)


@pytest.fixture
def sleeper(cay, bundle):
    """A running container whose program sleeps."""
    id = cay.start(bundle.args("sleep", "1000"))
    yield id
    cay.destroy(id)


@pytest.fixture
def runc_sleeper(cay, bundle):
    """The same under runc; yields (runtime, id)."""
    runc = cay.other("runc")
    id = runc.start(bundle.args("sleep", "1000"), id=cay.id("r"))
    yield runc, id
    runc.destroy(id)


def message(text):
    """What a failing command says, without who says it and when."""
    last = text.splitlines()[-1]
    m = re.search(r'msg="((?:[^"\\]|\\.)*)"', last)
    return json.loads(f'"{m[1]}"') if m else re.sub(r"^cay: ", "", last)


def same_message(cay, id, runc, rid, *args):
    got, want = cay.fails(*[a.format(id=id) for a in args]), runc.fails(*[a.format(id=rid) for a in args])
    assert got.rc == want.rc
    assert message(got.err).replace(id, "ID") == message(want.err).replace(rid, "ID")


def control(cay, id, v1, v2=None):
    """The text of the container's control file: (controller, file) of v1, or the file of v2."""
    dirs = cgroup_dirs_of(cay.pid(id))
    path = dirs[v1[0]] / v1[1] if v1[0] in dirs else dirs["unified"] / v2
    return path.read_text().strip()


def has_v1(controller):
    return (CGROUP_ROOT / controller).is_dir()


def stored(cay, id):
    return json.loads((cay.root / id / "config.json").read_text())["linux"]["resources"]


# ---- pause and resume -----------------------------------------------------------------------

def test_pauses_and_resumes(cay, bundle):
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount("/mnt", type="bind", source=str(log), options=["bind"])
    id = cay.start(bundle.sh("while :; do echo >> /mnt/ticks; sleep 0.02; done"))
    ticks = log / "ticks"
    wait_for(ticks.exists, "the first tick")
    cay.ok("pause", id)
    assert cay.status(id) == "paused"
    n = ticks.stat().st_size
    assert not select.select([], [], [], 0.2)[0] and ticks.stat().st_size == n
    cay.ok("resume", id)
    assert cay.status(id) == "running"
    wait_for(lambda: ticks.stat().st_size > n, "more ticks")
    cay.destroy(id)


def test_pauses_a_container_that_waits_to_be_started(cay, bundle):
    id = cay.create(bundle.args("sleep", "1000"))
    cay.ok("pause", id)
    assert cay.status(id) == "paused"
    cay.fails("start", id)
    cay.ok("resume", id)
    assert cay.status(id) == "created"
    cay.ok("start", id)
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_says_what_runc_says_when_it_cannot_pause_or_resume(cay, sleeper, runc_sleeper):
    runc, rid = runc_sleeper
    same_message(cay, sleeper, runc, rid, "resume", "{id}")
    for c, i in ((cay, sleeper), (runc, rid)):
        c.ok("pause", i)
    same_message(cay, sleeper, runc, rid, "pause", "{id}")
    same_message(cay, sleeper, runc, rid, "exec", "{id}", "true")
    for c, i in ((cay, sleeper), (runc, rid)):
        c.ok("resume", i)
        c.ok("kill", i, "KILL")
        c.wait_status(i, "stopped")
    for command in ("pause", "resume"):
        same_message(cay, sleeper, runc, rid, command, "{id}")
    same_message(cay, sleeper, runc, rid, "pause", "no-such-container")


def test_exec_into_a_paused_container_runs_once_it_is_resumed(cay, sleeper):
    cay.ok("pause", sleeper)
    assert cay("exec", sleeper, "true").rc == 255
    p = cay.popen("exec", "--ignore-paused", sleeper, "echo", "ok", stdin=subprocess.DEVNULL,
                  stdout=subprocess.PIPE)
    assert not select.select([p.stdout], [], [], 0.3)[0]
    cay.ok("resume", sleeper)
    assert p.wait(TIMEOUT) == 0
    assert p.stdout.read() == b"ok\n"


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_kill_reaches_a_paused_container(cay, bundle, options):
    id = cay.start(bundle.args("sleep", "1000"))
    cay.ok("pause", id)
    cay.ok("kill", *options, id, "KILL")
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_another_signal_waits_until_it_is_resumed(cay, bundle):
    id = cay.start(bundle.sh("trap 'exit 3' TERM; while :; do sleep 0.05; done"))
    wait_for(lambda: int(status_of(cay.pid(id))["SigCgt"], 16) & 1 << signal.SIGTERM - 1, "the trap")
    cay.ok("pause", id)
    cay.ok("kill", id, "TERM")
    assert cay.status(id) == "paused"
    cay.ok("resume", id)
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_a_paused_container_is_deleted_only_by_force(cay, bundle):
    id = cay.start(bundle.args("sleep", "1000"))
    cay.ok("pause", id)
    assert "that is not stopped: paused" in cay.error_line(cay("delete", id))
    cay.ok("delete", "--force", id)
    cay.fails("state", id)


def test_without_a_cgroup_there_is_nothing_to_freeze(cay, bundle):
    cay_only("--cgroup-manager")
    id = cay.id()
    bundle.args("sleep", "1000").write()
    r = subprocess.run(cay.argv("--cgroup-manager", "disabled", "run", "-d", "-b", bundle.path, id),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT)
    assert r.returncode == 0
    assert "no cgroup" in cay.error_line(cay("pause", id))
    assert "no cgroup" in cay.error_line(cay("events", "--stats", id))
    cay.ok("kill", "--all", id, "KILL")
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


# ---- update ---------------------------------------------------------------------------------

UPDATES = [
    (["--memory", "67108864"], ("memory", "memory.limit_in_bytes"), "memory.max", "67108864"),
    (["--memory", "50M"], ("memory", "memory.limit_in_bytes"), "memory.max", "52428800"),
    (["--memory", "0.5GiB"], ("memory", "memory.limit_in_bytes"), "memory.max", str(1 << 29)),
    (["--memory-reservation", "33554432"], ("memory", "memory.soft_limit_in_bytes"), "memory.low", "33554432"),
    (["--pids-limit", "10"], ("pids", "pids.max"), "pids.max", "10"),
    (["--pids-limit", "-1"], ("pids", "pids.max"), "pids.max", "max"),
    (["--cpuset-cpus", "0"], ("cpuset", "cpuset.cpus"), "cpuset.cpus", "0"),
    (["--cpuset-mems", "0"], ("cpuset", "cpuset.mems"), "cpuset.mems", "0"),
    (["--cpu-idle", "1"], ("cpu", "cpu.idle"), "cpu.idle", "1"),
]


@pytest.mark.parametrize("options,v1,v2,want", UPDATES, ids=lambda x: "=".join(x) if isinstance(x, list) else "")
def test_update_changes_a_limit(cay, sleeper, options, v1, v2, want):
    if IS_RUNC and "--cpu-idle" in options:
        cay_only("--cpu-idle")
    cay.ok("update", *options, sleeper)
    assert control(cay, sleeper, v1, v2) == want


def test_update_changes_many_limits_at_once_as_runc_does(cay, sleeper, runc_sleeper):
    if not has_v1("cpu"):
        skip("cgroup v1")
    runc, rid = runc_sleeper
    options = ["--cpu-period", "900000", "--cpu-quota", "600000", "--cpu-share", "200", "--memory", "64M",
               "--memory-swap", "96M", "--memory-reservation", "32M", "--pids-limit", "10"]
    files = [("cpu", "cpu.cfs_period_us"), ("cpu", "cpu.cfs_quota_us"), ("cpu", "cpu.shares"),
             ("memory", "memory.limit_in_bytes"), ("memory", "memory.memsw.limit_in_bytes"),
             ("memory", "memory.soft_limit_in_bytes"), ("pids", "pids.max")]
    for c, i in ((cay, sleeper), (runc, rid)):
        c.ok("update", i, *options)
    for f in files:
        assert control(cay, sleeper, f) == control(runc, rid, f), f
    for c, i in ((cay, sleeper), (runc, rid)):
        c.ok("update", i, "--memory", "-1", "--cpu-quota", "-1", "--pids-limit", "-1")
    for f in files:
        assert control(cay, sleeper, f) == control(runc, rid, f), f


def test_update_raises_memory_above_the_old_limit_with_swap(cay, sleeper):
    for memory, swap in (("30M", "50M"), ("60M", "80M"), ("20M", "30M")):
        cay.ok("update", sleeper, "--memory", memory, "--memory-swap", swap)
        assert control(cay, sleeper, ("memory", "memory.limit_in_bytes"), "memory.max") == \
            str(int(memory[:-1]) << 20)


def test_update_of_the_quota_alone_keeps_the_period(cay, bundle):
    bundle.linux["resources"]["cpu"] = {"quota": 500000, "period": 1000000}
    id = cay.start(bundle.args("sleep", "1000"))
    cay.ok("update", id, "--cpu-quota", "600000")
    if has_v1("cpu"):
        assert control(cay, id, ("cpu", "cpu.cfs_period_us")) == "1000000"
        assert control(cay, id, ("cpu", "cpu.cfs_quota_us")) == "600000"
    else:
        assert control(cay, id, ("cpu", ""), "cpu.max") == "600000 1000000"
    cay.ok("update", id, "--cpu-period", "900000")
    if has_v1("cpu"):
        assert control(cay, id, ("cpu", "cpu.cfs_quota_us")) == "600000"
    else:
        assert control(cay, id, ("cpu", ""), "cpu.max") == "600000 900000"
    cay.destroy(id)


@pytest.mark.parametrize("where", ["stdin", "file"])
def test_update_takes_resources_as_json(cay, sleeper, where):
    text = json.dumps({"memory": {"limit": 33554432, "reservation": 25165824}, "cpu": {"shares": 100, "cpus": "0"},
                       "pids": {"limit": 20}, "blockIO": {"weight": 0}})
    if where == "stdin":
        cay.ok("update", "--resources", "-", sleeper, input=text)
    else:
        f = cay.dir / "resources.json"
        f.write_text(text)
        # All other limits are ignored then.
        cay.ok("update", "-r", f, "--memory", "1M", sleeper)
    assert control(cay, sleeper, ("memory", "memory.limit_in_bytes"), "memory.max") == "33554432"
    assert control(cay, sleeper, ("pids", "pids.max"), "pids.max") == "20"
    assert control(cay, sleeper, ("cpuset", "cpuset.cpus"), "cpuset.cpus") == "0"


def test_what_update_changed_is_kept(cay, bundle):
    cay_only("config.json in its state")
    bundle.linux["resources"]["memory"] = {"limit": 1 << 25}
    id = cay.start(bundle.args("sleep", "1000"))
    devices = stored(cay, id)["devices"]
    cay.ok("update", id, "--pids-limit", "10", "--memory", "64M")
    cay.ok("update", "-r", "-", id, input='{"cpu": {"shares": 77}, "devices": [{"allow": true, "access": "rwm"}]}')
    got = stored(cay, id)
    assert got["memory"] == {"limit": 64 << 20}
    assert got["pids"] == {"limit": 10}
    assert got["cpu"] == {"shares": 77}
    # An update doesn't change devices, so they are not stored as if it did.
    assert got["devices"] == devices
    cay.ok("update", id, "--memory", "-1")
    assert stored(cay, id)["memory"] == {"limit": -1, "swap": -1}
    assert inside(cay, id, "echo still") == "still\n"
    cay.destroy(id)


def test_a_failed_update_leaves_the_stored_configuration(cay, sleeper):
    cay_only("config.json in its state")
    before = stored(cay, sleeper)
    cay.fails("update", sleeper, "--memory", "32M", "--memory-swap", "16M")
    cay.fails("update", "-r", "-", sleeper, input='{"pids": {"limit": "many"}}')
    cay.fails("update", sleeper, "--cpuset-cpus", "4095")
    assert stored(cay, sleeper) == before


@pytest.mark.parametrize("options", [
    ["--memory", "abc"], ["--memory-swap", "1x"], ["--l3-cache-schema", "L3:0=f"], ["-r", "/nonexistent/file"],
], ids=" ".join)
def test_update_says_what_runc_says(cay, sleeper, runc_sleeper, options):
    got, want = cay.fails("update", *options, sleeper), runc_sleeper[0].fails("update", *options, runc_sleeper[1])
    assert got.rc == want.rc
    # Go writes the text of an errno with a small letter.
    assert message(got.err).lower() == message(want.err).lower()


@pytest.mark.parametrize("options,names", [
    (["--cpu-period", "xx"], "cpu-period"), (["--cpu-quota", "1.5"], "cpu-quota"), (["--cpu-share", "-3"], "cpu-share"),
    (["--pids-limit", "few"], "pids-limit"), (["--blkio-weight", "x"], "blkio-weight"), (["--memory", "99999999999G"], "memory"),
    (["--cpu-burst", ""], None), (["--nonsense", "1"], "nonsense"),
], ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_update_names_the_option_that_is_wrong(cay, sleeper, options, names):
    cay_only("messages like these")
    if names is None:
        cay.ok("update", *options, sleeper)
        return
    assert names in cay.error_line(cay("update", *options, sleeper))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"memory": 3}', '{"pids": {"limit": 1}} x', "\0"],
                         ids=["empty", "cut", "array", "null", "type", "tail", "nul"])
def test_update_refuses_what_is_no_resources_object(cay, sleeper, text):
    if IS_RUNC:
        cay_only("strict parsing")
    r = cay("update", "-r", "-", sleeper, input=text)
    assert r.rc == 1 and len(r.errlines) == 1, r


def test_update_of_a_stopped_container_is_refused_as_by_runc(cay, sleeper, runc_sleeper):
    runc, rid = runc_sleeper
    for c, i in ((cay, sleeper), (runc, rid)):
        c.ok("kill", i, "KILL")
        c.wait_status(i, "stopped")
    same_message(cay, sleeper, runc, rid, "update", "--memory", "64M", "{id}")


def test_update_of_a_paused_and_of_a_created_container(cay, bundle):
    id = cay.create(bundle.args("sleep", "1000"))
    cay.ok("update", "--pids-limit", "30", id)
    assert control(cay, id, ("pids", "pids.max"), "pids.max") == "30"
    cay.ok("start", id)
    cay.ok("pause", id)
    cay.ok("update", "--pids-limit", "31", id)
    assert cay.status(id) == "paused"
    assert control(cay, id, ("pids", "pids.max"), "pids.max") == "31"
    cay.destroy(id)


def test_kernel_memory_is_ignored_with_a_warning(cay, sleeper):
    r = cay.ok("update", "--kernel-memory", "1M", "--kernel-memory-tcp", "1M", sleeper)
    assert "ignored" in r.err


# ---- events ---------------------------------------------------------------------------------

def shape(value, at=""):
    """Paths of all members; lists by their first element, raw counters left out."""
    if isinstance(value, dict):
        out = {at}
        for k, v in value.items():
            if at in (".data.memory.raw", ".data.hugetlb"):
                break
            out |= shape(v, f"{at}.{k}")
        return out
    if isinstance(value, list):
        return {at + "[]"}
    return {at}


def stats(c, id):
    r = c.ok("events", "--stats", id)
    assert len(r.lines) == 1
    return json.loads(r.out)


def test_stats_have_the_fields_of_runc(cay, bundle):
    bundle.linux["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 20},
                                     cpu={"quota": 1000, "period": 100000})
    bundle.sh("while :; do :; done")
    runc = cay.other("runc")
    ids = [(cay, cay.start(bundle)), (runc, runc.start(bundle, id=cay.id("r")))]
    got = []
    for c, i in ids:
        # With so little time runc's own program and its threads may live on for a while behind start.
        wait_for(lambda: stats(c, i)["data"]["pids"]["current"] == 1, "the program alone")
        wait_for(lambda: stats(c, i)["data"]["cpu"]["throttling"].get("throttledTime"), "some throttling")
        got.append(stats(c, i))
        assert c.ok("events", "--stats", i).out.startswith(f'{{"type":"stats","id":"{i}","data":{{"cpu":')
    ours, theirs = got
    # Left out when zero, so what is there depends on the moment.
    vary = {".data.memory.cache", ".data.memory.kernelTCP.usage", ".data.memory.kernelTCP.max"}
    # Whoever reads a program first reads it from the disk.
    vary |= {path for c in got for path in shape(c) if path.startswith(".data.blkio.io")}
    pure = (CGROUP_ROOT / "cgroup.controllers").exists()
    if pure:
        # runc 1.1 has neither cpusets nor pressure there; 1.2 has.
        assert shape(theirs) - vary <= shape(ours)
    else:
        assert shape(ours) - vary == shape(theirs) - vary
    assert ours["data"]["memory"]["raw"].keys() == theirs["data"]["memory"]["raw"].keys()
    for path in (("memory", "usage", "limit"), ("memory", "swap", "limit"), ("pids", "limit"), ("pids", "current"),
                 ("cpuset", "cpus"), ("cpuset", "sched_relax_domain_level"), ("network_interfaces",)):
        a, b = ours["data"], theirs["data"]
        if pure and path[0] == "cpuset":
            continue
        for k in path:
            a, b = a[k], b[k]
        assert a == b, path
    for c, i in ids:
        c.destroy(i)


def test_events_go_on_until_the_container_ends(cay, bundle):
    id = cay.start(bundle.args("sleep", "1000"))
    p = cay.popen("events", "--interval", "50ms", id, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    for _ in range(3):
        assert json.loads(p.stdout.readline())["type"] == "stats"
    cay.destroy(id)
    assert p.wait(TIMEOUT) == 0


def test_events_tell_that_memory_ran_out(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 32 << 20, "swap": 32 << 20}
    id = cay.start(bundle.args("sleep", "1000"))
    p = cay.popen("events", "--interval", "1h", id, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    wait_for(lambda: "memory.events" in str(os.listdir(f"/proc/{p.pid}/fd")) or
             any("eventfd" in os.readlink(f"/proc/{p.pid}/fd/{f}") or "inotify" in os.readlink(f"/proc/{p.pid}/fd/{f}")
                 for f in os.listdir(f"/proc/{p.pid}/fd")), "events to be watching")
    r = cay("exec", id, "sh", "-c", "x=$(tail -c 100000000 /dev/zero | tr '\\0' a); echo $x | wc -c")
    assert r.rc != 0 or r.out.strip() != "100000001"
    assert select.select([p.stdout], [], [], TIMEOUT)[0], "no event"
    assert p.stdout.readline().decode() == f'{{"type":"oom","id":"{id}"}}\n'
    cay.destroy(id)
    assert p.wait(TIMEOUT) == 0


@pytest.mark.parametrize("interval", ["0", "0s", "-1s"])
def test_events_refuse_an_interval_that_is_none_as_runc_does(cay, sleeper, runc_sleeper, interval):
    same_message(cay, sleeper, *runc_sleeper, "events", f"--interval={interval}", "{id}")


@pytest.mark.parametrize("interval", ["x", "", "5", "1d", "s", "1s2", "99999999999h"])
def test_events_refuse_an_interval_that_is_no_duration(cay, sleeper, interval):
    assert cay("events", f"--interval={interval}", sleeper).rc == 1


def test_events_of_a_stopped_container_are_refused_as_by_runc(cay, sleeper, runc_sleeper):
    runc, rid = runc_sleeper
    for c, i in ((cay, sleeper), (runc, rid)):
        c.ok("kill", i, "KILL")
        c.wait_status(i, "stopped")
    for option in ("--stats", "--interval=1s"):
        same_message(cay, sleeper, runc, rid, "events", option, "{id}")


def test_events_end_when_nobody_reads_them(cay, sleeper):
    p = cay.popen("events", "--interval", "20ms", sleeper, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                  stderr=subprocess.DEVNULL)
    p.stdout.readline()
    p.stdout.close()
    assert p.wait(TIMEOUT) != 0


# ---- kill and delete by regular expression ---------------------------------------------------

def test_kills_and_deletes_what_a_regular_expression_fits(cay, bundle):
    cay_only("--regex")
    bundle.args("sleep", "1000").write()
    ids = [cay.start(bundle, id=f"{cay.token}-{n}") for n in ("aa", "ab", "bb")]
    cay.ok("kill", "--regex", f"^{cay.token}-a.$", "KILL")
    for i in ids[:2]:
        cay.wait_status(i, "stopped")
    assert cay.status(ids[2]) == "running"
    r = cay("delete", "--regex", cay.token)
    assert r.rc == 1 and len(r.errlines) == 1 and ids[2] in r.err, r
    assert cay.ok("list", "-q").lines == ids[2:]
    cay.ok("delete", "--force", "-r", cay.token)
    assert cay.ok("list", "-q").lines == []
    # Nothing to do is fine; a pattern that is none is not.
    cay.ok("delete", "--regex", "nothing")
    assert "--regex" in cay.error_line(cay("kill", "--regex", "[", "KILL"))


# ---- mounts ---------------------------------------------------------------------------------

@pytest.fixture
def source(cay):
    d = cay.dir / "source"
    d.mkdir()
    (d / "file").write_text("from the host\n")
    return d


def mounts_file(cay, *mounts):
    f = cay.dir / "mounts.json"
    f.write_text(json.dumps(mounts))
    return f


def inside(cay, id, script, rc=0):
    r = cay("exec", id, "sh", "-c", script)
    assert r.rc == rc, r
    return r.out


def test_mounts_come_and_go_while_the_container_runs(cay, bundle, source):
    cay_only("mounts")
    id = cay.start(bundle.args("sleep", "1000"))
    f = mounts_file(cay, {"destination": "/data/in", "type": "bind", "source": str(source), "options": ["rbind", "ro"]},
                    {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "nosuid"]},
                    {"destination": "/one", "type": "bind", "source": str(source / "file"), "options": ["bind"]},
                    {"destination": "/sealed", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]})
    cay.ok("mounts", "add", id, f)
    assert inside(cay, id, "cat /data/in/file /one") == "from the host\n" * 2
    inside(cay, id, "touch /data/in/x", rc=1)
    inside(cay, id, "touch /sealed/x", rc=1)
    inside(cay, id, "touch /scratch/x; grep -q ' /scratch .*nosuid' /proc/self/mountinfo")
    assert str(source) not in pathlib.Path("/proc/self/mountinfo").read_text()
    cay.ok("mounts", "remove", id, f)
    assert inside(cay, id, "ls /data/in /scratch; cat /one") == "/data/in:\n\n/scratch:\n"
    assert "nothing is mounted" in cay.error_line(cay("mounts", "remove", id, f))
    cay.destroy(id)


def test_mounts_come_into_a_user_namespace(cay, bundle, source):
    cay_only("mounts")
    bundle.namespace("user")
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    subprocess.run(["chown", "-Rh", "100000:100000", str(bundle.rootfs)], check=True, timeout=TIMEOUT)
    id = cay.start(bundle.args("sleep", "1000"))
    f = mounts_file(cay, {"destination": "/in", "type": "bind", "source": str(source), "options": ["bind"]},
                    {"destination": "/t", "type": "tmpfs", "source": "tmpfs"})
    cay.ok("mounts", "add", id, f)
    assert inside(cay, id, "cat /in/file; touch /t/x; stat -c %u /t/x") == "from the host\n0\n"
    cay.ok("mounts", "remove", id, f)
    cay.destroy(id)


def test_a_symlink_inside_leads_no_mount_out(cay, bundle, source):
    """The destination goes through what the container made: it ends in its root all the same."""
    cay_only("mounts")
    victim = cay.dir / "victim"
    victim.mkdir()
    id = cay.start(bundle.sh(f"ln -s {victim} /way; ln -s ../../../../../../../../..{victim} /up; sleep 1000"))
    wait_for(lambda: (bundle.rootfs / "up").is_symlink(), "the links")
    for name in ("/way", "/up"):
        f = mounts_file(cay, {"destination": name, "type": "bind", "source": str(source), "options": ["bind"]})
        cay.ok("mounts", "add", id, f)
        assert list(victim.iterdir()) == []
        assert inside(cay, id, f"cat {victim}/file") == "from the host\n"
        cay.ok("mounts", "remove", id, f)
    cay.destroy(id)


@pytest.mark.parametrize("mount,says", [
    ({"destination": "/"}, "root"),
    ({"destination": "/x", "type": "bind", "source": "/nonexistent", "options": ["bind"]}, "/nonexistent"),
    ({"destination": "/proc/self/x", "type": "tmpfs", "source": "t"}, "mounts[0]"),
    ({"destination": "/proc/sys", "type": "tmpfs", "source": "t"}, "procfs"),
    ({"destination": "/proc", "type": "tmpfs", "source": "t"}, "/proc"),
    ({"destination": "/x", "type": "nosuchfs", "source": "t"}, "nosuchfs"),
    ({"destination": "/x", "type": "cgroup", "source": "t"}, "cgroup"),
    ({"type": "tmpfs"}, "destination"),
], ids=lambda x: x.get("type", "root") + x.get("destination", "") if isinstance(x, dict) else "")
def test_mounts_add_names_what_is_wrong(cay, sleeper, mount, says):
    cay_only("mounts")
    assert says in cay.error_line(cay("mounts", "add", sleeper, mounts_file(cay, mount)))


@pytest.mark.parametrize("text", ["", "{}", "7", '{"mounts": 7}', "[7]", '[{"destination": 7}]', "[{}] x"])
def test_mounts_refuses_what_is_no_list_of_mounts(cay, sleeper, text):
    cay_only("mounts")
    f = cay.dir / "mounts.json"
    f.write_text(text)
    assert str(f) in cay.error_line(cay("mounts", "add", sleeper, f)) or "destination" in cay("mounts", "add", sleeper, f).err


def test_mounts_remove_leaves_the_root_alone(cay, sleeper):
    cay_only("mounts")
    for name in ("/", "/.", "/..", "/bin/.."):
        assert "root" in cay.error_line(cay("mounts", "remove", sleeper, mounts_file(cay, {"destination": name})))
    assert inside(cay, sleeper, "echo alive") == "alive\n"


def test_mounts_needs_a_container_that_lives_and_a_command(cay, bundle):
    cay_only("mounts")
    id = cay.start(bundle.args("true"))
    cay.wait_status(id, "stopped")
    f = mounts_file(cay)
    assert "container not running" in cay.error_line(cay("mounts", "add", id, f))
    assert "unknown command" in cay.error_line(cay("mounts", "show", id, f))
    cay.ok("delete", id)


# ---- --pidfd-socket -------------------------------------------------------------------------

class PidfdSocket:
    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(str(path))
        self.sock.listen(1)
        self.sock.settimeout(TIMEOUT)

    def receive(self):
        conn, _ = self.sock.accept()
        with conn:
            conn.settimeout(TIMEOUT)
            text, anc, _, _ = conn.recvmsg(4096, 64)
        fds = array.array("i")
        fds.frombytes(anc[0][2])
        assert len(fds) == 1
        return fds[0], text.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        os.unlink(self.path)


def pid_of(fd):
    return int(re.search(r"^Pid:\s*(\d+)", pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text(), re.M)[1])


@pytest.mark.parametrize("command", ["create", "run"])
def test_the_pidfd_of_the_first_process_goes_to_the_socket(cay, bundle, command):
    cay_only("--pidfd-socket")
    bundle.args("sleep", "1000").write()
    id = cay.id()
    with PidfdSocket(cay.dir / "pidfd") as s:
        r = subprocess.run(cay.argv(command, *(["-d"] if command == "run" else []), "-b", bundle.path, "--pidfd-socket", s.path, id),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=TIMEOUT)
        assert r.returncode == 0
        fd, text = s.receive()
    assert text == "standard"
    assert pid_of(fd) == cay.pid(id)
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    cay.wait_status(id, "stopped")
    os.close(fd)
    cay.ok("delete", id)


def test_the_pidfd_of_an_executed_process_goes_to_the_socket(cay, sleeper):
    cay_only("--pidfd-socket")
    pid_file = cay.dir / "pid"
    with PidfdSocket(cay.dir / "pidfd") as s:
        r = subprocess.run(cay.argv("exec", "-d", "--pid-file", pid_file, "--pidfd-socket", s.path, sleeper, "sleep", "1000"),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT)
        assert r.returncode == 0
        fd, text = s.receive()
    assert text == "setns"
    assert pid_of(fd) == int(pid_file.read_text())
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    assert select.select([fd], [], [], TIMEOUT)[0]
    os.close(fd)
    assert cay.status(sleeper) == "running"


def test_without_a_listener_for_the_pidfd_nothing_is_made(cay, bundle):
    cay_only("--pidfd-socket")
    bundle.args("sleep", "1000").write()
    r = cay.fails("create", "-b", bundle.path, "--pidfd-socket", cay.dir / "nobody", cay.id())
    assert "nobody" in r.err
    assert cay.ok("list", "-q").lines == []


# ---- --config, global options ----------------------------------------------------------------

def test_another_file_can_be_the_configuration(cay, bundle):
    cay_only("--config")
    bundle.args("echo", "other").write()
    (bundle.path / "config.json").rename(bundle.path / "other.json")
    for f in ("other.json", bundle.path / "other.json"):
        assert cay.ok("run", "-b", bundle.path, "--config", f, cay.id()).out == "other\n"
    assert "config.json not found" in cay.error_line(cay("run", "-b", bundle.path, cay.id()))
    assert "nothing.json not found" in cay.error_line(cay("run", "-b", bundle.path, "--config", "nothing.json", cay.id()))


@pytest.mark.parametrize("options", [["--criu", "/usr/sbin/criu"], ["--debug"], ["--log-format", "json"], ["--systemd-cgroup=false"],
                                     ["--rootless", "auto"], ["-log-format=text"]], ids=" ".join)
def test_global_options_of_runc_are_taken(cay, options):
    assert run([cay.program, *options, "--root", cay.root, "list", "-q"]).rc == 0


@pytest.mark.parametrize("place", ["global", "create"])
def test_a_log_level_is_taken(cay, bundle, place):
    cay_only("--log-level")
    bundle.args("true").write()
    level = ["--log-level", "error"]
    front, back = (level, []) if place == "global" else ([], level)
    cay.ok(*front, "run", *back, "-b", bundle.path, cay.id())
    assert "--log-level" in cay.error_line(cay("--log-level", "loud", "list"))


def test_a_log_file_can_be_named_the_way_of_crun(cay):
    cay_only("file:")
    log = cay.dir / "log"
    cay.fails("--log", f"file:{log}", "--log-format", "json", "state", "nobody")
    assert json.loads(log.read_text())["msg"] == "container does not exist"


# ---- help, manual, completion ----------------------------------------------------------------

def tables(cay):
    cay_only("help --format json")
    return json.loads(run([cay.program, "help", "--format", "json"]).out)


def generated(tmp_path, kind, *args):
    r = run(["/usr/bin/python3", REPO / "tools" / "gen_docs.py", kind, *args, tmp_path])
    assert r.rc == 0, r
    return tmp_path


def test_the_tables_hold_what_help_tells(cay):
    d = tables(cay)
    names = [k["name"] for k in d["commands"]]
    assert {"create", "start", "run", "state", "kill", "delete", "list", "exec", "ps", "pause", "resume", "update", "events",
            "mounts", "spec", "features", "help"} <= set(names)
    for k in d["commands"]:
        text = run([cay.program, k["name"], "--help"]).out
        assert k["summary"] in text
        assert run([cay.program, "help", k["name"]]).out == text
        for o in k["options"]:
            assert (f"--{o['name']}" in text.split()) != o["hidden"] or f"--{o['name']}," in text, (k["name"], o["name"])


def test_each_option_of_runc_is_known(cay):
    """What `runc COMMAND --help` lists must be in our table, hidden or not."""
    need("runc")
    d = tables(cay)
    for k in d["commands"]:
        r = run(["runc", k["name"], "--help"])
        if "No help topic" in r.out + r.err or r.rc != 0 or not r.out.startswith("NAME"):
            continue
        ours = {n for o in k["options"] for n in (o["name"], o.get("letter"))}
        theirs = re.findall(r"^   -+([a-z][\w-]*)(?: value)?(?:, -(\w))?", r.out, re.M)
        assert {n for t in theirs for n in t if n} - ours - {"help", "h"} == set(), k["name"]


def test_each_option_of_crun_is_known(cay):
    """As above; with every command, crun has --help, --usage and -?, too."""
    need("crun")
    d = tables(cay)
    seen = 0
    for k in [{**d, "name": ""}, *d["commands"]]:
        r = run(["crun", *([k["name"]] if k["name"] else []), "--help"])
        if r.rc != 0 or not r.out.startswith("Usage:"):
            continue
        ours = {n for o in k["options"] for n in (o["name"], o.get("letter"))}
        theirs = re.findall(r"^  +(?:-(\w), )?--([a-z][\w-]*)", r.out, re.M)
        assert {n for t in theirs for n in t if n} - ours - {"help", "usage", "V"} == set(), k["name"]
        seen += len(theirs)
    assert seen > 50


def test_manual_pages_name_every_option(cay, tmp_path):
    d = tables(cay)
    generated(tmp_path, "man", cay.program, REPO / "docs" / "man")
    main = (tmp_path / "cay.1").read_text().replace("\\-", "-")
    for k in d["commands"]:
        page = (tmp_path / f"cay-{k['name']}.1").read_text().replace("\\-", "-")
        assert f"cay-{k['name']}" in main
        for o in k["options"]:
            assert (f"--{o['name']}\\fR" in page) != o["hidden"]
        assert ".SH DESCRIPTION" in page, f"docs/man/{k['name']}.txt is missing"
    pages = run(["/usr/bin/python3", REPO / "tools" / "gen_docs.py", "pages", REPO / "src" / "cli" / "main.c"]).lines
    assert sorted(pages) == sorted(p.name for p in tmp_path.iterdir())


def test_manual_pages_are_clean_roff(cay, tmp_path):
    need("groff")
    generated(tmp_path, "man", cay.program, REPO / "docs" / "man")
    for p in tmp_path.glob("*.1"):
        r = run(["groff", "-man", "-Tutf8", "-ww", "-z", p])
        assert (r.rc, r.err) == (0, ""), (p.name, r)


def complete(cay, tmp_path, *line):
    words = " ".join(f"'{w}'" for w in line)
    script = f"""cay() {{ '{cay.program}' "$@"; }}; . {tmp_path}/cay
COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; _cay; printf '%s\\n' "${{COMPREPLY[@]}}" """
    r = run(["bash", "-c", script])
    assert r.err == "", r
    return r.out.split()


def test_bash_completes_commands_options_values_and_ids(cay, tmp_path, sleeper):
    tables(cay)
    need("bash")
    generated(tmp_path, "completion", cay.program)
    assert complete(cay, tmp_path, "cay", "upd") == ["update"]
    assert complete(cay, tmp_path, "cay", "--log-fo") == ["--log-format"]
    assert complete(cay, tmp_path, "cay", "--log-format", "") == ["text", "json"]
    assert complete(cay, tmp_path, "cay", "update", "--memory-s") == ["--memory-swap"]
    assert complete(cay, tmp_path, "cay", "mounts", "") == ["add", "remove"]
    assert complete(cay, tmp_path, "cay", "--root", str(cay.root), "kill", "") == [sleeper]
    assert complete(cay, tmp_path, "cay", "--root", str(cay.root), "kill", sleeper, "K") == ["KILL"]


@pytest.mark.parametrize("shell,name", [("bash", "cay"), ("zsh", "_cay"), ("fish", "cay.fish")])
def test_completion_is_clean_shell(cay, tmp_path, shell, name):
    tables(cay)
    need(shell)
    generated(tmp_path, "completion", cay.program)
    r = run([shell, "-n", tmp_path / name])
    assert (r.rc, r.err) == (0, ""), r
