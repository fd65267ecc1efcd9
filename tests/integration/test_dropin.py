# SPDX-License-Identifier: Apache-2.0
"""What callers that were written for runc rely on: words, exit statuses, and states they find."""
import json
import os
import signal
import subprocess

import pytest

from harness import CGROUP_ROOT, IS_RUNC, cay_only, cgroup_dirs_of, need, need_root, parse_status, run_pty, skip, status_of, wait_for


def v1_freezer():
    top = CGROUP_ROOT / "freezer"
    if not (top / "cgroup.procs").exists():
        skip("a cgroup v1 freezer")
    return top


# ---- cgroups --------------------------------------------------------------------------------

@pytest.mark.parametrize("below", ["", "/below"], ids=["itself", "an ancestor"])
def test_a_frozen_cgroup_is_refused(cay, bundle, below):
    """Whoever enters it never answers: create would wait for ever, and leave a process behind."""
    need_root()
    cay_only("refusal of a frozen ancestor")
    group = v1_freezer() / f"{cay.token}-ice"
    group.mkdir()
    try:
        (group / "freezer.state").write_text("FROZEN")
        bundle.linux["cgroupsPath"] = f"/{group.name}{below}"
        r = cay.run(bundle.args("true"), timeout=10)
        assert r.rc == 1 and "container's cgroup unexpectedly frozen" in r.err, r
        assert (group / "cgroup.procs").read_text() == ""
    finally:
        (group / "freezer.state").write_text("THAWED")
        for d in [*group.iterdir()]:
            if d.is_dir():
                d.rmdir()
        group.rmdir()


def test_what_froze_itself_below_is_deleted_all_the_same(cay, bundle):
    """A container with cgroups it may write can put itself where SIGKILL waits for a thaw."""
    need_root()
    v1_freezer()
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    below = cgroup_dirs_of(pid)["freezer"] / "one" / "two"
    below.mkdir(parents=True)
    (below / "cgroup.procs").write_text(str(pid))
    (below / "freezer.state").write_text("FROZEN")
    wait_for(lambda: (below / "freezer.state").read_text() == "FROZEN\n", "the freezer")
    try:
        r = cay("delete", "--force", id, timeout=30)
        assert r.rc == 0 and not below.parent.parent.exists(), r
    finally:
        if below.exists():
            (below / "freezer.state").write_text("THAWED")


def test_exec_says_which_cgroup_it_can_not_enter(cay, bundle):
    need_root()
    id = cay.start(bundle.args("sleep", "100"))
    for name, words in (("..", "bad sub cgroup path"), ("nowhere", " adding pid "),
                        ("whaaat:/", "unknown controller")):
        assert words in cay.fails("exec", "--cgroup", name, id, "true").err
    cay.destroy(id)


def test_access_a_denies_all(cay, bundle):
    bundle.linux["resources"]["devices"].append(
        {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwa"})
    assert cay.run(bundle.args("true")).rc == 0
    bundle.linux["resources"]["devices"][-1]["allow"] = True
    assert "access" in cay.error_line(cay.run(bundle.args("true")))


# ---- processes ------------------------------------------------------------------------------

CPUS = "grep -F Cpus_allowed_list: /proc/self/status"


def bound(cay, *args):
    """stdout of a command whose caller is bound to one CPU."""
    first = min(os.sched_getaffinity(0))
    r = subprocess.run(["taskset", "-c", str(first), *cay.argv(*args)], capture_output=True,
                       text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert r.returncode == 0, r
    return r.stdout


def test_the_callers_cpu_affinity_is_not_the_containers(cay, bundle):
    cay_only("reset of the affinity")
    need("taskset")
    if len(os.sched_getaffinity(0)) < 2:
        skip("two CPUs")
    all_cpus = subprocess.run(["sh", "-c", CPUS], capture_output=True, text=True, check=True,
                              timeout=10).stdout
    bundle.sh(CPUS).write()
    assert bound(cay, "run", "-b", bundle.path, cay.id()) == all_cpus
    id = cay.start(bundle.args("sleep", "100"))
    assert bound(cay, "exec", id, "sh", "-c", CPUS) == all_cpus
    cay.destroy(id)


def test_exec_takes_its_process_from_a_pipe(cay, bundle):
    id = cay.start(bundle.args("sleep", "100"))
    text = json.dumps({**bundle.process, "args": ["echo", "from a pipe"]})
    assert cay.ok("exec", "--process", "/dev/stdin", id, input=text).out == "from a pipe\n"
    cay.destroy(id)


@pytest.mark.parametrize("env", [["HOME="], ["HOME=/elsewhere", "HOME="]], ids=["one", "the last"])
def test_an_empty_home_is_none(cay, bundle, env):
    cay_only("that")
    bundle.process["env"] += env
    assert cay.out(bundle.sh('echo "$HOME"')) == "/root\n"


def test_a_missing_interpreter_is_told_with_the_program(cay, bundle):
    """By run and exec in the words of runc's process, and its status; start has no program whose line it could be."""
    line = "exec /run.sh: no such file or directory"
    (bundle.rootfs / "run.sh").write_text("#!/nowhere/interpreter\n")
    (bundle.rootfs / "run.sh").chmod(0o755)
    log = cay.dir / "log"
    bundle.args("/run.sh").write()
    r = cay("--log", log, "run", "-b", bundle.path, cay.id())
    assert (r.rc, cay.error_line(r)) == (255, line)
    assert IS_RUNC or f'level=error msg="{line}"' in log.read_text()
    id = cay.start(bundle.args("sleep", "1000"))
    r = cay("exec", id, "/run.sh")
    assert (r.rc, cay.error_line(r)) == (255, line)
    cay.destroy(id)


def test_start_tells_of_a_missing_interpreter(cay, bundle):
    cay_only("an error for it")
    (bundle.rootfs / "run.sh").write_text("#!/nowhere/interpreter\n")
    (bundle.rootfs / "run.sh").chmod(0o755)
    id = cay.create(bundle.args("/run.sh"))
    r = cay("start", id)
    assert (r.rc, cay.error_line(r)) == (1, "cay: exec /run.sh: no such file or directory")
    cay.wait_status(id, "stopped")
    cay.destroy(id)


def test_ambient_without_inheritable_is_a_warning(cay, bundle):
    cay_only("that warning")
    bundle.process["capabilities"].update(inheritable=["CAP_KILL"], ambient=["CAP_KILL", "CAP_AUDIT_WRITE"])
    r = cay.run(bundle.args("cat", "/proc/self/status"))
    assert r.rc == 0 and "can't raise ambient capability CAP_AUDIT_WRITE: " in r.err, r
    assert int(parse_status(r.out)["CapAmb"], 16) == 1 << 5


def test_a_deadline_program_can_not_be_bound_to_cpus(cay, bundle):
    need_root()
    cay_only("schedulers")
    bundle.linux["resources"]["cpu"] = {"cpus": str(min(os.sched_getaffinity(0)))}
    bundle.process["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 42000, "deadline": 1000000,
                                   "period": 1000000}
    r = cay.run(bundle.args("true"))
    assert r.rc == 1 and "process scheduler can't be used together with AllowedCPUs" in r.err, r


def test_clocks_are_offset_in_a_user_namespace(cay, bundle):
    need_root()
    cay_only("time namespaces")
    bundle.namespace("user").namespace("time")
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 1000}]
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 7881, "nanosecs": 1}}
    bundle.linux["resources"] = {}
    subprocess.run(["chown", "-hR", "100000:100000", bundle.rootfs], check=True, timeout=60)
    id = cay.start(bundle.args("sleep", "100"))
    offsets = cay.ok("exec", id, "cat", "/proc/1/timens_offsets").out.split()
    assert offsets[:3] == ["monotonic", "7881", "1"]
    # And a second container that joins both.
    pid = cay.pid(id)
    bundle.namespace("user", f"/proc/{pid}/ns/user").namespace("time", f"/proc/{pid}/ns/time")
    for k in ("uidMappings", "gidMappings", "timeOffsets"):
        del bundle.linux[k]
    assert cay.out(bundle.args("cat", "/proc/self/timens_offsets")).split()[:3] == ["monotonic", "7881", "1"]
    cay.destroy(id)


def test_who_overrides_permissions_needs_no_bit_of_his_own(cay, bundle):
    (bundle.rootfs / "bin" / "probe").chmod(0o744)
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert "permission denied" in cay.error_line(cay.run(bundle.args("probe", "env")))
    for s in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        bundle.process["capabilities"].setdefault(s, []).append("CAP_DAC_OVERRIDE")
    assert cay.run(bundle.args("probe", "env")).rc == 0


@pytest.mark.parametrize("args", [["frobnicate"], ["frobnicate", "-h"], ["help", "frobnicate"]],
                         ids=["alone", "with an option", "help"])
def test_an_unknown_command_is_told_as_by_runc(cay, args):
    r = cay(*args)
    assert r.rc == 3 and "No help topic for 'frobnicate'" in r.err, r


def test_a_unified_value_that_can_not_be_set_is_an_invalid_configuration(cay, bundle):
    need_root()
    cay_only("unified values beside cgroup v1")
    bundle.linux["resources"]["unified"] = {"nowhere.max": "1"}
    assert "invalid configuration" in cay.error_line(cay.run(bundle.args("true")))


# ---- hooks ----------------------------------------------------------------------------------

def test_a_failing_hook_is_told_by_kind_and_number(cay, bundle):
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart"):
        bundle.config["hooks"] = {}
        bundle.hook(kind, "exit 0").hook(kind, "exit 7")
        r = cay.run(bundle.args("true"))
        assert r.rc != 0 and f"error running {kind} hook #1:" in r.err, r
        if kind != "poststart":
            assert "exit status 7" in r.err
            bundle.config["hooks"] = {}
            assert "signal: killed" in cay.run(bundle.hook(kind, "kill -9 $$").args("true")).err


def test_createcontainer_hooks_begin_in_the_root(cay, bundle):
    bundle.hook("createContainer", "pwd > ./where")
    assert cay.run(bundle.args("true")).rc == 0
    assert (bundle.rootfs / "where").read_text() == f"{bundle.rootfs}\n"


def test_startcontainer_hooks_are_as_the_program(cay, bundle):
    """They are files of the container: with more rights than its program has, the image would have them."""
    cay_only("the filter there")
    bundle.process.update(user={"uid": 1000, "gid": 1000, "additionalGids": [7]}, noNewPrivileges=True,
                          env=["ONE=two", "PATH=/bin:/usr/bin"])
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 74}]}
    (bundle.rootfs / "tmp").chmod(0o1777)
    script = ("{ grep -E '^(Cap|Uid|Gid|Groups|Seccomp:|NoNew)' /proc/self/status;"
              " echo \"$ONE $HOME\"; mkdir /tmp/x; } 2>&1")
    bundle.hook("startContainer", f"{script} > /tmp/hook")
    assert cay.run(bundle.sh(f"{script} > /tmp/program; true")).rc == 1
    hooked = (bundle.rootfs / "tmp" / "hook").read_text()
    bundle.config["hooks"] = {}
    assert cay.run(bundle.sh(f"{script} > /tmp/program; true")).rc == 0
    assert hooked == (bundle.rootfs / "tmp" / "program").read_text()
    assert "two /tmp\n" in hooked and "Uid:\t1000" in hooked and "Seccomp:\t2" in hooked


# ---- signals --------------------------------------------------------------------------------

@pytest.mark.parametrize("sig", ["TERM", "INT", "HUP", "QUIT"])
def test_a_waiting_container_ends_by_a_signal(cay, bundle, sig):
    id = cay.create(bundle.args("sleep", "100"))
    cay.ok("kill", id, sig)
    cay.wait_status(id, "stopped")
    cay.destroy(id)


def test_kill_reaches_who_outlives_the_first_process(cay, bundle):
    """In somebody else's pid namespace nobody dies with it."""
    need_root()
    cay_only("that")
    bundle.namespace("pid", remove=True)
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/proc"]
    bundle.mount("/proc", type="bind", source="/proc", options=["rbind"])
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    id = cay.start(bundle.sh("sleep 1234 & sleep 1234 & echo; wait"))
    wait_for(lambda: len(cay.ok("ps", "--format", "json", id).out.split(",")) == 3, "three processes")
    pids = json.loads(cay.ok("ps", "--format", "json", id).out)
    os.kill(cay.pid(id), signal.SIGKILL)
    cay.wait_status(id, "stopped")
    assert "container not running" in cay.fails("kill", id, "TERM").err
    cay.ok("kill", id, "KILL")

    def gone(pid):
        try:
            return status_of(pid)["State"].startswith("Z")
        except OSError:
            return True

    wait_for(lambda: all(map(gone, pids)), "all to be dead")
    assert "container not running" in cay.fails("kill", id, "KILL").err
    cay.destroy(id)


# ---- mounts ---------------------------------------------------------------------------------

def test_a_mount_of_the_container_is_a_source_too(cay, bundle):
    """Given by its path on the host, as the target may be; it exists only once the first is mounted."""
    tree = cay.dir / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("x")
    (bundle.rootfs / "final").mkdir()
    bundle.mount("/mnt", type="bind", source=str(tree), options=["rbind"])
    bundle.mount(f"{bundle.rootfs}/final", type="bind", source=f"{bundle.rootfs}/mnt/sub", options=["rbind"])
    assert cay.out(bundle.args("cat", "/final/file")) == "x"
    # What no mount is part of is still opened on the host.
    (bundle.rootfs / "var" / "own").write_text("y")
    bundle.config["mounts"][-1]["source"] = f"{bundle.rootfs}/var"
    assert cay.out(bundle.args("cat", "/final/own")) == "y"


# ---- terminals ------------------------------------------------------------------------------

def on_terminal(cay, bundle, script):
    bundle.process["terminal"] = True
    bundle.sh(script).write()
    return run_pty(cay.argv("run", "-b", bundle.path, cay.id()))


@pytest.mark.parametrize("uid", [0, 1000])
def test_the_terminal_keeps_the_group_of_its_mount(cay, bundle, uid):
    bundle.process["user"] = {"uid": uid, "gid": 100 if uid else 0}
    rc, out = on_terminal(cay, bundle, "stat -c %u:%g $(tty)")
    assert rc == 0 and out.split() == [f"{uid}:5"]


def test_the_first_line_of_a_fast_program_is_like_any_other(cay, bundle):
    """Our terminal adds the CR; the container's must not have added one before us."""
    cay_only("that")
    for _ in range(20):
        rc, out = on_terminal(cay, bundle, "echo x")
        assert (rc, out) == (0, "x\r\n")


def test_without_a_terminal_here_there_is_none_inside(cay, bundle):
    bundle.process["terminal"] = True
    bundle.sh("sleep 100").write()
    r = cay("run", "-b", bundle.path, cay.id(), timeout=10, start_new_session=True)
    assert r.rc == 1 and "/dev/tty: no such device or address" in r.err, r
    bundle.process["terminal"] = False
    id = cay.start(bundle)
    r = cay("exec", "-t", id, "true", timeout=10, start_new_session=True)
    assert r.rc == 255 and "/dev/tty: no such device or address" in r.err, r
    cay.destroy(id)
