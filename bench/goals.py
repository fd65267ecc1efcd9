# SPDX-License-Identifier: Apache-2.0
"""The goals as data, each held against what was measured: met or missed, with its figure.

goals.py REPORT.json TEXT.md: puts the table of them into a text, between its marks.
"""
import dataclasses
import json
import pathlib
import re
import sys

MARKS = "<!-- goals -->\n", "\n<!-- end of goals -->"


@dataclasses.dataclass(frozen=True)
class Goal:
    """@over: (scenario, row, series, field) of the dividend; @under: of the divisor, or None for a figure as it is.

    @limit: what the figure may be at most, or at least with @least. A row "*" stands for each row that is there, and the
    worst of them decides.
    """
    text: str
    over: tuple
    under: tuple
    limit: float
    unit: str = "×"
    least: bool = False


def _ratio(text, scenario, row, peer, limit, series="cay"):
    return Goal(text, (scenario, row, series, "value"), (scenario, row, peer, "value"), limit)


def _figure(text, scenario, row, series, limit, unit, field="value"):
    return Goal(text, (scenario, row, series, field), None, limit, unit)


GOALS = [
    _ratio("run against crun", "cold", "default", "crun", 0.40),
    _ratio("run against runc", "cold", "default", "runc", 0.12),
    _ratio("run against the floor program", "cold", "default", "floor", 1.6),
    _ratio("run with the large seccomp profile, cached, against crun", "seccomp", "cached", "crun", 0.40),
    _ratio("run with the large seccomp profile, cached, against runc", "seccomp", "cached", "runc", 0.05),
    _ratio("the same, compiled anew, against crun", "seccomp", "compiled", "crun", 1.0),
    _ratio("exec against crun", "commands", "exec", "crun", 0.40),
    _ratio("state against crun", "commands", "state", "crun", 0.40),
    _figure("peak resident memory of run", "peak", "run", "cay", 1536, "KB"),
    _figure("smallest working memory limit", "limit", "limit", "cay", 128, "KB"),
    _figure("cay, stripped, dynamically linked", "sizes", "dynamic", "cay", 430, "KB"),
    _figure("cay, stripped, static", "sizes", "static", "cay", 1200, "KB"),
    _figure("warm start: from the write on the socket to the first instruction, median", "latency", "idle", "as created",
            0.6, "ms", "median"),
    Goal("warm take, the whole command, against a cold run", ("warm", "cay", "warm take", "median"),
         ("warm", "cay", "run", "median"), 0.35),
    Goal("start --fast, the whole command, against a cold run", ("warm", "cay", "start --fast", "median"),
         ("warm", "cay", "run", "median"), 0.35),
    Goal("CPU-bound programs, speed against native", ("cpu", "*", "native", "value"), ("cpu", "*", "cay", "value"), 0.99,
         "×", True),
    Goal("system-call-heavy programs, allow list by name, speed against native", ("calls", "*", "native", "value"),
         ("calls", "*", "names only", "value"), 0.97, "×", True),
]


def _cell(result, scenario, row, series, field):
    cell = result["scenarios"].get(scenario, {}).get("rows", {}).get(row, {}).get(series)
    return None if cell is None else cell.get(field)


def _one(result, goal, row):
    over = _cell(result, goal.over[0], row, *goal.over[2:])
    if goal.under is None or over is None:
        return over
    under = _cell(result, goal.under[0], row, *goal.under[2:])
    return over / under if under else None


def figure(result, goal):
    """The figure of a goal and its row, or (None, None) when it was not measured."""
    rows = [goal.over[1]]
    if rows == ["*"]:
        rows = list(result["scenarios"].get(goal.over[0], {}).get("rows", {}))
    found = [(_one(result, goal, row), row) for row in rows]
    if not found or any(value is None for value, _ in found):
        return None, None
    return (min if goal.least else max)(found)


def judge(result):
    """[{text, limit, figure, verdict}] of all goals; verdict is met, missed or not measured."""
    judged = []
    for goal in GOALS:
        value, row = figure(result, goal)
        good = value is not None and (value >= goal.limit if goal.least else value <= goal.limit)
        judged.append({"text": goal.text + (f" (worst: {row})" if goal.over[1] == "*" and row else ""),
                       "limit": ("≥ " if goal.least else "≤ ") + f"{goal.limit:,g} {goal.unit}",
                       "figure": "–" if value is None else number(value, goal.unit),
                       "verdict": "not measured" if value is None else "met" if good else "missed"})
    return judged


def number(value, unit):
    """Three digits that mean something."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def text(result):
    return "\n".join(f"{j['verdict']:12}  {j['figure']:>10}  {j['limit']:>12}  {j['text']}" for j in judge(result))


def markdown(result):
    lines = [f"| {j['text']} | {j['limit']} | {j['figure']} | {j['verdict']} |" for j in judge(result)]
    return "\n".join(["| | goal | measured | |", "|---|---|---|---|", *lines])


def put(result, into):
    """The text with the table of this result."""
    inside = re.escape(MARKS[0]) + ".*" + re.escape(MARKS[1])
    return re.sub(inside, lambda _: MARKS[0] + markdown(result) + MARKS[1], into, flags=re.S)


def main(report, text_file):
    text_file = pathlib.Path(text_file)
    text_file.write_text(put(json.loads(pathlib.Path(report).read_text()), text_file.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
