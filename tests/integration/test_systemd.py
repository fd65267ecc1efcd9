# SPDX-License-Identifier: Apache-2.0
"""Containers as units of systemd: scopes with their properties, on the system's and on a user's bus."""
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

import pytest

import harness
from harness import CGROUP_ROOT, read, run, skip, wait_for

USER = "user"
HELPER = pathlib.Path(harness.CAY).resolve().with_name("cay-systemd")
LIMITS = {"memory": {"limit": 64 << 20}, "cpu": {"quota": 50000, "period": 100000, "shares": 512},
          "pids": {"limit": 20}}


def need_systemd():
    if not os.path.isdir("/run/systemd/system"):
        skip("a running systemd")
    if not HELPER.exists():
        skip("cay-systemd (libsystemd-dev)")


def need_v2():
    if not (CGROUP_ROOT / "cgroup.controllers").exists():
        skip("pure cgroup v2")


class Scoped:
    """cay --systemd-cgroup, and what systemd says about it; as root or as a user."""

    def __init__(self, cay, user=None):
        self.cay, self.user = cay, user
        self.env = dict(os.environ)
        if user:
            who = pwd.getpwnam(user)
            self.env.update(HOME=who.pw_dir, USER=user, XDG_RUNTIME_DIR=f"/run/user/{who.pw_uid}",
                            DBUS_SESSION_BUS_ADDRESS=f"unix:path=/run/user/{who.pw_uid}/bus")

    def argv(self, argv):
        if self.user:
            argv = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--", *argv]
        return [str(a) for a in argv]

    def call(self, argv, **kw):
        return run(self.argv(argv), env=kw.pop("env", self.env), **kw)

    def __call__(self, *args, **kw):
        return self.call(self.cay.argv("--systemd-cgroup", *args), **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, r
        return r

    def systemctl(self, *args):
        return self.call(["systemctl", *(["--user"] if self.user else []), *args])

    def show(self, unit, *names):
        out = self.systemctl("show", unit, *[a for n in names for a in ("-p", n)]).out
        return dict(line.split("=", 1) for line in out.splitlines())

    def gone(self, unit):
        return self.show(unit, "LoadState")["LoadState"] == "not-found"

    def start(self, bundle, id=None):
        """A container that runs; its id and the name of its scope."""
        id = id or self.cay.id()
        bundle.write()
        self.detached(bundle, id)
        return id, f"cay-{id}.scope"

    def detached(self, bundle, id):
        argv = self.argv(self.cay.argv("--systemd-cgroup", "run", "-d", "-b", bundle.path, id))
        with open(self.cay.dir / "stderr", "w+b") as err:
            rc = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=err, timeout=harness.TIMEOUT).returncode
            err.seek(0)
            assert rc == 0, err.read()


@pytest.fixture
def scoped(cay):
    need_systemd()
    return Scoped(cay)


@pytest.fixture
def sleeper(bundle):
    return bundle.args("sleep", "1000")


@pytest.fixture
def rootless(cay, bundle):
    """The same for a user with a session of systemd's."""
    need_systemd()
    harness.need("setpriv", "loginctl")
    try:
        uid = pwd.getpwnam(USER).pw_uid
    except KeyError:
        skip(f"a user named {USER}")
    subprocess.run(["loginctl", "enable-linger", USER], check=True, timeout=harness.TIMEOUT)
    wait_for(lambda: os.path.exists(f"/run/user/{uid}/bus"), "the user's bus", 60)
    bundle.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
    bundle.config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
    bundle.namespace("user")
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "network"]
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] not in ("sysfs", "mqueue")]
    for m in bundle.config["mounts"]:
        m["options"] = [o for o in m.get("options", []) if not o.startswith("gid=")]
    bundle.linux["resources"] = {}
    bundle.write()
    for d in (cay.dir, cay.shm):
        subprocess.run(["chown", "-R", f"{USER}:", str(d)], check=True, timeout=60)
    return Scoped(cay, USER)


def cgroup_of(pid):
    return pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1].split(":", 2)[2]


# ---- what is made ---------------------------------------------------------------------------

def test_a_scope_carries_the_limits_and_delete_removes_it(scoped, sleeper):
    need_v2()
    sleeper.linux["resources"].update(LIMITS)
    id, unit = scoped.start(sleeper)
    got = scoped.show(unit, "MemoryMax", "CPUQuotaPerSecUSec", "CPUWeight", "TasksMax", "Delegate", "Slice",
                      "ActiveState", "ControlGroup")
    assert got == {"MemoryMax": str(64 << 20), "CPUQuotaPerSecUSec": "500ms", "CPUWeight": "20",
                   "TasksMax": "20", "Delegate": "yes", "Slice": "system.slice", "ActiveState": "active",
                   "ControlGroup": f"/system.slice/{unit}"}
    d = CGROUP_ROOT / "system.slice" / unit
    assert [(d / f).read_text().strip() for f in ("memory.max", "cpu.max", "cpu.weight", "pids.max")] == \
        [str(64 << 20), "50000 100000", "20", "20"]
    assert cgroup_of(scoped.cay.pid(id)) == f"/system.slice/{unit}"
    scoped.ok("delete", "--force", id)
    assert scoped.gone(unit)
    assert not d.exists()


def test_on_v1_the_scope_is_in_every_hierarchy(scoped, sleeper):
    """systemd moves processes in those it uses; the others are ours."""
    if not (CGROUP_ROOT / "memory" / "tasks").exists() or not (CGROUP_ROOT / "pids" / "system.slice").exists():
        skip("cgroup v1 with systemd in charge")
    sleeper.linux["resources"].update(LIMITS, hugepageLimits=[{"pageSize": "2MB", "limit": 4 << 20}])
    id, unit = scoped.start(sleeper)
    assert scoped.show(unit, "MemoryLimit", "CPUQuotaPerSecUSec", "CPUShares", "TasksMax", "Slice", "ControlGroup") == {
        "MemoryLimit": str(64 << 20), "CPUQuotaPerSecUSec": "500ms", "CPUShares": "512", "TasksMax": "20",
        "Slice": "system.slice", "ControlGroup": f"/system.slice/{unit}"}
    assert scoped.systemctl("daemon-reload").rc == 0
    dirs = harness.cgroup_dirs_of(scoped.cay.pid(id))
    assert {d.name for d in dirs.values()} == {unit}, dirs
    want = {"memory": ("memory.limit_in_bytes", str(64 << 20)), "cpu": ("cpu.cfs_quota_us", "50000"),
            "cpuacct": ("cpu.shares", "512"), "pids": ("pids.max", "20"),
            "hugetlb": ("hugetlb.2MB.limit_in_bytes", str(4 << 20))}
    assert {k: (f, (dirs[k] / f).read_text().strip()) for k, (f, _) in want.items()} == want
    scoped.ok("delete", "--force", id)
    assert scoped.gone(unit)
    assert [d for d in dirs.values() if d.exists()] == []


def test_reloading_systemd_keeps_every_limit(scoped, sleeper):
    need_v2()
    sleeper.linux["resources"].update(LIMITS, unified={"memory.high": str(48 << 20)})
    id, unit = scoped.start(sleeper)
    d = CGROUP_ROOT / "system.slice" / unit
    files = ("memory.max", "memory.high", "cpu.max", "cpu.weight", "pids.max")
    before = [(d / f).read_text() for f in files]
    assert scoped.systemctl("daemon-reload").rc == 0
    assert scoped.systemctl("set-property", "--runtime", unit, "CPUWeight=30").rc == 0
    after = [(d / f).read_text() for f in files]
    before[3] = "30\n"
    assert after == before
    scoped.ok("delete", "--force", id)


def test_the_path_names_slice_prefix_and_name(scoped, sleeper):
    id = scoped.cay.id()
    sleeper.linux["cgroupsPath"] = f"cayt-deep.slice:pre:{id}"
    scoped.start(sleeper, id)
    unit = f"pre-{id}.scope"
    assert scoped.show(unit, "Slice", "ControlGroup") == {
        "Slice": "cayt-deep.slice", "ControlGroup": f"/cayt.slice/cayt-deep.slice/{unit}"}
    scoped.ok("delete", "--force", id)
    assert scoped.gone(unit)
    scoped.systemctl("stop", "cayt-deep.slice", "cayt.slice")


def test_annotations_set_properties(scoped, sleeper):
    sleeper.config["annotations"] = {"org.systemd.property.TimeoutStopSec": "2.5",
                                     "org.systemd.property.CollectMode": "'inactive'",
                                     "org.systemd.property.CPUWeight": "uint64 77"}
    id, unit = scoped.start(sleeper)
    assert scoped.show(unit, "TimeoutStopUSec", "CollectMode", "CPUWeight") == {
        "TimeoutStopUSec": "2.500000s", "CollectMode": "inactive", "CPUWeight": "77"}
    scoped.ok("delete", "--force", id)


def test_exec_runs_in_the_scope(scoped, sleeper):
    id, unit = scoped.start(sleeper)
    out = scoped.ok("exec", id, "cat", "/proc/self/cgroup").out
    assert [ln for ln in out.splitlines() if ln != "0::/"][-1].endswith(f"/system.slice/{unit}"), out
    scoped.ok("delete", "--force", id)


def test_a_cgroup_namespace_starts_at_the_scope(scoped, sleeper):
    need_v2()
    sleeper.namespace("cgroup")
    sleeper.mount("/sys/fs/cgroup", type="cgroup", source="cgroup", options=["ro"])
    sleeper.linux["resources"].update(LIMITS)
    id, _ = scoped.start(sleeper)
    out = scoped.ok("exec", id, "sh", "-c", "cat /proc/1/cgroup /sys/fs/cgroup/memory.max").out
    assert out.split() == ["0::/", str(64 << 20)]
    scoped.ok("delete", "--force", id)


def test_stopping_the_unit_stops_the_container(scoped, sleeper):
    id, unit = scoped.start(sleeper.args("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"))
    assert scoped.systemctl("stop", unit).rc == 0
    scoped.cay.wait_status(id, "stopped")
    scoped.ok("delete", id)
    assert scoped.gone(unit)


def test_delete_takes_what_the_container_left_in_its_scope(scoped, bundle):
    """Without a pid namespace of its own the first process takes nobody along."""
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "pid"]
    id, unit = scoped.start(bundle.sh("sleep 1000 & exit 0"))
    scoped.cay.wait_status(id, "stopped")
    scoped.ok("delete", id)
    assert scoped.gone(unit)


def test_a_unit_that_failed_is_no_obstacle(scoped, bundle):
    need_v2()
    id = scoped.cay.id()
    bundle.linux["resources"]["memory"] = {"limit": 8 << 20}
    for _ in range(2):
        _, unit = scoped.start(bundle.sh("dd if=/dev/zero of=/dev/null bs=64M count=1; kill -KILL $$"), id)
        scoped.cay.wait_status(id, "stopped")
        scoped.ok("delete", id)
        assert scoped.gone(unit)


# ---- what fails -----------------------------------------------------------------------------

def failure(scoped, bundle, env=None, program=None):
    id = scoped.cay.id()
    bundle.write()
    argv = scoped.cay.argv("--systemd-cgroup", "run", "-b", bundle.path, id)
    r = run([program or argv[0], *argv[1:]], env=env or scoped.env)
    line = scoped.cay.error_line(r)
    assert scoped.gone(f"cay-{id}.scope")
    assert not (scoped.cay.root / id).exists()
    return line


def test_a_program_that_is_missing_leaves_no_unit(scoped, bundle):
    assert "no-such-program" in failure(scoped, bundle.args("no-such-program"))


def test_a_bus_that_is_missing_is_named(scoped, sleeper):
    line = failure(scoped, sleeper, dict(scoped.env, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere/bus"))
    assert "no connection to the system bus" in line


def test_a_bus_that_does_not_answer_is_given_up(scoped, sleeper):
    path = str(scoped.cay.dir / "bus")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen(8)
        begin = time.monotonic()
        line = failure(scoped, sleeper, dict(scoped.env, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={path}"))
        assert time.monotonic() - begin < 50
        assert "systemd" in line or "bus" in line


def test_a_helper_that_is_missing_is_named(scoped, sleeper):
    if os.path.exists("/usr/local/libexec/cay/cay-systemd"):
        skip("a host without an installed cay-systemd")
    lonely = scoped.cay.dir / "cay"
    shutil.copy(harness.CAY, lonely)
    assert "cay-systemd" in failure(scoped, sleeper, program=str(lonely))


def test_a_bad_property_is_named(scoped, sleeper):
    sleeper.config["annotations"] = {"org.systemd.property.NoSuchThing": "true"}
    assert "NoSuchThing" in failure(scoped, sleeper)
    sleeper.config["annotations"] = {"org.systemd.property.TimeoutStopSec": "soon"}
    assert "TimeoutStopSec" in failure(scoped, sleeper)


def test_a_path_of_the_other_driver_is_refused(scoped, sleeper):
    sleeper.linux["cgroupsPath"] = "/some/where"
    assert "slice:prefix:name" in failure(scoped, sleeper)


def test_a_unit_that_exists_is_left_alone(scoped, sleeper):
    id, unit = scoped.start(sleeper)
    other = scoped.cay.id()
    sleeper.linux["cgroupsPath"] = f":cay:{id}"
    sleeper.write()
    r = scoped("run", "-b", sleeper.path, other)
    assert r.rc != 0
    assert unit in scoped.cay.error_line(r) or "not empty" in r.err
    assert scoped.cay.status(id) == "running"
    scoped.ok("delete", "--force", id)


# ---- rootless -------------------------------------------------------------------------------

def test_a_user_gets_a_scope_of_their_own_manager(rootless, sleeper):
    need_v2()
    sleeper.linux["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}
    id, unit = rootless.start(sleeper)
    got = rootless.show(unit, "MemoryMax", "TasksMax", "ControlGroup")
    assert got["MemoryMax"] == str(64 << 20) and got["TasksMax"] == "20"
    assert got["ControlGroup"].endswith(f"/user@{pwd.getpwnam(USER).pw_uid}.service/user.slice/{unit}")
    # From where we stand the user may not move processes there: systemd does it.
    assert rootless.ok("exec", id, "cat", "/proc/self/cgroup").out.strip().endswith(got["ControlGroup"])
    rootless.ok("delete", "--force", id)
    assert rootless.gone(unit)


def test_a_user_without_a_bus_is_told_so(rootless, sleeper):
    env = dict(rootless.env, XDG_RUNTIME_DIR=str(rootless.cay.dir))
    del env["DBUS_SESSION_BUS_ADDRESS"]
    sleeper.write()
    r = rootless("run", "-b", sleeper.path, rootless.cay.id(), env=env)
    assert "no connection to the user bus" in rootless.cay.error_line(r)


def test_a_user_with_a_delegated_cgroup_needs_no_systemd(rootless, sleeper):
    """The other driver, below a scope that systemd has given to the user."""
    need_v2()
    sleeper.linux["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}
    sleeper.write()
    id = rootless.cay.id()
    argv = ["systemd-run", "--user", "--scope", "--quiet", "-p", "Delegate=yes", "--",
            *rootless.cay.argv("run", "-d", "-b", sleeper.path, id)]
    r = subprocess.run(rootless.argv(argv), env=rootless.env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=harness.TIMEOUT)
    assert r.returncode == 0
    path = cgroup_of(json.loads(rootless.call(rootless.cay.argv("state", id)).out)["pid"])
    d = CGROUP_ROOT / path.lstrip("/")
    assert f"/user@{pwd.getpwnam(USER).pw_uid}.service/" in path and path.endswith(f"/{id}")
    assert [(d / f).read_text().strip() for f in ("memory.max", "pids.max")] == [str(64 << 20), "20"]
    rootless.call(rootless.cay.argv("delete", "--force", id))
    assert not d.exists()


# ---- no cgroup at all -----------------------------------------------------------------------

def test_without_a_manager_the_container_stays_where_we_are(cay, bundle):
    id = cay.id()
    bundle.args("sleep", "1000").write()
    r = subprocess.run(cay.argv("--cgroup-manager", "disabled", "run", "-d", "-b", bundle.path, id),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=harness.TIMEOUT)
    assert r.returncode == 0
    own = pathlib.Path("/proc/self/cgroup").read_text()
    assert pathlib.Path(f"/proc/{cay.pid(id)}/cgroup").read_text() == own
    assert cay.ok("exec", id, "echo", "here").out == "here\n"
    assert str(cay.pid(id)) in cay.ok("ps", id).out
    cay.ok("kill", id, "KILL")
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_without_a_manager_a_limit_is_refused(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 64 << 20}
    bundle.write()
    r = cay("--cgroup-manager", "disabled", "run", "-b", bundle.path, cay.id())
    assert "linux.resources.memory" in cay.error_line(r)


def test_an_unknown_manager_is_refused(cay):
    assert "must be cgroupfs, systemd or disabled" in cay.error_line(cay("--cgroup-manager", "x", "list"))


# ---- podman ---------------------------------------------------------------------------------

def podman(scoped, *args, **kw):
    home = scoped.cay.dir
    return scoped.call(["podman", "--root", home / "storage", "--runroot", home / "run", "--tmpdir", home / "tmp",
                        "--cgroup-manager=systemd", "--storage-driver=vfs", "--runtime", harness.CAY,
                        *args], **kw)


def podman_cycle(scoped, bundle):
    harness.need("podman", "conmon")
    name = scoped.cay.id()
    r = podman(scoped, "run", "-d", "--name", name, "--network=none", "--memory=64m", "--pids-limit=30", "--rootfs",
               str(bundle.rootfs), "sleep", "1000", timeout=120)
    assert r.rc == 0, r
    try:
        cid = r.out.strip()
        unit = f"libpod-{cid}.scope"
        shown = scoped.show(unit, "MemoryMax", "TasksMax", "ActiveState", "ControlGroup")
        assert (shown["MemoryMax"], shown["TasksMax"], shown["ActiveState"]) == (str(64 << 20), "30", "active")
        pid = int(podman(scoped, "inspect", "--format", "{{.State.Pid}}", name, timeout=60).out)
        # podman gives the container a cgroup below its scope only with crun's annotation.
        assert cgroup_of(pid).startswith(shown["ControlGroup"])
        assert podman(scoped, "exec", name, "echo", "in", timeout=60).out == "in\n"
    finally:
        r = podman(scoped, "rm", "-f", "-t", "0", name, timeout=120)
    assert r.rc == 0, r
    wait_for(lambda: scoped.gone(unit), "the scope to go")


def test_podman_runs_scopes_as_root(scoped, bundle):
    need_v2()
    podman_cycle(scoped, bundle)


def test_podman_runs_scopes_rootless(rootless, bundle):
    need_v2()
    harness.need("newuidmap")
    if USER.encode() not in read("/etc/subuid"):
        skip(f"subordinate ids of {USER}")
    podman_cycle(rootless, bundle)
