# SPDX-License-Identifier: Apache-2.0
"""What the rarer options of create, run and exec do, and the global ones."""
import os
import re
import subprocess

import pytest

import harness
from harness import ConsoleSocket, cay_only, cgroup_dirs_of, failing, read_fd, run, wait_for

BORN = ("create", "run")


def output(cay, bundle, command, *options, **kw):
    """stdout of the program, by either way to start it."""
    if command == "run":
        return cay.out(bundle, *options, **kw)
    log = cay.dir / "out"
    with log.open("wb") as f:
        id = cay.create(bundle, *options, stdout=f, **kw)
    cay.ok("start", id)
    cay.wait_status(id, "stopped")
    cay.destroy(id)
    return log.read_text()


@pytest.mark.parametrize("command", BORN)
def test_another_file_is_the_configuration(cay, bundle, command):
    cay_only("--config")
    bundle.args("echo", "other").write()
    (bundle.path / "config.json").rename(bundle.path / "other.json")
    bundle.args("echo", "usual")
    assert output(cay, bundle, command, "--config", "other.json") == "other\n"
    assert output(cay, bundle, command, "-f", "config.json") == "usual\n"
    assert output(cay, bundle, command) == "usual\n"


@pytest.mark.parametrize("command", BORN)
def test_no_pivot_does_without_pivot_root(cay, bundle, command):
    """On a root in memory (an initramfs) the kernel refuses pivot_root with EINVAL."""
    bundle.sh("ls -d /bin/busybox /proc/1; ls -d /etc/ssl 2>&1 || :").write()
    refuse = failing("pivot_root:error=EINVAL")
    r = run([*refuse, *cay.argv(command, "-b", bundle.path, cay.id())])
    assert "pivot_root" in cay.error_line(r)
    id = cay.id()
    with (cay.dir / "out").open("wb") as out:
        p = subprocess.Popen([*refuse, *cay.argv(command, "--no-pivot", "-b", bundle.path, id)], stdin=subprocess.DEVNULL,
                             stdout=out, stderr=subprocess.DEVNULL)
        cay.started.append(p)
        # strace stays as long as what it watches.
        if command == "create":
            wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "created", "the container")
            cay.ok("start", id)
        assert p.wait(harness.TIMEOUT) == 0
    cay.destroy(id)
    text = (cay.dir / "out").read_text()
    assert text.splitlines()[:2] == ["/bin/busybox", "/proc/1"] and "No such file" in text


@pytest.mark.parametrize("command", BORN)
def test_no_new_keyring_keeps_the_callers(cay, bundle, command):
    bundle.args("probe", "keyring")
    own = run([harness.probe_binary(), "keyring"]).out
    assert output(cay, bundle, command, "--no-new-keyring") == own
    assert output(cay, bundle, command) != own


@pytest.mark.parametrize("command", BORN)
def test_descriptors_are_preserved(cay, bundle, command):
    bundle.sh("cat <&4; probe fds")
    fds = [os.open(cay.dir, os.O_RDONLY), os.memfd_create("text", 0)]
    os.write(fds[1], b"four\n")
    os.lseek(fds[1], 0, 0)

    def place():
        for i, fd in enumerate([os.dup(f) for f in fds]):
            os.dup2(fd, 3 + i)
            os.set_inheritable(3 + i, True)

    lines = output(cay, bundle, command, "--preserve-fds", "2", close_fds=False, preexec_fn=place).splitlines()
    for fd in fds:
        os.close(fd)
    assert lines[0] == "four" and [ln.split()[0] for ln in lines[1:]] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("command", BORN)
def test_the_log_level_is_taken_with_the_command_too(cay, bundle, command):
    cay_only("--log-level with a command")
    log = cay.dir / "log"
    bundle.args("true").write()
    id = cay.id()
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for level, ends in (("debug", True), ("error", False)):
        argv = [cay.program, "--log", log, *cay.argv(command, "--log-level", level, "-b", bundle.path, id)[1:]]
        assert subprocess.run(argv, timeout=harness.TIMEOUT, **quiet).returncode == 0
        assert log.exists() and (f"{command}: ends with status 0" in log.read_text()) == ends
        log.write_text("")
        cay("delete", "--force", id)


def test_timing_comes_with_create_run_and_exec(cay, bundle):
    cay_only("--timing")
    row = re.compile(r"^ *[0-9]+\.[0-9] us +(host|clone|init|commit|enter)", re.M)
    bundle.args("sleep", "1000").write()
    id = cay.id()
    with (cay.dir / "err").open("w+b") as err:
        quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
        assert cay.popen("create", "--timing", "-b", bundle.path, id, **quiet).wait(harness.TIMEOUT) == 0
    assert len(row.findall((cay.dir / "err").read_text())) > 5
    cay.ok("start", id)
    assert len(row.findall(cay.ok("exec", "--timing", id, "true").err)) > 3
    assert row.findall(cay.ok("exec", id, "true").err) == []
    cay.destroy(id)
    assert len(row.findall(cay.run(bundle.args("true"), "--timing").err)) > 5


def test_run_sends_its_terminal_through_a_console_socket_when_it_detaches(cay, bundle):
    bundle.process["terminal"] = True
    bundle.sh("tty; sleep 1000").write()
    id = cay.id()
    with ConsoleSocket(cay.dir / "console") as s:
        p = cay.popen("run", "-d", "--console-socket", s.path, "-b", bundle.path, id, stdin=subprocess.DEVNULL,
                      stdout=subprocess.DEVNULL)
        fd, _ = s.receive()
        assert p.wait(harness.TIMEOUT) == 0
        assert "/dev/pts/0" in read_fd(fd, until="pts/0")
        os.close(fd)
        assert "console socket" in cay.error_line(cay("run", "--console-socket", s.path, "-b", bundle.path, cay.id()))
    cay.destroy(id)


@pytest.mark.parametrize("options,adopted", [([], True), (["--no-subreaper"], False)])
def test_run_adopts_orphans_unless_told_not_to(cay, bundle, options, adopted):
    """Without a pid namespace of its own a container's orphans go to whoever adopts them on the host."""
    bundle.namespace("pid", remove=True)
    bundle.sh("(sleep 1000 >/dev/null & echo $! >/orphan); while [ ! -e /stop ]; do sleep 0.05; done").write()
    p = cay.popen("run", *options, "-b", bundle.path, cay.id(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    orphan = bundle.rootfs / "orphan"
    wait_for(lambda: orphan.exists() and orphan.read_text().strip(), "the orphan")
    pid = int(orphan.read_text())
    shell = harness.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1]
    wait_for(lambda: int(harness.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1]) != int(shell)
             or not os.path.exists(f"/proc/{int(shell)}") or int(shell) in (1, p.pid), "its parent to end")
    parent = int(harness.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    assert (parent == p.pid) == adopted
    (bundle.rootfs / "stop").touch()
    assert p.wait(harness.TIMEOUT) == 0


def test_exec_takes_no_subreaper_and_changes_nothing(cay, bundle):
    """restore has it, and engines pass it on."""
    cay_only("exec --no-subreaper")
    id = cay.start(bundle.args("sleep", "1000"))
    assert cay.ok("exec", "--no-subreaper", id, "echo", "ok").out == "ok\n"
    cay.destroy(id)


@pytest.mark.parametrize("option,module,field", [
    ("--apparmor", "/sys/module/apparmor/parameters/enabled", "process.apparmorProfile"),
    ("--process-label", "/sys/fs/selinux/enforce", "process.selinuxLabel")])
def test_exec_with_a_label_that_can_not_be_is_an_error(cay, bundle, option, module, field):
    if os.path.exists(module):
        harness.skip("a host without that security module")
    id = cay.start(bundle.args("sleep", "1000"))
    r = cay("exec", option, "some-label", id, "touch", "/ran")
    assert r.rc == 255 and f'{field} "some-label"' in cay.error_line(r)
    assert not (bundle.rootfs / "ran").exists()
    cay.destroy(id)


def test_debug_tells_begin_and_end_of_a_command_and_no_secret(cay, bundle):
    cay_only("such messages")
    id = cay.start(bundle.args("sleep", "1000"))
    r = run([cay.program, "--debug", *cay.argv("exec", "--env", "KEY=secret", id, "true", "secret")[1:]])
    assert r.rc == 0 and "secret" not in r.err
    lines = r.errlines
    assert all(re.fullmatch(r'time="[-0-9T:]+Z" level=debug msg=".*"', ln) for ln in lines)
    assert re.search(r"exec: begins as process \d+ of user 0", lines[0])
    assert re.search(r"exec: ends with status 0 after \d+ us", lines[-1])
    # And runc's own messages for what happens on the way, which scripts look for.
    assert {"nsexec container setup", "child process in init()", "setns_init: about to exec"} <= set(re.findall(r'us: (.*)"$', r.err, re.M))
    assert cay.ok("exec", id, "true").err == ""
    cay.destroy(id)


READ_ONLY = ("set -e; for m in $(awk '$9 ~ /^cgroup/ || $10 ~ /^cgroup/ { print $5 }' /proc/self/mountinfo); do "
             "mount -o remount,bind,ro $m; done; exec \"$@\"")


@pytest.mark.parametrize("when,works", [("true", True), ("false", False), ("auto", False)])
def test_rootless_does_without_cgroups_that_can_not_be_had(cay, bundle, when, works):
    """auto, as root: nothing is done without. What was asked for must be there all the same."""
    cay_only("read-only cgroups")
    bundle.args("cat", "/proc/self/cgroup").write()

    def start(options):
        return run(["unshare", "-m", "sh", "-c", READ_ONLY, "sh", cay.program, *options,
                    *cay.argv("run", "-b", bundle.path, cay.id())[1:]])

    r = start(["--rootless", when])
    assert (r.rc == 0) == works, r
    if works:
        assert cay.token not in r.out
        bundle.linux["resources"]["pids"] = {"limit": 7}
        bundle.write()
        assert "cgroup" in cay.error_line(start(["--rootless", when]))
    else:
        assert "cgroup" in cay.error_line(r)


def test_rootless_changes_nothing_where_cgroups_can_be_had(cay, bundle):
    bundle.args("sleep", "1000").write()
    id = cay.id()
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    argv = [cay.program, "--rootless", "true", *cay.argv("run", "-d", "-b", bundle.path, id)[1:]]
    assert subprocess.run(argv, timeout=harness.TIMEOUT, **quiet).returncode == 0
    assert id in str(cgroup_dirs_of(cay.pid(id)).get("pids") or cgroup_dirs_of(cay.pid(id))["unified"])
    cay.destroy(id)
    assert "--rootless" in cay.error_line(run([cay.program, "--rootless", "perhaps", "list"]))


@pytest.mark.parametrize("section", ["solaris", "windows", "zos", "freebsd", "vm"])
def test_a_section_for_another_platform_is_refused(cay, bundle, section):
    cay_only("refusal of other platforms")
    bundle.config[section] = {"a": 1}
    assert section in cay.error_line(cay.run(bundle.args("true")))


# ---- plan -----------------------------------------------------------------------------------

def steps(cay, *options):
    return [tuple(ln.split()[:2]) for ln in cay.ok("plan", *options).lines]


def test_plan_shows_what_its_options_change(cay, bundle):
    cay_only("plan")
    bundle.args("true").write()
    usual = steps(cay, "-b", bundle.path)
    assert ("init", "keyring") in usual and ("init", "gate") not in usual
    assert ("init", "keyring") not in steps(cay, "--bundle", bundle.path, "--no-new-keyring")
    assert ("init", "gate") in steps(cay, "-b", bundle.path, "--create")
    pivot = [ln for o in ([], ["--no-pivot"]) for ln in cay.ok("plan", "-b", bundle.path, *o).lines if ln.split()[1] == "pivot"]
    assert len(pivot) == 2 and pivot[0] != pivot[1]
    assert "other-id" in cay.ok("plan", "-b", bundle.path, "--id", "other-id").out
    (bundle.path / "config.json").rename(bundle.path / "other.json")
    cay.fails("plan", "-b", bundle.path)
    assert steps(cay, "-b", bundle.path, "--config", "other.json") == usual
    assert "format" in cay.error_line(cay("plan", "-b", bundle.path, "--config", "other.json", "-f", "yaml"))
