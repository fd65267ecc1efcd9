# SPDX-License-Identifier: Apache-2.0
"""Debian's containerd with its shim for runc and cay as the program behind it (`ctr --runc-binary`).

containerd has directories, an address and a namespace of its own, and no network.
"""
import itertools
import json
import os
import signal
import subprocess
import threading

import pytest

from apparmor import need_apparmor, parse
from engine import IMAGE, RUNC, SLOW, Engine, call, limit_of, need_checkpoint, write_archive
from harness import CAY, need, read, run, run_pty, skip, wait_for


class Containerd(Engine):
    def __init__(self):
        super().__init__("c")
        self.fifos = ("--fifo-dir", self.base / "fifo")
        self.address = self.base / "containerd.sock"
        (self.base / "config.toml").write_text(f"""version = 2
root = "{self.base}/root"
state = "{self.base}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{self.address}"
""")
        # For `containers create`, which can't be told: there cay is what $PATH calls runc.
        (self.base / "bin").mkdir()
        (self.base / "bin/runc").symlink_to(CAY)
        self.env["PATH"] = f"{self.base}/bin:{self.env['PATH']}"
        self.daemon("containerd", "-c", self.base / "config.toml")
        self.wait_ready(lambda: self("version"))
        self.ok("images", "import", "--snapshotter", self.snapshotter,
                write_archive(self.base / "image.tar"))

    snapshotter = "overlayfs"
    number = 0

    def argv(self, *args):
        return ["ctr", "-a", str(self.address), "-n", self.token, *map(str, args)]

    def __call__(self, *args, **kw):
        return call(self.argv(*args), self.env, **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, (r, self.log_end())
        return r

    def id(self):
        self.number += 1
        return f"{self.token}-{self.number}"

    def exec(self, name, *options):
        return ["tasks", "exec", *self.fifos, *self.exec_id(name), *options]

    def exec_id(self, name):
        return ["--exec-id", f"{self.token}-{name}"]

    def run_args(self, *options, runtime=None, id=None, command=("sh",), keep=False):
        return ["run", *([] if keep else ["--rm"]), "--runtime", "io.containerd.runc.v2",
                "--runc-binary", runtime or CAY, "--runc-root", self.base / "runc", *self.fifos, *options,
                IMAGE, id or self.id(), *command]

    def run(self, *command, options=(), runtime=None, **kw):
        return self(*self.run_args(*options, runtime=runtime, command=command), **kw)

    def background(self, *command, options=(), runtime=None):
        """A container that goes on; returns its id and the pid of its first process."""
        id = self.id()
        self.ok(*self.run_args("-d", *options, id=id, command=command or ("sleep", "1000"), keep=True, runtime=runtime))
        return id, self.pid(id)

    def tasks(self):
        rows = [ln.split() for ln in self.ok("tasks", "ls").out.splitlines()[1:]]
        return {r[0]: (int(r[1]), r[2]) for r in rows}

    def pid(self, id):
        return self.tasks()[id][0]

    def status(self, id):
        return self.tasks().get(id, (0, "gone"))[1]

    def wait_status(self, id, want):
        wait_for(lambda: self.status(id) == want, f"{id} to be {want}")

    def remove(self, id):
        """SIGKILL, and what is left of it."""
        if self.status(id) not in ("gone", "STOPPED"):
            self.ok("tasks", "kill", "-s", "SIGKILL", id)
            self.wait_status(id, "STOPPED")
        if self.status(id) != "gone":
            self("tasks", "delete", id)  # its status is the container's
        self.ok("containers", "delete", id)


@pytest.fixture(scope="module")
def containerd():
    need("containerd", "ctr", "containerd-shim-runc-v2", "busybox")
    c = Containerd()
    yield c
    left = c.done()
    assert left == {}


@pytest.fixture(autouse=True)
def nothing_left(containerd):
    """After each test: no container, no state of ours, no cgroup, no shim."""
    yield
    ids = containerd.ok("containers", "ls", "-q").out.split()
    for i in ids:
        containerd.remove(i)
    assert ids == []
    containerd.check_quiet([containerd.base / "runc" / containerd.token], "state")


def both(containerd, *command, options=(), **kw):
    """The same under runc; returns what cay gave after comparing."""
    got = containerd.run(*command, options=options, **kw)
    if RUNC:
        want = containerd.run(*command, options=options, runtime=RUNC, **kw)
        assert (got.rc, got.out) == (want.rc, want.out), (got, want)
    return got


def unquoted(text):
    return text.replace('"', "")


def test_echo(containerd):
    assert both(containerd, "echo", "hello").out == "hello\n"


def test_the_exit_status_of_the_program(containerd):
    assert both(containerd, "sh", "-c", "exit 42").rc == 42
    assert both(containerd, "sh", "-c", "sh -c 'kill -9 $$'; exit $?").rc == 137


def test_stderr_and_stdin_are_their_own(containerd):
    r = both(containerd, "sh", "-c", "read x; echo $x; echo oops >&2", input="text\n")
    assert (r.out, r.err) == ("text\n", "oops\n"), r


def test_environment(containerd):
    r = both(containerd, "sh", "-c", "echo $FROM $A $PATH", options=("--env", "A=b c"))
    assert r.out == "image b c /bin\n"


def test_what_is_inside_is_the_same_as_under_runc(containerd):
    both(containerd, "sh", "-c",
         "grep -E 'Cap|NoNew|Seccomp|Umask|Groups' /proc/self/status; probe rlimits; env | sort; pwd; hostname; "
         "ls -l /dev | grep -v total; cat /proc/self/oom_score_adj; ls /proc/self/fd | wc -l",
         options=("--seccomp",))


def test_privileged_has_the_capabilities_and_devices_of_runc(containerd):
    both(containerd, "sh", "-c", "grep -E 'Cap|NoNew|Seccomp' /proc/self/status; grep -c . /proc/mounts; "
         "ls /proc/acpi /proc/sys/kernel | wc -l; probe mkdir /sys/fs/cgroup/x", options=("--privileged",))


def test_read_only_root(containerd):
    assert both(containerd, "probe", "mkdir", "/x", options=("--read-only",)).out == "EROFS\n"


def test_a_volume(containerd):
    d = containerd.base / "volume"
    d.mkdir(exist_ok=True)
    (d / "file").write_text("from the host\n")
    r = both(containerd, "sh", "-c", "cat /mnt/file; probe mkdir /mnt/x",
             options=("--mount", f"type=bind,src={d},dst=/mnt,options=rbind:ro"))
    assert r.out == "from the host\nEROFS\n"


def test_user_and_directory(containerd):
    id, _ = containerd.background(options=("--cwd", "/tmp"))
    r = containerd.ok(*containerd.exec("e1", "--user", "1000:1000"), id, "sh", "-c", "id -u; id -g; pwd")
    assert r.out.split() == ["1000", "1000", "/tmp"]
    containerd.remove(id)


def test_memory_and_cpu_limits_arrive(containerd):
    id, pid = containerd.background(options=("--memory-limit", str(64 << 20), "--cpus", "0.5"))
    assert limit_of(pid, "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert limit_of(pid, "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    containerd.remove(id)


def test_a_terminal(containerd):
    rc, out = run_pty(containerd.argv(*containerd.run_args("-t", command=("probe", "tty"))), env=containerd.env,
                      timeout=SLOW)
    assert rc == 0, out
    assert "isatty 1 1 1" in out and "session 1 1" in out, out


def test_an_interactive_terminal(containerd):
    rc, out = run_pty(containerd.argv(*containerd.run_args("-t", command=("sh", "-c", "read x; echo got $x; exit 3"))),
                      input="hello\n", env=containerd.env, timeout=SLOW)
    assert rc == 3 and "got hello" in out, out


def test_exec(containerd):
    id, _ = containerd.background()
    # When the program ends ctr closes the pipes, whether it has read what is in them or not.
    r = containerd(*containerd.exec("e1", "--cwd", "/tmp"), id, "sh", "-c", "pwd; read x; echo $x; sleep 1; exit 5",
                   input="in\n")
    assert (r.rc, r.out) == (5, "/tmp\nin\n"), r
    rc, out = run_pty(containerd.argv(*containerd.exec("e2", "-t"), id, "probe", "tty"),
                      env=containerd.env, timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out and "session 1" in out, out
    containerd.remove(id)


def test_exec_of_what_is_not_there_says_so_as_under_runc(containerd):
    id, _ = containerd.background()
    r = containerd(*containerd.exec("e1"), id, "nosuch")
    assert r.rc != 0 and "executable file" in r.err and "not found in $PATH" in r.err, r
    assert "OCI runtime exec failed" in r.err, r  # containerd found our message in the JSON log
    containerd.remove(id)


def test_a_failed_start_says_why(containerd):
    r = containerd.run("nosuch")
    assert r.rc != 0
    assert "OCI runtime create failed" in r.err and "executable file" in r.err and "not found in $PATH" in r.err, r


def test_detached_exec_and_ps(containerd):
    id, pid = containerd.background()
    containerd.ok(*containerd.exec("e1", "-d"), id, "sleep", "999")
    rows = [ln.split() for ln in containerd.ok("tasks", "ps", id).out.splitlines()[1:]]
    assert str(pid) in [r[0] for r in rows] and len(rows) == 2, rows
    assert [r for r in rows if "e1" in " ".join(r)], rows
    other = next(int(r[0]) for r in rows if r[0] != str(pid))
    containerd.ok("tasks", "kill", *containerd.exec_id("e1"), "-s", "SIGKILL", id)
    wait_for(lambda: not os.path.exists(f"/proc/{other}"), "the exec to end")
    containerd.remove(id)


def test_a_signal_reaches_the_program(containerd):
    id, _ = containerd.background("sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
    numbers = itertools.count()

    def caught():
        r = containerd.ok(*containerd.exec(f"n{next(numbers)}"), id, "grep", "SigCgt", "/proc/1/status")
        return int(r.out.split()[1], 16)
    wait_for(caught, "the trap")
    containerd.ok("tasks", "kill", id)
    containerd.wait_status(id, "STOPPED")
    assert "non-zero exit code 9\n" in unquoted(containerd.ok("tasks", "delete", id).err)
    containerd.remove(id)


def test_kill_all(containerd):
    id, pid = containerd.background("sh", "-c", "sleep 998 & sleep 999 & wait")
    wait_for(lambda: len(containerd.ok("tasks", "ps", id).lines) == 4, "three processes")
    pids = [int(ln.split()[0]) for ln in containerd.ok("tasks", "ps", id).lines[1:]]
    containerd.ok("tasks", "kill", "--all", "-s", "SIGKILL", id)
    containerd.wait_status(id, "STOPPED")
    wait_for(lambda: not [p for p in pids if os.path.exists(f"/proc/{p}")], "all of them to die")
    containerd.remove(id)


def test_pause_and_resume(containerd):
    id, pid = containerd.background()
    containerd.ok("tasks", "pause", id)
    assert containerd.status(id) == "PAUSED"
    r = containerd(*containerd.exec("e1"), id, "true")
    assert r.rc != 0, r
    containerd.ok("tasks", "resume", id)
    assert containerd.status(id) == "RUNNING"
    containerd.ok(*containerd.exec("e2"), id, "true")
    containerd.remove(id)


def test_metrics(containerd):
    id, _ = containerd.background()
    r = containerd.ok("tasks", "metrics", "--format", "json", id)
    assert json.loads(r.out), r
    containerd.remove(id)


def test_running_out_of_memory_is_an_event(containerd):
    p = subprocess.Popen(containerd.argv("events"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = []
    t = threading.Thread(target=lambda: lines.extend(p.stdout), daemon=True)
    t.start()
    try:
        wait_for(lambda: containerd.ok("namespaces", "label", containerd.token, "a=b") and lines, "an event")
        # The shim looks for it only once start has returned.
        r = containerd.run("sh", "-c", "sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1; exit 7",
                           options=("--memory-limit", str(16 << 20)))
        assert r.rc == 7, r
        wait_for(lambda: any(b"/tasks/oom" in ln for ln in lines), "the event")
    finally:
        p.terminate()
        p.wait(5)
        t.join(5)
        p.stdout.close()


def test_a_user_namespace(containerd):
    r = containerd.run("sh", "-c", "cat /proc/self/uid_map; id -u",
                       options=("--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000"))
    assert r.rc == 0, r
    assert r.out.split() == ["0", "100000", "5000", "0"]


def test_the_network_of_the_host(containerd):
    r = both(containerd, "readlink", "/proc/self/ns/net", options=("--net-host",))
    assert r.out.strip() == os.readlink("/proc/self/ns/net")


def test_joining_a_namespace(containerd):
    id, pid = containerd.background()
    r = both(containerd, "readlink", "/proc/self/ns/ipc", options=("--with-ns", f"ipc:/proc/{pid}/ns/ipc"))
    assert r.out.strip() == os.readlink(f"/proc/{pid}/ns/ipc")
    containerd.remove(id)


def test_a_killed_first_process_is_noticed(containerd):
    id, pid = containerd.background()
    os.kill(pid, signal.SIGKILL)
    containerd.wait_status(id, "STOPPED")
    assert "non-zero exit code 137\n" in unquoted(containerd.ok("tasks", "delete", id).err)
    containerd.remove(id)


def test_a_killed_shim_leaves_nothing(containerd):
    id, pid = containerd.background()
    shim = int(read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    assert b"containerd-shim" in read(f"/proc/{shim}/cmdline")
    os.kill(shim, signal.SIGKILL)
    wait_for(lambda: containerd.status(id) in ("gone", "STOPPED", "UNKNOWN"), "containerd to notice")
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or b") Z" in read(f"/proc/{pid}/stat"), "the container to die")
    containerd("tasks", "delete", "--force", id)
    containerd.ok("containers", "delete", id)


@pytest.fixture
def made(containerd):
    """A container from `containers create`: kept when its task has ended."""
    ids = []

    def make(*command):
        ids.append(containerd.id())
        containerd.ok("containers", "create", "--", IMAGE, ids[-1], *command)
        return ids[-1]
    yield make
    for i in ids:
        containerd.remove(i)
    subprocess.run(["rm", "-rf", f"/run/containerd/runc/{containerd.token}"], timeout=SLOW)


def test_create_and_start_are_two_things(containerd, made):
    id = made("sh", "-c", "echo started; exit 4")
    r = containerd("tasks", "start", *containerd.fifos, id)
    assert (r.rc, r.out) == (4, "started\n"), r


def test_the_same_container_can_be_started_again(containerd, made):
    id = made("sh", "-c", "echo x >>/n; wc -l </n")
    assert [containerd.ok("tasks", "start", *containerd.fifos, id).out.strip() for _ in range(3)] == ["1", "2", "3"]


def test_eight_at_once(containerd):
    got = {}
    argv = {n: containerd.argv(*containerd.run_args(command=("sh", "-c", f"echo {n}; exit {n}"))) for n in range(1, 9)}
    ts = [threading.Thread(target=lambda n=n: got.update({n: call(argv[n], containerd.env)})) for n in argv]
    for t in ts:
        t.start()
    for t in ts:
        t.join(SLOW)
    assert {n: (r.rc, r.out) for n, r in got.items()} == {n: (n, f"{n}\n") for n in argv}


def test_the_calls_are_those_that_containerd_is_known_for(containerd):
    """What the tests above rest on: the options are really given in this form, and none is refused."""
    containerd.calls.unlink(missing_ok=True)
    id, _ = containerd.background(runtime=containerd.recorder)
    containerd.ok(*containerd.exec("e1"), id, "true")
    containerd.ok("tasks", "ps", id)
    containerd.ok("tasks", "kill", "--all", "-s", "SIGKILL", id)
    containerd.wait_status(id, "STOPPED")
    containerd("tasks", "delete", id)
    containerd.ok("containers", "delete", id)
    calls = containerd.recorded()
    head = f"--root {containerd.base}/runc/{containerd.token} --log "
    assert all(c.startswith(head) and " --log-format json " in c for c in calls if "--version" not in c), calls
    for part in (" create --bundle ", f" start {id}", " exec --process ", f" ps --format json {id}",
                 f" kill --all {id} 9", f" delete {id}"):
        assert any(part in c for c in calls), (part, calls)


def test_deleting_twice_is_no_error(containerd):
    """The shim deletes; containerd cleans up behind it with a shim of its own, which forces it."""
    containerd.calls.unlink(missing_ok=True)
    id, pid = containerd.background(runtime=containerd.recorder)
    shim = int(read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    os.kill(shim, signal.SIGKILL)
    wait_for(lambda: any(f"delete --force {id}" in c for c in containerd.recorded()), "containerd to force it")
    wait_for(lambda: containerd.status(id) in ("gone", "STOPPED", "UNKNOWN"), "containerd to notice")
    root = containerd.base / "runc" / containerd.token
    for _ in range(2):
        r = call([CAY, "--root", root, "--log-format", "json", "delete", "--force", id], containerd.env)
        assert (r.rc, r.out, r.err) == (0, "", ""), r
    containerd("tasks", "delete", "--force", id)
    containerd.ok("containers", "delete", id)


def test_containers_are_scopes_of_systemd_when_asked(containerd):
    """What SystemdCgroup = true is to containerd's CRI."""
    if not os.path.isdir("/run/systemd/system"):
        skip("a running systemd")
    name = f"{containerd.token}-scope"
    unit = f"cayctr-{name}.scope"
    id, pid = containerd.background(options=["--runc-systemd-cgroup", "--cgroup", f"system.slice:cayctr:{name}",
                                             "--memory-limit", str(64 << 20)])
    try:
        assert f"/system.slice/{unit}" in read(f"/proc/{pid}/cgroup").decode()
        shown = run(["systemctl", "show", unit, "-p", "ActiveState", "-p", "MemoryMax", "-p", "MemoryLimit"]).lines
        assert "ActiveState=active" in shown and any(ln.endswith(f"={64 << 20}") for ln in shown), shown
        r = containerd(*containerd.exec("scope"), id, "cat", "/proc/self/cgroup")
        assert r.rc == 0 and unit in r.out, r
    finally:
        containerd.remove(id)
    assert run(["systemctl", "show", unit, "-p", "LoadState"]).out.strip() == "LoadState=not-found"


def test_the_default_profile_of_apparmor_confines(containerd):
    need_apparmor()
    name = f"{containerd.token}-profile"
    try:
        r = containerd.run("cat", "/proc/self/attr/current", options=["--apparmor-default-profile", name])
        assert (r.rc, r.out) == (0, f"{name} (enforce)\n"), r
    finally:
        parse("--remove", f"profile {name} {{ }}")


def test_checkpoint_and_restore(containerd):
    need_checkpoint()
    containerd.calls.unlink(missing_ok=True)
    id, _ = containerd.background("sh", "-c", "n=0; while :; do n=$((n+1)); echo $n >/n; sleep 0.1; done",
                                  runtime=containerd.recorder)

    def count():
        r = containerd(*containerd.exec(f"n{next(numbers)}"), id, "cat", "/n")
        return int(r.out) if r.rc == 0 and r.out.strip() else 0
    numbers = itertools.count()
    wait_for(lambda: count() > 3, "the program to count")
    image = f"{IMAGE}-checkpoint"
    containerd.ok("containers", "checkpoint", "--task", "--rw", "--image", id, image)
    before = count()
    containerd.remove(id)
    p = subprocess.Popen(containerd.argv("containers", "restore", "--rw", "--live", id, image),
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         env=containerd.env)
    try:
        wait_for(lambda: containerd.status(id) == "RUNNING", "the restored task", SLOW)
        wait_for(lambda: count() > max(before, 3) - 1, "the program to go on counting")
        assert [c for c in containerd.recorded() if " restore " in c and " -no-subreaper" in c], containerd.recorded()
        containerd.ok("tasks", "kill", "-s", "SIGKILL", id)
        p.wait(SLOW)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait(5)
    containerd("tasks", "delete", "--force", id)
    containerd.ok("containers", "delete", id)
    containerd.ok("images", "rm", image)
