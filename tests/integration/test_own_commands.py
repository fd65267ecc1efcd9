# SPDX-License-Identifier: Apache-2.0
"""plan and doctor: what cay has and no other runtime. Options of create, run and exec are in test_options.py."""
import json
import os
import re
import shutil
import subprocess

import pytest

import harness


def as_nobody(argv, **kw):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv],
                          capture_output=True, text=True, timeout=harness.TIMEOUT, **kw)


@pytest.fixture
def program(cay, tmp_path_factory):
    """The runtime where an ordinary user can reach it."""
    d = tmp_path_factory.mktemp("program")
    for p in (d, *d.parents):
        if p.stat().st_uid == os.getuid() and str(p).startswith("/tmp/"):
            p.chmod(0o755)
    return shutil.copy(cay.program, d / "cay")


def test_plan_prints_every_step_and_does_none(cay, bundle):
    bundle.args("sleep", "1000").write()
    r = cay.ok("plan", "-b", bundle.path)
    steps = [line.split()[:2] for line in r.lines]
    assert ["clone", "clone"] in steps and ["init", "pivot"] in steps
    assert steps[-1] == ["enter", "exec"]
    assert cay.ok("list", "-q").out == ""
    assert harness.our_cgroups(cay.token) == []


def test_plan_as_json_says_the_same(cay, bundle):
    bundle.args("true").write()
    text = cay.ok("plan", "-b", bundle.path).lines
    doc = json.loads(cay.ok("plan", "-b", bundle.path, "--format", "json").out)
    assert [(s["phase"], s["step"]) for s in doc["steps"]] == [tuple(t.split()[:2]) for t in text]
    assert doc["steps"][-1]["argv"] == ["true"]


def test_plan_needs_no_privilege(cay, bundle, program):
    bundle.args("true").write()
    harness_dir = bundle.path
    for p in (harness_dir, harness_dir.parent):
        p.chmod(0o755)
    (harness_dir / "config.json").chmod(0o644)
    bundle.namespace("user")
    for k in ("uidMappings", "gidMappings"):
        bundle.linux[k] = [{"containerID": 0, "hostID": 65534, "size": 1}]
    bundle.write()
    (harness_dir / "config.json").chmod(0o644)
    r = as_nobody([program, "plan", "-b", str(bundle.path)], env={"PATH": os.environ["PATH"]})
    assert r.returncode == 0, r
    assert "map-ids" in r.stdout and r.stdout.splitlines()[-1].startswith("enter")


def test_plan_names_what_is_wrong(cay, bundle):
    bundle.process["cwd"] = "relative"
    bundle.write()
    cay.fails("plan", "-b", bundle.path)


def test_doctor_says_what_this_host_can_do(cay, program):
    r = cay.ok("doctor")
    assert re.search(r"^(ok|limited|missing) +kernel +Linux [0-9]", r.out, re.M)
    doc = json.loads(cay.ok("doctor", "--format", "json").out)
    text = json.dumps(doc)
    for word in ("cgroups", "seccomp", "user namespace", "landlock", "idmapped mounts"):
        assert word in text
    plain = as_nobody([program, "doctor"], env={"PATH": os.environ["PATH"]})
    assert "newuidmap" in plain.stdout


def test_run_writes_the_pid_file(cay, bundle, tmp_path):
    bundle.args("sleep", "1000").write()
    id = cay.id()
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = cay.popen("run", "-d", "--pid-file", tmp_path / "pid", "-b", bundle.path, id, **quiet)
    assert p.wait(harness.TIMEOUT) == 0
    assert int((tmp_path / "pid").read_text()) == cay.pid(id)
    cay.destroy(id)


def test_spec_writes_into_the_bundle_it_is_given(cay, tmp_path):
    cay.ok("spec", "-b", tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["ociVersion"].startswith("1.3")
    cay.fails("spec", "-b", tmp_path)
