# SPDX-License-Identifier: Apache-2.0
"""Credentials, limits, names, clocks and kernel settings of the process."""
import os
import pathlib
import signal

import pytest

from harness import IS_RUNC, both, cap_mask, cay_only, parse_status


# ---- credentials and limits -----------------------------------------------------------------------

def test_becomes_the_user_with_its_additional_groups(cay, bundle):
    bundle.process["user"] = {"uid": 1234, "gid": 2345, "additionalGids": [7, 99, 70000]}
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    assert s["Uid"].split() == ["1234"] * 4
    assert s["Gid"].split() == ["2345"] * 4
    assert sorted(map(int, s["Groups"].split())) == [7, 99, 70000]


def test_has_no_groups_of_the_caller(cay, bundle):
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status"), extra_groups=[4, 24]))
    assert s["Groups"] == ""


@pytest.mark.parametrize("umask", [0, 0o22, 0o27, 0o777])
def test_sets_the_umask(cay, bundle, umask):
    bundle.process["user"]["umask"] = umask
    assert int(parse_status(cay.out(bundle.args("cat", "/proc/self/status")))["Umask"], 8) == umask


def test_umask_is_022_when_not_given(cay, bundle):
    out = cay.out(bundle.args("cat", "/proc/self/status"), preexec_fn=lambda: os.umask(0o77))
    assert int(parse_status(out)["Umask"], 8) == 0o22


def test_sets_every_resource_limit(cay, bundle):
    limits = {"AS": (1 << 32, 1 << 33), "CORE": (0, 0), "CPU": (100, 200), "DATA": (1 << 30, 1 << 31),
              "FSIZE": (1 << 20, 1 << 21), "LOCKS": (10, 20), "MEMLOCK": (4096, 8192),
              "MSGQUEUE": (1000, 2000), "NICE": (0, 0), "NOFILE": (100, 200), "NPROC": (50, 60),
              "RSS": (1 << 20, 1 << 21), "RTPRIO": (0, 0), "RTTIME": (1000, 2000),
              "SIGPENDING": (10, 20), "STACK": (1 << 20, 1 << 21)}
    bundle.process["rlimits"] = [{"type": f"RLIMIT_{k}", "soft": s, "hard": h}
                                 for k, (s, h) in limits.items()]
    got = dict((ln.split()[0], tuple(map(int, ln.split()[1:])))
               for ln in cay.out(bundle.args("probe", "rlimits")).splitlines())
    assert got == {f"RLIMIT_{k}": v for k, v in limits.items()}


def test_leaves_limits_that_are_not_given(cay, bundle):
    bundle.process["rlimits"] = []
    want = pathlib.Path("/proc/self/limits").read_text()
    assert cay.out(bundle.args("cat", "/proc/self/limits")) == want


@pytest.mark.parametrize("score", [0, 500, 1000])
def test_sets_the_oom_score(cay, bundle, score):
    bundle.process["oomScoreAdj"] = score
    assert cay.out(bundle.args("cat", "/proc/self/oom_score_adj")) == f"{score}\n"


SETS = {
    "typical": dict(bounding=["KILL", "CHOWN", "SETUID"], permitted=["KILL", "CHOWN"],
                    effective=["KILL"]),
    "none": dict(),
    "ambient": dict(bounding=["KILL", "CHOWN", "SETUID", "NET_RAW"],
                    permitted=["KILL", "CHOWN", "SETUID"], effective=["KILL", "CHOWN"],
                    inheritable=["KILL", "CHOWN"], ambient=["KILL"]),
    "inheritable": dict(bounding=["KILL", "CHOWN"], permitted=["KILL"], effective=["KILL"],
                        inheritable=["KILL"]),
    "only bounding": dict(bounding=["KILL", "MKNOD"]),
}


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("name", SETS)
def test_the_five_capability_sets_are_those_of_runc(cay, bundle, name, uid):
    bundle.process["capabilities"] = {k: [f"CAP_{c}" for c in v] for k, v in SETS[name].items()}
    bundle.process["user"] = {"uid": uid, "gid": uid}
    bundle.args("cat", "/proc/self/status")
    got, want = both(cay, bundle, lambda t: {k: v for k, v in parse_status(t).items()
                                             if k.startswith("Cap")})
    assert got == want


@pytest.mark.parametrize("uid", [0, 1000])
def test_capability_sets_follow_the_rules_of_execve(cay, bundle, uid):
    sets = SETS["ambient"]
    bundle.process["noNewPrivileges"] = False  # it would hold root at what was permitted before
    bundle.process["capabilities"] = {k: [f"CAP_{c}" for c in v] for k, v in sets.items()}
    bundle.process["user"] = {"uid": uid, "gid": uid}
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    got = {k: int(s[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    bounding = cap_mask(*sets["bounding"])
    # capabilities(7): root gets the bounding set; others what is ambient.
    power = bounding if uid == 0 else cap_mask("KILL")
    assert got == {"CapInh": cap_mask("KILL", "CHOWN"), "CapPrm": power, "CapEff": power,
                   "CapBnd": bounding, "CapAmb": cap_mask("KILL")}


def test_no_capability_when_the_config_names_none(cay, bundle):
    del bundle.process["capabilities"]
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    assert all(int(s[k], 16) == 0 for k in ("CapInh", "CapPrm", "CapEff", "CapAmb"))


def test_an_unknown_capability_is_not_silently_given_or_fatal(cay, bundle):
    bundle.caps("CAP_KILL", "CAP_OF_TOMORROW", "NO_CAPABILITY")
    r = cay.run(bundle.args("cat", "/proc/self/status"))
    # runc and crun warn and go on, as config.md asks.
    assert r.rc == 0, r
    if not IS_RUNC:
        assert "CAP_OF_TOMORROW NO_CAPABILITY" in r.err, r
    assert int(parse_status(r.out)["CapBnd"], 16) == cap_mask("KILL")


@pytest.mark.parametrize("on", [True, False])
def test_sets_no_new_privileges(cay, bundle, on):
    bundle.process["noNewPrivileges"] = on
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    assert s["NoNewPrivs"] == str(int(on))


def test_signal_dispositions_and_mask_are_the_default(cay, bundle):
    def reset():
        for n in range(1, signal.NSIG):
            if n not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(n, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status"), preexec_fn=reset))
    assert [int(s[k], 16) for k in ("SigIgn", "SigBlk", "SigCgt")] == [0, 0, 0]


# ---- names, clocks, kernel settings ---------------------------------------------------------------

def test_sets_the_hostname(cay, bundle):
    bundle.config["hostname"] = "robinson"
    assert cay.out(bundle.args("hostname")) == "robinson\n"
    assert os.uname().nodename != "robinson"


def test_sets_the_domainname(cay, bundle):
    cay_only("domainname")
    bundle.config["domainname"] = "sea.example"
    assert cay.out(bundle.args("cat", "/proc/sys/kernel/domainname")) == "sea.example\n"


def test_sets_sysctls_of_its_own_namespaces(cay, bundle):
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "65530",
                              "net.ipv4.ping_group_range": "0 7"}
    out = cay.out(bundle.sh("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax "
                            "net/ipv4/ping_group_range"))
    assert out.split() == ["1", "65530", "0", "7"]


def test_refuses_a_sysctl_of_the_host(cay, bundle):
    bundle.linux["sysctl"] = {"vm.swappiness": "61"}
    before = pathlib.Path("/proc/sys/vm/swappiness").read_text()
    line = cay.error_line(cay.run(bundle.args("true")))
    assert "vm.swappiness" in line
    assert pathlib.Path("/proc/sys/vm/swappiness").read_text() == before


def test_refuses_a_network_sysctl_without_its_own_network(cay, bundle):
    bundle.namespace("network", remove=True)
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    cay.error_line(cay.run(bundle.args("true")))


def test_clocks_are_offset(cay, bundle):
    cay_only("time namespaces")
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 1000000, "nanosecs": 5},
                                   "boottime": {"secs": 2000000}}
    mono, boot = map(int, cay.out(bundle.args("probe", "clocks")).split())
    assert 1000000 <= mono < 1000000 + 900000
    assert 2000000 <= boot < 2000000 + 900000
