# SPDX-License-Identifier: Apache-2.0
"""create, start, state, kill, delete, list, exec, ps: the life of a container as engines drive it."""
import datetime
import json
import os
import re
import signal
import stat
import subprocess

import pytest

from harness import (ConsoleSocket, IS_RUNC, TIMEOUT, cap_mask, cay_only, cgroup_dirs_of,
                     parse_status, read_fd, run, run_pty, wait_for)


@pytest.fixture
def sleeper(cay, bundle):
    """A running container whose program sleeps."""
    id = cay.start(bundle.args("sleep", "1000"))
    yield id
    cay.destroy(id)


# ---- states ---------------------------------------------------------------------------------

def test_goes_through_the_states_created_running_stopped(cay, bundle):
    id = cay.create(bundle.args("sleep", "1000"))
    assert cay.status(id) == "created"
    cay.ok("start", id)
    assert cay.status(id) == "running"
    cay.ok("kill", id, "KILL")
    cay.wait_status(id, "stopped")
    assert cay.pid(id) == 0
    cay.ok("delete", id)
    assert cay.error_line(cay("state", id)).endswith("container does not exist") or IS_RUNC


def test_state_has_the_fields_of_the_specification_and_of_runc(cay, bundle):
    bundle.config["annotations"] = {"a": "b", "with \"quote\"": "ü\n"}
    id = cay.create(bundle.args("sleep", "1000"))
    s = cay.state(id)
    assert s["ociVersion"]
    assert s["id"] == id
    assert s["status"] == "created"
    assert s["pid"] > 1 and os.path.exists(f"/proc/{s['pid']}")
    assert s["bundle"] == str(bundle.path)
    assert s["rootfs"] == str(bundle.rootfs)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", s["created"])
    made = datetime.datetime.fromisoformat(s["created"][:19] + "+00:00")
    assert abs((datetime.datetime.now(datetime.timezone.utc) - made).total_seconds()) < 60
    assert s["annotations"] == bundle.config["annotations"]
    assert "owner" in s
    cay.destroy(id)


def test_state_prints_indented_json_as_runc_does(cay, sleeper):
    out = cay.ok("state", sleeper).out
    assert re.match(r'\{\n\s+"ociVersion": ', out)
    assert out.rstrip().endswith("}")


def test_a_created_container_waits_at_the_gate(cay, bundle):
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount("/mnt", type="bind", source=str(log), options=["bind"])
    id = cay.create(bundle.sh("touch /mnt/ran; sleep 1000"))
    pid = cay.pid(id)
    assert not (log / "ran").exists()
    cay.ok("start", id)
    wait_for((log / "ran").exists, "the program to run")
    assert cay.pid(id) == pid
    cay.destroy(id)


def test_the_program_may_end_at_once(cay, bundle):
    id = cay.start(bundle.args("true"))
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_start_twice_is_refused(cay, sleeper):
    assert "cannot start an already running container" in cay.error_line(cay("start", sleeper))
    assert cay.status(sleeper) == "running"


def test_start_of_a_stopped_container_is_refused(cay, bundle):
    id = cay.start(bundle.args("true"))
    cay.wait_status(id, "stopped")
    assert "cannot start a container that has stopped" in cay.error_line(cay("start", id))
    cay.ok("delete", id)


def test_create_twice_is_refused_and_harmless(cay, bundle, sleeper):
    line = cay.error_line(cay("create", "-b", bundle.path, sleeper))
    assert "container with given ID already exists" in line
    assert cay.status(sleeper) == "running"


def test_create_of_the_same_id_at_the_same_time_succeeds_once(cay, bundle):
    bundle.args("sleep", "1000").write()
    id = cay.id()
    null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    ps = [cay.popen("create", "-b", bundle.path, id, stderr=subprocess.DEVNULL, **null)
          for _ in range(6)]
    codes = [p.wait(TIMEOUT) for p in ps]
    assert codes.count(0) == 1, codes
    assert cay.status(id) == "created"
    cay.destroy(id)


@pytest.mark.parametrize("args", [("state",), ("start",), ("kill",), ("delete",), ("ps",)])
def test_commands_on_what_does_not_exist_say_so(cay, args):
    assert "container does not exist" in cay.error_line(cay(*args, f"{cay.token}-none"))


def test_exec_in_what_does_not_exist_says_so(cay):
    r = cay("exec", f"{cay.token}-none", "true")
    assert "container does not exist" in cay.error_line(r)
    assert r.rc == 255


# ---- kill -----------------------------------------------------------------------------------

@pytest.mark.parametrize("sig", ["KILL", "SIGKILL", "9", "kill"])
def test_signals_have_names_and_numbers(cay, bundle, sig):
    id = cay.start(bundle.args("sleep", "1000"))
    cay.ok("kill", id, sig)
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_kill_sends_sigterm_when_not_told_otherwise(cay, bundle):
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount("/mnt", type="bind", source=str(log), options=["bind"])
    bundle.sh("trap 'touch /mnt/term; exit 0' TERM; touch /mnt/ready; while :; do sleep 0.02; done")
    id = cay.start(bundle)
    wait_for((log / "ready").exists, "the trap")
    cay.ok("kill", id)
    cay.wait_status(id, "stopped")
    assert (log / "term").exists()
    cay.ok("delete", id)


def test_an_unknown_signal_is_refused(cay, sleeper):
    for sig in ("NOSUCH", "0x9", "-1", "99999", *([] if IS_RUNC else [""])):
        assert cay("kill", sleeper, sig).rc != 0, sig
    assert cay.status(sleeper) == "running"


def test_kill_of_a_stopped_container_says_not_running(cay, bundle):
    id = cay.start(bundle.args("true"))
    cay.wait_status(id, "stopped")
    line = cay.error_line(cay("kill", id, "KILL"))
    assert "container not running" in line or "process already finished" in line
    cay.ok("delete", id)


def test_kill_all_of_a_stopped_container_is_no_error(cay, bundle):
    id = cay.start(bundle.args("true"))
    cay.wait_status(id, "stopped")
    cay.ok("kill", "--all", id, "KILL")
    cay.ok("delete", id)


def test_kill_all_reaches_every_process(cay, bundle):
    bundle.namespace("pid", remove=True)
    id = cay.start(bundle.sh("sleep 1000 & sleep 1000 & wait"))
    wait_for(lambda: len(json.loads(cay.ok("ps", "-f", "json", id).out)) == 3, "three processes")
    cay.ok("kill", "--all", id, "KILL")
    wait_for(lambda: json.loads(cay.ok("ps", "-f", "json", id).out or "[]") in ([], None), "nobody")
    cay.ok("delete", id)


def test_a_created_container_can_be_killed(cay, bundle):
    id = cay.create(bundle.args("sleep", "1000"))
    cay.ok("kill", id, "KILL")
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


# ---- delete ---------------------------------------------------------------------------------

def test_delete_of_a_running_container_is_refused(cay, sleeper):
    line = cay.error_line(cay("delete", sleeper))
    assert f"cannot delete container {sleeper} that is not stopped: running" in line
    assert cay.status(sleeper) == "running"


def test_delete_force_kills_and_is_idempotent(cay, bundle):
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    cay.ok("delete", "--force", id)
    assert not os.path.exists(f"/proc/{pid}/exe") or \
        parse_status(open(f"/proc/{pid}/status").read())["State"].startswith("Z")
    r = cay.ok("delete", "--force", id)
    assert (r.out, r.err) == ("", "")
    cay.ok("delete", "-f", f"{cay.token}-never")


@pytest.mark.parametrize("state", ["", "{", "{}", '{"version": 1, "id": 4}', None])
def test_delete_force_goes_by_the_configuration_where_the_state_is_damaged(cay, bundle, state):
    cay_only("its own state.json")
    id = cay.start(bundle.args("sleep", "1000"))
    pid, dirs = cay.pid(id), {d for d in cgroup_dirs_of(cay.pid(id)).values() if id in str(d)}
    assert dirs and all(d.is_dir() for d in dirs)
    file = cay.root / id / "state.json"
    file.unlink()
    file.mkdir() if state is None else file.write_text(state)
    assert "state.json" in cay.error_line(cay("delete", id))
    assert os.path.exists(f"/proc/{pid}/exe") and all(d.is_dir() for d in dirs)
    r = cay.ok("delete", "--force", id)
    assert "state.json" in r.err and f"{len(dirs)} cgroups" in r.err and "may be left" in r.err
    assert not os.path.exists(f"/proc/{pid}/exe")
    assert not any(d.exists() for d in dirs) and not (cay.root / id).exists()
    assert cay.ok("delete", "--force", id).err == ""


def test_delete_force_says_that_nothing_is_known_without_state_and_configuration(cay, bundle):
    cay_only("its own state.json")
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    (cay.root / id / "state.json").write_text("{")
    (cay.root / id / "config.json").write_text("{")
    dirs = {d for d in cgroup_dirs_of(pid).values() if id in str(d)}
    r = cay.ok("delete", "--force", id)
    assert "by its name, with 0 cgroups" in r.err and "may be left" in r.err
    assert not (cay.root / id).exists()
    os.kill(pid, signal.SIGKILL)
    for d in dirs:
        wait_for(lambda d=d: not (d / "cgroup.procs").read_text(), "its end")
        d.rmdir()


def test_a_created_container_can_be_deleted(cay, bundle):
    id = cay.create(bundle.args("sleep", "1000"))
    cay.ok("delete", id)
    cay.fails("state", id)


def test_delete_removes_processes_that_outlive_the_first_one(cay, bundle):
    cay_only("that")
    bundle.namespace("pid", remove=True)
    id = cay.start(bundle.sh("setsid sleep 1000 </dev/null >/dev/null 2>&1 & exit 0"))
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_the_id_can_be_used_again(cay, bundle):
    id = cay.id()
    for _ in range(3):
        cay.start(bundle.args("sleep", "1000"), id=id)
        cay.destroy(id)


# ---- ids and options ------------------------------------------------------------------------

@pytest.mark.parametrize("id", ["..", ".", "../x", "a/b", "", "a b", "a\nb", "x" * 1025, "ü", "-x/", "/", "%s"])
def test_bad_ids_are_refused(cay, bundle, id):
    bundle.args("true").write()
    r = cay("create", "-b", bundle.path, "--", id)
    assert r.rc != 0, r
    assert len(r.errlines) == 1 or IS_RUNC, r


@pytest.mark.parametrize("name", ["A", "0", "a.b", "a_b", "a+b", "a-b"])
def test_good_ids_are_taken(cay, bundle, name):
    assert cay.run(bundle.args("true"), id=f"{name}-{cay.token}").rc == 0


def test_no_arguments_and_unknown_commands_are_errors(cay):
    assert cay("nosuch").rc != 0
    assert cay("start").rc != 0
    assert cay("start", "a", "b").rc != 0
    assert cay("state", "--nosuch", "x").rc != 0


def test_version_names_the_program_and_the_specification(cay):
    cay_only("such version")
    for o in ("--version", "-v", "-V"):
        r = run([cay.program, o])
        assert r.rc == 0
        lines = r.out.splitlines()
        assert re.fullmatch(r"cay version \S+ \(in place of runc version \d+\.\d+\.\d+\)", lines[0])
        # Where runc has them, for who counts lines.
        assert re.fullmatch(r"commit: ([0-9a-f]{40}|unknown)", lines[1]) and lines[2] == "spec: 1.3.0"
        # What crun's line of this form tells is looked for by its test suite.
        words = next(ln for ln in r.out.splitlines() if ln.startswith("+")).split()
        assert {"+SECCOMP", "+EBPF", "+CRIU"} <= set(words)


def test_version_is_ours_for_the_engines_that_read_it(cay):
    """Docker: name before the first, version behind the last "version" of the last line that has one; containerd: only a
    line that begins with "runc version " tells runc's."""
    cay_only("such version")
    out = run([cay.program, "--version"]).out
    ours = json.loads(run([cay.program, "help", "--format", "json"]).out)["version"]
    parts = [ln.split("version") for ln in out.splitlines() if "version" in ln][-1]
    assert (parts[0].strip(), parts[-1].strip()) == ("cay", ours)
    assert not any(ln.startswith("runc version ") for ln in out.splitlines())
    assert out.split()[:3] == ["cay", "version", ours]


def test_help_says_which_command_of_runc_it_stands_for(cay):
    cay_only("such help")
    for command, line in (("", "cay, in place of runc - Open Container Initiative runtime"),
                          ("list", "cay list, in place of runc list - "), ("checkpoint", "cay checkpoint, in place of runc checkpoint - "),
                          ("warm", "cay warm - "), ("mounts", "cay mounts - ")):
        lines = run([cay.program, *([command] if command else []), "-h"]).out.splitlines()
        assert lines[0] == "NAME:" and lines[1].startswith("   " + line), lines[:2]


@pytest.mark.parametrize("command", ["", "create", "start", "run", "state", "kill", "delete", "list",
                                     "exec", "ps", "spec", "features"])
def test_help_is_given_on_stdout(cay, command):
    r = run([cay.program, *([command] if command else []), "--help"])
    assert (r.rc, r.err) == (0, "")
    assert command in r.out
    if not IS_RUNC:
        for word in ("-?", "--usage"):
            assert run([cay.program, *([command] if command else []), word]).out == r.out
        assert run([cay.program, "h", *([command] if command else [])]).out == r.out


def test_features_is_a_document_of_the_specification(cay):
    f = json.loads(cay.ok("features").out)
    assert f["ociVersionMin"] and f["ociVersionMax"]
    assert set(f["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer",
                               "poststart", "poststop"}
    assert {"ro", "rro", "bind", "rbind", "nosuid", "tmpcopyup"} <= set(f["mountOptions"])
    assert {"pid", "network", "mount", "user", "uts", "ipc", "cgroup"} <= set(f["linux"]["namespaces"])
    assert "CAP_SYS_ADMIN" in f["linux"]["capabilities"]


def test_spec_writes_a_bundle_that_runs(cay, bundle):
    assert run([cay.program, "spec"], cwd=bundle.path).rc == 0
    bundle.config = json.loads((bundle.path / "config.json").read_text())
    bundle.process["terminal"] = False
    assert cay.out(bundle.args("echo", "x")) == "x\n"
    again = run([cay.program, "spec"], cwd=bundle.path)
    assert again.rc != 0 and "exist" in again.err


def test_spec_writes_to_the_file_that_is_named(cay, bundle):
    cay_only("spec --file")
    want = run([cay.program, "spec", "-b", bundle.path]) and (bundle.path / "config.json").read_text()
    assert run([cay.program, "spec", "--bundle", bundle.path, "--file", "other.json"]).rc == 0
    assert (bundle.path / "other.json").read_text() == want
    assert run([cay.program, "spec", "-f", cay.dir / "absolute.json"]).rc == 0
    assert (cay.dir / "absolute.json").read_text() == want
    again = run([cay.program, "spec", "-b", bundle.path, "-f", "other.json"])
    assert again.rc != 0 and "other.json exists" in again.err
    assert run([cay.program, "spec", "-f", "/nowhere/x"]).rc != 0


def test_create_takes_no_subreaper_as_crun_does(cay, bundle):
    cay_only("create --no-subreaper")
    cay.destroy(cay.create(bundle.args("sleep", "1000"), "--no-subreaper"))


# ---- log ------------------------------------------------------------------------------------

def test_the_log_file_gets_the_error_as_json(cay):
    log = cay.dir / "log.json"
    r = run([cay.program, "--log", log, "--log-format", "json", "--root", cay.root, "state",
             f"{cay.token}-none"])
    assert r.rc == 1
    last = json.loads(log.read_text().splitlines()[-1])
    assert set(last) >= {"level", "msg", "time"}
    assert last["level"] == "error"
    assert last["msg"] == "container does not exist"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", last["time"])


def test_the_log_file_is_appended_to_and_the_last_line_is_the_useful_one(cay, bundle):
    log = cay.dir / "log.json"
    bundle.args("nosuch-program").write()
    for _ in range(2):
        run([cay.program, "--log", log, "--log-format=json", "--root", cay.root, "run", "-b",
             bundle.path, cay.id()])
    lines = [json.loads(ln) for ln in log.read_text().splitlines()]
    errors = [ln for ln in lines if ln["level"] == "error"]
    assert len(errors) >= 2
    assert lines[-1]["level"] == "error"
    assert "executable file not found in $PATH" in lines[-1]["msg"]


def test_the_text_log_can_be_parsed_too(cay):
    log = cay.dir / "log"
    run([cay.program, "--log", log, "--root", cay.root, "state", f"{cay.token}-none"])
    assert re.match(r'time="[^"]+" level=error msg="container does not exist"$',
                    log.read_text().splitlines()[-1])


def test_hostile_text_is_escaped_in_the_log(cay, bundle):
    log = cay.dir / "log.json"
    bundle.args("evil\x1b[2J\n{\"level\":\"info\"}\u0007").write()
    r = run([cay.program, "--log", log, "--log-format", "json", "--root", cay.root, "run", "-b",
             bundle.path, cay.id()])
    assert r.rc != 0
    for ln in log.read_text().splitlines():
        json.loads(ln)
    assert "\x1b" not in r.err and (IS_RUNC or len(r.errlines) == 1)


# ---- list and ps ----------------------------------------------------------------------------

def test_list_shows_a_table(cay, bundle, sleeper):
    lines = cay.ok("list").lines
    assert lines[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    row = lines[1].split()
    assert row[:4] == [sleeper, str(cay.pid(sleeper)), "running", str(bundle.path)]
    assert row[5] == "root"


def test_list_quiet_shows_ids_only(cay, bundle):
    ids = sorted(cay.create(bundle.args("sleep", "1000")) for _ in range(3))
    assert cay.ok("list", "-q").lines == ids
    for i in ids:
        cay.destroy(i)
    assert cay.ok("list", "--quiet").out == ""


def test_list_shows_json(cay, bundle, sleeper):
    rows = json.loads(cay.ok("list", "--format", "json").out)
    assert len(rows) == 1
    assert rows[0]["id"] == sleeper and rows[0]["status"] == "running" and rows[0]["owner"] == "root"
    assert rows[0]["bundle"] == str(bundle.path)


def test_list_of_nothing_is_a_header_or_null(cay):
    assert len(cay.ok("list").lines) == 1
    assert json.loads(cay.ok("list", "-f", "json").out) in (None, [])


def test_list_refuses_an_unknown_format(cay):
    assert cay("list", "--format", "xml").rc != 0


def test_ps_shows_the_processes_as_ps_does(cay, sleeper):
    pid = cay.pid(sleeper)
    lines = cay.ok("ps", sleeper).lines
    assert lines[0].split()[:3] == ["UID", "PID", "PPID"]
    assert len(lines) == 2
    assert lines[1].split()[1] == str(pid) and lines[1].endswith("sleep 1000")
    assert json.loads(cay.ok("ps", "--format", "json", sleeper).out) == [pid]
    assert cay.ok("ps", sleeper, "-o", "pid,comm").lines[1].split() == [str(pid), "sleep"]


# ---- exec -----------------------------------------------------------------------------------

def test_exec_runs_in_the_container(cay, sleeper):
    r = cay("exec", sleeper, "sh", "-c", "hostname; cat; echo err >&2; exit 42", input="in\n")
    assert (r.rc, r.out, r.err) == (42, "island\nin\n", "err\n")


def test_exec_lives_in_the_namespaces_cgroups_and_root_of_the_container(cay, sleeper):
    pid = cay.pid(sleeper)
    out = cay.ok("exec", sleeper, "sh", "-c",
                 "for n in mnt pid net ipc uts; do readlink /proc/self/ns/$n; done; ls /; "
                 "cat /proc/self/cgroup").out
    want = [os.readlink(f"/proc/{pid}/ns/{n}") for n in ("mnt", "pid", "net", "ipc", "uts")]
    assert out.split()[:5] == want
    assert out.endswith("\n" + open(f"/proc/{pid}/cgroup").read())


def test_exec_returns_128_and_the_signal(cay, sleeper):
    assert cay("exec", sleeper, "sh", "-c", "kill -9 $$").rc == 137


def test_exec_in_a_user_namespace(cay, bundle):
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.namespace("user")
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = maps
    id = cay.start(bundle.args("sleep", "1000"))
    out = cay.ok("exec", "-u", "5:6", "-g", "7", id, "sh", "-c", "cat /proc/self/uid_map; id -u; id -G").out
    assert out.split() == ["0", "100000", "65536", "5", "6", "7"]
    cay.destroy(id)


def test_exec_joins_new_cgroup_and_time_namespaces_too(cay, bundle):
    bundle.namespace("cgroup")
    if not IS_RUNC:
        bundle.namespace("time")
        bundle.linux["timeOffsets"] = {"monotonic": {"secs": 5000000}}
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    assert cay.ok("exec", id, "readlink", "/proc/self/ns/cgroup").out.strip() == \
        os.readlink(f"/proc/{pid}/ns/cgroup")
    if not IS_RUNC:
        assert int(cay.ok("exec", id, "probe", "clocks").out.split()[0]) > 5000000
    cay.destroy(id)


def test_exec_options_set_cwd_env_user_and_groups(cay, sleeper):
    out = cay.ok("exec", "--cwd", "/usr", "-e", "A=1", "-e", "B=2 3", "--user", "1000:1001",
                 "-g", "7", "-g", "9", sleeper, "sh", "-c",
                 'pwd; echo "$A $B $TERM"; cat /proc/self/status').out
    lines = out.splitlines()
    assert lines[:2] == ["/usr", "1 2 3 xterm"]
    s = parse_status(out)
    assert (s["Uid"].split()[0], s["Gid"].split()[0]) == ("1000", "1001")
    assert sorted(map(int, s["Groups"].split())) == [7, 9]


def test_exec_env_replaces_a_variable_of_the_config(cay, sleeper):
    out = cay.ok("exec", "-e", "PATH=/sbin:/bin", "-e", "TERM=vt100", "-e", "TERM=dumb", sleeper,
                 "cat", "/proc/self/environ").out
    env = [x for x in out.split("\0") if x.startswith(("PATH=", "TERM="))]
    assert sorted(env) == ["PATH=/sbin:/bin", "TERM=dumb"]


def test_exec_inherits_the_process_of_the_config(cay, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5], "umask": 0o27}
    bundle.process["cwd"] = "/tmp"
    bundle.process["env"].append("FROM=config")
    bundle.caps("CAP_KILL")
    bundle.process["oomScoreAdj"] = 300
    id = cay.start(bundle.args("sleep", "1000"))
    out = cay.ok("exec", id, "sh", "-c", "pwd; echo $FROM; cat /proc/self/oom_score_adj; cat /proc/self/status").out
    s = parse_status(out)
    assert out.splitlines()[:3] == ["/tmp", "config", "300"]
    assert s["Uid"].split()[0] == "1000"
    assert int(s["CapBnd"], 16) == cap_mask("KILL")
    assert s["NoNewPrivs"] == "1"
    assert int(s["Umask"], 8) == 0o27 or IS_RUNC
    cay.destroy(id)


def test_exec_limits_are_those_of_the_container(cay, bundle):
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    id = cay.start(bundle.args("sleep", "1000"))
    assert "RLIMIT_NOFILE 77 88" in cay.ok("exec", id, "probe", "rlimits").lines
    cay.destroy(id)


def test_exec_adds_a_capability(cay, sleeper):
    s = parse_status(cay.ok("exec", "--cap", "CAP_CHOWN", sleeper, "cat", "/proc/self/status").out)
    assert int(s["CapBnd"], 16) & cap_mask("CHOWN")
    s = parse_status(cay.ok("exec", sleeper, "cat", "/proc/self/status").out)
    assert not int(s["CapBnd"], 16) & cap_mask("CHOWN")


def test_exec_sets_no_new_privs(cay, bundle):
    bundle.process["noNewPrivileges"] = False
    id = cay.start(bundle.args("sleep", "1000"))
    assert "NoNewPrivs:\t0" in cay.ok("exec", id, "cat", "/proc/self/status").out
    assert "NoNewPrivs:\t1" in cay.ok("exec", "--no-new-privs", id, "cat", "/proc/self/status").out
    cay.destroy(id)


def test_exec_is_filtered_by_the_containers_seccomp(cay, bundle):
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
    id = cay.start(bundle.args("sleep", "1000"))
    assert cay.ok("exec", id, "probe", "mkdir", "/tmp/x").out in ("EOPNOTSUPP\n", "ENOTSUP\n")
    cay.destroy(id)


def test_exec_takes_a_process_file(cay, sleeper):
    f = cay.dir / "process.json"
    f.write_text(json.dumps({
        "args": ["sh", "-c", "pwd; echo $X; cat /proc/self/status"], "cwd": "/tmp",
        "env": ["PATH=/bin", "X=y"], "user": {"uid": 7, "gid": 8, "additionalGids": [9]},
        "capabilities": {"bounding": ["CAP_KILL"]}, "noNewPrivileges": True,
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]}))
    for option in ("--process", "-p"):
        out = cay.ok("exec", option, f, sleeper).out
        s = parse_status(out)
        assert out.splitlines()[:2] == ["/tmp", "y"]
        assert (s["Uid"].split()[0], s["Gid"].split()[0], s["Groups"]) == ("7", "8", "9")
        assert int(s["CapBnd"], 16) == cap_mask("KILL")


def test_exec_refuses_a_bad_process_file(cay, sleeper):
    f = cay.dir / "process.json"
    for text in ("", "{", "[]", '{"args": "x"}', '{"args": [], "cwd": "/"}', "null"):
        f.write_text(text)
        r = cay("exec", "--process", f, sleeper)
        assert r.rc != 0, (text, r)
    assert cay("exec", "--process", "/not/there", sleeper).rc != 0


def test_exec_detached_returns_at_once_and_writes_the_pid(cay, sleeper):
    pidfile = cay.dir / "pid"
    with open(os.devnull, "r+b") as null:
        rc = subprocess.run(cay.argv("exec", "-d", "--pid-file", pidfile, sleeper, "sleep", "2000"),
                            stdin=null, stdout=null, timeout=TIMEOUT).returncode
    assert rc == 0
    pid = int(pidfile.read_text())
    assert sorted(json.loads(cay.ok("ps", "-f", "json", sleeper).out)) == sorted([cay.pid(sleeper), pid])
    assert parse_status(open(f"/proc/{pid}/status").read())["Name"] == "sleep"
    os.kill(pid, 9)


def test_exec_with_a_terminal(cay, sleeper):
    rc, out = run_pty(cay.argv("exec", "-t", sleeper, "sh", "-c", "probe tty; read x; echo got $x; exit 5"),
                      input="hello\n")
    assert rc == 5, out
    assert "isatty 1 1 1" in out
    assert "size 31 97" in out
    assert "got hello" in out


def test_exec_sends_its_terminal_through_a_console_socket(cay, sleeper):
    with ConsoleSocket(cay.shm / "console") as s:
        p = cay.popen("exec", "-d", "-t", "--console-socket", s.path, sleeper, "sh", "-c",
                      "probe tty; read x; echo got $x", stdin=subprocess.DEVNULL,
                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        fd, _ = s.receive()
        try:
            assert p.wait(TIMEOUT) == 0, p.stderr.read()
            out = read_fd(fd, until="session")
            os.write(fd, b"hello\n")
            out += read_fd(fd)
        finally:
            os.close(fd)
    assert "isatty 1 1 1" in out and "got hello" in out


def test_exec_passes_no_descriptor_but_the_preserved_ones(cay, sleeper):
    base = ["sh", "-c", 'exec "$@" 3</etc/passwd 4</etc 5</', "sh"]
    r = run([*base, *cay.argv("exec", sleeper, "probe", "fds")])
    assert [ln.split()[0] for ln in r.lines] == ["0", "1", "2"], r
    r = run([*base, *cay.argv("exec", "--preserve-fds", "1", sleeper, "probe", "fds")])
    assert [ln.split()[0] for ln in r.lines] == ["0", "1", "2", "3"], r


def test_exec_in_a_sub_cgroup(cay, sleeper):
    d = cgroup_dirs_of(cay.pid(sleeper))
    v1 = "pids:" if "pids" in d else ""
    d["pids" if v1 else "unified"].joinpath("sub").mkdir()
    out = cay.ok("exec", "--cgroup", f"{v1}sub", sleeper, "cat", "/proc/self/cgroup").out
    assert f"{sleeper}/sub" in [ln for ln in out.splitlines() if f":{v1 or ':'}" in ln][0]
    for bad in (f"{v1}none", f"{v1}../..", "nosuch:x"):
        assert cay("exec", "--cgroup", bad, sleeper, "true").rc != 0, bad


def test_exec_of_a_missing_program_says_so(cay, sleeper):
    r = cay("exec", sleeper, "nosuch")
    assert r.rc == 255
    assert "executable file not found in $PATH" in cay.error_line(r)
    r = cay("exec", sleeper, "/no/such")
    assert r.rc == 255
    assert "no such file or directory" in cay.error_line(r).lower()
    r = cay("exec", sleeper, "/etc/passwd")
    assert r.rc == 255
    assert "permission denied" in cay.error_line(r).lower()


def test_exec_in_a_stopped_container_is_refused(cay, bundle):
    id = cay.start(bundle.args("true"))
    cay.wait_status(id, "stopped")
    r = cay("exec", id, "true")
    assert r.rc == 255
    assert "cannot exec in a stopped container" in cay.error_line(r)
    cay.ok("delete", id)


def test_exec_in_a_created_container_works_as_with_runc(cay, bundle):
    id = cay.create(bundle.args("sleep", "1000"))
    assert cay.ok("exec", id, "echo", "x").out == "x\n"
    assert cay.status(id) == "created"
    cay.ok("start", id)
    cay.destroy(id)


def test_exec_of_nothing_is_refused(cay, sleeper):
    assert cay("exec", sleeper).rc != 0


@pytest.mark.parametrize("user", ["root", "-1", "1:", "1:x", "4294967296", "1:2:3", " 1", "0x1"])
def test_exec_takes_numeric_users_only(cay, sleeper, user):
    cay_only("such strictness")
    assert cay("exec", f"--user={user}", sleeper, "true").rc != 0


def test_many_execs_at_once(cay, sleeper):
    ps = [cay.popen("exec", sleeper, "sh", "-c", f"exit {i}", stdin=subprocess.DEVNULL)
          for i in range(1, 17)]
    assert [p.wait(TIMEOUT) for p in ps] == list(range(1, 17))


def test_exec_dies_with_its_container(cay, bundle):
    id = cay.start(bundle.args("sleep", "1000"))
    p = cay.popen("exec", id, "sleep", "2000", stdin=subprocess.DEVNULL)
    wait_for(lambda: len(json.loads(cay.ok("ps", "-f", "json", id).out)) >= 2, "the exec")
    wait_for(lambda: "sleep 2000" in cay.ok("ps", id).out, "the exec's program")
    cay.ok("kill", id, "KILL")
    assert p.wait(TIMEOUT) == 137
    cay.destroy(id)


def test_the_state_directory_is_closed_to_others(cay, sleeper):
    assert stat.S_IMODE(os.stat(cay.root).st_mode) & 0o007 in (0, 1)
    assert stat.S_IMODE(os.stat(cay.root / sleeper).st_mode) & 0o006 == 0
