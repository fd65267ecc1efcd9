#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py [--programs] [--part I/N] [-k FILTER] [BUILD]: run every test and count test functions, not programs.

First the cmocka programs and the static checks (meson test), then pytest. --programs runs the programs that
lie in BUILD/tests by themselves, for a machine that has no build tools. --part runs only one of N parts that take about as
long, by the seconds in tests/vm/seconds; together they are the whole. The last line is
`N passed, N failed, N skipped`; the exit status is 0 only when something passed and nothing failed.
A runner that crashes or runs out of time is a failure of its own. Under CAY_MUST_RUN=1 a skip is one too.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEADLINE = time.monotonic() + int(os.environ.get("CAY_CHECK_SECONDS", "870"))
PYTEST_FOLDERS = ("tests/integration", "tests/rootless", "tests/engines", "tests/attack", "tests/torture", "tests/bench")
# meson keeps the environment of a test in its log: hand down no more than a test needs.
ENVIRONMENT = re.compile(r"(PATH|HOME|USER|LOGNAME|LANG|TERM|TMPDIR|XDG_RUNTIME_DIR|CAY.*|.SAN_OPTIONS|..SAN_OPTIONS)$")
MUST_RUN = os.environ.get("CAY_MUST_RUN", "0") not in ("", "0")
PROGRAMS = "programs"
MAX_LINES = 60


def say(text=""):
    print(text, flush=True)


def shorten(text):
    lines = text.rstrip().splitlines()
    if len(lines) > MAX_LINES:
        lines = ["..."] + lines[-MAX_LINES:]
    return "\n".join("    " + line for line in lines)


class Tally:
    """Outcome of every test function, by name; failed wins over whatever was said before."""

    def __init__(self):
        self.outcomes, self.texts = {}, {}

    def add(self, name, outcome, text=""):
        if outcome == "skipped" and MUST_RUN:
            outcome, text = "failed", "skipped, but CAY_MUST_RUN is set: " + text
        if self.outcomes.get(name) == "failed":
            return
        self.outcomes[name] = outcome
        self.texts[name] = text
        if outcome == "failed":
            say(f"FAILED {name}")
            if text:
                say(shorten(text))

    def count(self, outcome, prefix=""):
        return sum(o == outcome and n.startswith(prefix) for n, o in self.outcomes.items())

    def line(self, prefix=""):
        return ", ".join(f"{self.count(o, prefix)} {o}" for o in ("passed", "failed", "skipped"))


def remaining():
    return max(DEADLINE - time.monotonic(), 1)


def run(command, **options):
    """Exit status and output; a status below 0 when it was killed, by us for instance."""
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True, **options) as p:
        try:
            out, _ = p.communicate(timeout=remaining())
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, _ = p.communicate()
            out += b"\nout of time\n"
    return p.returncode, out.decode(errors="replace")


def read_tap(name, entry, tally):
    """The functions of one cmocka program, from its TAP; whatever it announced and did not run has failed."""
    text, planned, group, notes = entry.get("stdout") or "", 0, 0, []
    failed = None
    details = collections.defaultdict(list)
    seen = []
    for line in text.splitlines():
        plan = re.match(r"1\.\.(\d+)$", line)
        result = re.match(r"(not )?ok (\d+) (- |# SKIP )(\S.*)", line)
        if plan:
            planned += int(plan.group(1))
            group += 1
        elif result:
            test = f"{name}: {result.group(4)}"
            if group > 1 and any(t == test for t, _, _ in seen):
                test += f" ({group})"
            if "SKIP" in result.group(3):
                seen.append((test, "skipped", " ".join(notes) or "no reason given"))
            else:
                failed = test if result.group(1) else None
                seen.append((test, "failed" if failed else "passed", ""))
                if failed:
                    details[test] += notes
            notes = []
        elif line.startswith("# ") and failed:
            details[failed].append(line[2:])
        elif not line.startswith("# "):
            notes.append(line)
    for test, outcome, why in seen:
        tally.add(test, outcome, why or "\n".join(details[test]))
    for missing in range(len(seen), planned):
        tally.add(f"{name}: function {missing + 1} of {planned}", "failed",
                  f"did not run, {name} ended early: " + tail_of(entry))
    return bool(seen)


def tail_of(entry):
    text = (entry.get("stdout") or "") + (entry.get("stderr") or "")
    return f"{entry['result']}, status {entry.get('returncode')}\n" + text[-4000:]


def read_entry(entry, tally):
    name = re.sub(r"^\w+:(\S+) / ", r"\1/", entry["name"])
    before = tally.count("failed")
    counted = read_tap(name, entry, tally)
    result = entry["result"]
    if result == "SKIP" and not counted:
        lines = (entry.get("stdout") or "").split("\n")
        tally.add(name, "skipped", next((x for x in reversed(lines) if x.strip()), "no reason given"))
    elif result == "OK" and not counted:
        tally.add(name, "passed")
    elif result not in ("OK", "SKIP") and tally.count("failed") == before:
        # Sanitizers and crashes at exit, time-outs, programs without TAP.
        tally.add(f"{name}: program", "failed", tail_of(entry))
    say(f"{name:32} {tally.line(name + (':' if counted else ''))}")


def load_of(part):
    """The names in one of N parts: longest first, each goes to the part with the least to do so far."""
    index, _, count = part.partition("/")
    index, parts = int(index), [[0, []] for _ in range(int(count))]
    table = (line.split() for line in (ROOT / "tests/vm/seconds").read_text(encoding="utf-8").splitlines() if line[0] != "#")
    seconds = {name: int(n) for name, n in table}
    names = {PROGRAMS} | {str(p.relative_to(ROOT)) for f in PYTEST_FOLDERS for p in (ROOT / f).rglob("test_*.py")}
    for name in sorted(names, key=lambda n: (-seconds.get(n, 60), n)):
        least = min(parts, key=lambda p: p[0])
        least[0] += seconds.get(name, 60)
        least[1].append(name)
    return set(parts[index - 1][1])


def run_meson(build, tally):
    status, out = run(["ninja", "-C", build, "-k0", "--quiet", "all", "meson-test-prereq"])
    if status:
        tally.add("build", "failed", out)
    log = pathlib.Path(build) / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    env = {k: v for k, v in os.environ.items() if ENVIRONMENT.match(k)}
    status, out = run(["meson", "test", "-C", build, "--no-rebuild", "--suite", "unit",
                       "--suite", "tables", "--suite", "static"], env=env)
    entries = []
    if log.exists():
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for entry in entries:
        read_entry(entry, tally)
    if status < 0 or not entries:
        tally.add("meson test", "failed", out)


def run_programs(build, tally):
    env = {k: v for k, v in os.environ.items() if ENVIRONMENT.match(k)}
    env.update(CMOCKA_MESSAGE_OUTPUT="TAP", LC_ALL="C.UTF-8", CAY_SOURCE=str(ROOT))
    for program in sorted(pathlib.Path(build, "tests").glob("test_*")):
        kind = next((k for k in ("unit", "tables") if (ROOT / "tests" / k / (program.name + ".c")).exists()), None)
        if not kind:
            continue
        status, out = run([str(program)], env=env)
        read_entry({"name": f"{kind}/{program.name.removeprefix('test_')}", "stdout": out, "returncode": status,
                    "result": {0: "OK", 77: "SKIP"}.get(status, "FAIL")}, tally)


class Pytest:
    """One run of pytest, told event by event through a pipe."""

    def __init__(self, build, folders, only, tally):
        self.tally, self.file, self.done, self.since = tally, None, None, time.monotonic()
        self.log = pathlib.Path(build) / "meson-logs" / "pytest.txt"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        read_fd, write_fd = os.pipe()
        env = dict(os.environ, CAY=str(pathlib.Path(build) / "cay"), CAY_REPORT_FD=str(write_fd),
                   PYTHONPATH=str(ROOT / "tools"), PYTHONDONTWRITEBYTECODE="1")
        command = ["/usr/bin/python3", "-m", "pytest", "-p", "pytest_report", "-p", "no:cacheprovider", "--color=no",
                   "--tb=short", f"--junitxml={self.log.with_suffix('.xml')}", *(["-k", only] if only else []), *folders]
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, pass_fds=[write_fd], start_new_session=True)
        os.close(write_fd)
        self.events = os.fdopen(read_fd, encoding="utf-8")

    def interrupt(self, _signal, _frame):
        """Out of time: let fixtures clean up for a moment, then end it."""
        say("pytest: out of time")
        try:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end_file(self):
        if self.file:
            say(f"{self.file.removeprefix('tests/'):32} {self.tally.line(self.file)}"
                f"  {time.monotonic() - self.since:.0f} s")
            self.since = time.monotonic()

    def event(self, line):
        e = json.loads(line)
        if "done" in e:
            self.done = e["done"]
            return
        file = e["test"].split("::")[0]
        if file != self.file:
            self.end_file()
            self.file = file
        self.tally.add(e["test"], e["outcome"], e["text"])

    def run(self):
        signal.signal(signal.SIGALRM, self.interrupt)
        signal.alarm(int(remaining()) + 1)
        for line in self.events:
            self.event(line)
        status = self.process.wait()
        signal.alarm(0)
        self.end_file()
        if self.done is None or status not in (0, 1, 5):
            self.tally.add("pytest", "failed", f"ended with status {status}\n"
                           + self.log.read_text(encoding="utf-8", errors="replace")[-4000:])


def main():
    args = argparse.ArgumentParser(usage=__doc__.partition(":")[0])
    args.add_argument("--programs", action="store_true")
    args.add_argument("--part")
    args.add_argument("-k", dest="only")
    args.add_argument("build", nargs="?", default="build")
    args = args.parse_args()
    build = str(pathlib.Path(args.build).resolve())
    tally = Tally()
    load = load_of(args.part) if args.part else None
    if load is None or PROGRAMS in load:
        if args.programs:
            run_programs(build, tally)
        elif not args.only:
            run_meson(build, tally)
    folders = [f for f in PYTEST_FOLDERS if any((ROOT / f).rglob("test_*.py"))]
    if load is not None:
        folders = sorted(load - {PROGRAMS})
    if folders:
        Pytest(build, folders, args.only, tally).run()
    reasons = collections.Counter(tally.texts[n] for n, o in tally.outcomes.items() if o == "skipped")
    for reason, n in sorted(reasons.items()):
        say(f"skipped {n}: {reason}")
    failed = [n for n, o in tally.outcomes.items() if o == "failed"]
    if failed:
        say("failed:")
        for name in failed:
            say("    " + name)
    say(tally.line())
    sys.exit(0 if tally.count("passed") and not failed else 1)


main()
