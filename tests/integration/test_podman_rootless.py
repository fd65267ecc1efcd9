# SPDX-License-Identifier: Apache-2.0
"""Debian's podman as an ordinary user, with cay as its runtime:
id maps of the user, no cgroups where none are delegated."""
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import stat
import subprocess

import pytest

from engine import RUNC, SLOW, Engine, both, call, write_archive
from harness import CAY, IS_RUNC, need, need_root, read, run_pty, skip, wait_for

IMAGE = "cay:test"
USER = f"caypod{os.getpid()}"


class Podman(Engine):
    def __init__(self, user):
        super().__init__("r")
        self.user = user
        b = self.base
        self.home, self.xdg, bin_ = b / "home", b / "xdg", b / "bin"
        for d, owner in ((self.home, user), (self.xdg, user), (bin_, None)):
            d.mkdir(mode=0o700 if owner else 0o755)
            if owner:
                os.chown(d, user.pw_uid, user.pw_gid)
        # The build may lie where the user can't reach it.
        self.runtime = bin_ / os.path.basename(CAY)
        shutil.copy(CAY, self.runtime)
        bin_.chmod(0o755)
        self.runtime.chmod(0o755)
        self.around = self.devices()
        (b / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
                                           '[engine]\nevents_logger = "file"\n')
        (b / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
        for f in ("containers.conf", "policy.json"):
            (b / f).chmod(0o644)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.xdg), "USER": USER,
                    "LOGNAME": USER, "CONTAINERS_CONF": str(b / "containers.conf"), "TMPDIR": str(self.home)}
        self.ok("load", "--signature-policy", b / "policy.json", "-i", write_archive(b / "image.tar"))

    def devices(self):
        """For users to open, as distributions have them; where the host has not, in a mount table of our own."""
        script = ""
        for d, minor in (("/dev/fuse", 229), ("/dev/net/tun", 200)):
            if not os.path.exists(d):
                skip(d)
            if os.stat(d).st_mode & 0o666 != 0o666:
                node = self.base / os.path.basename(d)
                os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(10, minor))
                node.chmod(0o666)
                script += f"mount --bind {node} {d} && "
        return ["unshare", "-m", "--propagation", "slave", "sh", "-c", script + 'exec "$@"', "sh"] if script else []

    def argv(self, *args, runtime=None):
        return [*self.around, "setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups",
                "--", "podman", "--cgroup-manager=cgroupfs", "--storage-driver=overlay",
                "--runtime", runtime or self.runtime, *args]

    def __call__(self, *args, runtime=None, **kw):
        return call(self.argv(*args, runtime=runtime), self.env, cwd=self.home, **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, r
        return r

    def run(self, *args, runtime=None, **kw):
        return self("run", "--rm", "--network=none", *args, runtime=runtime, **kw)

    def background(self, *options, command=("sleep", "1000")):
        return self.ok("run", "-d", "--network=none", *options, IMAGE, *command).out.strip()

    def end_pause(self):
        """The process that holds the user's namespaces."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.xdg / "libpod/tmp/pause.pid").read_text())
            assert os.stat(f"/proc/{pid}").st_uid == self.user.pw_uid
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: read(f"/proc/{pid}/cmdline") == b"", "the pause process to end")


@pytest.fixture(scope="module")
def podman():
    need_root()
    need("podman", "conmon", "busybox", "newuidmap", "useradd", "userdel", "setpriv")
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", USER], check=True,
                   capture_output=True, timeout=SLOW)
    p = None
    try:
        if USER.encode() not in read("/etc/subuid"):
            skip("SUB_UID_COUNT in /etc/login.defs: useradd gave no subordinate ids")
        p = Podman(pwd.getpwnam(USER))
        yield p
        p("rm", "-af", "-t", "0")
    finally:
        if p:
            p.end_pause()
        subprocess.run(["userdel", USER], capture_output=True, timeout=SLOW)
    assert p.done() == {}


@pytest.fixture(autouse=True)
def nothing_left(podman):
    yield
    ids = podman.ok("ps", "-aq", "--no-trunc").out.split()
    podman("rm", "-af", "-t", "0")
    assert ids == []
    state = [f for f in (podman.xdg / "cay").glob("*") if f.name != ".cache"] if (podman.xdg / "cay").exists() else []
    assert state == []
    wait_for(lambda: not [p for p, c in podman.strangers() if b"conmon" in c or b"sleep" in c],
             "the processes to end", 5)


def test_echo_and_status(podman):
    r = both(podman, IMAGE, "sh", "-c", "echo hello; exit 42")
    assert (r.rc, r.out) == (42, "hello\n"), r


def test_stdin(podman):
    assert both(podman, "-i", IMAGE, "cat", input="text\n").out == "text\n"


def test_the_ids_are_the_users(podman):
    r = both(podman, IMAGE, "sh", "-c", "id -u; cat /proc/self/uid_map")
    rows = [ln.split() for ln in r.out.splitlines()]
    assert rows[0] == ["0"] and rows[1] == ["0", str(podman.user.pw_uid), "1"] and rows[2][0] == "1", r


def test_a_user_and_a_volume(podman):
    d = podman.home / "volume"
    d.mkdir(exist_ok=True)
    os.chown(d, podman.user.pw_uid, podman.user.pw_gid)
    r = both(podman, "-v", f"{d}:/mnt", IMAGE, "sh", "-c", "echo mine >/mnt/file; stat -c %u /mnt/file")
    assert (r.rc, r.out) == (0, "0\n"), r
    assert (d / "file").stat().st_uid == podman.user.pw_uid
    r = both(podman, "-v", f"{d}:/mnt:ro", "-u", "1000:1000", IMAGE, "sh", "-c",
             "id -u; cat /mnt/file; probe mkdir /mnt/x")
    assert r.out.splitlines()[:2] == ["1000", "mine"] and r.out.splitlines()[2] in ("EROFS", "EACCES"), r


def test_keep_id(podman):
    r = both(podman, "--userns=keep-id", IMAGE, "sh", "-c", "id -u; id -g")
    assert r.out.split() == [str(podman.user.pw_uid), str(podman.user.pw_gid)], r


def test_read_only_root(podman):
    assert both(podman, "--read-only", IMAGE, "probe", "mkdir", "/x").out == "EROFS\n"


def test_a_terminal(podman):
    rc, out = run_pty(podman.argv("run", "--rm", "--network=none", "-t", IMAGE, "probe", "tty"), env=podman.env,
                      cwd=podman.home, timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out and "session 1 1" in out, out


def test_what_is_inside_is_the_same_as_under_runc(podman):
    r = both(podman, "--hostname", "h", IMAGE, "sh", "-c",
             "grep -E 'Cap|NoNew|Seccomp|Umask|Groups' /proc/self/status; probe rlimits; env | sort; pwd; hostname; "
             "ls -l /dev | grep -v total | cut -c 12-; cat /proc/self/oom_score_adj; ls /proc/sys/kernel | wc -l; "
             "ls /proc/self/fd | wc -l")
    assert r.rc == 0, r


def test_the_mount_points_are_those_of_runc(podman):
    def points(r):
        assert r.rc == 0, r
        return {ln.split()[4] for ln in r.out.splitlines() if not ln.split()[4].startswith("/sys/fs/cgroup")}
    args = (IMAGE, "cat", "/proc/self/mountinfo")
    got = points(podman.run(*args))
    if RUNC:
        assert got == points(podman.run(*args, runtime=RUNC))


def test_exec_stop_and_start_again(podman):
    c = podman.background(command=("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"))
    r = podman("exec", "-i", "-u", "1000", "-w", "/tmp", "-e", "A=b", c, "sh", "-c",
               "id -u; pwd; echo $A; cat; exit 5", input="in\n")
    assert (r.rc, r.out.split()) == (5, ["1000", "/tmp", "b", "in"]), r
    assert podman("exec", c, "nosuch").rc == 127
    rc, out = run_pty(podman.argv("exec", "-t", c, "probe", "tty"), env=podman.env, cwd=podman.home, timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out, out
    podman.ok("stop", "-t", "20", c)
    assert podman.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", c).out == "exited 0\n"
    podman.ok("start", c)
    podman.ok("kill", c)
    assert podman.ok("wait", c).out == "137\n"
    podman.ok("rm", c)


def test_logs_and_healthcheck(podman):
    c = podman.background("--health-cmd", "test -e /ok", "--health-interval", "disable",
                          command=("sh", "-c", "echo said; sleep 1000"))
    wait_for(lambda: podman.ok("logs", c).out == "said\n", "the log")
    assert podman("healthcheck", "run", c).rc == 1
    podman.ok("exec", c, "touch", "/ok")
    assert podman("healthcheck", "run", c).rc == 0
    podman.ok("rm", "-f", "-t", "0", c)


def test_a_missing_command_gives_127_and_one_that_can_not_run_126(podman):
    for command, status in (("nosuch", 127), ("/no/such", 127), ("/etc/passwd", 126), ("/etc", 126)):
        r = podman.run(IMAGE, command)
        assert r.rc == status, r


def test_a_pod_shares_its_namespaces(podman):
    c = podman.background("--hostname", "pod")
    r = podman("run", "--rm", f"--network=container:{c}", f"--pid=container:{c}", f"--ipc=container:{c}",
               f"--uts=container:{c}",
               IMAGE, "sh", "-c", "hostname; ps | grep -c '[s]leep 1000'")
    assert (r.rc, r.out.split()) == (0, ["pod", "1"]), r
    podman.ok("rm", "-f", "-t", "0", c)


def test_the_network_of_slirp4netns(podman):
    need("slirp4netns")
    r = podman("run", "--rm", "--network=slirp4netns", IMAGE, "sh", "-c", "ip -o addr show tap0 | grep -o '10.0.2.100'")
    assert (r.rc, r.out) == (0, "10.0.2.100\n"), r


def test_fuse_overlayfs_as_the_storage(podman):
    need("fuse-overlayfs")
    b = podman.home / "fuse"
    more = ("--root", b / "root", "--runroot", b / "run",
            "--storage-opt", f"overlay.mount_program={shutil.which('fuse-overlayfs')}")

    def other(*args):
        r = podman(*more, *args)
        assert r.rc == 0, r
        return r.out
    other("load", "--signature-policy", podman.base / "policy.json", "-i", podman.base / "image.tar")
    script = "echo x >/x; cat /x; grep -c ' / / .*fuse' /proc/self/mountinfo"
    assert other("run", "--rm", "--network=none", IMAGE, "sh", "-c", script).split() == ["x", "1"]
    other("rmi", "-af")


def test_a_state_directory_of_the_user(podman):
    c = podman.background()
    state = json.loads((podman.xdg / "cay" / c / "state.json").read_text()) if not IS_RUNC else None
    assert IS_RUNC or state["id"] == c
    assert not pathlib.Path("/run/cay", c).exists()
    podman.ok("rm", "-f", "-t", "0", c)
