# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each of the two programs in each phase of a launch, by name. The torture proper tries each system
call; here it can be read what happens in which phase."""
import contextlib
import copy
import fcntl
import os
import signal
import subprocess

import pytest

import torture
from torture import harness

WHO = ("planner", "islander")
# The islander is born behind "host".
DURING_CREATE = [(p, w) for p in ("host", "clone", "map", "init", "hooks", "commit") for w in WHO if (p, w) != ("host", "islander")]
QUIET = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.fixture
def tortured(cay):
    """The runtime that can be killed in a phase."""
    if subprocess.run(["ninja", "-C", str(torture.BUILD), "tests/torture/cay-torture"], capture_output=True).returncode:
        harness.skip(f"a build directory with the torture tools in {torture.BUILD}")
    t = copy.copy(cay)
    t.program = str(torture.TOOLS / "cay-torture")
    return t


@pytest.fixture
def island(cay, bundle):
    """A bundle with steps in every phase."""
    bundle.namespace("user")
    for k in ("uidMappings", "gidMappings"):
        bundle.linux[k] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.linux["resources"]["pids"] = {"limit": 100}
    bundle.hook("createRuntime", "exit 0")
    os.chown(bundle.rootfs, 100000, 100000)
    bundle.args("sleep", "1000").write()
    return bundle


def hang_in(cay, bundle, kind):
    """A hook that tells that it runs, and goes on running. Returns the file it tells by."""
    log = cay.dir / "log"
    log.mkdir()
    log.chmod(0o777)
    bundle.mount(str(log), type="bind", source=str(log), options=["bind"])
    bundle.hook(kind, f"touch {log}/here; exec sleep 1000", env=[f"T={cay.token}", f"PATH={os.environ['PATH']}"])
    bundle.write()
    return log / "here"


def kill_children(pid):
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in harness.read(f"/proc/{pid}/task/{task}/children").split():
                os.kill(int(child), signal.SIGKILL)


def open_files(pid):
    with contextlib.suppress(OSError):
        return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return []


def killed_create(cay, tortured, island, phase, who):
    """-> (status, what it said) of a create in which one was killed in the phase."""
    argv = tortured.argv("create", "-b", island.path, cay.id())
    env = {**os.environ, "CAY_TORTURE_KILL": f"{phase}:{who}"}
    here = hang_in(cay, island, "createContainer") if phase == "init" else None
    with (cay.dir / "err").open("w+b") as err:
        p = subprocess.Popen(argv, env=env, stderr=err, **QUIET)
        cay.started.append(p)
        if here:
            harness.wait_for(here.exists, "the hook")
            p.kill() if who == "planner" else kill_children(p.pid)
        rc = p.wait(harness.TIMEOUT)
        err.seek(0)
        return rc, err.read().decode()


@pytest.mark.parametrize("phase,who", DURING_CREATE)
@pytest.mark.parametrize("after", ["list", "delete"])
def test_a_container_is_not_there_unless_it_was_released(cay, tortured, island, phase, who, after):
    rc, said = killed_create(cay, tortured, island, phase, who)
    id = f"{cay.token}-c{cay.count}"
    if who == "planner":
        assert (rc, said) == (-signal.SIGKILL, "")
    else:
        assert rc == 1 and len(said.splitlines()) == 1 and said.startswith("cay: create failed: "), said
        # A planner that lives has cleaned up by itself.
        assert harness.wait_no_leaks(cay.token) == {}
    if after == "list":
        assert cay.ok("list", "-q").out == ""
        assert cay("state", id).rc == 1
    cay.destroy(id)
    assert harness.wait_no_leaks(cay.token) == {}
    # The name is free again.
    del island.config["hooks"]
    cay.create(island, id=id)
    cay.destroy(id)


def test_a_phase_of_that_name_is_passed(cay, tortured, island):
    """Nobody is killed in a phase that is none: the others kill where they say."""
    assert killed_create(cay, tortured, island, "nowhere", "planner") == (0, "")
    cay.destroy(f"{cay.token}-c{cay.count}")


def test_start_killed_before_the_gate_leaves_it_closed(cay, island):
    id = cay.create(island)
    lock = os.open(cay.root / id, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    p = cay.popen("start", id, stderr=subprocess.DEVNULL, **QUIET)
    harness.wait_for(lambda: str(cay.root / id) in open_files(p.pid), "start to wait for the lock")
    p.kill()
    p.wait(harness.TIMEOUT)
    os.close(lock)
    assert cay.status(id) == "created"
    cay.ok("start", id)
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_an_islander_killed_at_the_gate_is_a_stopped_container(cay, island):
    id = cay.create(island)
    os.kill(cay.pid(id), signal.SIGKILL)
    cay.wait_status(id, "stopped")
    assert "cannot start a container that has stopped" in cay.error_line(cay("start", id))
    cay.ok("delete", id)


@pytest.mark.parametrize("who", WHO)
def test_killed_between_the_gate_and_the_program(cay, island, who):
    here = hang_in(cay, island, "startContainer")
    id = cay.create(island)
    pid = cay.pid(id)
    p = cay.popen("start", id, stderr=subprocess.PIPE, **QUIET)
    harness.wait_for(here.exists, "the hook")
    os.kill(p.pid if who == "planner" else pid, signal.SIGKILL)
    said = p.communicate(timeout=harness.TIMEOUT)[1].decode()
    assert (p.returncode == -signal.SIGKILL) == (who == "planner")
    if who == "islander":
        # Behind the gate it is the program that was killed.
        assert (p.returncode, said) == (0, "")
        cay.wait_status(id, "stopped")
    cay.destroy(id)
    assert harness.wait_no_leaks(cay.token) == {}
