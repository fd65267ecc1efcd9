# SPDX-License-Identifier: Apache-2.0
"""The table "Runtime" of the threat list: procfs, cgroups, keyrings, masks and the way of a plan inside.
As in test_runtime.py, the attack first wins against something careless."""
import os
import pathlib
import socket
import struct

import pytest

from harness import CGROUP_ROOT, IS_RUNC, cay_only, need, parse_mountinfo, run


def careless(script, *args, **kw):
    return run(["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", script, "sh", *args], **kw)


# ---- procfs -----------------------------------------------------------------------------------

SYSCTL = "sys/net/ipv4/ip_unprivileged_port_start"
FAKES = (SYSCTL, "self/oom_score_adj", "self/attr/exec", "self/attr/apparmor/exec", "thread-self/attr/exec",
         "self/uid_map", "self/fd/0")


def fake_proc(where):
    """What an image may bring: plain files where a careless runtime writes."""
    for name in FAKES:
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text("fake")


@pytest.mark.parametrize("options", [[], ["--no-pivot"]])
def test_a_user_namespace_made_inside_gets_no_procfs_that_hides_nothing(cay, bundle, options):
    """The kernel gives one to who can see one: masks must be all there is, covered mounts included."""
    cay_only("hidden procfs of the host")
    bundle.caps(*["CAP_" + c for c in ("SYS_ADMIN", "SYS_CHROOT", "SETFCAP", "SETUID", "SETGID")])
    bundle.sh("unshare -U -r -m -p -f mount -t proc proc /proc && echo bare")
    masks = {k: bundle.linux[k] for k in ("maskedPaths", "readonlyPaths")}
    bundle.linux.update(maskedPaths=[], readonlyPaths=[])
    assert cay.out(bundle, *options) == "bare\n"
    bundle.linux.update(masks)
    r = cay.run(bundle, *options)
    assert r.rc != 0 and r.out == "" and "mount" in r.err, r


def test_no_root_leads_out_of_a_container_in_the_hosts_mount_namespace(cay, bundle):
    """A chroot is left by whoever may do another one, and by a user namespace if one could be made in it."""
    cay_only("mounts there")
    precious = str(bundle.path / "precious")
    pathlib.Path(precious).write_text("x")
    r = run(["chroot", bundle.rootfs, "/bin/probe", "unroot", "/d", precious])
    assert (r.rc, r.out) == (0, "ok\n"), "careless: it is the host's again"
    bundle.namespace("mount", remove=True).caps("CAP_SYS_CHROOT")
    assert cay.out(bundle.args("probe", "unroot", "/d", precious)) == "ENOENT\n"
    assert run(["unshare", "-U", "true"]).rc == 0
    r = cay.run(bundle.sh("unshare -Um true || echo none"))
    assert (r.rc, r.out) == (0, "none\n")
    id = cay.start(bundle.args("sleep", "1000"))
    assert cay.ok("exec", id, "probe", "unroot", "/d", precious).out == "ENOENT\n"
    cay.destroy(id)


@pytest.mark.parametrize("by", ["image", "volume"])
def test_writes_to_procfs_can_not_be_redirected(cay, bundle, by):
    """CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2025-52881: labels and limits land in a file."""
    fakes = bundle.rootfs / "proc" if by == "image" else cay.dir / "volume"
    fake_proc(fakes)
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/proc"]
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    bundle.linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "7"}
    bundle.process["oomScoreAdj"] = 77
    r = careless('[ "$3" = image ] || mount --bind "$2" "$1/proc"; chroot "$1" /bin/sh -c "echo 7 > /proc/$4"; '
                 'cat "$1/proc/$4" "/proc/$4"', bundle.rootfs, fakes, by, SYSCTL)
    assert r.lines[0] == "7" and r.lines[1] != "7", "careless: written to the file, the value is as before"
    (fakes / SYSCTL).write_text("fake")
    if by == "volume":
        # The place of procfs belongs to procfs: refused before anything is written.
        bundle.mount("/proc", type="bind", source=str(fakes), options=["rbind"])
        assert "/proc" in cay.error_line(cay.run(bundle.args("true")))
        bundle.config["mounts"].pop()
        for below in ("/proc/sys", "/proc/self/attr"):
            bundle.config["mounts"] += [{"destination": "/proc", "type": "proc", "source": "proc"},
                                        {"destination": below, "type": "bind", "source": str(fakes), "options": ["rbind"]}]
            assert below in cay.error_line(cay.run(bundle.args("true")))
            del bundle.config["mounts"][-2:]
        assert all((fakes / n).read_text() == "fake" for n in FAKES)
        return
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    assert pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text() == "77\n"
    assert run(["nsenter", "-t", pid, "-n", "cat", f"/proc/{SYSCTL}"]).out == "7\n"
    cay.ok("exec", id, "true")
    assert all((fakes / n).read_text() == "fake" for n in FAKES)
    cay.destroy(id)


# ---- masks --------------------------------------------------------------------------------------

def test_a_thousand_masked_directories_share_one_empty_one(cay, bundle):
    """A tmpfs each is memory that a container's limit doesn't count."""
    n = 1000
    for i in range(n):
        (bundle.rootfs / "mnt" / f"m{i}").mkdir()
        (bundle.rootfs / "mnt" / f"m{i}" / "secret").touch()
    r = careless('for i in $(seq 30); do mount -t tmpfs -o ro none "$1/mnt/m$i"; done; '
                 'for i in $(seq 30); do stat -c %d "$1/mnt/m$i"; done | sort -u | wc -l', bundle.rootfs)
    assert r.out == "30\n", "careless: a file system each"
    bundle.linux["maskedPaths"] = [f"/mnt/m{i}" for i in range(n)]
    bundle.sh("cat /proc/self/mountinfo; echo; for d in /mnt/m*; do stat -c %d $d; done | sort -u; ls -A /mnt/m*/; "
              "probe mkdir /mnt/m5/x")
    r = cay.run(bundle)
    assert r.rc == 0, r
    table, _, rest = r.out.partition("\n\n")
    masks = [m for m in parse_mountinfo(table) if m["target"].startswith("/mnt/m")]
    assert len(masks) == n and all("ro" in m["options"] for m in masks)
    lines = [ln for ln in rest.splitlines() if ln and not ln.endswith(":")]
    assert len(lines) == 2 and lines[0].isdigit() and lines[1] == "EROFS", lines


# ---- keyrings -----------------------------------------------------------------------------------

def test_session_keyrings_are_not_shared(cay, bundle):
    """A key of the caller's, or of another container of the same user, is found by nobody else."""
    host_key, key = f"{cay.token}-host", f"{cay.token}-key"
    r = run([bundle.rootfs / "bin/probe", "key", "add", host_key, "chroot", bundle.rootfs, "/bin/probe", "key", "find", host_key])
    assert r.out == "ok\n", "careless: the caller's key is found inside"
    find = ("probe", "key", "find", host_key)
    bundle.args(*find).write()
    with_key = [bundle.rootfs / "bin/probe", "key", "add", host_key]
    assert run([*with_key, *cay.argv("run", "-b", bundle.path, cay.id())]).out == "ENOKEY\n"
    if not IS_RUNC:
        r = run([*with_key, *cay.argv("run", "--no-new-keyring", "-b", bundle.path, cay.id())])
        assert r.out == "ok\n", "without a keyring of its own it is found"
    id = cay.start(bundle.args("sleep", "1000"))
    assert run([*with_key, *cay.argv("exec", id, *find)]).out == "ENOKEY\n"
    other = cay.start(cay.bundle("other").args("probe", "key", "add", key, "sleep", "1000"))
    assert cay("exec", id, "probe", "key", "find", key).out == "ENOKEY\n"
    cay.destroy(id)
    cay.destroy(other)


# ---- cgroups ------------------------------------------------------------------------------------

NOBODY = 65534


def test_without_a_cgroup_namespace_the_hosts_cgroups_stay_out_of_reach(cay, bundle):
    """CVE-2023-25809: rootless, a directory that was delegated to the user is writable by its owner."""
    need("setpriv", "unshare")
    # Of both versions, of v1 alone, of v2 alone.
    base = next((CGROUP_ROOT / d for d in ("unified", "pids") if (CGROUP_ROOT / d).is_dir()), CGROUP_ROOT)
    given = base / f"{cay.token}-given"
    given.mkdir()
    try:
        for f in (given, given / "cgroup.procs"):
            os.chown(f, NOBODY, NOBODY)
        (cay.shm / "xdg").mkdir(mode=0o700)
        os.chown(cay.shm / "xdg", NOBODY, NOBODY)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "env", "-i",
                f"PATH={os.environ['PATH']}", f"XDG_RUNTIME_DIR={cay.shm}/xdg"]
        r = run([*user, "unshare", "-Urm", "sh", "-c", 'mount --rbind /sys/fs/cgroup "$1/sys" && mkdir "$1/sys/${2#/sys/fs/cgroup/}/made"',
                 "sh", bundle.rootfs, given], cwd="/")
        assert (given / "made").is_dir(), ("careless: the host's cgroup is writable", r)
        (given / "made").rmdir()
        (bundle.rootfs / "sys" / "fs" / "cgroup").mkdir(parents=True)
        bundle.namespace("user").namespace("cgroup", remove=True)
        for k in ("uidMappings", "gidMappings"):
            bundle.linux[k] = [{"containerID": 0, "hostID": NOBODY, "size": 1}]
        bundle.linux["resources"] = {}
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] in ("/proc", "/dev")]
        bundle.mount("/sys/fs/cgroup", type="cgroup", source="cgroup", options=["nosuid", "noexec", "nodev"])
        bundle.sh("find /sys/fs/cgroup -type d | while read d; do probe mkdir $d/made; done; "
                  f"find / -xdev -name {given.name}; find /sys -name {given.name}").write()
        r = run([*user, cay.for_others(), "run", "-b", bundle.path, cay.id()], cwd="/")
        assert r.rc == 0 and r.lines and set(r.lines) == {"EROFS"}, r
        assert not (given / "made").exists()
    finally:
        given.rmdir()


# ---- The way of a plan into the container -----------------------------------------------------

def attribute(kind, value):
    """As netlink has it: a length of 16 bits, the kind, the bytes."""
    return struct.pack("<HH", (len(value) + 4) & 0xffff, kind) + value


def parse_attributes(data):
    found = {}
    while len(data) >= 4:
        n, kind = struct.unpack_from("<HH", data)
        found[kind] = data[4:max(n, 4)]
        data = data[max(n, 4):]
    return found


@pytest.mark.parametrize("length", [65531, 65532, 65535, 65536, 65537, 131000])
def test_a_long_value_does_not_become_another_field(cay, bundle, length):
    """CVE-2021-43784: the length of an attribute overflows, and its tail is taken for the next ones."""
    evil = attribute(9, b"evil")
    naive = parse_attributes(attribute(1, evil * (65536 // len(evil))))
    assert naive[9] == b"evil", "careless: a value brings a field of its own"
    value = ("x" * 32 + "HOME=/evil\n") * 4000
    value = value[:length]
    bundle.process["env"] += [f"LONG={value}", "AFTER=end"]
    bundle.args("sh", "-c", 'printf %s "$LONG"; echo; echo "$AFTER $HOME"', "a" * length)
    r = cay.run(bundle)
    if length + 6 > 131072:
        assert r.rc != 0
    else:
        assert r.out == f"{value}\nend /root\n", (r.rc, r.err, r.out[-100:])
    # The same where cay's own steps take it: a name is refused in words, not cut.
    for change in ({"hostname": value}, {"domainname": value}):
        b = cay.bundle("b" + next(iter(change)))
        b.config.update(change)
        assert len(cay.error_line(cay.run(b.args("true")))) < 600


@pytest.mark.parametrize("size", [0, 1, 8, 527, 529, 65536])
def test_the_gate_takes_messages_of_one_size_only(cay, bundle, size):
    """Whoever reaches the gate can't make the waiting islander read past its message."""
    cay_only("gate")
    id = cay.create(bundle.args("sleep", "1000"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(str(cay.root / id / "gate"))
        s.settimeout(10)
        s.send(b"\xff" * size)
        answer = s.recv(4096)
        assert size == 0 or b"bad message" in answer.lower() or b"receive" in answer, answer
    assert cay.status(id) == "created"
    cay.ok("start", id)
    assert cay.status(id) == "running"
    cay.destroy(id)
