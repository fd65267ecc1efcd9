# SPDX-License-Identifier: Apache-2.0
"""Clocks: rounds of hyperfine, runs at a time by bench/many, and what is said of a list of samples."""
import json
import math
import os
import shlex
import statistics
import subprocess
import tempfile
import time

MS = 1e3


class Failed(Exception):
    """Something that was to be measured did not work."""


def describe(samples, scale=1.0):
    """The minimum is the value: what disturbs a run only ever makes it longer."""
    ordered = sorted(s * scale for s in samples)
    worst = max(math.ceil(0.999 * len(ordered)) - 1, 0)
    return {"value": ordered[0], "median": statistics.median(ordered), "p999": ordered[worst], "n": len(ordered)}


def call(command, timeout, **options):
    """(exit status, stdout, stderr). Through files: a container that stays would keep pipes open."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=timeout,
                                  check=False, **options)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {timeout} s") from None
        out.seek(0)
        err.seek(0)
        return done.returncode, out.read(), err.read()


def run(command, timeout=20, **options):
    """Standard output of a command that must succeed."""
    status, out, err = call(command, timeout, **options)
    if status != 0:
        lines = (err or out).strip().splitlines()
        raise Failed(lines[-1] if lines else f"exit status {status}")
    return out


def spend(command, timeout=30):
    """Seconds of one run, or Failed: who can't run at all shall not spoil a round."""
    began = time.monotonic()
    run(command, timeout)
    return time.monotonic() - began


def hyperfine(world, commands, prepare=None, runs=None, progress=None):
    """{name: description in ms} of {name: argv}, in rounds, so that a slow moment hits everybody.

    @prepare: {name: argv} of what comes before each run. Slow programs are run less often.
    """
    if not commands:
        return {}
    rounds = 2 if world.quick else 10
    runs = runs or (3 if world.quick else 15)
    budget = 0.2 if world.quick else 1.0
    times = {name: [] for name in commands}
    count = {}
    for name, argv in commands.items():
        if prepare and name in prepare:
            spend(prepare[name])
        count[name] = max(min(runs, int(budget / max(spend(argv), 1e-4))), 1)
    out = world.dir / "hyperfine.json"
    for number in range(rounds):
        if progress:
            progress(f"round {number + 1}/{rounds}")
        names = list(commands)
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            before = ["--prepare", shlex.join(prepare[name])] if prepare and name in prepare else []
            run(["hyperfine", "-N", "-w", "1", "-r", str(count[name]), "--export-json", str(out), *before,
                 shlex.join(commands[name])], timeout=120, env={**os.environ, "NO_COLOR": "1"})
            times[name] += json.loads(out.read_text())["results"][0]["times"]
    return {name: describe(samples, MS) for name, samples in times.items()}


def many(world, jobs, count, argv):
    """(wall seconds, [seconds], [peak kB]) of @count runs, @jobs at a time; `{}` becomes the number of the run."""
    first = world.number = world.number + 1
    world.number += count
    began = time.monotonic()
    lines = run([world.tool("many"), str(jobs), str(count), str(first), *argv], timeout=120).splitlines()
    wall = time.monotonic() - began
    rows = [[int(field) for field in line.split()] for line in lines]
    bad = [row for row in rows if row[2] != 0]
    if bad or len(rows) != count:
        raise Failed(f"{len(bad)} of {count} runs failed, status {bad[0][2] if bad else '?'}")
    return wall, [row[0] / 1e9 for row in rows], [row[1] for row in rows]
