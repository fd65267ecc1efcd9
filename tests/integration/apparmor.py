# SPDX-License-Identifier: Apache-2.0
"""Profiles of AppArmor for the tests that have a kernel with it: loaded before, removed after."""
import pathlib
import subprocess

import pytest

from harness import TIMEOUT, need, skip

SWITCH = pathlib.Path("/sys/module/apparmor/parameters/enabled")
# All that a program in a container does, but for one file and one directory.
RULES = """
profile {name} flags=(attach_disconnected,mediate_deleted) {{
  capability, network, mount, umount, pivot_root, ptrace, signal, unix, file,
  deny /etc/secret rw,
  deny /tmp/{name}/** w,
}}
"""


def need_apparmor():
    if not SWITCH.exists() or not SWITCH.read_text().startswith("Y"):
        skip("a kernel with AppArmor")
    need("apparmor_parser")


def parse(option, text):
    r = subprocess.run(["apparmor_parser", "--skip-cache", option], input=text.encode(), capture_output=True,
                       timeout=TIMEOUT, check=False)
    assert r.returncode == 0, r.stderr


@pytest.fixture
def profile(cay, bundle):
    """A function: load a profile under a name of the test's; its two refusals are there to be tried."""
    need_apparmor()
    loaded = []

    def load(name):
        name = f"{cay.token}-{name}"
        parse("--replace", RULES.format(name=name))
        loaded.append(name)
        (bundle.rootfs / "tmp" / name).mkdir()
        return name

    (bundle.rootfs / "etc" / "secret").write_text("secret\n")
    yield load
    for name in loaded:
        parse("--remove", RULES.format(name=name))
