# SPDX-License-Identifier: Apache-2.0
"""NOTIFY_SOCKET, sd_notify(3): the program in the container tells whoever started it that it is ready.

The manager is played by a socket of the test; a real one is systemd in the guest.
"""
import array
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

import harness
from harness import wait_for

pytestmark = pytest.mark.skipif(harness.IS_RUNC, reason="runc 1.1 differs in the foreground")
INSIDE = "/run/notify/notify.sock"
QUIET = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Manager:
    """Listens at NOTIFY_SOCKET. A barrier's descriptor is closed once it is read, as systemd does."""

    def __init__(self, address):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + address[1:] if address[0] == "@" else address)
        self.sock.settimeout(harness.TIMEOUT)
        self.env = {**os.environ, "NOTIFY_SOCKET": address}

    def message(self):
        text, control, flags, _ = self.sock.recvmsg(65536, socket.CMSG_LEN(1024))
        fds = array.array("i")
        for _, _, data in control:
            fds.frombytes(data)
        for fd in fds:
            os.close(fd)
        assert len(fds) == (text == b"BARRIER=1") and flags & socket.MSG_CTRUNC == 0
        return text.decode()

    def all(self):
        """What has come; nobody sends any more."""
        got = []
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(self.message())
        self.sock.settimeout(harness.TIMEOUT)
        return got


@pytest.fixture
def manager(cay):
    m = Manager(str(cay.dir / "manager.sock"))
    yield m
    m.sock.close()


def ready(pid):
    return ["READY=1", f"MAINPID={pid}", "BARRIER=1"]


def told(manager):
    return [manager.message() for _ in range(3)]


def later_ready(bundle, before="sleep 0.3", after="exec sleep 1000"):
    return bundle.sh(f"{before}; probe notify READY=1; {after}")


# ---- what the program sees ------------------------------------------------------------------

def test_the_program_has_a_socket_of_its_own(cay, bundle, manager):
    bundle.config["root"]["readonly"] = True
    (bundle.rootfs / "run" / "notify").mkdir(parents=True)
    out = cay.out(bundle.sh("echo $NOTIFY_SOCKET; stat -c '%F %a' $NOTIFY_SOCKET; touch /run/notify/x 2>&1; "
                            "grep ' /run/notify ' /proc/self/mountinfo"), env=manager.env)
    lines = out.splitlines()
    assert lines[:2] == [INSIDE, "socket 777"] and "Read-only" in lines[2]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(lines[3].split()[5].split(","))
    assert manager.all() == []


def test_any_user_in_any_namespace_may_write_to_it(cay, bundle, manager):
    bundle.namespace("user")
    for k in ("uidMappings", "gidMappings"):
        bundle.linux[k] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    os.chown(bundle.rootfs, 100000, 100000)
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    before = os.umask(0o077)
    try:
        assert cay.out(bundle.args("probe", "notify", "READY=1"), env=manager.env) == "ok\n"
    finally:
        os.umask(before)
    assert told(manager)[0] == "READY=1"


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1"])
def test_without_an_address_there_is_no_socket(cay, bundle, address):
    env = {**os.environ, "NOTIFY_SOCKET": address}
    assert cay.out(bundle.sh("echo [$NOTIFY_SOCKET]; ls /run 2>/dev/null || :"), env=env) == "[]\n"


def test_a_socket_that_somebody_else_gave_is_left_alone(cay, bundle, manager):
    """podman and conmon mount one and say so in config.json: a relay of ours would wait for ever."""
    bundle.process["env"].append("NOTIFY_SOCKET=/theirs")
    assert cay.out(bundle.sh("echo $NOTIFY_SOCKET; ls -d /run/notify 2>&1 || :"), env=manager.env).startswith("/theirs\nls: ")
    id = cay.start(bundle.args("sleep", "1000"), env=manager.env)
    cay.destroy(id)
    assert manager.all() == []


@pytest.mark.parametrize("user, socket", [(False, "/run/notify/notify.sock"), (True, "")])
def test_in_the_hosts_mount_namespace_it_is_there_where_mounts_are(cay, bundle, manager, user, socket):
    """A user namespace has no rights there."""
    bundle.namespace("mount", remove=True).config["mounts"] = []
    for k in ("maskedPaths", "readonlyPaths"):
        bundle.linux[k] = []
    if user:
        harness.in_user_namespace(bundle)
    assert cay.out(bundle.sh("echo [$NOTIFY_SOCKET]"), env=manager.env) == f"[{socket}]\n"
    assert not os.path.exists("/run/notify")


# ---- what the manager hears -----------------------------------------------------------------

def test_start_returns_when_the_program_is_ready(cay, bundle, manager):
    id = cay.create(later_ready(bundle), env=manager.env)
    pid = cay.pid(id)
    assert manager.all() == []
    p = cay.popen("start", id, env=manager.env, **QUIET)
    assert told(manager) == ready(pid)
    assert p.wait(harness.TIMEOUT) == 0
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_run_detached_returns_when_the_program_is_ready(cay, bundle, manager):
    later_ready(bundle, before="while [ ! -e /go ]; do sleep 0.05; done").write()
    id = cay.id()
    p = cay.popen("run", "-d", "-b", bundle.path, id, env=manager.env, **QUIET)
    cay_waits = wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "running", "the program to run")
    assert cay_waits and p.poll() is None
    # The waiting runtime is in nobody's way.
    assert cay.ok("exec", id, "touch", "/go").rc == 0
    assert told(manager) == ready(cay.pid(id))
    assert p.wait(harness.TIMEOUT) == 0
    cay.destroy(id)


def test_in_the_foreground_the_runtime_is_the_main_process(cay, bundle, manager):
    later_ready(bundle, after="sleep 0.2; exit 7").write()
    p = cay.popen("run", "-b", bundle.path, cay.id(), env=manager.env, **QUIET)
    assert told(manager) == ready(p.pid)
    assert p.wait(harness.TIMEOUT) == 7


def test_the_last_word_of_a_program_is_passed_on(cay, bundle, manager):
    bundle.sh("probe notify STATUS=1 STATUS=2 READY=1").write()
    p = cay.popen("run", "-b", bundle.path, cay.id(), env=manager.env, **QUIET)
    assert told(manager) == ready(p.pid)
    assert p.wait(harness.TIMEOUT) == 0
    id = cay.create(bundle.args("probe", "notify", "READY=1"), env=manager.env)
    pid = cay.pid(id)
    p = cay.popen("start", id, env=manager.env, **QUIET)
    assert told(manager) == ready(pid)
    assert p.wait(harness.TIMEOUT) == 0
    cay.destroy(id)


def test_an_abstract_address_is_taken(cay, bundle):
    m = Manager(f"@{cay.token}")
    bundle.args("probe", "notify", "READY=1").write()
    p = cay.popen("run", "-b", bundle.path, cay.id(), env=m.env, **QUIET)
    assert told(m) == ready(p.pid)
    assert p.wait(harness.TIMEOUT) == 0
    m.sock.close()


def test_whoever_never_gets_ready_holds_nobody(cay, bundle, manager):
    """It ends: start does, too. A signal to the waiting runtime ends that, not the container."""
    assert cay.ok("start", cay.create(bundle.args("sleep", "0.3"), env=manager.env), env=manager.env).rc == 0
    cay.destroy(f"{cay.token}-c{cay.count}")
    id = cay.create(bundle.args("sleep", "1000"), env=manager.env)
    p = cay.popen("start", id, env=manager.env, **QUIET)
    wait_for(lambda: cay.status(id) == "running", "the program to run")
    cay.ok("delete", "--force", id)
    assert p.wait(harness.TIMEOUT) == 0
    id = cay.create(bundle, env=manager.env)
    p = cay.popen("start", id, env=manager.env, **QUIET)
    wait_for(lambda: cay.status(id) == "running", "the program to run")
    p.terminate()
    assert p.wait(harness.TIMEOUT) == -signal.SIGTERM
    assert cay.status(id) == "running"
    cay.destroy(id)
    assert manager.all() == []


def test_nobody_listening_is_a_warning_and_no_wait(cay, bundle):
    """The variable leaks easily into what has nothing to do with it."""
    env = {**os.environ, "NOTIFY_SOCKET": "/nonexistent/manager"}
    id = cay.create(bundle.args("sleep", "1000"), env=env)
    r = cay.ok("start", id, env=env)
    assert r.err.startswith('cay: warning: NOTIFY_SOCKET "/nonexistent/manager": nobody will be told')
    cay.destroy(id)
    r = cay.run(bundle.sh("probe notify READY=1; exit 3"), env=env)
    assert (r.rc, r.out) == (3, "ENOENT\n") and "nobody will be told" in r.err


def test_start_alone_or_create_alone_relays_nothing(cay, bundle, manager):
    id = cay.create(bundle.args("sleep", "1000"))
    cay.ok("start", id, env=manager.env)
    cay.destroy(id)
    log = cay.dir / "out"
    with log.open("wb") as f:
        id = cay.create(bundle.args("probe", "notify", "READY=1"), env=manager.env, stdout=f)
    cay.ok("start", id)
    cay.wait_status(id, "stopped")
    assert log.read_text() == "ENOENT\n"
    cay.destroy(id)
    assert manager.all() == []


def test_a_manager_that_reads_nothing_delays_by_seconds_only(cay, bundle, manager):
    id = cay.create(bundle.args("probe", "notify", "READY=1"), env=manager.env)
    cay.ok("start", id, env=manager.env)
    cay.destroy(id)
    assert len(manager.all()) == 3


# ---- a hostile program ----------------------------------------------------------------------

LIES = ["MAINPID=1", "STOPPING=1", "WATCHDOG=trigger", "FDSTORE=1", "ERRNO=1", "READY=10", "READY=1 ", " READY=1", "xREADY=1",
        "ready=1", "READY=", "BARRIER=1", "STATUS=READY=1", "READY=0"]


def test_only_the_one_word_is_passed_on(cay, bundle, manager):
    bundle.args("probe", "notify", *LIES, "&FDSTORE=1\nFDNAME=x", "\udcff\udcfe\udc80", "MAINPID=1\n\udcff\nREADY=1\nSTATUS=\033[31m")
    p = cay.popen("run", "-b", bundle.write() or bundle.path, cay.id(), env=manager.env, **QUIET)
    assert told(manager) == ready(p.pid)
    assert p.wait(harness.TIMEOUT) == 0
    assert manager.all() == []


def test_lies_alone_say_nothing(cay, bundle, manager):
    assert set(cay.out(bundle.args("probe", "notify", *LIES), env=manager.env).split()) == {"ok"}
    assert manager.all() == []


def test_a_message_too_long_is_none(cay, bundle, manager):
    out = cay.out(bundle.args("probe", "notify", "+4097", "+1048576"), env=manager.env)
    # The kernel refuses the megabyte where it does not let the program have such a buffer.
    assert out.split()[0] == "ok" and out.split()[1] in ("ok", "EMSGSIZE")
    assert manager.all() == []
    assert cay.out(bundle.args("probe", "notify", "+4096"), env=manager.env) == "ok\n"
    assert manager.all()[0] == "READY=1"


def cpu_seconds(pid):
    fields = harness.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("command", ["run", "start"])
def test_a_flood_costs_us_nothing(cay, bundle, manager, command):
    bundle.args("probe", "notify", "*100000000")
    id = cay.id()
    if command == "start":
        cay.create(bundle, id=id, env=manager.env)
        p = cay.popen("start", id, env=manager.env, **QUIET)
    else:
        bundle.write()
        p = cay.popen("run", "-b", bundle.path, id, env=manager.env, **QUIET)
    wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "running", "the flood to begin")
    before = cpu_seconds(p.pid)
    time.sleep(1.5)
    spent = cpu_seconds(p.pid) - before
    assert spent < 0.3, f"{spent} s of CPU in 1.5 s"
    # Signals get through all the same.
    cay.ok("kill", id, "KILL")
    assert p.wait(harness.TIMEOUT) == (137 if command == "run" else 0)
    cay.ok("delete", "--force", id)
    assert manager.all() == []


def test_what_is_left_in_the_directory_goes_with_the_container(cay, bundle, manager):
    """With CAP_SYS_ADMIN the program can make the mount writable; then the state directory holds its files."""
    bundle.caps("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    bundle.process["noNewPrivileges"] = False
    bundle.sh("mount -o remount,bind,rw /run/notify && cd /run/notify && touch .lifted.0 .lifted.1 && mkdir -p .lifted.2/x && "
              "ln -s /etc/passwd link && probe deep 5000")
    left = cay.root / (id := cay.id()) / "notify"
    assert cay.out(bundle, "--keep", id=id, env=manager.env) == "ok\n"
    assert (left / "d/d/d").is_dir()
    cay.ok("delete", id)
    assert not left.exists() and pathlib.Path("/etc/passwd").exists()


# ---- kill -9 --------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["run", "start"])
def test_a_killed_relay_leaves_nothing_behind_a_delete(cay, bundle, manager, command):
    bundle.args("sleep", "1000").write()
    id = cay.id()
    if command == "start":
        cay.create(bundle, id=id, env=manager.env)
        p = cay.popen("start", id, env=manager.env, **QUIET)
    else:
        p = cay.popen("run", "-d", "-b", bundle.path, id, env=manager.env, **QUIET)
    wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "running", "the program to run")
    assert (cay.root / id / "notify" / "notify.sock").is_socket()
    p.kill()
    p.wait(harness.TIMEOUT)
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_a_start_killed_before_the_gate_can_be_repeated(cay, bundle, manager):
    id = cay.create(later_ready(bundle), env=manager.env)
    # What such a start leaves: the socket.
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    cwd = os.open(cay.root / id / "notify", os.O_PATH)
    left.bind(f"/proc/self/fd/{cwd}/notify.sock")
    left.close()
    os.close(cwd)
    pid = cay.pid(id)
    p = cay.popen("start", id, env=manager.env, **QUIET)
    assert told(manager) == ready(pid)
    assert p.wait(harness.TIMEOUT) == 0
    cay.destroy(id)


def test_the_state_says_nothing_of_it(cay, bundle, manager):
    id = cay.create(bundle.args("sleep", "1000"), env=manager.env)
    stored = json.loads((cay.root / id / "config.json").read_text())
    assert stored == bundle.config
    cay.destroy(id)


# ---- the real manager -----------------------------------------------------------------------

@pytest.mark.parametrize("options,main", [(["-d"], "program"), ([], "runtime")], ids=["detached", "foreground"])
def test_a_service_of_systemd_is_active_once_its_container_is_ready(cay, bundle, options, main):
    if not os.path.isdir("/run/systemd/system"):
        harness.skip("a running systemd")
    bundle.sh("while [ ! -e /go ]; do sleep 0.1; done; probe notify READY=1; exec sleep 1000").write()
    id, unit = cay.id(), f"{cay.token}.service"

    def property_of(name):
        return harness.run(["systemctl", "show", "--value", "-p", name, unit]).out.strip()

    p = subprocess.Popen(["systemd-run", "--quiet", f"--unit={unit}", "--service-type=notify",
                          *cay.argv("run", *options, "-b", bundle.path, id)])
    cay.started.append(p)
    wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "running", "the program to run")
    assert property_of("ActiveState") == "activating" and p.poll() is None
    (bundle.rootfs / "go").touch()
    assert p.wait(harness.TIMEOUT) == 0
    assert property_of("ActiveState") == "active"
    leader = int(property_of("MainPID"))
    if main == "program":
        assert leader == cay.pid(id)
    else:
        assert harness.read(f"/proc/{leader}/comm").strip() == b"cay" and cay.pid(id) != leader
    cay.ok("delete", "--force", id)
    wait_for(lambda: property_of("ActiveState") in ("inactive", "failed"), "the service to end")
    harness.run(["systemctl", "reset-failed", unit])
