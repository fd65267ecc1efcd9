# SPDX-License-Identifier: Apache-2.0
"""--log with the back ends of crun: journald:NAME and syslog:NAME. Files are in test_lifecycle.py."""
import os
import subprocess
import sys

import pytest

import harness

# Runs where /run and /dev are its own: makes the socket there, runs the command, says what came.
LISTENER = """
import os, socket, subprocess, sys
path = sys.argv[1]
os.makedirs(os.path.dirname(path), exist_ok=True)
if os.path.lexists(path):
    os.unlink(path)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
r = subprocess.run(sys.argv[2:], capture_output=True)
assert r.returncode == 1, r
s.settimeout(5)
sys.stdout.buffer.write(s.recv(65536))
"""
OWN_PLACES = ("mount -t tmpfs x /run && mkdir /run/up /run/work && "
              "mount -t overlay -o lowerdir=/dev,upperdir=/run/up,workdir=/run/work x /dev && exec \"$@\"")


def logged(cay, path, destination, *command):
    """What arrives at a socket from a command that fails."""
    r = subprocess.run(["unshare", "-m", "sh", "-c", OWN_PLACES, "sh", sys.executable,
                        "-c", LISTENER, path, cay.program, "--root", cay.dir / "state", "--log", destination, *(command or ("state", "none"))],
                       capture_output=True, timeout=harness.TIMEOUT)
    assert r.returncode == 0, r
    return r.stdout


def test_errors_go_to_the_journal(cay):
    fields = dict(ln.split(b"=", 1) for ln in logged(cay, "/run/systemd/journal/socket", "journald:box").splitlines())
    assert fields[b"MESSAGE"].endswith(b"container does not exist") and fields[b"PRIORITY"] == b"3"
    assert fields[b"ID"] == b"box" and fields[b"SYSLOG_IDENTIFIER"] == b"cay"


def test_errors_go_to_syslog(cay):
    text = logged(cay, "/dev/log", "syslog:box").decode()
    head, _, message = text.partition(": ")
    # user.err, as crun's openlog and syslog(3) have it
    assert head.startswith("<11>box[") and head.endswith("]")
    assert message == "container does not exist"


def test_a_message_is_one_record(cay):
    text = logged(cay, "/run/systemd/journal/socket", "journald:x\nPRIORITY=0",
                  "run", "-b", "/a\nPRIORITY=0\nMESSAGE=forged", "x")
    lines = text.splitlines()
    assert [ln.split(b"=")[0] for ln in lines] == [b"PRIORITY", b"SYSLOG_IDENTIFIER", b"ID", b"MESSAGE"]
    assert lines[0] == b"PRIORITY=3" and b"forged" in lines[3]


@pytest.mark.parametrize("destination,path", [("journald:x", "/run/systemd/journal/socket"), ("syslog:x", "/dev/log")])
def test_a_service_that_is_not_there_is_an_error_and_no_file(cay, destination, path):
    if os.path.exists(path):
        harness.skip(f"a host without {path}")
    r = harness.run([cay.program, "--log", destination, "--root", cay.root, "list"], cwd=cay.dir)
    assert f'--log: nobody takes messages at "{path}"' in cay.error_line(r)
    assert os.listdir(cay.dir) == []
