# SPDX-License-Identifier: Apache-2.0
"""Starts among others: eight at a time, and with containers that idle around."""
import measure
import peers
from world import OCI


def eight(world, run):
    table = run.table("Starts under 8-way load", "ms", "run of true, eight at any time; the value is the median of one start.")
    bundle = world.bundle()
    able = [name for name in OCI if name in run.able]
    samples, walls, count = {name: [] for name in able}, dict.fromkeys(able, 0.0), 24 if world.quick else 100
    for number in range(1 if world.quick else 5):
        for name in able:
            run.progress(f"round {number + 1}, {name}")
            wall, times, _ = measure.many(world, 8, count, peers.start(world, name, bundle, world.name(name) + "-{}"))
            samples[name] += times
            walls[name] += wall
    for name in able:
        found = measure.describe(samples[name], 1e3)
        rate = len(samples[name]) / walls[name]
        table.put("eight at a time", name, found["median"], median=found["median"], p999=found["p999"], n=found["n"],
                  remark=f"{rate:.0f} starts a second")


def among_idle(world, run):
    table = run.table("Cold start with idle containers around", "ms", "The idle ones are made by cay; their number is in front.")
    steps = (1, 20) if world.quick else (1, 100, 1000)
    idle, bundle = world.bundle(args=("/bin/sleep", "1000")), world.bundle()
    commands = {name: peers.start(world, name, bundle) for name in OCI if name in run.able}
    there = 0
    for step in steps:
        if step > there:
            run.progress(f"making {step}")
            measure.many(world, 1, step - there, peers.oci(world, "cay", "run", "-d", "--bundle", idle,
                                                           world.name("idle") + "-{}"))
            there = step
        table.put_all(f"{step} idle", measure.hyperfine(world, commands, runs=2 if world.quick else 8,
                                                        progress=run.progress))
    run.progress("removing")
