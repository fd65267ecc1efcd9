# SPDX-License-Identifier: Apache-2.0
"""A container at the gate: small, and with nothing in it that could be stolen."""
import os
import pathlib
import re
import subprocess

import pytest

from harness import CAY, REPO, TIMEOUT, cay_only, read, skip, wait_for

RESIDENT_KB = 200


@pytest.fixture
def waiting(cay, bundle):
    cay_only("islander")
    id = cay.create(bundle.args("sleep", "1000"))
    yield id
    cay.destroy(id)


def test_its_only_process_is_the_islander(cay, waiting):
    pid = cay.pid(waiting)
    assert pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "cay-init"
    assert [int(ln.split()[0]) for ln in cay.ok("ps", waiting, "-o", "pid").lines[1:]] == [pid]
    assert pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
    assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_it_is_resident_with_at_most_200_kb(cay, waiting):
    """Rss of smaps_rollup: all resident pages, shared ones counted in full. Pss would be less."""
    text = pathlib.Path(f"/proc/{cay.pid(waiting)}/smaps_rollup").read_text()
    rss = int(re.search(r"^Rss:\s+(\d+) kB", text, re.M).group(1))
    print(f"Rss {rss} kB, Pss {re.search(r'^Pss:.*', text, re.M).group(0)}")
    assert 0 < rss <= RESIDENT_KB, text


def test_its_descriptors_are_stdio_and_the_gate(cay, waiting):
    d = f"/proc/{cay.pid(waiting)}/fd"
    fds = {int(f): os.readlink(f"{d}/{f}") for f in os.listdir(d)}
    more = {f: t for f, t in fds.items() if f > 2}
    assert len(more) == 1 and list(more.values())[0].startswith("socket:"), fds
    assert all(t == "/dev/null" or cay.token in t for f, t in fds.items() if f <= 2), fds


def test_nothing_of_the_planner_is_mapped(cay, waiting):
    maps = pathlib.Path(f"/proc/{cay.pid(waiting)}/maps").read_text()
    files = {ln.split(None, 5)[5] for ln in maps.splitlines() if len(ln.split(None, 5)) == 6}
    assert not [f for f in files if f.startswith("/") and "memfd:" not in f and "cay-init" not in f], files
    assert CAY not in maps


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC])
def test_its_binary_can_not_be_opened_for_writing_by_root_of_the_host(cay, waiting, flags):
    before = read(CAY)
    with pytest.raises(OSError):
        os.close(os.open(f"/proc/{cay.pid(waiting)}/exe", flags))
    assert read(CAY) == before


def test_its_binary_can_not_be_changed_through_a_shared_pid_namespace(cay, waiting):
    guest = cay.bundle("guest").allow_devices()
    guest.caps(*["CAP_" + c for c in ("SYS_PTRACE", "DAC_OVERRIDE", "DAC_READ_SEARCH", "SYS_ADMIN")])
    guest.namespace("pid", f"/proc/{cay.pid(waiting)}/ns/pid")
    guest.sh("probe open /proc/1/exe w; cat /proc/1/comm")
    out = cay.out(guest).split()
    assert out[0] != "ok"
    assert out[1] == "cay-init"


def test_the_memory_of_the_islander_can_not_be_read_by_an_equal(cay, waiting):
    guest = cay.bundle("guest")
    guest.namespace("pid", f"/proc/{cay.pid(waiting)}/ns/pid")
    guest.sh("probe open /proc/1/mem r; for f in /proc/1/fd/* /proc/1/exe /proc/1/cwd; do "
             "readlink $f; cat $f; done 2>/dev/null | wc -l; ls /proc/1/root")
    r = cay.run(guest)
    assert r.lines[0] == "EACCES" or r.lines[0] == "EPERM"
    assert r.lines[1] == "0", r
    assert len(r.lines) == 2, r


def test_its_binary_is_not_the_file_of_the_runtime(cay, waiting):
    a, b = os.stat(f"/proc/{cay.pid(waiting)}/exe"), os.stat(CAY)
    assert (a.st_dev, a.st_ino) != (b.st_dev, b.st_ino)
    assert a.st_size <= 64 << 10, "the islander is to be at most 64 KB"


def test_the_program_that_runs_has_no_trace_of_it(cay, bundle):
    cay_only("islander")
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    wait_for(lambda: read(f"/proc/{pid}/comm") == b"sleep\n", "exec")
    assert sorted(map(int, os.listdir(f"/proc/{pid}/fd"))) == [0, 1, 2]
    assert os.stat(f"/proc/{pid}/exe").st_ino == os.stat(bundle.rootfs / "bin/busybox").st_ino
    env = read(f"/proc/{pid}/environ").decode()
    assert all(e.split("=")[0] in ("PATH", "TERM", "HOME", "") for e in env.split("\0")), env
    cay.destroy(id)


def test_an_exec_can_not_be_watched_or_robbed_from_inside(cay, bundle):
    """CVE-2016-9962: root of the container, with CAP_SYS_PTRACE, looks at everything that joins."""
    cay_only("islander")
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount("/mnt", type="bind", source=str(log), options=["bind"])
    bundle.caps("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE")
    bundle.sh("touch /mnt/ready; while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] && continue; "
              "c=$(cat $p/comm 2>/dev/null); [ \"$c\" = cay-init -o \"$c\" = cay ] || continue; "
              "for f in $p/fd/*; do l=$(readlink $f) && echo $c $f $l >> /mnt/seen; done; "
              "done; done")
    id = cay.start(bundle)
    wait_for((log / "ready").exists, "the watcher")
    for _ in range(20):
        cay.ok("exec", id, "true")
    seen = (log / "seen").read_text() if (log / "seen").exists() else ""
    bad = [ln for ln in seen.splitlines() if " /" in ln.split(" ", 2)[-1] and "/dev/null" not in ln
           and "memfd:" not in ln]
    cay.destroy(id)
    assert not [ln for ln in bad if not re.search(r" (pipe|socket|anon_inode):", ln)], bad


def test_the_islander_is_a_small_static_program():
    found = [p for d in (pathlib.Path(CAY).resolve().parent, REPO / "build")
             for p in d.rglob("cay-init") if p.is_file() and p.stat().st_size > 0]
    if not found:
        skip("cay-init beside the built cay")
    path = found[0]
    assert path.stat().st_size <= 64 << 10
    out = subprocess.run(["file", "-b", str(path)], capture_output=True, text=True, timeout=TIMEOUT)
    if out.returncode == 0:
        assert "static" in out.stdout, out.stdout
