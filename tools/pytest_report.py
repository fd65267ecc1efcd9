# SPDX-License-Identifier: Apache-2.0
"""pytest plugin of tools/check.py: one JSON line an event to fd $CAY_REPORT_FD, and a time limit a test.

What was reported before a crash or a kill is counted; a junit file would come too late for that.
"""
import json
import os
import signal

import pytest

_SECONDS = int(os.environ.get("CAY_TEST_SECONDS", "180"))
_fd = int(os.environ.pop("CAY_REPORT_FD"))
os.set_inheritable(_fd, False)


def _tell(**event):
    os.write(_fd, (json.dumps(event) + "\n").encode())


def _reason(report):
    if hasattr(report, "wasxfail"):
        return "known to fail: " + report.wasxfail
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr or "")


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        _tell(test=report.nodeid, outcome=report.outcome, text=_reason(report))


def pytest_collectreport(report):
    if report.outcome != "passed":
        _tell(test=report.nodeid or "collection", outcome=report.outcome, text=_reason(report))


def pytest_sessionfinish(exitstatus):
    _tell(done=int(exitstatus))


def _too_long(_signal, _frame):
    pytest.fail(f"took longer than {_SECONDS} s", pytrace=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
