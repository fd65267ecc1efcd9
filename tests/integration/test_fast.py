# SPDX-License-Identifier: Apache-2.0
"""`start --fast`: another program for a container that waits at its gate, and no other right."""
import ctypes
import json
import os
import shlex
import threading

import pytest

from harness import cay_only, parse_status, rt_runtime, run, wait_for

RLIMIT = "RLIMIT_NOFILE"


@pytest.fixture
def fast(cay, bundle, tmp_path):
    """fast(document) starts the container with it; the program writes to fast.out."""
    cay_only("start --fast")
    bundle.args("sleep", "1000")
    bundle.process["rlimits"] = [{"type": RLIMIT, "soft": 64, "hard": 128}]
    out = tmp_path / "out"

    class Fast:
        def create(self):
            with open(out, "wb") as f:
                self.id = cay.create(bundle, stdout=f)
            return self

        def __call__(self, document, **kw):
            path = tmp_path / "fast.json"
            path.write_text(document if isinstance(document, str) else json.dumps(document))
            return cay("start", "--fast", path, self.id, **kw)

        def so_far(self):
            return out.read_text()

        def text(self):
            cay.wait_status(self.id, "stopped")
            return self.so_far()

    f = Fast()
    f.bundle = bundle
    yield f
    cay.destroy(f.id)


def allowed_cpus():
    return sorted(os.sched_getaffinity(0))


def test_the_published_form_runs_another_program_on_the_cpu_it_names(fast):
    cpu = allowed_cpus()[-1]
    r = fast.create()({"args": ["sh", "-c", "cat /proc/self/status; echo end"], "cpu": cpu})
    assert r.rc == 0, r
    text = fast.text()
    assert parse_status(text)["Cpus_allowed_list"] == str(cpu) and text.endswith("end\n")


def test_each_field_is_taken(cay, fast):
    cpu = allowed_cpus()[0]
    script = "echo $A,$HOME; pwd; ulimit -Sn; ulimit -Hn; cat /proc/self/status; sleep 1000"
    document = {"args": ["/bin/sh", "-c", script], "cwd": "/proc/sys", "cpus": f"{cpu}-{cpu}",
                "env": ["PATH=/bin", "A=b"], "rlimits": [{"type": RLIMIT, "soft": 32, "hard": 48}],
                "scheduler": {"policy": "SCHED_BATCH", "nice": 7},
                "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}}
    r = fast.create()(document)
    assert r.rc == 0, r
    pid = cay.pid(fast.id)
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH
    assert os.getpriority(os.PRIO_PROCESS, pid) == 7
    assert ctypes.CDLL(None).syscall(252, 1, pid) == 2 << 13 | 6
    wait_for(lambda: "Cpus_allowed_list" in fast.so_far(), "the program's status")
    text = fast.so_far()
    assert text.splitlines()[:4] == ["b,/root", "/proc/sys", "32", "48"]
    assert parse_status(text)["Cpus_allowed_list"] == str(cpu)


@pytest.mark.parametrize("policy,number", [("SCHED_FIFO", 1), ("SCHED_RR", 2), ("SCHED_BATCH", 3)])
def test_the_scheduler_is_in_force_at_the_first_instruction(cay, fast, policy, number):
    if policy != "SCHED_BATCH":
        rt_runtime(fast.bundle)
    priority = 0 if policy == "SCHED_BATCH" else 20
    r = fast.create()({"args": ["sleep", "1000"], "scheduler": {"policy": policy, "priority": priority}})
    assert r.rc == 0, r
    pid = cay.pid(fast.id)
    assert os.sched_getscheduler(pid) == number
    assert os.sched_getparam(pid).sched_priority == priority


def test_what_is_not_given_stays_as_it_was_created(fast):
    fast.bundle.process["env"] = ["PATH=/bin", "FROM=create"]
    fast.bundle.process["cwd"] = "/tmp"
    r = fast.create()({"args": ["sh", "-c", "echo $FROM $HOME; pwd; ulimit -n"]})
    assert r.rc == 0, r
    assert fast.text() == "create /root\n/tmp\n64\n"


def test_the_environment_alone_may_change(fast):
    fast.bundle.args("sh", "-c", "echo $WHERE")
    r = fast.create()({"env": ["PATH=/bin", "WHERE=start"]})
    assert r.rc == 0, r
    assert fast.text() == "start\n"


def test_home_is_found_for_the_user_of_the_container(fast):
    (fast.bundle.rootfs / "etc").mkdir(exist_ok=True)
    (fast.bundle.rootfs / "etc/passwd").write_text("u:x:1234:99::/proc:/bin/sh\n")
    fast.bundle.process["user"] = {"uid": 1234, "gid": 99}
    fast.bundle.process["env"] = ["PATH=/bin", "HOME=/given"]
    r = fast.create()({"args": ["sh", "-c", "echo $HOME; id -u"], "env": ["PATH=/bin"]})
    assert r.rc == 0, r
    assert fast.text() == "/proc\n1234\n"


def test_its_files_become_those_of_the_program(fast):
    r = fast.create()({"args": ["sh", "-c", "cat; echo bad >&2"], "stdio": "inherit"}, input="good\n")
    assert (r.rc, r.out, r.err) == (0, "good\n", "bad\n")
    assert fast.text() == ""


def test_it_gets_no_right_that_the_creation_did_not_give(cay, fast):
    script = ["sh", "-c", "grep -vE '^(Pid|Tgid|NStgid|NSpid|NSsid|NSpgid|VmSize|Vm.*|Rss.*|.*ctxt.*|Name|PPid|"
              "Kthread|FDSize|Threads|SigQ|nonvoluntary.*|x86.*|Speculation.*)' /proc/self/status; "
              "ls -l /proc/self/ns | grep -o '[a-z_]*:.*'; ls /proc/self/fd; cat /proc/self/mountinfo"]
    fast.bundle.process["user"] = {"uid": 7, "gid": 8, "additionalGids": [9]}
    fast.bundle.caps("CAP_NET_RAW")
    fast.bundle.process["noNewPrivileges"] = True
    fast.bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}
    r = fast.create()({"args": script})
    assert r.rc == 0, r
    got = fast.text()
    status = parse_status(got)
    assert (status["Uid"].split(), status["Groups"].split()) == (["7"] * 4, ["9"])
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapBnd"], 16) == 1 << 13


@pytest.mark.parametrize("document,words", [
    ({"user": {"uid": 1}}, '"user" can\'t be changed'),
    ({"capabilities": {}}, '"capabilities" can\'t be changed'),
    ({"noNewPrivileges": False}, '"noNewPrivileges" can\'t be changed'),
    ({"apparmorProfile": "unconfined"}, '"apparmorProfile" can\'t be changed'),
    ({"terminal": True}, '"terminal" can\'t be changed'),
    ({"rlimits": [{"type": RLIMIT, "soft": 64, "hard": 129}]}, "can only be lowered at the start"),
    ({"args": []}, "args: must not be empty"),
    ({"args": ["not-there"]}, "executable file not found in $PATH"),
    ({"args": ["/etc"]}, "/etc"),
    ({"cwd": "tmp"}, "must be absolute"),
    ({"cwd": "/not/there"}, "/not/there"),
    ({"cpus": "0-8191"}, "not all of these CPUs"),
    ({"cpus": "x"}, "must be a list"),
    ({"cpu": 8191}, "none of these CPUs"),
    ({"cpu": 0, "cpus": "0"}, "only one of them"),
    ({"cpu": -1}, "cpu"),
    ({"stdio": "tty"}, "stdio"),
    ({"scheduler": {"policy": "SCHED_WHAT"}}, "no such policy"),
    ({"args": "true"}, "args: expected an array"),
    ("", "JSON"),
    ("[]", "expected an object"),
])
def test_what_is_refused_leaves_the_container_waiting(cay, fast, document, words):
    r = fast.create()(document)
    line = cay.error_line(r)
    assert r.rc == 1 and words in line, r
    assert cay.status(fast.id) == "created"
    r = fast({"args": ["sh", "-c", "pwd"]})
    assert r.rc == 0, r
    assert fast.text() == "/\n"


def test_a_refused_start_can_be_followed_by_a_plain_one(cay, fast):
    fast.bundle.args("sh", "-c", "pwd; echo as created")
    assert fast.create()({"args": ["nothing"], "cwd": "/proc", "env": ["A=b"]}).rc == 1
    cay.ok("start", fast.id)
    assert fast.text() == "/\nas created\n"


def test_a_link_out_of_the_root_stays_inside(fast):
    os.symlink("/../../../../../../etc", fast.bundle.rootfs / "out")
    (fast.bundle.rootfs / "etc").mkdir(exist_ok=True)
    (fast.bundle.rootfs / "etc/inside").write_text("yes")
    r = fast.create()({"args": ["cat", "inside"], "cwd": "/out"})
    assert r.rc == 0, r
    assert fast.text() == "yes"


def test_of_many_starts_at_once_one_wins(cay, fast):
    fast.create()
    results = []

    def one(n):
        results.append(fast({"args": ["sh", "-c", f"echo {n}"]}).rc)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(results) == [0] + [1] * 7
    assert len(fast.text().splitlines()) == 1


def test_hooks_run_as_with_any_start(fast, tmp_path):
    fast.bundle.hook("poststart", f"echo poststart >> {tmp_path}/hooks")
    r = fast.create()({"args": ["true"]})
    assert r.rc == 0, r
    assert (tmp_path / "hooks").read_text() == "poststart\n"


def test_a_file_that_is_none_is_an_error(cay, fast, tmp_path):
    fast.create()
    for path, words in ((tmp_path, "not a regular file"), (tmp_path / "none", "no such file")):
        r = cay("start", "--fast", path, fast.id)
        assert r.rc == 1 and words in r.err, r
    assert cay.status(fast.id) == "created"


def test_without_a_container_it_says_what_start_says(cay, fast, tmp_path):
    fast.create()
    (tmp_path / "f").write_text("{}")
    r = cay("start", "--fast", tmp_path / "f", "nobody")
    assert r.rc == 1 and "container does not exist" in r.err


# All that is no kernel interface and not the place of --root can't be written from here on.
FLASH = r"""
awk '{for (i = 1; i <= NF; i++) if ($i == "-") {print $(i + 1), $5; break}}' /proc/self/mountinfo |
while read -r type at; do
    case "$type $at" in
    proc\ *|sysfs\ *|cgroup*|devpts\ *|devtmpfs\ *|mqueue\ *|*\ /dev|*\ /dev/shm) ;;
    *) mount -o remount,bind,ro "$at" 2>/dev/null ;;
    esac
done
touch "$1" 2>/dev/null && exit 90
exec sh -e -c "$2"
"""


def test_a_warm_start_writes_nothing_outside_of_tmpfs(cay, bundle):
    """An embedded board boots from flash: only the state, on tmpfs, is written, by a create, a start and a pool alike."""
    cay_only("start --fast")
    job = cay.dir / "job.json"
    job.write_text(json.dumps({"args": ["sh", "-c", "echo island; ! touch /x"]}))
    bundle.config["root"]["readonly"] = True
    bundle.args("sleep", "1000").write()
    one, cay_ = cay.id(), shlex.join(cay.argv())
    script = f"""
        {cay_} create -b {bundle.path} {one} >/dev/null
        {cay_} start --fast {job} {one}
        {cay_} warm up -n 1 -b {bundle.path} --name {cay.token} >/dev/null
        {cay_} warm take -p {job} {cay.token}
        {cay_} warm down {cay.token}
        {cay_} delete --force {one}
    """
    before = sorted(bundle.rootfs.rglob("*"))
    r = run(["unshare", "-m", "--propagation", "private", "sh", "-c", FLASH, "sh", bundle.rootfs / "x", script])
    assert (r.rc, r.out.split()) == (0, ["island"]), r
    assert sorted(bundle.rootfs.rglob("*")) == before
