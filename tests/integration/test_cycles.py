# SPDX-License-Identifier: Apache-2.0
"""A thousand lives, eight at a time, and nothing left of them."""
import concurrent.futures
import os
import subprocess

from harness import TIMEOUT, our_cgroups, our_mounts, our_processes, our_state, own_fds, run, wait_for

CYCLES = int(os.environ.get("CAY_CYCLES", "1000"))
AT_A_TIME = 8


def system_mounts():
    with open("/proc/self/mountinfo") as f:
        return sum(1 for _ in f)


def one_life(cay, bundle, n):
    id = f"{cay.token}-n{n}"
    null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}

    def do(*args):
        # A file, not a pipe: the container keeps stderr.
        with open(cay.dir / f"err{n}", "w+b") as err:
            rc = subprocess.run(cay.argv(*args), stderr=err, timeout=TIMEOUT, **null).returncode
            err.seek(0)
            assert rc == 0, (args, rc, err.read())
        os.unlink(cay.dir / f"err{n}")

    do("create", "-b", bundle.path, id)
    do("start", id)
    do("kill", id, "KILL")
    wait_for(lambda: '"stopped"' in run(cay.argv("state", id)).out, f"{id} to stop")
    do("delete", id)


def test_a_thousand_cycles_leave_nothing(cay, bundle):
    bundle.args("sleep", "1000").write()
    fds, mounts = own_fds(), system_mounts()
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for f in [pool.submit(one_life, cay, bundle, n) for n in range(CYCLES)]:
            f.result()
    assert our_state(cay.token) == []
    assert our_cgroups(cay.token) == []
    assert our_mounts(cay.token) == []
    assert our_processes(cay.token) == []
    assert len(own_fds()) == len(fds)
    assert system_mounts() <= mounts + 1
    assert cay.ok("list", "-q").out == ""


def test_a_hundred_runs_at_once_leave_nothing(cay, bundle):
    bundle.sh("exit 3").write()
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        rs = list(pool.map(lambda n: cay("run", "-b", bundle.path, f"{cay.token}-r{n}"), range(100)))
    assert {r.rc for r in rs} == {3}, [r for r in rs if r.rc != 3][:3]
    assert our_state(cay.token) == [] and our_cgroups(cay.token) == []
