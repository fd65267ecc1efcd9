# SPDX-License-Identifier: Apache-2.0
"""An agent of our own, and containers of an ordinary user that ask it."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from harness import CAY, HERE, TIMEOUT, compiled, need, run, wait_for

# An ordinary user; nobody has to know his name, and he maps himself alone.
UID = 54321
CALLS = ["socket", "connect", "bind", "mount", "umount2", "mknod", "mknodat", "sched_setscheduler", "sched_setaffinity",
         "sched_setattr", "sched_setparam", "bpf", "setxattr", "lsetxattr", "fsetxattr", "fsopen", "open_tree", "move_mount", "mount_setattr"]
BASE = "allow socket unix stream\nallow socket unix dgram\n"


def broker_probe():
    """The program that asks."""
    return compiled(HERE / "broker_probe.c")


class Agent:
    around = ()  # a command that executes it

    def __init__(self, cay, policies, *options):
        self.cay, self.options = cay, options
        self.dir = cay.dir / "policies"
        self.dir.mkdir(mode=0o755)
        self.sock = str(cay.dir / "agent.sock")
        self.audit = cay.dir / "audit"
        self.log = cay.dir / "agent.log"
        for name, text in policies.items():
            self.write(name, text)
        self.process = None
        self.start()

    def write(self, name, text):
        path = self.dir / f"{name}.policy"
        path.parent.mkdir(mode=0o755, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, self.around), CAY, "agent", "--policy-dir", str(self.dir), "--listen", self.sock, "--audit", str(self.audit),
                 *self.options], stdin=subprocess.DEVNULL, stderr=log)
        wait_for(lambda: self.process.poll() is not None or self.answers(), "the agent")
        assert self.process.poll() is None, self.log.read_text()

    def answers(self):
        return run([CAY, "agent", "status", "--listen", self.sock]).rc == 0

    def __call__(self, word):
        return run([CAY, "agent", word, "--listen", self.sock])

    def ok(self, word):
        r = self(word)
        assert r.rc == 0, (r, self.log.read_text())
        return r.out

    def status(self):
        return json.loads(self.ok("status"))

    def records(self, call=None):
        """What the audit log says; a line is there as soon as its call is answered, or a moment later."""
        rows = [json.loads(ln) for ln in self.audit.read_text().splitlines()] if self.audit.exists() else []
        return [r for r in rows if call in (None, r["call"])]

    def record(self, **want):
        def find():
            return [r for r in self.records() if all(r.get(k) == v for k, v in want.items())]
        return wait_for(find, f"{want} in the audit log")[-1]

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.sock)
        s.settimeout(TIMEOUT)
        return s

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, kind, *more):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert self.process.wait(TIMEOUT) == 0 or kind
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)
        if kind:
            print(self.log.read_text())
        shutil.rmtree(self.sock + ".dev", ignore_errors=True)


def ask(bundle, sock, policy, calls=None):
    """Calls of the bundle go to an agent."""
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "listenerPath": str(sock),
        "listenerMetadata": policy, "syscalls": [{"names": calls or CALLS, "action": "SCMP_ACT_NOTIFY"}]}
    if not bundle.killable:
        return bundle
    bundle.linux["seccomp"]["flags"] = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    return bundle


def rootless_bundle(cay, name="bundle", uid=UID, probe=True):
    """What an ordinary user can have: root inside is he himself, and nobody else is there."""
    b = cay.bundle(name, probe=False)
    b.killable = True
    b.namespace("user")
    for k in ("uidMappings", "gidMappings"):
        b.linux[k] = [{"containerID": 0, "hostID": uid, "size": 1}]
    b.linux["resources"] = {}
    b.config["mounts"] = [{**m, "options": [o for o in m.get("options", []) if not o.startswith("gid=")]}
                          for m in b.config["mounts"] if m["type"] != "sysfs"]
    b.owner = uid
    if probe:
        shutil.copy(broker_probe(), b.rootfs / "bin" / "ask")
    return b


class User:
    """The runtime in the hands of an ordinary user, with a state directory of his own."""

    def __init__(self, cay, uid=UID):
        self.cay, self.uid = cay, uid
        self.program = pathlib.Path(cay.for_others())
        self.root = cay.shm / f"state-{uid}"
        self.root.mkdir(mode=0o700)
        os.chown(self.root, uid, uid)

    def lay_broker(self):
        """Beside the program: what --policy starts."""
        shutil.copy(pathlib.Path(CAY).resolve().with_name("cay-broker"), self.program.parent)

    def argv(self, *args):
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--", str(self.program),
                "--root", str(self.root), *map(str, args)]

    def write(self, bundle):
        bundle.write()
        subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", str(bundle.path)], check=True, timeout=TIMEOUT)

    def run(self, bundle, id=None, **kw):
        self.write(bundle)
        return run(self.argv("run", "-b", bundle.path, id or self.cay.id()), **kw)

    def out(self, bundle, **kw):
        r = self.run(bundle, **kw)
        assert r.rc == 0, r
        return r.out

    def start(self, bundle, id=None):
        """A container that runs, its output to nowhere; returns the id."""
        self.write(bundle)
        id = id or self.cay.id()
        for args in (("create", "-b", bundle.path, id), ("start", id)):
            with open(self.cay.dir / "stderr", "w+b") as err:
                rc = subprocess.run(self.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                                    timeout=TIMEOUT).returncode
                err.seek(0)
                assert rc == 0, err.read()
        return id

    def exec(self, id, *argv):
        return run(self.argv("exec", id, *argv))

    def sh(self, id, script):
        return self.exec(id, "sh", "-c", script)

    def pid(self, id):
        return json.loads(run(self.argv("state", id)).out)["pid"]

    def delete(self, id):
        r = run(self.argv("delete", "--force", id))
        assert r.rc == 0, r


def ext4(cay, *options, name="ext4.img", size=16 << 20):
    """An image with a file system."""
    need("mkfs.ext4")
    image = cay.dir / name
    with open(image, "wb") as f:
        f.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, str(image)], check=True, timeout=60)
    return image


def copy_program(bundle, name):
    """A dynamic program of the host, with its libraries."""
    path = pathlib.Path(shutil.which(name))
    needed = [path]
    for ln in run(["ldd", str(path)]).lines:
        needed += [pathlib.Path(w) for w in ln.split() if w.startswith("/")]
    for p in needed:
        to = bundle.rootfs / str(p).lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.is_symlink():
            to.unlink()
        shutil.copy(p, to)
    return str(path)
