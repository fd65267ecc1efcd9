# SPDX-License-Identifier: Apache-2.0
"""What `cay doctor` says of a host that lacks something, and that its advice helps where it can be followed here."""
import json
import os
import shutil
import subprocess

import pytest

import harness
from harness import failing, need, run

UNSHARED = ["unshare", "-m"]


def doctor(cay, *around, env=None):
    r = run([*around, cay.program, "doctor", "--format", "json"], env=env)
    doc = json.loads(r.out)
    assert (r.rc == 0) == doc["ok"] == (not any(c["status"] == "missing" for c in doc["checks"])), r
    return {c["name"]: c for c in doc["checks"]}


def in_private(cay, script, *options, env=None):
    return doctor(cay, "unshare", "-m", *options, "sh", "-ec", script + '; exec "$@"', "sh", env=env)


def injected(cay, what):
    return doctor(cay, *failing(what))


LACKS = [
    ("pidfd_open:error=ENOSYS", "pidfd", "missing", "a newer kernel"),
    ("openat2:error=ENOSYS", "openat2", "missing", "a newer kernel"),
    ("fsopen:error=ENOSYS", "new mount API", "missing", "a newer kernel"),
    ("mount_setattr:error=ENOSYS", "idmapped mounts", "missing", "a newer kernel"),
    ("memfd_create:error=EACCES", "executable memfd", "limited", "sysctl vm.memfd_noexec=1"),
    ("unshare:error=EPERM", "mount namespace", "missing", "be root, or allow user namespaces"),
    ("unshare:error=ENOSPC", "pid namespace", "missing", "raise the user.max_*_namespaces sysctls"),
    ("unshare:error=EINVAL", "network namespace", "missing", "CONFIG_NAMESPACES"),
    ("unshare:error=EINVAL", "time namespace", "limited", "CONFIG_NAMESPACES"),
    ("seccomp:error=EINVAL", "seccomp flags", "limited", "a newer kernel"),
    ("landlock_create_ruleset:error=EOPNOTSUPP", "landlock", "limited", "CONFIG_SECURITY_LANDLOCK=y"),
]


@pytest.mark.parametrize("what,name,status,advice", LACKS, ids=[f"{x[1]} {x[0]}" for x in LACKS])
def test_a_call_that_is_not_there_is_told_with_what_to_do(cay, what, name, status, advice):
    got = injected(cay, what)[name]
    assert got["status"] == status and advice in got["advice"], got


def test_an_old_kernel_is_told(cay):
    need("setarch")
    got = doctor(cay, "setarch", "--uname-2.6")["kernel"]
    assert (got["status"], got["advice"]) == ("missing", "install Linux 5.12 or later")


def test_what_is_well_has_no_advice(cay):
    for name, got in doctor(cay).items():
        assert (got["status"] == "ok") == ("advice" not in got), name
    text = run([cay.program, "doctor"]).out
    assert text.count("-> ") == sum(c["status"] != "ok" for c in doctor(cay).values())


@pytest.mark.parametrize("file,value", [("/proc/sys/user/max_user_namespaces", "0"),
                                        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
                                        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")])
def test_user_namespaces_that_are_not_allowed_are_told(cay, file, value):
    if not os.path.exists(file):
        harness.skip(f"{file} of this kernel")
    own = cay.dir / "value"
    own.write_text(value + "\n")
    got = in_private(cay, f"mount --bind {own} {file}")["rootless"]
    name = os.path.basename(file)
    assert got["status"] == "limited" and f"{name}={value}" in got["detail"] and name + "=" in got["advice"]


@pytest.mark.parametrize("program", ["newuidmap", "newgidmap"])
def test_helpers_that_are_not_installed_are_told(cay, program):
    got = doctor(cay, env={"PATH": "/nonexistent"})[program]
    assert (got["status"], got["detail"]) == ("limited", "not installed") and "apt-get install uidmap" in got["advice"]


@pytest.mark.parametrize("what", ["subuid", "subgid"])
def test_a_user_without_ids_is_told_and_the_advice_gives_some(cay, what):
    """The advice is followed on copies of the files, in a mount namespace of its own."""
    need("setpriv", "usermod")
    os.chmod(cay.dir, 0o755)
    cay.program = shutil.copy(cay.program, cay.dir / "cay")
    for f in ("subuid", "subgid", "passwd", "group", "shadow"):
        (cay.dir / f).write_text("" if f.startswith("sub") else open(f"/etc/{f}", encoding="utf-8").read())
    # usermod replaces files by name, so /etc is an overlay, not five bind mounts.
    own = (f"mkdir {cay.dir}/up; mount -t tmpfs x {cay.dir}/up; mkdir {cay.dir}/up/u {cay.dir}/up/w; "
           f"mount -t overlay -o lowerdir=/etc,upperdir={cay.dir}/up/u,workdir={cay.dir}/up/w x /etc; "
           "rm -f /etc/subuid /etc/subgid; : >/etc/subuid; : >/etc/subgid")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for follow in (None, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody"):
        script = own.replace(f"mkdir {cay.dir}/up;", f"mkdir -p {cay.dir}/up;") + (f"; {follow}" if follow else "")
        got = doctor(cay, "unshare", "-m", "sh", "-ec", script + '; exec "$@"', "sh", *as_nobody)[what]
        if follow:
            assert (got["status"], got["detail"]) == ("ok", "nobody:100000:65536")
        else:
            assert (got["status"], got["detail"]) == ("limited", "none")
            assert got["advice"].replace("USER", "nobody") == "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody"


def test_a_host_without_cgroups_is_told_and_the_advice_helps(cay):
    got = in_private(cay, "umount -R /sys/fs/cgroup")
    assert (got["cgroups"]["status"], got["cgroups"]["detail"]) == ("missing", "none")
    assert got["cgroups"]["advice"] == "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    got = in_private(cay, "umount -R /sys/fs/cgroup; " + got["cgroups"]["advice"])
    assert (got["cgroups"]["status"], got["cgroups"]["detail"]) == ("ok", "v2")


def test_a_kernel_without_filters_is_told(cay):
    got = in_private(cay, "mount -t tmpfs x /proc/sys/kernel/seccomp")["seccomp"]
    assert got["status"] == "missing" and "CONFIG_SECCOMP_FILTER" in got["advice"]


def test_the_list_of_security_modules_is_found_where_the_advice_mounts_it(cay):
    got = in_private(cay, "umount /sys/kernel/security 2>/dev/null || :; "
                          "[ ! -e /sys/kernel/security/lsm ] || mount -t tmpfs x /sys/kernel/security")["bpf lsm"]
    assert (got["status"], got["detail"]) == ("limited", "unknown") and "mount securityfs on /sys/kernel/security" in got["advice"]
    anew = "umount /sys/kernel/security 2>/dev/null || :; mount -t securityfs x /sys/kernel/security"
    r = subprocess.run([*UNSHARED, "sh", "-ec", anew], capture_output=True, timeout=harness.TIMEOUT)
    if r.returncode:
        harness.skip("securityfs")
    got = in_private(cay, anew)["bpf lsm"]
    assert got["detail"] != "unknown" and ("bpf" in got["detail"]) == (got["status"] == "ok")


def test_ping_is_told_of_and_the_advice_allows_it(cay):
    """In a network namespace of its own, where nobody is allowed at first."""
    got = doctor(cay, "unshare", "-n")["unprivileged ping"]
    assert (got["status"], got["detail"]) == ("limited", "not allowed")
    command = got["advice"].replace("sysctl ", "sysctl -w ")
    got = doctor(cay, "unshare", "-n", "sh", "-ec", f'{command} >/dev/null; exec "$@"', "sh")["unprivileged ping"]
    assert (got["status"], got["detail"]) == ("ok", "allowed")
