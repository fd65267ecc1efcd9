# SPDX-License-Identifier: Apache-2.0
"""Running cost: the same program natively and in a confined container, with filters of two shapes; and what the kernel's ways cost."""
import filters
import measure
import peers

# Units of bench/work that take about a tenth of a second.
CPU = {"sort": 12, "fibonacci": 500, "matrix": 320}
CALLS = {"getppid": 80, "pipe": 40, "stat": 35}


def _compare(world, run, table, load, units, commands):
    best = {}
    for number in range(3 if world.quick else 25):
        run.progress(f"{load}, round {number + 1}")
        for name, argv in commands.items():
            best[name] = min(best.get(name, 1 << 62), int(measure.run(argv)))
    table.put_all(load, {name: value / 1e6 / units for name, value in best.items()})


def cpu(world, run):
    table = run.table("CPU-bound programs, natively and fully confined", "ms a unit",
                  "All namespaces, cgroups, three capabilities and a seccomp filter. The best of several rounds.")
    for load, units in CPU.items():
        units = units // 4 if world.quick else units
        bundle = world.bundle(filters.use(filters.plain()), args=("/bin/work", load, str(units)))
        _compare(world, run, table, load, units, {"native": [world.tool("work"), load, str(units)],
                                                  "cay": peers.start(world, "cay", bundle)})


def calls(world, run):
    table = run.table("Programs that do nothing but system calls", "ms a unit",
                  "getppid: 10,000 calls a unit, pipe: 5,000 bytes written and read, stat: 5,000. The same allow list "
                  "twice: by name alone, which the kernel answers from a bitmap, and looking at an argument, for which "
                  "it runs the filter each time.")
    for load, units in CALLS.items():
        units = units // 4 if world.quick else units
        args = ("/bin/work", load, str(units))
        commands = {"native": [world.tool("work"), load, str(units)],
                    "no filter": peers.start(world, "cay", world.bundle(args=args))}
        for name, profile in {"names only": filters.plain(), "engines' profile": filters.large(),
                              "looks at arguments": filters.checking()}.items():
            commands[name] = peers.start(world, "cay", world.bundle(filters.use(profile), args=args))
        _compare(world, run, table, load, units, commands)


def levers(world, run):
    table = run.table("Ways of the kernel for the same thing", "µs",
                      "Steps alone, in turns: mounts made detached and then moved to their place, or at it; a process that is born in a "
                      "cgroup v2, or goes there. The last is fork, exit and wait.")
    place = world.dir / "levers"
    place.mkdir()
    samples = {}
    for line in measure.run([world.tool("levers"), str(place), "100" if world.quick else "3000"], timeout=60).splitlines():
        thing, way, ns = line.split("\t")
        samples.setdefault(thing, {}).setdefault(way, []).append(int(ns))
    for thing, found in samples.items():
        table.put_all(thing, {way: measure.describe(took, 1e-3) for way, took in found.items()})
