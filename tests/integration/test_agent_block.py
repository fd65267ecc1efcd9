# SPDX-License-Identifier: Apache-2.0
"""`cay agent`: file systems on devices, lent to the containers of an ordinary user."""
import os
import pathlib
import shutil
import subprocess

import pytest

import harness
from agent import BASE, Agent, ask, broker_probe, ext4, rootless_bundle
from harness import in_user_namespace, mount_at, need, read, wait_for

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 0x20, 0x1000


def tree(cay):
    """What is in the images: root's, with a set-user-id file and a device node."""
    at = cay.dir / "tree"
    at.mkdir()
    (at / "file").write_text("hello\n")
    (at / "of-5").write_text("")
    os.chown(at / "of-5", 5, 5)
    shutil.copy("/bin/busybox", at / "id")
    os.chown(at / "id", 5, 5)
    (at / "id").chmod(0o4755)
    os.mknod(at / "zero", 0o20666, os.makedev(1, 5))
    (at / "zero").chmod(0o666)
    return at


def squashfs(cay):
    need("mksquashfs")
    image = cay.dir / "squashfs.img"
    subprocess.run(["mksquashfs", str(tree(cay)), str(image), "-quiet", "-no-progress"], check=True, timeout=60, stdout=subprocess.DEVNULL)
    return image


def container(user, cay, agent, devices, name="bundle", policy="a", **kw):
    """The container calls its devices what it likes."""
    b = ask(rootless_bundle(cay, name, user.uid), agent.sock, policy, kw.get("calls"))
    for n, dev in enumerate(devices):
        b.mount(f"/dev/disk{n}", type="bind", source=dev, options=["bind"])
    (b.rootfs / "mnt/x").mkdir()
    (b.rootfs / "mnt/y").mkdir()
    if kw.get("caps"):
        b.caps(*kw["caps"])
    return user.start(b.args("sleep", "1000"))


def policy(*lines):
    return "default deny\n" + BASE + "".join(f"allow mount {ln}\n" for ln in lines)


@pytest.mark.parametrize("kind", ["ext4", "squashfs"])
def test_a_file_system_on_a_listed_device_is_lent_with_its_owners_shifted(cay, user, loop, kind):
    dev = loop(ext4(cay, "-d", str(tree(cay))) if kind == "ext4" else squashfs(cay))
    with Agent(cay, {"a": policy(f"{kind} from {dev} on /mnt/x shift", f"{kind} from {dev} on /mnt/y")}) as agent:
        a = container(user, cay, agent, [dev])
        r = user.sh(a, f"ask mount /dev/disk0 /mnt/x {kind} 0 ''; cat /mnt/x/file; stat -c %u:%g /mnt/x/file /mnt/x/of-5; "
                       "head -c 1 /mnt/x/zero >/dev/null 2>&1 || echo no device; cat /dev/disk0 2>/dev/null | head -c 1 | wc -c")
        if kind == "squashfs" and r.lines[0] == "EINVAL":
            harness.skip("squashfs with shifted owners (Linux 6.2)")
        # Root's files are root's of the container, who has nobody else in his map; what he may mount he may not read.
        assert r.lines == ["ok", "hello", "0:0", "65534:65534", "no device", "0"], (r, agent.records())
        record = agent.record(call="mount")
        assert record["what"].startswith(f"mount {kind} from {dev} on /mnt/x") and record["line"] == 4
        m = mount_at(user.sh(a, "cat /proc/1/mountinfo").out, "/mnt/x")
        assert m["type"] == kind and {"nosuid", "nodev", "idmapped"} <= m["options"], m
        if kind == "ext4":
            assert user.sh(a, "echo mine >/mnt/x/mine && stat -c %u /mnt/x/mine").lines == ["0"]
        # Without the word owners stay who they are: strangers.
        r = user.sh(a, f"ask mount /dev/disk0 /mnt/y {kind} 0 ''; stat -c %u /mnt/y/file; touch /mnt/y/new 2>/dev/null || echo no; ask umount /mnt/x 0; ls /mnt/x")
        assert r.lines == ["ok", "65534", "no", "ok"], r
        user.delete(a)
        wait_for(lambda: dev.encode() not in read("/proc/self/mountinfo"), "the mounts to go")


def test_a_set_user_id_file_of_an_image_is_worth_nothing(cay, user, loop):
    """In a container with many users, where such a file of the container's own makes whoever executes it another one."""
    at = tree(cay)
    dev = loop(ext4(cay, "-d", str(at)))
    with Agent(cay, {"a": policy(f"ext4 from {dev} on /mnt/x shift")}) as agent:
        b = cay.bundle(probe=False)
        b.killable = True
        b.process["noNewPrivileges"] = False
        if os.statvfs(b.rootfs).f_flag & os.ST_NOSUID:
            harness.skip("a root file system that honours set-user-id files")
        in_user_namespace(b)
        b = ask(b, agent.sock, "a").mount("/dev/disk0", type="bind", source=dev, options=["bind"])
        (b.rootfs / "mnt/x").mkdir()
        shutil.copy(broker_probe(), b.rootfs / "bin/ask")
        own = shutil.copy(at / "id", b.rootfs / "mnt/id")
        os.chown(own, 100005, 100005)
        own.chmod(0o4755)
        r = cay.run(b.sh("ask mount /dev/disk0 /mnt/x ext4 0 ''; stat -c %u /mnt/x/id; /mnt/id -u; /mnt/x/id -u"))
        assert r.lines == ["ok", "5", "5", "0"], (r, agent.records())


def test_a_device_is_known_by_what_the_host_calls_it(cay, user, loop):
    listed, other = loop(ext4(cay)), loop(ext4(cay, name="other.img"))
    with Agent(cay, {"a": policy(f"ext4 from {listed} on /mnt/**", "ext4 from /dev/disk1 on /mnt/**") + "allow mknod b 7:*\n",
                     "b": policy("ext4 from ** on /mnt/**")}) as agent:
        a, b = (container(user, cay, agent, [listed, other], p, p) for p in "ab")
        number = os.stat(other).st_rdev
        r = user.sh(a, f"ask mount /dev/disk1 /mnt/x ext4 0 ''; ask mknod /dev/{listed[5:]} b {os.major(number)} {os.minor(number)}; "
                       f"ask mount /dev/{listed[5:]} /mnt/x ext4 0 ''; ln -s disk0 /dev/link; ask mount /dev/link /mnt/x ext4 0 ''; "
                       "ask mount /dev/none /mnt/y ext4 0 ''; ask mount /dev/null /mnt/y ext4 0 ''; ask mount /mnt/y /mnt/y ext4 0 ''; ask mount '' /mnt/y ext4 0 ''")
        assert r.lines == ["EPERM", "ok", "EPERM", "ok", "ENOENT", "ENOTBLK", "ENOTBLK", "ENOENT"], (r, agent.records())
        assert agent.record(call="mount", container=a, verdict="deny", what=f"mount ext4 from {other} on /mnt/x")
        assert user.sh(b, "ask mount /dev/disk1 /mnt/x ext4 0 ''").lines == ["ok"]
        user.delete(a)
        user.delete(b)


def test_types_targets_flags_and_options_that_no_line_allows_are_refused(cay, user, loop):
    dev = loop(ext4(cay))
    lines = (f"ext4 from {dev} on /mnt/x ro noexec", f"ext4 from {dev} on /mnt/y options errors=continue,noload")
    with Agent(cay, {"a": policy(*lines)}) as agent:
        a = container(user, cay, agent, [dev])
        before = user.sh(a, "cat /proc/1/mountinfo").out
        for target, kind, flags, options in (("/mnt/x", "xfs", 0, ""), ("/mnt/x", "ext3", 0, ""), ("/mnt", "ext4", 0, ""), ("/tmp", "ext4", 0, ""),
                                             ("/mnt/x", "ext4", 0x10, ""), ("/mnt/x", "ext4", 0x20, ""), ("/mnt/x", "ext4", 0x100000, ""),
                                             ("/mnt/x", "ext4", 0, "errors=panic"), ("/mnt/y", "ext4", 0, "errors=panic"), ("/mnt/y", "ext4", 0, "errors"),
                                             ("/mnt/y", "ext4", 0, "noload,errors=panic"), ("/mnt/y", "ext4", 0, "journal_dev=65024"),
                                             ("/mnt/y", "ext4", 0, "journal_path=/dev/vda"), ("/mnt/y", "ext4", 0, f"source={dev}"),
                                             ("/mnt/y", "ext4", 0, "rw"), ("/mnt/y", "ext4", 0, "debug"), ("/mnt/x", "ext4", 0, "errors=continue")):
            assert user.exec(a, "ask", "mount", "/dev/disk0", target, kind, flags, options).out == "EPERM\n", (target, kind, flags, options)
        assert user.sh(a, "ask mount /dev/disk0 /mnt/y ext4 0 errors=continue,errors=panic").lines == ["EINVAL"]
        assert user.sh(a, "cat /proc/1/mountinfo").out == before
        # A line's flags hold, asked for or not; ro is one of the file system, too, which does not even replay its journal.
        assert user.sh(a, "ask mount /dev/disk0 /mnt/x ext4 0 ''").lines == ["ok"]
        m = mount_at(user.sh(a, "cat /proc/1/mountinfo").out, "/mnt/x")
        assert {"ro", "noexec", "nosuid", "nodev"} <= m["options"] and "ro" in m["super"], m
        user.delete(a)


@pytest.mark.parametrize("kind", ["ext4", "squashfs", "xfs", "btrfs", "erofs"])
def test_an_image_of_rubbish_is_an_error_and_no_more(cay, user, loop, kind):
    known = [ln.split()[-1] for ln in pathlib.Path("/proc/filesystems").read_text().splitlines()]
    if kind not in known and subprocess.run(["modprobe", kind], capture_output=True).returncode != 0:
        harness.skip(f"{kind} in the kernel")
    image = cay.dir / "rubbish"
    image.write_bytes(os.urandom(16 << 20))
    magic = {"ext4": (1080, b"\x53\xef"), "squashfs": (0, b"hsqs"), "xfs": (0, b"XFSB"), "btrfs": (65536 + 64, b"_BHRfS_M"), "erofs": (1024, b"\xe2\xe1\xf5\xe0")}
    with open(image, "r+b") as f:
        f.seek(magic[kind][0])
        f.write(magic[kind][1])
    empty = cay.dir / "empty"
    empty.write_bytes(b"")
    devs = [loop(image), loop(empty)]
    with Agent(cay, {"a": policy(f"{kind} from ** on /mnt/* shift")}) as agent:
        a = container(user, cay, agent, devs)
        for n in range(2):
            out = user.sh(a, f"ask mount /dev/disk{n} /mnt/x {kind} 0 ''").out.strip()
            assert out in ("EINVAL", "EIO", "EUCLEAN", "EBADMSG", "EOPNOTSUPP", "ENODEV", "ENXIO", "ENOENT"), out
        assert agent.record(call="mount")["verdict"] == "allow"
        # And the next call is served.
        assert user.sh(a, "ask umount /mnt/x 0").lines == ["EINVAL"]
        assert os.listdir(agent.sock + ".dev") == []
        user.delete(a)


# ---- flags of what is mounted ----------------------------------------------------------------------

REMOUNT = MS_REMOUNT | MS_BIND


def options_of(user, a, target):
    return mount_at(user.sh(a, "cat /proc/1/mountinfo").out, target)["options"]


def test_a_remount_tightens_and_never_loosens(cay, user, loop):
    dev = loop(ext4(cay))
    lines = ("tmpfs on /mnt/x size<=1M noexec options remount", f"ext4 from {dev} on /mnt/y options remount", "tmpfs on /tmp size<=1M")
    with Agent(cay, {"a": policy(*lines)}) as agent:
        a = container(user, cay, agent, [dev])
        assert user.sh(a, "ask mount t /mnt/x tmpfs 0 ''; ask mount /dev/disk0 /mnt/y ext4 0 ''; ask mount t /tmp tmpfs 0 ''").lines == ["ok"] * 3
        # What neither the call nor the line says would be taken back.
        tries = ((REMOUNT | MS_RDONLY, "ok"), (REMOUNT, "EPERM"), (REMOUNT | MS_RDONLY | MS_NOEXEC, "ok"), (MS_REMOUNT | MS_RDONLY, "EPERM"),
                 (REMOUNT | MS_RDONLY | 0x4000, "EPERM"))
        for target in ("/mnt/x", "/mnt/y"):
            for flags, want in tries:
                assert user.exec(a, "ask", "mount", "", target, "", flags, "").out == want + "\n", (target, flags, agent.records())
            assert {"ro", "noexec", "nosuid", "nodev"} <= options_of(user, a, target)
        # On what the agent did not make, or no line has the word for, or what is no mount.
        for target, want in (("/tmp", "EPERM"), ("/proc", "EPERM"), ("/dev", "EPERM"), ("/", "EPERM"), ("/etc", "EINVAL")):
            assert user.exec(a, "ask", "mount", "", target, "", REMOUNT | MS_RDONLY, "").out == want + "\n", target
        assert "ro" not in options_of(user, a, "/tmp") and "ro" not in options_of(user, a, "/proc")
        assert agent.record(call="mount", what="mount tmpfs on /mnt/x ro options remount")["verdict"] == "allow"
        user.delete(a)
