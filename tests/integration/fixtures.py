# SPDX-License-Identifier: Apache-2.0
"""What every test of a built cay gets: the command, a bundle, and a look at what is left."""
import contextlib
import itertools
import os
import subprocess

import pytest

import agent
import harness

SHARED = ["pytest_sessionfinish", "pytest_runtest_makereport", "_runtime_is_there", "cay", "bundle", "loop", "user"]
_number = itertools.count()


def pytest_sessionfinish():
    harness.remove_probe()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, "report_" + report.when, report)


@pytest.fixture(scope="session", autouse=True)
def _runtime_is_there():
    if not os.access(harness.CAY, os.X_OK):
        pytest.exit(f"{harness.CAY}: not built (ninja -C build), or set CAY=", 2)


@pytest.fixture
def cay(request):
    """The runtime with its own state directory; afterwards nothing may be left."""
    harness.need_root()
    token = f"cayt{os.getpid()}x{next(_number)}"
    c = harness.Cay(token)
    fds = harness.own_fds()
    yield c
    for p in c.started:
        if p.poll() is None:
            p.kill()
        p.wait(5)
        for f in (p.stdin, p.stdout, p.stderr):
            if f:
                f.close()
    failed = getattr(request.node, "report_call", None)
    failed = failed is None or not failed.passed
    left = {} if failed else harness.wait_no_leaks(token)
    more = {f: t for f, t in harness.own_fds().items() if f not in fds and "/proc/" not in t}
    (harness.sweep if failed or left else harness.remove_files)(token)
    if left:
        pytest.fail(f"left behind: {left}", pytrace=False)
    if more and not failed:
        pytest.fail(f"fds left open in the test: {more}", pytrace=False)


@pytest.fixture
def bundle(cay):
    return cay.bundle()


@pytest.fixture
def user(cay):
    """An ordinary user with the runtime; a file may have another one."""
    harness.need("setpriv")
    return agent.User(cay)


@pytest.fixture
def loop():
    """Makes an image a device, which goes when the test ends, mounted or not."""
    harness.need("losetup")
    with contextlib.ExitStack() as after:
        def attach(image):
            r = harness.run(["losetup", "-f", "--show", str(image)])
            if r.rc != 0:
                harness.skip("loop devices")
            after.callback(subprocess.run, ["losetup", "-d", r.lines[0]], check=True, timeout=30)
            return r.lines[0]
        yield attach
