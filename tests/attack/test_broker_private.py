# SPDX-License-Identifier: Apache-2.0
"""Attacks of a container on the broker of its own, which runs as the user that the container is."""
import contextlib
import errno
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest

import harness
from agent import Agent, ask, rootless_bundle
from engine import EMULATED
from harness import compiled, in_user_namespace, need, run, wait_for
from test_broker import LONG, RACES, racer, tries

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")


@pytest.fixture
def user(user):
    user.lay_broker()
    return user


def held(cay, user, bundle, policy, *args, **kw):
    path = cay.shm / "policy"
    path.write_text(policy)
    path.chmod(0o644)
    user.write(bundle)
    return run(user.argv("run", "--policy", path, *args, "-b", bundle.path, cay.id()), **kw)


def quietly(user, *args):
    """A command whose container keeps the output."""
    subprocess.run(user.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=60)


@contextlib.contextmanager
def held_directory(path):
    """A short name, for the address of a Unix socket."""
    fd = os.open(path, os.O_PATH)
    yield f"/proc/self/fd/{fd}"
    os.close(fd)


# What needs no right of the host's.
@pytest.mark.parametrize("kind", ["inet", "unix", "mount", "link", "node", "owner", "owner-link"])
def test_an_argument_that_changes_while_it_is_decided(cay, user, kind):
    """That the attacks win against a careless broker is shown in test_broker.py."""
    policy, _, short = RACES[kind]
    policy += {"unix": "allow unix bind /mnt/*\nallow socket unix\n", "inet": "allow socket inet\n"}.get(kind, "")
    b = rootless_bundle(cay)
    shutil.copy(racer(), b.rootfs / "bin/racer")
    r = held(cay, user, b.args("racer", "race", kind, tries(short)), policy, timeout=LONG)
    tried, won, allowed = map(int, r.out.split())
    print(f"{kind}: {tried} tries, {won} won, {allowed} allowed")
    assert won == 0 and 0 < allowed < tried, r


END_ALL = """for p in $(seq 2 400) $PIDS; do kill -9 $p 2>/dev/null && [ $p != $$ ] && echo "$p"; done
for p in $PIDS; do cat /proc/$p/environ /proc/$p/mem >/dev/null 2>&1 && echo "read $p"; done; echo done"""


def test_the_broker_can_not_be_named_from_inside(cay, user):
    """It has the user id that the root of the container has outside, so a number would be enough."""
    b = rootless_bundle(cay)
    victim = subprocess.Popen(["setpriv", f"--reuid={user.uid}", f"--regid={user.uid}", "--clear-groups", "sleep", "1000"])
    weak = rootless_bundle(cay, "weak").namespace("pid", remove=True)
    weak.config["mounts"] = [m for m in weak.config["mounts"] if m["type"] != "proc"]
    weak.linux["maskedPaths"] = weak.linux["readonlyPaths"] = []
    user.run(weak.sh(f"kill -9 {victim.pid}"))
    assert victim.wait(10) == -signal.SIGKILL, "an attack that never wins shows nothing"
    # The same user, with a pid namespace.
    path = cay.shm / "policy"
    path.write_text(RACES["mount"][0])
    path.chmod(0o644)
    user.write(b.sh("while [ ! -e /tmp/go ]; do sleep 0.1; done; PIDS=$(cat /tmp/go); " + END_ALL.replace("echo done", "echo done >/tmp/done")))
    id = cay.id()
    subprocess.run(list(map(str, user.argv("run", "-d", "--policy", path, "-b", b.path, id))), stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, check=True, timeout=60)
    broker = harness.json.loads((user.root / id / "state.json").read_text())["broker"]
    (b.rootfs / "tmp/go").write_text(f"{broker}\n")
    wait_for(lambda: (b.rootfs / "tmp/done").exists(), "the attack")
    assert pathlib.Path(f"/proc/{broker}/comm").read_text() == "cay-broker\n"
    user.delete(id)


def test_a_first_process_that_leaves_before_the_broker_looks(cay, user):
    """An agent learns of a container when its program runs already; a broker of its own knows it from before."""
    policy = "default allow\ndeny unix **\nallow unix /run/good.sock\n"
    leave = ["unshare", "-U", "-r", "-m", "sh", "-c", "mount -o bind /run/host/evil.sock /run/good.sock; ask unix connect /run/good.sock >/tmp/out"]
    with Agent(cay, {"a": policy}) as agent:
        for weak in (True, False):
            b = rootless_bundle(cay, f"weak-{weak}", user.uid).caps("CAP_SETFCAP").args(*leave)
            (b.rootfs / "run/host").mkdir(parents=True)
            (b.rootfs / "run/good.sock").touch()
            if weak:
                ask(b, agent.sock, "a", ["connect"])
            (cay.shm / "policy").write_text(policy)
            user.write(b)
            with socket.socket(socket.AF_UNIX) as evil, held_directory(b.rootfs / "run/host") as at:
                evil.bind(f"{at}/evil.sock")
                evil.listen()
                os.chmod(f"{at}/evil.sock", 0o777)
                id = cay.id()
                quietly(user, "create", *([] if weak else ["--policy", cay.shm / "policy"]), "-b", b.path, id)
                broker = agent.process.pid if weak else harness.json.loads((user.root / id / "state.json").read_text())["broker"]
                home = os.readlink(f"/proc/{user.pid(id)}/ns/user")
                os.kill(broker, signal.SIGSTOP)
                try:
                    pid = user.pid(id)
                    quietly(user, "start", id)
                    wait_for(lambda: os.readlink(f"/proc/{pid}/ns/user") != home, "it to leave")
                finally:
                    os.kill(broker, signal.SIGCONT)
                wait_for(lambda: harness.read(b.rootfs / "tmp/out"), "its answer")
                assert (b.rootfs / "tmp/out").read_text() == ("ok\n" if weak else "EPERM\n")
            user.delete(id)


def test_other_roads_do_not_pass_by_the_policy(cay, user):
    """A ring, a connection by sending, a pair of sockets, and calls younger than libseccomp: none is a connect(2), socket(2), setxattr(2)
    or open_tree(2)."""
    b = rootless_bundle(cay).caps("CAP_SYS_ADMIN").args("roads")
    shutil.copy(compiled(pathlib.Path(__file__).with_name("roads.c")), b.rootfs / "bin/roads")
    pairs = ("pair", "raw-pair")
    user.write(b)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server, held_directory(b.rootfs / "tmp") as at:
        server.bind(f"{at}/server")
        os.chmod(f"{at}/server", 0o777)
        free = dict(ln.split() for ln in user.out(b).splitlines())
        assert [free[k] for k in ("sendto", "sendmsg", "sendmmsg", *pairs)] == ["ok"] * 5, "an attack that never wins shows nothing"
        sockets = "default deny\nallow socket inet stream\nallow bind tcp *\nallow connect tcp 127.0.0.1:1\n"
        r = held(cay, user, b, sockets + "allow xattr user.good\nallow mount tmpfs on /mnt/good\n")
        assert dict(ln.split() for ln in r.lines) == dict.fromkeys(free, "ENOSYS") | dict.fromkeys(pairs, "EPERM"), r
        # What is refused by the filter goes no other road, either.
        r = held(cay, user, b, sockets)
        assert {k: v for k, v in (ln.split() for ln in r.lines) if v != "ENOSYS"} == dict.fromkeys((*pairs, "setxattrat", "open_tree_attr"), "EPERM"), r
        # A line for the pair's kind of socket; and what the policy says nothing of stays as it is.
        r = held(cay, user, b, sockets + "allow socket unix dgram\n")
        assert [dict(ln.split() for ln in r.lines)[k] for k in pairs] == ["ok"] * 2, r
        r = held(cay, user, b, "default allow\ndeny mknod **\n")
        assert dict(ln.split() for ln in r.lines) == free


def test_an_answer_does_not_reach_the_memory_of_a_program_that_came_after(cay, user):
    """Its number is the old one's. A file of its memory that is opened between the look and the write would be the new one's."""
    need("strace", "nm")
    b = rootless_bundle(cay).args("/bin/afterlife")
    program = b.rootfs / "bin/afterlife"
    subprocess.run(["cc", "-static", "-no-pie", "-pthread", "-O1", "-o", str(program), str(pathlib.Path(__file__).with_name("afterlife.c"))],
                   check=True, timeout=120)
    (cay.shm / "policy").write_text("allow view sysinfo\n")
    for weak in (True, False):
        user.write(b.args("sh", "-c", "exec /bin/afterlife >/tmp/out"))
        (b.rootfs / "tmp/out").unlink(missing_ok=True)
        id = cay.id()
        quietly(user, "create", *([] if weak else ["--policy", cay.shm / "policy"]), "-b", b.path, id)
        pid = user.pid(id)
        if weak:
            quietly(user, "start", id)
            wait_for(lambda: b"look" in harness.read(f"/proc/{pid}/cmdline"), "the new program")
            symbols = dict(reversed(ln.rsplit(" ", 2)[::2]) for ln in run(["nm", program]).lines)
            with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
                mem.seek(int(symbols["answer"], 16))
                mem.write(b"x")
        else:
            broker = harness.json.loads((user.root / id / "state.json").read_text())["broker"]
            log = cay.dir / "strace"
            tracer = subprocess.Popen(["strace", "-f", "-P", "mem", "-o", str(log), "-e", "inject=openat:delay_enter=800000", "-p", str(broker)],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(lambda: "TracerPid:\t0" not in pathlib.Path(f"/proc/{broker}/status").read_text(), "strace")
            quietly(user, "start", id)
        wait_for(lambda: harness.read(b.rootfs / "tmp/out"), "what became of it")
        assert (b.rootfs / "tmp/out").read_text() == ("written\n" if weak else "nothing\n")
        user.delete(id)
    tracer.wait(60)
    assert "DELAYED" in log.read_text(), "a moment that is not stretched shows nothing"


def test_other_architectures_do_not_pass_by_the_policy(cay, user):
    """int 0x80 has numbers of its own; 21 is mount(2) there. Without a policy the call reaches the kernel."""
    b = rootless_bundle(cay).args("ask", "old")
    if user.run(b).out != "ok\n":
        harness.skip("a kernel that runs 32-bit calls")
    r = held(cay, user, b, "deny mount **\n")
    assert r.rc == 128 + signal.SIGSYS and r.out == "", r


def test_who_has_no_process_left_is_refused_and_takes_no_processor(cay, user):
    """The container's processes are those of the user whose broker it is, so it can leave no number for a helper."""
    need("prlimit")
    path = cay.shm / "policy"
    path.write_text(RACES["mount"][0].replace("/mnt/good", "/mnt/x"))
    path.chmod(0o644)
    b = rootless_bundle(cay)
    (b.rootfs / "mnt/x").mkdir()
    user.write(b.sh("exec ask crowded >/tmp/said"))
    said, go = b.rootfs / "tmp/said", b.rootfs / "tmp/go"
    answer = "ok"
    # Numbers become free all the time (zombies that the host's init reaps late), and the broker may be the one that gets them.
    for _ in range(20):
        id = cay.id()
        subprocess.run(["prlimit", "--nproc=40:40", *map(str, user.argv("run", "-d", "--policy", path, "-b", b.path, id))],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)
        broker = harness.json.loads((user.root / id / "state.json").read_text())["broker"]
        children = pathlib.Path(f"/proc/{broker}/task/{broker}/children")
        wait_for(lambda: harness.read(said), "no number to be left")
        for helper in children.read_text().split():
            os.kill(int(helper), signal.SIGKILL)
        wait_for(lambda: not harness.read(children), "the helpers' end")
        go.touch()
        answer = wait_for(lambda: said.read_text().split()[1:], "an answer")[0]
        fields = pathlib.Path(f"/proc/{broker}/stat").read_text().rpartition(")")[2].split()
        user.delete(id)
        go.unlink()
        said.unlink()
        if answer == "ENOSYS":
            break
        assert answer in ("ok", "EPERM"), answer
    assert answer == "ENOSYS", "there was always a number left"
    # Five seconds of trying at once again would be 500.
    assert int(fields[11]) + int(fields[12]) < 100, "hundredths of a second"


# What is made for one that may have MEMORY, and PIPES of which are more than that.
MEMORY, PIPES = (3 << 19, 2000) if EMULATED else (3 << 20, 4000)
HOARD = {"pipe": ("allow mknod p on /**\n", PIPES), "socket": ("allow unix /mnt/*\nallow socket unix stream\n", PIPES),
         "attribute": ("allow mknod f on /**\nallow xattr user.* on /mnt/**\n", PIPES // 2),
         "echo": ("allow socket inet dgram icmp\n", PIPES), "device": ("allow mknod c 1:3 on /mnt/*\n", PIPES)}
LENT = ("echo", "device")


# A broker of the container's own lends nothing.
@pytest.mark.parametrize("whose, kind", [(w, k) for w in ("private", "agent") for k in HOARD if w == "agent" or k not in LENT])
def test_what_is_made_for_a_container_counts_against_its_limit(cay, kind, whose):
    """Else whoever is lent a call has the broker's memory beside his own."""
    policy, count = HOARD[kind]
    b = rootless_bundle(cay)
    in_user_namespace(b)
    b.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]})
    shutil.copy(racer(), b.rootfs / "bin/racer")
    b.args("racer", "hoard", kind, str(count))
    b.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": count + 64, "hard": count + 64}]
    (cay.shm / "policy").write_text(policy)
    with contextlib.ExitStack() as stack:
        options = ["--policy", cay.shm / "policy"]
        if whose == "agent":
            agent = stack.enter_context(Agent(cay, {"a": policy}))
            ask(b, agent.sock, "a")
            options = []
        r = cay.run(b, *options, timeout=LONG)
        if kind == "attribute" and r.out == f"0 {errno.EOPNOTSUPP}\n":
            harness.skip("user attributes on a tmpfs (Linux 6.6)")
        assert r.out == f"{count} 0\n", ("an attack that never wins shows nothing", r)
        b.linux["resources"] = {"memory": {"limit": MEMORY}}
        r = cay.run(b, *options, timeout=LONG)
        # The broker's child dies first, which the call says, unless it was the program itself that went over the limit.
        made, error = map(int, r.out.split() or (count // 2, errno.ENOMEM))
        assert (r.rc == 0 and r.out) or r.rc == 128 + signal.SIGKILL, r
        assert 100 < made < count and error == errno.ENOMEM, r
        if whose == "agent":
            assert agent.process.poll() is None and agent.records()[-1]["container"]


def test_where_the_broker_may_not_go_what_it_makes_has_a_bound(cay, user):
    """As when systemd has put the container into a cgroup that is its alone."""
    b = rootless_bundle(cay)
    shutil.copy(racer(), b.rootfs / "bin/racer")
    b.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]})
    hoard = 'while ! [ -e "/tmp/go-$1" ]; do sleep 0.1; done; racer hoard pipe $2 >"/tmp/new-$1"; mv "/tmp/new-$1" "/tmp/out-$1"; rm -f /mnt/*'
    figures = "grep -h MemTotal /proc/meminfo; sleep 1.1"
    (cay.shm / "policy").write_text("allow mknod p on /**\nallow view meminfo\n")
    user.write(b.args("sh", "-c", f"for at in here almost there; do n=1200; [ $at = almost ] && n=1019; sh -c '{hoard}' - $at $n; "
                      f"[ $at = almost ] && for i in 1 2 3 4 5 6; do {figures}; done >/tmp/figures; [ $at = almost ] && for i in 3 4 5 6 7 8; do eval \"exec $i</proc/meminfo\"; {figures}; done >/tmp/held; done"))
    id = cay.id()
    quietly(user, "run", "-d", "--policy", cay.shm / "policy", "-b", b.path, id)
    memory = harness.CGROUP_ROOT / "memory"
    theirs = (memory if memory.exists() else harness.CGROUP_ROOT) / f"{cay.token}-theirs"
    theirs.mkdir()

    def made(at):
        (b.rootfs / f"tmp/go-{at}").touch()
        return wait_for(lambda: harness.read(b.rootfs / f"tmp/out-{at}"), "the pipes", LONG).decode().split()
    assert made("here") == ["1200", "0"], "an attack that never wins shows nothing"
    (theirs / "cgroup.procs").write_text(str(user.pid(id)))
    # The shell that waits is a child, which was there before.
    for pid in run(["pgrep", "-P", user.pid(id)]).lines:
        with contextlib.suppress(ProcessLookupError):
            (theirs / "cgroup.procs").write_text(pid)
    (theirs / "cgroup.procs").parent.joinpath("memory.max" if (theirs / "memory.max").exists() else "memory.limit_in_bytes").write_text(str(64 << 20))
    assert made("almost") == ["1019", "0"]
    # What was shown and is closed again counts no more: else a monitor would be shown the host's figures after a while.
    figures = wait_for(lambda: len(ln := harness.read(b.rootfs / "tmp/figures").decode().splitlines()) == 6 and ln, "the figures")
    assert [ln.split()[1] for ln in figures] == [str(64 << 10)] * 6
    held = wait_for(lambda: len(ln := harness.read(b.rootfs / "tmp/held").decode().splitlines()) == 6 and ln, "the figures")
    assert held[0] == figures[0] and held[-1] != figures[0], "those that are kept count"
    pipes, error = made("there")
    assert int(pipes) < 5 and error == str(errno.ENOSPC)
    user.delete(id)
    theirs.rmdir()


def test_a_cgroup_that_is_made_anew_under_its_name_counts(cay):
    """Whoever may make cgroups inside could else have the broker remember one that is gone, and never pay."""
    b = rootless_bundle(cay)
    in_user_namespace(b)
    shutil.copy(racer(), b.rootfs / "bin/racer")
    (cay.shm / "policy").write_text("allow mknod p on /**\n")
    b.config["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]})
    hoard = 'while ! [ -e "/tmp/go-$n" ]; do sleep 0.05; done; racer hoard pipe 1200 >"/tmp/new-$n"; mv "/tmp/new-$n" "/tmp/out-$n"'
    b.sh(f"for n in 1 2; do {hoard}; rm -f /mnt/*; done; sleep 1000").write()
    id = cay.id()
    subprocess.run(list(map(str, cay.argv("run", "-d", "--policy", cay.shm / "policy", "-b", b.path, id))), stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, check=True, timeout=60)
    memory = harness.CGROUP_ROOT / "memory"
    base = memory if memory.exists() else harness.CGROUP_ROOT
    theirs, aside = base / f"{cay.token}-theirs", base / f"{cay.token}-aside"
    aside.mkdir()

    def move(to):
        # The shell, and whatever it has just started.
        while pids := [p for p in run(["pgrep", "-g", str(cay.pid(id))]).lines if not (to / "cgroup.procs").read_text().split().count(p)]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    (to / "cgroup.procs").write_text(pid)

    def made(n):
        theirs.mkdir()
        move(theirs)
        (b.rootfs / f"tmp/go-{n}").touch()
        return wait_for(lambda: harness.read(b.rootfs / f"tmp/out-{n}"), "the pipes", LONG).decode().split()
    # More than a megabyte is made only where it is charged to the container.
    assert made(1) == ["1200", "0"]
    # Soon: who serves it stays for two seconds.
    move(aside)
    wait_for(lambda: not (theirs / "cgroup.procs").read_text(), "it to be empty")
    theirs.rmdir()
    assert made(2) == ["1200", "0"]
    cay.destroy(id)
    aside.rmdir()
    theirs.rmdir()


def test_whoever_makes_the_broker_s_child_end_is_written_down(cay, user):
    """It is born in the container's cgroup, where memory may run out, or somebody may end all there is."""
    b = rootless_bundle(cay).sh("ask unix connect /run/full.sock >/tmp/out; sleep 1000")
    log = user.root / "log"
    (cay.shm / "policy").write_text("allow socket unix\nallow unix connect /run/*\n")
    (b.rootfs / "run").mkdir(exist_ok=True)
    user.write(b)
    with socket.socket(socket.AF_UNIX) as full, held_directory(b.rootfs / "run") as at, socket.socket(socket.AF_UNIX) as first:
        full.bind(f"{at}/full.sock")
        full.listen(0)
        os.chmod(f"{at}/full.sock", 0o777)
        first.connect(f"{at}/full.sock")
        id = cay.id()
        quietly(user, "run", "-d", "--policy", cay.shm / "policy", "--policy-log", log, "-b", b.path, id)
        broker = harness.json.loads((user.root / id / "state.json").read_text())["broker"]

        def child():
            return [c for h in run(["pgrep", "-P", str(broker)]).lines for c in run(["pgrep", "-P", h]).lines]
        pid = int(wait_for(child, "somebody to wait")[0])
        wait_for(lambda: harness.read(f"/proc/{pid}/oom_score_adj") == b"1000\n", "it to be the first that dies")
        os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: harness.read(b.rootfs / "tmp/out"), "an answer") == b"ENOMEM\n"
        record = [harness.json.loads(ln) for ln in log.read_text().splitlines()][-1]
        assert (record["call"], record["error"], record["what"]) == ("connect", errno.ENOMEM, "ended on its way"), record
    user.delete(id)


@pytest.mark.parametrize("whose", ["private", "agent"])
def test_a_container_without_a_process_left_is_answered(cay, whose):
    """The child that is born in its cgroup is one more."""
    b = rootless_bundle(cay)
    in_user_namespace(b)
    b.linux["resources"] = {"pids": {"limit": 2}}
    b.sh("sleep 1000 & exec ask mknod /dev/shm/pipe p 0 0")
    policy = "allow mknod p on /**\n"
    (cay.shm / "policy").write_text(policy)
    if whose == "private":
        assert cay.out(b, "--policy", cay.shm / "policy") == "ok\n"
        return
    with Agent(cay, {"a": policy}) as agent:
        ask(b, agent.sock, "a")
        assert cay.out(b) == "ok\n"
