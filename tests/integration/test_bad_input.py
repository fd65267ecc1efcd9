# SPDX-License-Identifier: Apache-2.0
"""What is wrong is refused with one clear line, and nothing is left of the attempt."""
import copy
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from harness import BASE_CONFIG, IS_RUNC, TIMEOUT, cay_only, need_root, our_state, run, wait_for, wait_no_leaks


def refused(cay, bundle, *words, **kw):
    """One line on stderr, nothing on stdout, non-zero, nothing left."""
    r = cay.run(bundle, **kw)
    assert r.rc != 0, r
    assert r.out == "", r
    line = cay.error_line(r)
    assert len(line) < 1000, line
    if not IS_RUNC:
        for w in words:
            assert w.lower() in line.lower(), line
    assert our_state(cay.token) == []
    return line


# ---- config.json ----------------------------------------------------------------------------

def test_a_missing_config_is_named(cay, bundle):
    r = cay("run", "-b", bundle.path, cay.id())
    assert "config.json" in cay.error_line(r)


def test_a_missing_bundle_is_named(cay):
    assert "/not/there" in cay.error_line(cay("run", "-b", "/not/there", cay.id()))


@pytest.mark.parametrize("part", [0, 1, 2, 10, 50, 90, 99])
def test_a_truncated_config_is_refused(cay, bundle, part):
    text = json.dumps(BASE_CONFIG)
    bundle.config = text[:len(text) * part // 100]
    refused(cay, bundle, "config.json")


def test_every_prefix_of_a_config_is_refused(cay, bundle):
    cay_only("patience")
    text = json.dumps(BASE_CONFIG)
    for n in range(0, len(text) - 1, 37):
        bundle.config = text[:n]
        refused(cay, bundle)


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "{}", "{} {}", "\0", "\xff\xfe", "{\"a\":}",
                                  "{'a': 1}", '{"ociVersion": "1.0.0",}', '{"ociVersion": "x"}',
                                  '{"ociVersion": "9.0.0"}', '{"ociVersion": "1.0.0\\u0000"}'])
def test_what_is_not_a_config_is_refused(cay, bundle, text):
    bundle.config = text.encode("latin-1")
    refused(cay, bundle)


def test_a_config_of_64_mb_is_refused(cay, bundle):
    bundle.config = b'{"annotations": {"a": "' + b"x" * (64 << 20) + b'"}}'
    refused(cay, bundle, "config.json")


def test_a_config_of_64_mb_of_blanks_is_refused(cay, bundle):
    bundle.config = json.dumps(BASE_CONFIG).encode() + b" " * (64 << 20)
    if not IS_RUNC:
        refused(cay, bundle, "config.json")


@pytest.mark.parametrize("open_,close", [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [1000, 100000, 1000000])
def test_a_deeply_nested_config_is_refused(cay, bundle, open_, close, depth):
    text = open_ * depth + ("1" if open_ != "[" else "") + close * depth
    bundle.config = '{"ociVersion": "1.0.2", "x": ' + text + "}"
    refused(cay, bundle, "config.json")


def test_a_million_mounts_are_refused(cay, bundle):
    cay_only("such limits")
    bundle.config["mounts"] = [{"destination": "/x", "type": "tmpfs"}] * 100000
    refused(cay, bundle, "mounts")


def test_a_config_that_is_a_fifo_a_directory_or_a_device_is_refused(cay, bundle):
    cay_only("such care")
    path = bundle.path / "config.json"
    os.mkfifo(path)
    cay.error_line(cay("run", "-b", bundle.path, cay.id()))
    path.unlink()
    path.mkdir()
    cay.error_line(cay("run", "-b", bundle.path, cay.id()))
    path.rmdir()
    os.symlink("/dev/zero", path)
    cay.error_line(cay("run", "-b", bundle.path, cay.id()))


def leaves(node, path=()):
    if isinstance(node, dict):
        yield path, node
        for k, v in node.items():
            yield from leaves(v, (*path, k))
    elif isinstance(node, list):
        yield path, node
        for i, v in enumerate(node[:1]):
            yield from leaves(v, (*path, i))
    else:
        yield path, node


def put(config, path, value):
    for k in path[:-1]:
        config = config[k]
    config[path[-1]] = value


WRONG = {str: [7, {"x": 1}, ["x"], True], int: ["x", {}, [1], True, 1.5, -(1 << 70)], bool: ["x", 1, {}],
         list: ["x", 7, {"x": 1}], dict: ["x", 7, ["x"]]}


def test_every_field_of_a_wrong_type_is_refused_by_its_name(cay, bundle):
    cay_only("strict types and names in errors")
    good = copy.deepcopy(BASE_CONFIG)
    good["process"]["args"] = ["true"]
    accepted, unnamed = [], []
    for path, value in leaves(good):
        if not path:
            continue
        for wrong in WRONG[type(value)]:
            bundle.config = copy.deepcopy(good)
            put(bundle.config, path, wrong)
            r = cay.run(bundle)
            if r.rc == 0:
                accepted.append((path, wrong))
                continue
            line = cay.error_line(r)
            name = next(k for k in reversed(path) if isinstance(k, str))
            if name not in line and "64 bits" not in line:  # told with line and column
                unnamed.append((path, wrong, line))
    assert accepted == []
    assert unnamed == []


@pytest.mark.parametrize("path,value,word", [
    (("process", "args"), [], "args"),
    (("process", "cwd"), "relative", "cwd"),
    (("process", "cwd"), "", "cwd"),
    (("process", "user", "uid"), -1, "uid"),
    (("process", "user", "uid"), 1 << 32, "uid"),
    (("process", "env"), ["A\0B=x"], "env"),
    (("process", "args"), ["a\0b"], "args"),
    (("process", "rlimits"), [{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}], "rlimit"),
    (("process", "rlimits"), [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}], "rlimit"),
    (("process", "oomScoreAdj"), 1001, "oomScoreAdj"),
    (("root", "path"), "", "root"),
    (("root", "path"), "not-there", "not-there"),
    (("root",), None, "root"),
    (("hostname",), "x" * 65, "hostname"),
    (("mounts", 0, "destination"), "", "destination"),
    (("mounts", 3, "type"), "nosuchfs", "nosuchfs"),
    (("linux", "namespaces"), [{"type": "none"}], "namespaces"),
    (("linux", "namespaces"), [{"type": t} for t in ("pid", "uts", "mount", "pid")], "namespaces"),
    (("linux", "namespaces", 0, "path"), "/not/there", "/not/there"),
    (("linux", "rootfsPropagation"), "nonsense", "rootfsPropagation"),
    (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_NONE"}, "defaultAction"),
    (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NONE"]}, "arch"),
    (("linux", "maskedPaths"), ["relative"], "maskedPaths"),
    (("linux", "resources", "devices"), [{"allow": True, "type": "z", "access": "r"}], "devices"),
    (("linux", "resources", "devices"), [{"allow": True, "access": "q"}], "devices"),
    (("linux", "resources", "memory"), {"limit": 1}, "memory"),
    (("linux", "devices"), [{"path": "relative", "type": "c", "major": 1, "minor": 3}], "devices"),
    (("linux", "sysctl"), {"../../etc/passwd": "x"}, "sysctl"),
    (("hooks",), {"prestart": [{"path": "relative"}]}, "hooks"),
])
def test_a_wrong_value_is_refused_by_its_name(cay, bundle, path, value, word):
    cay_only("such strictness")
    bundle.args("true")
    put(bundle.config, path, value)
    refused(cay, bundle, word)


@pytest.mark.parametrize("path,value", [
    (("process", "apparmorProfile"), "x"), (("process", "selinuxLabel"), "x"),
    (("process", "scheduler"), {"policy": "SCHED_OTHER"}),
    (("process", "ioPriority"), {"class": "IOPRIO_CLASS_BE", "priority": 4}),
    (("linux", "personality"), {"domain": "LINUX"}), (("linux", "mountLabel"), "x"),
    (("linux", "intelRdt"), {"closID": "x"}),
    (("linux", "seccomp"), {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}),
])
def test_what_is_not_enforced_is_enforced_or_refused_by_its_name(cay, bundle, path, value):
    cay_only("such honesty")
    put(bundle.config, path, value)
    name = "listenerPath" if path[-1] == "seccomp" else path[-1]
    r = cay.run(bundle.args("true"))
    if r.rc == 0:
        shown = "".join(p.read_text() for p in pathlib.Path(__file__).parent.glob("test_*.py")
                        if p.name != pathlib.Path(__file__).name)
        assert name in shown, "accepted: then a test has to show that it is enforced"
        return
    assert name in cay.error_line(r)


# ---- root and program -----------------------------------------------------------------------

def test_a_missing_root_is_named(cay, bundle):
    bundle.config["root"]["path"] = "nothing"
    refused(cay, bundle, "nothing")


def test_a_root_that_is_a_file_is_refused(cay, bundle):
    (bundle.path / "file").touch()
    bundle.config["root"]["path"] = "file"
    refused(cay, bundle, "file")


@pytest.mark.parametrize("program,word", [
    ("nosuch", "executable file not found in $PATH"), ("/no/such", "no such file or directory"),
    ("/etc/passwd", "permission denied"), ("/etc", ""), ("", ""), ("./no", "no such file")])
def test_a_program_that_can_not_run_is_refused(cay, bundle, program, word):
    line = refused(cay, bundle.args(program))
    assert word.lower() in line.lower()


def test_a_program_that_the_user_may_not_execute_is_refused(cay, bundle):
    p = bundle.rootfs / "bin" / "private"
    p.write_bytes((bundle.rootfs / "bin" / "probe").read_bytes())
    p.chmod(0o700)
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    refused(cay, bundle.args("/bin/private"), "permission denied")


def test_a_program_that_is_no_program_is_refused(cay, bundle):
    p = bundle.rootfs / "bin" / "text"
    p.write_text("just text\n")
    p.chmod(0o755)
    refused(cay, bundle.args("/bin/text"), "exec format error")


def test_a_script_with_a_missing_interpreter_is_refused(cay, bundle):
    p = bundle.rootfs / "bin" / "script"
    p.write_text("#!/no/interpreter\n")
    p.chmod(0o755)
    refused(cay, bundle.args("/bin/script"), "no such file or directory")


def test_create_finds_the_missing_program_not_only_start(cay, bundle):
    """Engines want exit status 127 from create."""
    bundle.args("nosuch").write()
    line = cay.error_line(cay("create", "-b", bundle.path, cay.id()))
    assert "executable file not found in $PATH" in line


def test_a_working_directory_that_is_a_file_is_refused(cay, bundle):
    bundle.process["cwd"] = "/etc/passwd"
    refused(cay, bundle.args("true"), "/etc/passwd")


def test_a_mount_on_a_proc_that_is_a_symlink_is_refused(cay, bundle):
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "elsewhere").mkdir()
    os.symlink("elsewhere", bundle.rootfs / "proc")
    refused(cay, bundle.args("true"), "/proc")


@pytest.mark.parametrize("dest", ["/proc/self/x", "/proc/sys", "/proc/1", "/sys/kernel"])
def test_a_file_system_may_not_hide_parts_of_proc(cay, bundle, dest):
    if dest == "/sys/kernel":
        bundle.mount(dest, type="tmpfs", source="tmpfs")
        assert cay.run(bundle.args("true")).rc == 0
        return
    bundle.mount(dest, type="tmpfs", source="tmpfs")
    r = cay.run(bundle.args("true"))
    assert r.rc != 0, r
    cay.error_line(r)


def test_a_bind_over_proc_is_refused_unless_it_is_procfs(cay, bundle):
    src = cay.dir / "fake"
    src.mkdir()
    bundle.mount("/proc", type="bind", source=str(src), options=["bind"])
    r = cay.run(bundle.args("true"))
    assert r.rc != 0, r


def test_a_bind_of_a_file_on_a_directory_is_refused(cay, bundle):
    bundle.mount("/usr", type="bind", source="/etc/passwd", options=["bind"])
    refused(cay, bundle.args("true"), "/usr")


# ---- places that are full or closed ---------------------------------------------------------

@pytest.mark.parametrize("free_pages", [0, 1, 2, 3, 4, 5])
def test_a_full_disk_for_the_state_is_an_error(cay, bundle, free_pages):
    """A tiny tmpfs in a private mount namespace; the filler leaves some pages."""
    bundle.args("true")
    bundle.config["annotations"] = {f"k{i}": "x" * 1000 for i in range(8)}
    bundle.write()
    cay.root.mkdir()
    script = ('mount -t tmpfs -o size=64k tmpfs "$0" || exit 99; dd if=/dev/zero of="$0"/.fill bs=4k '
              f'count={16 - free_pages} 2>/dev/null; "$@"; rc=$?; ls -A "$0" | grep -v -e .fill -e .cache; exit $rc')
    r = run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, cay.root,
             *cay.argv("run", "-b", bundle.path, cay.id())])
    assert r.rc not in (0, 99) or free_pages == 5, r
    assert r.out == "", r
    if r.rc:
        assert len(r.errlines) == 1 or IS_RUNC, r
        assert "space" in r.err.lower() or IS_RUNC, r


@pytest.mark.parametrize("inodes", [2, 3, 4, 5, 6, 7])
def test_a_disk_without_inodes_is_an_error(cay, bundle, inodes):
    bundle.args("true").write()
    cay.root.mkdir()
    script = (f'mount -t tmpfs -o nr_inodes={inodes} tmpfs "$0" || exit 99; "$@"; rc=$?; '
              'ls -A "$0" | grep -v -e .cache; exit $rc')
    r = run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, cay.root,
             *cay.argv("run", "-b", bundle.path, cay.id())])
    assert r.rc != 99
    assert r.out == "", r
    if r.rc:
        assert len(r.errlines) == 1 or IS_RUNC, r


def test_a_state_directory_that_is_a_file_is_an_error(cay, bundle):
    cay.root.write_text("")
    bundle.args("true").write()
    cay.error_line(cay("run", "-b", bundle.path, cay.id()))
    cay.root.unlink()


def test_a_spoilt_state_file_is_an_error_and_can_be_deleted(cay, bundle):
    cay_only("its own state.json")
    id = cay.start(bundle.args("sleep", "1000"))
    good = (cay.root / id / "state.json").read_bytes()
    for bad in (b"", b"{", b"[]", b"{}", good[:len(good) // 2], b"\0" * 100):
        (cay.root / id / "state.json").write_bytes(bad)
        cay.error_line(cay("state", id))
        assert cay("list").rc == 0
    (cay.root / id / "state.json").write_bytes(good)
    cay.destroy(id)


def test_a_state_file_that_names_foreign_cgroups_or_processes_harms_nobody(cay, bundle):
    cay_only("its own state.json")
    victim = subprocess.Popen(["sleep", "1000"])
    time.sleep(0.1)  # start times count in clock ticks: the two are to differ
    try:
        id = cay.create(bundle.args("sleep", "1000"))
        f = cay.root / id / "state.json"
        good = f.read_text()
        pid = cay.pid(id)
        f.write_text(good.replace(str(pid), str(victim.pid)))
        cay("kill", id, "KILL")
        cay("delete", "--force", id)
        assert victim.poll() is None
        if f.parent.exists():
            f.write_text(good)
            cay.destroy(id)
    finally:
        victim.kill()
        victim.wait()


def test_a_state_that_somebody_else_brought_is_not_believed(cay, bundle):
    """A --root that others may write to: root must not kill for them."""
    need_root()
    cay_only("its own state.json")
    id = cay.start(bundle.args("sleep", "1000"))
    os.chown(cay.root / id, 2001, 2001)
    for command in ("state", "kill", "delete"):
        options = ["--force"] if command == "delete" else []
        signal_ = ["KILL"] if command == "kill" else []
        assert "belongs to uid 2001" in cay.error_line(cay(command, *options, id, *signal_)), command
    assert cay("list").rc == 0
    os.chown(cay.root / id, 0, 0)
    assert cay.status(id) == "running"
    cay.destroy(id)


# ---- the runtime dies -----------------------------------------------------------------------

def nothing_left_after(cay, id, command):
    """`delete --force ID` or the next `list` finds and removes what a dead runtime left."""
    if command == "delete":
        cay.ok("delete", "--force", id)
    else:
        cay.ok("list")
        if our_state(cay.token):  # it had been finished: then it is a container like any other
            assert cay.ok("list", "-q").lines == [id]
            cay.ok("delete", "--force", id)
    left = wait_no_leaks(cay.token)
    assert left == {}


@pytest.mark.parametrize("after", ["delete", "list"])
@pytest.mark.parametrize("command,kind", [
    (c, k) for c in ("create", "run")
    for k in ("prestart", "createRuntime", "createContainer", "startContainer")
    if (c, k) != ("create", "startContainer")])  # those run in start
def test_kill_9_of_the_runtime_while_a_hook_runs(cay, bundle, command, kind, after):
    cay_only("such robustness")
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount(str(log), type="bind", source=str(log), options=["bind"])
    bundle.hook(kind, f"touch {log}/here; exec sleep 1000", env=[f"T={cay.token}", f"PATH={os.environ['PATH']}"])
    bundle.args("sleep", "1000").write()
    id = cay.id()
    p = cay.popen(command, "-b", bundle.path, id, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL)
    wait_for((log / "here").exists, "the hook")
    p.kill()
    p.wait(TIMEOUT)
    nothing_left_after(cay, id, after)


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_kill_9_of_start_while_a_hook_runs(cay, bundle, kind):
    cay_only("such robustness")
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount(str(log), type="bind", source=str(log), options=["bind"])
    bundle.hook(kind, f"touch {log}/here; exec sleep 1000", env=[f"T={cay.token}", f"PATH={os.environ['PATH']}"])
    id = cay.create(bundle.args("sleep", "1000"))
    p = cay.popen("start", id, stdin=subprocess.DEVNULL)
    wait_for((log / "here").exists, "the hook")
    p.kill()
    p.wait(TIMEOUT)
    nothing_left_after(cay, id, "delete")


def test_kill_9_of_delete_while_a_hook_runs(cay, bundle):
    cay_only("such robustness")
    log = cay.dir / "log"
    log.mkdir()
    bundle.hook("poststop", f"[ -e {log}/here ] && exit 0; touch {log}/here; exec sleep 1000",
                env=[f"T={cay.token}", f"PATH={os.environ['PATH']}"])
    id = cay.create(bundle.args("sleep", "1000"))
    p = cay.popen("delete", id, stdin=subprocess.DEVNULL)
    wait_for((log / "here").exists, "the hook")
    p.kill()
    p.wait(TIMEOUT)
    nothing_left_after(cay, id, "delete")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_runtime_that_is_told_to_stop_during_create_leaves_nothing(cay, bundle, sig):
    cay_only("such robustness")
    log = cay.dir / "log"
    log.mkdir()
    bundle.hook("createRuntime", f"touch {log}/here; exec sleep 1000",
                env=[f"T={cay.token}", f"PATH={os.environ['PATH']}"])
    bundle.args("sleep", "1000").write()
    id = cay.id()
    p = cay.popen("create", "-b", bundle.path, id, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL)
    wait_for((log / "here").exists, "the hook")
    p.send_signal(sig)
    p.wait(TIMEOUT)
    nothing_left_after(cay, id, "delete")


@pytest.mark.parametrize("command", ["create", "run", "start", "delete", "exec"])
def test_kill_9_of_the_runtime_at_any_time_leaves_nothing(cay, bundle, command):
    """Random delays; the seed is in the output when it fails."""
    cay_only("such robustness")
    seed = int(os.environ.get("CAY_SEED", str(random.randrange(1 << 32))))
    print("CAY_SEED =", seed)
    rnd = random.Random(seed)
    bundle.args("sleep", "1000").write()
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # exec: its orphans are buried by the host's pid 1, and that one may be slow.
    for n in range(int(os.environ.get("CAY_KILLS", "15" if command == "exec" else "100"))):
        id = f"{cay.token}-k{n}"
        if command in ("start", "delete"):
            cay.create(bundle, id=id)
        if command == "exec":
            cay.start(bundle, id=id)
        args = {"create": ("create", "-b", bundle.path, id), "run": ("run", "-b", bundle.path, id),
                "start": ("start", id), "delete": ("delete", "--force", id),
                "exec": ("exec", id, "sleep", "5")}[command]
        p = subprocess.Popen(cay.argv(*args), **quiet)
        time.sleep(rnd.random() * (0.030 if n % 3 == 0 else 0.008))
        p.kill()
        p.wait(TIMEOUT)
        if n % 2 and command in ("create", "run"):
            cay.ok("list")
        cay.ok("delete", "--force", id)
        left = wait_no_leaks(cay.token, timeout=5)
        assert left == {}, f"CAY_SEED={seed} round {n}"
