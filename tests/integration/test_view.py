# SPDX-License-Identifier: Apache-2.0
"""`allow view`: sysinfo and files of /proc tell of the container's limits, not of the machine."""
import os
import re
import time

import pytest

import harness
from agent import Agent, ask, copy_program
from engine import EMULATED
from harness import need
from test_private import Held

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
MIB = 1 << 20
LIMIT = 64 * MIB
ALL = "default deny\nallow view *\n"
CALLS = ["sysinfo", "open", "openat", "openat2"]


@pytest.fixture
def held(cay):
    """Root's: limits need a cgroup."""
    need("setpriv")
    return Held(cay, "root")


def limited(held, name="bundle"):
    b = held.bundle(name)
    b.linux["resources"] = {"memory": {"limit": LIMIT}, "cpu": {"cpus": "0"}, "pids": {"limit": 50}}
    # Nothing of it is masked.
    b.linux["maskedPaths"] = b.linux["readonlyPaths"] = []
    return b


def host(name):
    with open(f"/proc/{name}") as f:
        return f.read()


def meminfo(text):
    return {m[1]: int(m[2]) * 1024 for m in re.finditer(r"^(\S+):\s+(\d+) kB$", text, re.M)}


def test_programs_see_what_the_container_has(held):
    """free, nproc and uptime of the host's own procps and coreutils, and those of busybox."""
    need("free")
    b = limited(held)
    programs = {p: copy_program(b, p) for p in ("free", "nproc", "uptime")}
    b.sh(f"{programs['free']} -m; {programs['nproc']}; {programs['uptime']} -p; grep -c ^processor /proc/cpuinfo; "
         "grep -c ^cpu[0-9] /proc/stat; cut -d. -f1 /proc/uptime; free -m | grep Mem:; uptime")
    r = held.run(b, ALL)
    lines = r.lines
    total, used, free = map(int, lines[1].split()[1:4])
    assert total == 64 and free <= 64 and used + free <= 65, r
    machine = float(host("uptime").split()[0])
    assert lines[3] == "1" and lines[4] in ("up 0 minutes", "up 1 minute"), r
    assert lines[5:7] == ["1", "1"] and int(lines[7]) < machine - 5, r
    assert lines[8].split()[1] == "64" and re.search("up [01] min", lines[9]), r
    # Without the policy it is the machine.
    r = held("run", "-b", b.path, held.cay.id())
    assert int(r.lines[1].split()[1]) > 64 and int(r.lines[7]) >= int(machine), r


def test_every_figure_of_memory_fits_the_limit(held):
    b = limited(held).sh("dd if=/dev/zero of=/tmp/f bs=1M count=8 2>/dev/null; cat /tmp/f >/dev/null; cat /proc/meminfo; ask sysinfo; ask sysinfo across")
    r = held.run(b, ALL)
    m = meminfo(r.out)
    assert m["MemTotal"] == LIMIT
    for k in ("MemFree", "MemAvailable", "Cached", "Active", "Inactive", "AnonPages", "Shmem", "Slab"):
        assert m[k] <= LIMIT, (k, m)
    assert 0 < m["MemFree"] < LIMIT and m["MemAvailable"] >= m["MemFree"]
    # The same lines in the same order: programs look for them.
    names = [ln.split(":")[0] for ln in r.lines if ln.endswith(" kB")]
    assert names == [ln.split(":")[0] for ln in host("meminfo").splitlines() if ln.endswith(" kB")]
    assert [len(ln) for ln in r.lines if ln.startswith(("MemTotal", "MemFree", "Active(file)"))] == [27, 27, 27]
    for ln in r.lines[-2:]:
        total, free, uptime, processes = map(int, ln.split())
        assert total == LIMIT and 0 < free < LIMIT and 0 <= uptime < float(host("uptime").split()[0]) - 5 and 1 <= processes < 20


def test_a_pointer_that_can_not_be_written_to_is_a_fault(held):
    b = limited(held).sh("for i in null readonly end half kernel; do ask sysinfo $i; done")
    assert held.run(b, ALL).lines == ["EFAULT"] * 5
    # As without.
    assert held("run", "-b", b.path, held.cay.id()).lines == ["EFAULT"] * 5


def test_a_view_is_sealed_and_every_other_open_is_the_kernels(held):
    b = limited(held).sh("""for how in plain at at2 open; do ask view $how /proc/meminfo; done
        ln -s /proc/meminfo /tmp/link; ask view plain /tmp/link; cd /proc; ask view open ./meminfo; cd /tmp; ask view open ../proc/meminfo
        ask view path /proc/meminfo; ask view write /proc/meminfo; ask view plain /proc/version; ask view plain /proc/none; echo x >/tmp/new; cat /tmp/new
        mount --bind /tmp/new /proc/meminfo 2>/dev/null; ask view plain /proc/self/status""")
    r = held.run(b, ALL)
    shown = f"MemTotal:          {LIMIT // 1024} kB|/memfd:meminfo (deleted)|"
    for i in (0, 1, 2, 3, 4, 5):
        assert r.lines[i].startswith(shown) and r.lines[i].endswith("|EBADF|EINVAL"), (i, r)
    assert [ln.split("|")[2] for ln in r.lines[:4]] == ["1", "0", "0", "0"]
    # A name that leaves its directory is looked up by the kernel alone.
    assert r.lines[6].split("|")[1] == "/proc/meminfo", r
    assert r.lines[7].split("|")[1] == "/proc/meminfo", r
    assert r.lines[8] in ("EACCES", "EPERM") and r.lines[9].startswith("Linux version"), r
    assert r.lines[10:12] == ["ENOENT", "x"] and r.lines[12].startswith("Name:"), r
    # Opens that are left to the kernel are no decisions.
    opens = [x["what"] for x in held.records() if x["call"] in ("open", "openat", "openat2")]
    assert opens == ["view meminfo"] * 6 and {x["call"] for x in held.records()} <= {"open", "openat", "openat2", "mount"}


def test_a_link_that_changes_shows_one_of_its_ends(held):
    """What was looked at and what the kernel opens may differ; nobody is held to a view. But nothing else is ever opened."""
    r = held.run(limited(held).sh("ask flip 3000"), ALL)
    view, own, kernel, other, writable = map(int, r.out.split())
    print(f"{view} views, {own} own, {kernel} of the kernel")
    assert view > 0 and own > 0 and view + own + kernel == 3000 and other == writable == 0, r


def test_only_what_a_line_shows_is_shown(held):
    b = limited(held).sh("ask view plain /proc/meminfo; ask view plain /proc/cpuinfo; cut -d. -f1 /proc/uptime; ask sysinfo")
    r = held.run(b, "default allow\nallow view meminfo\ndeny view uptime\n")
    assert r.lines[0].startswith(f"MemTotal:          {LIMIT // 1024} kB"), r
    assert "memfd" not in r.lines[1] and int(r.lines[2]) + 5 > float(host("uptime").split()[0]) and int(r.lines[3].split()[0]) > LIMIT, r
    r = held.run(b, "allow view *\ndeny syscall sysinfo\n")
    assert r.lines[3] == "EPERM", r


def test_without_limits_memory_is_the_hosts(held):
    b = limited(held).sh("cat /proc/meminfo; ask sysinfo")
    b.linux["resources"] = {}
    r = held.run(b, ALL)
    assert meminfo(r.out)["MemTotal"] == meminfo(host("meminfo"))["MemTotal"] == int(r.lines[-1].split()[0])


def test_opens_are_not_slowed_to_the_rate_of_decisions(held):
    """20,000 of them at 5,000 a second would take four seconds."""
    b = limited(held).sh("i=0; while [ $i -lt 20000 ]; do : </dev/null; i=$((i+1)); done; echo $i")
    begun = time.monotonic()
    r = held.run(b, ALL, log=False)
    took = time.monotonic() - begun
    assert r.lines == ["20000"]
    print(f"{took / 20000 * 1e6:.1f} us an open")
    assert took < 3.9 or EMULATED or os.getloadavg()[0] > 4


def test_an_agent_shows_them_too(cay):
    need("setpriv")
    held = Held(cay, "root")
    with Agent(cay, {"a": ALL}) as agent:
        b = ask(limited(held), agent.sock, "a", CALLS).sh("ask view plain /proc/meminfo; ask sysinfo")
        held.write(b)
        r = held("run", "-b", b.path, cay.id())
        assert r.lines[0].startswith(f"MemTotal:          {LIMIT // 1024} kB"), r
        assert r.lines[1].startswith(f"{LIMIT} "), r
        assert agent.record(what="view sysinfo")["rule"] == "allow view *"
