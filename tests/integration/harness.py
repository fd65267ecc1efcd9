# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: bundles, the runtime under test, and the search for leaks.

Everything a test makes carries the test's token in its name, so that what is left behind can be
told from what other people do on the same machine.
"""
import array
import contextlib
import copy
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
CAY = os.environ.get("CAY", str(REPO / "build" / "cay"))
# The tests are developed against runc, too: CAY=/usr/sbin/runc shows that they ask the right thing.
IS_RUNC = os.path.basename(CAY) == "runc"
MUST_RUN = os.environ.get("CAY_MUST_RUN") == "1"
TIMEOUT = float(os.environ.get("CAY_TEST_TIMEOUT", "30"))
TMP = pathlib.Path(os.environ.get("CAY_TEST_TMP", "/tmp"))
SHM = pathlib.Path("/dev/shm")
CGROUP_ROOT = pathlib.Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def skip(missing):
    """Skip, naming what is missing; a failure where everything has to run."""
    if MUST_RUN:
        pytest.fail(f"must run, but missing: {missing}", pytrace=False)
    pytest.skip(f"missing: {missing}")


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            skip(p)


def need_root():
    if os.geteuid() != 0:
        skip("root")


def cay_only(what):
    """What runc 1.1 does not have; cay must."""
    if IS_RUNC:
        pytest.skip(f"runc has no {what}")


# ---- bundles --------------------------------------------------------------------------------

BASE_CONFIG = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": [f"PATH={PATH}", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {
            k: ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
            for k in ("bounding", "effective", "permitted")
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": False},
    "hostname": "island",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
                        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                        "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                          "/proc/sysrq-trigger"],
    },
}

def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return parse_status(text)


def parse_status(text):
    return dict((k, v.strip()) for k, _, v in (ln.partition(":") for ln in text.splitlines()) if _)


_applets = None


def applets():
    global _applets
    if _applets is None:
        _applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True,
                                  timeout=TIMEOUT).stdout.split()
    return _applets


_compiled = {}


def compiled(source):
    """A static program of the tests, compiled once a session."""
    if "CAY_PROBE" in os.environ:
        return pathlib.Path(os.environ["CAY_PROBE"]).with_name(source.stem)
    if source not in _compiled:
        out = TMP / f"cay-{source.stem}-{os.getpid()}"
        subprocess.run(["cc", "-static", "-O1", "-pthread", "-o", str(out), str(source)], check=True, timeout=120)
        _compiled[source] = out
    return _compiled[source]


def probe_binary():
    return compiled(HERE / "probe.c")


def remove_probe():
    """What the next test needs is made anew then."""
    global _template
    for path in _compiled.values():
        path.unlink(missing_ok=True)
    _compiled.clear()
    if _template:
        shutil.rmtree(_template, ignore_errors=True)
    _template = None


_template = None


def template():
    """One root file system of busybox (0755; Debian ships it 0744), to be copied: 400 links take Python long."""
    global _template
    if _template is None:
        root = TMP / f"cay-template-{os.getpid()}"
        for d in ("", "bin", "etc", "proc", "sys", "dev", "tmp", "mnt", "root", "usr", "var"):
            (root / d).mkdir()
            (root / d).chmod(0o1777 if d == "tmp" else 0o755)
        shutil.copyfile(shutil.which("busybox"), root / "bin" / "busybox")
        (root / "bin" / "busybox").chmod(0o755)
        for a in applets():
            if a != "busybox":
                (root / "bin" / a).symlink_to("busybox")
        (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n"
                                             "user:x:1000:1000:user:/tmp:/bin/sh\n")
        (root / "etc" / "group").write_text("root:x:0:\nuser:x:1000:\n")
        _template = root
    return _template


def make_root(root, probe=True):
    """A root file system of busybox, and of the probe."""
    root.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", template(), root], check=True, timeout=60)
    if probe:
        shutil.copyfile(probe_binary(), root / "bin" / "probe")
        (root / "bin" / "probe").chmod(0o755)


class Bundle:
    """A directory with rootfs and config.json; edit .config, it is written before each run."""

    def __init__(self, path, probe=True):
        self.path = path
        self.rootfs = path / "rootfs"
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        make_root(self.rootfs, probe)
        self.config = copy.deepcopy(BASE_CONFIG)

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    def args(self, *args):
        self.process["args"] = list(args)
        return self

    def sh(self, script):
        return self.args("sh", "-c", script)

    def mount(self, destination, **more):
        self.config["mounts"].append({"destination": destination, **more})
        return self

    def hook(self, kind, script, **more):
        self.config.setdefault("hooks", {}).setdefault(kind, []).append(
            {"path": "/bin/sh", "args": ["sh", "-c", script], **more})
        return self

    def namespace(self, kind, path=None, remove=False):
        rows = [n for n in self.linux["namespaces"] if n["type"] != kind]
        if not remove:
            rows.append({"type": kind, **({"path": str(path)} if path else {})})
        self.linux["namespaces"] = rows
        return self

    def caps(self, *names, sets=("bounding", "effective", "permitted")):
        for s in sets:
            self.process["capabilities"][s] = list(names)
        return self

    def allow_devices(self):
        self.linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
        return self

    def write(self):
        text = self.config if isinstance(self.config, (str, bytes)) else json.dumps(self.config)
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(self.path / "config.json", mode) as f:
            f.write(text)


# ---- the runtime under test -----------------------------------------------------------------

class Result:
    def __init__(self, rc, out, err, args):
        self.rc, self.out, self.err, self.args = rc, out, err, args

    def __repr__(self):
        return f"<{' '.join(map(str, self.args))}: rc={self.rc} out={self.out!r} err={self.err!r}>"

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def errlines(self):
        return self.err.splitlines()


def run(args, input=None, timeout=TIMEOUT, **kw):
    """Run a program to its end; on a timeout kill it, by its own pid."""
    kw.setdefault("stdin", subprocess.PIPE if input is not None else subprocess.DEVNULL)
    p = subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    try:
        out, err = p.communicate(input.encode() if isinstance(input, str) else input, timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        # Whoever else holds the pipes must not hold us.
        try:
            out, err = p.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            out, err = b"", b""
        raise AssertionError(f"{args}: still running after {timeout} s; stderr {err!r}") from None
    return Result(p.returncode, out.decode(errors="replace"), err.decode(errors="replace"), args)


class Cay:
    """The runtime with a state directory of its own. .token marks all that the test makes."""

    def __init__(self, token, program=CAY):
        self.program = program
        self.token = token
        self.dir = TMP / token
        self.dir.mkdir(mode=0o755)
        self.dir.chmod(0o755)
        self.shm = SHM / token
        self.shm.mkdir(mode=0o755)
        self.root = self.shm / "state"
        self.count = 0
        self.started = []

    def other(self, program):
        """The same, with another runtime: what it shows is the expected result."""
        need(program)
        o = copy.copy(self)
        o.program = shutil.which(program)
        o.root = self.shm / f"state-{program}"
        return o

    def id(self, name="c"):
        self.count += 1
        return f"{self.token}-{name}{self.count}"

    def bundle(self, name="bundle", **kw):
        return Bundle(self.dir / name, **kw)

    def for_others(self):
        """The program where an ordinary user can reach it, wherever it was built."""
        return shutil.copy(self.program, self.dir / "program")

    def argv(self, *args):
        return [self.program, "--root", str(self.root), *map(str, args)]

    def __call__(self, *args, **kw):
        return run(self.argv(*args), **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, r
        return r

    def fails(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc != 0, r
        return r

    def popen(self, *args, **kw):
        p = subprocess.Popen(self.argv(*args), **kw)
        self.started.append(p)
        return p

    def run(self, bundle, *options, id=None, **kw):
        """`run` in the foreground; the container is gone afterwards."""
        bundle.write()
        return self("run", "-b", bundle.path, *options, id or self.id(), **kw)

    def out(self, bundle, *options, **kw):
        """stdout of a run that must succeed."""
        r = self.run(bundle, *options, **kw)
        assert r.rc == 0, r
        return r.out

    def create(self, bundle, *options, id=None, **kw):
        """`create`; stdio of the container is /dev/null unless given. Returns the id."""
        bundle.write()
        id = id or self.id()
        kw.setdefault("stdout", subprocess.DEVNULL)
        with open(self.dir / "stderr", "w+b") as err:
            kw.setdefault("stdin", subprocess.DEVNULL)
            rc = subprocess.run(self.argv("create", "-b", bundle.path, *options, id), stderr=err,
                                timeout=TIMEOUT, **kw).returncode
            err.seek(0)
            text = err.read().decode(errors="replace")
        assert rc == 0, (rc, text)
        return id

    def start(self, bundle, *options, id=None, **kw):
        id = self.create(bundle, *options, id=id, **kw)
        self.ok("start", id)
        return id

    def state(self, id):
        return json.loads(self.ok("state", id).out)

    def status(self, id):
        return self.state(id)["status"]

    def pid(self, id):
        return self.state(id)["pid"]

    def wait_status(self, id, want):
        wait_for(lambda: self.status(id) == want, f"{id} to be {want}")

    def destroy(self, id):
        self.ok("delete", "--force", id)

    def error_line(self, r):
        """The one line that a failing command says."""
        assert r.rc != 0, r
        assert len(r.errlines) == 1 or (IS_RUNC and r.errlines), r
        return r.errlines[-1]


def failing(call):
    """A command to run others by: a system call of theirs fails, "name:error=ERRNO"."""
    need("strace")
    # A cay built with AddressSanitizer can't look for leaks while it is traced, and says so by its status.
    return ["strace", "-f", "-o", "/dev/null", "-E", "ASAN_OPTIONS=detect_leaks=0", "-e", "trace=" + call.split(":")[0],
            "-e", "inject=" + call]


def wait_for(condition, what, timeout=TIMEOUT):
    """Wait until it holds. Never a measure of speed: only of "does it happen at all". A file that is not there doesn't hold."""
    end = time.monotonic() + timeout
    while True:
        try:
            got, why = condition(), None
        except FileNotFoundError as e:
            got, why = None, e
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}") from why
        time.sleep(0.01)


# ---- leaks ----------------------------------------------------------------------------------

def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def token_in(token):
    """Whether bytes name the token, and not one that only begins like it: cayt7x1 is no part of cayt7x10."""
    return re.compile(rb"(?<![0-9A-Za-z])" + re.escape(token.encode()) + rb"(?![0-9A-Za-z])").search


def root_mount(proc_dir):
    """The mount that a process has for its root.

    The others tell nothing: a new mount namespace, anybody's, copies all mounts that are there.
    """
    rows = [ln for ln in read(f"{proc_dir}/mountinfo").splitlines() if ln.split()[4:5] == [b"/"]]
    return rows[-1] if rows else b""


def our_processes(token):
    """Processes with the token in their environment, command line, cgroup or root."""
    ours = token_in(token)
    found = []
    for d in os.listdir("/proc"):
        if not d.isdigit() or int(d) == os.getpid():
            continue
        p = f"/proc/{d}"
        if (any(ours(read(f"{p}/{f}")) for f in ("cmdline", "environ", "cgroup")) or ours(root_mount(p))) \
                and not inits_zombie(p):
            found.append(int(d))
    return found


def inits_zombie(proc_dir):
    """Dead, and handed over to the host's pid 1, which buries it when it likes."""
    stat = read(f"{proc_dir}/stat").rpartition(b")")[2].split()
    return len(stat) > 1 and stat[0] == b"Z" and stat[1] == b"1"


def our_mounts(token):
    ours = token_in(token)
    return [ln.decode() for ln in pathlib.Path("/proc/self/mountinfo").read_bytes().splitlines() if ours(ln)]


def our_cgroups(token):
    ours, found = token_in(token), []
    for base, dirs, _ in os.walk(CGROUP_ROOT):
        for d in dirs:
            if ours(d.encode()):
                found.append(os.path.join(base, d))
    return found


def our_state(token):
    """What is left in a state directory; the filter cache and an empty place for pools may stay."""
    root = SHM / token / "state"
    if not root.exists():
        return []
    return [str(p) for p in root.iterdir()
            if p.name != ".cache" and not (p.name == ".warm" and not os.listdir(p))]


def own_fds():
    return {f: os.readlink(f"/proc/self/fd/{f}") for f in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{f}")}


def leaks(token):
    out = {}
    for name, find in (("process", our_processes), ("mount", our_mounts), ("cgroup", our_cgroups),
                       ("state", our_state)):
        got = find(token)
        if got:
            if name == "process":
                got = [(p, read(f"/proc/{p}/cmdline").replace(b"\0", b" ").decode(errors="replace"),
                        status_line(p)) for p in got]
            out[name] = got
    return out


def status_line(pid):
    try:
        s = status_of(pid)
        return f"{s.get('Name')} {s.get('State')} ppid {s.get('PPid')}"
    except OSError:
        return "gone"


def wait_no_leaks(token, timeout=5):
    """Death is asynchronous: what is on its way out gets a moment."""
    end = time.monotonic() + timeout
    while True:
        got = leaks(token)
        if not got or time.monotonic() > end:
            return got
        time.sleep(0.02)


def sweep(token):
    """Remove what a failed test left, so that the next one starts clean."""
    for _ in range(50):
        pids = our_processes(token)
        for p in pids:
            with contextlib.suppress(OSError):
                os.kill(p, signal.SIGKILL)
        for c in our_cgroups(token):
            with contextlib.suppress(OSError):
                f = os.path.join(c, "freezer.state")
                if os.path.exists(f):
                    pathlib.Path(f).write_text("THAWED")
        for c in sorted(our_cgroups(token), key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(c)
        for ln in reversed(our_mounts(token)):
            subprocess.run(["umount", "-l", ln.split()[4]], capture_output=True, timeout=TIMEOUT)
        if not pids and not our_cgroups(token) and not our_mounts(token):
            break
        time.sleep(0.02)
    remove_files(token)


def remove_files(token):
    if not our_mounts(token):
        subprocess.run(["rm", "-rf", "--one-file-system", str(TMP / token), str(SHM / token)], timeout=60)


# ---- terminals ------------------------------------------------------------------------------

class ConsoleSocket:
    """Listens where `--console-socket` points and receives the terminal's outer end."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        self.sock.listen(1)
        self.sock.settimeout(TIMEOUT)

    def receive(self):
        """Returns (fd, name in the message)."""
        conn, _ = self.sock.accept()
        conn.settimeout(TIMEOUT)
        fds = array.array("i")
        msg, anc, _, _ = conn.recvmsg(4096, socket.CMSG_LEN(16))
        for level, kind, data in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        conn.close()
        assert len(fds) == 1, f"expected one fd, got {len(fds)}"
        return fds[0], msg

    def close(self):
        self.sock.close()
        os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


def read_fd(fd, until=None, timeout=TIMEOUT):
    """Read until EOF (EIO on a terminal), or until the text @until was seen."""
    data = b""
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise AssertionError(f"waited in vain for {until or 'EOF'}; got {data!r}")
        if not select.select([fd], [], [], left)[0]:
            continue
        try:
            part = os.read(fd, 65536)
        except OSError:
            part = b""
        data += part
        if not part or (until and until.encode() in data):
            return data.decode(errors="replace")


def run_pty(argv, input="", timeout=TIMEOUT, size=(31, 97), **kw):
    """Run a program on a new terminal; returns (exit status, what it wrote)."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def take_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    p = subprocess.Popen([str(a) for a in argv], stdin=inner, stdout=inner, stderr=inner,
                         preexec_fn=take_terminal, **kw)
    os.close(inner)
    try:
        if input:
            os.write(outer, input.encode())
        text = read_fd(outer, timeout=timeout)
        rc = p.wait(timeout)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait(5)
        os.close(outer)
    return rc, text


# ---- mount tables ---------------------------------------------------------------------------

def parse_mountinfo(text):
    """Rows of a mountinfo as dicts, in order."""
    rows = []
    for ln in text.splitlines():
        left, _, right = ln.partition(" - ")
        f, g = left.split(), right.split()
        if len(f) < 6 or len(g) < 3:
            continue
        rows.append({"root": f[3], "target": f[4], "options": set(f[5].split(",")),
                     "optional": [o.split(":")[0] for o in f[6:]], "type": g[0], "source": g[1],
                     "super": set(g[2].split(","))})
    return rows


def mount_at(text, target):
    """The topmost mount at a target."""
    rows = [r for r in parse_mountinfo(text) if r["target"] == target]
    assert rows, f"nothing mounted at {target}:\n{text}"
    return rows[-1]


def normal_mounts(text, masked=()):
    """Mount table in a form that two runtimes can share.

    Left out: mount ids and device numbers (differ each time), the order between different
    targets (masks may come earlier or later), what covers a masked directory (runc: a tmpfs
    each; cay: one shared empty directory) as long as it is read-only, whether a masked file is
    read-only beside being /dev/null (cay's are), the v2 part of a hybrid cgroup hierarchy, which
    runc 1.1 doesn't mount, whether "ro" lies on the mount or on its file system (the effect is
    the same; runc leaves the tmpfs above v1 cgroups writable, cay does not), and the mode in the table of a tmpfs (runc changes it after mounting; see
    test_a_tmpfs_has_the_mode_of_what_it_covers).
    """
    rows = []
    for r in parse_mountinfo(text):
        if r["target"] in masked:
            null = r["root"].endswith("/null")
            rows.append((r["target"], "masked", null or "ro" in r["options"] or "ro" in r["super"]))
            continue
        if r["target"] == "/sys/fs/cgroup/unified":
            continue
        ro = "ro" if "ro" in r["options"] | r["super"] or r["target"] == "/sys/fs/cgroup" else "rw"
        source = "" if r["type"] == "cgroup" else r["source"]  # a mere label
        rows.append((r["target"], r["root"], r["type"], source,
                     [ro, *sorted(r["options"] - {"ro", "rw"})], sorted(r["optional"]),
                     sorted(o for o in r["super"] - {"ro", "rw"} if not o.startswith("mode="))))
    return sorted(rows, key=lambda row: row[0])


CAPS = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE""".split()


def cap_mask(*names):
    return sum(1 << CAPS.index(n.removeprefix("CAP_")) for n in names)


# ---- cgroups --------------------------------------------------------------------------------

def cgroup_dirs_of(pid):
    """controller (or "unified") → directory on the host, from /proc/<pid>/cgroup."""
    dirs = {}
    for ln in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        num, names, path = ln.split(":", 2)
        if num == "0":
            base = CGROUP_ROOT / "unified"
            if not base.is_dir():
                base = CGROUP_ROOT
            if not (base / "cgroup.controllers").exists():
                continue  # v2 is known to the kernel, since somebody mounted it once, and nowhere now
            dirs["unified"] = base / path.lstrip("/")
            continue
        for n in names.split(","):
            n = n.removeprefix("name=")
            base = CGROUP_ROOT / names.removeprefix("name=")
            dirs[n] = (base if base.is_dir() else CGROUP_ROOT / n) / path.lstrip("/")
    return dirs


def both(cay, bundle, normalise, **kw):
    """The result of the same bundle under runc and under the runtime that is tested."""
    id = cay.id()
    want = cay.other("runc").run(bundle, id=id, **kw)
    assert want.rc == 0, want
    got = cay.run(bundle, id=id, **kw)
    assert got.rc == 0, got
    return normalise(got.out), normalise(want.out)


def same_mounts(cay, bundle):
    bundle.sh("cat /proc/self/mountinfo")
    masked = bundle.linux.get("maskedPaths", [])
    got, want = both(cay, bundle, lambda t: normal_mounts(t, masked))
    assert got == want


def in_user_namespace(bundle):
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.namespace("user")
    bundle.linux["uidMappings"] = maps
    bundle.linux["gidMappings"] = maps


def rt_runtime(bundle):
    """On a v1 host with real-time groups a container has no such time unless it asks for it."""
    if os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):
        bundle.linux["resources"]["cpu"] = {"realtimeRuntime": 1000, "realtimePeriod": 1000000}
