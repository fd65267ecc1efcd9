# SPDX-License-Identifier: Apache-2.0
"""Checkpoint and restore with a CRIU that only speaks like it; test_criu.py has the real one."""
import json
import os
import shutil
import signal
import subprocess

import pytest

import harness
from harness import ConsoleSocket, read, wait_for

FAKE = str(harness.HERE / "fake_criu.py")


class Fake:
    """cay with a criu that does as told; each request it got is in .requests()."""

    def __init__(self, cay):
        self.cay, self.record = cay, cay.dir / "requests"
        self.images = cay.dir / "images"

    def env(self, **told):
        return dict(os.environ, FAKE_CRIU=json.dumps({"record": str(self.record), **told}))

    def __call__(self, *args, told=None, **kw):
        return self.cay("--criu", FAKE, *args, env=self.env(**(told or {})), **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, r
        return r

    def checkpoint(self, id, *options, **kw):
        return self("checkpoint", "--image-path", self.images, *options, id, **kw)

    def restore(self, bundle, id, *options, **kw):
        return self.quiet("restore", "-d", "--image-path", self.images, "-b", bundle.path, *options, id, **kw)

    def quiet(self, *args, told=None, **kw):
        """The restored process keeps our stdio, so no pipe is read to its end."""
        argv = self.cay.argv("--criu", FAKE, *args)
        with open(self.cay.dir / "stderr", "w+b") as err:
            kw.setdefault("stdout", subprocess.DEVNULL)
            rc = subprocess.run(argv, env=self.env(**(told or {})), stdin=subprocess.DEVNULL,
                                stderr=err, timeout=harness.TIMEOUT, **kw).returncode
            err.seek(0)
            return harness.Result(rc, "", err.read().decode(), argv)

    def requests(self):
        return [json.loads(ln) for ln in read(self.record).splitlines()]

    def last(self, kind):
        return [q for q in self.requests() if q["type"] == kind][-1]

    def dumped(self, bundle, *options):
        """Images of a container that is gone."""
        id = self.cay.start(bundle)
        assert self.checkpoint(id, *options).rc == 0
        return id


@pytest.fixture
def fake(cay):
    harness.cay_only("--criu")
    return Fake(cay)


@pytest.fixture
def sleeper(bundle):
    return bundle.args("sleep", "1000")


def alive(pid):
    s = harness.parse_status(read(f"/proc/{pid}/status").decode())
    return bool(s) and s["State"][0] not in "ZX"


# ---- with the fake ----------------------------------------------------------------------------

def test_a_checkpoint_names_what_is_outside(fake, cay, bundle):
    (bundle.path / "data").mkdir()
    (bundle.rootfs / "real").mkdir()
    (bundle.rootfs / "link").symlink_to("real")
    bundle.args("sleep", "1000").mount("/link/data", type="bind", source=str(bundle.path / "data"),
                                       options=["rbind"])
    reader, writer = os.pipe()
    id = cay.start(bundle, stdout=writer)
    key = os.readlink(f"/proc/self/fd/{writer}")
    pid = cay.pid(id)
    assert fake.checkpoint(id, "--leave-running", "--file-locks", "--tcp-established").rc == 0
    o = fake.last("DUMP")["opts"]
    assert (o["pid"], o["leave_running"], o["file_locks"], o["tcp_established"]) == (pid, 1, 1, 1)
    assert (o["ext_unix_sk"], o["shell_job"], o["orphan_pts_master"], o["notify_scripts"]) == (0, 0, 1, 1)
    assert o["root"] == str(bundle.rootfs)
    assert (o["manage_cgroups_mode"], o["empty_ns"]) == (6, 0x40000000)
    assert ["/real/data", "/link/data"] in o["ext_mnt"]
    assert ["/proc/keys", "/dev/null"] in o["ext_mnt"]
    assert id in o["freeze_cgroup"]
    saved = json.loads((fake.images / "descriptors.json").read_text())
    # stdin is /dev/null of the host: a file of a mount that the container has not.
    assert saved[0].startswith("file[") and saved[0] in o["external"]
    assert saved[1] == key
    assert cay.status(id) == "running"
    cay.destroy(id)
    os.close(reader)
    os.close(writer)


def test_the_notify_socket_is_from_outside_too(fake, cay, sleeper, monkeypatch):
    """Its mount is no part of config.json. A restore has a directory of its own for it."""
    (cay.dir / "manager").touch()
    monkeypatch.setenv("NOTIFY_SOCKET", str(cay.dir / "manager"))
    id = cay.create(sleeper)
    monkeypatch.delenv("NOTIFY_SOCKET")
    cay.ok("start", id)
    assert fake.checkpoint(id).rc == 0
    assert ["/run/notify", "/run/notify"] in fake.last("DUMP")["opts"]["ext_mnt"]
    cay.destroy(id)
    monkeypatch.setenv("NOTIFY_SOCKET", str(cay.dir / "manager"))
    other = cay.id()
    r = fake.restore(sleeper, other)
    assert r.rc == 0, r
    assert ["/run/notify", str(cay.root / other / "notify")] in fake.last("RESTORE")["opts"]["ext_mnt"]
    cay.destroy(other)


def test_a_joined_network_is_told_by_its_inode(fake, cay, sleeper):
    sleeper.namespace("network", "/proc/self/ns/net")
    id = cay.start(sleeper)
    fake.ok("checkpoint", "--image-path", fake.images, "--leave-running", id)
    assert f"net[{os.stat('/proc/self/ns/net').st_ino}]:extRootNetNS" in fake.last("DUMP")["opts"]["external"]
    cay.destroy(id)
    assert fake.restore(sleeper, id).rc == 0
    keys = dict(fake.last("RESTORE")["opts"]["inherit_fd"])
    assert "extRootNetNS" in keys
    cay.destroy(id)
    r = fake("checkpoint", "x", told={"version": [3, 9, 0]})
    assert "does not exist" in r.err


def test_an_old_criu_is_refused(fake, cay, sleeper):
    sleeper.namespace("network", "/proc/self/ns/net")
    id = cay.start(sleeper)
    r = fake.checkpoint(id, told={"version": [3, 9, 0]})
    assert "CRIU version 30900 must be 31100 or higher" in cay.error_line(r)
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_after_a_checkpoint_the_container_is_gone(fake, cay, sleeper):
    said = cay.dir / "poststop"
    sleeper.hook("poststop", f"echo gone > {said}")
    id = cay.start(sleeper)
    pid = cay.pid(id)
    assert fake.checkpoint(id).rc == 0
    assert not alive(pid)
    assert said.read_text() == "gone\n"
    assert "does not exist" in cay.fails("state", id).err


@pytest.mark.parametrize("how", [["--leave-running"], ["--pre-dump"]])
def test_it_runs_on_when_asked(fake, cay, sleeper, how):
    id = cay.start(sleeper)
    assert fake.checkpoint(id, *how).rc == 0
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_a_final_dump_names_the_parent(fake, cay, sleeper):
    id = cay.start(sleeper)
    fake.ok("checkpoint", "--pre-dump", "--image-path", cay.dir / "parent", id)
    fake.ok("checkpoint", "--image-path", fake.images, "--parent-path", "../parent", id)
    o = fake.last("DUMP")["opts"]
    assert (o["parent_img"], o["track_mem"]) == ("../parent", 1)


@pytest.mark.parametrize("told", [{"fail": "DUMP"}, {"die": "DUMP"}])
def test_a_failure_leaves_the_container_running(fake, cay, sleeper, told):
    id = cay.start(sleeper)
    line = cay.error_line(fake.checkpoint(id, told=told))
    assert "checkpoint failed: criu failed: type DUMP" in line
    if "fail" in told:
        assert "errno 3: Error (criu/fake.c:7): told to fail" in line
        assert str(fake.images / "dump.log") in line
    assert cay.status(id) == "running"
    assert cay.ok("exec", id, "echo", "well").out == "well\n"
    cay.destroy(id)


def test_the_log_goes_to_the_work_path(fake, cay, sleeper):
    id = cay.start(sleeper)
    work = cay.dir / "work"
    line = cay.error_line(fake.checkpoint(id, "--work-path", work, told={"fail": "DUMP"}))
    assert str(work / "dump.log") in line and (work / "dump.log").exists()
    assert not (fake.images / "dump.log").exists()
    cay.destroy(id)


@pytest.mark.parametrize("options, feature", [(["--pre-dump"], "MemTrack"), (["--lazy-pages"], "LazyPages")])
def test_a_missing_feature_is_named(fake, cay, sleeper, options, feature):
    id = cay.start(sleeper)
    line = cay.error_line(fake.checkpoint(id, *options, told={"features": []}))
    assert f"criu is missing features: {feature}" in line
    cay.destroy(id)


def test_lazy_pages_tell_when_they_are_served(fake, cay, sleeper):
    id = cay.start(sleeper)
    reader, writer = os.pipe()
    r = fake.checkpoint(id, "-lazy-pages", "-page-server", "[::1]:27", f"--status-fd={writer}", pass_fds=[writer])
    assert r.rc == 0, r
    os.close(writer)
    assert os.read(reader, 8) == b"\0"
    os.close(reader)
    o = fake.last("DUMP")["opts"]
    assert o["ps"] == ["::1", 27] and o["lazy_pages"] == 1


@pytest.mark.parametrize("options, why", [
    (["--page-server", "host"], "Use --page-server ADDRESS:PORT to specify page server"),
    (["--page-server", ":1"], "Use --page-server ADDRESS:PORT to specify page server"),
    (["--page-server", "host:0x1"], "Invalid port number"),
    (["--parent-path", "/parent"], "--parent-path must be relative"),
    (["--parent-path", "nowhere"], "invalid --parent-path"),
    (["--manage-cgroups-mode", "hard"], "Invalid manage-cgroups-mode value"),
    (["--empty-ns", "pid"], 'namespace "pid" is not supported'),
    (["--lazy-pages", "--status-fd", "1000"], "invalid --status-fd argument 1000"),
    (["--network-lock", "rope"], "must be iptables, nftables or skip"),
])
def test_bad_options_are_named(fake, cay, sleeper, options, why):
    id = cay.start(sleeper)
    assert why in cay.error_line(fake.checkpoint(id, *options))
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_only_a_running_container_can_be_checkpointed(fake, cay, sleeper):
    id = cay.create(sleeper)
    assert "Container cannot be checkpointed in created state" in cay.error_line(fake.checkpoint(id))
    cay.ok("start", id)
    cay.ok("kill", id, "KILL")
    cay.wait_status(id, "stopped")
    assert "Container cannot be checkpointed in stopped state" in cay.error_line(fake.checkpoint(id))
    cay.destroy(id)


def test_no_criu_is_said_so(cay, sleeper):
    harness.cay_only("--criu")
    id = cay.start(sleeper)
    line = cay.error_line(cay("--criu", "/nowhere/criu", "checkpoint", "--image-path", cay.dir / "i", id))
    assert 'run "/nowhere/criu" (is it installed?)' in line
    cay.destroy(id)


def test_a_restored_container_is_one_like_any_other(fake, cay, bundle):
    (bundle.path / "data").mkdir()
    bundle.args("sleep", "1000").mount("/new/data", type="bind", source=str(bundle.path / "data"),
                                       options=["bind"])
    id = fake.dumped(bundle)
    shutil.rmtree(bundle.rootfs / "new")
    pid_file = cay.dir / "pid"
    r = fake.restore(bundle, id, "--pid-file", pid_file)
    assert r.rc == 0, r
    s = cay.state(id)
    assert s["status"] == "running" and s["pid"] == int(pid_file.read_text()) and alive(s["pid"])
    q = fake.last("RESTORE")
    o = q["opts"]
    assert ["/new/data", str(bundle.path / "data")] in o["ext_mnt"]
    assert ["/dev/null", "/dev/null"] in o["ext_mnt"]
    assert (o["rst_sibling"], o["evasive_devices"], o["log_file"]) == (1, 1, "restore.log")
    # What the mount will lie on was made, and nothing was mounted.
    assert (bundle.rootfs / "new" / "data").is_dir()
    assert not harness.our_mounts(cay.token)
    # criu itself was in the container's cgroups, and is told to put the processes there.
    rows = [ln.split(":", 2) for ln in q["cgroup"].splitlines()]
    for _, controllers, path in rows:
        for name in controllers.split(","):
            assert [name, path] in o["cg_root"]
    assert any(id in path for _, _, path in rows)
    assert id in read(f"/proc/{s['pid']}/cgroup").decode()
    # Its root is a mount in a namespace of its own, and the directories are found from there.
    assert any(ln.split()[4] == o["root"] for ln in q["mounts"].splitlines())
    assert q["peer"] == q["pid"]
    cay.ok("kill", id, "KILL")
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_stdio_takes_its_old_place(fake, cay, sleeper):
    old = os.pipe()
    id = cay.start(sleeper, stdout=old[1])
    key = os.readlink(f"/proc/self/fd/{old[1]}")
    assert fake.checkpoint(id).rc == 0
    new = os.pipe()
    r = fake.restore(sleeper, id, told={"stdout": key, "argv": ["sh", "-c", "echo here; exec sleep 1000"]},
                     stdout=new[1])
    assert r.rc == 0, r
    assert os.read(new[0], 64) == b"here\n"
    # And once more: its stdout is the new one by now.
    assert fake.checkpoint(id).rc == 0
    assert json.loads((fake.images / "descriptors.json").read_text())[1] == os.readlink(f"/proc/self/fd/{new[1]}")
    for fd in (*old, *new):
        os.close(fd)


def test_in_the_foreground_its_exit_status_is_ours(fake, cay, sleeper):
    id = fake.dumped(sleeper)
    r = fake.quiet("restore", "--image-path", fake.images, "-b", sleeper.path, id,
                   told={"argv": ["sh", "-c", "exit 7"]})
    assert r.rc == 7, r
    assert "does not exist" in cay.fails("state", id).err


def test_signals_reach_a_restored_process(fake, cay, sleeper):
    id = fake.dumped(sleeper)
    p = subprocess.Popen(cay.argv("--criu", FAKE, "restore", "--image-path", fake.images, "-b", sleeper.path, id),
                         env=fake.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    cay.started.append(p)
    wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "running", "the restored container")
    p.send_signal(signal.SIGTERM)
    assert p.wait(harness.TIMEOUT) == 128 + signal.SIGTERM


def test_the_terminal_goes_to_the_console_socket(fake, cay, sleeper):
    sleeper.process["terminal"] = True
    with ConsoleSocket(cay.dir / "console") as sock:
        id = cay.create(sleeper, "--console-socket", sock.path)
        fd, _ = sock.receive()
        cay.ok("start", id)
        assert fake.checkpoint(id).rc == 0
        os.close(fd)
    with ConsoleSocket(cay.dir / "console2") as sock:
        r = fake.restore(sleeper, id, "--console-socket", sock.path, told={"terminal": True})
        assert r.rc == 0, r
        fd, name = sock.receive()
        assert os.isatty(fd) and name == b"orphan-pts-master"
        os.close(fd)
    line = cay.error_line(fake.restore(sleeper, cay.id()))
    assert "cannot allocate tty if cay will detach without setting console socket" in line
    cay.destroy(id)


@pytest.mark.parametrize("version, kept", [([3, 17, 1], False), ([3, 19, 0], True)])
def test_a_right_that_comes_back_is_told(fake, cay, sleeper, version, kept):
    """criu 3.19 is the first that keeps no_new_privs."""
    for asked in (True, False):
        sleeper.process["noNewPrivileges"] = asked
        id = fake.dumped(sleeper)
        r = fake.restore(sleeper, id, told={"version": version})
        assert r.rc == 0 and ("process.noNewPrivileges" in r.err) == (asked and not kept), r
        cay.destroy(id)


def test_hooks_of_a_restore(fake, cay, sleeper):
    said = cay.dir / "hooks"
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart"):
        sleeper.hook(kind, f"echo {kind} $(cat) >> {said}")
    sleeper.write()
    fake.images.mkdir()
    (fake.images / "inventory.img").touch()
    (fake.images / "descriptors.json").write_text("[]")
    id = cay.id()
    r = fake.restore(sleeper, id)
    assert r.rc == 0, r
    lines = [ln.split(" ", 1) for ln in said.read_text().splitlines()]
    assert [k for k, _ in lines] == ["prestart", "createRuntime"]
    for _, text in lines:
        s = json.loads(text)
        assert (s["status"], s["pid"], s["id"]) == ("creating", cay.pid(id), id)
    cay.destroy(id)


@pytest.mark.parametrize("told", [{"fail": "RESTORE"}, {"fail": "after"}, {"die": "RESTORE"}, {"hook": 1}])
def test_a_failed_restore_leaves_nothing(fake, cay, sleeper, told):
    id = fake.dumped(sleeper)
    if "hook" in told:
        sleeper.hook("createRuntime", "echo not so >&2; exit 1").write()
    line = fake.restore(sleeper, id, "--pid-file", cay.dir / "pid", told=told)
    line = cay.error_line(line)
    assert "restore failed: " in line
    assert ("not so" if "hook" in told else "criu failed: type RESTORE") in line
    assert "does not exist" in cay.fails("state", id).err
    assert harness.wait_no_leaks(cay.token) == {}
    assert not (cay.dir / "pid").exists()


def test_a_restore_killed_half_way_is_swept_up(fake, cay, sleeper):
    id = fake.dumped(sleeper)
    p = subprocess.Popen(cay.argv("--criu", FAKE, "restore", "-d", "--image-path", fake.images, "-b",
                                  sleeper.path, id), env=fake.env(hang="RESTORE"), stdin=subprocess.DEVNULL)
    cay.started.append(p)
    wait_for(lambda: any(q["type"] == "RESTORE" for q in fake.requests()), "the request")
    p.kill()
    p.wait(harness.TIMEOUT)
    assert id not in cay.ok("list", "-q").out
    cay.ok("delete", "--force", id)
    assert not harness.our_mounts(cay.token)


def test_an_id_in_use_can_not_be_restored(fake, cay, sleeper):
    id = fake.dumped(sleeper)
    cay.start(sleeper, id=id)
    assert "container with given ID already exists" in cay.error_line(fake.restore(sleeper, id))
    assert cay.status(id) == "running"
    cay.destroy(id)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[", '["a","b","c","d"]', '["pipe:[1]\\u0000"]'])
def test_bad_descriptors_are_refused(fake, cay, sleeper, text):
    sleeper.write()
    fake.images.mkdir()
    (fake.images / "descriptors.json").write_text(text)
    assert "descriptors.json" in cay.error_line(fake.restore(sleeper, cay.id()))


def test_no_images_no_container(fake, cay, sleeper):
    sleeper.write()
    line = cay.error_line(fake.restore(sleeper, cay.id()))
    assert f'--image-path "{fake.images}"' in line


def test_options_with_a_single_dash_as_containerd_writes_them(fake, cay, sleeper):
    id = cay.start(sleeper)
    fake.ok("checkpoint", "-image-path", fake.images, "-work-path", cay.dir / "w", "-tcp-established",
            "-ext-unix-sk", "-shell-job", "-file-locks", "-manage-cgroups-mode", "soft", id)
    o = fake.last("DUMP")["opts"]
    assert (o["tcp_established"], o["ext_unix_sk"], o["shell_job"], o["file_locks"]) == (1, 1, 1, 1)
    assert o["manage_cgroups_mode"] == 3
    r = fake.quiet("restore", "--image-path", fake.images, "--work-path", cay.dir / "w", "--detach", "-no-subreaper",
                   "-no-pivot", "--lsm-profile", "apparmor:x", "--lsm-mount-context", "c", "--bundle", sleeper.path, id)
    assert r.rc == 0, r
    o = fake.last("RESTORE")["opts"]
    assert (o["lsm_profile"], o["lsm_mount_context"]) == ("apparmor:x", "c")
    cay.destroy(id)


def test_every_option_reaches_criu(fake, cay, sleeper):
    both = ["--tcp-established", "--tcp-close", "--ext-unix-sk", "--shell-job", "--file-locks", "--auto-dedup",
            "--lazy-pages", "--manage-cgroups-mode", "strict", "--empty-ns", "network", "--network-lock", "nftables"]
    want = {"tcp_established": 1, "tcp_close": 1, "ext_unix_sk": 1, "shell_job": 1, "file_locks": 1, "auto_dedup": 1,
            "lazy_pages": 1, "manage_cgroups_mode": 5, "empty_ns": 0x40000000, "network_lock": 2}
    id = cay.start(sleeper)
    fake.ok("checkpoint", "--image-path", fake.images, *both, "--tcp-skip-in-flight", "--link-remap", id)
    want_more = dict(want, tcp_skip_in_flight=1, link_remap=1)
    o = fake.last("DUMP")["opts"]
    assert {k: o.get(k) for k in want_more} == want_more
    (sleeper.path / "config.json").rename(sleeper.path / "other.json")
    r = fake.restore(sleeper, id, "-f", "other.json", *both)
    assert r.rc == 0, r
    o = fake.last("RESTORE")["opts"]
    # What "strict" asks for beyond "full", cgroups that are new, we see to ourselves.
    want["manage_cgroups_mode"] = 4
    assert {k: o.get(k) for k in want} == want
    cay.destroy(id)


def test_strict_cgroups_of_a_restore_must_be_new(fake, cay, sleeper):
    id = cay.start(sleeper)
    dirs = [d for d in harness.cgroup_dirs_of(cay.pid(id)).values() if id in str(d)]
    fake.ok("checkpoint", "--image-path", fake.images, id)
    assert dirs and not any(d.exists() for d in dirs)
    dirs[0].mkdir()
    line = cay.error_line(fake.restore(sleeper, id, "--manage-cgroups-mode", "strict"))
    assert f'--manage-cgroups-mode strict: cgroup "{dirs[0]}" is there already' in line
    assert dirs[0].is_dir() and id not in cay.ok("list", "-q").lines
    dirs[0].rmdir()
    r = fake.restore(sleeper, id, "--manage-cgroups-mode", "strict")
    assert r.rc == 0, r
    cay.destroy(id)


def test_the_annotation_chooses_crius_configuration(fake, cay, sleeper):
    for value, want in ((None, "/etc/criu/runc.conf"), ("/x.conf", "/x.conf"), ("", None)):
        sleeper.config["annotations"] = {} if value is None else {"org.criu.config": value}
        id = cay.start(sleeper)
        fake.ok("checkpoint", "--image-path", fake.images, "--leave-running", id)
        assert fake.last("DUMP")["opts"].get("config_file") in (want, want and want.replace("runc.conf", "cay.conf"))
        cay.destroy(id)


def test_engines_find_out_that_it_can(cay):
    harness.cay_only("that")
    f = json.loads(cay.ok("features").out)
    assert f["annotations"]["org.opencontainers.runc.checkpoint.enabled"] == "true"
    assert "org.criu.config" in f["potentiallyUnsafeConfigAnnotations"]
    # podman asks so.
    assert cay("checkpoint", "--help").rc == 0
    assert "flag needs an argument" in cay.fails("restore", "--lsm-mount-context").err
