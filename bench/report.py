# SPDX-License-Identifier: Apache-2.0
"""The result as one page that needs nothing else: no script, no font, no network; light and dark, wide and narrow."""
import html
import xml.sax.saxutils as sax

import goals

# Of a bar, how much of the width it may take; the rest is for the words behind it.
WIDEST = 60
BAR, GAP = 18, 6
# A load average worth a word; some scenarios leave one of their own behind for the next to find.
BUSY = 4.5
SERIES = {"cay": 1, "warm take": 1, "as created": 1, "names only": 1, "crun": 2, "start --fast": 2,
          "SCHED_FIFO, one CPU": 2, "runc": 3, "floor": 4, "native": 4}
MARKS = {"met": "✓", "missed": "✗", "not measured": "–"}

STYLE = """
:root { --page: #fcfcfb; --ink: #1d1d1b; --soft: #5c5b57; --line: #dddcd8;
  --s0: #8a8983; --s1: #2a6fb8; --s2: #c76a15; --s3: #8a4fae; --s4: #2e8b6b; --good: #1d7a3f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #191918; --ink: #ecebe7; --soft: #a9a8a2; --line: #3a3a37;
    --s0: #8f8e88; --s1: #5b9fe6; --s2: #e08a3c; --s3: #b07fd2; --s4: #4bb38f; --good: #5cc583; --bad: #f08078; } }
.s0 { fill: var(--s0); background: var(--s0) } .s1 { fill: var(--s1); background: var(--s1) }
.s2 { fill: var(--s2); background: var(--s2) } .s3 { fill: var(--s3); background: var(--s3) }
.s4 { fill: var(--s4); background: var(--s4) }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
"""
PAGE = """
* { box-sizing: border-box } html { color-scheme: light dark }
body { margin: 0 auto; padding: 1rem; max-width: 52rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2 } h2 { font-size: 1.15rem; margin: 2.5rem 0 .25rem } h3 { font-size: .95rem; margin: 1rem 0 .25rem }
p { margin: .25rem 0 .75rem } .note, .absent { color: var(--soft); font-size: .9rem }
svg { display: block; width: 100%; overflow: visible }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; white-space: nowrap } .met { color: var(--good) } .missed { color: var(--bad); font-weight: 600 }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; padding: .4rem 0 }
ul.key { list-style: none; padding: 0; columns: 14rem } ul.key li { break-inside: avoid; font-size: .9rem }
ul.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; border-radius: 2px }
"""


def _esc(text):
    return html.escape(str(text))


def _class(series):
    return f"s{SERIES.get(series, 0)}"


def bars(cells, unit, most, width="100%"):
    """One row as bars from the same zero, each with its name and value behind it."""
    lines, y = [], 0
    for name, cell in cells.items():
        part = max(cell["value"] / most * WIDEST, 0.3) if most else 0.3
        label = _esc(f"{name}  {goals.number(cell['value'], unit)}")
        lines.append(f'<rect class="{_class(name)}" x="0" y="{y}" width="{part:.2f}%" height="{BAR}" rx="2"/>'
                     f'<text x="{part:.2f}%" y="{y + 14}" dx="6">{label}</text>')
        y += BAR + GAP
    says = _esc("; ".join(f"{n} {goals.number(c['value'], unit)}" for n, c in cells.items()))
    return f'<svg role="img" width="{width}" height="{y}" aria-label="{says}">{"".join(lines)}</svg>'


def _stack(rows, unit):
    """All cells as the parts of one bar; its key and a table tell what a colour can't."""
    phases = {phase: sum(c["value"] for c in cells.values()) for phase, cells in rows.items()}
    total, x, lines, key = sum(phases.values()) or 1, 0.0, [], []
    for number, (phase, value) in enumerate(phases.items()):
        share, colour = value / total * 100, number % 5
        lines.append(f'<rect class="s{colour}" x="{x:.2f}%" y="0" width="{max(share - 0.3, 0.1):.2f}%" height="34"/>')
        key.append(f'<li><i class="s{colour}"></i>{_esc(phase)}: {goals.number(value, unit)} ({share:.0f} %)</li>')
        dearest = sorted(rows[phase].items(), key=lambda item: -item[1]["value"])[:4]
        key += [f"<li class=\"note\">{_esc(step)} {goals.number(cell['value'], unit)}</li>" for step, cell in dearest]
        x += share
    return (f'<svg role="img" width="100%" height="34" aria-label="{_esc(goals.number(total, unit))} in all">{"".join(lines)}</svg>'
            f'<p class="note">{goals.number(total, unit)} in all</p><ul class="key">{"".join(key)}</ul>')


def _table(data):
    fields = [f for f in ("median", "p999") if any(f in c for r in data["rows"].values() for c in r.values())]
    marks = any("remark" in c for r in data["rows"].values() for c in r.values())
    head = "".join(f'<th class="n">{name}</th>' for name in ("value", *({"median": "median", "p999": "p99.9"}[f] for f in fields)))
    lines = []
    for row, cells in data["rows"].items():
        for series, cell in cells.items():
            figures = "".join(f'<td class="n">{goals.number(cell[f], "") if f in cell else "–"}</td>' for f in ("value", *fields))
            remark = f"<td>{_esc(cell.get('remark', ''))}</td>" if marks else ""
            lines.append(f"<tr><td>{_esc(row)}</td><td>{_esc(series)}</td>{figures}{remark}</tr>")
    return (f'<details><summary>Table ({_esc(data["unit"])})</summary><div class="wide"><table><tr><th></th><th></th>{head}'
            f'{"<th></th>" if marks else ""}</tr>{"".join(lines)}</table></div></details>')


def _section(name, data):
    parts = [f'<section id="{_esc(name)}"><h2>{_esc(data["title"])}</h2>']
    if data["note"]:
        parts.append(f'<p class="note">{_esc(data["note"])}</p>')
    if data["chart"] == "stack" and data["rows"]:
        parts.append(_stack(data["rows"], data["unit"]))
    else:
        most = max((c["value"] for r in data["rows"].values() for c in r.values()), default=0)
        for row, cells in data["rows"].items():
            parts.append((f"<h3>{_esc(row)}</h3>" if len(data["rows"]) > 1 else "") + bars(cells, data["unit"], most))
    if data["rows"]:
        parts.append(_table(data))
    if data.get("load", 0) > BUSY:
        parts.append(f'<p class="absent">The load average of the machine was {data["load"]} when this began.</p>')
    if data["absent"]:
        missing = "; ".join(f"{a['name']} ({a['reason']})" for a in data["absent"])
        parts.append(f'<p class="absent">Not measured: {_esc(missing)}</p>')
    return "".join(parts) + "</section>\n"


def _goals(result):
    lines = [f'<tr><td class="{j["verdict"].split()[0]}">{MARKS[j["verdict"]]} {j["verdict"]}</td><td>{_esc(j["text"])}</td>'
             f'<td class="n">{_esc(j["figure"])}</td><td class="n">{_esc(j["limit"])}</td></tr>' for j in goals.judge(result)]
    return ('<section id="goals"><h2>Goals</h2><div class="wide"><table><tr><th></th><th></th><th class="n">measured</th>'
            f'<th class="n">goal</th></tr>{"".join(lines)}</table></div></section>\n')


def _peers(result):
    lines = [f"<tr><td>{_esc(p['name'])}</td><td>{_esc(p['version'] or '')}</td><td>"
             f"{_esc('measured' if p['reason'] is None else 'can’t run here: ' + p['reason'])}</td></tr>" for p in result["peers"]]
    return f'<section id="peers"><h2>Who was measured</h2><table>{"".join(lines)}</table></section>\n'


def _cold_picture(result):
    """For the README: the cold start alone, with a style and a background of its own."""
    cells = result["scenarios"].get("cold", {}).get("rows", {}).get("default")
    if not cells:
        return None
    cells = {n: c for n, c in cells.items() if n in ("cay", "crun", "runc", "floor", "lxc")}
    inner = bars(cells, "ms", max(c["value"] for c in cells.values()), "600")
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{0}" viewBox="0 0 640 {0}"><style>{1}</style>'
            '<rect width="640" height="{0}" style="fill: var(--page)"/><svg x="20" y="16" {2}</svg>\n').format(
                32 + len(cells) * (BAR + GAP), sax.escape(STYLE), inner.removeprefix("<svg "))


def page(result):
    m = result["machine"]
    about = f"{m['cpus']} CPUs ({m['cpu']}), Linux {m['kernel']}, cgroup {m['cgroups']}"
    kind = "A quick run: rough figures. " if result["quick"] else ""
    sections = "".join(_section(name, data) for name, data in result["scenarios"].items())
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width"/>'
            f"<title>cay: measured</title><style>{STYLE}{PAGE}</style></head><body>\n<h1>cay, measured beside its peers</h1>"
            f'<p>{_esc(kind)}{_esc(about)}. A bar is the best of many runs, in rounds that take turns; ratios travel, absolute times '
            f"don’t.</p>\n{_goals(result)}{sections}{_peers(result)}</body></html>\n")


def write(result):
    """{file name: text} of a result."""
    files = {"index.html": page(result)}
    picture = _cold_picture(result)
    if picture:
        files["cold.svg"] = picture
    return files
