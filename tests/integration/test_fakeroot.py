# SPDX-License-Identifier: Apache-2.0
"""Owners that a container of one user can't give: written down as fuse-overlayfs and containers/storage read them."""
import io
import os
import shutil
import stat
import tarfile

import pytest

import harness
from agent import Agent, ask, copy_program
from harness import need, run
from test_private import Held

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
RECORD = "user.containers.override_stat"
POLICY = "default deny\nallow chown /srv/**\n"
MEMBERS = {"srv/a": (0, 0, 0o644), "srv/b": (1000, 100, 0o640), "srv/c": (33, 33, 0o4755), "srv/d": (65534, 12, 0o2775)}


@pytest.fixture(params=["user", "root"])
def held(cay, request):
    need("setpriv")
    h = Held(cay, request.param)
    if not h.user:
        return h
    probe = h.dir / "x"
    probe.touch()
    try:
        os.setxattr(probe, RECORD, b"0:0:0644")
    except OSError:
        harness.skip("user attributes on this file system")
    return h


def bundle(held, name="bundle"):
    b = held.bundle(name)
    # Nobody but its own root is there.
    for k in ("uidMappings", "gidMappings"):
        b.linux[k][0]["size"] = 1
    (b.rootfs / "srv").mkdir(exist_ok=True)
    return b


def record(path):
    try:
        return os.getxattr(path, RECORD, follow_symlinks=False).decode()
    except OSError:
        return None


def archive(path):
    with tarfile.open(path, "w") as t:
        for name, (uid, gid, mode) in MEMBERS.items():
            m = tarfile.TarInfo(name)
            m.uid, m.gid, m.mode = uid, gid, mode
            if name == "srv/d":
                m.type = tarfile.DIRTYPE
                t.addfile(m)
            else:
                m.size = 5
                t.addfile(m, io.BytesIO(b"hello"))
        m = tarfile.TarInfo("srv/link")
        m.type, m.linkname, m.uid, m.gid = tarfile.SYMTYPE, "a", 1000, 1000
        t.addfile(m)


def test_an_archive_with_foreign_owners_is_unpacked(held):
    """By a real tar, as root of a container that maps one id. Without the line it fails."""
    need("tar")
    b = bundle(held)
    tar = copy_program(b, "tar")
    archive(b.rootfs / "a.tar")
    b.sh(f"{tar} -xpf /a.tar --numeric-owner -C / 2>&1; echo rc $?")
    held.write(b)
    r = held("run", "-b", b.path, held.cay.id())
    assert "rc 2" in r.out and "Cannot change ownership to uid 1000" in r.out, r
    shutil.rmtree(b.rootfs / "srv")
    (b.rootfs / "srv").mkdir()
    r = held.run(b, POLICY)
    assert r.lines == ["rc 0"], r
    for name, (uid, gid, mode) in MEMBERS.items():
        path = b.rootfs / name
        # What is root's needs no record. The mode is that which chmod gave it behind chown.
        want = None if uid == 0 else f"{uid}:{gid}:0{mode:o}"
        assert record(path) == want, name
        assert stat.S_IMODE(path.stat().st_mode) == mode and path.stat().st_uid == b.owner
    assert (b.rootfs / "srv/link").is_symlink() and record(b.rootfs / "srv/link") is None
    what = [x["what"] for x in held.records() if x["call"].endswith(("chown", "chownat")) and x["verdict"] == "allow"]
    assert "chown /srv/b to 1000:100" in what, what


def test_a_package_is_unpacked(held):
    """dpkg --unpack of files that belong to somebody else."""
    for p in ("dpkg", "dpkg-deb", "tar", "rm"):
        need(p)
    tree = held.dir / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "srv").mkdir()
    (tree / "srv/file").write_text("data\n")
    (tree / "srv/file").chmod(0o640)
    os.chown(tree / "srv/file", 1000, 100)
    (tree / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n")
    b = bundle(held)
    deb = b.rootfs / "x.deb"
    assert run(["dpkg-deb", "-b", str(tree), str(deb)]).rc == 0
    for p in ("dpkg", "dpkg-deb", "tar", "rm", "sh", "dpkg-split", "diff"):
        copy_program(b, p)
    for d in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "usr/sbin", "sbin"):
        (b.rootfs / d).mkdir(parents=True, exist_ok=True)
    for f in ("status", "available"):
        (b.rootfs / "var/lib/dpkg" / f).touch()
    b.sh("export PATH=/usr/bin:/bin; dpkg --force-all --unpack /x.deb 2>&1; echo rc $?")
    r = held.run(b, "default deny\nallow chown /srv/** /srv\nallow chown /var/** /tmp/**\n")
    assert r.lines[-1] == "rc 0", r
    assert record(b.rootfs / "srv/file") == "1000:100:0640"


def test_a_record_follows_what_is_changed_and_says_what_it_is_asked(held):
    b = bundle(held).sh("""cd /srv; touch f; mkdir d; mkfifo p; ln -s f l; chmod 600 f
        chown 5:6 f; chown 7 f; chgrp 8 f; chmod 4711 f; chown -h 1:1 l; chown 1:1 p; chown 9:9 l; chown 3:4 d; chmod 1777 d
        chown 1:1 /tmp; echo $?; ask owner f 10 -1; ask owner f -1 11; ask owner fd:f 12 13; ask owner empty:f 14 15
        ask owner none 1 1; stat -c '%u %g %a' f""")
    r = held.run(b, POLICY)
    assert r.lines == ["1", "ok", "ok", "ok", "ok", "ENOENT", "0 0 4711"], r
    assert record(b.rootfs / "srv/f") == "14:15:04711" and record(b.rootfs / "srv/d") == "3:4:01777"
    what = [x["what"] for x in held.records() if "chown" in x["call"] and x["verdict"] == "allow"]
    assert "chown /srv/f to 10:-" in what and "chown /srv/f to -:11" in what and "chown /srv/f to 9:9" in what and "chown /srv/l to 1:1" in what, what
    assert [x["error"] for x in held.records() if x.get("what") == "chown /tmp to 1:1"] == [1]


def test_ids_are_those_that_the_line_names(held):
    b = bundle(held).sh("cd /srv; touch f; for i in 1000:5 1999:- 999:5 2000:5 1000:6; do ask owner f ${i%:*} $(echo ${i#*:} | sed s/-/-1/); done")
    r = held.run(b, "default deny\nallow chown /srv/** to 1000-1999:5\n")
    assert r.lines == ["ok", "ok", "EPERM", "EPERM", "EPERM"], r
    assert record(b.rootfs / "srv/f") == "1999:5:0644"


def test_an_agent_writes_owners_down_too(cay):
    need("setpriv")
    held = Held(cay, "user")
    with Agent(cay, {"a": POLICY}) as agent:
        b = ask(bundle(held), agent.sock, "a", ["chown", "fchown", "lchown", "fchownat", "chmod", "fchmod", "fchmodat"])
        out = held.user.out(b.sh("cd /srv; touch f; chown 5:6 f; echo $?; chown 1:1 /tmp; echo $?"))
        assert out.split() == ["0", "1"]
        assert record(b.rootfs / "srv/f") == "5:6:0644"
        assert agent.record(what="chown /srv/f to 5:6")["rule"] == "allow chown /srv/**"
