# SPDX-License-Identifier: Apache-2.0
"""The runtime's own program, by every road that leads past a hostile process (CVE-2019-5736).

The attacker holds /proc/<pid>/exe of all that come by and writes to it as soon as they are gone. In each
test it first wins against a careless runtime in the very same container: a copy of busybox as nsenter.
"""
import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from harness import CAY, TIMEOUT, Cay, cay_only, need, read, run, skip, wait_for


PID_ONE = """
import os, sys, time
if sys.argv[1] == "noexec":
    open("/proc/sys/vm/memfd_noexec", "w").write("2")
print("on", flush=True)
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.01)
"""


class Host(Cay):
    """The runtime in a pid namespace whose first process buries at once; memfds may be executed there or not."""

    def __init__(self, cay, noexec):
        if noexec and not os.path.exists("/proc/sys/vm/memfd_noexec"):
            skip("sysctl vm.memfd_noexec (Linux 6.3)")
        self.__dict__.update(cay.__dict__)
        self.image = "/cay-init" if noexec else "/memfd:cay-init"
        self.holder = subprocess.Popen(
            ["unshare", "-p", "-m", "-f", "--kill-child", "--mount-proc", sys.executable, "-c", PID_ONE,
             "noexec" if noexec else "exec"], stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"on\n", "vm.memfd_noexec can't be set"
        self.inside = read(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").split()[0].decode()

    def enter(self, *args):
        return ["nsenter", "-t", self.inside, "-p", "-m", "--", *args]

    def argv(self, *args):
        return self.enter(*super().argv(*args))

    def close(self):
        self.holder.kill()
        self.holder.wait(TIMEOUT)
        self.holder.stdout.close()


@pytest.fixture(params=["memfd", "memfd_noexec=2"])
def host(request, cay):
    cay_only("islander")
    need("nsenter", "unshare")
    h = Host(cay, request.param != "memfd")
    yield h
    h.close()


class Attacker:
    """A container that looks at whoever comes into its pid namespace."""

    def __init__(self, cay, name="attacker", seconds=60, program=None, **kw):
        self.cay, self.seen = cay, cay.dir / f"{name}.seen"
        b = self.bundle = cay.bundle(name)
        b.caps("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_FOWNER")
        b.args(*(program or ("probe", "overwrite", str(seconds))))
        with open(self.seen, "wb") as out:
            self.id = cay.start(b, stdout=out, **kw)
        wait_for(lambda: "ready" in self.lines(), "the attacker")

    def lines(self):
        return self.seen.read_text().splitlines()

    def won(self):
        return {ln[4:] for ln in self.lines() if ln.startswith("won ")}

    def saw(self):
        return {ln[4:] for ln in self.lines() if ln.startswith("saw ")}

    def beats_a_careless_runtime(self):
        naive = self.cay.dir / "naive"
        if not naive.exists():
            shutil.copyfile(shutil.which("busybox"), naive)
            naive.chmod(0o755)
        pid = str(self.cay.pid(self.id))

        def once():
            with contextlib.suppress(OSError):  # in the end it is no program any more
                run(self.cay.enter("bash", "-c", 'exec -a busybox "$0" "$@"', naive, "nsenter", "-t", pid, "-p", "-m",
                                   "/proc/self/exe"))
            return str(naive) in self.won()
        wait_for(once, "the attacker to overwrite a careless runtime")

    def loses(self, where):
        """Nothing of cay's was written, and its image was seen, so that this means something."""
        def others(links):
            return {x for x in links if "naive" not in x}
        assert not others(self.won()), f"{where}: {self.won()}"
        assert {x.split()[0] for x in others(self.saw())} == {self.cay.image}, f"{where}: {self.saw()}"


@pytest.fixture
def untouched():
    """The runtime's file is afterwards what it was before."""
    before = read(CAY)
    yield
    assert read(CAY) == before


def test_the_program_is_not_overwritten_while_execs_go_by(host, untouched):
    a = Attacker(host)
    a.beats_a_careless_runtime()
    for i in range(60):
        assert host("exec", a.id, *(["true"] if i % 2 else ["/proc/self/exe", "1", "2"])).rc == (i % 2 == 0)
        if i > 20 and any(x.startswith(host.image) for x in a.saw()):
            break
    a.loses("exec")
    host.destroy(a.id)


def test_the_program_is_not_overwritten_while_containers_are_made_beside(host, untouched):
    """A created container that shares the pid namespace waits at its gate in full sight."""
    a = Attacker(host)
    a.beats_a_careless_runtime()
    b = host.bundle("beside").args("true")
    b.namespace("pid", f"/proc/{host.pid(a.id)}/ns/pid")
    for _ in range(5):
        id = host.create(b)
        wait_for(lambda: any(x.startswith(host.image) for x in a.saw()), "the attacker to see the gate")
        host.ok("start", id)
        host.wait_status(id, "stopped")
        host.destroy(id)
    a.loses("create")
    host.destroy(a.id)


def test_the_program_is_not_overwritten_from_a_hook(host, untouched):
    """A hook leaves a process behind that holds its parent, the islander, and waits for it to become the program."""
    a = Attacker(host)
    a.beats_a_careless_runtime()
    host.destroy(a.id)
    b = host.bundle("hooked").args("sleep", "3").caps("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_FOWNER")
    b.mount("/mnt", type="bind", source=str(host.dir), options=["bind"])
    b.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": [
        "sh", "-c", "probe overwrite 2 > /mnt/hook.seen 2>&1 & until { read a && read b; } < /mnt/hook.seen; do :; done"],
        "env": ["PATH=/bin"]}]}
    a.seen = host.dir / "hook.seen"
    r = host.run(b)
    assert r.rc == 0, r
    assert "end" in a.lines()
    a.loses("hook")


def test_the_program_is_not_overwritten_while_a_restore_goes_by(host, untouched):
    """The root of a restored container is made by an islander, too; CRIU then starts what it has."""
    a = Attacker(host)
    a.beats_a_careless_runtime()
    b = host.bundle("restored").args("sleep", "1000")
    b.namespace("pid", f"/proc/{host.pid(a.id)}/ns/pid")
    fake = os.path.join(os.path.dirname(__file__), "..", "integration", "fake_criu.py")
    env = dict(os.environ, FAKE_CRIU=json.dumps({"record": str(host.dir / "requests")}))
    images = host.dir / "images"
    id = host.start(b)
    host.ok("--criu", fake, "checkpoint", "--image-path", images, id, env=env)
    before = len(a.lines())
    with open(os.devnull, "r+b") as null:
        rc = subprocess.run(host.argv("--criu", fake, "restore", "-d", "--image-path", images, "-b", b.path, id),
                            env=env, stdin=null, stdout=null, timeout=TIMEOUT).returncode
    assert rc == 0
    for _ in range(10):
        host.ok("exec", a.id, "true")
    assert len(a.lines()) >= before
    a.loses("restore")
    host.destroy(id)
    host.destroy(a.id)


def test_proc_self_exe_as_program_never_reaches_the_runtime(host, bundle, untouched):
    a = Attacker(host, program=("sh", "-c", "echo ready; exec sleep 1000"))
    r = run(host.enter("busybox", "nsenter", "-t", str(host.pid(a.id)), "-p", "-m", "/proc/self/exe"))
    assert "exe: applet not found" in r.err, "careless: the host's own busybox runs inside"
    os.symlink("/proc/self/exe", bundle.rootfs / "bin" / "link.mine")
    for program in ("/proc/self/exe", "/proc/1/exe", "/bin/link.mine"):
        r = host.run(bundle.args(program, "features"))
        assert "ociVersion" not in r.out
        r = host("exec", a.id, program, "--version")
        assert "cay version" not in r.out + r.err
    host.destroy(a.id)


# ---- Without privilege, where memfds may not be executed ---------------------------------------

NOBODY = 65534


def rootless(cay, h, command, *args):
    """cay as an ordinary user on such a host."""
    return run(h.enter("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
                       "env", "-i", f"PATH={os.environ['PATH']}", f"XDG_RUNTIME_DIR={cay.shm}/xdg", *command, *args),
               cwd="/")


def test_an_ordinary_user_needs_no_memfd_that_may_be_executed(cay, bundle):
    cay_only("islander")
    need("setpriv", "nsenter", "unshare")
    h = Host(cay, True)
    try:
        script = ("import os,sys\n"
                  "try: fd = os.memfd_create('x', 0x10)\n"
                  "except OSError as e: print(e.errno)\n")
        assert rootless(cay, h, ["/usr/bin/python3", "-c", script]).out == "13\n", "memfds may be executed here"
        (cay.shm / "xdg").mkdir(mode=0o700)
        os.chown(cay.shm / "xdg", NOBODY, NOBODY)
        bundle.namespace("user")
        for k in ("uidMappings", "gidMappings"):
            bundle.linux[k] = [{"containerID": 0, "hostID": NOBODY, "size": 1}]
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] in ("/proc", "/dev")]
        bundle.linux["resources"] = {}
        bundle.sh("id -u; cat /proc/self/uid_map; probe fds").write()
        r = rootless(cay, h, [cay.for_others()], "run", "-b", bundle.path, cay.id())
        assert r.rc == 0, r
        assert r.lines[:2] == ["0", "         0      65534          1"], r
        assert [ln.split()[0] for ln in r.lines[2:]] == ["0", "1", "2"], r
    finally:
        h.close()
