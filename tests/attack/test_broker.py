# SPDX-License-Identifier: Apache-2.0
"""Attacks on whoever answers system calls for a container. CAY_AGENT_FULL=1: 100,000 tries of each."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import statistics
import struct
import subprocess
import threading
import time

import pytest

import harness
from agent import Agent, ask, ext4, rootless_bundle
from engine import EMULATED
from harness import TIMEOUT, compiled, need, run, wait_for

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
FULL = os.environ.get("CAY_AGENT_FULL") == "1"
HERE = pathlib.Path(__file__).resolve().parent
LONG = 1200 if FULL else 4 * TIMEOUT


def tries(short, full=100000):
    """Where processors are emulated a try takes twenty times as long: repetition is left to others."""
    return str(full if FULL else max(100, short // 10) if EMULATED else short)


def racer():
    return compiled(HERE / "racer.c")


def racing(cay, user, agent, calls, name="bundle"):
    b = ask(rootless_bundle(cay, name, user.uid), agent.sock, "a", calls)
    shutil.copy(racer(), b.rootfs / "bin/racer")
    return b


OPAQUE = "trusted.overlay.opaque"

# What is raced for: the policy, the calls that are asked about, tries in a short run.
RACES = {
    "inet": ("allow connect udp 127.0.0.1/32:80\n", ["connect"], 5000),
    "unix": ("allow unix connect /mnt/good.sock\n", ["connect"], 1500),
    "mount": ("allow mount tmpfs on /mnt/good size<=64k\n", ["mount", "umount2"], 1000),
    "link": ("allow mount tmpfs on /mnt/good size<=64k\n", ["mount", "umount2"], 1000),
    "node": ("allow mknod p on /mnt/good.node\n", ["mknodat"], 1000),
    "xattr": ("allow xattr trusted.overlay.opaque on /mnt/good\n", ["setxattr"], 1000),
    "xattr-link": ("allow xattr trusted.overlay.opaque on /mnt/good\n", ["setxattr"], 1000),
    "owner": ("allow chown /mnt/good\n", ["chown"], 1000),
    "owner-link": ("allow chown /mnt/good\n", ["chown"], 1000),
    "sched": ("allow sched fifo priority<=5\nallow sched other\n", ["sched_setscheduler"], 1500),
}


@pytest.mark.parametrize("kind", RACES)
def test_an_argument_that_changes_while_it_is_decided(cay, user, kind):
    policy, calls, short = RACES[kind]
    # Careless: an agent that looks at the arguments and lets the kernel read them again.
    for _ in range(10):
        _, won, _ = map(int, run([racer(), "naive", kind, "20000"], timeout=LONG).out.split())
        if won:
            break
    assert won > 0, "an attack that never wins shows nothing"
    with Agent(cay, {"a": policy}, "--rate", "1000000") as agent:
        b = racing(cay, user, agent, calls).args("racer", "race", kind, tries(short))
        tried, won, allowed = map(int, user.out(b, timeout=LONG).split())
        print(f"{kind}: {tried} tries, {won} won, {allowed} allowed")
        # Both ways to answer were taken, or nothing was raced for.
        assert won == 0 and 0 < allowed < tried
        if kind.startswith("xattr"):
            assert os.getxattr(b.rootfs / "mnt/good", OPAQUE) == b"y"
            assert OPAQUE not in os.listxattr(b.rootfs / "mnt/evil")


def test_a_number_that_is_given_to_another_process(cay):
    """The caller is killed between its call and the answer, and its process id is somebody else's."""
    for _ in range(10):
        tried, won, reused = map(int, run([racer(), "reuse", "1000", "naive", "0"], timeout=LONG).out.split())
        if won:
            break
    assert won > 0, "an attack that never wins shows nothing"
    assert reused > tried / 2
    with Agent(cay, {"a": "default deny\nallow connect udp 127.0.0.1/32:80\n"}, "--rate", "1000000") as agent:
        r = run([racer(), "reuse", tries(2000), agent.sock, agent.process.pid], timeout=LONG)
        tried, won, reused = map(int, r.out.split())
        print(f"reuse: {tried} tries, {won} won, {reused} reused")
        assert won == 0 and reused > tried / 2


def test_callers_that_are_killed_leave_nothing_that_nobody_knows(cay, user):
    with Agent(cay, {"a": RACES["mount"][0]}, "--rate", "1000000") as agent:
        b = racing(cay, user, agent, RACES["mount"][1]).args("racer", "killed", tries(500, 20000))
        mounted, known, left = map(int, user.out(b, timeout=LONG).split())
        print(f"killed: {mounted} mounted, {known} known")
        assert mounted == known > 0 and left == 0
        c = user.start(racing(cay, user, agent, RACES["mount"][1], "after").args("sleep", "1000"))
        assert user.sh(c, "mkdir -p /mnt/good; ask mount t /mnt/good tmpfs 0 ''").out == "ok\n"
        user.delete(c)


@pytest.fixture
def disks(cay, loop):
    """Two devices with a file system each; in the second there is a file by which it is known."""
    found = []
    for name in ("good", "evil"):
        (cay.dir / name).mkdir()
        (cay.dir / name / name).touch()
        found.append(loop(ext4(cay, "-O", "^has_journal", "-d", str(cay.dir / name), name=f"{name}.img", size=2 << 20)))
    return found


def test_a_name_of_a_device_that_changes_while_it_is_decided(cay, user, disks):
    good, evil = disks
    environment = {"RACE_GOOD": good, "RACE_EVIL": evil}
    for _ in range(10):
        _, won, _ = map(int, run([racer(), "naive", "block", "200"], timeout=LONG, env={**os.environ, **environment}).out.split())
        if won:
            break
    assert won > 0, "an attack that never wins shows nothing"
    with Agent(cay, {"a": f"allow mount ext4 from {good} on /mnt/at shift\n"}, "--rate", "1000000") as agent:
        b = racing(cay, user, agent, ["mount", "umount2"]).args("racer", "race", "block", "100000" if FULL else "500")
        for n, dev in enumerate(disks):
            b.mount(f"/dev/disk{n}", type="bind", source=dev, options=["bind"])
        b.process["env"] += ["RACE_GOOD=/dev/disk0", "RACE_EVIL=/dev/disk1"]
        tried, won, allowed = map(int, user.out(b, timeout=LONG).split())
        print(f"block: {tried} tries, {won} won, {allowed} allowed")
        assert won == 0 and 0 < allowed < tried
        assert agent.record(call="mount", verdict="deny")["what"].startswith(f"mount ext4 from {evil} on /mnt/at")


# ---- getting in each other's way ------------------------------------------------------------------

def test_a_container_that_floods_does_not_slow_another_down(cay, user):
    if EMULATED:
        harness.skip("processors that are not emulated: times mean nothing there")
    with Agent(cay, {"a": "default deny\n"}) as agent:
        quiet, flood, both = (racing(cay, user, agent, ["socket"], n) for n in ("quiet", "flood", "both"))
        quiet.args(*P99)
        flood.sh(FLOOD + "wait")
        both.sh(FLOOD + " ".join(P99))
        alone, beside, within = [], [], []
        # In turns, by their medians or, since others who use the machine only add to it, their minima; again when that was not enough of them.
        for rounds in 5, 10, 15:
            while len(beside) < rounds:
                alone.append(p99(user.out(quiet)))
                c = user.start(flood)
                wait_for(lambda c=c: [x for x in agent.status()["containers"] if x["id"] == c and x["calls"] > 3000], "the flood")
                beside.append(p99(user.out(quiet)))
                user.delete(c)
                within.append(p99(user.out(both)))
            slower, shared = (sorted(by(x) / by(alone) for by in (statistics.median, min)) for x in (beside, within))
            if slower[0] < 2 < shared[1]:
                break
        print(f"a call's p99 beside a flood is {slower[0]:.2f} times that alone, within the flooding container {shared[1]:.0f} times, {rounds} rounds")
        assert shared[1] > 2, "a flood that slows nobody shows nothing"
        assert slower[0] < 2


FLOOD = "for i in 1 2 3 4 5 6 7 8; do ask many 100000000 2 1 0 & done; "
P99 = ("ask", "p99", "500", "2", "1", "0")


def p99(said):
    """The 99th percentile of a refused call, in ns, with a pause between calls."""
    return int(said.split()[0])


@contextlib.contextmanager
def crowd(cay, agent, uids, count):
    """Users with many listeners each, whose helpers are never without work for long."""
    program = shutil.copy(racer(), cay.dir / "racer")
    all = [subprocess.Popen(["setpriv", f"--reuid={u}", f"--regid={u}", "--clear-groups", str(program), "crowd", agent.sock, str(count)],
                            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True) for u in uids]
    try:
        for p in all:
            assert p.stdout.readline() == b"ready\n"
        yield
    finally:
        for p in all:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait(5)
            p.stdout.close()


@pytest.mark.parametrize("many", [1, 5])
def test_whoever_has_many_helpers_leaves_some_to_others(cay, user, many):
    """One user's containers to one another; and five users, who may all be one with subordinate ids, to a sixth."""
    uids = [user.uid] if many == 1 else [200000 + i for i in range(many)]
    with Agent(cay, {"a": RACES["mount"][0]}) as agent, crowd(cay, agent, uids, 100):
        wait_for(lambda: agent.status()["helpers"] >= (60 if many == 1 else 200), "helpers")
        c = user.start(racing(cay, user, agent, ["mount"]).args("sleep", "1000"))
        r = subprocess.run(user.argv("exec", c, "sh", "-c", "mkdir -p /mnt/good; ask mount t /mnt/good tmpfs 0 ''"), capture_output=True,
                           text=True, timeout=TIMEOUT)
        assert r.stdout == "ok\n", r
        assert agent.status()["helpers"] < 256, "all of them"
        user.delete(c)


def test_whoever_has_many_listeners_leaves_descriptors_to_others(cay, user):
    class Poor(Agent):
        around = ("prlimit", "--nofile=400:400")
    need("prlimit")
    with Poor(cay, {"a": RACES["mount"][0]}) as agent, crowd(cay, agent, [200000], 300):
        wait_for(lambda: "user 200000 brought no container: user 200000 has 100 containers" in agent.log.read_text(), "the log")
        c = user.start(racing(cay, user, agent, ["mount"]).args("sleep", "1000"))
        assert user.sh(c, "mkdir -p /mnt/good; ask mount t /mnt/good tmpfs 0 ''").out == "ok\n"
        assert len(agent.status()["containers"]) < 110
        user.delete(c)


# As the user who owns the container, from the host: whoever answers for it is stopped, if that can be.
STOPPER = """
import os, signal, sys, time
def children(pid):
    try:
        return open(f"/proc/{pid}/task/{pid}/children").read().split()
    except OSError:
        return []
refused = stopped = 0
end = time.monotonic() + 4
print("ready", flush=True)
while time.monotonic() < end:
    for helper in children(sys.argv[1]):
        for child in children(helper):
            try:
                os.kill(int(child), signal.SIGSTOP)
                stopped += 1
            except PermissionError:
                refused += 1
            except ProcessLookupError:
                pass
print(refused, stopped)
"""


def test_whoever_makes_a_ping_can_not_be_stopped_by_its_user(cay, user):
    """It holds a lock that the pings of all wait for."""
    policy = "default deny\nallow socket inet dgram icmp\n"
    with Agent(cay, {"a": policy}, "--rate", "1000000") as agent:
        c = user.start(racing(cay, user, agent, ["socket"]).args("sleep", "1000"))
        p = subprocess.Popen(["setpriv", f"--reuid={user.uid}", f"--regid={user.uid}", "--clear-groups", "/usr/bin/python3", "-c", STOPPER,
                              str(agent.process.pid)], stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline() == "ready\n"
        r = user.sh(c, "i=0; while [ $i -lt 300 ]; do ask socket 2 2 1; i=$((i+1)); done")
        refused, stopped = map(int, p.communicate(timeout=TIMEOUT)[0].split())
        assert refused + stopped > 0, "an attack that meets nobody shows nothing"
        assert stopped == 0 and r.lines == ["ok"] * 300
        user.delete(c)


# ---- standing elsewhere --------------------------------------------------------------------------------

# Names that mean the other socket, for whoever stands where the attack brings him.
ELSEWHERE = {
    "chroot": ("default allow\ndeny unix connect /run/host/evil.sock\n", "chroot /run/host ask unix connect /evil.sock"),
    "namespaces": ("default deny\nallow unix bind /run/**\nallow socket unix\nallow unix connect /run/good.sock\n",
                   "unshare -U -r -m sh -c 'mount -o bind /run/host/evil.sock /run/good.sock && ask unix connect /run/good.sock'"),
}


@pytest.mark.parametrize("how", ELSEWHERE)
def test_a_caller_that_stands_elsewhere_has_no_names(cay, user, how):
    """A rule names what the container sees: not what a root or a mount of the caller's own makes of it."""
    policy, attack = ELSEWHERE[how]
    serve = "for s in /run/good.sock /run/host/evil.sock; do ask unix serve $s </dev/null >/dev/null 2>&1 & done; " \
            "while [ ! -S /run/good.sock ] || [ ! -S /run/host/evil.sock ]; do sleep 0.05; done; sleep 0.3; "
    with Agent(cay, {"a": policy}) as agent:
        for asks in (False, True):
            b = racing(cay, user, agent, ["connect"], f"asks-{asks}").caps("CAP_SYS_CHROOT", "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP")
            if not asks:
                del b.linux["seccomp"]
            shutil.copytree(b.rootfs / "bin", b.rootfs / "run/host/bin", symlinks=True)
            r = user.run(b.sh(serve + ("ask unix connect /run/host/evil.sock; ask unix connect /run/good.sock; " if asks else "") + attack))
            assert r.out.split() == (["EPERM", "ok", "EPERM"] if asks else ["ok"]), (r, agent.records())


# ---- no fd for whoever has none -------------------------------------------------------------------------

def test_what_a_child_of_the_agent_holds_can_not_be_taken(cay, user):
    """A mount of proc brings a process of the agent's into the container's pid namespace, for a moment."""
    policy = "default deny\nallow mount proc on /mnt/good\n"
    with Agent(cay, {"a": policy}, "--rate", "1000000") as agent:
        b = racing(cay, user, agent, ["mount", "umount2"])
        b.linux["maskedPaths"] = b.linux["readonlyPaths"] = []
        (b.rootfs / "mnt/good").mkdir()
        b.process["noNewPrivileges"] = True
        b.caps("CAP_SYS_PTRACE", "CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
        out = user.out(b.args("ask", "snoop", tries(1000, 10000)), timeout=LONG)
        mounts, seen, taken, ordinary = map(int, out.split())
        assert mounts > 0 and seen > 0, out
        assert ordinary > 0, "careless: a process like any other gives its descriptors away"
        assert taken == 0


def test_a_helper_that_is_killed_leaves_no_device_node(cay, user):
    """Before anything is decided there is a node, on a file system that all containers share."""
    with Agent(cay, {"a": "default deny\nallow mknod c 1:3 on /dev/*\n"}) as agent:
        nodes = pathlib.Path(f"/proc/{agent.process.pid}/root{agent.sock}.dev")
        c = user.start(racing(cay, user, agent, ["mknod", "mknodat"]).sh("while :; do ask mknod /tmp/x c 1 3; done"))

        def stopped():
            for name in os.listdir(nodes):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(name), signal.SIGSTOP)
                    if (nodes / name).exists():
                        return int(name)
                    os.kill(int(name), signal.SIGCONT)
        # The moment is short.
        end = time.monotonic() + TIMEOUT
        while not (child := stopped()):
            assert time.monotonic() < end, "an attack that meets nobody shows nothing"
        os.kill(int(pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
        wait_for(lambda: not (nodes / str(child)).exists(), "it to be taken away")
        user.delete(c)


# ---- memory that never comes ---------------------------------------------------------------------------

class Dead:
    """A file system (FUSE) with one file, which opens and never yields a byte."""

    def __init__(self, at):
        self.at = at
        at.mkdir()
        at.chmod(0o755)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if libc.mount(b"dead", str(at).encode(), b"fuse", 0, options.encode()) < 0:
            os.close(self.fd)
            harness.skip("a FUSE file system")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        def attr(ino):
            mode = 0o40755 if ino == 1 else 0o100644
            return struct.pack("<QQQQQQIIIIIIIIII", ino, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
        while True:
            try:
                data = os.read(self.fd, 1 << 20)
            except OSError:
                return
            _, op, unique, node = struct.unpack_from("<IIQQ", data)
            if op == 26:  # INIT
                body = struct.pack("<IIIIHHIIHHIIIIII", 7, 31, 65536, 0, 8, 8, 65536, 1, 0, 0, 0, 0, 0, 0, 0, 0)
            elif op == 1:  # LOOKUP
                body = struct.pack("<QQQQII", 2, 0, 3600, 3600, 0, 0) + attr(2)
            elif op == 3:  # GETATTR
                body = struct.pack("<QII", 3600, 0, 0) + attr(node)
            elif op in (14, 27):  # OPEN, OPENDIR
                body = struct.pack("<QII", 1, 0, 0)
            elif op in (15, 2, 36, 42):  # READ, FORGET, INTERRUPT, BATCH_FORGET: no answer
                continue
            else:
                body = b""
            with contextlib.suppress(OSError):
                os.write(self.fd, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        # By force, which fails all that waits for it.
        subprocess.run(["umount", "-f", "-l", str(self.at)], check=True, timeout=TIMEOUT)
        self.thread.join(5)
        os.close(self.fd)


def test_memory_that_never_comes_holds_up_nobody_but_who_brought_it(cay, user):
    """Whoever reads a guest's memory may wait for ever: it may be a file whose server is the guest's own."""
    if not os.path.exists("/dev/fuse"):
        harness.skip("/dev/fuse")
    with Dead(cay.dir / "dead") as dead, Agent(cay, {"a": RACES["mount"][0] + "allow mount tmpfs on /mnt/x\n"}) as agent:
        b = racing(cay, user, agent, ["mount"]).mount("/dead", type="bind", source=str(dead.at), options=["bind"])
        for d in ("dead", "mnt/x"):
            (b.rootfs / d).mkdir()
        a = user.start(b.args("sleep", "1000"))
        other = user.start(racing(cay, user, agent, ["mount"], "other").args("sleep", "1000"))
        # In one process, so that both ask through one listener: threads that are stuck, and one that is not.
        begun = time.monotonic()
        r = user.exec(a, "ask", "stuck", "/dead/file", "2")
        assert r.out.split() == ["quick", "ok", "stuck", "EPERM", "stuck", "EPERM"], r
        took = time.monotonic() - begun
        assert took > 3, took
        assert float(r.err) < took / 2, "the quick one waited for the others"
        assert user.sh(other, "mkdir -p /mnt/good; ask mount t /mnt/good tmpfs 0 ''").out == "ok\n"
        # What comes afterwards is served as before.
        assert user.exec(a, "ask", "mount", "t", "/mnt/x", "tmpfs", "0", "").out == "ok\n"
        assert [r.get("what") for r in agent.records("mount")].count("ended on its way") == 2, "whose time was over is written down, too"
        user.delete(a)
        user.delete(other)


def test_whoever_takes_his_own_notifications_away_holds_up_nobody(cay, user):
    """He who brings a listener may keep it, and then what the agent was told is there is gone when it looks."""
    with Agent(cay, {"a": RACES["mount"][0]}, "--rate", "1000000") as agent:
        p = subprocess.Popen(["setpriv", f"--reuid={user.uid}", f"--regid={user.uid}", "--clear-groups", str(shutil.copy(racer(), cay.dir / "racer")),
                              "thief", agent.sock], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            assert p.stdout.readline() == b"ready\n"
            wait_for(lambda: agent.status()["helpers"] > 0, "a helper")
            other = user.start(racing(cay, user, agent, ["mount"]).args("sleep", "1000"))
            for _ in range(10):
                # The callers stop, so that whoever is left waiting in the kernel waits for ever.
                os.killpg(p.pid, signal.SIGSTOP)
                agent.ok("reload")
                os.killpg(p.pid, signal.SIGCONT)
                time.sleep(0.1)
                assert user.sh(other, "mkdir -p /mnt/good; ask mount t /mnt/good tmpfs 0 ''").out == "ok\n"
            user.delete(other)
        finally:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait(5)
            p.stdout.close()
