# SPDX-License-Identifier: Apache-2.0
"""linux.sysctl of a user namespace; the other namespaces are in test_process.py."""
import pathlib

LIMIT = pathlib.Path("/proc/sys/user/max_user_namespaces")


def in_user_namespace(bundle):
    bundle.namespace("user")
    for k in ("uidMappings", "gidMappings"):
        bundle.linux[k] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    return bundle


def test_limits_of_its_own_user_namespace_can_be_set(cay, bundle):
    in_user_namespace(bundle).linux["sysctl"] = {"user.max_user_namespaces": "7", "user/max_net_namespaces": "8"}
    before = LIMIT.read_text()
    out = cay.out(bundle.sh("cd /proc/sys/user; cat max_user_namespaces max_net_namespaces; "
                            "echo 9 >max_user_namespaces || echo refused"))
    # readonlyPaths of the bundle: what is set is not the program's to change.
    assert out.split() == ["7", "8", "refused"]
    assert LIMIT.read_text() == before


def test_limits_of_the_hosts_user_namespace_can_not_be_set(cay, bundle):
    bundle.linux["sysctl"] = {"user.max_user_namespaces": "7"}
    before = LIMIT.read_text()
    line = cay.error_line(cay.run(bundle.args("true")))
    assert 'linux.sysctl "user.max_user_namespaces": needs a namespace of type user of its own' in line
    assert LIMIT.read_text() == before


def test_a_user_sysctl_names_one_file_below_user(cay, bundle):
    for key in ("user.", "user/../kernel/core_pattern", "user.max.user.namespaces"):
        in_user_namespace(bundle).linux["sysctl"] = {key: "7"}
        line = cay.error_line(cay.run(bundle.args("true")))
        assert "sysctl" in line or "/proc/sys/user/max/user/namespaces" in line
