# SPDX-License-Identifier: Apache-2.0
"""Everything fails once. docs/reliability.md tells what and how much; `make torture` tries every point,
`make check` a sample of them."""
import collections
import multiprocessing
import os
import time

import pytest

import torture
from torture import TOKEN

FULL = os.environ.get("CAY_TORTURE") == "full"
WORKERS = int(os.environ.get("CAY_TORTURE_JOBS", str(2 * len(os.sched_getaffinity(0)))))
# Every so many-th point of a kind is tried.
STRIDE = {"call": 2, "kill": 1, "alloc": 3, "step": 1} if FULL else \
         {"call": 61, "kill": 31, "alloc": 61, "step": 7}
if "CAY_TORTURE_STRIDE" in os.environ:
    STRIDE = dict.fromkeys(STRIDE, int(os.environ["CAY_TORTURE_STRIDE"]))
OFFSET = int(os.environ.get("CAY_TORTURE_OFFSET", "0"))
ONLY = os.environ.get("CAY_TORTURE_ONLY", "").split()


def try_all(bench, points):
    """-> verdicts; workers that hang or die are failures of their own."""
    rootfs, _, first, base = bench
    with multiprocessing.Pool(WORKERS, torture.start_worker, (TOKEN, rootfs, base, first)) as pool:
        try:
            yield from pool.imap_unordered(torture.work, points, chunksize=4)
        finally:
            pool.close()
            pool.join()


def report(kind, verdicts, seconds):
    rows = collections.defaultdict(lambda: [0, 0, 0])
    for v in verdicts:
        row = rows[v.point.op, v.point.variant]
        row[0] += v.reached
        row[1] += v.failed and v.reached
        row[2] += bool(v.problems)
    print(f"\ntorture {kind}: every {STRIDE[kind]}. point, {seconds:.0f} s")
    for (op, variant), (tried, failed, bad) in sorted(rows.items()):
        print(f"  {op:10} {variant:5} {tried:6} points tried, {failed:6} made it fail, leaks or faults: {bad}")
    print(f"  total            {sum(r[0] for r in rows.values()):6} points tried, leaks or faults: "
          f"{sum(r[2] for r in rows.values())}")


def explain(verdicts):
    groups = collections.defaultdict(list)
    for v in verdicts:
        for p in v.problems:
            groups[v.point.op, v.point.kind, v.point.role, v.where, p.split("[")[0][:60]].append((v.point, p))
    out = []
    for key, items in sorted(groups.items(), key=lambda x: -len(x[1]))[:60]:
        point, text = items[0]
        out.append(f"{len(items)} x {' '.join(key[:4])}, first: {tuple(point)}\n      {text}")
    return "\n".join(out)


@pytest.mark.parametrize("kind", ["step", "alloc", "call", "kill"])
def test_nothing_is_left_when_it_fails(bench, kind, capsys):
    points = torture.points_of(bench[1], {kind})
    if ONLY:
        points = [p for p in points if p.op in ONLY]
    points = points[OFFSET % STRIDE[kind]::STRIDE[kind]]
    begin = time.monotonic()
    verdicts = list(try_all(bench, points))
    with capsys.disabled():
        report(kind, verdicts, time.monotonic() - begin)
    assert len(verdicts) == len(points)
    bad = [v for v in verdicts if v.problems]
    assert not bad, "\n" + explain(bad)
