# SPDX-License-Identifier: Apache-2.0
"""AppArmor itself: the profile of the configuration and of `exec`, in force when the program begins."""
import pytest

import apparmor
from apparmor import need_apparmor
from harness import read

profile = apparmor.profile

LOOK = "cat /proc/self/attr/current; cat /etc/secret 2>/dev/null || echo refused; cat /etc/passwd >/dev/null && echo well"


def confined(name):
    return [f"{name} (enforce)", "refused", "well"]


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_the_profile_is_in_force(cay, bundle, profile, no_new_privileges):
    name = profile("one")
    bundle.process.update(noNewPrivileges=no_new_privileges)
    assert cay.out(bundle.sh(LOOK)).splitlines() == ["unconfined", "secret", "well"]
    bundle.process["apparmorProfile"] = name
    assert cay.out(bundle).splitlines() == confined(name)
    assert cay.out(bundle.sh(f"echo x 2>/dev/null >/tmp/{name}/file || echo refused; echo x >/tmp/file")) == "refused\n"


def test_a_user_with_a_filter_is_confined_too(cay, bundle, profile):
    name = profile("one")
    bundle.process.update(apparmorProfile=name, user={"uid": 1000, "gid": 1000}, noNewPrivileges=False)
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["chroot"], "action": "SCMP_ACT_ERRNO"}]}
    assert cay.out(bundle.sh(LOOK)).splitlines() == confined(name)


def test_a_user_namespace_keeps_it(cay, bundle, profile):
    name = profile("one")
    bundle.process["apparmorProfile"] = name
    for kind in ("uidMappings", "gidMappings"):
        bundle.linux[kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.namespace("user")
    assert cay.out(bundle.sh(LOOK)).splitlines() == confined(name)


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_exec_has_the_profile_of_the_container_or_its_own(cay, bundle, profile, no_new_privileges):
    one, two = profile("one"), profile("two")
    bundle.process.update(apparmorProfile=one, noNewPrivileges=no_new_privileges)
    id = cay.start(bundle.args("sleep", "1000"))
    assert cay.ok("exec", id, "sh", "-c", LOOK).lines == confined(one)
    assert cay.ok("exec", "--apparmor", two, id, "sh", "-c", LOOK).lines == confined(two)
    cay.destroy(id)


def test_exec_into_a_container_without_one(cay, bundle, profile):
    name = profile("one")
    id = cay.start(bundle.args("sleep", "1000"))
    assert cay.ok("exec", id, "sh", "-c", LOOK).lines[0] == "unconfined"
    assert cay.ok("exec", "--apparmor", name, id, "sh", "-c", LOOK).lines == confined(name)
    cay.destroy(id)


def test_a_profile_that_is_not_loaded_is_named_by_create(cay, bundle):
    need_apparmor()
    bundle.args("sleep", "1000")
    id = cay.start(bundle)
    line = cay.error_line(cay("exec", "--apparmor", "cay-nowhere", id, "true"))
    assert "process.apparmorProfile" in line and "cay-nowhere" in line
    cay.destroy(id)
    bundle.process["apparmorProfile"] = "cay-nowhere"
    bundle.write()
    id = cay.id()
    line = cay.error_line(cay("create", "-b", bundle.path, id))
    assert "process.apparmorProfile" in line and "cay-nowhere" in line
    assert "does not exist" in cay.fails("state", id).err


def test_the_gate_is_not_confined_and_hooks_inside_are(cay, bundle, profile):
    name = profile("one")
    bundle.process["apparmorProfile"] = name
    bundle.args("sleep", "1000").hook("startContainer", "cat /proc/self/attr/current >/tmp/hook")
    id = cay.create(bundle)
    pid = cay.pid(id)
    assert read(f"/proc/{pid}/attr/current") == b"unconfined\n"
    cay.ok("start", id)
    assert read(bundle.rootfs / "tmp" / "hook") == f"{name} (enforce)\n".encode()
    assert read(f"/proc/{pid}/attr/current") == f"{name} (enforce)\n".encode()
    cay.destroy(id)
