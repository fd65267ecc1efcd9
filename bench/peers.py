# SPDX-License-Identifier: Apache-2.0
"""Who is measured beside cay: how each is called, which version it is, and why it can't run here if it can't."""
import re
import shutil

import measure

# Global options of the OCI runtimes. runsc has no KVM to hope for and would set up a network.
OCI_OPTIONS = {"cay": [], "crun": [], "runc": [],
               "runsc": ["--platform=ptrace", "--network=none", "--ignore-cgroups"]}
PROGRAMS = {"cay": "cay", "crun": "crun", "runc": "runc", "bwrap": "bwrap", "lxc": "lxc-execute",
            "runsc": "runsc", "podman": "podman"}
ENGINE = ("cay", "crun", "runc")


def oci(world, peer, *words):
    """A command line of an OCI runtime, with a state directory of our own."""
    program = world.cay if peer == "cay" else shutil.which(peer)
    return [program, "--root", world.root(peer), *OCI_OPTIONS[peer], *words]


def start(world, peer, bundle, name=None):
    """argv that runs a bundle's program to its end; the name may hold many's `{}`."""
    return oci(world, peer, "run", "--bundle", bundle, name or world.name(peer))


def bwrap(world, program="/bin/true"):
    return [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--ro-bind", str(world.rootfs), "/",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", program]


def lxc(world, program="/bin/true"):
    conf = world.dir / "lxc.conf"
    conf.write_text(f"lxc.rootfs.path = dir:{world.rootfs}\nlxc.uts.name = cay\nlxc.net.0.type = empty\n"
                    "lxc.mount.auto = proc:mixed sys:ro\nlxc.autodev = 1\n")
    home = world.dir / "lxc"
    home.mkdir(exist_ok=True)
    return [shutil.which("lxc-execute"), "-P", str(home), "-n", world.token + "-lxc", "-f", str(conf), "--", program]


def podman(world, runtime):
    """The engine's view, on the directory itself: no image, no network."""
    program = world.cay if runtime == "cay" else shutil.which(runtime)
    return [shutil.which("podman"), "--root", str(world.dir / "podman"), "--runroot", str(world.dir / "podman-run"),
            "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
            "--runtime", program, "run", "--rm", "--network", "none", "--security-opt", "seccomp=unconfined",
            "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
            "--rootfs", str(world.rootfs), "/bin/true"]


def command(world, peer, bundle):
    if peer == "bwrap":
        return bwrap(world)
    if peer == "lxc":
        return lxc(world)
    if peer == "podman":
        return podman(world, "cay")
    return start(world, peer, bundle)


def version(world, peer):
    program = world.cay if peer == "cay" else shutil.which(PROGRAMS[peer])
    found = re.search(r"\d+(\.\d+)+\S*", measure.run([program, "--version"]))
    return found.group(0) if found else "?"


def probe(world):
    """[{name, version, reason}]; the reason is None for who can run."""
    bundle = world.bundle()
    found = []
    for peer, program in PROGRAMS.items():
        one = {"name": peer, "version": None, "reason": None}
        found.append(one)
        if peer != "cay" and not shutil.which(program):
            one["reason"] = f"{program} is not installed (Debian may not have it here)"
            continue
        try:
            one["version"] = version(world, peer)
            measure.spend(command(world, peer, bundle), timeout=20)
        except measure.Failed as failure:
            one["reason"] = world.hide(str(failure))[:300]
    return found
