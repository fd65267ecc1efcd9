# SPDX-License-Identifier: Apache-2.0
"""The search for leaks: it has to find what is ours, and kills what it finds."""
import os
import subprocess

import harness


def sleeper(argv, **kw):
    p = subprocess.Popen([*argv, "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE, **kw)
    p.stdout.readline()
    return p


def test_a_process_is_ours_by_whole_words_and_by_its_own_root(cay, bundle):
    t = cay.token
    begins_alike = sleeper([], env={"PATH": os.environ["PATH"], "X": t + "0"})
    only_sees_it = sleeper(["unshare", "-m", "sh", "-c", 'mount -t tmpfs "$0" /mnt; shift 0; exec "$@"', t])
    cay.started += [begins_alike, only_sees_it]
    # What it was given at its birth is no mark of a stranger's.
    table = harness.read(f"/proc/{only_sees_it.pid}/mountinfo")
    assert harness.token_in(t)(table) and not harness.token_in(t)(harness.read(f"/proc/{only_sees_it.pid}/environ"))
    inside = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(inside)
    assert harness.token_in(t)(harness.root_mount(f"/proc/{pid}"))
    found = harness.our_processes(t)
    assert pid in found and begins_alike.pid not in found and only_sees_it.pid not in found
    cay.destroy(inside)
