# SPDX-License-Identifier: Apache-2.0
"""What a container makes of rights that are the host's: file systems on devices, programs of cgroups."""
import os
import pathlib
import subprocess

import pytest

import harness
from agent import Agent, User, ext4
from harness import mount_at, need, run, wait_for
from test_agent_block import container, options_of, policy, tree
from test_agent_bpf import MULTI, OVERRIDE, POLICY, ROOT, Delegated, attach, detach, programs_of

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")


@pytest.fixture
def user(cay):
    need("setpriv")
    return User(cay)


def test_an_image_can_not_stop_the_machine_by_what_it_says_of_errors(cay, user, loop):
    """ext4 keeps in its superblock what to do about errors, and options of a mount as text."""
    devs = []
    for name, options in (("text", ()), ("both", ("-e", "panic"))):
        image = ext4(cay, *options, name=f"{name}.img")
        subprocess.run(["tune2fs", "-E", "mount_opts=errors=panic", str(image)], check=True, timeout=30, stdout=subprocess.DEVNULL)
        devs.append(loop(image))
    # Careless: whoever just mounts it. Of what the superblock says by number nothing is told here.
    r = run(["unshare", "-m", "sh", "-c", f"mount -t ext4 {devs[0]} /mnt && cat /proc/self/mountinfo"])
    assert "errors=panic" in mount_at(r.out, "/mnt")["super"], r
    with Agent(cay, {"a": policy("ext4 from ** on /mnt/* options errors=continue")}) as agent:
        a = container(user, cay, agent, devs)
        for n, dev in enumerate(devs):
            for options, want in (("", "errors=remount-ro"), ("errors=continue", "errors=continue")):
                assert user.sh(a, f"ask mount /dev/disk{n} /mnt/x ext4 0 '{options}'").lines == ["ok"]
                said = mount_at(user.sh(a, "cat /proc/1/mountinfo").out, "/mnt/x")["super"]
                # What is as the superblock's number says is not told.
                assert want in said or (dev == devs[0] and options and not [o for o in said if o.startswith("errors=")]), said
                assert user.sh(a, "ask umount /mnt/x 0").lines == ["ok"]
                wait_for(lambda d=dev: not pathlib.Path(f"/sys/fs/ext4/{d[5:]}").exists(), "the file system to go")
        user.delete(a)


def test_flags_of_a_device_are_locked_even_for_whoever_may_mount(cay, user, loop):
    """With CAP_SYS_ADMIN in its own user namespace a container changes what is mounted by itself, unasked."""
    dev = loop(ext4(cay, "-d", str(tree(cay))))
    with Agent(cay, {"a": policy(f"ext4 from {dev} on /mnt/y shift", "tmpfs on /mnt/x size<=1M")}) as agent:
        a = container(user, cay, agent, [dev], caps=["CAP_SYS_ADMIN"], calls=["mount", "umount2"])
        # mount_setattr, which the filter of this container does not send: nodev is taken back, where it is not locked.
        assert user.sh(a, "ask mount t /mnt/x tmpfs 0 ''; ask mount /dev/disk0 /mnt/y ext4 0 ''").lines == ["ok", "ok"]
        r = user.sh(a, "for m in x y; do ask setattr /mnt/$m 0 4; ask setattr /mnt/$m 0 2; done; head -c 1 /mnt/y/zero 2>/dev/null | wc -c")
        assert r.lines == ["ok", "ok", "EPERM", "EPERM", "0"], r
        assert {"nosuid", "nodev"} <= options_of(user, a, "/mnt/y")
        user.delete(a)


def test_no_other_cgroup_than_those_below_its_own_is_touched(cay):
    """Its own one is its runtime's; those of another container have the same owner, if it gets at them at all."""
    with Agent(cay, {"a": POLICY}) as agent, Delegated(cay, agent, name="other") as other:
        for d in ("x", "x/y"):
            (other.dir / d).mkdir()
            os.chown(other.dir / d, ROOT, ROOT)
        with Delegated(cay, agent, theirs=other.dir) as c:
            for d in (c.at, "/theirs", "/theirs/x", "/theirs/x/y", "/tmp", "/sys/fs/cgroup/pids"):
                assert c.sh(f"ask bpf attach {d}").lines[0] in ("EPERM", "EBADF"), d
            # What lies above is asked of directories: a mount that makes it look otherwise is of no use.
            r = c.sh(f"cd /theirs/x/y && mount -o bind {c.at} /theirs/x && stat -c %i .. {c.at}; ask bpf attach .")
            assert len(r.lines) > 2 and r.lines[0] == r.lines[1], "careless: by its name the own cgroup is above"
            assert r.lines[2] == "EPERM", (r, agent.records())
        # The host could: that nothing is attached is the agent's doing.
        for d in (other.dir / "x/y", other.dir / "x"):
            assert programs_of(d) == 0
            detach(d, attach(d, MULTI))


def test_what_holds_above_can_not_be_overridden(cay):
    """A program of the host's that those below may replace: then one of a container's own would widen."""
    with Agent(cay, {"a": POLICY}) as agent, Delegated(cay, agent) as c:
        assert c.sh(f"mkdir -p {c.at}/x/y/z").rc == 0
        for top in (c.dir / "x", c.dir / "x/y"):
            host = attach(top, OVERRIDE, allows=False)
            try:
                assert c.sh(f"ask bpf attach {c.at}/x/y/z").lines[0] == "EPERM", top
                # Nor is it given to whoever asks to be the one that may be overridden, or alone.
                for flags in (0, OVERRIDE, 4, MULTI | 4):
                    assert c.sh(f"ask bpf attach {c.at}/x {flags}").lines[0] == "EPERM"
            finally:
                detach(top, host)
        # And one where only one has room is not thrown out by whoever names another.
        host = attach(c.dir / "x", 0, allows=False)
        assert c.sh(f"ask bpf detach {c.at}/x").lines[0] == "EPERM"
        detach(c.dir / "x", host)
