# SPDX-License-Identifier: Apache-2.0
"""`cay agent`: a container with cgroups of its own narrows there which devices may be used."""
import ctypes
import os
import shutil
import struct

import pytest

import harness
from agent import BASE, Agent, ask, broker_probe
from harness import cgroup_dirs_of, in_user_namespace, need_root

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
POLICY = "default deny\n" + BASE + "allow bpf device\n"
OVERRIDE, MULTI = 1, 2
ROOT = 100000


class Delegated:
    """A container whose root owns its cgroup of version 2."""

    def __init__(self, cay, agent, policy="a", name="bundle", own=True, theirs=None):
        need_root()
        self.cay = cay
        b = cay.bundle(name, probe=False)
        b.killable = True
        in_user_namespace(b)
        b.namespace("cgroup")
        # All devices, and nothing that a container with many users could not open.
        b.allow_devices()
        b.linux["cgroupsPath"] = f"/{cay.token}-{name}"
        b.mount("/sys/fs/cgroup", type="cgroup", source="cgroup", options=["rw", "nosuid", "nodev", "noexec"])
        shutil.copy(broker_probe(), b.rootfs / "bin/ask")
        if theirs:
            (b.rootfs / "theirs").mkdir()
            b.mount("/theirs", type="bind", source=str(theirs), options=["bind"]).caps("CAP_SYS_ADMIN")
        ask(b, agent.sock, policy, ["bpf"])
        self.id = cay.start(b.args("sleep", "1000"))
        self.dir = cgroup_dirs_of(cay.pid(self.id)).get("unified")
        if not self.dir:
            cay.destroy(self.id)
            harness.skip("cgroup v2")
        self.at = "/sys/fs/cgroup" if (harness.CGROUP_ROOT / "cgroup.controllers").exists() else "/sys/fs/cgroup/unified"
        if own:
            for p in [self.dir, *self.dir.iterdir()]:
                os.chown(p, ROOT, ROOT)

    def sh(self, script):
        return self.cay("exec", self.id, "sh", "-c", script)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.cay.destroy(self.id)


def bpf(cmd, attr):
    b = ctypes.create_string_buffer(attr, 128)
    r = ctypes.CDLL(None, use_errno=True).syscall(321, cmd, b, 128)
    assert r >= 0, os.strerror(ctypes.get_errno())
    return r, b.raw


def attach(cgroup, flags, allows=True):
    """A program of the host's, on a cgroup; Return: its descriptor."""
    insns = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xB7, 0, 0, int(allows), 0x95, 0, 0, 0))
    text = ctypes.create_string_buffer(b"")
    program, _ = bpf(5, struct.pack("<IIQQ", 15, 2, ctypes.addressof(insns), ctypes.addressof(text)))
    on(cgroup, 8, program, flags)
    return program


def on(cgroup, cmd, program, flags):
    fd = os.open(cgroup, os.O_RDONLY)
    try:
        return bpf(cmd, struct.pack("<IIII", fd, program, 6, flags))[1]
    finally:
        os.close(fd)


def detach(cgroup, program):
    on(cgroup, 9, program, 0)
    os.close(program)


def programs_of(cgroup):
    fd = os.open(cgroup, os.O_RDONLY)
    answer = bpf(16, struct.pack("<IIII", fd, 6, 0, 0))[1]
    os.close(fd)
    return struct.unpack_from("<I", answer, 24)[0]


def test_a_container_narrows_what_its_own_cgroups_may_use(cay):
    with Agent(cay, {"a": POLICY}) as agent, Delegated(cay, agent) as c:
        r = c.sh(f"mkdir {c.at}/x {c.at}/x/y; ask bpf attach {c.at}/x; ask bpf detach {c.at}/x/y")
        # What is above holds below as well: there is a second one, and it stays when its own is gone.
        assert r.lines == ["ok", "EPERM", "ok", "ok", "EPERM", "ok", "ok", "EPERM"], (r, agent.records())
        assert c.sh("head -c 1 /dev/zero | wc -c").lines == ["1"]
        assert agent.record(call="bpf", what="bpf device attach")["line"] == 4
        assert agent.record(call="bpf", what="bpf device load")["verdict"] == "allow"


def test_a_cgroup_that_is_not_delegated_is_left_alone(cay):
    with Agent(cay, {"a": POLICY}) as agent, Delegated(cay, agent, own=False) as c:
        (c.dir / "x").mkdir()
        assert c.sh(f"ask bpf attach {c.at}/x").lines[0] == "EPERM"
        assert agent.record(call="bpf", what="bpf device attach")["verdict"] == "allow"


def test_no_program_is_loaded_that_does_more_than_answer(cay):
    with Agent(cay, {"a": POLICY, "b": "default allow\n"}) as agent, Delegated(cay, agent) as c:
        want = {"": "ok", "call": "EPERM", "back": "EPERM", "wild": "EACCES", "many": "E2BIG", "tracing": "EPERM", "flags": "EPERM", "btf": "EPERM"}
        for kind, answer in want.items():
            assert c.sh(f"ask bpf load '{kind}'").lines == [answer], kind
        # Maps, iterators, and all else that bpf(2) has.
        for cmd in (0, 1, 6, 7, 10, 12, 13, 14, 15, 16, 18, 28, 36, 1000):
            assert c.sh(f"ask syscall 321 {cmd} 0 0").lines in (["EPERM"], ["EFAULT"]), cmd
        # Those that are gone make room.
        assert c.sh("ask programs 40; ask programs 40").lines == ["32 ENOSPC", "32 ENOSPC"]
        with Delegated(cay, agent, "b", "other") as b:
            assert b.sh("ask bpf load ''").lines == ["EPERM"]
