# SPDX-License-Identifier: Apache-2.0
"""Warm start: a program in a container that waits, the whole command, and the way of the word that opens the gate."""
import contextlib
import json
import os
import re
import subprocess
import time

import measure
import peers

FIFO = {"scheduler": {"policy": "SCHED_FIFO", "priority": 50}}
BETWEEN = 0.01  # seconds for the keeper to make another one, so that it is not what we measure


@contextlib.contextmanager
def pool(world, program, bundle, number):
    """A keeper of @number containers; its name."""
    name = world.name("pool")
    measure.run([program, "--root", world.root("cay"), "warm", "up", "-n", str(number), "-b", bundle, "--name", name])
    try:
        yield name
    finally:
        measure.run([program, "--root", world.root("cay"), "warm", "down", name])


@contextlib.contextmanager
def load(world, cpu):
    """A program that never rests on one CPU."""
    with subprocess.Popen(["taskset", "-c", str(cpu), world.tool("work"), "fibonacci", "2000000000"],
                          stdout=subprocess.DEVNULL) as p:
        try:
            yield
        finally:
            p.kill()


def _file(world, name, document):
    path = world.dir / (name + ".json")
    path.write_text(json.dumps(document))
    return str(path)


def command(world, run):
    table = run.table("Warm start of true: the whole command", "ms",
                  "The container waits at its gate. What is timed is the command alone; what is made before it or behind "
                  "it in the background is not, but for run, which has to do everything.")
    bundle = world.bundle()
    job = _file(world, "true", {"args": ["/bin/true"]})
    again = world.name("gate")
    base = [world.cay, "--root", world.root("cay")]
    script = f'"$@" delete -f {again} 2>/dev/null; exec "$@" create -b {bundle} {again}'
    renew = ["sh", "-c", script, "sh", *base]
    with pool(world, world.cay, bundle, 4) as name:
        pause = ["sleep", "0.02"]
        commands = {"run": peers.start(world, "cay", bundle), "warm take": [*base, "warm", "take", "-p", job, name],
                    "start --fast": [*base, "start", "--fast", job, again]}
        found = measure.hyperfine(world, commands, {"run": pause, "warm take": pause, "start --fast": renew},
                                  progress=run.progress)
    table.put_all("cay", found)


def _one(program, root, job, name):
    status, out, err = measure.call([program, "--root", root, "warm", "take", "-p", job, name], 10)
    sent = re.search(r"^sent (\d+)$", err, re.M)
    if status != 0 or not sent:
        raise measure.Failed(err.strip() or f"exit status {status}")
    return (int(out) - int(sent.group(1))) / 1e6


def _allow_real_time(spec):
    """A cgroup v1 lets nobody be real-time that was not given a share; a v2 has no such thing."""
    if os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):
        spec["linux"]["resources"]["cpu"] = {"realtimeRuntime": 10000, "realtimePeriod": 1000000}


def latency(world, run):
    table = run.table("Warm start: from the write on the socket to the program's first instruction", "ms",
                  "One clock: the starter reads it before it writes the word, the program as its first act. Medians, and "
                  "the worst but one of a thousand.")
    program = world.program("cay-stamped", world.tool("cay-stamped"))
    cpus = sorted(os.sched_getaffinity(0))
    mine, other = cpus[-1], cpus[0]
    jobs = {"as created": {"args": ["/bin/first"]},
            "SCHED_FIFO, one CPU": {"args": ["/bin/first"], "cpu": mine, **FIFO}}
    count = 20 if world.quick else 1000
    with pool(world, program, world.bundle(_allow_real_time), 4) as name:
        for label in ("idle", "load on the other CPU"):
            with load(world, other) if label != "idle" else contextlib.nullcontext():
                for series, job in jobs.items():
                    path = _file(world, "first", job)
                    found = table.attempt(world, f"{series}, {label}",
                                          lambda p=path: _many(world, run, program, p, name, count))
                    if found:
                        table.put(label, series, found)
                        table.put(label, series + ", p99.9", found["p999"])


def _many(world, run, program, job, name, count):
    samples = []
    for number in range(count):
        if number % 20 == 0:
            run.progress(f"{number}/{count}")
        time.sleep(BETWEEN)
        samples.append(_one(program, world.root("cay"), job, name))
    described = measure.describe(samples)
    # A latency is what one usually gets, not the best one.
    return {**described, "min": described["value"], "value": described["median"]}
