# SPDX-License-Identifier: Apache-2.0
"""`default deny` under --policy: what no line allows is refused, also what the kernel would do for anybody; and ordinary life goes on."""
import json
import os

import pytest

import harness
from agent import UID
from harness import need
from test_private import Held, brokers

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
# Each call that `default deny` alone refuses, by its number.
REFUSED = {"connect": 42, "bind": 49, "socket": 41, "io_uring_setup": 425, "mount": 165, "umount2": 166, "open_tree": 428, "move_mount": 429,
           "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442, "open_tree_attr": 467, "mknod": 133,
           "mknodat": 259, "sched_setscheduler": 144, "sched_setparam": 142,
           "sched_setattr": 314, "sched_setaffinity": 203, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "setxattrat": 463, "bpf": 321}
# What anybody may have done, and how the broker's words for it begin.
NATIVE = {"ask socket 2 1 0": "socket inet stream tcp", "ask socket 1 1 0": "socket unix stream 0", "ask socket 16 3 0": "socket netlink dgram route",
          "ask mknod /tmp/p p 0 0": "mknod p on /tmp/p", "ask setxattr path /tmp/f user.x y": "xattr user.x on /tmp/f",
          "ask sched 3 0": "sched batch priority=0", "ask affinity 0": "sched cpus 0", "ask mount t /mnt/x tmpfs 0 ''": "mount tmpfs from t on /mnt/x"}


@pytest.fixture(params=["user", "root"])
def held(cay, request):
    need("setpriv")
    return Held(cay, request.param)


def kinds(cay, policy):
    path = cay.dir / "explained"
    path.write_text(policy)
    return {k["kind"]: k for k in json.loads(cay("policy", "explain", "-f", "json", path).out)["kinds"]}


def native(held):
    return held.bundle().caps("CAP_SYS_ADMIN").sh("touch /tmp/f; " + "; ".join(f"{c} | head -n 1" for c in NATIVE))


def test_what_no_line_allows_is_refused(held):
    b = native(held)
    held.write(b)
    free = held("run", "-b", b.path, held.cay.id()).lines
    assert "EPERM" not in free and free.count("ok") >= 6, "a call that fails anyway shows nothing"
    (b.rootfs / "tmp/p").unlink()
    for policy in ("", "default deny\n", "deny mount **\nallow view *\n"):
        assert held.run(b, policy, log=False).lines == ["EPERM"] * len(NATIVE), policy
    # With a log a broker says the same, and why.
    assert held.run(b, "default deny\n").lines == ["EPERM"] * len(NATIVE)
    told = [x["what"] for x in held.records()]
    assert sorted(told) == sorted(NATIVE.values()), told
    assert {(x["verdict"], x["line"], x["rule"]) for x in held.records()} == {("deny", 0, "default deny")}
    # And nothing of it under the other default.
    r = held.run(b, "default allow\n", log=False)
    assert r.lines == free, r


def test_no_broker_is_there_where_there_is_nothing_to_ask(held):
    id = held.create(held.bundle().args("sleep", "1000"), "default deny\n", log=False)
    assert brokers(held) == [] and held.state(id)["broker"] == 0
    r = held("exec", id, "sh", "-c", "ask socket 1 1 0; ask mknod /tmp/p p 0 0; ask socket 2 1 0")
    assert r.lines == ["EPERM"] * 3, r
    assert held("delete", "--force", id).rc == 0


def test_each_call_that_is_said_to_be_refused_is(cay, held):
    said = kinds(cay, "default deny\n")
    assert {c for k in said.values() if k["private"] == "filter" for c in k["calls"]} == set(REFUSED)
    b = held.bundle().sh("; ".join(f"ask syscall {n}" for n in REFUSED.values()))
    held.write(b)
    free = held("run", "-b", b.path, held.cay.id()).lines
    assert len([x for x in free if x != "EPERM"]) > len(REFUSED) / 2, "what is refused anyway shows nothing"
    assert held.run(b, "default deny\n", log=False).lines == ["EPERM"] * len(REFUSED)


def test_explain_says_what_is_in_force_of_each_kind(cay):
    for policy, want in {
        "default deny\n": {"filter": {"connect", "bind", "unix", "socket", "mount", "mknod", "sched", "xattr", "bpf"}, "broker": set()},
        "default allow\n": {"filter": set(), "broker": set()},
        "allow mount tmpfs on /mnt\ndeny mknod **\n": {"filter": {"connect", "bind", "unix", "socket", "mknod", "sched", "xattr", "bpf"},
                                                      "broker": {"mount"}},
        "default allow\ndeny mknod **\nallow view *\n": {"filter": set(), "broker": {"mknod", "view"}},
    }.items():
        said = kinds(cay, policy)
        assert list(said) == ["read", "write", "exec", "connect", "bind", "unix", "socket", "mount", "mknod", "chown", "sched", "view", "xattr", "bpf",
                              "syscall"]
        for by in ("filter", "broker"):
            assert {n for n, k in said.items() if k["private"] == by} == want[by], (policy, by)
    for policy, by in (("default deny\n", "kernel"), ("default deny\nallow chown /srv\n", "broker")):
        chown = kinds(cay, policy)["chown"]
        assert chown["private"] == by and {"chown", "chmod"} <= set(chown["calls"])
    (cay.dir / "explained").write_text("allow mknod p\n")
    words = dict(ln.split(None, 1) for ln in cay("policy", "explain", cay.dir / "explained").out.partition("under --policy\n")[2].splitlines())
    assert words["mknod"] == "asked of the broker: mknod mknodat" and words["bpf"] == "refused: bpf" and words["read"] == "left to the kernel"


LIFE = """set -e
mkdir /tmp/d; cd /tmp/d; echo one >a; chown 0:0 a; cp -R /tmp/d /tmp/e; mv a b; ln -s b c; ln b l; chmod 750 b; chmod -R g+w /tmp/e; stat -c %a b
seq 9 | grep -v 5 | sort -rn | head -n 2 | tr '\\n' ' '; echo
sleep 0.01 & wait $!; trap 'echo term' TERM; (kill -TERM $$) & wait || true
date +%Y >/dev/null; id -u; free >/dev/null; ps >/dev/null; df / >/dev/null; tar -cf x.tar b; tar -tf x.tar; rm -r /tmp/d /tmp/e; echo done
"""


def test_a_shell_lives_under_nothing_but_default_deny(held):
    r = held.run(held.bundle().sh(LIFE), "default deny\n", log=False)
    assert r.rc == 0 and r.lines == ["750", "9 8 ", "term", "0", "b", "done"], r


def test_a_line_for_sockets_of_another_family_is_enough_for_them(held):
    """No rule speaks of their addresses: ip(8) binds its netlink socket."""
    b = held.bundle().sh("ip link show lo | grep -c LOOPBACK; ask unix bind /tmp/s; ask listen 127.0.0.1 80")
    assert held.run(b, "allow socket netlink route\nallow socket inet dgram\nallow socket unix\n", log=False).lines == ["1", "EPERM", "EBADF"]
    assert held.run(b, "allow socket inet\nallow socket unix\n", log=False).lines == ["0", "EPERM", "EPERM"]


# A job with a server, a socket of its own and a pipe; the words of docs/policy.md.
JOB = """default deny
allow socket unix stream
allow unix /tmp/**
allow socket inet stream tcp
allow bind tcp 127.0.0.1:8000-8099
allow connect tcp 127.0.0.1:8000-8099
allow mknod p on /tmp/**
allow chown /tmp/**
allow sched cpus 0
allow view sysinfo meminfo
"""
PROGRAM = r"""
import asyncio, concurrent.futures, http.server, json, multiprocessing, os, pwd, shutil, socket, sqlite3, subprocess, sys, tempfile, threading, urllib.request

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

def refused(what, *args):
    try:
        what(*args)
    except PermissionError:
        return True
    return False

with tempfile.TemporaryDirectory() as d:
    os.chdir(d)
    with open("page", "w") as f:
        f.write("hello")
    os.chmod("page", 0o640)
    shutil.copy2("page", "copy")
    os.chown("page", 5, 6)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert urllib.request.urlopen("http://localhost:8000/page").read() == b"hello"
    with socket.socket(socket.AF_UNIX) as a, socket.socket(socket.AF_UNIX) as b:
        a.bind(f"{d}/s")
        a.listen()
        b.connect(f"{d}/s")
        a.accept()[0].sendall(b"x")
        assert b.recv(1) == b"x"
    os.mkfifo("pipe")
    assert subprocess.run("cat <(echo a) - | wc -l", shell=True, executable="/usr/bin/bash", input="b\nc\n", text=True, capture_output=True).stdout == "3\n"
    async def child():
        p = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(7)", stdout=subprocess.PIPE)
        return (await p.communicate())[0]
    assert asyncio.run(child()) == b"7\n"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert sum(pool.map(len, ["a", "bc"])) == 3
    with multiprocessing.Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    db = sqlite3.connect("db")
    db.execute("create table t (x)")
    db.commit()
    assert pwd.getpwuid(0).pw_name == "root" and socket.getaddrinfo("localhost", 80)
    os.sched_setaffinity(0, {0})
    os.nice(1)
    # What the policy does not say.
    assert refused(socket.create_connection, ("127.0.0.1", 22))
    assert refused(server.socket.__class__(socket.AF_INET).bind, ("127.0.0.1", 9000))
    assert refused(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) and refused(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
    assert refused(socket.socket(socket.AF_UNIX).connect, "\0name") and refused(os.mkfifo, "/pipe") and refused(os.chown, "/etc/hosts", 1, 1)
    assert refused(os.setxattr, "page", "user.x", b"") and refused(os.sched_setscheduler, 0, os.SCHED_BATCH, os.sched_param(0))
print("lived")
"""


def test_programs_live_under_a_policy_of_what_they_do(held):
    """Python and bash of the host: a server and its client, sockets, pipes, processes, threads."""
    for p in ("/usr/bin/python3", "/usr/bin/bash"):
        need(p)
    b = held.bundle().args("/usr/bin/python3", "/job.py")
    (b.rootfs / "job.py").write_text(PROGRAM)
    (b.rootfs / "etc").mkdir(exist_ok=True)
    (b.rootfs / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (b.rootfs / "etc/passwd").write_text(f"root:x:0:0:root:/:/bin/sh\nother:x:{UID}:{UID}::/:/bin/sh\n")
    for link in ("lib", "lib64"):
        if not (b.rootfs / link).exists():
            (b.rootfs / link).symlink_to(f"usr/{link}")
    b.config["mounts"].append({"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]})
    b.config["process"]["env"] = ["PATH=/usr/bin:/bin", "HOME=/tmp"]
    r = held.run(b, JOB)
    assert r.rc == 0 and r.out == "lived\n", r
    refused = {x.get("what") for x in held.records() if x["verdict"] == "deny"}
    assert {"connect tcp 127.0.0.1:22", "bind tcp 127.0.0.1:9000", "chown /etc/hosts to 1:1", "mknod p on /pipe"} <= refused, refused
