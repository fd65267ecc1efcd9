# SPDX-License-Identifier: Apache-2.0
"""A label that is written where the container chose: CVE-2019-16884, CVE-2019-19921, CVE-2023-28642, CVE-2025-52881.

The attacker has files where the kernel's attributes should be; they take what they are told, and the program
runs without the profile. /real is procfs, for us to see.
"""
import pytest

import apparmor
from harness import read, run

profile = apparmor.profile

FAKE = ("self/attr/exec", "self/attr/current", "self/attr/apparmor/exec", "self/attr/apparmor/current")
WHO = "cat /real/self/attr/current"


def fake_proc(directory):
    """What passes for a procfs; thread-self and pids are there, too."""
    for who in ("self", "thread-self", "1"):
        for f in FAKE:
            f = directory / f.replace("self", who, 1)
            f.parent.mkdir(parents=True, exist_ok=True)
            f.touch()
    return directory


def taken(directory):
    return [str(f) for f in directory.rglob("*") if f.is_file() and read(f)]


def forget(directory):
    for f in taken(directory):
        open(f, "w").close()


@pytest.fixture
def looking(bundle):
    (bundle.rootfs / "real").mkdir()
    return bundle.mount("/real", type="proc", source="proc")


# Debian's shells and a runtime that believes in names: inside, write the label, become the program.
CARELESS = 'echo "exec $1" >/proc/self/attr/exec && exec ' + WHO


def careless_create(root, name, over=""):
    mounts = f'mount -t proc proc "{root}/proc" && mount -t proc proc "{root}/real"'
    return run(["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'{mounts} && {over or "true"} && exec chroot "{root}" sh -c "$@"', "sh", CARELESS, "sh", name])


@pytest.mark.parametrize("where", ["/proc", "/proc/self/attr", "/proc/thread-self/attr"])
def test_a_mount_over_procfs_does_not_take_the_label(cay, looking, profile, where):
    name = profile("one")
    fake = fake_proc(cay.dir / "fake")
    root = looking.rootfs
    assert careless_create(root, name).out == f"{name} (enforce)\n", "careless: it works where nobody attacks"
    r = careless_create(root, name, f'mount --bind "{fake}" "{root}/proc"')
    assert r.out == "unconfined\n" and taken(fake), "careless: the label is lost"
    forget(fake)
    looking.process["apparmorProfile"] = name
    source = fake if where == "/proc" else fake / "self/attr"
    looking.mount(where, type="bind", source=str(source), options=["bind"])
    r = cay.run(looking.sh(WHO))
    assert taken(fake) == []
    assert r.rc != 0 or r.out == f"{name} (enforce)\n", r


def test_exec_does_not_trust_the_containers_procfs(cay, looking, profile):
    """A container with CAP_SYS_ADMIN covers its own /proc and waits for somebody to join."""
    name = profile("one")
    fake_proc(looking.rootfs / "fake")
    fake = looking.rootfs / "fake"
    looking.caps("CAP_SYS_ADMIN")
    looking.config["linux"]["maskedPaths"] = looking.config["linux"]["readonlyPaths"] = []
    id = cay.start(looking.sh("mount --bind /fake /proc && exec sleep 1000"))
    pid = cay.pid(id)
    assert "/fake /proc " in read(f"/proc/{pid}/mountinfo").decode() or \
        cay.ok("exec", id, "ls", "/proc").out.split() == ["1", "self", "thread-self"]
    r = run(["nsenter", "-t", str(pid), "-m", "-p", "-r", "-w", "/bin/sh", "-c", CARELESS, "sh", name])
    assert r.out == "unconfined\n" and taken(fake), "careless: the label is lost"
    forget(fake)
    assert cay.ok("exec", "--apparmor", name, id, "sh", "-c", WHO).out == f"{name} (enforce)\n"
    assert taken(fake) == []
    cay.destroy(id)


def test_a_label_on_an_unlabelled_procfs_of_the_image_is_refused(cay, looking, profile):
    """CVE-2023-28642: /proc is a link to a directory that the image brought."""
    name = profile("one")
    fake = fake_proc(looking.rootfs / "fake")
    (looking.rootfs / "proc").rmdir()
    (looking.rootfs / "proc").symlink_to("fake")
    r = run(["unshare", "-m", "--propagation", "private", "sh", "-c",
             f'mount -t proc proc "{looking.rootfs}/real" && exec chroot "{looking.rootfs}" sh -c "$@"', "sh",
             CARELESS, "sh", name])
    assert r.out == "unconfined\n" and taken(fake), "careless: the label is lost"
    forget(fake)
    looking.process["apparmorProfile"] = name
    r = cay.run(looking.sh(WHO))
    assert taken(fake) == []
    assert r.rc != 0 or r.out == f"{name} (enforce)\n", r
