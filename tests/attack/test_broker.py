# SPDX-License-Identifier: Apache-2.0
"""Attacks on whoever answers system calls for a container. CAY_AGENT_FULL=1: 100,000 tries of each."""
import atexit
import os
import pathlib
import shutil
import subprocess

import pytest

import harness
from agent import Agent, User, ask, rootless_bundle
from harness import TIMEOUT, TMP, need, run, wait_for

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
FULL = os.environ.get("CAY_AGENT_FULL") == "1"
HERE = pathlib.Path(__file__).resolve().parent
LONG = 1200 if FULL else TIMEOUT

_racer = None


def racer():
    global _racer
    if _racer is None:
        _racer = TMP / f"cay-racer-{os.getpid()}"
        subprocess.run(["cc", "-static", "-O1", "-pthread", "-o", str(_racer), str(HERE / "racer.c")], check=True, timeout=120)
        atexit.register(_racer.unlink, missing_ok=True)
    return _racer


@pytest.fixture
def user(cay):
    need("setpriv")
    return User(cay)


def racing(cay, user, agent, calls, name="bundle"):
    b = ask(rootless_bundle(cay, name, user.uid), agent.sock, "a", calls)
    shutil.copy(racer(), b.rootfs / "bin/racer")
    return b


# What is raced for: the policy, the calls that are asked about, tries in a short run.
RACES = {
    "inet": ("allow connect udp 127.0.0.1/32:80\n", ["connect"], 5000),
    "unix": ("allow unix connect /mnt/good.sock\n", ["connect"], 1500),
    "mount": ("allow mount tmpfs on /mnt/good size<=64k\n", ["mount", "umount2"], 1000),
    "link": ("allow mount tmpfs on /mnt/good size<=64k\n", ["mount", "umount2"], 1000),
    "node": ("allow mknod p on /mnt/good.node\n", ["mknodat"], 1000),
    "sched": ("allow sched fifo priority<=5\nallow sched other\n", ["sched_setscheduler"], 1500),
}


@pytest.mark.parametrize("kind", RACES)
def test_an_argument_that_changes_while_it_is_decided(cay, user, kind):
    policy, calls, tries = RACES[kind]
    # Careless: an agent that looks at the arguments and lets the kernel read them again.
    for _ in range(10):
        _, won, _ = map(int, run([racer(), "naive", kind, "20000"], timeout=LONG).out.split())
        if won:
            break
    assert won > 0, "an attack that never wins shows nothing"
    with Agent(cay, {"a": policy}, "--rate", "1000000") as agent:
        b = racing(cay, user, agent, calls).args("racer", "race", kind, str(100000 if FULL else tries))
        tried, won, allowed = map(int, user.out(b, timeout=LONG).split())
        print(f"{kind}: {tried} tries, {won} won, {allowed} allowed")
        # Both ways to answer were taken, or nothing was raced for.
        assert won == 0 and 0 < allowed < tried


def test_a_number_that_is_given_to_another_process(cay):
    """The caller is killed between its call and the answer, and its process id is somebody else's."""
    tried, won, reused = map(int, run([racer(), "reuse", "1000", "naive", "0"], timeout=LONG).out.split())
    assert won > 0, "an attack that never wins shows nothing"
    assert reused > tried / 2
    with Agent(cay, {"a": "default deny\nallow connect udp 127.0.0.1/32:80\n"}, "--rate", "1000000") as agent:
        r = run([racer(), "reuse", "100000" if FULL else "2000", agent.sock, agent.process.pid], timeout=LONG)
        tried, won, reused = map(int, r.out.split())
        print(f"reuse: {tried} tries, {won} won, {reused} reused")
        assert won == 0 and reused > tried / 2


def test_callers_that_are_killed_leave_nothing_that_nobody_knows(cay, user):
    with Agent(cay, {"a": RACES["mount"][0]}, "--rate", "1000000") as agent:
        b = racing(cay, user, agent, RACES["mount"][1]).args("racer", "killed", "20000" if FULL else "500")
        mounted, known, left = map(int, user.out(b, timeout=LONG).split())
        print(f"killed: {mounted} mounted, {known} known")
        assert mounted == known > 0 and left == 0
        c = user.start(racing(cay, user, agent, RACES["mount"][1], "after").args("sleep", "1000"))
        assert user.sh(c, "mkdir -p /mnt/good; ask mount t /mnt/good tmpfs 0 ''").out == "ok\n"
        user.delete(c)


# ---- getting in each other's way ------------------------------------------------------------------

def test_a_container_that_floods_does_not_slow_another_down(cay, user):
    """The yardstick is the same machine with the same number of programs that compute."""
    with Agent(cay, {"a": "default deny\n"}) as agent:
        quiet, flood = (racing(cay, user, agent, ["socket"], n) for n in ("quiet", "flood"))
        busy = user.start(rootless_bundle(cay, "busy", user.uid).sh("while :; do :; done"))
        base = measure(user, quiet)
        user.delete(busy)
        f = user.start(flood.sh("while ask many 1000000 2 1 0; do :; done"))
        wait_for(lambda: [c for c in agent.status()["containers"] if c["calls"] > 10000], "the flood")
        p99 = min(measure(user, quiet) for _ in range(3))
        print(f"p99 beside a program that computes {base} ns, beside a flood {p99} ns")
        assert p99 < 2 * base
        user.delete(f)


def measure(user, b):
    """The 99th percentile of a refused call, in ns, with a pause between calls."""
    return int(user.out(b.args("ask", "p99", "1000", "2", "1", "0")).split()[0])


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
        out = user.out(b.args("ask", "snoop", "3000" if FULL else "100"), timeout=LONG)
        mounts, seen, taken, ordinary = map(int, out.split())
        assert mounts > 0 and seen > 0, out
        assert ordinary > 0, "careless: a process like any other gives its descriptors away"
        assert taken == 0
