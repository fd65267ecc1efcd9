# SPDX-License-Identifier: Apache-2.0
"""Debian's conmon, called the way CRI-O calls it, with cay behind it; and the calls that CRI-O makes itself.

CRI-O hands conmon two pipes: a byte on the start pipe lets it go on (it has been moved to its cgroup by then), and
one JSON line on the sync pipe brings the pid or what went wrong.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import termios
import time

import pytest

from engine import limit_of
from harness import TIMEOUT, need, need_root, read, run, skip, wait_for


class Conmon:
    def __init__(self, cay, bundle):
        self.cay, self.bundle, self.dir = cay, bundle, cay.dir
        for d in ("exits", "persist", "sockets"):
            (self.dir / d).mkdir()
        self.runtime_args = [f"--root={cay.root}"]
        self.options = []

    def common(self, id):
        args = ["conmon", "-c", id, "-n", f"name-{id}", "-r", self.cay.program, "-u", id,
                "--socket-dir-path", self.dir / "sockets", "--log-level", "info"]
        for a in self.runtime_args:
            args += ["--runtime-arg", a]
        return args + self.options

    def spawn(self, args, **kw):
        """Start conmon; returns what it says on the sync pipe, line by line."""
        sync, sync_in = os.pipe()
        start_out, start = os.pipe()
        env = {"PATH": os.environ["PATH"], "_OCI_SYNCPIPE": str(sync_in), "_OCI_STARTPIPE": str(start_out)}
        p = subprocess.Popen([str(a) for a in args], env=env, pass_fds=(sync_in, start_out), stderr=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=self.dir, **kw)
        self.cay.started.append(p)
        os.close(sync_in)
        os.close(start_out)
        os.write(start, b"\0")
        os.close(start)
        return Lines(sync)

    def log(self, id):
        return self.dir / f"{id}.log"

    def create(self, *options, id=None):
        id = id or self.cay.id()
        self.bundle.write()
        with contextlib.closing(self.spawn([
                *self.common(id), "-b", self.bundle.path, "--persist-dir", self.dir / "persist", "-l", self.log(id),
                "--exit-dir", self.dir / "exits", "-P", self.dir / f"{id}.conmon", "-p", self.dir / f"{id}.pid",
                "--no-sync-log", *options])) as lines:
            said = lines.next()
        return id, said

    def made(self, *options, **kw):
        id, said = self.create(*options, **kw)
        pid = said["pid"]
        assert pid > 0, said
        assert int((self.dir / f"{id}.pid").read_text()) == pid == self.cay.pid(id)
        return id

    def running(self, *options, **kw):
        id = self.made(*options, **kw)
        self.cay.ok("start", id)
        return id

    def exit_status(self, id):
        f = self.dir / "exits" / id
        wait_for(f.exists, f"{f}")
        wait_for(lambda: f.read_text(), "the exit status")
        return int(f.read_text())

    def end(self, id):
        """As CRI-O: delete --force; conmon ends by itself."""
        pid = int((self.dir / f"{id}.conmon").read_text())
        self.cay.ok("delete", "--force", id)
        wait_for(lambda: b"conmon" not in read(f"/proc/{pid}/cmdline"), "conmon to end")

    def text(self, id, stream="stdout"):
        """What the log has of a stream, put together again."""
        out = ""
        for ln in self.log(id).read_text().splitlines():
            time_, name, tag, rest = (ln.split(" ", 3) + [""])[:4]
            assert re.match(r"\d{4}-\d\d-\d\dT", time_), ln
            out += (rest + ("\n" if tag == "F" else "")) if name == stream else ""
        return out

    def exec(self, id, process, *options):
        """As CRI-O's ExecSync: the process in a file, the log elsewhere. Returns (lines on the pipe, id of the log)."""
        name = f"{id}-exec{self.cay.count}"
        self.cay.count += 1
        spec = self.dir / f"{name}.json"
        spec.write_text(json.dumps({**self.bundle.process, **process}))
        lines = self.spawn([*self.common(id), "-b", self.bundle.path, "-e", "-l", self.log(name),
                            "-p", self.dir / f"{name}.pid", "--exec-process-spec", spec, *options])
        return lines, name

    def exec_sync(self, id, process, *options):
        """(exit status, stdout, stderr)"""
        lines, name = self.exec(id, process, *options)
        with contextlib.closing(lines):
            said = lines.next()
        return said["exit_code"], self.text(name), self.text(name, "stderr")


class Lines:
    """JSON lines from a pipe."""

    def __init__(self, fd):
        self.fd, self.rest = fd, b""

    def next(self):
        end = time.monotonic() + TIMEOUT
        while b"\n" not in self.rest:
            assert select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0], self.rest
            part = os.read(self.fd, 65536)
            assert part, f"the pipe ended with {self.rest!r}"
            self.rest += part
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    def close(self):
        os.close(self.fd)


@pytest.fixture
def conmon(cay):
    need_root()
    need("conmon", "busybox")
    b = cay.bundle()
    b.linux["cgroupsPath"] = f"/crio-{cay.token}"
    return Conmon(cay, b)


def test_create_start_and_the_exit_file(conmon):
    conmon.bundle.sh("echo out; echo err >&2; exit 42")
    id = conmon.made()
    assert conmon.cay.status(id) == "created"
    conmon.cay.ok("start", id)
    assert conmon.exit_status(id) == 42
    assert (conmon.text(id), conmon.text(id, "stderr")) == ("out\n", "err\n")
    assert conmon.cay.status(id) == "stopped"
    conmon.end(id)


def test_a_create_that_fails_brings_the_reason(conmon):
    conmon.bundle.args("nosuch")
    id, said = conmon.create()
    assert said["pid"] < 0, said
    assert "executable file" in said["message"] and "not found in $PATH" in said["message"], said
    assert conmon.cay("state", id).rc != 0


def test_a_bad_configuration_brings_the_reason(conmon):
    conmon.bundle.process["cwd"] = "relative"
    _, said = conmon.create()
    assert said["pid"] < 0 and "cwd" in said["message"].lower(), said


def test_a_terminal(conmon):
    conmon.bundle.args("probe", "tty")
    conmon.bundle.process["terminal"] = True
    id = conmon.running("-t")
    assert conmon.exit_status(id) == 0
    text = conmon.text(id).replace("\r", "")
    assert "isatty 1 1 1\n" in text and "session 1 1\n" in text, text
    conmon.end(id)


def attach(conmon, id):
    path = conmon.dir / "sockets" / id / "attach"
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(TIMEOUT)
    # The path is longer than a socket's name may be.
    fd = os.open(path.parent, os.O_PATH)
    try:
        s.connect(f"/proc/self/fd/{fd}/attach")
    finally:
        os.close(fd)
    return s


def receive(s, want):
    """Packets with the number of the stream in front, until the text was seen."""
    got = b""
    while want.encode() not in got:
        part = s.recv(65536)
        assert part, got
        assert part[0] in (2, 3), part
        got += part[1:]
    return got.decode()


def test_attach_with_stdin(conmon):
    conmon.bundle.sh("read x; echo got $x; read y; echo and $y; exit 7")
    id = conmon.running("-i", "--leave-stdin-open")
    for line in ("one", "two"):
        with contextlib.closing(attach(conmon, id)) as s:
            s.send(f"{line}\n".encode())
            receive(s, f"{line}\n")
    assert conmon.exit_status(id) == 7
    conmon.end(id)


def test_attach_to_a_terminal_and_resize_it(conmon):
    conmon.bundle.sh("read x; probe tty; read y; exit 3")
    conmon.bundle.process["terminal"] = True
    id = conmon.running("-t", "-i")
    (conmon.bundle.path / "ctl").write_text("1 31 97\n")
    with contextlib.closing(attach(conmon, id)) as s:
        wait_for(lambda: size_of_tty(conmon.cay.pid(id)) == (31, 97), "the size to arrive")
        s.send(b"\n")
        assert "size 31 97" in receive(s, "session")
        s.send(b"\n")
        assert conmon.exit_status(id) == 3
    conmon.end(id)


def size_of_tty(pid):
    with open(f"/proc/{pid}/fd/0", "rb", buffering=0, opener=lambda p, f: os.open(p, f | os.O_NOCTTY)) as t:
        return struct.unpack("HHHH", fcntl.ioctl(t, termios.TIOCGWINSZ, b"\0" * 8))[:2]


def test_exec_sync(conmon):
    conmon.bundle.args("sleep", "1000")
    id = conmon.running()
    got = conmon.exec_sync(id, {"args": ["sh", "-c", "id -u; pwd; echo $A; echo err >&2; exit 5"],
                                "user": {"uid": 1000, "gid": 1000}, "cwd": "/tmp", "env": ["PATH=/bin", "A=b"]})
    assert got == (5, "1000\n/tmp\nb\n", "err\n")
    conmon.end(id)


def test_exec_with_a_terminal(conmon):
    conmon.bundle.args("sleep", "1000")
    id = conmon.running()
    status, out, _ = conmon.exec_sync(id, {"args": ["probe", "tty"], "terminal": True}, "-t")
    assert status == 0 and "isatty 1 1 1" in out.replace("\r", ""), out
    conmon.end(id)


def test_exec_of_what_is_not_there(conmon):
    conmon.bundle.args("sleep", "1000")
    id = conmon.running()
    lines, _ = conmon.exec(id, {"args": ["nosuch"]})
    with contextlib.closing(lines):
        said = lines.next()
    assert said["exit_code"] < 0, said
    assert "executable file" in said["message"] and "not found in $PATH" in said["message"], said
    conmon.end(id)


def test_exec_that_takes_too_long_is_ended(conmon):
    conmon.bundle.args("sleep", "1000")
    id = conmon.running()
    lines, name = conmon.exec(id, {"args": ["sleep", "999"]}, "-T", "1")
    with contextlib.closing(lines):
        said = lines.next()
    assert said["exit_code"] < 0 and "timed out" in said["message"], said
    pid = int((conmon.dir / f"{name}.pid").read_text())
    wait_for(lambda: b"999" not in read(f"/proc/{pid}/cmdline"), "the process to die")
    conmon.end(id)


def test_stop_with_the_signal_and_then_by_force(conmon):
    conmon.bundle.sh("trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    id = conmon.running()
    wait_for(lambda: "ready" in conmon.text(id), "the trap")
    conmon.cay.ok("kill", id, "TERM")
    assert conmon.exit_status(id) == 9
    assert conmon.text(id) == "ready\nterm\n"
    r = conmon.cay.fails("kill", id, "KILL")
    assert "not running" in r.err or "process already finished" in r.err, r  # CRI-O looks for these words
    conmon.end(id)
    conmon.bundle.sh("trap '' TERM; echo ready; while :; do sleep 0.1; done")
    id = conmon.running()
    wait_for(lambda: "ready" in conmon.text(id), "the trap")
    conmon.cay.ok("kill", id, "TERM")
    conmon.cay.ok("kill", id, "KILL")
    assert conmon.exit_status(id) == 137
    conmon.end(id)


def test_out_of_memory_leaves_the_oom_file(conmon):
    conmon.bundle.linux["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    conmon.bundle.args("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    id = conmon.running()
    assert conmon.exit_status(id) == 137
    wait_for(lambda: (conmon.dir / "persist" / "oom").exists() or (conmon.bundle.path / "oom").exists(), "the oom file")
    conmon.end(id)


def test_update_pause_and_resume_as_crio_calls_them(conmon):
    conmon.bundle.linux["resources"]["memory"] = {"limit": 64 << 20}
    conmon.bundle.args("sleep", "1000")
    id = conmon.running()
    pid = conmon.cay.pid(id)
    resources = {"cpu": {"shares": 512, "quota": 20000, "period": 100000}, "memory": {"limit": 96 << 20}}
    conmon.cay.ok("update", "--resources", "-", id, input=json.dumps(resources))
    assert limit_of(pid, "memory.limit_in_bytes", "memory.max") == str(96 << 20)
    assert limit_of(pid, "cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"
    conmon.cay.ok("pause", id)
    assert conmon.cay.status(id) == "paused"
    conmon.cay.ok("resume", id)
    assert conmon.cay.status(id) == "running"
    conmon.end(id)


def test_pinned_namespaces_of_a_pod(conmon):
    """CRI-O pins a pod's namespaces and gives the containers their paths; the sandbox needs no process then."""
    b, cay = conmon.bundle, conmon.cay
    b.args("sleep", "1000")
    infra = conmon.running()
    pid = cay.pid(infra)
    for ns in ("network", "ipc", "uts"):
        b.namespace(ns, {"network": "/proc/%d/ns/net"}.get(ns, f"/proc/%d/ns/{ns}") % pid)
    b.linux["cgroupsPath"] = f"/crio-{cay.token}-app"
    del b.config["hostname"]
    b.sh("hostname; for n in net ipc uts; do readlink /proc/self/ns/$n; done")
    app = conmon.running()
    assert conmon.exit_status(app) == 0
    assert conmon.text(app).split() == ["island", *(os.readlink(f"/proc/{pid}/ns/{n}") for n in ("net", "ipc", "uts"))]
    conmon.end(app)
    conmon.end(infra)


def test_a_killed_conmon_does_not_take_the_container_along(conmon):
    conmon.bundle.args("sleep", "1000")
    id = conmon.running()
    os.kill(int((conmon.dir / f"{id}.conmon").read_text()), 9)
    assert conmon.cay.status(id) == "running"
    conmon.cay.ok("delete", "--force", id)


def test_systemd_cgroups(conmon):
    if not os.path.isdir("/run/systemd/system"):
        skip("a running systemd")
    conmon.bundle.linux["cgroupsPath"] = f"system.slice:crio:{conmon.cay.token}"
    conmon.bundle.args("sleep", "1000")
    conmon.options = ["-s"]
    conmon.runtime_args.append("--systemd-cgroup")
    id = conmon.running()
    text = pathlib.Path(f"/proc/{conmon.cay.pid(id)}/cgroup").read_text()
    assert f"crio-{conmon.cay.token}.scope" in text, text
    assert conmon.exec_sync(id, {"args": ["true"]})[0] == 0
    conmon.cay.ok("--systemd-cgroup", "delete", "--force", id)
    assert conmon.exit_status(id) == 137


def test_features_have_what_crio_and_kubernetes_read(cay):
    f = json.loads(cay.ok("features").out)
    assert f["ociVersionMin"] == "1.0.0" and tuple(map(int, f["ociVersionMax"].split("-")[0].split("."))) >= (1, 2, 0)
    assert f["linux"]["mountExtensions"]["idmap"]["enabled"] is True
    assert {"ro", "rro", "rbind", "idmap", "ridmap"} <= set(f["mountOptions"])
    assert "SCMP_ACT_NOTIFY" in f["linux"]["seccomp"]["actions"] and f["linux"]["seccomp"]["enabled"] is True
    assert f["linux"]["cgroup"]["v1"] is True and f["linux"]["cgroup"]["v2"] is True
    assert {"mount", "pid", "user", "cgroup", "time"} <= set(f["linux"]["namespaces"])
    assert {"prestart", "createRuntime", "poststop"} <= set(f["hooks"])
    # CRI-O asks for the version in this form before anything else.
    assert run([cay.program, "--version"]).out.startswith("cay version ") or cay.program.endswith("runc")
