# SPDX-License-Identifier: Apache-2.0
"""Checkpoint and restore with CRIU itself, where it works on the kernel."""
import os
import re
import select
import shutil
import socket
import subprocess
import time

import pytest

import harness
from harness import ConsoleSocket, read, run, wait_for


@pytest.fixture
def criu(cay):
    harness.need("criu")
    r = run(["criu", "check"])
    if r.rc != 0:
        harness.skip("a criu that works on this kernel: " + (r.errlines or ["it says nothing"])[-1])
    return cay.dir / "images"


COUNTER = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"


def shown(images):
    return "".join(read(images / f)[-3000:].decode() for f in ("dump.log", "restore.log"))


class Counter:
    """A program that counts into a pipe; whoever runs, the numbers go on. @dump, @restore: options of both"""

    def __init__(self, cay, bundle, *options):
        self.cay, self.bundle, self.options = cay, bundle, options
        self.reader, self.writer = os.pipe()
        self.seen = 0
        self.id = cay.start(bundle, stdout=self.writer)
        self.next()

    def next(self, n=3):
        """Read n numbers more; each must be one above the last."""
        text = b""
        while text.count(b"\n") < n:
            wait_for(lambda: select.select([self.reader], [], [], 0)[0], f"number {self.seen + 1}")
            text += os.read(self.reader, 1)
        for line in text.split(b"\n")[:n]:
            assert int(line) == self.seen + 1
            self.seen += 1
        return self.seen

    def checkpoint(self, images, *options):
        r = self.cay("checkpoint", "--image-path", images, *self.options, *options, self.id)
        assert r.rc == 0, (r, shown(images))

    def restore(self, images, *options, **kw):
        argv = self.cay.argv("restore", "-d", "--image-path", images, "-b", self.bundle.path, *self.options, *options, self.id)
        # The program has the file, too: criu wants it to be as long as it was.
        with open(self.cay.dir / "stderr", "a+b") as err:
            rc = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=self.writer, stderr=err,
                                timeout=harness.TIMEOUT, **kw).returncode
            err.seek(0)
            assert rc == 0, err.read().decode() + shown(images)

    def cycle(self, images):
        """There and back; it goes on where it was."""
        self.checkpoint(images)
        assert "does not exist" in self.cay.fails("state", self.id).err
        self.restore(images)
        self.next()

    def close(self):
        self.cay.destroy(self.id)
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def counting(criu, cay):
    """A function: the bundle as a Counter, with options for both commands."""
    made = []

    def start(bundle, *options):
        made.append(Counter(cay, bundle, *options))
        return made[-1]
    yield start
    for c in made:
        c.close()


@pytest.fixture
def counter(counting, bundle):
    return counting(bundle.sh(COUNTER))


def test_a_counter_counts_on(criu, cay, counter):
    before = cay.state(counter.id)
    r = cay("checkpoint", "--image-path", criu, counter.id)
    assert r.rc == 0, (r, shown(criu))
    assert "does not exist" in cay.fails("state", counter.id).err
    counter.restore(criu)
    counter.next(5)
    after = cay.state(counter.id)
    assert after["status"] == "running" and after["pid"] != before["pid"]
    # It is a container like any other.
    assert cay.ok("exec", counter.id, "hostname").out == "island\n"
    assert counter.id in read(f"/proc/{after['pid']}/cgroup").decode()
    inside = cay.ok("exec", counter.id, "cat", "/proc/self/mountinfo").out
    assert "/proc/keys" in inside and "/sys/firmware" in inside
    assert cay.ok("exec", counter.id, "cat", "/proc/keys").out == ""
    cay.ok("pause", counter.id)
    assert cay.status(counter.id) == "paused"
    cay.ok("resume", counter.id)


def test_it_can_be_done_again_and_again(criu, cay, counter):
    for n in range(2):
        images = cay.dir / f"images{n}"
        r = cay("checkpoint", "--image-path", images, counter.id)
        assert r.rc == 0, (r, shown(images))
        counter.restore(images)
        counter.next()


def test_leave_running_leaves_it_running(criu, cay, counter):
    pid = cay.pid(counter.id)
    r = cay("checkpoint", "--leave-running", "--image-path", criu, counter.id)
    assert r.rc == 0, (r, shown(criu))
    counter.next()
    assert cay.pid(counter.id) == pid and cay.status(counter.id) == "running"


def test_pre_dump_and_final_dump(criu, cay, counter):
    parent = cay.dir / "parent"
    r = cay("checkpoint", "--pre-dump", "--image-path", parent, counter.id)
    if "missing features" in r.err:
        harness.skip("memory tracking of the kernel (CONFIG_MEM_SOFT_DIRTY)")
    assert r.rc == 0, (r, shown(parent))
    counter.next()
    r = cay("checkpoint", "--parent-path", "../parent", "--image-path", criu, counter.id)
    assert r.rc == 0, (r, shown(criu))
    assert (criu / "parent").is_symlink()
    counter.restore(criu)
    counter.next()


def test_pages_go_to_a_page_server(criu, cay, counter):
    criu.mkdir()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen(["criu", "page-server", "--images-dir", criu, "--address", "127.0.0.1",
                               "--port", str(port), "--log-file", "ps.log"])
    cay.started.append(server)
    wait_for(lambda: f":{port:04X} 00000000:0000 0A" in read("/proc/net/tcp").decode(), "the page server")
    images = cay.dir / "rest"
    r = cay("checkpoint", "--page-server", f"127.0.0.1:{port}", "--image-path", images, counter.id)
    assert r.rc == 0, (r, shown(images))
    assert server.wait(harness.TIMEOUT) == 0
    assert list(criu.glob("pages-*.img")) and not list(images.glob("pages-*.img"))
    for f in images.iterdir():
        if not (criu / f.name).exists():
            shutil.copy(f, criu / f.name)
    counter.restore(criu)
    counter.next()


def test_a_dump_that_can_not_be_leaves_it_running(criu, cay, bundle):
    id = cay.start(bundle.args("probe", "lock", "/tmp/lock"))
    wait_for(lambda: read(bundle.rootfs / "tmp" / "lock"), "the lock")
    line = cay.error_line(cay("checkpoint", "--image-path", criu, id))
    assert "criu failed: type DUMP" in line and "Error (" in line and str(criu / "dump.log") in line
    assert cay.status(id) == "running"
    assert cay.ok("exec", id, "echo", "well").out == "well\n"
    r = cay("checkpoint", "--file-locks", "--image-path", criu, id)
    assert r.rc == 0, (r, shown(criu))


def test_bind_mounts_come_back(criu, cay, bundle):
    data = bundle.path / "data"
    data.mkdir()
    (data / "word").write_text("one")
    bundle.args("sleep", "1000").mount("/deep/data", type="bind", source=str(data), options=["bind", "ro"])
    id = cay.start(bundle)
    r = cay("checkpoint", "--image-path", criu, id)
    assert r.rc == 0, (r, shown(criu))
    (data / "word").write_text("two")
    shutil.rmtree(bundle.rootfs / "deep")
    with open(cay.dir / "stderr", "wb") as err:
        subprocess.run(cay.argv("restore", "-d", "--image-path", criu, "-b", bundle.path, id), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, timeout=harness.TIMEOUT)
    assert cay.ok("exec", id, "cat", "/deep/data/word").out == "two"
    assert cay("exec", id, "touch", "/deep/data/x").rc != 0
    cay.destroy(id)


def test_a_terminal_comes_back(criu, cay, bundle):
    bundle.process["terminal"] = True
    bundle.sh("while read line; do echo got $line; done")
    with ConsoleSocket(cay.dir / "console") as sock:
        id = cay.create(bundle, "--console-socket", sock.path)
        fd, _ = sock.receive()
        cay.ok("start", id)
        r = cay("checkpoint", "--image-path", criu, id)
        assert r.rc == 0, (r, shown(criu))
        os.close(fd)
    with ConsoleSocket(cay.dir / "console2") as sock:
        r = cay("restore", "-d", "--image-path", criu, "-b", bundle.path, "--console-socket", sock.path, id)
        assert r.rc == 0, (r, read(criu / "restore.log")[-3000:])
        fd, _ = sock.receive()
    os.write(fd, b"hello\n")
    text, end = b"", time.monotonic() + harness.TIMEOUT
    while b"got hello" not in text and time.monotonic() < end:
        text += os.read(fd, 100)
    assert b"got hello" in text
    cay.destroy(id)
    os.close(fd)


def test_a_joined_network_is_joined_again(criu, cay, bundle):
    bundle.namespace("network", "/proc/self/ns/net").args("sleep", "1000")
    id = cay.start(bundle)
    r = cay("checkpoint", "--image-path", criu, id)
    assert r.rc == 0, (r, shown(criu))
    with open(cay.dir / "stderr", "wb") as err:
        subprocess.run(cay.argv("restore", "-d", "--image-path", criu, "-b", bundle.path, id), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, timeout=harness.TIMEOUT)
    assert os.stat(f"/proc/{cay.pid(id)}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino
    cay.destroy(id)


def test_the_real_one_says_why_it_can_not(cay, bundle):
    """Also where CRIU can't work at all: what it says arrives, and the container does not notice."""
    harness.need("criu")
    harness.cay_only("that line")
    if run(["criu", "check"]).rc == 0:
        pytest.skip("criu works here: the tests above show it")
    id = cay.start(bundle.args("sleep", "1000"))
    images = cay.dir / "images"
    line = cay.error_line(cay("checkpoint", "--image-path", images, id))
    assert "criu failed: type DUMP" in line and "Error (" in line and str(images / "dump.log") in line
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_a_scope_of_systemd_is_made_again(criu, cay, bundle):
    if not os.path.isdir("/run/systemd/system"):
        harness.skip("a running systemd")
    id = cay.id()
    bundle.args("sleep", "1000").write()
    base = ["--systemd-cgroup", "run", "-d", "-b", bundle.path, id]
    for argv in (base, None, ["--systemd-cgroup", "restore", "-d", "--image-path", criu, "-b", bundle.path, id]):
        if not argv:
            r = cay("checkpoint", "--image-path", criu, id)
            assert r.rc == 0, (r, shown(criu))
            continue
        with open(cay.dir / "stderr", "w+b") as err:
            rc = subprocess.run(cay.argv(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                                timeout=harness.TIMEOUT).returncode
            err.seek(0)
            if b"cay-systemd" in err.read():
                harness.skip("cay-systemd (libsystemd-dev)")
            assert rc == 0, read(cay.dir / "stderr") + read(criu / "restore.log")[-2000:]
    assert f"cay-{id}.scope" in read(f"/proc/{cay.pid(id)}/cgroup").decode()
    assert cay.ok("exec", id, "echo", "well").out == "well\n"
    cay.destroy(id)


# ---- options --------------------------------------------------------------------------------

def test_connections_are_kept(cay, criu, bundle, counting):
    """Both ends inside: what is written to one arrives at the other."""
    c = counting(bundle.args("probe", "count", "tcp"), "--tcp-established")
    c.cycle(criu)


def test_connections_that_are_not_asked_for_are_an_error(cay, criu, bundle, counting):
    c = counting(bundle.args("probe", "count", "tcp"))
    line = cay.error_line(cay("checkpoint", "--image-path", criu, c.id))
    assert "criu failed: type DUMP" in line and "inet" in line
    c.next()


def test_a_socket_to_the_host_is_left_out_when_asked(cay, criu, bundle, counting):
    """A datagram socket that is connected to one outside, as to a log. (criu 3.17 does not find the path again.)"""
    d = cay.dir / "sockets"
    d.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(d / "log"))
        s.settimeout(harness.TIMEOUT)
        bundle.mount("/mnt", type="bind", source=str(d), options=["bind"])
        # Of another network namespace criu does not know the peer.
        bundle.namespace("network", "/proc/self/ns/net")
        c = counting(bundle.args("probe", "count", "unix", "/mnt/log"))
        assert int(s.recv(64)) == 1
        line = cay.error_line(cay("checkpoint", "--image-path", cay.dir / "no", c.id))
        assert "criu failed: type DUMP" in line and "unix" in line
        c.next()
        c.checkpoint(criu, "--ext-unix-sk")
        assert "does not exist" in cay.fails("state", c.id).err


def test_a_job_of_a_shell_goes_on_in_another_terminal(cay, criu, bundle):
    """`run` in the foreground: its terminal is passed on to ours, before and after."""
    outer, inner = os.openpty()
    bundle.process["terminal"] = True
    bundle.sh("while :; do echo here; sleep 0.1; done").write()
    id = cay.id()
    p = cay.popen("run", "-b", bundle.path, id, stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
    assert "here" in harness.read_fd(outer, until="here")
    r = cay("checkpoint", "--shell-job", "--image-path", criu, id)
    assert r.rc == 0, (r, shown(criu))
    p.wait(harness.TIMEOUT)
    while select.select([outer], [], [], 0.2)[0]:
        os.read(outer, 4096)
    p = cay.popen("restore", "--shell-job", "--image-path", criu, "-b", bundle.path, id,
                  stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
    assert "here" in harness.read_fd(outer, until="here"), shown(criu)
    cay.ok("kill", id, "KILL")
    assert p.wait(harness.TIMEOUT) == 128 + 9
    cay("delete", "-f", id)
    os.close(outer)
    os.close(inner)


def test_a_terminal_of_the_host_is_an_error_that_names_it(cay, criu, bundle):
    """Without one of its own the container's stdin lies on a mount that it has not; runc fails alike."""
    outer, inner = os.openpty()
    id = cay.start(bundle.args("sleep", "1000"), stdin=inner)
    line = cay.error_line(cay("checkpoint", "--shell-job", "--image-path", criu, id))
    assert "criu failed: type DUMP" in line and "/dev/pts/" in line
    assert cay.status(id) == "running"
    cay.destroy(id)
    os.close(outer)
    os.close(inner)


@pytest.mark.parametrize("mode", ["soft", "full", "strict", "ignore"])
def test_limits_are_there_again(cay, criu, bundle, counting, mode):
    bundle.linux["resources"]["pids"] = {"limit": 44}
    c = counting(bundle.sh(COUNTER), "--manage-cgroups-mode", mode)
    c.cycle(criu)
    dirs = harness.cgroup_dirs_of(cay.pid(c.id))
    assert (dirs.get("pids") or dirs["unified"]).joinpath("pids.max").read_text() == "44\n"


def test_a_network_that_is_left_out_comes_back_empty(cay, criu, bundle, counting):
    c = counting(bundle.sh(COUNTER), "--empty-ns", "network")
    c.cycle(criu)
    pid = cay.pid(c.id)
    assert os.stat(f"/proc/{pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino
    rows = cay.ok("exec", c.id, "cat", "/proc/net/dev").out.splitlines()[2:]
    assert [ln.split(":")[0].strip() for ln in rows] == ["lo"]


def test_a_user_namespace_comes_back(cay, criu, bundle, counting):
    for kind in ("uidMappings", "gidMappings"):
        bundle.linux[kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.namespace("user")
    subprocess.run(["chown", "-hR", "100000:100000", bundle.rootfs], check=True, timeout=60)
    # criu opens stdio again, as whom the program is.
    (cay.dir / "stderr").touch()
    (cay.dir / "stderr").chmod(0o666)
    c = counting(bundle.sh(COUNTER))
    c.cycle(criu)
    assert read(f"/proc/{cay.pid(c.id)}/uid_map").split() == [b"0", b"100000", b"65536"]
    assert cay.ok("exec", c.id, "id", "-u").out == "0\n"


def test_pages_follow_when_they_are_wanted(cay, criu, bundle, counter):
    """Post-copy: the dump serves its pages, a daemon fetches them when the restored program touches them."""
    if not os.path.exists("/proc/sys/vm/unprivileged_userfaultfd"):
        harness.skip("userfaultfd of the kernel")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    reader, writer = os.pipe()
    dump = cay.popen("checkpoint", "--lazy-pages", "--page-server", f"127.0.0.1:{port}", "--status-fd", str(writer),
                     "--image-path", criu, counter.id, pass_fds=[writer], stdin=subprocess.DEVNULL,
                     stderr=open(cay.dir / "said", "wb"))
    os.close(writer)
    assert select.select([reader], [], [], harness.TIMEOUT)[0] and os.read(reader, 8) == b"\0", shown(criu)
    os.close(reader)
    assert dump.poll() is None, "it serves until all pages are taken"
    pages = subprocess.Popen(["criu", "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", str(port),
                              "-D", criu, "-W", criu, "-o", "lazy.log"])
    cay.started.append(pages)
    wait_for((criu / "lazy-pages.socket").exists, "the daemon of the pages")
    other = counter.id + "-again"
    counter.id, first = other, counter.id
    counter.restore(criu, "--lazy-pages")
    counter.next(5)
    assert pages.wait(harness.TIMEOUT) == 0
    assert dump.wait(harness.TIMEOUT) == 0, read(cay.dir / "said")
    assert "does not exist" in cay.fails("state", first).err


def test_a_pid_file_and_no_more_tells_of_a_restore(cay, criu, counter):
    counter.checkpoint(criu)
    pid_file = cay.dir / "pid"
    counter.restore(criu, "--pid-file", pid_file)
    assert int(pid_file.read_text()) == cay.pid(counter.id)
    counter.next()


# ---- what a restored container can reach ------------------------------------------------------

def test_nothing_of_ours_is_reachable_from_a_restored_container(cay, criu, bundle, counter):
    """No fd, mapping, cwd or program but the image's own; no process but its own."""
    counter.checkpoint(criu)
    counter.restore(criu)
    pid = cay.pid(counter.id)
    root = os.stat(f"/proc/{pid}/root")
    assert (root.st_dev, root.st_ino) == (bundle.rootfs.stat().st_dev, bundle.rootfs.stat().st_ino)
    inside = [p for p in os.listdir("/proc") if p.isdigit() and
              read(f"/proc/{p}/cgroup") == read(f"/proc/{pid}/cgroup")]
    for p in inside:
        assert os.readlink(f"/proc/{p}/exe") == "/bin/busybox"
        maps = {ln.split(None, 5)[5] for ln in read(f"/proc/{p}/maps").decode().splitlines() if len(ln.split(None, 5)) > 5}
        assert not [m for m in maps if not re.fullmatch(r"/bin/busybox|\[.*\]", m)], maps
        fds = [os.readlink(f"/proc/{p}/fd/{f}") for f in os.listdir(f"/proc/{p}/fd")]
        assert all(re.fullmatch(r"/dev/null|pipe:\[\d+\]|/.*/stderr", f) for f in fds), fds
        assert os.readlink(f"/proc/{p}/cwd") == "/"
    status = harness.parse_status(read(f"/proc/{pid}/status").decode())
    version = [int(n) for n in run(["criu", "--version"]).out.split()[1].split(".")]
    assert status["NoNewPrivs"] == ("1" if version >= [3, 19] else "0")
    assert int(status["CapEff"], 16) == harness.cap_mask("AUDIT_WRITE", "KILL", "NET_BIND_SERVICE")
    # Mounts: those of the configuration, and nothing of the host's.
    targets = [r["target"] for r in harness.parse_mountinfo(read(f"/proc/{pid}/mountinfo").decode())]
    assert not [t for t in targets if cay.token in t], targets
