# SPDX-License-Identifier: Apache-2.0
"""Debian's podman (root) with cay as its runtime, and an image unpacked by umoci run directly.

How podman has to be started on such a machine (no CAP_SYS_RESOURCE, hybrid cgroups): own storage,
cgroupfs, resource limits that can be had, no network.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from apparmor import need_apparmor
from engine import RUNC, both, limit_of, need_checkpoint
from harness import (CAY, CGROUP_ROOT, IS_RUNC, TMP, Bundle, make_root, need, need_root, run, run_pty, skip,
                     wait_for)

SLOW = 120


class Podman:
    def __init__(self, base):
        self.base = base
        base.mkdir(mode=0o700)
        (base / "tmp").mkdir()
        conf = base / "containers.conf"
        conf.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
                        "[engine]\nevents_logger = \"file\"\n")
        self.env = {**os.environ, "CONTAINERS_CONF": str(conf), "TMPDIR": str(base / "tmp")}

    def argv(self, *args, runtime=None):
        b = self.base
        return ["podman", "--root", b / "root", "--runroot", b / "run", "--tmpdir", b / "tmp",
                "--cgroup-manager=cgroupfs", "--storage-driver=overlay", "--runtime", runtime or CAY, *args]

    def __call__(self, *args, runtime=None, **kw):
        # Its monitor leaves a file where it stands.
        return run(self.argv(*args, runtime=runtime), env=self.env, timeout=SLOW, cwd=self.base, **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, r
        return r

    def run(self, *args, runtime=None, **kw):
        return self("run", "--rm", "--network=none", *args, runtime=runtime, **kw)


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    need_root()
    need("podman", "conmon", "busybox")
    base = TMP / f"caytp{os.getpid()}"
    p = Podman(base)
    root = base / "image"
    make_root(root)
    tar = base / "image.tar"
    subprocess.run(["tar", "-C", root, "-cf", tar, "."], check=True, timeout=SLOW)
    shutil.rmtree(root)
    p.ok("import", tar, "busybox:cay")
    yield p
    p("rm", "-af", "-t", "0")
    for ln in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
        if str(base) in ln.split()[4]:
            subprocess.run(["umount", "-l", ln.split()[4]], timeout=SLOW)
    subprocess.run(["rm", "-rf", "--one-file-system", str(base)], timeout=SLOW)


@pytest.fixture(autouse=True)
def nothing_left(podman):
    """No container of podman's, no cgroup of theirs, no mount of their roots."""
    seen = set()
    yield seen
    ids = podman.ok("ps", "-aq", "--no-trunc").out.split()
    podman("rm", "-af", "-t", "0")
    assert ids == []
    assert [ln for ln in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
            if f"{podman.base}/root/overlay/" in ln and "/merged" in ln] == []
    for c in seen:
        assert list(CGROUP_ROOT.glob(f"*/libpod_parent/*{c}*")) == []


IMAGE = "busybox:cay"


def test_echo(podman):
    assert both(podman, IMAGE, "echo", "hello").out == "hello\n"


def test_exit_status_42(podman):
    assert both(podman, IMAGE, "sh", "-c", "exit 42").rc == 42


def test_stdin_goes_through(podman):
    assert both(podman, "-i", IMAGE, "cat", input="text\n").out == "text\n"


def test_terminal(podman):
    rc, out = run_pty(podman.argv("run", "--rm", "--network=none", "-t", IMAGE, "probe", "tty"),
                      env=podman.env, timeout=SLOW)
    assert rc == 0, out
    assert "isatty 1 1 1" in out
    assert "session 1 1" in out


def test_interactive_terminal(podman):
    rc, out = run_pty(podman.argv("run", "--rm", "--network=none", "-it", IMAGE, "sh", "-c",
                                  "read x; echo got $x; exit 3"),
                      input="hello\n", env=podman.env, timeout=SLOW)
    assert rc == 3, out
    assert "got hello" in out


def test_volume_readonly(podman):
    d = podman.base / "volume"
    d.mkdir(exist_ok=True)
    (d / "file").write_text("from the host\n")
    r = both(podman, "-v", f"{d}:/mnt:ro", IMAGE, "sh", "-c", "cat /mnt/file; probe mkdir /mnt/x")
    assert r.out == "from the host\nEROFS\n"


def test_memory_limit_is_seen_in_the_cgroup(podman):
    r = both(podman, "--memory", "64m", IMAGE, "sh", "-c",
             "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null")
    assert r.out.split() == [str(64 << 20)]


def test_pids_limit(podman):
    # One more for runc, none of it ours: the program itself counts.
    r = both(podman, "--pids-limit", "20", IMAGE, "sh", "-c",
             "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null")
    assert r.out.split() == ["20"]


def test_read_only(podman):
    r = both(podman, "--read-only", IMAGE, "sh", "-c", "probe mkdir /x; probe mkdir /tmp/x; probe mkdir /run/x")
    assert r.out.split()[0] == "EROFS"


def test_user(podman):
    r = both(podman, "--user", "1000", IMAGE, "sh", "-c", "id -u; id -g; echo $HOME; grep Cap /proc/self/status")
    assert r.out.split()[0] == "1000"


def test_what_is_inside_is_the_same_as_under_runc(podman):
    both(podman, "--hostname", "h", IMAGE, "sh", "-c",
         "grep -E 'Cap|NoNew|Seccomp|Umask|Groups' /proc/self/status; probe rlimits; env | sort; pwd; "
         "hostname; ls -l /dev | grep -v total; cat /proc/self/oom_score_adj; ls /proc/sys/kernel | wc -l")


def test_the_mount_table_is_the_same_as_under_runc(podman):
    def table(r):
        assert r.rc == 0, r
        return sorted((f[4], f[5].replace("ro,", "").replace("rw,", ""))
                      for f in (ln.split() for ln in r.out.splitlines())
                      if "/null" not in f[3] and f[4] not in ("/sys/fs/cgroup/unified",))
    args = (IMAGE, "cat", "/proc/self/mountinfo")
    got = table(podman.run(*args))
    if not IS_RUNC and shutil.which("runc"):
        want = table(podman.run(*args, runtime=shutil.which("runc")))
        masked = {"/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/fs/selinux", "/proc/asound",
                  "/sys/dev/block", "/sys/devices/virtual/powercap"}
        assert [m for m in got if m[0] not in masked] == [m for m in want if m[0] not in masked]
        assert {m[0] for m in got} == {m[0] for m in want}


def test_the_default_seccomp_filter_works(podman):
    # The filter allows a few personalities; ADDR_NO_RANDOMIZE is not one of them.
    script = "probe syscall 135 0x40000"
    assert podman.run("--user", "1000", IMAGE, "sh", "-c", script).out in ("EPERM\n", "ENOSYS\n")
    assert podman.run("--user", "1000", "--security-opt", "seccomp=unconfined", IMAGE, "sh", "-c", script).out \
        == "ok\n"


def test_exec_stop_and_rm(podman, nothing_left):
    c = podman.ok("run", "-d", "--network=none", IMAGE, "sh", "-c",
                  "trap 'exit 0' TERM; while :; do sleep 0.1; done").out.strip()
    nothing_left.add(c)
    r = podman("exec", c, "sh", "-c", "echo in; exit 5")
    assert (r.rc, r.out) == (5, "in\n"), r
    r = podman("exec", "-u", "1000", "-w", "/tmp", "-e", "A=b", c, "sh", "-c", "id -u; pwd; echo $A")
    assert r.out.split() == ["1000", "/tmp", "b"], r
    assert podman("exec", c, "nosuch").rc == 127
    assert podman("exec", c, "/etc/passwd").rc == 126
    rc, out = run_pty(podman.argv("exec", "-t", c, "probe", "tty"), env=podman.env, timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out, out
    assert "sh -c" in podman.ok("top", c).out
    podman.ok("stop", "-t", "20", c)
    assert podman.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", c).out == "exited 0\n"
    podman.ok("start", c)
    podman.ok("kill", c)
    podman.ok("rm", c)


def test_pause_is_refused_or_works_but_does_not_lie(podman, nothing_left):
    c = podman.ok("run", "-d", "--network=none", IMAGE, "sleep", "1000").out.strip()
    nothing_left.add(c)
    if podman("pause", c).rc == 0:
        assert podman.ok("inspect", "-f", "{{.State.Status}}", c).out == "paused\n"
        podman.ok("unpause", c)
    podman.ok("rm", "-f", "-t", "0", c)


def test_pause_and_unpause(podman, nothing_left):
    c = podman.ok("run", "-d", "--network=none", IMAGE, "sleep", "1000").out.strip()
    nothing_left.add(c)
    podman.ok("pause", c)
    assert podman.ok("inspect", "-f", "{{.State.Status}}", c).out == "paused\n"
    assert podman("exec", c, "true").rc != 0
    podman.ok("unpause", c)
    podman.ok("exec", c, "true")
    podman.ok("rm", "-f", "-t", "0", c)


def test_update(podman, nothing_left):
    if podman("update", "--help").rc != 0:
        skip("podman update (4.3)")
    c = podman.ok("run", "-d", "--network=none", "--memory", "64m", "--memory-swap", "64m", IMAGE, "sleep", "1000").out.strip()
    nothing_left.add(c)
    podman.ok("update", "--memory", "96m", "--memory-swap", "96m", "--cpus", "0.5", c)
    pid = podman.ok("inspect", "-f", "{{.State.Pid}}", c).out.strip()
    assert limit_of(pid, "memory.limit_in_bytes", "memory.max") == str(96 << 20)
    assert limit_of(pid, "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    podman.ok("rm", "-f", "-t", "0", c)


def test_out_of_memory_ends_it_with_137(podman):
    # That it was for lack of memory podman 4.3 notices under no runtime on cgroup v1: test_conmon has the oom file.
    r = both(podman, "--memory", "16m", "--memory-swap", "16m", IMAGE, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    assert r.rc == 137, r


def test_logs_healthcheck_and_restart(podman, nothing_left):
    c = podman.ok("run", "-d", "--network=none", "--health-cmd", "test -e /ok", "--health-interval", "disable", IMAGE,
                  "sh", "-c", "trap 'exit 0' TERM; echo said; while :; do sleep 0.1; done").out.strip()
    nothing_left.add(c)
    wait_for(lambda: podman.ok("logs", c).out == "said\n", "the log")
    assert podman("healthcheck", "run", c).rc == 1
    podman.ok("exec", c, "touch", "/ok")
    assert podman("healthcheck", "run", c).rc == 0
    podman.ok("restart", "-t", "20", c)
    wait_for(lambda: podman.ok("logs", c).out == "said\nsaid\n", "the log after the restart")
    podman.ok("stats", "--no-stream", "--no-reset", c)
    podman.ok("rm", "-f", "-t", "0", c)


def test_the_default_profile_of_apparmor_confines(podman):
    need_apparmor()
    assert re.fullmatch(r"containers-default-[\d.]+ \(enforce\)\n",
                        podman.run(IMAGE, "cat", "/proc/self/attr/current").out)
    assert podman.run("--security-opt=apparmor=unconfined", IMAGE, "cat", "/proc/self/attr/current").out == "unconfined\n"


def test_checkpoint_and_restore(podman, nothing_left):
    need_checkpoint()
    c = podman.ok("run", "-d", "--network=none", IMAGE, "sh", "-c",
                  "n=0; while :; do n=$((n+1)); echo $n >/n; sleep 0.1; done").out.strip()
    nothing_left.add(c)

    def count():
        return int(podman.ok("exec", c, "cat", "/n").out or 0)
    wait_for(lambda: count() > 3, "the program to count")
    podman.ok("container", "checkpoint", c)
    podman.ok("container", "restore", c)
    wait_for(lambda: count() > 4, "the program to go on counting")
    podman.ok("rm", "-f", "-t", "0", c)


def test_rm_force_of_a_running_container(podman, nothing_left):
    c = podman.ok("run", "-d", "--network=none", IMAGE, "sleep", "1000").out.strip()
    nothing_left.add(c)
    podman.ok("rm", "-f", "-t", "0", c)
    assert podman("inspect", c).rc != 0


def test_a_missing_command_gives_127_and_one_that_can_not_run_126(podman):
    for command, status in (("nosuch", 127), ("/no/such", 127), ("/etc/passwd", 126), ("/etc", 126)):
        r = podman.run(IMAGE, command)
        assert r.rc == status, r
        want = podman.run(IMAGE, command, runtime=RUNC) if RUNC else r
        assert r.rc == want.rc, (r, want)


def test_a_failed_start_shows_the_reason(podman):
    r = podman.run(IMAGE, "nosuch")
    assert "executable file" in r.err and "not found in $PATH" in r.err, r


def test_a_pod_shares_its_namespaces(podman):
    a = podman.ok("run", "-d", "--network=none", "--hostname=pod", IMAGE, "sleep", "1000").out.strip()
    try:
        r = podman("run", "--rm", f"--network=container:{a}", f"--pid=container:{a}",
                   f"--ipc=container:{a}", f"--uts=container:{a}", IMAGE, "sh", "-c", "hostname; ps | grep -c sleep")
        assert r.rc == 0, r
        assert r.lines[0] == "pod" and int(r.lines[1]) >= 1
    finally:
        podman("rm", "-f", "-t", "0", a)


def test_a_user_namespace_of_podman(podman):
    r = podman.run("--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000", IMAGE, "sh", "-c",
                   "cat /proc/self/uid_map; id -u")
    assert r.rc == 0, r
    assert r.out.split() == ["0", "100000", "5000", "0"]


def test_a_bundle_unpacked_by_umoci_runs(podman, cay):
    need("umoci")
    d = cay.dir
    b = Bundle(d / "src")
    subprocess.run(["umoci", "init", "--layout", d / "oci"], check=True, timeout=SLOW)
    subprocess.run(["umoci", "new", "--image", f"{d}/oci:x"], check=True, timeout=SLOW)
    subprocess.run(["umoci", "insert", "--image", f"{d}/oci:x", b.rootfs, "/"], check=True, timeout=SLOW)
    subprocess.run(["umoci", "config", "--image", f"{d}/oci:x", "--config.env", "PATH=/bin",
                    "--config.cmd", "sh"], check=True, timeout=SLOW)
    subprocess.run(["umoci", "unpack", "--image", f"{d}/oci:x", d / "bundle"], check=True, timeout=SLOW)
    config = json.loads((d / "bundle/config.json").read_text())
    config["process"]["terminal"] = False
    config["process"]["args"] = ["sh", "-c", "id -u; hostname; cat /proc/1/comm; exit 6"]
    (d / "bundle/config.json").write_text(json.dumps(config))
    r = cay("run", "-b", d / "bundle", cay.id())
    assert r.rc == 6, r
    assert r.lines[0] == "0"
    if shutil.which("runc"):
        w = cay.other("runc")("run", "-b", d / "bundle", cay.id())
        assert (w.rc, w.lines[0], w.lines[2]) == (r.rc, r.lines[0], r.lines[2])


@pytest.mark.parametrize("mode,want", [("container", [r"MAINPID=[0-9]+", "READY=1"]), ("conmon", [r"MAINPID=[0-9]+\nREADY=1"])])
def test_a_service_manager_is_told_and_nobody_waits_for_it(podman, tmp_path, mode, want):
    """podman's --sdnotify: conmon relays what the container says. A runtime that did so too would hold podman's lock."""
    path = str(tmp_path / "manager.sock")
    name = f"notify-{mode}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(SLOW)
        r = run(podman.argv("run", "-d", "--name", name, "--network=none", f"--sdnotify={mode}", IMAGE, "sh", "-c",
                            "while [ ! -e /go ]; do sleep 0.1; done; probe notify READY=1; exec sleep 1000"),
                env={**podman.env, "NOTIFY_SOCKET": path}, timeout=SLOW)
        assert r.rc == 0, r
        podman.ok("exec", name, "touch", "/go")
        got = [manager.recv(4096).decode() for _ in want]
    podman.ok("rm", "-f", "-t", "0", name)
    assert all(re.fullmatch(w, g) for w, g in zip(want, got)), got
