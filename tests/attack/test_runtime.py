# SPDX-License-Identifier: Apache-2.0
"""The table "Runtime" of the threat list. Each test first shows the attack winning on a set-up
that lacks the defence (a careless shell script doing what a careless runtime would do)."""
import os
import subprocess

import pytest

from harness import CAY, IS_RUNC, TIMEOUT, cap_mask, cay_only, mount_at, our_state, read, run, wait_for


def careless(script, *args, **kw):
    """The weakened set-up: a private mount namespace and a few careless lines."""
    return run(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *args], **kw)


def test_a_symlink_at_a_mount_target_does_not_lead_to_the_host(cay, bundle):
    """CVE-2021-30465 and family."""
    host = cay.dir / "host"
    host.mkdir()
    (host / "precious").touch()
    os.symlink(str(host), bundle.rootfs / "data")
    r = careless('mount -t tmpfs evil "$1/data" && ls -A "$2"', bundle.rootfs, host)
    assert (r.rc, r.out) == (0, ""), "careless: the host's directory is covered"
    bundle.mount("/data/new", type="tmpfs", source="tmpfs")
    r = cay.run(bundle.sh("cat /proc/self/mountinfo"))
    assert sorted(p.name for p in host.iterdir()) == ["precious"]
    assert r.rc != 0 or mount_at(r.out, f"{host}/new")


def test_a_symlink_swapped_while_mounting_does_not_lead_to_the_host(cay, bundle):
    """CVE-2021-30465: a racing process flips the target between directory and symlink."""
    cay_only("safe resolution")
    host = cay.dir / "host"
    host.mkdir()
    a = bundle.rootfs / "mnt" / "a"
    flip = (f'cd "{a.parent}"; mkdir d; ln -s "{host}" l; while :; do mv -T d a; mv -T a d; '
            'mv -T l a; mv -T a l; done')
    p = subprocess.Popen(["sh", "-c", flip], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bundle.mount("/mnt/a/made", type="tmpfs", source="tmpfs")
        bundle.sh("cat /proc/self/mountinfo")
        for _ in range(100):
            r = cay.run(bundle)
            assert list(host.iterdir()) == [], "made on the host"
            assert r.rc != 0 or "made" in r.out
    finally:
        p.kill()
        p.wait()


@pytest.mark.parametrize("where", ["/dev", "/proc", "/sys"])
def test_a_system_directory_that_is_a_symlink_is_refused_or_harmless(cay, bundle, where):
    """CVE-2019-19921, CVE-2023-27561, CVE-2026-41579."""
    host = cay.dir / "host"
    host.mkdir()
    d = bundle.rootfs / where[1:]
    d.rmdir()
    os.symlink(str(host), d)
    r = careless('mkdir -p "$1$2/made"; ls "$3"', bundle.rootfs, where, host)
    assert r.out == "made\n", "careless: made on the host"
    (host / "made").rmdir()
    r = cay.run(bundle.args("true"))
    assert list(host.iterdir()) == []
    if where != "/dev":
        assert r.rc != 0
        assert where in cay.error_line(r)


def test_dev_null_that_is_a_symlink_does_not_unmask(cay, bundle):
    """CVE-2025-31133: the source of a mask is replaced by the attacker's file."""
    (bundle.rootfs / "etc" / "attacker").write_text("attacker\n")
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if not m["destination"].startswith("/dev")]
    os.symlink("/etc/attacker", bundle.rootfs / "dev" / "null")
    r = careless('cd "$1"; touch mask; chroot . /bin/busybox readlink -f /dev/null', bundle.rootfs)
    assert r.out.strip() == "/etc/attacker", "careless: the mask is what the attacker chose"
    bundle.linux["maskedPaths"] = ["/proc/keys", "/etc/passwd"]
    r = cay.run(bundle.sh("cat /etc/passwd; stat -c %t:%T /etc/passwd"))
    assert "attacker" not in r.out
    assert r.rc != 0 or r.out == "1:3\n", r
    assert (bundle.rootfs / "etc" / "attacker").read_text() == "attacker\n"


@pytest.mark.parametrize("target", ["/dev/console", "/dev/pts/0", "/dev/ptmx"])
def test_a_console_that_is_a_symlink_does_not_cover_the_host(cay, bundle, target):
    """CVE-2025-52565."""
    from harness import ConsoleSocket
    victim = cay.dir / "victim"
    victim.write_text("host\n")
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/dev"]
    if target == "/dev/pts/0":
        (bundle.rootfs / "dev" / "pts").mkdir()
    os.symlink(str(victim), bundle.rootfs / target[1:])
    bundle.process["terminal"] = True
    bundle.args("sleep", "1000").write()
    with ConsoleSocket(cay.shm / "console") as s:
        id = cay.id()
        with open(os.devnull, "r+b") as null:
            rc = subprocess.run(cay.argv("create", "-b", bundle.path, "--console-socket", s.path, id),
                                stdin=null, stdout=null, stderr=null, timeout=TIMEOUT).returncode
        if rc == 0:
            fd, _ = s.receive()
            os.close(fd)
        cay("delete", "-f", id)
    assert victim.read_text() == "host\n"
    assert not victim.is_symlink() and victim.stat().st_uid == 0


@pytest.mark.parametrize("n", range(3, 12))
def test_a_working_directory_through_a_leaked_descriptor_is_refused(cay, bundle, n):
    """CVE-2024-21626."""
    r = run(["sh", "-c", 'exec 7</; cd /proc/self/fd/7 && ls -d etc'])
    assert r.out == "etc\n", "careless: an inherited descriptor leads to the host"
    bundle.process["cwd"] = f"/proc/self/fd/{n}"
    r = run(["sh", "-c", 'exec "$@" 7</', "sh", *cay.argv("run", "-b", bundle.path, cay.id())]) \
        if bundle.sh("probe cwd; ls ../../../../").write() is None else None
    assert r.rc != 0 or "work" not in r.out.split(), r
    id = cay.start(cay.bundle("b2").args("sleep", "1000"))
    r = run(["sh", "-c", 'exec "$@" 7</', "sh",
             *cay.argv("exec", "--cwd", f"/proc/self/fd/{n}", id, "sh", "-c", "probe cwd; ls ../../../..")])
    assert r.rc != 0 or "work" not in r.out.split(), r
    cay.destroy(id)


def test_proc_self_exe_as_program_never_reaches_the_runtime(cay, bundle):
    """CVE-2019-5736."""
    before = read(CAY)
    for program in ("/proc/self/exe", "/proc/1/exe", "/bin/link"):
        if program == "/bin/link" and not (bundle.rootfs / "bin/link.mine").exists():
            os.symlink("/proc/self/exe", bundle.rootfs / "bin/link.mine")
            program = "/bin/link.mine"
        bundle.args(program, "features").write()
        r = cay("run", "-b", bundle.path, cay.id())
        assert "ociVersion" not in r.out
    id = cay.start(bundle.args("sleep", "1000"))
    for program in ("/proc/self/exe", "/bin/link.mine"):
        r = cay("exec", id, program, "--version")
        assert "cay version" not in r.out
    cay.destroy(id)
    assert read(CAY) == before


def test_the_islander_in_a_container_can_not_be_overwritten_while_execs_go_by(cay, bundle):
    """CVE-2019-5736, the second half: a loop inside opens /proc/<pid>/exe of all that joins."""
    cay_only("sealed image")
    log = cay.dir / "log"
    log.mkdir()
    bundle.mount("/mnt", type="bind", source=str(log), options=["bind"])
    bundle.caps("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE")
    bundle.sh("touch /mnt/ready; while :; do for p in /proc/[0-9]*; do "
              "case $(readlink $p/exe) in *cay*) [ $(probe open $p/exe w) = ok ] && echo $p >> /mnt/won;; esac; "
              "done; done")
    id = cay.start(bundle)
    wait_for((log / "ready").exists, "the attacker")
    for _ in range(40):
        cay.ok("exec", id, "true")
    assert not (log / "won").exists()
    cay.destroy(id)


@pytest.mark.parametrize("id", ["../escape", "a/../../escape", "..", "a\n", "a/x", "x" * 129, "x" * 100000],
                         ids=["up", "deep up", "parent", "newline", "slash", "129 bytes", "100 KB"])
def test_ids_can_not_climb(cay, bundle, id):
    bundle.args("true").write()
    for command in (("run", "-b", bundle.path), ("state",), ("delete", "-f"), ("kill",)):
        assert cay(*command, id).rc != 0 or (IS_RUNC and command[0] == "delete")
    assert our_state(cay.token) == []
    assert not (cay.shm / "escape").exists()


def test_sub_cgroups_can_not_climb(cay, bundle):
    cay_only("strict sub-cgroups")
    id = cay.start(bundle.args("sleep", "1000"))
    for path in ("..", "../..", "pids:..", "a/../..", "/../.."):
        r = cay("exec", "--cgroup", path, id, "true")
        assert r.rc != 0, path
    cay.destroy(id)


def test_inheritable_capabilities_are_empty_unless_asked_for(cay, bundle):
    """CVE-2022-29162."""
    id = cay.start(bundle.args("sleep", "1000"))
    out = cay.ok("exec", "--cap", "CAP_CHOWN", id, "grep", "CapInh", "/proc/self/status").out
    assert int(out.split()[1], 16) == 0
    cay.destroy(id)


def test_devices_are_denied_by_default(cay, bundle):
    """GHSA-g54h-m393-cpwq: no list at all must not mean everything."""
    bundle.linux["resources"] = {}
    bundle.caps("CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_SYSLOG")
    r = run(["sh", "-c", f"mknod {cay.dir}/log c 1 11 && exec 3<{cay.dir}/log && echo open"])
    assert r.out == "open\n", "careless: without a list the kernel log of the host can be read"
    r = cay.run(bundle.sh("probe mknod /tmp/log c 1 11; probe open /tmp/log r"))
    assert r.rc != 0 or r.lines[1] in ("EPERM", "ENOENT"), r


def test_sysctls_can_not_be_redirected(cay, bundle):
    """CVE-2025-52881: names that climb out of /proc/sys."""
    cay_only("strict sysctl names")
    for key in ("net/../../kernel/core_pattern", "kernel.shm/../core_pattern", "net.ipv4.../../kernel.core_pattern",
                "kernel.core_pattern"):
        before = read("/proc/sys/kernel/core_pattern")
        bundle.linux["sysctl"] = {key: "|/evil"}
        assert cay.run(bundle.args("true")).rc != 0, key
        assert read("/proc/sys/kernel/core_pattern") == before


# ---- What a joining exec holds (CVE-2016-9962) ------------------------------------------------

def watched(cay, bundle, act):
    """What a thief with CAP_SYS_PTRACE sees others hold while act(id) runs again and again."""
    caps = ("CAP_SYS_PTRACE", "CAP_KILL")
    bundle.caps(*caps)
    bundle.args("probe", "thief", "40").write()
    id = cay.id()
    seen = cay.dir / "seen"
    with open(seen, "wb") as out:
        p = cay.popen("run", "-b", bundle.path, id, stdin=subprocess.DEVNULL, stdout=out)
    wait_for(lambda: "ready" in seen.read_text(), "the thief")
    while p.poll() is None and act(id) is not False:
        pass
    p.wait(TIMEOUT)
    return seen.read_text().splitlines()


def test_a_joining_process_that_holds_a_host_directory_is_robbed(cay, bundle):
    """The weakened set-up: a plain nsenter with the host's root open."""
    def nsenter(id):
        root = os.open("/", os.O_RDONLY)
        try:
            subprocess.run(["nsenter", "-t", str(cay.pid(id)), "-p", "-m", "sleep", "0.3"],
                           pass_fds=[root], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=TIMEOUT)
        finally:
            os.close(root)
        return False
    seen = watched(cay, bundle, nsenter)
    assert any(line.startswith("fd ") and line.endswith(" /") for line in seen), seen[:20]


def test_exec_holds_nothing_worth_stealing_when_it_can_be_seen(cay, bundle):
    seen = watched(cay, bundle, lambda id: cay("exec", id, "true"))
    ours = [line.split(None, 2) for line in seen if " cay-init " in line]
    assert ours, "no joining process was seen: the test shows nothing"
    fds = {link for kind, _, link in ours if kind == "fd"}
    assert all(link.startswith("socket:") for link in fds), fds
    allowed = cap_mask("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN", "CAP_FOWNER",
                               "CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE", "CAP_KILL")
    caps = {int(link, 16) for kind, _, link in ours if kind == "caps"}
    assert caps and not any(c & ~allowed for c in caps), [hex(c) for c in caps]
