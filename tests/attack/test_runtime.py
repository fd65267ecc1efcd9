# SPDX-License-Identifier: Apache-2.0
"""The table "Runtime" of the threat list. Each test first shows the attack winning on a set-up
that lacks the defence (a careless shell script doing what a careless runtime would do)."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from harness import (IS_RUNC, TIMEOUT, ConsoleSocket, cap_mask, cay_only, cgroup_dirs_of, mount_at, need, our_state,
                     probe_binary, read, run, wait_for)


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


def check_then_use(root, target, make):
    """A careless runtime: looks whether the path stays inside, and then uses its name."""
    with contextlib.suppress(OSError):
        if os.path.realpath(f"{root}/{target}").startswith(str(root)):
            make(f"{root}/{target}/made")


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_target_swapped_while_mounting_does_not_lead_to_the_host(cay, bundle, kind):
    """CVE-2021-30465, CVE-2024-45310, CVE-2025-24965: the parent flips between directory and symlink."""
    cay_only("safe resolution")
    host = cay.dir / "host"
    host.mkdir()
    d, link = bundle.rootfs / "mnt" / "a", bundle.rootfs / "mnt" / "l"
    d.mkdir()
    os.symlink(host, link)
    p = subprocess.Popen([probe_binary(), "flip", d, link])
    cay.started.append(p)

    def won():
        for _ in range(1000):
            check_then_use(bundle.rootfs, "mnt/a", os.mkdir if kind == "directory" else os.mknod)
        return list(host.iterdir())
    wait_for(won, "a careless runtime to lose the race")
    for made in host.iterdir():
        made.rmdir() if kind == "directory" else made.unlink()
    if kind == "directory":
        bundle.mount("/mnt/a/new/made", type="tmpfs", source="tmpfs")
    else:
        bundle.mount("/mnt/a/made", type="bind", source="/etc/hostname", options=["bind"])
    bundle.sh("cat /proc/self/mountinfo")
    for _ in range(60):
        r = cay.run(bundle)
        assert list(host.iterdir()) == [], "made on the host"
        assert r.rc != 0 or "made" in r.out
    assert p.poll() is None
    p.kill()


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
    victim = cay.dir / "victim"
    victim.write_text("host\n")
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/dev"]
    if target == "/dev/pts/0":
        (bundle.rootfs / "dev" / "pts").mkdir()
    os.symlink(str(victim), bundle.rootfs / target[1:])
    r = careless('mount --bind /dev/null "$1$2" && stat -c %F "$3"', bundle.rootfs, target, victim)
    assert "character" in r.out, "careless: the terminal lands on the host's file"
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


def leaky(cay, n, *args):
    """Run with descriptor @n on a directory of the host, and all below it open, too."""
    (cay.dir / "marker").touch()
    fill = "; ".join(f"exec {i}</dev/null" for i in range(3, n))
    return run(["bash", "-c", f'{fill or ":"}; d=$1; shift; exec "$@" {n}<"$d"', "bash", cay.dir, *args])


@pytest.mark.parametrize("n", range(3, 10))
def test_a_working_directory_through_a_leaked_descriptor_is_refused(cay, bundle, n):
    """CVE-2024-21626: the runtime's own descriptors, and those of a careless caller."""
    id = cay.start(bundle.args("sleep", "1000"))
    look = ["sh", "-c", "probe cwd; ls; ls .."]
    cwd = f"/proc/self/fd/{n}"
    r = leaky(cay, n, "nsenter", "-t", cay.pid(id), "-m", "-p", "/bin/sh", "-c", f"cd {cwd} && ls")
    assert "marker" in r.lines, "careless: an inherited descriptor leads to the host"
    b = cay.bundle("other").args(*look)
    b.process["cwd"] = cwd
    b.write()
    for keep in ([], ["--preserve-fds", n - 2]):
        for r in (leaky(cay, n, *cay.argv("exec", *keep, "--cwd", cwd, id, *look)),
                  leaky(cay, n, *cay.argv("run", *keep, "-b", b.path, cay.id()))):
            assert r.rc != 0 or "marker" not in r.lines and cay.token not in r.out and r.out.startswith("/"), r
    cay.destroy(id)


@pytest.mark.parametrize("id", ["../escape", "a/../../escape", "..", "a\n", "a/x", "x" * 129, "x" * 100000],
                         ids=["up", "deep up", "parent", "newline", "slash", "129 bytes", "100 KB"])
def test_ids_can_not_climb(cay, bundle, id):
    if "/" in id or ".." in id:
        assert os.path.dirname(os.path.normpath(cay.root / id)) != str(cay.root), "careless: a joined name is elsewhere"
    elif "\n" in id:
        assert len(f"{id} running".splitlines()) == 2, "careless: a row of a list becomes two"
    else:
        with pytest.raises(OSError):  # careless: only the file system refuses, half-way
            (cay.dir / f"{id}.{'x' * 130}").mkdir()
    bundle.args("true").write()
    for command in (("run", "-b", bundle.path), ("state",), ("delete", "-f"), ("kill",)):
        assert cay(*command, id).rc != 0 or (IS_RUNC and command[0] == "delete")
    assert our_state(cay.token) == []
    assert not (cay.shm / "escape").exists()


def test_sub_cgroups_can_not_climb(cay, bundle):
    cay_only("strict sub-cgroups")
    id = cay.start(bundle.args("sleep", "1000"))
    dirs = cgroup_dirs_of(cay.pid(id))
    own = dirs.get("pids", dirs.get("unified"))
    for path in ("..", "../..", "a/../..", "/../.."):
        assert not os.path.normpath(f"{own}/{path}").startswith(str(own)), "careless: a joined name leaves it"
    for path in ("..", "../..", "pids:..", "a/../..", "/../..", "a\n..", "a/" + "x" * 300, "y" * 100000):
        assert cay("exec", "--cgroup", path, id, "true").rc != 0, path[:20]
    cay.destroy(id)


def test_annotations_can_not_break_out_of_their_text(cay, bundle):
    """They go into the state that hooks and engines read."""
    evil = 'x","pid":1,"a":"'
    naive = json.loads('{"pid": 7, "k": "%s"}' % evil)
    assert naive["pid"] == 1, "careless: pasted text becomes another field"
    said = cay.dir / "said"
    bundle.config["annotations"] = {"k": evil, "line\nbreak": "a\nb\u0001", "much": "y" * 1000000}
    bundle.hook("createRuntime", f"cat > {said}")
    id = cay.start(bundle.args("sleep", "1000"))
    for state in (cay.state(id), json.loads(said.read_text())):
        assert state["annotations"] == bundle.config["annotations"]
        assert state["pid"] == cay.pid(id)
    cay.destroy(id)


@pytest.mark.parametrize("name, value", [
    ("Description", "'x'\nPIDs au 1 1"), ("Description\nPIDs", "'x'"), ("Description au", "'x'"), ("../x", "'x'"),
    ("Description", "'x\nPIDs au 1 1'"), ("Description", "'" + "x" * 1000000)],
    ids=["second line", "name with newline", "name with type", "name with path", "newline in the text", "1 MB"])
def test_annotations_can_not_add_properties_to_a_unit(cay, bundle, name, value):
    """Properties go to the helper program as lines: name, type, value."""
    cay_only("plan")
    bundle.config["annotations"] = {f"org.systemd.property.{name}": value}
    bundle.write()
    r = cay("--systemd-cgroup", "plan", "-b", bundle.path)
    if r.rc == 0:
        assert not re.search(r"^\s*PIDs", r.out, re.M), r.out
    else:
        assert "org.systemd.property" in cay.error_line(r)[:400]


def test_inheritable_capabilities_are_empty_unless_asked_for(cay, bundle):
    """CVE-2022-29162, CVE-2022-27650: with them a file's inheritable ones become permitted."""
    chown = cap_mask("CAP_CHOWN")
    gain = bundle.rootfs / "usr" / "busybox"
    shutil.copyfile(bundle.rootfs / "bin" / "busybox", gain)
    gain.chmod(0o755)
    # linux/capability.h: VFS_CAP_REVISION_2 with the effective bit; nothing permitted, CAP_CHOWN inheritable.
    os.setxattr(gain, "security.capability", struct.pack("<5I", 0x02000001, 0, chown, 0, 0))
    look = ["/usr/busybox", "grep", "CapPrm", "/proc/self/status"]
    r = run(["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=+chown", gain, *look[1:]])
    assert int(r.out.split()[1], 16) == chown, "careless: an ordinary user has the capability"
    bundle.process["noNewPrivileges"] = False
    bundle.caps("CAP_CHOWN")
    id = cay.start(bundle.args("sleep", "1000"))
    for options in ((), ("--cap", "CAP_CHOWN")):
        for program in (look, ["grep", "CapInh", "/proc/self/status"]):
            out = cay.ok("exec", *options, "-u", "1000:1000", id, *program).out
            assert int(out.split()[1], 16) == 0, out
    cay.destroy(id)
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert int(cay.out(bundle.args(*look)).split()[1], 16) == 0


def test_a_user_is_a_number_whatever_passwd_says(cay, bundle):
    """CVE-2016-3697, CVE-2026-30892: a name that is a number leads to another id."""
    (bundle.rootfs / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n1:x:0:0::/:/bin/sh\n")
    (bundle.rootfs / "etc" / "group").write_text("root:x:0:\n1000:x:0:\n")
    need("chroot")
    r = run(["chroot", "--userspec=1000:1000", bundle.rootfs, "/bin/busybox", "id", "-u"])
    assert r.out == "0\n", "careless: looked up as a name first"
    id = cay.start(bundle.args("sleep", "1000"))
    assert cay.ok("exec", "-u", "1000:1000", id, "sh", "-c", "id -u; id -g; id -G").lines == ["1000"] * 3
    assert cay.ok("exec", "-u", "1", id, "id", "-u").out == "1\n"
    if not IS_RUNC:
        for user in ("-1", "4294967295", "4294967296", "18446744073709551616", "0x0", " 0", "+0", "1e3", "1000:",
                     ":1000", "1 ", "1\n", "9" * 5000):
            assert cay("exec", "-u", user, id, "true").rc != 0, user
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
    with open("/proc/sys/net/../kernel/core_pattern", "r+b"):
        pass  # careless: such a name is open for writing
    for key in ("net/../kernel/core_pattern", "net/../../kernel/core_pattern", "kernel.shm/../core_pattern",
                "net.ipv4.../../kernel.core_pattern", "kernel.core_pattern"):
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


MSG_LISTENER = 6


@contextlib.contextmanager
def impostor(cay, bundle, path):
    """A process inside with CAP_SYS_PTRACE that asks whoever waits for one that joins to connect it to @path."""
    bundle.caps("CAP_SYS_PTRACE", "CAP_KILL")
    bundle.args("probe", "impostor", "20", str(MSG_LISTENER), path).write()
    said, id = cay.dir / "said", cay.id()
    with open(said, "wb") as out:
        p = cay.popen("run", "-b", bundle.path, id, stdin=subprocess.DEVNULL, stdout=out)
    wait_for(lambda: "ready" in said.read_text(), "the impostor")
    yield id, p, said
    p.wait(TIMEOUT)


@pytest.fixture
def host_socket(cay):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.bind(str(cay.dir / "host.sock"))
        s.listen(8)
        s.setblocking(False)
        yield s


def test_who_obeys_a_joining_process_opens_the_hosts_sockets(cay, bundle, host_socket):
    """The weakened set-up: somebody who connects wherever the other end of his channel says."""
    path = host_socket.getsockname()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, impostor(cay, bundle, path) as (id, p, said):
        with theirs:
            joined = subprocess.Popen(["nsenter", "-t", str(cay.pid(id)), "-p", "-m", "sleep", "3"],
                                      pass_fds=[theirs.fileno()])
        ours.settimeout(TIMEOUT)
        asked = ours.recv(528)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(asked[20:].split(b"\0")[0])
            socket.send_fds(ours, [asked], [s.fileno()])
        wait_for(lambda: "loot" in said.read_text(), "the impostor's descriptor")
        # It stops when its child is stopped, and nobody lets it go on.
        joined.send_signal(signal.SIGCONT)
        joined.wait(TIMEOUT)
    host_socket.accept()[0].close()


def test_an_impostor_on_the_channel_of_an_exec_gets_no_socket_of_the_host(cay, bundle, host_socket):
    with impostor(cay, bundle, host_socket.getsockname()) as (id, p, said):
        while p.poll() is None:
            cay("exec", id, "true")
    assert said.read_text().split() == ["ready", "spoke", "nothing"]
    with pytest.raises(BlockingIOError):
        host_socket.accept()


def test_a_process_that_joins_can_be_stopped_from_inside(cay, bundle):
    """Whoever waits for a plain nsenter waits for ever; exec ends, and if with an error then nothing of it is left."""
    id = cay.id()
    bundle.args("probe", "stopper", "1000").write()
    said = cay.dir / "said"
    with open(said, "wb") as out:
        cay.popen("run", "-b", bundle.path, id, stdin=subprocess.DEVNULL, stdout=out)
    wait_for(lambda: "ready" in said.read_text(), "whoever stops others")
    with subprocess.Popen(["nsenter", "-t", str(cay.pid(id)), "-p", "-m", "sleep", "1"], stdin=subprocess.DEVNULL) as p:
        with pytest.raises(subprocess.TimeoutExpired):
            p.wait(5)
        p.kill()
    # Most are the program already when the signal comes.
    r = wait_for(lambda: next((r for r in [cay("exec", "-d", id, "true")] if r.rc), None), "an exec that is stopped on its way", 4 * TIMEOUT)
    assert "islander: somebody stopped it by a signal" in r.err, r
    cay.ok("delete", "--force", id)


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
