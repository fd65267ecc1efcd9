# SPDX-License-Identifier: Apache-2.0
"""`warm`: containers that wait for a program, each handed out exactly once."""
import collections
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from harness import TIMEOUT, cay_only, cgroup_dirs_of, wait_for

# How many takes the long test makes; the full figure is 10,000.
TAKES = int(os.environ.get("CAY_WARM_TAKES", "300"))


class Pool:
    def __init__(self, cay, bundle, tmp_path):
        self.cay, self.bundle, self.dir = cay, bundle, tmp_path
        self.name = cay.id("w")
        self.files = 0

    def up(self, n=2, *options, **kw):
        self.bundle.write()
        return self.cay("warm", "up", "-n", str(n), "-b", self.bundle.path, "--name", self.name,
                        *options, **kw)

    def process(self, **document):
        self.files += 1
        path = self.dir / f"process{self.files}.json"
        path.write_text(json.dumps(document))
        return path

    def take(self, *args, options=(), **kw):
        file = ("--process", self.process(args=list(args))) if args else ()
        return self.cay("warm", "take", *file, *options, self.name, **kw)

    def down(self):
        return self.cay("warm", "down", self.name)

    def ready(self):
        rows = json.loads(self.cay.ok("warm", "ls", "--format", "json").out)
        return next((r["ready"] for r in rows if r["name"] == self.name), None)

    def ids(self):
        return [i for i in self.cay.ok("list", "-q").lines if i.startswith(self.name + ".")]

    def keeper(self):
        ids = self.ids()
        assert ids
        return int(ids[0].rsplit(".", 2)[1])


def is_islander(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text() == "cay-init\n" and bool(
            os.readlink(f"/proc/{pid}/exe"))  # a dead one has none
    except OSError:
        return False


@pytest.fixture
def pool(cay, bundle, tmp_path):
    cay_only("warm")
    p = Pool(cay, bundle, tmp_path)
    yield p
    p.down()
    for id in p.ids():
        cay.destroy(id)


def test_up_returns_when_all_wait(cay, pool):
    r = pool.up(3)
    assert (r.rc, r.out, r.err) == (0, "", "")
    assert pool.ready() == 3
    assert [cay.status(i) for i in pool.ids()] == ["created"] * 3


def test_take_is_like_run(pool):
    pool.up()
    r = pool.take("sh", "-c", "cat; echo bad >&2; exit 7", input="good\n")
    assert (r.rc, r.out, r.err) == (7, "good\n", "bad\n")


def test_without_a_file_it_is_the_program_of_the_bundle(pool):
    pool.bundle.args("echo", "own")
    pool.up()
    assert pool.take().out == "own\n"


def test_what_was_taken_is_made_anew_and_what_has_ended_is_removed(cay, pool):
    pool.up(2)
    before = set(pool.ids())
    assert pool.take("true").rc == 0
    wait_for(lambda: pool.ready() == 2 and len(pool.ids()) == 2, "another in its place")
    assert len(before - set(pool.ids())) == 1


def test_it_tells_of_the_signal_that_killed_the_program(pool):
    pool.up(1)
    p = pool.cay.popen("warm", "take", "--process", pool.process(args=["sleep", "1000"]), pool.name)
    wait_for(lambda: [i for i in pool.ids() if pool.cay.status(i) == "running"], "it to run")
    pool.cay.ok("kill", pool.ids()[0], "KILL")
    assert p.wait(TIMEOUT) == 128 + 9


def test_signals_go_to_the_program(cay, pool):
    pool.up()
    file = pool.process(args=["sh", "-c", "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 0.05; done"])
    p = cay.popen("warm", "take", "--process", file, pool.name, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    p.send_signal(signal.SIGTERM)
    assert p.communicate(timeout=TIMEOUT)[0] == b"told\n"
    assert p.returncode == 3


def test_detached_it_prints_the_id_and_runs_on(cay, pool):
    pool.up(1)
    r = pool.take("sleep", "1000", options=["--detach"])
    assert r.rc == 0, r
    id = r.out.strip()
    assert cay.status(id) == "running"
    cay.ok("kill", id, "KILL")
    wait_for(lambda: id not in pool.ids(), "the keeper to remove it")


def test_it_waits_when_none_is_ready(pool):
    pool.up(1)
    with concurrent.futures.ThreadPoolExecutor(6) as many:
        out = list(many.map(lambda n: pool.take("echo", str(n)).out, range(6)))
    assert out == [f"{n}\n" for n in range(6)]


def test_each_is_handed_out_once_and_nothing_is_lost(cay, pool):
    """8 at a time; every one says in which container it ran."""
    pool.up(8)
    file = pool.process(args=["hostname"])
    pool.bundle.process["args"] = ["true"]
    seen = collections.Counter()

    def one(n):
        r = cay("warm", "take", "--detach", "--process", file, pool.name) if n % 4 == 0 else cay(
            "warm", "take", "--process", file, pool.name)
        assert r.rc == 0, r
        return r.out.strip() if n % 4 == 0 else None

    pool.bundle.write()
    with concurrent.futures.ThreadPoolExecutor(8) as many:
        for id in many.map(one, range(TAKES)):
            if id:
                seen[id] += 1
    assert max(seen.values()) == 1 and len(seen) == (TAKES + 3) // 4
    wait_for(lambda: pool.ready() == 8 and len(pool.ids()) == 8, "the pool to be full again", 30)
    numbers = [int(i.rsplit(".", 1)[1]) for i in pool.ids()]
    assert TAKES <= max(numbers) < TAKES + 8


def test_a_keeper_that_is_killed_takes_those_that_wait_along(cay, pool):
    pool.up(3)
    ids, keeper = pool.ids(), pool.keeper()
    pids = [cay.pid(i) for i in ids]
    cgroups = [d for i in ids for d in cgroup_dirs_of(cay.pid(i)).values()]
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: not any(is_islander(p) for p in pids), "the islanders to end")
    wait_for(lambda: pool.ids() == [], "list to sweep what is left")
    assert not [d for d in cgroups if os.path.isdir(d) and pool.name in str(d)]
    assert pool.ready() is None
    assert "nobody keeps" in pool.take("true").err
    assert pool.up(1).rc == 0


def test_what_runs_outlives_the_keeper(cay, pool):
    pool.up(1)
    id = pool.take("sleep", "1000", options=["--detach"]).out.strip()
    os.kill(int(id.rsplit(".", 2)[1]), signal.SIGKILL)
    time.sleep(0.2)
    assert pool.ids() == [id] and cay.status(id) == "running"
    cay.ok("kill", id, "KILL")
    wait_for(lambda: pool.ids() == [], "list to sweep it")
    assert pool.ready() is None


def test_a_take_that_is_killed_takes_its_container_along(cay, pool):
    pool.up(1)
    file = pool.process(args=["sh", "-c", "echo up; sleep 1000"])
    p = cay.popen("warm", "take", "--process", file, pool.name, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    running = [i for i in pool.ids() if cay.status(i) == "running"]
    p.kill()
    p.wait()
    wait_for(lambda: running[0] not in pool.ids(), "the keeper to remove it")


def test_one_that_dies_while_it_waits_is_replaced(cay, pool):
    pool.up(2)
    victim = pool.ids()[0]
    os.kill(cay.pid(victim), signal.SIGKILL)
    wait_for(lambda: victim not in pool.ids() and pool.ready() == 2, "another in its place")
    assert pool.take("echo", "fine").out == "fine\n"


def test_down_removes_what_waits_and_no_more(cay, pool):
    pool.up(3)
    id = pool.take("sleep", "1000", options=["--detach"]).out.strip()
    assert pool.down().rc == 0
    assert pool.ids() == [id] and pool.ready() is None
    cay.destroy(id)


def test_down_lets_a_take_that_somebody_waits_for_end(cay, pool):
    pool.up(2)
    file = pool.process(args=["sh", "-c", "echo up; read x; exit 4"])
    p = cay.popen("warm", "take", "--process", file, pool.name, stdin=subprocess.PIPE,
                  stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    down = cay.popen("warm", "down", pool.name)
    wait_for(lambda: pool.ready() is None, "the name to be free")
    assert pool.up(1).rc == 0
    p.communicate(b"\n", timeout=TIMEOUT)
    assert p.returncode == 4
    assert down.wait(TIMEOUT) == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_in_the_foreground_it_keeps_until_it_is_told(cay, pool, sig):
    pool.bundle.write()
    p = cay.popen("warm", "up", "--foreground", "-n", "2", "-b", pool.bundle.path, "--name", pool.name)
    wait_for(lambda: pool.ready() == 2, "two to wait")
    p.send_signal(sig)
    assert p.wait(TIMEOUT) == 0
    assert pool.ids() == []


def test_a_bundle_that_can_not_be_created_is_an_error_of_up(cay, pool):
    pool.bundle.process["args"] = ["/not/there"]
    r = pool.up()
    assert "/not/there" in cay.error_line(r)
    assert pool.ids() == [] and pool.ready() is None


def test_a_program_that_is_not_there_costs_one_container(cay, pool):
    pool.up(1)
    r = pool.take("nothing")
    assert r.rc == 1 and "executable file not found" in r.err
    assert pool.take("echo", "fine").out == "fine\n"


def test_a_start_can_widen_nothing_here_either(cay, pool, tmp_path):
    pool.up(1)
    (tmp_path / "bad").write_text('{"user": {"uid": 0}}')
    r = cay("warm", "take", "--process", tmp_path / "bad", pool.name)
    assert r.rc == 1 and '"user" can\'t be changed' in r.err
    assert pool.ready() == 1


def test_each_has_a_cgroup_beside_the_one_that_the_bundle_names(cay, pool):
    pool.bundle.linux["cgroupsPath"] = "/" + cay.id("pool")
    pool.up(2)
    dirs = [str(d.get("pids") or d["unified"]) for d in (cgroup_dirs_of(cay.pid(i)) for i in pool.ids())]
    assert [d.endswith(f"{pool.bundle.linux['cgroupsPath']}.{id}") for id, d in
            zip(pool.ids(), dirs)] == [True] * 2


@pytest.mark.parametrize("options,words", [
    (["-n", "0"], "must be from 1 to 10000"),
    (["-n", "10001"], "must be from 1 to 10000"),
    (["--name", "../x"], "invalid id"),
    (["--name", "n" * 65], "longer than 64"),
])
def test_bad_values_are_named(cay, pool, options, words):
    pool.bundle.write()
    r = cay("warm", "up", "-b", pool.bundle.path, *options)
    assert r.rc == 1 and words in r.err.lower().replace("container id format", "id"), r


def test_a_name_has_one_keeper(pool):
    pool.up(1)
    r = pool.up(1)
    assert r.rc == 1 and "is up already" in r.err
    assert pool.ready() == 1


@pytest.mark.parametrize("args", [["take"], ["down"], ["what"], ["ls", "x"], ["take", "nobody-at-all"]])
def test_what_makes_no_sense_is_an_error(cay, args):
    cay_only("warm")
    r = cay("warm", *args)
    assert r.rc == 1 and r.err
