# SPDX-License-Identifier: Apache-2.0
"""run.oci.*: what crun takes from annotations."""
import base64
import json
import os
import pathlib
import struct

import pytest

from harness import cay_only, in_user_namespace, parse_status
from test_commands2 import PidfdSocket
from test_hooks import HOOKS
from test_spec13 import MKDIR, Agent, notify, pytestmark_x86


@pytest.fixture(autouse=True)
def only_cay():
    cay_only("annotations run.oci.*")


def annotate(bundle, **values):
    bundle.config["annotations"] = {f"run.oci.{k}": v for k, v in values.items()}
    return bundle


# ---- groups ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("value,groups", [("1", [4, 24]), ("", [4, 24]), ("0", [])])
def test_the_callers_groups_stay_when_asked(cay, bundle, value, groups):
    annotate(bundle, keep_original_groups=value)
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status"), extra_groups=[4, 24]))
    assert sorted(map(int, s["Groups"].split())) == groups


def test_the_callers_groups_stay_in_exec_and_in_a_user_namespace(cay, bundle):
    in_user_namespace(bundle)
    annotate(bundle, keep_original_groups="1").args("sleep", "1000")
    bundle.process["user"]["additionalGids"] = [7]
    id = cay.start(bundle)
    r = cay.ok("exec", id, "cat", "/proc/self/status", extra_groups=[4, 24])
    # 4 and 24 are nobody's there: the kernel shows the overflow id.
    assert parse_status(r.out)["Groups"].split() == ["65534", "65534"]
    cay.destroy(id)


# ---- hooks ----------------------------------------------------------------------------------------

def test_what_hooks_say_goes_to_the_files_that_are_named(cay, bundle):
    out, err = cay.dir / "hooks.out", cay.dir / "hooks.err"
    out.write_text("before\n")
    bundle.config["annotations"] = {"run.oci.hooks.stdout": str(out), "run.oci.hooks.stderr": str(err)}
    for k in HOOKS:
        bundle.hook(k, f"cat >/dev/null; echo out {k}; echo err {k} >&2")
    r = cay.run(bundle.args("sh", "-c", "ls -l /proc/self/fd"))
    assert r.rc == 0 and "hooks." not in r.out, r
    assert sorted(out.read_text().splitlines()) == sorted(["before"] + [f"out {k}" for k in HOOKS])
    assert sorted(err.read_text().splitlines()) == sorted(f"err {k}" for k in HOOKS)
    assert err.stat().st_mode & 0o777 == 0o600


def test_one_of_the_two_can_be_named_alone(cay, bundle):
    out = cay.dir / "hooks.out"
    bundle.config["annotations"] = {"run.oci.hooks.stdout": str(out)}
    bundle.hook("createRuntime", "cat >/dev/null; echo quiet; echo loud >&2; exit 3")
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "loud" in r.err and "quiet" not in r.err, r
    assert out.read_text() == "quiet\n"


def test_a_file_for_hooks_that_can_not_be_opened_is_named(cay, bundle):
    bundle.config["annotations"] = {"run.oci.hooks.stderr": "/nowhere/x"}
    bundle.hook("createRuntime", "cat >/dev/null")
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and '"/nowhere/x"' in r.err, r


def test_without_hooks_no_file_is_made(cay, bundle):
    bundle.config["annotations"] = {"run.oci.hooks.stdout": str(cay.dir / "none")}
    assert cay.run(bundle.args("true")).rc == 0
    assert not (cay.dir / "none").exists()


# ---- seccomp --------------------------------------------------------------------------------------

@pytestmark_x86
def test_the_receiver_is_the_listener(cay, bundle):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir", "mkdirat")
    del bundle.linux["seccomp"]["listenerPath"]
    bundle.config["annotations"] = {"run.oci.seccomp.receiver": str(sock)}
    with Agent(sock) as agent:
        r = cay.run(bundle.sh(MKDIR))
    assert r.rc == 0 and "Bad file descriptor" in r.out, r
    assert len(agent.states) == 1


@pytestmark_x86
def test_the_path_in_the_profile_comes_before_the_receiver(cay, bundle):
    sock = cay.dir / "agent"
    notify(bundle, sock, "mkdir", "mkdirat")
    bundle.config["annotations"] = {"run.oci.seccomp.receiver": str(cay.dir / "nobody")}
    with Agent(sock) as agent:
        assert cay.run(bundle.sh(MKDIR)).rc == 0
    assert len(agent.states) == 1


PROFILE = {"defaultAction": "SCMP_ACT_ALLOW",
           "syscalls": [{"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}


def test_an_unknown_system_call_is_refused_when_asked(cay, bundle):
    bundle.linux["seccomp"] = PROFILE
    assert cay.run(bundle.args("true")).rc == 0  # and its filter is in the cache now
    annotate(bundle, seccomp_fail_unknown_syscall="1")
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "linux.seccomp.syscalls[0].names[1] \"no_such_call\"" in r.err, r
    annotate(bundle, seccomp_fail_unknown_syscall="0")
    assert cay.run(bundle.args("true")).rc == 0


def program(*insns):
    return base64.b64encode(b"".join(struct.pack("HBBI", *i) for i in insns)).decode()


LOAD_NR, RETURN, EQUAL = 0x20, 0x06, 0x15
MKDIR_FAILS = program((LOAD_NR, 0, 0, 0), (EQUAL, 0, 1, 83), (RETURN, 0, 0, 0x50000 | 42),
                      (RETURN, 0, 0, 0x7fff0000))


@pytestmark_x86
@pytest.mark.parametrize("profile", [None, {"defaultAction": "SCMP_ACT_KILL"}])
def test_a_filter_can_be_given_ready_made(cay, bundle, profile):
    if profile:
        bundle.linux["seccomp"] = profile
    annotate(bundle, seccomp_bpf_data=MKDIR_FAILS)
    script = "mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status"
    r = cay.run(bundle.sh(script))
    assert "No message of desired type" in r.out and "2" in r.lines[-1], r
    id = cay.start(bundle.args("sleep", "1000"))
    assert "No message of desired type" in cay.ok("exec", id, "sh", "-c", script).out
    cay.destroy(id)


@pytest.mark.parametrize("text,why", [
    ("", "0 bytes"), ("AAAA", "3 bytes"), ("A", "not base64"), ("AA*=", "not base64"), ("AAB=", "not base64"),
    ("A===", "not base64"), ("AA=A", "not base64"), ("AAAA" * 20000, "more than 4096 instructions"),
])
def test_a_filter_that_is_none_is_refused(cay, bundle, text, why):
    r = cay.run(annotate(bundle, seccomp_bpf_data=text).args("true"))
    assert r.rc != 0 and "run.oci.seccomp_bpf_data" in r.err and why in r.err, r


def test_a_filter_that_the_kernel_refuses_stops_the_start(cay, bundle):
    r = cay.run(annotate(bundle, seccomp_bpf_data=program((0xff, 0, 0, 0))).args("true"))
    assert r.rc != 0 and "seccomp" in r.err, r


# ---- the others -----------------------------------------------------------------------------------

def test_the_receiver_gets_the_pidfd(cay, bundle):
    with PidfdSocket(cay.dir / "pidfd") as s:
        bundle.config["annotations"] = {"run.oci.pidfd_receiver": str(cay.dir / "pidfd")}
        id = cay.create(bundle.args("sleep", "1000"))
        fd, _ = s.receive()
    info = dict(ln.split(":\t") for ln in pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines())
    os.close(fd)
    assert int(info["Pid"]) == cay.pid(id)
    cay.destroy(id)


def test_the_word_for_the_mount_label_must_be_one(cay, bundle):
    bundle.config["annotations"] = {"run.oci.mount_context_type": "nocontext"}
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and "fscontext" in r.err, r


@pytest.mark.parametrize("name", ["seccomp.receiver", "hooks.stdout", "hooks.stderr", "pidfd_receiver"])
@pytest.mark.parametrize("value", ["", "relative/path"])
def test_a_path_must_be_absolute(cay, bundle, name, value):
    bundle.config["annotations"] = {f"run.oci.{name}": value}
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and f"run.oci.{name}" in r.err and "absolute" in r.err, r


@pytest.mark.parametrize("name,value,hint", [
    ("handler", "krun", "virtual machines"), ("handler", "wasm", "WebAssembly"),
    ("seccomp.plugins", "x.so", "listenerPath"), ("systemd.force_cgroup_v1", "/sys/fs/cgroup", "cgroups"),
    ("systemd.subgroup", "container", "sub-cgroups"), ("delegate-cgroup", "mine", "sub-cgroups"),
    ("timens_offset", "1 2 3", "linux.timeOffsets"),
])
def test_what_can_not_be_had_is_refused_by_name(cay, bundle, name, value, hint):
    bundle.config["annotations"] = {f"run.oci.{name}": value}
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and f'annotation "run.oci.{name}"' in r.err and hint in r.err, r


@pytest.mark.parametrize("name", ["systemd.subgroup", "delegate-cgroup", "of.tomorrow"])
def test_no_sub_cgroup_and_unknown_annotations_are_fine(cay, bundle, name):
    bundle.config["annotations"] = {f"run.oci.{name}": ""}
    assert cay.run(bundle.args("true")).rc == 0


def test_features_warn_of_them(cay):
    assert "run.oci." in json.loads(cay.ok("features").out)["potentiallyUnsafeConfigAnnotations"]
