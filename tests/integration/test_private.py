# SPDX-License-Identifier: Apache-2.0
"""`cay run --policy`: a broker of the container's own, without a daemon and without rights."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import harness
from agent import UID, User, rootless_bundle
from harness import in_user_namespace, mount_at, need, run, wait_for

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
# What a shell and the program that asks need.
ALLOWED = """read write open openat openat2 close stat fstat lstat newfstatat statx poll lseek mmap mprotect munmap brk rt_sigaction
rt_sigprocmask rt_sigreturn ioctl pread64 access faccessat faccessat2 pipe pipe2 dup dup2 dup3 getpid gettid getppid clone clone3 fork vfork execve
execveat exit exit_group wait4 waitid fcntl getcwd chdir readlink readlinkat getuid geteuid getgid getegid getgroups setpgid getpgrp umask uname
arch_prctl set_tid_address set_robust_list rseq prlimit64 getrlimit getrandom prctl futex sysinfo capset capget close_range seccomp
sendfile writev nanosleep clock_nanosleep clock_gettime tgkill kill setsid getsid getpgid""".split()
TMPFS = "default deny\nallow mount tmpfs on /mnt/** size<=1M\n"


class Held:
    """Containers under policies, by whoever has the runtime: root or an ordinary user."""

    def __init__(self, cay, owner):
        self.cay, self.owner = cay, owner
        self.user = User(cay, UID) if owner == "user" else None
        if self.user:
            self.user.lay_broker()
        self.root = self.user.root if self.user else cay.root
        self.dir = cay.shm / f"policies-{owner}"
        self.dir.mkdir(mode=0o777)
        self.dir.chmod(0o777)
        self.log = self.dir / "log"

    def argv(self, *args):
        if self.user:
            return self.user.argv(*args)
        return self.cay.argv(*args)

    def __call__(self, *args, **kw):
        return run(self.argv(*args), **kw)

    def bundle(self, name="bundle"):
        b = rootless_bundle(self.cay, name, self.user.uid if self.user else 0)
        (b.rootfs / "mnt/x").mkdir()
        if not self.user:
            in_user_namespace(b)
            for k in ("uidMappings", "gidMappings"):
                b.linux[k] = [{"containerID": 0, "hostID": 200000, "size": 1000}]
            b.owner = 200000
        return b

    def write(self, bundle):
        bundle.write()
        subprocess.run(["chown", "-R", f"{bundle.owner}:{bundle.owner}", str(bundle.path)], check=True, timeout=60)

    def options(self, policy, log=True):
        path = self.dir / "policy"
        path.write_text(policy)
        return ["--policy", path] + (["--policy-log", self.log] if log else [])

    def run(self, bundle, policy, *more, log=True):
        self.write(bundle)
        return self("run", *more, *self.options(policy, log), "-b", bundle.path, self.cay.id())

    def create(self, bundle, policy, log=True):
        self.write(bundle)
        id = self.cay.id()
        for args in (("create", *self.options(policy, log), "-b", bundle.path, id), ("start", id)):
            self.quietly(*args)
        return id

    def quietly(self, *args):
        """A command whose container keeps the output."""
        with open(self.cay.dir / "stderr", "w+b") as err:
            rc = subprocess.run(list(map(str, self.argv(*args))), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                                timeout=60).returncode
            err.seek(0)
            assert rc == 0, err.read()

    def state(self, id):
        return json.loads((self.root / id / "state.json").read_text())

    def broker(self, id):
        pid = self.state(id)["broker"]
        assert pathlib.Path(f"/proc/{pid}/comm").read_text() == "cay-broker\n"
        return pid

    def records(self):
        return [json.loads(ln) for ln in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture(params=["user", "root"])
def held(cay, request):
    need("setpriv")
    return Held(cay, request.param)


def brokers(of):
    """Processes of cay-broker that listen below a state directory."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        argv = harness.read(p).split(b"\0")
        if argv[0] == b"cay-broker" and len(argv) > 2 and argv[2].startswith(str(of.root).encode()):
            found.append(int(p.parent.name))
    return found


def test_a_mount_is_lent_without_a_daemon(held):
    b = held.bundle().sh("ask mount t /mnt/x tmpfs 0 ''; ask mount t /tmp tmpfs 0 ''; cat /proc/self/mountinfo")
    r = held.run(b, TMPFS)
    assert r.rc == 0 and r.lines[:2] == ["ok", "EPERM"], r
    m = mount_at(r.out, "/mnt/x")
    assert m["type"] == "tmpfs" and {"nosuid", "nodev"} <= m["options"] and "size=1024k" in m["super"]
    assert [(x["verdict"], x["line"]) for x in held.records()] == [("allow", 2), ("deny", 0)]
    assert brokers(held) == [] or wait_for(lambda: brokers(held) == [], "its broker to go")


def test_what_needs_a_daemon_is_refused_before_anything_is_made(held):
    lines = {"allow mknod c 1:3": "private broker makes no devices", "allow sched fifo priority<=5": "no real-time priority",
             "allow mount ext4 from /dev/sda1 on /mnt": "mounts no devices", "allow xattr trusted.overlay.opaque": "no trusted attributes", "allow bpf device": "loads no programs",
             "allow socket inet icmp": "no ping sockets", "allow read /etc/**": "no enforcer", "limit pids 5": "linux.resources",
             "allow mount tmpfs": "policy:2:18: expected \"on\"", "allow mouth": "policy:2:7: expected read"}
    b = held.bundle().args("true")
    for line, why in lines.items():
        r = held.run(b, f"default deny\n{line}\n")
        assert r.rc == 1 and "policy:2" in r.err and why in r.err, (line, r)
    r = held.run(b, "#" * 100 * 20000 + "\n")
    assert r.rc == 1 and "over 1048576 bytes" in r.err, r
    r = held.run(b, "log mount **\n", log=False)
    assert r.rc == 1 and "--policy-log" in r.err, r
    assert not held.root.exists() or os.listdir(held.root) in ([], [".cache"])
    assert brokers(held) == [] and not held.log.exists()


def test_a_container_that_can_not_be_held_is_refused(held):
    for kind in ("user", "pid"):
        b = held.bundle(kind).namespace(kind, remove=True).args("true")
        if kind == "user":
            b.linux.pop("uidMappings")
            b.linux.pop("gidMappings")
        r = held.run(b, TMPFS)
        assert r.rc == 1 and f"no {kind} namespace" in r.err, r
    b = held.bundle("joined").namespace("pid", "/proc/self/ns/pid").args("true")
    r = held.run(b, TMPFS)
    assert r.rc == 1 and "cay's own" in r.err, r
    b = held.bundle("listener").args("true")
    b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent.sock"}
    r = held.run(b, TMPFS)
    assert r.rc == 1 and "/run/agent.sock" in r.err and "one listener" in r.err, r


FILTERED = [
    # The bundle's own rules on mount(2): what its filter says, and what comes of it.
    ([], "ok"),
    ([{"names": ["mount"], "action": "SCMP_ACT_LOG"}], "ok"),
    ([{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}], "ENOSYS"),
    ([{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "args": [{"index": 3, "value": 0, "op": "SCMP_CMP_EQ"}]}], "ENOSYS"),
    ([{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "args": [{"index": 3, "value": 9, "op": "SCMP_CMP_EQ"}]}], "ok"),
    ([{"names": ["mount"], "action": "SCMP_ACT_KILL_PROCESS"}], "Bad system call"),
]


def test_the_bundles_own_filter_is_never_loosened(held):
    for n, (rules, want) in enumerate(FILTERED):
        b = held.bundle(f"b{n}").sh("ask mount t /mnt/x tmpfs 0 ''; ask mount t /tmp tmpfs 0 ''")
        b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules}
        r = held.run(b, TMPFS)
        assert want in (r.out + r.err).splitlines()[0], (rules, r)
        if want == "ok":
            assert r.lines[1] == "EPERM"
    # A list of what may be done, without mount.
    names = ["mount", "umount2", "getppid", "chroot", "keyctl"]
    strace = [n for n in ALLOWED if n not in names]
    b = held.bundle("list").sh("ask mount t /mnt/x tmpfs 0 ''; ask syscall 110; echo done")
    b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 95, "architectures": ["SCMP_ARCH_X86_64"],
                          "syscalls": [{"names": strace, "action": "SCMP_ACT_ALLOW"}]}
    r = held.run(b, TMPFS)
    assert r.lines == ["EOPNOTSUPP", "EOPNOTSUPP", "done"], r


def test_a_policy_stands_over_a_large_profile(held):
    """Each part of the filter is a copy of the profile; programs of other architectures, for which most of it is, are killed."""
    if not os.path.exists("/usr/share/containers/seccomp.json"):
        harness.skip("/usr/share/containers/seccomp.json")
    rows = json.loads(pathlib.Path("/usr/share/containers/seccomp.json").read_text())["syscalls"]
    calls = sorted({n for row in rows for n in row["names"]})
    assert len(calls) > 300
    b = held.bundle().sh("ask mount t /mnt/x tmpfs 0 ''; ask mount t /tmp tmpfs 0 ''; ask syscall 110")
    b.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
                          "syscalls": [{"names": [c], "action": "SCMP_ACT_ALLOW", "args": [{"index": 5, "value": 1 << 62, "op": "SCMP_CMP_NE"}]}
                                       for c in calls[::2]] + [{"names": calls[1::2], "action": "SCMP_ACT_ALLOW"}]}
    r = held.run(b, TMPFS + "deny syscall getppid\n")
    assert r.lines == ["ok", "EPERM", "EPERM"], r


def test_calls_that_are_denied_by_name_are_refused_by_the_kernel(held):
    b = held.bundle().sh("ask syscall 110; ask syscall 250; ask syscall 102")
    policy = "default allow\ndeny syscall @keyring getppid\n"
    r = held.run(b, policy)
    assert r.lines == ["EPERM", "EPERM", "ok"], r
    # No broker was needed for it.
    id = held.create(b.args("sleep", "1000"), policy)
    assert brokers(held) == [] and held.state(id)["broker"] == 0
    assert held("exec", id, "ask", "syscall", "110").out == "EPERM\n"
    assert held("delete", "--force", id).rc == 0


def test_a_program_that_joins_is_under_the_same_policy(held):
    id = held.create(held.bundle().args("sleep", "1000"), TMPFS)
    r = held("exec", id, "sh", "-c", "ask mount t /mnt/x tmpfs 0 ''; ask mount t /tmp tmpfs 0 ''; grep -c /mnt/x /proc/self/mountinfo")
    assert r.lines == ["ok", "EPERM", "1"], r
    # What one mounted another may unmount.
    assert held("exec", id, "ask", "umount", "/mnt/x", "0").out == "ok\n"
    assert len(brokers(held)) <= 1 + 4
    os.kill(held.broker(id), signal.SIGKILL)
    wait_for(lambda: brokers(held) == [], "the broker to go")
    # Refused in whatever words while it dies.
    r = held("exec", id, "true")
    assert r.rc == 255, r
    wait_for(lambda: "broker is gone" in held("exec", id, "true").err, "it to be known")
    assert held("delete", "--force", id).rc == 0


def test_the_broker_has_no_right_and_nothing_of_the_callers(held):
    id = held.create(held.bundle().args("sleep", "1000"), TMPFS)
    pid = held.broker(id)
    status = dict(ln.split(":\t", 1) for ln in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[kind], 16) == 0
    if not held.user:
        assert int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"], status["NSpid"].split()) == ("1", "2", [str(pid)])
    assert status["Uid"].split() == [str(held.user.uid if held.user else 0)] * 4
    fds = {n: os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
    assert [fds[n] for n in "012"] == ["/dev/null"] * 3 and not [f for f in fds.values() if f.startswith("pipe:")]
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert pathlib.Path(f"/proc/{pid}/environ").read_bytes() == b""
    # In a session of its own, and in none of the container's cgroups.
    assert os.getsid(pid) != os.getsid(0)
    procs = held("ps", "--format", "json", id)
    if procs.rc == 0:
        assert pid not in json.loads(procs.out)
    mine, its = (pathlib.Path(f"/proc/{p}/cgroup").read_text() for p in ("self", pid))
    assert mine == its
    assert json.loads(held("state", id).out)["status"] == "running"
    assert held("delete", "--force", id).rc == 0
    assert harness.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[:1] in ([], [b"Z"])


def test_the_broker_ends_with_the_container(held):
    """Killed, deleted, ended by itself, never started."""
    b = held.bundle().args("sleep", "1000")
    id = held.create(b, TMPFS)
    pid = held.broker(id)
    assert held("kill", id, "KILL").rc == 0
    wait_for(lambda: brokers(held) == [], "the broker to go")
    assert held("delete", id).rc == 0
    id = held.cay.id()
    held.quietly("create", *held.options(TMPFS), "-b", b.path, id)
    pid = held.broker(id)
    assert held("delete", id).rc == 0
    assert not harness.read(f"/proc/{pid}/cmdline")
    assert os.listdir(held.root) == [".cache"]


def test_a_killed_broker_takes_the_calls_along_and_the_container_lives(held):
    b = held.bundle().sh("while :; do ask mount t /mnt/x tmpfs 0 '' >/tmp/last; ask umount /mnt/x 0 >/dev/null; sleep 0.05; done")
    id = held.create(b, TMPFS)
    pid = json.loads(held("state", id).out)["pid"]
    last = pathlib.Path(f"/proc/{pid}/root/tmp/last")
    wait_for(lambda: last.exists() and last.read_text() == "ok\n", "the first mount")
    os.kill(held.broker(id), signal.SIGKILL)
    wait_for(lambda: last.read_text() == "ENOSYS\n", "a refusal")
    assert json.loads(held("state", id).out)["status"] == "running"
    wait_for(lambda: brokers(held) == [], "its helpers to go")
    assert held("delete", "--force", id).rc == 0
    assert os.listdir(held.root) == [".cache"]


def test_calls_of_each_kind_are_performed_with_the_containers_own_rights(held):
    policy = """default deny
allow socket inet
allow socket unix
allow socket inet raw icmp
allow connect tcp 127.0.0.0/8:80
allow bind tcp 127.0.0.1/32:80
allow unix /mnt/good
allow mknod p on /tmp/*
allow mount bind from /srv on /mnt/** ro options remount
allow xattr *
allow sched other
allow sched cpus 0
"""
    b = held.bundle().sh("""ask listen 127.0.0.1 80; ask listen 127.0.0.1 81; ask connect tcp 127.0.0.1 80; ask connect tcp 127.0.0.1 82
        ask connect odd 127.0.0.1 80; ask connect odd 127.0.0.1 82
        ask socket 2 3 1; ask socket 17 3 768; ask socket 16 3 0
        ask mknod /tmp/pipe p 0 0; stat -c %F /tmp/pipe; ask mknod /mnt/pipe p 0 0; ask mknod /tmp/null c 1 3
        ask mount /srv /mnt/x '' 0x1000 ''; touch /mnt/x/f; ask mount /bin /mnt/x '' 0x1000 ''
        ask mount '' /mnt/x '' 0x1029 ''; ask mount '' /mnt/x '' 0x1021 ''
        ask setxattr path /srv user.x y; ask setxattr path /srv trusted.overlay.opaque y
        ask unix bind /mnt/good; ask unix bind /mnt/bad
        ask sched 0 0; ask sched 1 5; sleep 5 </dev/null >/dev/null 2>&1 & ask sched 0 0 $!; ask affinity 0; ask affinity 1""")
    (b.rootfs / "srv").mkdir()
    r = held.run(b, policy)
    assert r.lines == ["ok", "EPERM", "ok", "EPERM", "EINVAL", "EPERM", "ok", "EPERM", "EPERM", "ok", "fifo", "EPERM", "EPERM", "ok", "EPERM",
                       "ok", "EPERM", "ok", "EPERM", "ok", "EPERM", "ok", "0 0", "EPERM", "0 0", "ok", "0 0", "ok", "EPERM"], r
    assert "Read-only" in r.err, r


def test_the_log_is_begun_anew_wherever_it_lies(held):
    """By a name that meant something where cay was called."""
    held.log.touch()
    os.truncate(held.log, 64 << 20)
    b = held.bundle().sh("ask mount t /mnt/x tmpfs 0 ''")
    held.write(b)
    if held.user:
        os.chown(held.log, held.user.uid, held.user.uid)
    r = held("run", *held.options(TMPFS, log=False), "--policy-log", "log", "-b", b.path, held.cay.id(), cwd=held.dir)
    assert r.lines == ["ok"], r
    assert [x["verdict"] for x in held.records()] == ["allow"] and (held.dir / "log.1").stat().st_size == 64 << 20


def test_the_last_thing_that_was_done_is_written_down(held):
    """Who waits for a decision and is gone at once."""
    b = held.bundle().sh("exec ask mount t /mnt/x tmpfs 0 ''")
    for n in range(1, 41):
        assert held.run(b, TMPFS).lines == ["ok"] and len(held.records()) == n
    # One that can't end is not waited for.
    id = held.create(b.args("sleep", "1000"), TMPFS)
    os.kill(held.broker(id), signal.SIGSTOP)
    assert held("delete", "--force", id, timeout=30).rc == 0 and brokers(held) == []


def test_what_nobody_would_hold_is_not_checkpointed(held):
    id = held.create(held.bundle().args("sleep", "1000"), "deny syscall getppid\n")
    r = held("checkpoint", "--image-path", held.dir / "images", id)
    assert r.rc == 1 and "held to a policy" in r.err and not (held.dir / "images").exists(), r
    assert json.loads(held("state", id).out)["status"] == "running"
    assert held("delete", "--force", id).rc == 0


def test_a_create_that_is_killed_leaves_no_broker(held):
    """At any moment: before the broker is born, while it is, and before anybody has written down who it is."""
    b = held.bundle().args("sleep", "1000")
    held.write(b)
    begun = time.monotonic()
    held("delete", "--force", held.create(b, TMPFS))
    whole, done, ids = time.monotonic() - begun, 0, []
    for n in range(30):
        ids.append(held.cay.id())
        p = subprocess.Popen(list(map(str, held.argv("create", *held.options(TMPFS), "-b", b.path, ids[-1]))), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole * n / 30)
        p.kill()
        done += p.wait(30) == 0
    assert done < 30, "none was killed on its way"
    for id in ids:
        r = held("delete", "--force", id)
        assert r.rc == 0, r
    wait_for(lambda: brokers(held) == [], "the brokers to go")
    assert os.listdir(held.root) == [".cache"]


def test_a_failed_create_leaves_no_broker(held):
    b = held.bundle().args("no-such-program")
    r = held.run(b, TMPFS)
    assert r.rc != 0
    wait_for(lambda: brokers(held) == [], "the broker to go")
    assert os.listdir(held.root) in ([], [".cache"])


def test_explain_tells_what_takes_a_daemon(cay):
    path = cay.dir / "p"
    path.write_text("allow mknod c 1:3\nallow mknod p\nallow read /etc/**\n")
    r = cay("policy", "explain", str(path))
    assert [ln.split()[1] for ln in r.out.partition("\n\n")[0].splitlines() if not ln.strip().startswith("->")] == ["agent", "broker", "nobody"], r
    assert "makes no devices" in r.lines[1]
    rows = json.loads(cay("policy", "explain", "-f", "json", str(path)).out)["lines"]
    assert [x["private"] for x in rows] == [False, True, False]
