# SPDX-License-Identifier: Apache-2.0
"""What the tests with real engines share: daemons of our own, an image, and the search for leaks.

Every path, name and cgroup of a test carries one token. A daemon is started in the foreground with
its own directories and ended by its own pid.
"""
import contextlib
import hashlib
import io
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

from harness import (CAY, CGROUP_ROOT, IS_RUNC, TMP, make_root, need, need_root, our_cgroups,
                     our_mounts, our_processes, read, run, skip, wait_for)

# An emulated machine is slow, and what was compared with runc elsewhere need not be again.
EMULATED = os.environ.get("CAY_EMULATED") == "1"
SLOW = 300 if EMULATED else 60
RUNC = None if IS_RUNC or EMULATED else shutil.which("runc")
IMAGE = "docker.io/library/cay:test"
# Made by engines wherever they are told to live; empty when they have ended.
STRAYS = ("/run/containerd", "/run/docker", "/opt/containerd")
_number = itertools.count()


def write_archive(path, config=None):
    """A `docker save` archive of the busybox root; every engine reads it. @config: more for the image."""
    work = path.with_suffix(".d")
    make_root(work / "root")
    layer = work / "layer.tar"
    subprocess.run(["tar", "-C", work / "root", "--owner=0", "--group=0", "-cf", layer, "."], check=True,
                   timeout=SLOW)
    image = json.dumps({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux", "config": {"Env": ["PATH=/bin", "FROM=image"], "Cmd": ["sh"], **(config or {})},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest()]},
        "history": [{"created": "1970-01-01T00:00:00Z"}]}).encode()
    name = hashlib.sha256(image).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as t:
        t.add(layer, "layer.tar")
        for member, data in ((name, image), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    shutil.rmtree(work)
    path.chmod(0o644)
    return path


class Engine:
    """A directory of our own and the daemons that were started in it."""

    def __init__(self, kind):
        need_root()
        self.token = f"cayte{kind}{os.getpid()}x{next(_number)}"
        self.base = TMP / self.token
        self.base.mkdir(mode=0o711)
        self.base.chmod(0o711)
        self.env = dict(os.environ)
        self.daemons = []
        self.strays = [d for d in STRAYS if d.startswith("/run/") or not os.path.exists(d)]
        self.calls = self.base / "calls"
        self.recorder = self.base / "cay-recorded"
        self.recorder.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{self.calls}\nexec {CAY} "$@"\n')
        self.recorder.chmod(0o755)

    def daemon(self, *argv, **kw):
        log = self.base / f"{os.path.basename(argv[0])}.log"
        with open(log, "ab") as f:
            p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                 env=self.env, start_new_session=True, **kw)
        p.log = log
        self.daemons.append(p)
        return p

    def log_end(self):
        return "\n".join(str(d.log) + ":\n" + read(d.log).decode(errors="replace")[-3000:] for d in self.daemons)

    def wait_ready(self, probe):
        """Until the daemon answers; a daemon that died says why."""
        def ready():
            assert all(d.poll() is None for d in self.daemons), self.log_end()
            return probe().rc == 0
        wait_for(ready, "the daemon to answer", SLOW)

    def recorded(self):
        return read(self.calls).decode().splitlines()

    def stop(self):
        for d in reversed(self.daemons):
            if d.poll() is None:
                d.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    d.wait(15)
            if d.poll() is None:
                d.kill()
                d.wait(15)
        self.daemons.clear()

    def strangers(self):
        """Our processes that are neither a daemon nor a child of one."""
        def of_daemon(pid):
            while pid > 1:
                if pid in (d.pid for d in self.daemons):
                    return True
                pid = int((read(f"/proc/{pid}/stat").rpartition(b")")[2].split() or [0, 0])[1])
            return False
        return [(p, read(f"/proc/{p}/cmdline").replace(b"\0", b" "))
                for p in our_processes(self.token) if not of_daemon(p)]

    def check_quiet(self, state, mounts):
        """Between two tests: no process, cgroup, mount or state of a container."""
        def busy():
            return {k: v for k, v in (
                ("process", self.strangers()),
                ("state", [str(p) for s in state if s.exists() for p in s.iterdir() if p.name != ".cache"]),
                ("cgroup", [c for c in our_cgroups(self.token) if os.path.basename(c) != self.token]),
                ("mount", [m for m in our_mounts(self.token) if f"{self.base}/{mounts}" in m])) if v}
        end = time.monotonic() + 5
        while busy() and time.monotonic() < end:
            time.sleep(0.02)
        assert busy() == {}

    def leaks(self):
        return {k: v for k, v in (("process", [(p, read(f"/proc/{p}/cmdline")) for p in our_processes(self.token)]),
                                  ("mount", our_mounts(self.token)), ("cgroup", our_cgroups(self.token))) if v}

    def done(self):
        """Stop, see what is left apart from the engine's own empty parents, remove everything."""
        self.stop()
        remove_empty_parents(self.token)
        end = time.monotonic() + 5
        while self.only_mounts_of_the_engine() and time.monotonic() < end:
            time.sleep(0.05)
        left = self.only_mounts_of_the_engine()
        for p in our_processes(self.token):
            with contextlib.suppress(OSError):
                os.kill(p, 9)
        for ln in reversed(our_mounts(self.token)):
            subprocess.run(["umount", "-l", ln.split()[4]], capture_output=True, timeout=SLOW)
        wait_for(lambda: remove_empty_parents(self.token) or not our_cgroups(self.token), "cgroups to go", 5)
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.base)], timeout=SLOW)
        self.sweep_strays()
        return left

    def sweep_strays(self):
        """Fifos with our name, the sockets of dead shims, and what is empty and was not there before."""
        alive = read("/proc/net/unix").decode()
        for f in [*pathlib.Path("/run/containerd/fifo").glob(f"*/{self.token}*"),
                  *(f for f in pathlib.Path("/run/containerd/s").glob("*") if str(f) not in alive)]:
            f.unlink(missing_ok=True)
            if f.parent.name != "s":
                with contextlib.suppress(OSError):
                    f.parent.rmdir()
        for d in self.strays:
            for sub, _, _ in os.walk(d, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(sub)

    def only_mounts_of_the_engine(self):
        """Leaks, without the storage directory that an engine bind-mounts on itself."""
        left = self.leaks()
        mounts = [m for m in left.pop("mount", []) if not m.split()[4].endswith(("/overlay", "/root"))]
        return {**left, **({"mount": mounts} if mounts else {})}


def remove_empty_parents(token):
    for c in sorted(our_cgroups(token), key=len, reverse=True):
        with contextlib.suppress(OSError):
            os.rmdir(c)


def limit_of(pid, v1, v2):
    """A cgroup value of a process, whichever version the host has."""
    for ln in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = ln.split(":", 2)
        controller = v1.split(".")[0]
        for f in (CGROUP_ROOT / controller / path.lstrip("/") / v1 if controller in names.split(",") else None,
                  CGROUP_ROOT / path.lstrip("/") / v2 if not names else None):
            if f and f.exists():
                return f.read_text().strip()
    raise AssertionError(f"no cgroup of {pid} has {v1} or {v2}")


def need_checkpoint():
    need("criu")
    if run([CAY, "checkpoint", "--help"]).rc != 0:
        skip("cay checkpoint")
    r = run(["criu", "check"], timeout=SLOW)
    if r.rc != 0:
        skip(f"what criu check wants: {(r.errlines or ['?'])[0]}")


def call(argv, env, timeout=SLOW, **kw):
    return run(argv, env=env, timeout=timeout, **kw)


def both(podman, *args, **kw):
    """The same under crun or runc, whichever is there; returns what cay gave after comparing."""
    got = podman.run(*args, **kw)
    if RUNC:
        want = podman.run(*args, runtime=RUNC, **kw)
        assert (got.rc, got.out) == (want.rc, want.out), (got, want)
    return got
