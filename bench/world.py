# SPDX-License-Identifier: Apache-2.0
"""The place everything is measured in: a directory, programs, bundles; and its removal to the last trace."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import time

CGROUPS = pathlib.Path("/sys/fs/cgroup")
PR_SET_CHILD_SUBREAPER = 36
OCI = ("cay", "crun", "runc")


class World:
    """@build: Meson's directory, with the programs of bench/ in it. @quick: everything shorter."""

    def __init__(self, build, quick):
        self.quick = quick
        self.build = pathlib.Path(build).resolve()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cay-bench-"))
        self.token = self.dir.name
        self.number = 0
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.cay = self.program("cay", self.build / "cay")
        self.rootfs = self.dir / "rootfs"
        self._make_rootfs()

    def program(self, name, source):
        target = self.dir / name
        shutil.copy(source, target)
        if name.startswith("cay"):
            subprocess.run(["strip", target], check=True)
        return str(target)

    def tool(self, name):
        return str(self.build / "bench" / name)

    def _make_rootfs(self):
        (self.rootfs / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), self.rootfs / "bin" / "busybox")
        for link in ("true", "sleep", "sh"):
            (self.rootfs / "bin" / link).symlink_to("busybox")
        for name in ("first", "work"):
            shutil.copy(self.tool(name), self.rootfs / "bin" / name)
        for name in ("proc", "dev", "sys", "tmp", "run", "etc"):
            (self.rootfs / name).mkdir()

    def name(self, what="c"):
        """A name nobody else has; everything left under it is ours to remove."""
        self.number += 1
        return f"{self.token}-{what}{self.number}"

    def root(self, peer):
        path = self.dir / ("state-" + peer)
        path.mkdir(exist_ok=True)
        return str(path)

    def bundle(self, change=None, args=("/bin/true",), rootfs=None):
        """A bundle of the default configuration (`cay spec`), changed by a function of the document."""
        path = self.dir / self.name("bundle")
        path.mkdir()
        subprocess.run([self.cay, "spec"], cwd=path, check=True, stdout=subprocess.DEVNULL)
        spec = json.loads((path / "config.json").read_text())
        spec["ociVersion"] = "1.0.2"
        spec["process"].update(terminal=False, args=list(args))
        spec["root"]["path"] = str(rootfs or self.rootfs)
        if change:
            change(spec)
        (path / "config.json").write_text(json.dumps(spec))
        return str(path)

    def hide(self, text):
        """Messages without the paths and names of this machine and run."""
        return text.replace(str(self.dir), "").replace(self.token, "ID")

    # ---- end --------------------------------------------------------------------------------

    def containers(self, peer, program):
        out = subprocess.run([program, "--root", self.root(peer), "list", "-q"], capture_output=True,
                             text=True, check=False, timeout=30)
        return out.stdout.split()

    def remove_containers(self):
        for peer in OCI:
            program = self.cay if peer == "cay" else shutil.which(peer)
            if not program or not os.path.isdir(self.dir / ("state-" + peer)):
                continue
            for one in self.containers(peer, program):
                subprocess.run([program, "--root", self.root(peer), "delete", "--force", one], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)

    def processes(self):
        """Ours: children and theirs; who loses its parent becomes our child."""
        parents = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    stat = open(f"/proc/{entry.name}/stat", encoding="ascii", errors="replace").read()
                except OSError:
                    continue
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
        found, todo = [], [os.getpid()]
        while todo:
            children = parents.get(todo.pop(), [])
            found += children
            todo += children
        return found

    def kill_processes(self, spare=()):
        for _ in range(100):
            left = [pid for pid in self.processes() if pid not in spare]
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.reap()
            time.sleep(0.02)

    @staticmethod
    def reap():
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def remove_cgroups(self):
        for path, _, _ in os.walk(CGROUPS, topdown=False):
            if self.token in path:
                try:
                    os.rmdir(path)
                except OSError:
                    pass

    def close(self):
        for step in (self.remove_containers, self.kill_processes, self.remove_cgroups):
            try:
                step()
            except (OSError, subprocess.SubprocessError) as error:
                print(f"bench: {step.__name__}: {error}")
        shutil.rmtree(self.dir, ignore_errors=True)


def _own_null():
    """runsc and crun give their standard files to the container's user: the host's /dev/null is not theirs to give.

    The node keeps its name, on a tmpfs that only the bind keeps alive: what has none can't be bound any further.
    """
    with tempfile.TemporaryDirectory() as place:
        node = os.path.join(place, "null")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.chmod(node, 0o666)
        subprocess.run(["mount", "--bind", node, "/dev/null"], check=True)
        subprocess.run(["umount", "--lazy", place], check=True)


def enter_namespace(argv):
    """Run once more in a mount namespace of our own without the v2 mount of a hybrid host, which crun refuses."""
    if os.environ.get("CAY_BENCH_INSIDE") != "1":
        os.environ["CAY_BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", *argv])
    _own_null()
    if (CGROUPS / "unified").is_dir():
        subprocess.run(["umount", CGROUPS / "unified"], check=True)
