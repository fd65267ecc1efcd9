# SPDX-License-Identifier: Apache-2.0
"""docs/privileges.md is what was measured: the system calls of each program, the capabilities of each command."""
import itertools
import multiprocessing
import re
import subprocess

import pytest

import torture
from torture import harness

DOCUMENT = harness.REPO / "docs" / "privileges.md"
COUNTER = itertools.count()
# Whoever builds with sanitizers gets their calls, too.
SANITIZED = b"__asan_init" in harness.read(harness.CAY)


def section(title):
    text = DOCUMENT.read_text(encoding="utf-8")
    m = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    assert m, f'{DOCUMENT}: no section "{title}"'
    return m[1]


def names_in(title):
    return set(re.findall(r"`(\w+)`", section(title)))


def more_commands():
    """Calls of what is not tortured, and of a configuration that asks for more."""
    lab = torture._lab
    calls = {"p": set(), "i": set()}

    def traced(*args):
        d = lab.tortured(torture.Point("", "", "count", "p", 0, ""), args)
        assert d.rc == 0, (args, d)
        for role in calls:
            calls[role] |= {torture.NAMES[n] for n, _ in d.counts[role]}
    id = lab.new_id()
    traced("run", "-b", lab.dir / "much", lab.new_id())
    traced("create", "-b", lab.dir / "home", id)
    traced("start", id)
    for command in (["state"], ["ps"], ["kill", "USR1"], ["pause"], ["resume"], ["update", "--pids-limit", "40"],
                    ["events", "--stats"]):
        traced(command[0], *([*command[1:-1], id, command[-1]] if command[0] == "kill" else [*command[1:], id]))
    for command in (["list"], ["features"], ["plan", "-b", lab.dir / "home"], ["doctor"], ["--version"]):
        d = lab.tortured(torture.Point("", "", "count", "p", 0, ""), command)
        for role in calls:
            calls[role] |= {torture.NAMES[n] for n, _ in d.counts[role]}
    traced("delete", "--force", id)
    return calls


@pytest.fixture(scope="session")
def measured(bench):
    rootfs, counts, _, _ = bench
    with multiprocessing.Pool(1, torture.start_worker, (torture.TOKEN + "n", rootfs, {}, {})) as pool:
        calls = pool.apply(more_commands)
    for c in counts.values():
        for role in calls:
            calls[role] |= {torture.NAMES[n] for n, _ in c[role]}
    return calls


@pytest.mark.parametrize("role, title", [("p", "cay"), ("i", "cay-init")])
def test_the_system_calls_are_those_of_the_table(measured, role, title):
    if SANITIZED:
        harness.skip("a cay without sanitizers")
    # restart_syscall is the kernel's own, behind a stop.
    new = measured[role] - names_in(title) - {"restart_syscall"}
    assert not new, f"{title} has new system calls: {sorted(new)}; are they wanted? then write them down"


# ---- Capabilities -----------------------------------------------------------------------------

class Bundles:
    """One configuration a row of the table."""

    def __init__(self, cay):
        self.cay = cay

    def bundle(self, row):
        b = self.cay.bundle(row.replace(" ", "-")).args("true").caps()
        if row == "run as a user":
            b.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
        if row == "run with devices":
            b.linux["devices"] = [{"path": "/dev/extra", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 3}]
        if row == "run in a user namespace":
            b.namespace("user").process["user"] = {"uid": 1000, "gid": 1000}
            b.linux["uidMappings"] = b.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        b.write()
        return b

    def with_caps(self, caps, *args):
        caps = "".join(f",+{c.removeprefix('CAP_').lower()}" for c in caps)
        with open(self.cay.dir / "said", "wb") as said:
            return subprocess.run(["setpriv", f"--bounding-set=-all{caps}", "--inh-caps=-all", *self.cay.argv(*args)],
                                  stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=harness.TIMEOUT).returncode


def capability_rows():
    return [(cells[0], re.findall(r"`(CAP_\w+)`", cells[1]))
            for cells in ([c.strip() for c in ln.strip("|").split("|")] for ln in section("Measured").splitlines()
                          if ln.startswith("| ") and ("`" in ln or "| none |" in ln))]


@pytest.mark.parametrize("row, caps", capability_rows(), ids=[r[0] for r in capability_rows()])
def test_the_capabilities_suffice_and_each_is_needed(tools, row, caps):
    harness.need("setpriv")
    token = f"{torture.TOKEN}c{next(COUNTER)}"
    cay = harness.Cay(token)
    try:
        b = Bundles(cay)
        ids = itertools.count()
        if row.startswith("run"):
            path = b.bundle(row).path

            def do(c):
                id = f"{token}-{next(ids)}"
                r = b.with_caps(c, "run", "-b", path, id)
                cay("delete", "--force", id)
                return r
        else:
            sleeper = b.bundle("sleeper").args("sleep", "1000")

            def do(c):
                id = cay.create(sleeper) if row == "start" else cay.start(sleeper)
                command = {"exec": ("exec", id, "true"), "delete": ("delete", "--force", id)}.get(row, (row, id))
                r = b.with_caps(c, *command)
                cay("delete", "--force", id)
                return r
        assert do(caps) == 0, f"{row}: {caps} don't suffice: {harness.read(cay.dir / 'said')}"
        for c in caps:
            assert do([x for x in caps if x != c]) != 0, f"{row}: does not need {c}"
    finally:
        harness.sweep(token)
