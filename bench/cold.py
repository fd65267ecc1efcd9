# SPDX-License-Identifier: Apache-2.0
"""Cold start: everything from the command line to the end of `true`; and the short commands on a container."""
import os
import statistics

import measure
import peers
import filters
from world import OCI


def _floor(world):
    hierarchies = sorted(entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir())
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        hierarchies = ["/sys/fs/cgroup"]
    return [world.tool("floor"), str(world.rootfs), *hierarchies, "--", "/bin/true"]


def start(world, run):
    table = run.table("Cold start of true, default bundle", "ms",
                  "Everything from the command to its end: made, run, deleted. floor is what the kernel alone takes: the same "
                  "clone flags and mounts, and nothing else. bwrap makes fewer mounts and no cgroup.")
    bundle = world.bundle()
    commands = {name: peers.start(world, name, bundle) for name in OCI if name in run.able}
    commands["floor"] = _floor(world)
    if "bwrap" in run.able:
        commands["bwrap"] = peers.bwrap(world)
    if "lxc" in run.able:
        commands["lxc"] = peers.lxc(world)
    if "runsc" in run.able:
        commands["runsc"] = peers.start(world, "runsc", bundle)
    table.put_all("default", measure.hyperfine(world, commands, progress=run.progress))


def engine(world, run):
    table = run.table("The same through an engine: podman run", "ms",
                  "Without image and network; nearly all of it is the engine's own.")
    if "podman" not in run.able:
        table.absent("podman", "see the peers")
        return
    commands = {name: peers.podman(world, name) for name in peers.ENGINE if name in run.able}
    table.put_all("podman run", measure.hyperfine(world, commands, runs=3, progress=run.progress))


def _without(kind):
    def change(spec):
        namespaces = spec["linux"]["namespaces"]
        spec["linux"]["namespaces"] = [n for n in namespaces if n["type"] != kind]
        if kind == "uts":
            spec.pop("hostname", None)
        if kind == "ipc":
            spec["mounts"] = [m for m in spec["mounts"] if m["type"] != "mqueue"]
    return change


def _with(*kinds):
    def change(spec):
        spec["linux"]["namespaces"] += [{"type": kind} for kind in kinds]
        if "user" in kinds:
            ids = [{"containerID": 0, "hostID": 0, "size": 65536}]
            spec["linux"].update(uidMappings=ids, gidMappings=ids)
    return change


def _no_cgroup_mount(spec):
    spec["mounts"] = [m for m in spec["mounts"] if m["type"] != "cgroup"]


VARIANTS = {"default": None, "without network": _without("network"), "without pid": _without("pid"),
            "without ipc": _without("ipc"), "without uts": _without("uts"), "with cgroup": _with("cgroup"),
            "with user": _with("user")}


def namespaces(world, run):
    table = run.table("Cold start with and without each namespace, and without cgroups", "ms",
                  "A mount namespace can't be left out: the root file system needs it. runc has no way to go without cgroups.")
    for label, change in VARIANTS.items():
        bundle = world.bundle(change)
        commands = {}
        for name in (n for n in OCI if n in run.able):
            argv = peers.start(world, name, bundle)
            if table.attempt(world, f"{name}, {label}", lambda a=argv: measure.spend(a)) is not None:
                commands[name] = argv
        table.put_all(label, measure.hyperfine(world, commands, runs=1 if world.quick else 8, progress=run.progress))
    bundle = world.bundle(_no_cgroup_mount)
    commands = {name: peers.oci(world, name, "--cgroup-manager=disabled", "run", "--bundle", bundle, world.name())
                for name in ("cay", "crun") if name in run.able}
    table.put_all("without cgroups",
                  measure.hyperfine(world, commands, runs=1 if world.quick else 8, progress=run.progress))


def seccomp(world, run):
    profiles = filters.large()
    table = run.table(f"Cold start with a seccomp profile of {len(filters.names(profiles))} calls for "
                  f"{len(profiles['architectures'])} architectures", "ms",
                  "The default profile of the engines. cay keeps compiled filters; in the second row its cache is emptied before "
                  "each run.")
    bundle = world.bundle(filters.use(profiles))
    commands = {name: peers.start(world, name, bundle) for name in OCI if name in run.able}
    table.put_all("cached", measure.hyperfine(world, commands, progress=run.progress))
    empty = {name: ["rm", "-rf", world.root("cay") + "/.cache"] for name in commands}
    table.put_all("compiled", measure.hyperfine(world, commands, prepare=empty, progress=run.progress))


def short(world, run):
    table = run.table("Commands on a running container", "ms")
    bundle = world.bundle(args=("/bin/sleep", "1000"))
    able = [name for name in OCI if name in run.able]
    ids = {name: world.name(name) for name in able}
    for name in able:
        measure.spend(peers.oci(world, name, "run", "-d", "--bundle", bundle, ids[name]))
    for label, words in {"exec": ["exec", "{}", "/bin/true"], "state": ["state", "{}"]}.items():
        table.put_all(label, measure.hyperfine(
            world, {name: peers.oci(world, name, *[w.format(ids[name]) for w in words]) for name in able},
            progress=run.progress))


def prices(world, run):
    table = run.table("Where the time goes: the price of each step of one start", "µs",
                  "From cay run --timing, the median of several starts; steps of a kind are added up. The rest of a "
                  "start is processes: loading cay, waiting for the program, removing the container.", chart="stack")
    bundle = world.bundle(filters.use(filters.large()))
    samples = {}
    for number in range(5 if world.quick else 40):
        run.progress(f"start {number + 1}")
        start = peers.oci(world, "cay", "run", "--timing", "--bundle", bundle, world.name())
        one = {}
        for line in measure.call(start, 10)[2].splitlines():
            fields = line.split()
            if len(fields) == 4 and fields[1] == "us":
                key = (fields[2], fields[3])
                one[key] = one.get(key, 0) + float(fields[0])
        for key, price in one.items():
            samples.setdefault(key, []).append(price)
    for (phase, step), found in samples.items():
        table.put(phase, step, statistics.median(found))
