# SPDX-License-Identifier: Apache-2.0
"""The torture bench: lets one thing of one command go wrong and looks at what is left.

A point is one fault: (operation, variant, kind, ...). Each worker process has a state directory, a
bundle and ids of its own, and is the subreaper of all that it starts: whatever lives on is its child.
"""
import array
import collections
import contextlib
import copy
import ctypes
import difflib
import errno
import json
import multiprocessing
import multiprocessing.util
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402

BUILD = pathlib.Path(harness.CAY).resolve().parent
TOOLS = BUILD / "tests" / "torture"
PR_SET_CHILD_SUBREAPER = 36
POINT_SECONDS = 60
TOKEN = f"cayz{os.getpid()}"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
ERRNOS = {"ENOMEM": errno.ENOMEM, "EPERM": errno.EPERM, "EINTR": errno.EINTR}

Point = collections.namedtuple("Point", "op variant kind role n fault")
Verdict = collections.namedtuple("Verdict", "point problems reached failed where")


# What the kernel never refuses (an fd is gone whatever close says; brk answers with the old end, which no errno is).
NEVER_FAIL = {"exit", "exit_group", "rt_sigreturn", "brk", "umask", "getpid", "gettid", "getppid", "getuid",
              "geteuid", "getgid", "getegid", "set_tid_address", "close"}


def syscall_names():
    names = {}
    for path in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"):
        for m in re.finditer(r"#define __NR_(\w+) (\d+)", harness.read(path).decode()):
            names[int(m.group(2))] = m.group(1)
    return names


NAMES = syscall_names()


# ---- what is tortured -----------------------------------------------------------------------

def host_namespaces():
    return " ".join(os.readlink(f"/proc/self/ns/{n}") for n in os.listdir("/proc/self/ns")
                    if not n.endswith("for_children"))


def config(variant, lab):
    c = copy.deepcopy(harness.BASE_CONFIG)
    p, linux = c["process"], c["linux"]
    p["args"] = ["/bin/witness", "/proc/sys/kernel/msgmax", "/sys/fs/cgroup/pids/pids.max",
                 "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/devices/devices.list",
                 "/proc/self/attr/current", "/given/file", "/run/file"]
    p["env"] += [f"HOST_NS={host_namespaces()}"]
    p["oomScoreAdj"] = 77
    p["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 10], "umask": 0o27}
    for s in ("inheritable", "ambient"):
        p["capabilities"][s] = ["CAP_KILL"]
    p["rlimits"] += [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                     {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 1 << 22}]
    p["cwd"] = "/made/here"
    c["domainname"] = "sea"
    c["mounts"] += [
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
         "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/given", "type": "bind", "source": str(lab.dir / "given"),
         "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "mode=755"]},
    ]
    linux["namespaces"].append({"type": "cgroup"})
    linux["sysctl"] = {"kernel.msgmax": "12345", "net.ipv4.ip_unprivileged_port_start": "7"}
    linux["devices"] = [{"path": "/dev/extra", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640,
                         "uid": 3, "gid": 4}]
    linux["rootfsPropagation"] = "private"
    linux["resources"].update({
        "memory": {"limit": 64 << 20}, "pids": {"limit": 50}, "cpu": {"shares": 512},
        "devices": [{"allow": False, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 1, "minor": 7, "access": "r"}]})
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                        "syscalls": [{"names": ["mount", "umount2", "reboot", "swapon"],
                                      "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
    true = {"path": "/bin/busybox", "args": ["busybox", "true"]}
    host = {"path": str(lab.rootfs / "bin" / "busybox"), "args": ["busybox", "true"]}
    c["hooks"] = {"prestart": [host], "createRuntime": [host], "createContainer": [host],
                  "startContainer": [true], "poststart": [host], "poststop": [host]}
    if variant in ("host", "user"):
        linux["namespaces"].append({"type": "time"})
        linux["timeOffsets"] = {"monotonic": {"secs": 1000, "nanosecs": 0}}
    if variant in ("user", "tty"):
        linux["namespaces"].append({"type": "user"})
        for m in ("uidMappings", "gidMappings"):
            linux[m] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        linux["devices"] = []
        linux["rootfsPropagation"] = "rslave"
        del linux["sysctl"]["net.ipv4.ip_unprivileged_port_start"]
    if variant == "tty":
        p["terminal"] = True
        p["consoleSize"] = {"height": 20, "width": 70}
        del c["hooks"]
    if variant == "much":  # what the others have not, for the table of system calls
        p["scheduler"] = {"policy": "SCHED_BATCH", "nice": 3}
        p["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 3}
        linux["personality"] = {"domain": "LINUX"}
        linux["memoryPolicy"] = {"mode": "MPOL_DEFAULT", "nodes": ""}
        linux["seccomp"]["syscalls"].append({"names": ["acct"], "action": "SCMP_ACT_KILL_THREAD"})
        c["root"]["readonly"] = True
    return c


# ---- one worker's bench ---------------------------------------------------------------------

class Done:
    """How a command ended: rc (256 + signal), what it said, and whether the fault was reached."""

    def __init__(self, rc, err, hit=None, hang=False, counts=None):
        self.rc, self.err, self.hit, self.hang, self.counts = rc, err, hit, hang, counts

    def __repr__(self):
        return f"rc={self.rc} err={self.err!r}{' HANG' if self.hang else ''}"


def become_subreaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Lab:
    def __init__(self, token, rootfs):
        become_subreaper()
        self.token = token
        self.dir = harness.SHM / token
        self.dir.mkdir(mode=0o755)
        self.dir.chmod(0o755)
        self.rootfs = rootfs
        (self.dir / "given").mkdir()
        (self.dir / "given" / "file").write_text("given\n")
        self.root = self.dir / "state"
        self.count = 0
        self.home = None  # running container for exec
        self.base = {}
        self.listener = None
        self.cay = harness.CAY
        for variant in ("host", "user", "tty", "much"):
            d = self.dir / variant
            d.mkdir()
            c = config(variant, self)
            c["root"]["path"] = str(rootfs)
            (d / "config.json").write_text(json.dumps(c))
        # No interpreter of somebody's own, and nothing it would read first: it is started twice a point.
        self.criu = self.dir / "criu"
        text = (HERE.parent / "integration" / "fake_criu.py").read_text().partition("\n")[2]
        self.criu.write_text("#!/usr/bin/python3 -IS\n" + text)
        self.criu.chmod(0o755)
        c = config("host", self)
        c["process"]["args"] = ["/bin/busybox", "sleep", "100000"]
        c["root"]["path"] = str(rootfs)
        (self.dir / "home").mkdir()
        (self.dir / "home" / "config.json").write_text(json.dumps(c))

    # Running things. Output goes to files: whoever lives on must not hold a pipe of ours.
    def run(self, argv, env=None, out="out"):
        with open(self.dir / out, "wb") as o, open(self.dir / "err", "wb") as e:
            p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=o, stderr=e,
                                 env={**os.environ, **(env or {})}, cwd=self.dir)
            try:
                rc, hang = p.wait(POINT_SECONDS), False
            except subprocess.TimeoutExpired:
                p.kill()
                rc, hang = p.wait(), True
        err = (self.dir / "err").read_text(errors="replace")
        return Done(256 - rc if rc < 0 else rc, err, hang=hang)

    def call(self, *args, **kw):
        return self.run([self.cay, "--root", self.root, *args], **kw)

    def tortured(self, point, args, attach=None):
        """Run `cay ARGS` with the fault of the point."""
        if point.kind in ("fail", "kill", "count"):
            rep = self.dir / "report"
            what = {"fail": [f"fail={ERRNOS.get(point.fault, 0)}", point.role, point.n],
                    "kill": ["kill", point.role, point.n], "count": ["count"]}[point.kind]
            who = ["-a", attach] if attach else []
            d = self.run([TOOLS / "tracer", "-o", rep, *who, *what, self.cay, "--root", self.root, *args])
            return self.read_report(d, rep)
        env = {"CAY_TORTURE_REPORT": str(self.dir / "report")}
        if point.kind == "alloc":
            env["CAY_TORTURE_ALLOC"] = f"{point.n}{point.fault}"
        elif point.kind == "step":
            env[f"CAY_TORTURE_{point.role}"] = str(point.n)
        d = self.run([TOOLS / "cay-torture", "--root", self.root, *args], env=env)
        text = harness.read(self.dir / "report").decode()
        d.counts = {k: int(v) for k, v in (ln.split() for ln in text.splitlines())}
        d.hit = True
        return d

    def read_report(self, d, path):
        text = harness.read(path).decode()
        if d.rc not in (0, 124):
            raise RuntimeError(f"tracer failed: {d}")
        d.hang |= "hang" in text
        end = re.search(r"^end (\d+)$", text, re.M)
        hit = re.search(r"^hit (\d+) \d+$", text, re.M)
        if d.hang: d.err += text
        d.rc = int(end.group(1)) if end else -1
        d.hit = NAMES.get(int(hit.group(1)), hit.group(1)) if hit else None
        d.counts = {r: [(int(n), int(a)) for n, a in re.findall(rf"^{r} (\d+) (-?\d+)$", text, re.M)]
                    for r in "pi"}
        return d

    # What is left. Each gives a list of strings.
    def alive(self, spare=()):
        """Live children; the dead are reaped."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG | 0x40000000)[0]:
                pass
        pids = harness.read(f"/proc/self/task/{os.getpid()}/children").split()
        return [f"process {int(p)} {harness.read(f'/proc/{int(p)}/comm').decode().strip()}"
                for p in pids if int(p) not in spare]

    def files(self):
        left = [p.name for p in self.root.iterdir() if p.name != ".cache"] if self.root.exists() else []
        cache = self.root / ".cache"
        left += [f".cache/{p.name}" for p in cache.iterdir() if p.name[0] == "."] if cache.exists() else []
        return [f"state {n}" for n in left] + self.pid_files()

    def pid_files(self):
        return [f"file {p.name}" for p in self.dir.iterdir() if "pid" in p.name]

    def cgroups(self, id):
        """Below the root of a hierarchy, or below the cgroup we are in."""
        places = {*CGROUPS.iterdir(), *harness.cgroup_dirs_of("self").values()}
        return [f"cgroup {(h / id).relative_to(CGROUPS)}" for h in places if (h / id).exists()]

    def mounts(self):
        return [f"mount {ln.split()[4]}" for ln in harness.our_mounts(self.token)]

    def leaks(self, id, wait=5.0):
        end = time.monotonic() + wait
        while True:
            left = self.alive() + self.files() + self.cgroups(id) + self.mounts()
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.005)

    def reap(self, pid, seconds=20):
        """Wait for the program of a container, by now a child of ours."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    return True
            except ChildProcessError:
                return True
            time.sleep(0.002)
        return False

    def clear(self, id):
        """By force, so that the next point starts from nothing."""
        for ln in self.alive():
            with contextlib.suppress(OSError):
                os.kill(int(ln.split()[1]), signal.SIGKILL)
        time.sleep(0.05)
        self.alive()
        self.call("delete", "--force", id)
        shutil.rmtree(self.root, ignore_errors=True)
        for p in self.pid_files():
            (self.dir / p.split()[1]).unlink(missing_ok=True)
        for c in self.cgroups(id):
            with contextlib.suppress(OSError):
                os.rmdir(CGROUPS / c.split()[1])
        self.home = None

    def witness(self, id, name="out"):
        text = (self.dir / name).read_text(errors="replace")
        return text.replace(id, "ID").replace(self.token, "TOKEN")

    def new_id(self):
        self.count += 1
        return f"{self.token}-{self.count}"

    def state(self, id):
        d = self.call("state", id, out="json")
        return json.loads((self.dir / "json").read_text()) if d.rc == 0 else {}

    # A terminal's outer end comes through this.
    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = self.dir / "console"
        path.unlink(missing_ok=True)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.listener.setblocking(False)

    def outer_end(self):
        with contextlib.suppress(OSError):
            conn, _ = self.listener.accept()
            with conn:
                conn.settimeout(5)
                _, anc, _, _ = conn.recvmsg(4096, socket.CMSG_LEN(4))
                fds = array.array("i", anc[0][2]) if anc else []
                return fds[0] if len(fds) else -1
        return -1

    def drain(self):
        if self.listener:
            while (fd := self.outer_end()) >= 0:
                os.close(fd)

    def close(self):
        if self.home:
            self.call("delete", "--force", self.home)
        self.alive()


# ---- operations -----------------------------------------------------------------------------

class Operation:
    """prepare() makes what the command needs; intact() says what is wrong after a success."""

    def __init__(self, lab, variant):
        self.lab, self.variant = lab, variant

    def prepare(self, point):
        if self.variant == "user":
            # So that filters are compiled, too, not only found.
            shutil.rmtree(self.lab.root / ".cache", ignore_errors=True)
        return self.lab.new_id()

    def bundle(self):
        return self.lab.dir / self.variant

    def same(self, text, where=None):
        want = self.lab.base.get((self.name(), self.variant))
        if want is None or text == want:
            return []
        more = [ln for ln in difflib.unified_diff(sorted(want.splitlines()), sorted(text.splitlines()), lineterm="", n=0)
                if ln[:2] not in ("--", "++", "@@")][:8]
        # A node that may not be made is the host's, bound: rootless it is always so.
        if where == "mknodat":
            more = [ln for ln in more if not re.match(r"[-+]mount /\w+ /\S+ ro,.* (devtmpfs|tmpfs) ", ln)]
        # No home where /etc/passwd can't be read, as in runc.
        if where in ("openat2", "fstat", "read"):
            more = [ln for ln in more if not ln[1:].startswith("env HOME=")]
        return [f"succeeded, but the island differs: {more}"] if more else []

    def name(self):
        return type(self).__name__.lower()

    def after(self, point, id):
        """delete --force, always successful, and nothing left. Without privilege of a second look."""
        lab, problems = self.lab, []
        lab.drain()
        d = lab.call("delete", "--force", id)
        if d.rc != 0 or d.hang:
            problems.append(f"delete --force: {d}")
        problems += [f"left: {x}" for x in lab.leaks(id)]
        if problems:
            lab.clear(id)
        return problems

    def failed(self, point, id):
        """What a failed command of this kind may not leave, even before delete --force."""
        return []


class Create(Operation):
    def run(self, point, id):
        args = ["create", "-b", self.bundle(), "--pid-file", "pid"]
        if self.variant == "tty":
            if not self.lab.listener:
                self.lab.listen()
            args += ["--console-socket", "console"]
        return self.lab.tortured(point, [*args, id])

    def failed(self, point, id):
        return [f"left by the failed command itself: {x}" for x in self.lab.leaks(id, 2)]

    def intact(self, point, id, d):
        lab = self.lab
        pid = int(harness.read(lab.dir / "pid") or 0)
        (lab.dir / "pid").unlink(missing_ok=True)
        fd = lab.outer_end() if self.variant == "tty" else -1
        with open(lab.dir / "out", "rb") as keep:
            s = lab.call("start", id, out="out2")
            if s.rc != 0:
                # It was told to be created, so a start that fails must say why; never harmless.
                return [] if s.err.count("\n") == 1 else [f"start after it: {s}"]
            if fd >= 0:
                text = harness.read_fd(fd)
                os.close(fd)
            if not lab.reap(pid):
                return [f"process {pid} does not end"]
            if fd < 0:
                text = keep.read().decode(errors="replace")
        return self.same(text.replace(id, "ID").replace(lab.token, "TOKEN"), d.hit)


class Run(Operation):
    def run(self, point, id):
        return self.lab.tortured(point, ["run", "-b", self.bundle(), id])

    def failed(self, point, id):
        # Its own last act, the deletion, may be what failed: then delete --force does it.
        return []

    def intact(self, point, id, d):
        return self.same(self.lab.witness(id), d.hit) + [f"succeeded, but left: {x}" for x in self.lab.leaks(id)]


class Start(Operation):
    def prepare(self, point):
        id = super().prepare(point)
        args = ["create", "-b", self.bundle(), id]
        if point.kind == "step":  # the plan is made by create, and fails in start
            d = self.lab.tortured(point, args)
        else:
            d = self.lab.call(*args)
        if d.rc != 0:
            raise LookupError(f"create: {d}")
        self.out = open(self.lab.dir / "out", "rb")
        self.pid = self.lab.state(id)["pid"]
        return id

    def run(self, point, id):
        lab = self.lab
        os.rename(lab.dir / "out", lab.dir / "out.kept")
        if point.kind == "step":
            d = lab.call("start", id)
            d.hit = True
            return d
        return lab.tortured(point, ["start", id], attach=self.pid)

    def intact(self, point, id, d):
        if not self.lab.reap(self.pid):
            return [f"process {self.pid} does not end"]
        text = self.out.read().decode(errors="replace")
        return self.same(text.replace(id, "ID").replace(self.lab.token, "TOKEN"), d.hit)

    def after(self, point, id):
        self.out.close()
        return super().after(point, id)


class Delete(Operation):
    """Of a container whose program has ended."""

    def prepare(self, point):
        id = super().prepare(point)
        d = self.lab.call("create", "-b", self.bundle(), id)
        pid = self.lab.state(id).get("pid") if d.rc == 0 else None
        if d.rc == 0:
            d = self.lab.call("start", id)
        if d.rc != 0 or not self.lab.reap(pid):
            raise LookupError(f"create and start: {d}")
        return id

    def run(self, point, id):
        return self.lab.tortured(point, ["delete", id])

    def intact(self, point, id, d):
        return [f"succeeded, but left: {x}" for x in self.lab.leaks(id)]


class Kill9(Delete):
    """delete --force of a running container."""

    def prepare(self, point):
        id = self.lab.new_id()
        d = self.lab.call("run", "-d", "-b", self.lab.dir / "home", id)
        if d.rc != 0:
            raise LookupError(f"run: {d}")
        return id

    def run(self, point, id):
        return self.lab.tortured(point, ["delete", "--force", id])


class Exec(Operation):
    def prepare(self, point):
        lab = self.lab
        if not lab.home:
            id = lab.new_id()
            d = lab.call("run", "-d", "-b", lab.dir / "home", id)
            if d.rc != 0:
                raise LookupError(f"run: {d}")
            lab.home, lab.home_pid = id, lab.state(id)["pid"]
        return lab.home

    def run(self, point, id):
        return self.lab.tortured(point, ["exec", "-e", "EXTRA=1", "--pid-file", "pid", id, "/bin/witness"])

    def intact(self, point, id, d):
        return self.same(self.lab.witness(id), d.hit)

    def after(self, point, id):
        """The container lives on, alone; nothing of the exec'd process is left."""
        lab, end = self.lab, time.monotonic() + 5
        if point.kind != "kill":
            (lab.dir / "pid").unlink(missing_ok=True)
        else:
            with contextlib.suppress(OSError):
                (lab.dir / "pid").unlink()
        while True:
            left = lab.alive(spare=(lab.home_pid,)) + lab.mounts() + lab.pid_files()
            if len(harness.read(CGROUPS / "pids" / id / "cgroup.procs").split()) != 1:
                left.append("cgroup: not one process")
            left += [f"state {p.name}" for p in lab.root.iterdir() if p.name not in (".cache", id)]
            left += [f"state {p.name}" for p in (lab.root / id).iterdir()
                     if p.name not in ("state.json", "config.json")]
            if not left or time.monotonic() > end:
                break
            time.sleep(0.005)
        if lab.state(id).get("status") != "running":
            left.append("container is not running")
        if left:
            lab.clear(id)
        return [f"left: {x}" for x in left]


class Checkpoint(Kill9):
    """Of a running container; the criu that freezes it is the one of the integration tests."""

    def run(self, point, id):
        shutil.rmtree(self.lab.dir / "images", ignore_errors=True)
        return self.lab.tortured(point, ["--criu", self.lab.criu, "checkpoint", "--image-path", "images", id])

    def failed(self, point, id):
        status = self.lab.state(id).get("status")
        return [] if status in (None, "running", "stopped") else [f"a failed checkpoint left it {status}"]


class Restore(Operation):
    def prepare(self, point):
        lab = self.lab
        if not (lab.dir / "kept").exists():
            id = lab.new_id()
            for args in (["run", "-d", "-b", lab.dir / "home", id],
                         ["--criu", lab.criu, "checkpoint", "--image-path", "kept", id]):
                d = lab.call(*args)
                if d.rc != 0:
                    raise LookupError(f"{args}: {d}")
        return lab.new_id()

    def run(self, point, id):
        return self.lab.tortured(point, ["--criu", self.lab.criu, "restore", "-d", "--image-path", "kept", "--pid-file",
                                         "pid", "-b", self.lab.dir / "home", id])

    def failed(self, point, id):
        left = self.lab.leaks(id, 2)
        if point.fault == "+":  # without any memory not even that which was recorded can be read: delete --force has to
            left = [x for x in left if not x.startswith(("state", "cgroup"))]
        return [f"left by the failed command itself: {x}" for x in left]

    def intact(self, point, id, d):
        """What was restored is in its cgroups, and they are what the configuration says."""
        s = self.lab.state(id)
        (self.lab.dir / "pid").unlink(missing_ok=True)
        problems = [] if s.get("status") == "running" else [f"restored, but {s.get('status')}"]
        dirs = harness.cgroup_dirs_of(s["pid"]) if not problems else {}
        for controller, file, want in (("pids", "pids.max", "50"), ("cpu", "cpu.shares", "512"),
                                       ("memory", "memory.limit_in_bytes", str(64 << 20))):
            where = dirs.get(controller)
            if where and (where.name != id or harness.read(where / file).decode().strip() != want):
                problems.append(f"restored, but {where}/{file} is {harness.read(where / file)}")
        return problems


OPERATIONS = {"create": Create, "run": Run, "start": Start, "delete": Delete, "kill9": Kill9,
              "checkpoint": Checkpoint, "restore": Restore, "exec": Exec}
VARIANTS = {"create": ("host", "user", "tty"), "run": ("host", "user"), "start": ("host", "user"),
            "delete": ("host",), "kill9": ("host",), "checkpoint": ("host",), "restore": ("host",),
            "exec": ("host",)}  # the last: what it enters lives on


# ---- one point ------------------------------------------------------------------------------

def one_line(point, d):
    """A failure says why, in one line, and doesn't crash."""
    lines = d.err.splitlines()
    if d.rc >= 256:
        return [f"crashed: {d}"]
    if len(lines) != 1 or not lines[0].startswith(("cay: ", "exec ")) or len(lines[0]) < 12:
        return [f"expected one line of error: {d}"]
    return []


def swept(lab, id):
    """After kill -9 of the planner, `list` removes what is no container; -> problems."""
    for p in lab.root.iterdir() if lab.root.exists() else ():
        if p.name.startswith(".new."):  # young ones are spared for a minute
            os.utime(p, (1, 1))
    cache = lab.root / ".cache"
    for p in cache.iterdir() if cache.exists() else ():
        if p.name.startswith("."):
            os.utime(p, (1, 1))
    lab.drain()
    end = time.monotonic() + 3
    while True:
        d = lab.call("list", "-q", out="ids")
        if d.rc != 0:
            return [f"list: {d}"]
        ids = (lab.dir / "ids").read_text().split()
        left = [] if id in ids or lab.home else lab.leaks(id, 0)
        left = [x for x in left if "pid" not in x]
        if not left or time.monotonic() > end:
            return [f"left after list: {x}" for x in left]
        time.sleep(0.01)


def run_point(lab, point, first_line=0):
    """first_line: calls of the planner before its main, where no line can be asked for."""
    op = OPERATIONS[point.op](lab, point.variant)
    id = op.prepare(point)
    d = op.run(point, id)
    problems = ["hangs"] if d.hang else []
    planner_killed = point.kind == "kill" and point.role == "p" and d.hit
    if planner_killed:
        problems += swept(lab, id)
        (lab.dir / "pid").unlink(missing_ok=True)
    elif d.rc == 0:
        if point.kind != "kill":
            problems += op.intact(point, id, d)
    else:
        early = point.kind == "fail" and point.role == "p" and point.n <= first_line
        # An islander killed behind the gate or its release is a program killed: no fault of cay's.
        as_program = point.kind == "kill" and point.role == "i" and d.rc == 128 + signal.SIGKILL
        if not early and not as_program:
            problems += one_line(point, d)
        problems += op.failed(point, id)
    with contextlib.suppress(OSError):
        if d.rc == 0:
            (lab.dir / "pid").unlink()
    problems += op.after(point, id)
    if problems:
        problems = [f"{p}   [{d}]" for p in problems]
    return Verdict(point, problems, bool(d.hit), d.rc != 0, d.hit if isinstance(d.hit, str) else point.kind)


_lab = None
_first = {}


def _close():
    if _lab:
        _lab.close()


def start_worker(token, rootfs, base, first):
    global _lab, _first
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _lab = Lab(f"{token}w{os.getpid()}", rootfs)
    _lab.base, _first = base, first
    multiprocessing.util.Finalize(None, _close, exitpriority=100)


def work(point):
    try:
        return run_point(_lab, point, _first.get((point.op, point.variant), 0))
    except LookupError as e:
        return Verdict(point, [f"preparation failed: {e}"], False, True, "?")
    except Exception as e:  # the bench itself; named, and counted as a failure
        return Verdict(point, [f"bench: {type(e).__name__}: {e}"], False, True, "?")


# ---- counting what there is to fail ---------------------------------------------------------

def first_line_of(calls):
    """The planner's main begins with fcntl(0, F_GETFD)."""
    for i, (n, arg) in enumerate(calls):
        if NAMES.get(n) == "fcntl" and arg == 0:
            return i
    return 0


def measure(lab):
    """Without a fault: what each command says, and how many calls, allocations and steps it has."""
    counts, first = {}, {}
    for name, variants in VARIANTS.items():
        for variant in variants:
            op = OPERATIONS[name](lab, variant)
            for kind in ("count", "count", "none"):
                point = Point(name, variant, kind, "p", 0, "")
                id = op.prepare(point)
                d = op.run(point, id)
                assert d.rc == 0, (point, d)
                if name in ("run", "exec"):
                    lab.base[(name, variant)] = lab.witness(id)
                    assert not op.intact(point, id, d)
                else:
                    seen = []
                    op.same = lambda text, where=None, seen=seen: seen.append(text) or []
                    problems = op.intact(point, id, d)
                    assert not problems, (point, problems, d)
                    if seen:
                        lab.base[(name, variant)] = seen[0]
                left = op.after(point, id)
                assert not left, (point, left)
                got = counts.setdefault((name, variant), {})
                got.update(d.counts or {})
            first[(name, variant)] = first_line_of(counts[(name, variant)]["p"])
    return counts, first


def points_of(counts, kinds):
    """Every point there is, in a fixed order."""
    out = []
    for (op, variant), c in counts.items():
        if "call" in kinds:
            for role in "pi":
                for i, (n, _) in enumerate(c[role]):
                    if NAMES.get(n) in NEVER_FAIL:
                        continue
                    out += [Point(op, variant, "fail", role, i + 1, f) for f in ERRNOS]
        if "kill" in kinds:
            out += [Point(op, variant, "kill", role, i + 1, "") for role in "pi" for i in range(len(c[role]))]
        if "alloc" in kinds:
            out += [Point(op, variant, "alloc", "p", i + 1, f) for i in range(c.get("alloc", 0)) for f in ("", "+")]
        if "step" in kinds and op in ("create", "run", "exec", "start", "restore"):
            if op != "start":
                out += [Point(op, variant, "step", "HOST", i + 1, "") for i in range(c["host"])]
                out.append(Point(op, variant, "step", "CLONE", 1, ""))
            out += [Point(op, variant, "step", "ISLAND", i + 1, "") for i in range(island_steps(counts, op, variant))
                    if op != "start" or i + 1 > gate_of(counts, variant)]
    return out


def island_steps(counts, op, variant):
    return counts[("create" if op == "start" else op, variant)]["island"]


def gate_of(counts, variant):
    return counts[("create", variant)].get("gate", 0)
