#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py [--quick] [--only SCENARIO]... [--out DIR] BUILD: measure cay beside its peers, and write a report.

BUILD is Meson's directory with cay and the programs of bench/. DIR (default: BUILD/report) gets report.json,
index.html and cold.svg. With --only, what a report there already says of other scenarios stays. As root; nothing is left behind.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time

import goals
import measure
import peers
import report
import scenarios
import world as worlds
from table import Table


class OutOfTime(Exception):
    pass


class Run:
    """Who can be measured, and one line that tells how far we are."""

    def __init__(self, able, total):
        self.able, self.total, self.number, self.name = able, total, 0, ""
        self.terminal = sys.stderr.isatty()

    def enter(self, name):
        self.number, self.name = self.number + 1, name
        self.table(name, "")
        if not self.terminal:
            print(f"[{self.number}/{self.total}] {name}", file=sys.stderr, flush=True)

    def progress(self, text):
        if self.terminal:
            print(f"\r\033[K[{self.number}/{self.total}] {self.name}: {text}", end="", file=sys.stderr, flush=True)

    def table(self, *about, **more):
        """A new table for the scenario; what is in it counts even if the rest can't be done."""
        self.current = Table(*about, **more)
        return self.current

    def leave(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def machine():
    cpu = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    hybrid = "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1"
    return {"kernel": platform.release().split("-")[0], "cpu": cpu.group(1) if cpu else platform.machine(),
            "cpus": len(os.sched_getaffinity(0)), "cgroups": hybrid}


def expire(*_):
    raise OutOfTime


def perform(world, run, name):
    function, quickly, fully = scenarios.SCENARIOS[name]
    seconds = quickly if world.quick else fully
    load = os.getloadavg()[0]
    run.enter(name)
    signal.alarm(seconds)
    try:
        function(world, run)
    except OutOfTime:
        run.current.absent("the rest", f"not done within {seconds} s")
    except measure.Failed as failure:
        run.current.absent("the rest", world.hide(str(failure))[:300])
    finally:
        signal.alarm(0)
        world.remove_containers()
        world.kill_processes()
        run.leave()
    return {**run.current.data, "load": round(load, 1)}


def earlier(out, quick):
    """The scenarios of a report that is there, if they are of this machine and kind."""
    try:
        there = json.loads((out / "report.json").read_text())
    except FileNotFoundError:
        return {}
    same = there["machine"] == machine() and there["quick"] == quick
    return there["scenarios"] if same else {}


def everything(world, names, kept):
    found = peers.probe(world)
    world.kill_processes()
    run = Run([p["name"] for p in found if p["reason"] is None], len(names))
    result = {"format": 1, "quick": world.quick, "machine": machine(), "peers": found, "scenarios": {}}
    for name in scenarios.SCENARIOS:
        if name in names:
            result["scenarios"][name] = perform(world, run, name)
        elif name in kept:
            result["scenarios"][name] = kept[name]
    return result


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--quick", action="store_true", help="under a minute, and as rough as that")
    p.add_argument("--only", action="append", choices=scenarios.SCENARIOS, metavar="SCENARIO",
                   help="one of " + ", ".join(scenarios.SCENARIOS))
    p.add_argument("--out", help="directory of the report")
    p.add_argument("build", help="Meson's build directory")
    return p.parse_args()


def main():
    given = arguments()
    if os.geteuid() != 0:
        sys.exit("bench: cgroups, peers and the mount namespace need root")
    worlds.enter_namespace([sys.executable, *sys.argv])
    out = pathlib.Path(given.out or pathlib.Path(given.build) / "report")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    signal.signal(signal.SIGALRM, expire)
    began = time.monotonic()
    world = worlds.World(given.build, given.quick)
    try:
        result = everything(world, given.only or list(scenarios.SCENARIOS), earlier(out, given.quick) if given.only else {})
    finally:
        world.close()
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for name, text in report.write(result).items():
        (out / name).write_text(text)
    print(goals.text(result))
    print(f"{out}/index.html, after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error or 'interrupted'}")
