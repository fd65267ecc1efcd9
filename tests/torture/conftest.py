# SPDX-License-Identifier: Apache-2.0
"""The fixtures of the integration tests, and the bench, once for all that is measured on it."""
import multiprocessing
import os
import subprocess

import pytest

import torture
from torture import harness
import fixtures

globals().update({name: getattr(fixtures, name) for name in fixtures.SHARED})


@pytest.fixture(scope="session")
def tools():
    harness.need_root()
    if os.uname().machine != "x86_64":
        harness.skip("a tracer for this machine")
    if subprocess.run(["ninja", "-C", str(torture.BUILD), "tests/torture/tracer", "tests/torture/witness",
                       "tests/torture/cay-torture"], capture_output=True).returncode:
        harness.skip(f"a build directory with the torture tools in {torture.BUILD}")


def listing(root):
    return sorted(os.path.join(b, n) for b, d, f in os.walk(root) for n in d + f)


@pytest.fixture(scope="session")
def bench(tools):
    """A root file system, and what the undisturbed commands do."""
    home = harness.SHM / torture.TOKEN
    home.mkdir(mode=0o755)
    rootfs = home / "rootfs"
    harness.make_root(rootfs, probe=False)
    for d in ("made/here", "given", "run"):
        (rootfs / d).mkdir(parents=True)
    (rootfs / "run" / "file").write_text("run\n")
    (rootfs / "bin" / "witness").write_bytes((torture.TOOLS / "witness").read_bytes())
    (rootfs / "bin" / "witness").chmod(0o755)
    try:
        with multiprocessing.Pool(1, torture.start_worker, (torture.TOKEN, rootfs, {}, {})) as pool:
            counts, first, base = pool.apply(measured)
        files = listing(rootfs)
        yield rootfs, counts, first, base
        assert listing(rootfs) == files, "the root file system has changed"
    finally:
        harness.sweep(torture.TOKEN)
        harness.remove_probe()
        subprocess.run(["sh", "-c", f"rm -rf --one-file-system {harness.SHM}/{torture.TOKEN}*"], timeout=60)


def measured():
    counts, first = torture.measure(torture._lab)
    return counts, first, torture._lab.base
