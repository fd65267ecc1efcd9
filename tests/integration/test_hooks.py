# SPDX-License-Identifier: Apache-2.0
"""Hooks: order, place, input, failure."""
import json
import os

import pytest

from harness import IS_RUNC, cay_only


HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


def hooked(cay, bundle):
    """The log directory has the same name on both sides, so one script does for all kinds."""
    log = cay.dir / "log"
    log.mkdir(exist_ok=True)
    bundle.mount(str(log), type="bind", source=str(log), options=["bind", "rw"])
    return log


def test_hooks_run_in_order_and_get_the_state(cay, bundle):
    log = hooked(cay, bundle)
    bundle.config["annotations"] = {"org.cay.test": "a \"b\"\nc"}
    for k in HOOKS:
        bundle.hook(k, f"echo {k} >> {log}/order; cat > {log}/{k}")
        bundle.hook(k, f"echo {k}2 >> {log}/order; cat > /dev/null")
    id = cay.create(bundle.sh(f"echo program >> {log}/order"))
    pid = cay.pid(id)
    if IS_RUNC:  # runs the poststart hooks in create: opencontainers/runc#4347
        cay.destroy(id)
        return
    before = (log / "order").read_text().split()
    assert before == [k + n for k in HOOKS[:3] for n in ("", "2")]
    cay.ok("start", id)
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)
    after = (log / "order").read_text().split()[6:]
    assert [x for x in after if x not in ("program", "poststart", "poststart2")] == \
        ["startContainer", "startContainer2", "poststop", "poststop2"]
    assert after.index("program") > after.index("startContainer2")
    assert after.index("poststart2") == after.index("poststart") + 1 or "program" in after
    status = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
              "startContainer": "created", "poststart": "running", "poststop": "stopped"}
    for k in HOOKS:
        s = json.loads((log / k).read_text())
        assert s["id"] == id
        assert s["bundle"] == str(bundle.path)
        assert s["annotations"] == bundle.config["annotations"]
        assert s["ociVersion"]
        if not (IS_RUNC and k in ("startContainer", "poststart")):
            assert s["status"] == status[k], k
        if k in ("prestart", "createRuntime", "poststart"):
            assert s["pid"] == pid, k


def test_hooks_run_where_the_specification_says(cay, bundle):
    log = hooked(cay, bundle)
    for k in HOOKS:
        bundle.hook(k, f"readlink /proc/self/ns/mnt > {log}/{k}; cat >/dev/null", )
    bundle.sh(f"readlink /proc/self/ns/mnt > {log}/program")
    assert cay.run(bundle).rc == 0
    host = os.readlink("/proc/self/ns/mnt")
    seen = {k: (log / k).read_text().strip() for k in [*HOOKS, "program"]}
    for k in ("prestart", "createRuntime", "poststart", "poststop"):
        assert seen[k] == host, k
    for k in ("createContainer", "startContainer"):
        assert seen[k] == seen["program"] != host, k


def test_hooks_get_exactly_their_environment_and_arguments(cay, bundle):
    log = hooked(cay, bundle)
    for k in HOOKS:
        bundle.hook(k, f'echo "$0 $1" > {log}/{k}; env >> {log}/{k}',
                    env=[f"PATH={os.environ['PATH']}", "ONLY=this"])
        bundle.config["hooks"][k][0]["args"] += ["zero", "one"]
    assert cay.run(bundle.args("true"), env={**os.environ, "SECRET": "leak"}).rc == 0
    for k in HOOKS:
        lines = (log / k).read_text().splitlines()
        assert lines[0] == "zero one"
        assert "ONLY=this" in lines
        assert "SECRET=leak" not in lines


def test_hooks_have_no_descriptor_of_the_runtime(cay, bundle):
    cay_only("such care")
    log = hooked(cay, bundle)
    for k in HOOKS:
        bundle.hook(k, f"ls /proc/self/fd > {log}/{k}")
    assert cay.run(bundle.args("true")).rc == 0
    for k in HOOKS:
        fds = set((log / k).read_text().split())
        assert fds <= {"0", "1", "2", "3"}, (k, fds)  # 3: of ls itself


@pytest.mark.parametrize("kind", HOOKS[:4])
def test_a_hook_that_fails_stops_the_creation(cay, bundle, kind):
    log = hooked(cay, bundle)
    bundle.hook(kind, "cat >/dev/null; echo because >&2; exit 3")
    bundle.hook(kind, f"cat >/dev/null; touch {log}/second")
    r = cay.run(bundle.sh(f"touch {log}/program"))
    assert r.rc != 0, r
    assert list(log.iterdir()) == []
    if not IS_RUNC:
        assert kind in r.errlines[-1]
        assert "3" in r.errlines[-1]
    assert cay.ok("list", "-q").out == ""


def test_a_poststart_hook_that_fails_stops_the_container(cay, bundle):
    cay_only("poststart in start")
    bundle.hook("poststart", "exit 3")
    id = cay.create(bundle.args("sleep", "1000"))
    cay.fails("start", id)
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_a_poststop_hook_that_fails_changes_nothing(cay, bundle):
    log = hooked(cay, bundle)
    bundle.hook("poststop", "exit 3")
    bundle.hook("poststop", f"touch {log}/second")
    r = cay.run(bundle.sh("exit 5"))
    assert r.rc == 5, r
    if not IS_RUNC:
        assert "poststop" in r.err


@pytest.mark.parametrize("kind", HOOKS[:4])
def test_a_hook_that_takes_too_long_is_killed(cay, bundle, kind):
    hooked(cay, bundle)
    # exec: the sleeper is the hook; its name is searched for leaks through its environment.
    bundle.hook(kind, "exec sleep 1000", timeout=1, env=[f"PATH={os.environ['PATH']}", f"T={cay.token}"])
    r = cay.run(bundle.args("true"))
    assert r.rc != 0, r


@pytest.mark.parametrize("kind", HOOKS[4:])
def test_a_late_hook_that_takes_too_long_is_killed(cay, bundle, kind):
    """poststart: an error that stops the container. poststop: it is gone all the same, with a warning."""
    cay_only("poststart in start")
    log = hooked(cay, bundle)
    bundle.hook(kind, f"echo $$ >{log}/pid; exec sleep 1000", timeout=1,
                env=[f"PATH={os.environ['PATH']}", f"T={cay.token}"])
    id = cay.create(bundle.args("sleep", "1000"))
    r = cay("start", id)
    assert (r.rc != 0) == (kind == "poststart"), r
    if kind == "poststart":
        assert "poststart" in cay.error_line(r) and cay.status(id) == "stopped"
    r = cay.ok("delete", "--force", id)
    assert ("poststop" in r.err) == (kind == "poststop")
    assert not os.path.exists(f"/proc/{int((log / 'pid').read_text())}")


def test_a_hook_that_reads_nothing_does_not_block(cay, bundle):
    bundle.config["annotations"] = {f"k{i}": "x" * 1000 for i in range(200)}
    for k in HOOKS:
        bundle.hook(k, "exit 0")
    assert cay.run(bundle.args("true")).rc == 0


def test_a_hook_that_is_not_there_is_an_error_that_names_it(cay, bundle):
    bundle.config["hooks"] = {"createRuntime": [{"path": "/not/there"}]}
    assert "/not/there" in cay.error_line(cay.run(bundle.args("true")))


def test_a_hook_may_ask_for_the_state(cay, bundle):
    cay_only("state before createRuntime")
    log = hooked(cay, bundle)
    bundle.hook("createRuntime", f"cat >/dev/null; {cay.program} --root {cay.root} state "
                                 f"{cay.token}-me > {log}/state")
    assert cay.run(bundle.args("true"), id=f"{cay.token}-me").rc == 0
    assert json.loads((log / "state").read_text())["status"] == "creating"
