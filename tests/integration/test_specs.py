# SPDX-License-Identifier: Apache-2.0
"""Default bundles of `runc spec` and `crun spec` run with the same visible result."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

from harness import TIMEOUT, need, normal_mounts, parse_status, run, run_pty, skip

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time")
USER = "caytest"
SUBIDS = (200000, 65536)

# One section a question; the answers are compared one by one.
SCRIPT = """
s() { echo "=== $1"; }
s namespaces; for n in %s; do echo $n $(readlink /proc/self/ns/$n); done
s mounts; cat /proc/self/mountinfo
s status; cat /proc/self/status
s rlimits; probe rlimits
s maps; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
s id; id -u; id -g; id -G; umask
s names; hostname; cat /proc/sys/kernel/domainname; pwd
s environment; env | sort
s devices; cd /dev; for f in *; do [ -L $f ] && echo $f $(readlink $f) || stat -c '%%n %%a %%u:%%g %%F %%t:%%T' $f; done
s oom; cat /proc/self/oom_score_adj
s fds; probe fds | cut -d' ' -f1
s pids; set -- /proc/[0-9]*; echo $#
s root; ls -A /; stat -c '%%a %%u:%%g' / /proc /sys /dev /dev/shm
s writable; for d in / /tmp /proc/sys/kernel /sys /dev /dev/shm; do probe mkdir $d/x; done
""" % " ".join(NAMESPACES)


def sections(text):
    out, name = {}, None
    for ln in text.splitlines():
        if ln.startswith("=== "):
            name = ln[4:]
            out[name] = []
        elif name:
            out[name].append(ln)
    return {k: "\n".join(v) for k, v in out.items()}


def normal(text, config, drop_cgroup):
    """What two runtimes must agree on.

    Namespaces: which of them are not the host's; their numbers differ by nature.
    Mounts: see harness.normal_mounts. drop_cgroup: the reference had to run without the v2
    hierarchy (crun refuses hybrid ones), so what lies below /sys/fs/cgroup can't be compared.
    Status: only what a runtime sets.
    """
    s = sections(text)
    host = {n: os.readlink(f"/proc/self/ns/{n}") for n in NAMESPACES}
    s["namespaces"] = {n for n, link in (ln.split() for ln in s["namespaces"].splitlines())
                       if host[n] != link}
    masked = config["linux"].get("maskedPaths", [])
    s["mounts"] = normal_mounts(s["mounts"], masked)
    if drop_cgroup:
        s["mounts"] = [m for m in s["mounts"] if not m[0].startswith("/sys/fs/cgroup")]
    st = parse_status(s["status"])
    s["status"] = {k: st[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
                                      "Seccomp", "Uid", "Gid", "Groups", "Cpus_allowed")}
    return s


def compare(got, want):
    assert set(got) == set(want)
    for k in want:
        assert got[k] == want[k], k


def spec_of(program, path, *options, **kw):
    need(program)
    r = run([program, "spec", *options], cwd=path, **kw)
    assert r.rc == 0, r
    return json.loads((path / "config.json").read_text())


PURE_V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
CRUN = ["unshare", "-m", "--propagation", "private", "sh", "-c",
        'umount /sys/fs/cgroup/unified; exec "$@"', "sh"]


def reference(cay, program, bundle, id):
    """The bundle under the runtime that its specification came from."""
    argv = cay.other(program).argv("run", "-b", bundle.path, id)
    hybrid = os.path.ismount("/sys/fs/cgroup/unified")
    return run([*CRUN, *argv] if program == "crun" and hybrid else argv)


@pytest.mark.parametrize("program", ["runc", "crun"])
def test_the_default_bundle_shows_the_same_inside(cay, bundle, program):
    bundle.config = spec_of(program, bundle.path)
    bundle.process["terminal"] = False
    bundle.sh(SCRIPT).write()
    id = cay.id()
    want = reference(cay, program, bundle, id)
    assert want.rc == 0, want
    for d in ("x", "tmp/x"):
        shutil.rmtree(bundle.rootfs / d, ignore_errors=True)
    got = cay.run(bundle, id=id)
    assert got.rc == 0, got
    crun = program == "crun"
    g, w = normal(got.out, bundle.config, crun), normal(want.out, bundle.config, crun)
    if crun:
        # crun links /dev/core even where the kernel has no /proc/kcore.
        w["devices"] = w["devices"].replace("core /proc/kcore\n", "") if not os.path.exists("/proc/kcore") \
            else w["devices"]
        # crun gives the empty HOME of a root without passwd entry, and reads passwd.
        assert {ln for ln in w["environment"].splitlines()} ^ {ln for ln in g["environment"].splitlines()} <= \
            {"HOME=/root"}
        del g["environment"], w["environment"]
        # The root of crun is private where that of runc follows the host.
        for x in (g, w):
            x["mounts"] = [(*m[:5], *m[6:]) for m in x["mounts"]]
    compare(g, w)


@pytest.mark.parametrize("program", ["runc", "crun", "self"])
def test_the_default_bundle_runs_unchanged(cay, bundle, program):
    bundle.config = spec_of(cay.program if program == "self" else program, bundle.path)
    assert bundle.process["terminal"] and bundle.process["args"] == ["sh"]
    rc, out = run_pty(cay.argv("run", "-b", bundle.path, cay.id()), input="echo $((6*7)); exit 7\n")
    assert rc == 7, out
    assert "42" in out


# ---- without root ---------------------------------------------------------------------------

def set_subids(lines):
    for f in ("/etc/subuid", "/etc/subgid"):
        p = pathlib.Path(f)
        old = p.read_text().splitlines() if p.exists() else []
        new = [ln for ln in old if not ln.startswith(USER + ":")] + lines
        if new != old:
            p.write_text("".join(ln + "\n" for ln in new))


@pytest.fixture(scope="module")
def user():
    """An ordinary user of our own; the lines of others in /etc/subuid stay as they are."""
    if os.geteuid() != 0:
        skip("root")
    need("useradd", "userdel", "runuser")
    try:
        pwd.getpwnam(USER)
        ours = False
    except KeyError:
        subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", USER], check=True,
                       capture_output=True, timeout=TIMEOUT)
        ours = True
    before = [ln for ln in pathlib.Path("/etc/subuid").read_text().splitlines()
              if ln.startswith(USER + ":")]
    set_subids([])
    yield pwd.getpwnam(USER)
    set_subids([] if ours else before)
    if ours:
        subprocess.run(["userdel", USER], capture_output=True, timeout=TIMEOUT)


class Rootless:
    def __init__(self, cay, user):
        self.cay, self.user = cay, user
        self.xdg = cay.shm / "xdg"
        self.xdg.mkdir(mode=0o700)
        os.chown(self.xdg, user.pw_uid, user.pw_gid)
        # The build may lie where the user can't reach it.
        self.bin = cay.shm / "bin"
        self.bin.mkdir(mode=0o755)
        self.bin.chmod(0o755)
        self.programs = {}

    def program(self, path):
        path = shutil.which(path)
        if path not in self.programs:
            to = self.bin / os.path.basename(path)
            shutil.copy(path, to)
            to.chmod(0o755)
            self.programs[path] = to
        return self.programs[path]

    def run(self, argv, around=(), **kw):
        return run([*around, "runuser", "-u", USER, "--", "env", "-i", f"PATH={os.environ['PATH']}:/usr/sbin:/sbin",
                    f"XDG_RUNTIME_DIR={self.xdg}", "HOME=/", *argv], **kw)

    def give(self, bundle):
        subprocess.run(["chown", "-R", f"{USER}:", str(bundle.path)], check=True, timeout=TIMEOUT)

    def spec(self, program, bundle):
        self.give(bundle)
        (bundle.path / "config.json").unlink(missing_ok=True)
        r = self.run([self.program(program), "spec", "--rootless"], cwd=bundle.path)
        assert r.rc == 0, r
        bundle.config = json.loads((bundle.path / "config.json").read_text())
        bundle.process["terminal"] = False

    def container(self, program, bundle, id, *options):
        bundle.write()
        root = self.xdg / os.path.basename(program)
        return self.run([self.program(program), "--root", root, "run", *options, "-b", bundle.path, id],
                        around=CRUN if program == "crun" else [])


@pytest.fixture
def rootless(cay, user):
    return Rootless(cay, user)


def with_subids(bundle, user):
    set_subids([f"{USER}:{SUBIDS[0]}:{SUBIDS[1]}"])
    for k, own in (("uidMappings", user.pw_uid), ("gidMappings", user.pw_gid)):
        bundle.linux[k] = [{"containerID": 0, "hostID": own, "size": 1},
                           {"containerID": 1, "hostID": SUBIDS[0], "size": SUBIDS[1]}]


@pytest.mark.parametrize("subids", [False, True], ids=["own id only", "with subuids"])
@pytest.mark.parametrize("program", ["runc", "crun"])
def test_the_rootless_bundle_shows_an_ordinary_user_the_same_as_under_runc(cay, bundle, rootless, user,
                                                                          program, subids):
    if subids:
        need("newuidmap", "newgidmap")
    rootless.spec(program, bundle)
    try:
        if subids:
            with_subids(bundle, user)
        bundle.sh(SCRIPT)
        id = cay.id()
        # crun's template maps no ids: crun itself does, runc refuses.
        reference = "runc" if bundle.linux.get("uidMappings") else "crun"
        want = rootless.container(reference, bundle, id)
        if want.rc != 0:
            skip(f"{reference} that can do it here: {want.err}")
        for d in ("x", "tmp/x"):
            shutil.rmtree(bundle.rootfs / d, ignore_errors=True)
        got = rootless.container(cay.program, bundle, id)
        assert got.rc == 0, got
    finally:
        set_subids([])
    # runc shows the host's cgroups (CVE-2023-25809 was about that); cay covers those of v1, and
    # shows those of v2 read-only.
    top = [m for m in normal_mounts(sections(got.out)["mounts"]) if m[0] == "/sys/fs/cgroup"][-1]
    assert top[2] == ("cgroup2" if PURE_V2 else "tmpfs") and "ro" in top[4]
    g, w = normal(got.out, bundle.config, True), normal(want.out, bundle.config, True)
    # runc keeps the groups of the caller when it has to set none; cay drops them.
    if not bundle.process["user"].get("additionalGids"):
        for x in (g, w):
            x["status"].pop("Groups")
            x["id"] = x["id"].splitlines()[:2]
    if reference == "crun":  # its binds of devices have flags of their own: compare what is where
        for x in (g, w):
            x["mounts"] = [m[0] for m in x["mounts"]]
            x["devices"] = x["devices"].replace("core /proc/kcore\n", "")
            del x["environment"]
    compare(g, w)


@pytest.mark.parametrize("subids", [False, True], ids=["own id only", "with subuids"])
def test_an_ordinary_user_runs_a_container(cay, bundle, rootless, user, subids):
    if subids:
        need("newuidmap", "newgidmap")
    rootless.spec(cay.program, bundle)
    try:
        if subids:
            with_subids(bundle, user)
            bundle.process["user"] = {"uid": 5, "gid": 6, "additionalGids": [7]}
        bundle.sh("id -u; cat /proc/self/uid_map; touch /tmp/mine; exit 42")
        bundle.config["root"]["readonly"] = False
        r = rootless.container(cay.program, bundle, cay.id())
    finally:
        set_subids([])
    assert r.rc == 42, r
    assert r.lines[0] == ("5" if subids else "0")
    assert r.lines[1].split() == ["0", str(user.pw_uid), "1"]
    if subids:
        assert r.lines[2].split() == ["1", str(SUBIDS[0]), str(SUBIDS[1])]
    assert (bundle.rootfs / "tmp/mine").stat().st_uid == (SUBIDS[0] + 4 if subids else user.pw_uid)


def test_an_ordinary_user_lives_through_the_whole_cycle(cay, bundle, rootless):
    rootless.spec(cay.program, bundle)
    bundle.args("sleep", "1000").write()
    id = cay.id()
    do = [rootless.program(cay.program)]  # state in $XDG_RUNTIME_DIR
    with open(os.devnull, "r+b") as null:
        rc = subprocess.run(["runuser", "-u", USER, "--", "env", f"XDG_RUNTIME_DIR={rootless.xdg}", *do,
                             "create", "-b", bundle.path, id], stdin=null, stdout=null, timeout=TIMEOUT).returncode
    assert rc == 0
    assert json.loads(rootless.run([*do, "state", id]).out)["status"] == "created"
    assert rootless.run([*do, "start", id]).rc == 0
    r = rootless.run([*do, "exec", id, "sh", "-c", "id -u; hostname; exit 3"])
    assert (r.rc, r.lines[0]) == (3, "0"), r
    assert rootless.run([*do, "list", "-q"]).lines == [id]
    assert len(json.loads(rootless.run([*do, "ps", "-f", "json", id]).out)) == 1
    assert rootless.run([*do, "delete", id]).rc != 0
    assert rootless.run([*do, "kill", id, "KILL"]).rc == 0
    r = rootless.run([*do, "delete", "--force", id])
    assert r.rc == 0, r
    assert rootless.run([*do, "list", "-q"]).out == ""


def test_an_ordinary_user_joins_the_namespaces_of_another_container(cay, bundle, rootless):
    """The one that is joined maps only its user, so nobody in it may give groups up."""
    rootless.spec(cay.program, bundle)
    bundle.args("sleep", "1000").write()
    id = cay.id()
    do = [rootless.program(cay.program)]
    with open(os.devnull, "r+b") as null:
        assert subprocess.run(["runuser", "-u", USER, "--", "env", f"XDG_RUNTIME_DIR={rootless.xdg}", *do, "run", "-d",
                               "-b", bundle.path, id], stdin=null, stdout=null, timeout=TIMEOUT).returncode == 0
    pid = json.loads(rootless.run([*do, "state", id]).out)["pid"]
    for n in bundle.linux["namespaces"]:
        if n["type"] in ("user", "ipc", "uts", "network"):
            n["path"] = f"/proc/{pid}/ns/{n['type']}"
    for k in ("uidMappings", "gidMappings"):
        bundle.linux.pop(k)
    bundle.args("sh", "-c", "id -u; for n in user uts; do readlink /proc/self/ns/$n; done")
    r = rootless.container(cay.program, bundle, cay.id())
    assert r.rc == 0, r
    assert r.lines == ["0", *(os.readlink(f"/proc/{pid}/ns/{n}") for n in ("user", "uts"))]
    bundle.process["user"]["additionalGids"] = [0]
    r = rootless.container(cay.program, bundle, cay.id())
    assert "process.user.additionalGids: setgroups: operation not permitted" in cay.error_line(r)
    assert rootless.run([*do, "delete", "--force", id]).rc == 0


def test_ids_that_are_not_the_users_are_refused(cay, bundle, rootless, user):
    rootless.spec(cay.program, bundle)
    for k in ("uidMappings", "gidMappings"):
        bundle.linux[k] = [{"containerID": 0, "hostID": user.pw_uid, "size": 1},
                           {"containerID": 1, "hostID": 300000, "size": 10}]
    r = rootless.container(cay.program, bundle.sh("id"), cay.id())
    assert r.rc != 0 and r.out == "", r
    assert len(r.errlines) == 1, r


def test_an_ordinary_user_can_not_map_root(cay, bundle, rootless):
    rootless.spec(cay.program, bundle)
    for k in ("uidMappings", "gidMappings"):
        bundle.linux[k] = [{"containerID": 0, "hostID": 0, "size": 1}]
    r = rootless.container(cay.program, bundle.sh("id"), cay.id())
    assert r.rc != 0 and len(r.errlines) == 1, r


def test_the_state_of_root_is_closed_to_an_ordinary_user(cay, bundle, rootless):
    id = cay.start(bundle.args("sleep", "1000"))
    for args in (("state", id), ("kill", id, "KILL"), ("delete", "-f", id), ("exec", id, "id"), ("list",)):
        r = rootless.run([rootless.program(cay.program), "--root", cay.root, *args])
        assert r.rc != 0 or (args[0] == "list" and id not in r.out), r
    assert cay.status(id) == "running"
    cay.destroy(id)
