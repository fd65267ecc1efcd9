# SPDX-License-Identifier: Apache-2.0
"""Memory and size: of a runtime while it works, of a container that idles, of the binaries; density."""
import os
import pathlib
import re
import shutil
import subprocess
import time

import measure
import peers
from world import CGROUPS, OCI


def peak(world, run):
    table = run.table("Peak resident memory of one run", "KB", "Of the command and all it waits for (wait4).")
    bundle = world.bundle()
    for name in (n for n in (*OCI, "runsc") if n in run.able):
        argv = peers.start(world, name, bundle, world.name(name) + "-{}")
        _, _, kilobytes = measure.many(world, 1, 2 if world.quick or name == "runsc" else 20, argv)
        table.put("run", name, max(kilobytes))


def _limited(kilobytes):
    def change(spec):
        spec["linux"]["resources"]["memory"] = {"limit": kilobytes * 1024}
    return change


def _works(world, name, kilobytes, times):
    bundle = world.bundle(_limited(kilobytes))
    try:
        for _ in range(times):
            measure.spend(peers.start(world, name, bundle), timeout=5)
    except measure.Failed:
        return False
    return True


def limit(world, run):
    table = run.table("Smallest memory limit in which true still runs", "KB", "linux.resources.memory.limit, found by bisection.")
    for name in (n for n in OCI if n in run.able):
        low, high = 0, 16384
        while high - low > (64 if world.quick else 4):
            middle = (low + high) // 2 & ~3
            run.progress(f"{name}: {middle} KB")
            if _works(world, name, middle, 1 if world.quick else 3):
                high = middle
            else:
                low = middle
        table.put("limit", name, high)
        world.remove_containers()


def _pss(pids):
    total = 0
    for pid in pids:
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1))
        except (OSError, AttributeError):
            continue
    return total


def _kernel(name):
    """Kernel memory charged to a cgroup of this name, in KB, or None."""
    for path in (CGROUPS / "memory" / name / "memory.kmem.usage_in_bytes", CGROUPS / name / "memory.stat"):
        if path.exists():
            text = path.read_text()
            found = re.search(r"^(?:kernel )?(\d+)$", text, re.M)
            return int(found.group(1)) // 1024 if found else None
    return None


def idle(world, run):
    table = run.table("Memory of one idle container", "KB",
                  "Pss of everything that stays behind for it, and kernel memory charged to its cgroup. waiting: between "
                  "create and start. running: busybox sleep.")
    for name in (n for n in (*OCI, "runsc") if n in run.able):
        for label, verb in {"waiting": ["create"], "running": ["run", "--detach"]}.items():
            cgroup = world.name("idle")

            def place(spec, path="/" + cgroup):
                spec["linux"]["cgroupsPath"] = path

            bundle, before = world.bundle(place, args=("/bin/sleep", "1000")), set(world.processes())
            measure.spend(peers.oci(world, name, *verb, "--bundle", bundle, cgroup))
            time.sleep(0.2)
            table.put(label + ", Pss", name, _pss(set(world.processes()) - before))
            kernel = _kernel(cgroup) if name != "runsc" else None
            if kernel is not None:
                table.put(label + ", kernel", name, kernel)
            # Dead before it is deleted: runsc waits for the end of a sandbox that only we can reap.
            world.kill_processes(spare=before)
            measure.spend(peers.oci(world, name, "delete", "--force", cgroup))


def _dynamic(world):
    """The size of a cay that is linked dynamically: a build of its own."""
    source, build = pathlib.Path(__file__).resolve().parent.parent, world.dir / "dynamic"
    measure.run(["meson", "setup", str(build), str(source), "-Dstatic=false"], timeout=120)
    measure.run(["ninja", "-C", str(build), "cay"], timeout=400)
    measure.run(["strip", str(build / "cay")])
    return (build / "cay").stat().st_size / 1024


def sizes(world, run):
    table = run.table("Size of the binary", "KB",
                  "Stripped. Static has everything in it; dynamic needs the libraries of the system beside it.")
    table.put("static", "cay", os.path.getsize(world.cay) / 1024)
    if world.quick:
        table.absent("cay, dynamic", "a build of its own: not with --quick")
    else:
        run.progress("building cay with shared libraries")
        size = table.attempt(world, "cay, dynamic", lambda: _dynamic(world))
        if size:
            table.put("dynamic", "cay", size)
    for name in (n for n in ("crun", "runc", "bwrap", "lxc", "runsc", "podman") if n in run.able):
        path = os.path.realpath(shutil.which(peers.PROGRAMS[name]))
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        table.put("dynamic" if "=>" in linked else "static", name, os.path.getsize(path) / 1024)


def _available():
    return int(re.search(r"^MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M).group(1))


def density(world, run):
    most, seconds = (20, 2) if world.quick else (1000, 25)
    table = run.table("Density: containers running at once", "containers",
                  f"Started one after the other until one is refused, and not more than {most} or {seconds} seconds; what ended "
                  "it stands beside the number, with the memory that each took from the machine.")
    bundle = world.bundle(args=("/bin/sleep", "1000"))
    for name in (n for n in OCI if n in run.able):
        before, began, count, why = _available(), time.monotonic(), 0, "the bound"
        while count < most:
            if time.monotonic() - began > seconds:
                why = "out of time"
                break
            try:
                measure.spend(peers.oci(world, name, "run", "-d", "--bundle", bundle, world.name(name)))
            except measure.Failed as failure:
                why = "refused: " + world.hide(str(failure))
                break
            count += 1
            if count % 10 == 0:
                run.progress(f"{name}: {count}")
        took = (before - _available()) / max(count, 1)
        table.put("running at once", name, count, remark=f"{why}; {took:.0f} KB of the machine each")
        run.progress(f"{name}: removing")
        world.remove_containers()
