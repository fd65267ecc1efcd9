# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own arithmetic and page, from a recorded result; and one short run of it."""
import copy
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE.parent.parent / "bench"
DOCS = BENCH.parent / "docs"
sys.path[:0] = [str(HERE.parent / "integration"), str(BENCH)]
import brokered  # noqa: E402
import goals  # noqa: E402
import harness  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402

PROGRAMS = [f"bench/{name}" for name in ("ask", "cay-stamped", "first", "floor", "levers", "many", "work")]


@pytest.fixture
def result():
    return json.loads((HERE / "result.json").read_text())


def page_of(result):
    """The page as a tree: that it parses is the first test of it."""
    text = report.write(result)["index.html"]
    assert text.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(text.split("\n", 1)[1])


def words(element):
    return " ".join("".join(element.itertext()).split())


def set_ratio(result, ratio):
    """run against crun."""
    cells = result["scenarios"]["cold"]["rows"]["default"]
    cells["crun"]["value"] = 10.0
    cells["cay"]["value"] = 10.0 * ratio


def test_each_scenario_has_its_section_with_all_its_cells(result):
    page = page_of(result)
    assert set(result["scenarios"]) == set(scenarios.SCENARIOS)
    for name, data in result["scenarios"].items():
        section = page.find(f".//section[@id='{name}']")
        assert data["title"] in words(section)
        rows = sum(len(cells) for cells in data["rows"].values())
        assert rows > 0 and len(section.findall(".//table/tr")) == rows + 1
        bars = section.findall(".//rect")
        assert len(bars) == (rows if data["chart"] == "bars" else len(data["rows"]))


def test_bars_are_as_long_as_their_values(result):
    svg = ET.fromstring(report.bars({"a": {"value": 5}, "b": {"value": 20}}, "ms", 20))
    short, long = (float(r.get("width").rstrip("%")) for r in svg.findall("rect"))
    assert long == report.WIDEST and short * 4 == pytest.approx(long)


def test_the_page_needs_nothing_else(result):
    text = report.write(result)["index.html"]
    assert not any(sign in text for sign in ("<script", "http:", "https:", "url(", "@import", "/tmp", "/work"))
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text


def test_text_of_a_result_is_escaped(result):
    result["scenarios"]["cold"]["note"] = "<script>&"
    assert "<script>&" in words(page_of(result).find(".//section[@id='cold']"))


def test_the_picture_is_a_document_of_its_own(result):
    picture = ET.fromstring(report.write(result)["cold.svg"])
    assert picture.tag.endswith("svg") and "crun" in words(picture)


def test_a_scenario_on_a_busy_machine_says_so(result):
    result["scenarios"]["cold"]["load"] = 9.5
    page = page_of(result)
    assert "was 9.5" in words(page.find(".//section[@id='cold']")) and "was 9.5" not in words(page.find(".//section[@id='cpu']"))


def test_a_peer_that_cannot_run_is_listed_with_its_reason(result):
    assert "runsc is not installed" in words(page_of(result).find(".//section[@id='peers']"))


@pytest.mark.parametrize("ratio,verdict", [(0.4, "met"), (0.39, "met"), (0.41, "missed")])
def test_a_goal_is_met_up_to_its_limit(result, ratio, verdict):
    set_ratio(result, ratio)
    judged = goals.judge(result)[0]
    assert judged["text"] == "run against crun"
    assert (judged["verdict"], judged["figure"]) == (verdict, f"{ratio:.3f} ×")


def test_a_missed_goal_is_shown_as_missed(result):
    set_ratio(result, 0.5)
    lines = [words(line) for line in page_of(result).findall(".//section[@id='goals']//tr")]
    assert "✗ missed run against crun 0.500 × ≤ 0.4 ×".replace(" ", "") in [line.replace(" ", "") for line in lines]
    assert "missed" in goals.text(result).splitlines()[0]


def test_what_was_not_measured_is_not_met(result):
    del result["scenarios"]["cold"]["rows"]["default"]["crun"]
    assert goals.judge(result)[0]["verdict"] == "not measured"
    result["scenarios"] = {}
    assert {j["verdict"] for j in goals.judge(result)} == {"not measured"}


def test_the_worst_row_decides_a_goal_of_many(result):
    goal = next(g for g in goals.GOALS if g.over[0] == "cpu")
    rows = result["scenarios"]["cpu"]["rows"]
    for cells in rows.values():
        cells["native"]["value"] = cells["cay"]["value"] = 1.0
    assert goals.figure(result, goal)[0] == 1.0
    rows["matrix"]["cay"]["value"] = 1.25
    assert goals.figure(result, goal) == (0.8, "matrix")


def test_every_goal_can_be_measured(result):
    """Each goal names a cell that a run has; the size of a dynamic build is not in a quick one."""
    missing = [goal.text for goal in goals.GOALS if goals.figure(copy.deepcopy(result), goal)[0] is None]
    assert missing == ["cay, stripped, dynamically linked"]


def test_the_text_about_performance_says_what_the_report_says():
    """`make report` renews both. Without a report no goal is said to be measured."""
    report_dir, said = DOCS / "report", (DOCS / "performance.md").read_text()
    result = {"scenarios": {}}
    if report_dir.exists():
        result = json.loads((report_dir / "report.json").read_text())
        assert not result["quick"] and set(result["scenarios"]) == set(scenarios.SCENARIOS)
        for name, text in report.write(result).items():
            assert (report_dir / name).read_text() == text
    assert all(mark in said for mark in goals.MARKS) and goals.put(result, said) == said


def test_samples_are_described_by_rank():
    described = measure.describe([n / 1000 for n in range(1, 1001)], 1000)
    assert described == {"value": 1.0, "median": 500.5, "p999": 999.0, "n": 1000}


def test_a_short_run_measures_and_leaves_nothing_behind(tmp_path):
    harness.need_root()
    harness.need("ninja", "unshare", "strip")
    build = pathlib.Path(harness.CAY).resolve().parent
    if not (build / "build.ninja").exists():
        harness.skip("the build directory of " + harness.CAY)
    subprocess.run(["ninja", "-C", build, *PROGRAMS], check=True, stdout=subprocess.DEVNULL)
    before = set(harness.CGROUP_ROOT.rglob("cay-bench-*"))
    for only in ("peak", "container", "levers", "brokered"):
        done = subprocess.run(["/usr/bin/python3", BENCH / "bench.py", "--quick", "--only", only, "--out", tmp_path / "report",
                               build], capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "TMPDIR": str(tmp_path)})
        assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "report" / "report.json").read_text())
    assert result["scenarios"]["peak"]["rows"]["run"]["cay"]["value"] > 100
    assert result["scenarios"]["container"]["rows"]["waiting, Pss"]["cay"]["value"] > 10
    assert result["scenarios"]["levers"]["rows"]["tmpfs"]["detached"]["value"] > 1
    # The others can't reach a root in directories that only we may enter.
    assert {one["name"] for one in result["scenarios"]["brokered"]["absent"]} <= {"LXD", "runc, agent", "crun, agent"}
    loans = result["scenarios"]["brokered"]["rows"]
    assert len(loans) == len(brokered.KINDS) + len(brokered.REST) and all({"native", "cay, agent"} <= set(row) for row in loans.values())
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]
    # Another benchmark may be under way: its cgroups are named like its directory.
    others = tuple(entry.name for entry in harness.TMP.glob("cay-bench-*"))
    after = [p.name for p in harness.CGROUP_ROOT.rglob("cay-bench-*") if p.is_dir() and p not in before]
    assert [name for name in after if not (others and name.startswith(others))] == []


def test_peers_can_bind_the_null_device_they_are_given(tmp_path):
    """A node without a name can't be bound any further, and every runtime binds it over what it masks."""
    harness.need_root()
    target = tmp_path / "null"
    target.touch()
    code = ("import subprocess, world; world._own_null(); "
            f"subprocess.run(['mount', '--bind', '/dev/null', {str(target)!r}], check=True)")
    r = harness.run(["unshare", "-m", "--propagation", "private", "/usr/bin/python3", "-c", code], cwd=BENCH)
    assert r.rc == 0, r


def test_a_table_that_nobody_can_fill_is_empty(tmp_path):
    assert measure.hyperfine(None, {}) == {}
