# SPDX-License-Identifier: Apache-2.0
"""Filters, as a program feels them."""
import json
import pathlib
import signal

from harness import skip


def docker_like():
    """The allow list of containers-common (docker's), without its conditional rows."""
    path = pathlib.Path("/usr/share/containers/seccomp.json")
    if not path.exists():
        skip(str(path))
    rows = []
    for row in json.loads(path.read_text())["syscalls"]:
        if row.get("includes") or row.get("excludes") or row["action"] != "SCMP_ACT_ALLOW":
            continue
        rows.append({"names": [n for n in row["names"] if n not in ("mkdir", "mkdirat")],
                     "action": "SCMP_ACT_ALLOW",
                     **({"args": row["args"]} if row.get("args") else {})})
    rows.append({"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW"})  # conditional on amd64
    return {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": rows}


def test_a_filter_like_dockers_refuses_what_it_does_not_name(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    bundle.sh("probe mkdir /tmp/x; grep Seccomp: /proc/self/status")
    assert cay.out(bundle).split() == ["EPERM", "Seccomp:", "2"]


def test_32_bit_entry_is_refused_under_a_64_bit_filter(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    r = cay.run(bundle.args("probe", "syscall32", "20"))
    # The kernel may have no 32-bit entry; with one, the filter kills or refuses.
    assert r.rc in (128 + signal.SIGSYS, 128 + signal.SIGSEGV) or r.out in ("EPERM\n", "ENOSYS\n"), r


def test_a_filter_returns_the_errno_it_names(cay, bundle):
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
                     {"names": ["chdir"], "action": "SCMP_ACT_ERRNO"},
                     {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
                      "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}
    bundle.sh("probe mkdir /tmp/x; probe syscall 80 0; probe syscall 135 8; probe syscall 135 0xffffffff")
    assert cay.out(bundle).split() == ["EROFS", "EPERM", "EOPNOTSUPP", "ok"] or \
        cay.out(bundle).split() == ["EROFS", "EPERM", "ENOTSUP", "ok"]


def test_a_default_errno_is_the_one_that_is_named(cay, bundle):
    filt = docker_like()
    filt["defaultErrnoRet"] = 38
    bundle.linux["seccomp"] = filt
    assert cay.out(bundle.args("probe", "mkdir", "/tmp/x")) == "ENOSYS\n"


def test_a_filter_that_kills_kills(cay, bundle):
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    assert cay.run(bundle.args("probe", "mkdir", "/tmp/x")).rc == 128 + signal.SIGSYS


def test_the_same_filter_works_the_second_time_from_the_cache(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    bundle.args("probe", "mkdir", "/tmp/x")
    assert [cay.out(bundle) for _ in range(3)] == ["EPERM\n"] * 3


def test_a_changed_filter_is_not_answered_from_the_cache(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    bundle.args("probe", "mkdir", "/tmp/x")
    assert cay.out(bundle) == "EPERM\n"
    bundle.linux["seccomp"]["defaultErrnoRet"] = 13
    assert cay.out(bundle) == "EACCES\n"


def test_a_filter_without_no_new_privileges_is_loaded_too(cay, bundle):
    bundle.process["noNewPrivileges"] = False
    bundle.linux["seccomp"] = docker_like()
    assert cay.out(bundle.args("probe", "mkdir", "/tmp/x")) == "EPERM\n"


def test_an_ordinary_user_is_filtered_too(cay, bundle):
    for nnp in (True, False):
        bundle.process["noNewPrivileges"] = nnp
        bundle.process["user"] = {"uid": 1000, "gid": 1000}
        bundle.linux["seccomp"] = docker_like()
        assert cay.out(bundle.args("probe", "mkdir", "/tmp/x")) == "EPERM\n"


def test_a_filter_that_allows_nothing_leaves_nobody_behind(cay, bundle):
    """Not even an end: exit_group(2) fails, and libc would ask for ever."""
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"]}
    assert cay.run(bundle.args("true"), timeout=30).rc == 128 + signal.SIGILL
