# SPDX-License-Identifier: Apache-2.0
"""`cay agent`: system calls lent to the containers of an ordinary user."""
import array
import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import time

import pytest

import harness
from agent import BASE, CALLS, UID, Agent, User, ask, copy_program, rootless_bundle
from harness import REPO, in_user_namespace, mount_at, need, parse_mountinfo, run, wait_for
from engine import EMULATED
from test_specs import CRUN

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
FULL = os.environ.get("CAY_AGENT_FULL") == "1"
TMPFS = "default deny\n" + BASE + "allow mount tmpfs on /mnt/** size<=1M\n"


def container(cay, user, agent, policy, name="bundle", calls=None, prepare=None):
    b = ask(rootless_bundle(cay, name, user.uid), agent.sock, policy, calls)
    (b.rootfs / "mnt/x").mkdir()
    if prepare:
        prepare(b)
    return user.start(b.args("sleep", "1000"))


# ---- mount -------------------------------------------------------------------------------------

def test_the_same_mount_is_lent_to_one_and_refused_to_the_other(cay, user):
    """The published demonstration: two containers of one image, two policies."""
    with Agent(cay, {"a": TMPFS, "b": "default deny\n"}) as agent:
        a, b = (container(cay, user, agent, p, p) for p in "ab")
        pid = user.pid(a)
        mount = "mkdir -p /mnt/x && mount -t tmpfs -o size=64k none /mnt/x && echo hello >/mnt/x/f && cat /mnt/x/f"
        assert user.sh(a, mount).out == "hello\n"
        refused = user.sh(b, mount)
        assert refused.rc != 0 and "permission denied" in refused.err
        allow = agent.record(container=a, call="mount")
        deny = agent.record(container=b, call="mount")
        assert (allow["verdict"], allow["line"], allow["rule"]) == ("allow", 4, "allow mount tmpfs on /mnt/** size<=1M")
        assert (deny["verdict"], deny["error"]) == ("deny", 1) and "default deny" in deny["rule"]
        assert allow["owner"] == deny["owner"] == UID
        # In A alone, with its flags and size; on the host and in B there is nothing.
        m = mount_at(pathlib.Path(f"/proc/{pid}/mountinfo").read_text(), "/mnt/x")
        assert m["type"] == "tmpfs" and {"nosuid", "nodev"} <= m["options"] and "size=64k" in m["super"]
        for other in (user.pid(b), "self"):
            text = pathlib.Path(f"/proc/{other}/mountinfo").read_text()
            assert not [r for r in parse_mountinfo(text) if r["target"].endswith("/mnt/x")]
        user.delete(a)
        wait_for(lambda: harness.read(f"/proc/{pid}/mountinfo") == b"", "its mounts to go")
        wait_for(lambda: [c["id"] for c in agent.status()["containers"]] == [b], "the agent to let go of it")
        user.delete(b)


def test_a_tmpfs_has_the_size_and_the_inodes_that_its_line_allows(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a")
        r = user.sh(a, "ask mount t /mnt/x tmpfs 0 ''; dd if=/dev/zero of=/mnt/x/f bs=1M count=3 2>/dev/null; "
                       "stat -c %s /mnt/x/f; rm /mnt/x/f; i=0; while true >/mnt/x/$i; do i=$((i+1)); done 2>/dev/null; echo $i")
        assert r.lines[:2] == ["ok", str(1 << 20)]
        assert 100 < int(r.lines[2]) < 400
        for options in ("size=2M", "size=1G", "size=4k,size=1G", "nr_blocks=100000", "size=100%", "nr_inodes=0",
                        "huge=always"):
            assert user.exec(a, "ask", "mount", "t", "/mnt/x", "tmpfs", "0", options).out in ("EPERM\n", "EINVAL\n")
        user.delete(a)


UNLENT = [
    ("t", "/mnt/x", "tmpfs", "0x20", ""),          # MS_REMOUNT
    ("/mnt/x", "/tmp", "", "0x2000", ""),          # MS_MOVE
    ("", "/mnt/x", "", "0x100000", ""),            # MS_SHARED
    ("/bin", "/mnt/x", "", "0x1000", ""),          # MS_BIND
    ("p", "/mnt/x", "proc", "0", ""),
    ("s", "/mnt/x", "sysfs", "0", ""),
    ("/dev/sda", "/mnt/x", "vfat", "0", ""),
    ("t", "/tmp", "tmpfs", "0", ""),
    ("t", "/mnt/x/../../tmp", "tmpfs", "0", ""),
    ("t", "/mnt", "tmpfs", "0", ""),
    ("t", "/mnt/link", "tmpfs", "0", ""),
]


def test_a_mount_that_no_line_allows_is_refused(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a", prepare=lambda b: (b.rootfs / "mnt/link").symlink_to("/tmp"))
        before = user.sh(a, "cat /proc/1/mountinfo").out
        for what in UNLENT:
            assert user.exec(a, "ask", "mount", *what).out == "EPERM\n", what
        assert user.sh(a, "cat /proc/1/mountinfo").out == before
        user.delete(a)


def test_a_link_is_followed_inside_the_root_and_its_end_decides(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a", prepare=lambda b: (b.rootfs / "tmp/link").symlink_to("/../../mnt/x"))
        assert user.exec(a, "ask", "mount", "t", "/tmp/link", "tmpfs", "0", "").out == "ok\n"
        assert "on /mnt/x" in agent.record(call="mount")["what"]
        assert mount_at(user.sh(a, "cat /proc/1/mountinfo").out, "/mnt/x")["type"] == "tmpfs"
        user.delete(a)


def test_bind_and_proc_are_lent_with_the_flags_of_their_line(cay, user):
    policy = "default deny\nallow mount bind from /srv/data on /mnt/** ro noexec nosymfollow\nallow mount proc on /mnt/** nosymfollow\n"

    def prepare(b):
        (b.rootfs / "srv/data").mkdir(parents=True)
        (b.rootfs / "srv/data/file").write_text("data\n")
        (b.rootfs / "mnt/p").mkdir()
        b.linux["maskedPaths"] = b.linux["readonlyPaths"] = []
    with Agent(cay, {"a": policy}) as agent:
        a = container(cay, user, agent, "a", prepare=prepare)
        r = user.sh(a, "ask mount /srv/data /mnt/x '' 0x1400 ''; cat /mnt/x/file; touch /mnt/x/new; "
                       "ask mount /bin /mnt/p '' 0x1000 ''; ask mount none /mnt/p proc 0 ''; "
                       "ls -d /mnt/p/1 /mnt/p/1/fd; cat /mnt/p/self/comm; cat /mnt/p/1/comm; ls -d /mnt/p/[0-9]* | wc -l")
        assert r.lines[:6] == ["ok", "data", "EPERM", "ok", "/mnt/p/1", "/mnt/p/1/fd"], r
        # Its own processes, and none of the host's.
        assert r.lines[6] == "sleep" and int(r.lines[7]) < 8
        assert "Read-only" in r.err and "symbolic links" in r.err
        text = user.sh(a, "cat /proc/1/mountinfo").out
        assert {"ro", "noexec", "nosymfollow"} <= mount_at(text, "/mnt/x")["options"]
        assert "nosymfollow" in mount_at(text, "/mnt/p")["options"]
        user.delete(a)


def test_what_the_agent_mounted_can_be_unmounted_and_nothing_else(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a")
        asks = "for i in 1 2; do ask mount t /mnt/x tmpfs 0 ''; done; ask umount /mnt/x 0; ask umount /mnt/x 8; " \
               "ask umount /mnt/x 0; ask umount /proc 0; ask umount /dev 2; ask umount / 2; ask umount /nowhere 0"
        assert user.sh(a, asks).lines == ["ok", "ok", "ok", "ok", "EINVAL", "EPERM", "EPERM", "EPERM", "ENOENT"]
        assert agent.record(call="umount2", error=1)["what"]
        user.delete(a)


def test_there_is_an_end_to_how_much_is_mounted(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a")
        r = user.sh(a, "i=0; while [ \"$(ask mount t /mnt/x tmpfs 0 '')\" = ok ]; do i=$((i+1)); done; echo $i; "
                       "ask mount t /mnt/x tmpfs 0 ''; ask umount /mnt/x 0; ask mount t /mnt/x tmpfs 0 ''")
        assert r.lines == ["128", "ENOSPC", "ok", "ok"]
        user.delete(a)


def test_calls_of_the_new_mount_api_do_not_exist(cay, user):
    """So libc and mount(8) fall back to mount(2)."""
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a")
        r = user.sh(a, "".join(f"ask syscall {n};" for n in (428, 429, 430, 442)))
        assert r.lines == ["ENOSYS"] * 4
        user.delete(a)


# ---- devices -------------------------------------------------------------------------------------

def test_a_device_node_works_and_that_of_a_disk_is_refused(cay, user):
    policy = "default deny\n" + BASE + "allow mknod c 1:3 1:5 on /tmp/*\nallow mknod p\n"
    with Agent(cay, {"a": policy}) as agent:
        a = container(cay, user, agent, "a")
        r = user.sh(a, "umask 0; mknod -m 666 /tmp/null c 1 3 && echo lost >/tmp/null && stat -c '%F %t:%T %u %a' /tmp/null; "
                       "mknod /tmp/zero c 1 5 && head -c 3 /tmp/zero | wc -c; mknod /tmp/pipe p && stat -c %F /tmp/pipe; "
                       "ask mknod /tmp/sda b 8 0; ask mknod /tmp/mem c 1 1; ask mknod /mnt/null c 1 3; ask mknod /tmp/null c 1 3; "
                       "ls /tmp")
        assert r.lines == ["character special file 1:3 0 666", "3", "fifo", "EPERM", "EPERM", "EPERM", "EEXIST",
                           "null", "pipe", "zero"], r
        assert agent.record(what="mknod b 8:0 on /tmp/sda")["verdict"] == "deny"
        # No node lies on the disk.
        left = [p for p in (cay.dir / "bundle/rootfs").rglob("*") if p.is_char_device() or p.is_block_device()]
        assert left == []
        assert os.listdir(agent.sock + ".dev") == []
        assert user.sh(a, "rm /tmp/null 2>/dev/null; ask umount /tmp/null 0; rm /tmp/null; ls /tmp").lines == ["ok", "pipe", "zero"]
        user.delete(a)


# ---- sockets -------------------------------------------------------------------------------------

PING = "default deny\n" + BASE + "allow socket inet dgram\nallow socket inet stream\nallow socket inet dgram icmp\nallow connect udp 0.0.0.0/0:1-65535\n"


def test_ping_works_and_a_packet_socket_does_not(cay, user):
    """Both need CAP_NET_RAW, and so both or none could be had."""
    need("ping")
    with Agent(cay, {"a": PING, "b": "default deny\n" + BASE + "allow socket inet dgram udp\n"}) as agent:
        for policy in "ab":
            b = ask(rootless_bundle(cay, policy), agent.sock, policy)
            program = copy_program(b, "ping")
            b.sh(f"{program} -c 1 -W 5 127.0.0.1 2>&1; echo $?; cat /proc/sys/net/ipv4/ping_group_range; "
                 "arping -c 1 -I lo 127.0.0.1 2>&1; ask socket 17 3 768; ask socket 2 10 768; ask socket 2 3 1; ask socket 2 3 255")
            out = user.out(b)
            assert ("1 received" in out) == (policy == "a"), out
            lines = out.splitlines()
            assert "Operation not permitted" in lines[-5] and lines[-4:] == ["EPERM"] * 4
            # As it was: for nobody.
            assert lines[-6].split() == ["65534", "65534"], out
        assert agent.record(policy="a", what="socket inet dgram icmp")["rule"].endswith("icmp")


def test_a_raw_socket_is_lent_by_a_line_alone(cay, user):
    b = rootless_bundle(cay)
    for policy, want in (("default allow\n", "EPERM"), ("default deny\nallow socket inet\n", "EPERM"), ("default allow\nallow socket inet raw icmp\n", "ok"),
                         ("default deny\n" + BASE + "allow socket inet raw icmp\n", "ok")):
        with Agent(cay, {"a": policy}) as agent:
            out = user.out(ask(b, agent.sock, "a").sh("ask socket 2 3 1; ask socket 17 3 768"))
        assert out.split() == [want, "EPERM"]
        (agent.dir / "a.policy").unlink()
        agent.dir.rmdir()


# ---- addresses -----------------------------------------------------------------------------------

def test_connect_goes_where_the_policy_says(cay, user):
    policy = "default deny\n" + BASE + ("allow socket inet\nallow socket inet6\nallow connect tcp 127.0.0.0/8:80-90\n"
                                        "deny connect tcp 127.0.0.1/32:85\nallow connect udp 10.0.0.0/8:53\nallow bind tcp 127.0.0.1/32:1-100\n")
    with Agent(cay, {"a": policy}) as agent:
        a = container(cay, user, agent, "a")
        r = user.sh(a, """ask listen 127.0.0.1 80; ask listen 127.0.0.1 99; ask listen 0.0.0.0 81
            for p in 80 81 85 99; do ask connect tcp 127.0.0.1 $p; ask connect tcp 127.0.0.1 $p nonblock; done
            ask connect tcp 0.0.0.0 80; ask connect tcp ::ffff:127.0.0.1 80; ask connect tcp ::ffff:127.0.0.1 99
            ask connect udp 127.0.0.1 53; ask connect tcp ::1 80""")
        # Port 80 is lent, too: it is the container's own network.
        assert r.lines[:3] == ["ok", "ok", "EPERM"]
        assert r.lines[3:11] == ["ok", "EINPROGRESS", "ECONNREFUSED", "EINPROGRESS", "EPERM", "EPERM", "EPERM", "EPERM"]
        assert r.lines[11:] == ["ok", "ok", "EPERM", "EPERM", "EPERM"]
        assert agent.record(call="connect", error=1)["rule"]
        user.delete(a)


def test_unix_sockets_are_decided_by_where_their_path_ends(cay, user):
    policy = "default deny\nallow socket unix\nallow unix connect /run/good /run/dir/* @good\nallow unix bind /run/** @good @bad\n"
    with Agent(cay, {"a": policy}) as agent:
        def prepare(b):
            (b.rootfs / "run/dir").mkdir(parents=True)
            (b.rootfs / "run/alias").symlink_to("good")
            (b.rootfs / "run/dir/alias").symlink_to("../bad")
        a = container(cay, user, agent, "a", prepare=prepare)
        r = user.sh(a, """for s in /run/good /run/bad @good @bad; do ask unix serve $s </dev/null >/tmp/who-${s##*/} 2>/dev/null & done
            while [ ! -S /run/good ] || [ ! -S /run/bad ]; do sleep 0.05; done; sleep 0.3
            for s in /run/bad /run/dir/alias @bad /run/alias @good /run/none; do ask unix connect $s; done
            ask unix bind /tmp/x; ls -d /tmp/x; sleep 0.2; cat /tmp/who-good""")
        assert r.lines[:7] == ["EPERM", "EPERM", "EPERM", "ok", "ok", "ENOENT", "EPERM"], r
        # The other side sees who connected, not the agent.
        assert r.lines[7:] == ["ok", "0 0"], r
        user.delete(a)


# ---- extended attributes -------------------------------------------------------------------------

OPAQUE, WHITEOUT = "trusted.overlay.opaque", "trusted.overlay.whiteout"


def need_attributes(where):
    try:
        for name in ("user.cay", "trusted.cay"):
            os.setxattr(where, name, b"")
            os.removexattr(where, name)
    except OSError:
        harness.skip(f"a file system at {where} that has user. and trusted. attributes")


def test_what_makes_an_overlay_hide_something_is_lent_and_nothing_else_of_it(cay, user):
    policy = "default deny\n" + BASE + "deny xattr user.no\nallow xattr trusted.* user.* on /mnt/**\n"
    with Agent(cay, {"a": policy, "b": "default allow\n"}) as agent:
        a, b = (container(cay, user, agent, p, p) for p in "ab")
        root = cay.dir / "a/rootfs"
        need_attributes(root)
        ask = "ask setxattr path /mnt/x"
        r = user.sh(a, f"mkdir /mnt/d; touch /mnt/f; ln -s d /mnt/l; {ask} {OPAQUE} y; ask setxattr link /mnt/l {OPAQUE} y; ask setxattr path /mnt/l {OPAQUE} x; "
                       f"ask setxattr fd /mnt/f {WHITEOUT} ''; {ask} {OPAQUE} z; {ask} {OPAQUE} yy; {ask} {WHITEOUT} n")
        assert r.lines == ["ok", "EPERM", "ok", "ok", "EPERM", "EPERM", "EPERM"], (r, agent.records())
        assert os.getxattr(root / "mnt/x", OPAQUE) == b"y" and os.getxattr(root / "mnt/d", OPAQUE) == b"x"
        assert os.getxattr(root / "mnt/f", WHITEOUT) == b""
        # Those that show something else, and those of anybody else, whatever the policy says.
        for name in ("redirect", "metacopy", "origin", "upper", "impure", "nlink", "uuid", "protattr", "overlay.opaque"):
            assert user.exec(a, "ask", "setxattr", "path", "/mnt/d", f"trusted.overlay.{name}", "y").out == "EPERM\n", name
        assert user.sh(a, f"{ask} trusted.x y; {ask} user.yes 1; {ask} user.no 1; ask setxattr path /etc user.x 1; {ask} '' y; ask setxattr path /no {OPAQUE} y"
                       ).lines == ["EPERM", "ok", "EPERM", "EPERM", "ERANGE", "ENOENT"]
        assert agent.record(what=f"xattr {OPAQUE} on /mnt/x")["rule"].startswith("allow xattr trusted.*")
        # A default lends nothing, but lets be done what anybody may do.
        assert user.sh(b, f"{ask} {OPAQUE} y; {ask} user.x 1").lines == ["EPERM", "ok"]
        assert os.listxattr(cay.dir / "b/rootfs/mnt/x") == ["user.x"]
        user.delete(a)
        user.delete(b)


def test_attributes_of_what_is_not_the_containers_own_are_not_lent(cay, user):
    """A directory of the host's that everybody may write to: hiding what is in there is its owner's right."""
    policy = "default deny\n" + BASE + f"allow xattr {OPAQUE}\n"
    with Agent(cay, {"a": policy}) as agent:
        shared = cay.dir / "shared"
        for d in ("theirs", "own"):
            (shared / d).mkdir(parents=True)
            (shared / d).chmod(0o777)
        os.chown(shared / "own", user.uid, user.uid)
        b = ask(rootless_bundle(cay), agent.sock, "a").mount("/mnt/s", type="bind", source=str(shared), options=["bind"])
        (b.rootfs / "mnt/s").mkdir()
        need_attributes(b.rootfs)
        a = user.start(b.args("sleep", "1000"))
        assert user.sh(a, f"for d in theirs own; do ask setxattr path /mnt/s/$d {OPAQUE} y; done; ask setxattr path /dev/null {OPAQUE} y"
                       ).lines == ["EPERM", "ok", "EPERM"]
        assert os.listxattr(shared / "theirs") == [] and os.listxattr(shared / "own") == [OPAQUE]
        user.delete(a)


# ---- scheduling ----------------------------------------------------------------------------------

def test_a_priority_is_lent_within_its_range(cay, user):
    policy = "default deny\nallow sched fifo priority<=10\nallow sched other\nallow sched cpus 0\n"
    if subprocess.run(["chrt", "-f", "5", "true"], capture_output=True).returncode != 0:
        harness.skip("a real-time priority for root")
    with Agent(cay, {"a": policy}) as agent:
        a = container(cay, user, agent, "a")
        r = user.sh(a, "ask sched 1 5; ask sched 1 50; ask sched 2 5; ask sched 0 0; ask sched 6 0; sleep 20 </dev/null >/dev/null 2>&1 & "
                       "ask sched 1 3 $!; ask sched 0 0 $!; ask sched 1 3 99999; ask affinity 0; ask affinity 1")
        assert r.lines == ["ok", "1 5", "EPERM", "0 0", "EPERM", "0 0", "ok", "0 0", "EPERM", "0 0", "ok", "1 3",
                           "ok", "0 0", "ESRCH", "-1 3", "ok", "EPERM"], r
        user.delete(a)


# ---- who may ask for what ------------------------------------------------------------------------

def test_a_policy_of_ones_own_comes_before_everybodys_and_is_no_others(cay, user):
    other = UID + 1
    with Agent(cay, {"p": "default deny\n", f"uid-{UID}/p": TMPFS, f"uid-{other}/q": TMPFS}) as agent:
        a = container(cay, user, agent, "p", "a")
        assert user.exec(a, "ask", "mount", "t", "/mnt/x", "tmpfs", "0", "").out == "ok\n"
        user.delete(a)
        b = container(cay, User(cay, other), agent, "p", "b")
        x = rootless_bundle(cay, "x")
        for name in ("q", "nothing", "../p", f"uid-{other}/q", "", ".", "p.policy"):
            r = user.run(ask(x, agent.sock, name).args("ask", "mount", "t", "/mnt", "tmpfs", "0", ""))
            assert "ENOSYS" in r.out, (name, r)
        wait_for(lambda: agent.log.read_text().count("brought no container") == 7, "what the agent says of each")
        assert [c["policy"] for c in agent.status()["containers"]] == ["p"]
        run(["setpriv", f"--reuid={other}", f"--regid={other}", "--clear-groups", str(user.program), "--root",
             str(cay.shm / f"state-{other}"), "delete", "--force", b])


def test_a_listener_of_somebody_who_is_in_no_container_lends_nothing(cay):
    """Anybody can bring one. Here: root himself, without a user namespace."""
    with Agent(cay, {"a": "default deny\n" + BASE + "allow mount tmpfs on /**\nallow mknod c 1:3\nallow socket inet dgram icmp\n"}) as agent:
        b = rootless_bundle(cay)
        b.namespace("user", remove=True)
        for k in ("uidMappings", "gidMappings"):
            del b.linux[k]
        ask(b, agent.sock, "a").sh("ask mount t /mnt tmpfs 0 ''; ask mknod /tmp/null c 1 3; ask socket 2 2 1")
        assert cay.out(b).split() == ["EPERM", "EPERM", "EPERM"]


@pytest.mark.parametrize("program", ["runc", "crun"])
def test_other_runtimes_speak_the_same_protocol(cay, program):
    with Agent(cay, {"a": TMPFS}) as agent:
        b = rootless_bundle(cay)
        b.killable = False  # not known to them
        in_user_namespace(b)
        b.linux["uidMappings"][0]["hostID"] = b.linux["gidMappings"][0]["hostID"] = 100000
        (b.rootfs / "mnt/x").mkdir()
        ask(b, agent.sock, "a", ["mount", "umount2", "mknod", "socket"]).sh(
            "ask mount t /mnt/x tmpfs 0 ''; ask mount t /tmp tmpfs 0 ''; grep -c /mnt/x /proc/self/mountinfo")
        subprocess.run(["chown", "-R", "100000:100000", str(b.path)], check=True)
        b.write()
        # crun gives its standard files to the container's user: the host's /dev/null is not its to give.
        r = run([*(CRUN if program == "crun" else []), *cay.other(program).argv("run", "-b", b.path, cay.id())], input="")
        assert r.out.split() == ["ok", "EPERM", "1"], r
        assert agent.record(call="mount", verdict="allow")["container"]
        # A program that joins later brings a listener of its own, and what one mounted is the other's, too.
        id, log = cay.id(), cay.dir / "joined"
        other = [*(CRUN if program == "crun" else []), *cay.other(program).argv()]
        b.args("sleep", "1000").write()

        def quietly(*args):
            with open(log, "ab") as out, open(cay.dir / "errors", "ab") as err:
                subprocess.run([*other, *args], input=b"", stdout=out, stderr=err, check=True, timeout=60)
        quietly("run", "-d", "-b", str(b.path), id)
        for args in (("mount", "t", "/mnt/x", "tmpfs", "0", ""), ("mount", "t", "/tmp", "tmpfs", "0", ""), ("umount", "/mnt/x", "0")):
            quietly("exec", id, "ask", *args)
        assert log.read_text().split() == ["ok", "EPERM", "ok"]
        subprocess.run([*other, "delete", "--force", id], check=True, timeout=60)


# ---- reload, metrics, the end ----------------------------------------------------------------------

def test_a_reload_changes_what_a_running_container_may(cay, user):
    with Agent(cay, {"a": "default deny\n"}) as agent:
        a = container(cay, user, agent, "a")
        mount = ("ask", "mount", "t", "/mnt/x", "tmpfs", "0", "")
        user.sh(a, "while ask mount t /mnt/x tmpfs 0 ''; do sleep 0.1; done </dev/null >/tmp/log 2>&1 &")
        wait_for(lambda: agent.records("mount"), "a call")
        assert user.exec(a, *mount).out == "EPERM\n"
        agent.write("a", TMPFS)
        assert "1 policies" in agent.ok("reload")
        assert user.exec(a, *mount).out == "ok\n"
        # The one that was there already, with its first listener.
        wait_for(lambda: "ok" in user.sh(a, "cat /tmp/log").out, "the new policy")
        # One that does not parse leaves the old one in force.
        agent.write("a", "default deny\nallow mount\n")
        r = agent("reload")
        assert r.rc != 0 and "a.policy:2:" in r.err, r
        assert user.exec(a, *mount).out == "ok\n"
        agent.write("a", "default deny\n")
        agent.process.send_signal(1)
        wait_for(lambda: user.exec(a, *mount).out == "EPERM\n", "the reload")
        # No policy, no right.
        (agent.dir / "a.policy").unlink()
        agent.ok("reload")
        assert user.exec(a, *mount).out != "ok\n"
        assert agent.status()["containers"][-1]["inForce"] is False
        user.delete(a)


def test_metrics_count_what_was_decided(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a")
        user.sh(a, "ask mount t /mnt/x tmpfs 0 ''; ask mount t /tmp tmpfs 0 ''")
        text = agent.ok("metrics")
        rows = dict(ln.rsplit(" ", 1) for ln in text.splitlines() if not ln.startswith("#"))
        assert [v for k, v in rows.items() if 'call="mount"' in k and 'verdict="allow"' in k] == ["1"]
        assert [v for k, v in rows.items() if 'call="mount"' in k and 'verdict="deny"' in k] == ["1"]
        wait_for(lambda: "_containers 1\n" in agent.ok("metrics"), "the listener of exec to go")
        user.delete(a)


def test_a_killed_agent_takes_its_rights_along_and_a_new_one_serves_new_containers(cay, user):
    with Agent(cay, {"a": TMPFS}) as agent:
        a = container(cay, user, agent, "a", "a")
        user.sh(a, "while :; do ask mount t /mnt/x tmpfs 0 '' >/tmp/last; sleep 0.05; done </dev/null >/dev/null 2>&1 &")
        wait_for(lambda: "ok" in user.sh(a, "cat /tmp/last").out, "the first mount")
        pid = user.pid(a)
        agent.kill()
        wait_for(lambda: pathlib.Path(f"/proc/{pid}/root/tmp/last").read_text() == "ENOSYS\n", "a refusal")
        assert pathlib.Path(f"/proc/{pid}").exists()
        agent.start()
        b = container(cay, user, agent, "a", "b")
        assert user.exec(b, "ask", "mount", "t", "/mnt/x", "tmpfs", "0", "").out == "ok\n"
        assert pathlib.Path(f"/proc/{pid}/root/tmp/last").read_text() in ("ENOSYS\n", "")
        user.delete(a)
        user.delete(b)


def test_a_rate_makes_further_calls_wait(cay, user):
    with Agent(cay, {"a": "default deny\n"}, "--rate", "100") as agent:
        b = ask(rootless_bundle(cay), agent.sock, "a", ["socket"])
        begun = time.monotonic()
        assert user.out(b.sh("ask many 60 2 1 0; ask many 1 2 1 0")) == "60 EPERM\n1 EPERM\n"
        # A tenth of a second ahead at most.
        assert time.monotonic() - begun > 0.45


def test_what_a_call_costs_is_told_by_kind(cay, user):
    """Shown with -rP; docs/access-control.md has the figures of a machine. That all of them succeed is what is tested."""
    policy = "default deny\n" + BASE + """allow socket inet stream
allow socket inet dgram
allow socket inet dgram icmp
allow connect udp 127.0.0.1/32:9080
allow bind udp 127.0.0.1/32:9080
allow unix /mnt/server
allow mount tmpfs on /mnt/x size<=64k
allow mknod p
allow mknod c 1:3 on /mnt/*
allow xattr trusted.overlay.opaque on /mnt/**
allow sched cpus 0
allow sched fifo priority<=1
allow chown /mnt/**
allow view sysinfo cpuinfo
"""
    times = "2000" if FULL else "5" if EMULATED else "100"
    with Agent(cay, {"a": policy}, "--rate", "1000000") as agent:
        b = ask(rootless_bundle(cay), agent.sock, "a", CALLS + ["chown", "chmod", "sysinfo", "open", "openat"])
        (b.rootfs / "mnt/x").mkdir()
        lent = dict(ln.split() for ln in user.out(b.args("ask", "cost", times)).splitlines())
    del b.linux["seccomp"]
    own = dict(ln.split() for ln in cay.out(b.args("ask", "cost", times).caps("CAP_SYS_ADMIN", "CAP_SYS_NICE", "CAP_MKNOD")).splitlines())
    for name, ns in lent.items():
        print(f"| {name} | {own[name]} | {ns} |")
        assert ns.isdigit() or name.startswith("sched"), (name, ns)


# ---- strangers on the socket ------------------------------------------------------------------------

STATE = {"ociVersion": "1.0.2", "fds": ["seccompFd"], "pid": 1, "metadata": "a",
         "state": {"ociVersion": "1.0.2", "id": "x", "status": "running", "pid": 1, "bundle": "/"}}


def send(agent, text, fds=()):
    """What an agent says to it: nothing, and the end of the connection."""
    s = agent.connect()
    anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sent = s.sendmsg([text], anc)
        s.sendall(text[sent:])
        s.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        assert s.recv(1) == b""
    s.close()


NONSENSE = [
    (b"", 0, "nothing was said"),
    (b"{", 1, "cut short"),
    (b"hello", 1, "cut short"),
    (b"]", 1, "line 1|column|expected|unexpected"),
    (b"{}", 1, "fds"),
    (b"[1]", 1, "object"),
    (b"{\"fds\": [1]}", 1, "fds"),
    (json.dumps({**STATE, "fds": ["other"]}).encode(), 1, "seccompFd"),
    (json.dumps({**STATE, "fds": ["seccompFd"] * 2}).encode(), 2, "twice"),
    (json.dumps({**STATE, "pid": -1}).encode(), 1, "pid"),
    (json.dumps({**STATE, "state": None}).encode(), 1, "state"),
    (json.dumps({**STATE, "metadata": "a\0b"}).encode(), 1, "metadata"),
    (json.dumps({**STATE, "metadata": 5}).encode(), 1, "metadata"),
    (json.dumps(STATE).encode(), 0, "came along"),
    (json.dumps(STATE).encode(), 2, "came along"),
    (json.dumps(STATE).encode(), 1, "no notify fd"),
    (json.dumps(STATE).encode(), 20, "came along"),
    (json.dumps({**STATE, "x": "y" * 70000}).encode(), 1, "65536"),
    (b"{\"a\":" * 20000, 1, "65536"),
    (b"\xff" * 100 + b"{}", 1, ""),
]


def test_what_makes_no_sense_is_refused_and_said(cay):
    with Agent(cay, {"a": "default deny\n"}) as agent:
        before = len(os.listdir(f"/proc/{agent.process.pid}/fd"))
        for n, (text, fds, message) in enumerate(NONSENSE):
            null = [os.open("/dev/null", os.O_RDONLY) for _ in range(fds)]
            send(agent, text, null)
            for fd in null:
                os.close(fd)
            lines = wait_for(lambda n=n: [ln for ln in agent.log.read_text().splitlines()
                                          if "brought no container" in ln][n:], "a line")
            assert len(lines) == 1 and re.search(message, lines[0]), (text[:50], lines)
        assert agent.status()["containers"] == []
        wait_for(lambda: len(os.listdir(f"/proc/{agent.process.pid}/fd")) == before, "its fds to be closed")


def test_idle_connections_hurt_nobody(cay, user):
    """Those of one user make room for each other; all have five seconds."""
    count = 10000 if FULL else 3000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        harness.skip(f"RLIMIT_NOFILE of {count + 200}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Agent(cay, {"a": TMPFS}) as agent:
        idle = [agent.connect() for _ in range(count)]
        for s in idle[::2]:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.send(b"{")
        a = container(cay, user, agent, "a")
        assert user.exec(a, "ask", "mount", "t", "/mnt/x", "tmpfs", "0", "").out == "ok\n"
        # Not because they had gone.
        assert EMULATED or agent.status()["connections"] > 0
        wait_for(lambda: agent.status()["connections"] == 0, "the agent to close them")
        for s in idle:
            s.close()
        user.delete(a)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- the documentation ------------------------------------------------------------------------------

def test_the_documentation_names_exactly_the_calls_of_the_table_and_their_rules():
    source = (REPO / "src/broker/table.c").read_text()
    several = dict(re.findall(r"^#define (OF_\w+) (.*)$", source, re.M))
    table = {}
    for name, more in re.findall(r"^\t(?:SCALAR|LEND|VIEW|ABSENT)\((\w+)(.*?)\),$", source, re.M | re.S):
        for word in re.findall(r"\bOF_\w+", more):
            more += several[word]
        table[name] = {k.lower() for k in re.findall(r"RULE\((\w+)\)", more)}
    text = (REPO / "docs/access-control.md").read_text()
    rows = set()
    for ln in text.split("## The calls")[1].split("\n## ")[0].splitlines():
        if ln.startswith("| `"):
            calls, rules = (set(re.findall(r"`(\w+)`", ln.split("|")[i])) for i in (1, 2))
            rows |= calls
            assert rules == set().union(*(table[c] for c in calls)), calls
    assert rows == set(table)
