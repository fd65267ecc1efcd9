# SPDX-License-Identifier: Apache-2.0
"""`run`: what the program finds inside, and what comes back out."""
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import stat
import subprocess

import pytest

from harness import (CGROUP_ROOT, ConsoleSocket, IS_RUNC, TIMEOUT, cap_mask, cay_only,
                     cgroup_dirs_of, mount_at, normal_mounts, parse_mountinfo, parse_status, read,
                     read_fd, run, run_pty, skip, wait_for)

NAMESPACES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt",
              "cgroup": "cgroup", "user": "user", "time": "time"}


@contextlib.contextmanager
def host_tmpfs(path, *options):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(path)], check=True,
                   timeout=TIMEOUT)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=TIMEOUT)


def both(cay, bundle, normalise, **kw):
    """The result of the same bundle under runc and under the runtime that is tested."""
    id = cay.id()
    want = cay.other("runc").run(bundle, id=id, **kw)
    assert want.rc == 0, want
    got = cay.run(bundle, id=id, **kw)
    assert got.rc == 0, got
    return normalise(got.out), normalise(want.out)


def same_mounts(cay, bundle):
    bundle.sh("cat /proc/self/mountinfo")
    masked = bundle.linux.get("maskedPaths", [])
    got, want = both(cay, bundle, lambda t: normal_mounts(t, masked))
    assert got == want


# ---- the program and its streams ------------------------------------------------------------

def test_prints_what_echo_says(cay, bundle):
    assert cay.out(bundle.args("echo", "hello", "island")) == "hello island\n"


def test_returns_the_exit_status(cay, bundle):
    assert cay.run(bundle.sh("exit 42")).rc == 42


@pytest.mark.parametrize("status", [0, 1, 127, 128, 255])
def test_returns_every_exit_status(cay, bundle, status):
    r = cay.run(bundle.sh(f"exit {status}"))
    assert (r.rc, r.err) == (status, "")


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV"])
def test_returns_128_and_the_signal_that_killed_it(cay, bundle, name):
    id = cay.id()
    bundle.args("sleep", "1000").write()
    p = cay.popen("run", "-b", bundle.path, id, stdin=subprocess.DEVNULL)
    wait_for(lambda: cay("state", id).rc == 0 and cay.status(id) == "running", "running")
    # From outside: pid 1 of a namespace has no default action for what comes from inside,
    # and none but SIGKILL for what comes from above.
    if name == "KILL":
        cay.ok("kill", id, "KILL")
        assert p.wait(TIMEOUT) == 128 + 9
        return
    cay.ok("kill", id, "KILL")
    p.wait(TIMEOUT)
    bundle.namespace("pid", remove=True).sh(f"kill -{name} $$")
    assert cay.run(bundle).rc == 128 + getattr(signal, "SIG" + name)


def test_forwards_signals_to_the_program(cay, bundle):
    id = cay.id()
    bundle.sh('trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.05; done').write()
    p = cay.popen("run", "-b", bundle.path, id, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    p.terminate()
    assert p.stdout.read() == b"got\n"
    assert p.wait(TIMEOUT) == 9


def test_leaves_binary_streams_untouched(cay, bundle):
    data = bytes(range(256)) * 4096
    bundle.sh("cat; cat /etc/passwd >&2").write()
    p = subprocess.run(cay.argv("run", "-b", bundle.path, cay.id()), input=data,
                       capture_output=True, timeout=TIMEOUT)
    assert p.stdout == data
    assert p.stderr == (bundle.rootfs / "etc/passwd").read_bytes()


def test_hands_the_very_descriptors_down(cay, bundle):
    cay_only("untouched stdin: it copies")
    path = cay.dir / "stdin"
    path.write_text("one\ntwo\n")
    bundle.sh("read a; echo $a; readlink /proc/self/fd/0").write()
    with open(path) as f:
        r = run(cay.argv("run", "-b", bundle.path, cay.id()), stdin=f)
        assert r.lines[0] == "one"
        assert r.lines[1].endswith("/stdin")


def test_closed_stdin_does_not_confuse(cay, bundle):
    bundle.args("echo", "ok").write()
    r = run(["sh", "-c", 'exec "$@" <&-', "sh", *cay.argv("run", "-b", bundle.path, cay.id())])
    assert (r.rc, r.out) == (0, "ok\n"), r


def test_passes_no_other_descriptor(cay, bundle):
    bundle.args("probe", "fds").write()
    r = run(["sh", "-c", 'exec "$@" 5</etc/passwd 7</ 9</etc', "sh",
             *cay.argv("run", "-b", bundle.path, cay.id())])
    assert [ln.split()[0] for ln in r.lines] == ["0", "1", "2"], r


def test_passes_arguments_exactly(cay, bundle):
    args = ["", "a b", "$HOME", "'", "ü\n", "-x", "--", "\\"]
    assert cay.out(bundle.args("probe", "argv", *args)) == "".join(f"[{a}]\n" for a in args)


def test_passes_the_environment_exactly(cay, bundle):
    env = ["PATH=/bin", "A=", "B=x y", "C=a=b", "D=ü", "HOME=/tmp"]
    bundle.process["env"] = env
    out = cay.out(bundle.args("probe", "env"), env={**os.environ, "LEAK": "x"})
    assert out == "".join(f"[{e}]\n" for e in env)


def test_home_comes_from_passwd_when_it_is_not_set(cay, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert "[HOME=/tmp]" in cay.out(bundle.args("probe", "env")).splitlines()


def test_finds_the_program_through_the_path_of_the_config(cay, bundle):
    (bundle.rootfs / "opt").mkdir()
    os.symlink("/bin/busybox", bundle.rootfs / "opt" / "echo")
    bundle.process["env"] = ["PATH=/nowhere:/opt"]
    assert cay.out(bundle.args("echo", "x")) == "x\n"


def test_enters_the_working_directory(cay, bundle):
    bundle.process["cwd"] = "/usr"
    assert cay.out(bundle.args("probe", "cwd")) == "/usr\n"


def test_makes_a_missing_working_directory(cay, bundle):
    bundle.process["cwd"] = "/made/for/me"
    assert cay.out(bundle.args("probe", "cwd")) == "/made/for/me\n"


def test_a_root_path_may_be_absolute(cay, bundle):
    bundle.config["root"]["path"] = str(bundle.rootfs)
    assert cay.out(bundle.args("echo", "x")) == "x\n"


def test_the_bundle_may_be_the_current_directory(cay, bundle):
    bundle.args("echo", "x").write()
    r = cay("run", cay.id(), cwd=bundle.path)
    assert (r.rc, r.out) == (0, "x\n"), r


# ---- credentials and limits -----------------------------------------------------------------

def test_becomes_the_user_with_its_additional_groups(cay, bundle):
    bundle.process["user"] = {"uid": 1234, "gid": 2345, "additionalGids": [7, 99, 70000]}
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    assert s["Uid"].split() == ["1234"] * 4
    assert s["Gid"].split() == ["2345"] * 4
    assert sorted(map(int, s["Groups"].split())) == [7, 99, 70000]


def test_has_no_groups_of_the_caller(cay, bundle):
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status"), extra_groups=[4, 24]))
    assert s["Groups"] == ""


@pytest.mark.parametrize("umask", [0, 0o22, 0o27, 0o777])
def test_sets_the_umask(cay, bundle, umask):
    bundle.process["user"]["umask"] = umask
    assert int(parse_status(cay.out(bundle.args("cat", "/proc/self/status")))["Umask"], 8) == umask


def test_umask_is_022_when_not_given(cay, bundle):
    out = cay.out(bundle.args("cat", "/proc/self/status"), preexec_fn=lambda: os.umask(0o77))
    assert int(parse_status(out)["Umask"], 8) == 0o22


def test_sets_every_resource_limit(cay, bundle):
    limits = {"AS": (1 << 32, 1 << 33), "CORE": (0, 0), "CPU": (100, 200), "DATA": (1 << 30, 1 << 31),
              "FSIZE": (1 << 20, 1 << 21), "LOCKS": (10, 20), "MEMLOCK": (4096, 8192),
              "MSGQUEUE": (1000, 2000), "NICE": (0, 0), "NOFILE": (100, 200), "NPROC": (50, 60),
              "RSS": (1 << 20, 1 << 21), "RTPRIO": (0, 0), "RTTIME": (1000, 2000),
              "SIGPENDING": (10, 20), "STACK": (1 << 20, 1 << 21)}
    bundle.process["rlimits"] = [{"type": f"RLIMIT_{k}", "soft": s, "hard": h}
                                 for k, (s, h) in limits.items()]
    got = dict((ln.split()[0], tuple(map(int, ln.split()[1:])))
               for ln in cay.out(bundle.args("probe", "rlimits")).splitlines())
    assert got == {f"RLIMIT_{k}": v for k, v in limits.items()}


def test_leaves_limits_that_are_not_given(cay, bundle):
    bundle.process["rlimits"] = []
    want = pathlib.Path("/proc/self/limits").read_text()
    assert cay.out(bundle.args("cat", "/proc/self/limits")) == want


@pytest.mark.parametrize("score", [0, 500, 1000])
def test_sets_the_oom_score(cay, bundle, score):
    bundle.process["oomScoreAdj"] = score
    assert cay.out(bundle.args("cat", "/proc/self/oom_score_adj")) == f"{score}\n"


SETS = {
    "typical": dict(bounding=["KILL", "CHOWN", "SETUID"], permitted=["KILL", "CHOWN"],
                    effective=["KILL"]),
    "none": dict(),
    "ambient": dict(bounding=["KILL", "CHOWN", "SETUID", "NET_RAW"],
                    permitted=["KILL", "CHOWN", "SETUID"], effective=["KILL", "CHOWN"],
                    inheritable=["KILL", "CHOWN"], ambient=["KILL"]),
    "inheritable": dict(bounding=["KILL", "CHOWN"], permitted=["KILL"], effective=["KILL"],
                        inheritable=["KILL"]),
    "only bounding": dict(bounding=["KILL", "MKNOD"]),
}


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("name", SETS)
def test_the_five_capability_sets_are_those_of_runc(cay, bundle, name, uid):
    bundle.process["capabilities"] = {k: [f"CAP_{c}" for c in v] for k, v in SETS[name].items()}
    bundle.process["user"] = {"uid": uid, "gid": uid}
    bundle.args("cat", "/proc/self/status")
    got, want = both(cay, bundle, lambda t: {k: v for k, v in parse_status(t).items()
                                             if k.startswith("Cap")})
    assert got == want


@pytest.mark.parametrize("uid", [0, 1000])
def test_capability_sets_follow_the_rules_of_execve(cay, bundle, uid):
    sets = SETS["ambient"]
    bundle.process["noNewPrivileges"] = False  # it would hold root at what was permitted before
    bundle.process["capabilities"] = {k: [f"CAP_{c}" for c in v] for k, v in sets.items()}
    bundle.process["user"] = {"uid": uid, "gid": uid}
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    got = {k: int(s[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    bounding = cap_mask(*sets["bounding"])
    # capabilities(7): root gets the bounding set; others what is ambient.
    power = bounding if uid == 0 else cap_mask("KILL")
    assert got == {"CapInh": cap_mask("KILL", "CHOWN"), "CapPrm": power, "CapEff": power,
                   "CapBnd": bounding, "CapAmb": cap_mask("KILL")}


def test_no_capability_when_the_config_names_none(cay, bundle):
    del bundle.process["capabilities"]
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    assert all(int(s[k], 16) == 0 for k in ("CapInh", "CapPrm", "CapEff", "CapAmb"))


def test_an_unknown_capability_is_not_silently_given_or_fatal(cay, bundle):
    bundle.caps("CAP_KILL", "CAP_OF_TOMORROW")
    r = cay.run(bundle.args("cat", "/proc/self/status"))
    # runc and crun warn and go on.
    assert r.rc == 0, r
    assert int(parse_status(r.out)["CapBnd"], 16) == cap_mask("KILL")


@pytest.mark.parametrize("on", [True, False])
def test_sets_no_new_privileges(cay, bundle, on):
    bundle.process["noNewPrivileges"] = on
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status")))
    assert s["NoNewPrivs"] == str(int(on))


def test_signal_dispositions_and_mask_are_the_default(cay, bundle):
    def reset():
        for n in range(1, signal.NSIG):
            if n not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(n, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    s = parse_status(cay.out(bundle.args("cat", "/proc/self/status"), preexec_fn=reset))
    assert [int(s[k], 16) for k in ("SigIgn", "SigBlk", "SigCgt")] == [0, 0, 0]


# ---- seccomp --------------------------------------------------------------------------------

def docker_like():
    """The allow list of containers-common (docker's), without its conditional rows."""
    path = pathlib.Path("/usr/share/containers/seccomp.json")
    if not path.exists():
        skip(str(path))
    rows = []
    for row in json.loads(path.read_text())["syscalls"]:
        if row.get("includes") or row.get("excludes") or row["action"] != "SCMP_ACT_ALLOW":
            continue
        rows.append({"names": [n for n in row["names"] if n not in ("mkdir", "mkdirat")],
                     "action": "SCMP_ACT_ALLOW",
                     **({"args": row["args"]} if row.get("args") else {})})
    rows.append({"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW"})  # conditional on amd64
    return {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": rows}


def test_a_filter_like_dockers_refuses_what_it_does_not_name(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    bundle.sh("probe mkdir /tmp/x; grep Seccomp: /proc/self/status")
    assert cay.out(bundle).split() == ["EPERM", "Seccomp:", "2"]


def test_32_bit_entry_is_refused_under_a_64_bit_filter(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    r = cay.run(bundle.args("probe", "syscall32", "20"))
    # The kernel may have no 32-bit entry; with one, the filter kills or refuses.
    assert r.rc in (128 + signal.SIGSYS, 128 + signal.SIGSEGV) or r.out in ("EPERM\n", "ENOSYS\n"), r


def test_a_filter_returns_the_errno_it_names(cay, bundle):
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
                     {"names": ["chdir"], "action": "SCMP_ACT_ERRNO"},
                     {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
                      "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}
    bundle.sh("probe mkdir /tmp/x; probe syscall 80 0; probe syscall 135 8; probe syscall 135 0xffffffff")
    assert cay.out(bundle).split() == ["EROFS", "EPERM", "EOPNOTSUPP", "ok"] or \
        cay.out(bundle).split() == ["EROFS", "EPERM", "ENOTSUP", "ok"]


def test_a_default_errno_is_the_one_that_is_named(cay, bundle):
    filt = docker_like()
    filt["defaultErrnoRet"] = 38
    bundle.linux["seccomp"] = filt
    assert cay.out(bundle.args("probe", "mkdir", "/tmp/x")) == "ENOSYS\n"


def test_a_filter_that_kills_kills(cay, bundle):
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    assert cay.run(bundle.args("probe", "mkdir", "/tmp/x")).rc == 128 + signal.SIGSYS


def test_the_same_filter_works_the_second_time_from_the_cache(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    bundle.args("probe", "mkdir", "/tmp/x")
    assert [cay.out(bundle) for _ in range(3)] == ["EPERM\n"] * 3


def test_a_changed_filter_is_not_answered_from_the_cache(cay, bundle):
    bundle.linux["seccomp"] = docker_like()
    bundle.args("probe", "mkdir", "/tmp/x")
    assert cay.out(bundle) == "EPERM\n"
    bundle.linux["seccomp"]["defaultErrnoRet"] = 13
    assert cay.out(bundle) == "EACCES\n"


def test_a_filter_without_no_new_privileges_is_loaded_too(cay, bundle):
    bundle.process["noNewPrivileges"] = False
    bundle.linux["seccomp"] = docker_like()
    assert cay.out(bundle.args("probe", "mkdir", "/tmp/x")) == "EPERM\n"


def test_an_ordinary_user_is_filtered_too(cay, bundle):
    for nnp in (True, False):
        bundle.process["noNewPrivileges"] = nnp
        bundle.process["user"] = {"uid": 1000, "gid": 1000}
        bundle.linux["seccomp"] = docker_like()
        assert cay.out(bundle.args("probe", "mkdir", "/tmp/x")) == "EPERM\n"


# ---- names, clocks, kernel settings ---------------------------------------------------------

def test_sets_the_hostname(cay, bundle):
    bundle.config["hostname"] = "robinson"
    assert cay.out(bundle.args("hostname")) == "robinson\n"
    assert os.uname().nodename != "robinson"


def test_sets_the_domainname(cay, bundle):
    cay_only("domainname")
    bundle.config["domainname"] = "sea.example"
    assert cay.out(bundle.args("cat", "/proc/sys/kernel/domainname")) == "sea.example\n"


def test_sets_sysctls_of_its_own_namespaces(cay, bundle):
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "65530",
                              "net.ipv4.ping_group_range": "0 7"}
    out = cay.out(bundle.sh("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax "
                            "net/ipv4/ping_group_range"))
    assert out.split() == ["1", "65530", "0", "7"]


def test_refuses_a_sysctl_of_the_host(cay, bundle):
    bundle.linux["sysctl"] = {"vm.swappiness": "61"}
    before = pathlib.Path("/proc/sys/vm/swappiness").read_text()
    line = cay.error_line(cay.run(bundle.args("true")))
    assert "vm.swappiness" in line
    assert pathlib.Path("/proc/sys/vm/swappiness").read_text() == before


def test_refuses_a_network_sysctl_without_its_own_network(cay, bundle):
    bundle.namespace("network", remove=True)
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    cay.error_line(cay.run(bundle.args("true")))


def test_clocks_are_offset(cay, bundle):
    cay_only("time namespaces")
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 1000000, "nanosecs": 5},
                                   "boottime": {"secs": 2000000}}
    mono, boot = map(int, cay.out(bundle.args("probe", "clocks")).split())
    assert 1000000 <= mono < 1000000 + 900000
    assert 2000000 <= boot < 2000000 + 900000


# ---- root and mounts ------------------------------------------------------------------------

def test_a_readonly_root_refuses_writes(cay, bundle):
    bundle.config["root"]["readonly"] = True
    assert cay.out(bundle.args("probe", "mkdir", "/x")) == "EROFS\n"


def test_a_writable_root_takes_writes(cay, bundle):
    assert cay.out(bundle.args("probe", "mkdir", "/x")) == "ok\n"
    assert (bundle.rootfs / "x").is_dir()


def test_the_root_of_the_host_is_gone(cay, bundle):
    out = cay.out(bundle.sh("cat /proc/self/mountinfo; ls /; ls /.. | sort | head -1"))
    rows = parse_mountinfo(out)
    assert rows[0]["target"] == "/"
    assert all(r["target"].startswith("/") and "//deleted" not in r["target"] for r in rows)
    assert "work" not in out.split()


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list"])
def test_a_masked_file_is_empty_and_can_not_be_written_through(cay, bundle, path):
    if not os.path.exists(path):
        path = "/proc/cmdline"
        bundle.linux["maskedPaths"].append(path)
    out = cay.out(bundle.sh(f"cat {path} | wc -c; stat -c '%t:%T' {path}"))
    assert out.split() == ["0", "1:3"]


def test_a_masked_directory_is_empty_and_readonly(cay, bundle):
    bundle.linux["maskedPaths"] = ["/proc/acpi", "/usr", "/sys/firmware"]
    (bundle.rootfs / "usr" / "x").write_text("secret")
    r = cay.out(bundle.sh("ls -A /usr /proc/acpi /sys/firmware | grep -v :; probe mkdir /usr/y"))
    assert r.split() == ["EROFS"]


def test_a_masked_path_that_is_not_there_is_no_error(cay, bundle):
    bundle.linux["maskedPaths"] = ["/not/there"]
    assert cay.out(bundle.args("echo", "ok")) == "ok\n"


def test_readonly_paths_are_readonly_and_keep_their_flags(cay, bundle):
    bundle.linux["readonlyPaths"] = ["/proc/sys", "/tmp", "/not/there", "/etc/passwd"]
    bundle.sh("probe mkdir /tmp/x; probe open /etc/passwd w; cat /proc/self/mountinfo")
    out = cay.out(bundle)
    assert out.split()[:2] == ["EROFS", "EROFS"]
    assert "ro" in mount_at(out, "/tmp")["options"]


DEVICES = ["null 1:3", "zero 1:5", "full 1:7", "random 1:8", "urandom 1:9", "tty 5:0"]


def test_the_default_devices_are_there(cay, bundle):
    bundle.sh("cd /dev; for d in null zero full random urandom tty; do "
              "stat -c '%n %t:%T %a %u:%g %F' $d; done; "
              "for l in fd stdin stdout stderr ptmx; do echo $l $(readlink $l); done")
    out = cay.out(bundle).splitlines()
    assert out[:6] == [f"{d} 666 0:0 character special file" for d in DEVICES]
    assert out[6:] == ["fd /proc/self/fd", "stdin /proc/self/fd/0", "stdout /proc/self/fd/1",
                       "stderr /proc/self/fd/2", "ptmx pts/ptmx"]


def test_devices_of_the_config_are_made(cay, bundle):
    bundle.linux["devices"] = [
        {"path": "/dev/loopy", "type": "c", "major": 10, "minor": 237, "fileMode": 0o640,
         "uid": 7, "gid": 8},
        {"path": "/dev/deep/er/block", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o620},
    ]
    out = cay.out(bundle.sh("stat -c '%t:%T %a %u:%g %F' /dev/loopy /dev/deep/er/block /dev/pipe"))
    assert out.splitlines() == ["a:ed 640 7:8 character special file",
                                "7:3 600 0:0 block special file", "0:0 620 0:0 fifo"]


def test_the_device_list_is_enforced(cay, bundle):
    bundle.linux["devices"] = [
        {"path": "/dev/msg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666},
        {"path": "/dev/hpet", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}]
    bundle.linux["resources"]["devices"] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"}]
    bundle.caps("CAP_MKNOD", "CAP_SYSLOG")
    bundle.sh("probe open /dev/msg r; probe open /dev/null w; probe open /dev/zero r; "
              "probe open /dev/hpet w; probe mknod /tmp/m c 1 11; probe mknod /tmp/vda b 254 0; "
              "probe open /tmp/vda r")
    out = cay.out(bundle).split()
    assert out[0] == "EPERM"
    assert out[1:3] == ["ok", "ok"]
    assert out[3] in ("EPERM",)
    # Making any node is allowed by runc's and podman's default rules, opening it is not.
    assert out[6] in ("EPERM", "ENOENT")


def test_an_allowed_device_can_be_opened(cay, bundle):
    bundle.linux["devices"] = [{"path": "/dev/msg", "type": "c", "major": 1, "minor": 11,
                                "fileMode": 0o666}]
    bundle.linux["resources"]["devices"] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}]
    bundle.caps("CAP_SYSLOG")
    assert cay.out(bundle.args("probe", "open", "/dev/msg", "w")) == "ok\n"


def test_the_default_mount_table_is_that_of_runc(cay, bundle):
    same_mounts(cay, bundle)


TMPFS_OPTIONS = ["defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync",
                 "async", "dirsync", "mand", "nomand", "atime", "noatime", "diratime", "nodiratime",
                 "relatime", "norelatime", "strictatime", "nostrictatime", "loud", "silent",
                 "iversion", "noiversion", "size=64k", "mode=700", "nr_inodes=100",
                 "private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave",
                 "runbindable"]
RUNC_LACKS = {"defaults", "loud", "silent"}


@pytest.mark.parametrize("option", TMPFS_OPTIONS)
def test_each_option_of_a_tmpfs_gives_the_mount_that_runc_gives(cay, bundle, option):
    if option in RUNC_LACKS:
        cay_only(option)
        bundle.mount("/mnt", type="tmpfs", source="tmpfs", options=[option])
        assert mount_at(cay.out(bundle.sh("cat /proc/self/mountinfo")), "/mnt")["type"] == "tmpfs"
        return
    bundle.mount("/mnt", type="tmpfs", source="tmpfs", options=["nosuid", "nodev", option])
    same_mounts(cay, bundle)


def test_a_tmpfs_has_the_mode_of_what_it_covers(cay, bundle):
    (bundle.rootfs / "usr").chmod(0o1771)
    for d in ("usr", "mnt", "new/dir"):
        bundle.mount(f"/{d}", type="tmpfs", source="tmpfs")
    bundle.mount("/var", type="tmpfs", source="tmpfs", options=["mode=700"])
    bundle.sh("stat -c %a /usr /mnt /new/dir /var")
    # runc 1.1 overrides even an explicit mode. A directory that it has to make gets 1777, with
    # crun 755: either is good.
    cay_only("explicit mode")
    got = cay.out(bundle).split()
    assert got[:2] + got[3:] == ["1771", "755", "700"]
    assert got[2] in ("755", "1777")


@pytest.mark.parametrize("option,shown", [("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"),
                                          ("rnoexec", "noexec"), ("rnoatime", "noatime"),
                                          ("rnodiratime", "nodiratime")])
def test_recursive_options_work_on_a_new_mount_too(cay, bundle, option, shown):
    cay_only("recursive options but of binds")
    bundle.mount("/mnt", type="tmpfs", source="tmpfs", options=[option])
    assert shown in mount_at(cay.out(bundle.sh("cat /proc/self/mountinfo")), "/mnt")["options"]


@pytest.mark.parametrize("options", [
    ["bind"], ["rbind"], ["bind", "ro"], ["rbind", "ro"], ["rbind", "rro"], ["bind", "nosuid", "nodev"],
    ["bind", "noexec"], ["rbind", "rprivate"], ["rbind", "rslave"], ["rbind", "rshared"],
    ["bind", "private"], ["bind", "slave", "ro"], ["rbind", "rnoexec", "rnosuid"],
    ["bind", "noatime"], ["bind", "unbindable"], ["bind", "nodiratime", "relatime"]],
    ids=",".join)
def test_each_option_of_a_bind_gives_the_mount_that_runc_gives(cay, bundle, options):
    src = cay.dir / "src"
    with host_tmpfs(src):
        (src / "sub").mkdir()
        with host_tmpfs(src / "sub", "-o", "size=1m"):
            bundle.mount("/mnt", type="bind", source=str(src), options=options)
            same_mounts(cay, bundle)


@pytest.mark.parametrize("how", ["private", "slave", "shared", "unbindable", "rprivate", "rslave",
                                 "rshared", None])
def test_the_propagation_of_the_root_is_that_of_runc(cay, bundle, how):
    if how:
        bundle.linux["rootfsPropagation"] = how
    if how not in ("shared", "rshared", "unbindable"):
        same_mounts(cay, bundle)
        return
    # runc 1.1 leaves a shared root private and fails on an unbindable one.
    cay_only(f"root propagation {how}")
    root = mount_at(cay.out(bundle.sh("cat /proc/self/mountinfo")), "/")
    assert root["optional"] == [how.removeprefix("r")]


def test_a_mount_of_the_host_appears_in_a_slave(cay, bundle):
    src = cay.dir / "src"
    with host_tmpfs(src):
        subprocess.run(["mount", "--make-shared", str(src)], check=True, timeout=TIMEOUT)
        (src / "late").mkdir()
        bundle.linux["rootfsPropagation"] = "slave"
        bundle.mount("/mnt", type="bind", source=str(src), options=["rbind", "rslave"])
        id = cay.start(bundle.args("sleep", "1000"))
        with host_tmpfs(src / "late"):
            (src / "late" / "seen").touch()
            assert cay.ok("exec", id, "ls", "/mnt/late").out == "seen\n"
        cay.destroy(id)


def test_readonly_all_the_way_down(cay, bundle):
    src = cay.dir / "src"
    with host_tmpfs(src):
        (src / "sub").mkdir()
        with host_tmpfs(src / "sub"):
            bundle.mount("/mnt", type="bind", source=str(src), options=["rbind", "rro"])
            bundle.mount("/tmp", type="bind", source=str(src), options=["rbind", "ro"])
            out = cay.out(bundle.sh("for d in /mnt /mnt/sub /tmp /tmp/sub; do probe mkdir $d/x; done"))
            assert out.split() == ["EROFS", "EROFS", "EROFS", "ok"]


def test_tmpcopyup_keeps_what_lay_below(cay, bundle):
    (bundle.rootfs / "usr" / "deep").mkdir()
    (bundle.rootfs / "usr" / "deep" / "file").write_text("text\n")
    (bundle.rootfs / "usr" / "deep" / "file").chmod(0o644)
    os.chown(bundle.rootfs / "usr" / "deep" / "file", 5, 6)
    os.symlink("deep/file", bundle.rootfs / "usr" / "link")
    bundle.mount("/usr", type="tmpfs", source="tmpfs", options=["tmpcopyup", "mode=755"])
    out = cay.out(bundle.sh("cat /usr/link; stat -c '%a %u:%g' /usr/deep/file; "
                            "readlink /usr/link; touch /usr/new; cat /proc/self/mountinfo"))
    assert out.splitlines()[:3] == ["text", "644 5:6", "deep/file"]
    assert mount_at(out, "/usr")["type"] == "tmpfs"
    assert not (bundle.rootfs / "usr" / "new").exists()


def test_a_file_is_bound_on_a_file_that_is_made(cay, bundle):
    f = cay.dir / "one"
    f.write_text("from the host\n")
    bundle.mount("/new/dir/file", type="bind", source=str(f), options=["bind", "ro"])
    assert cay.out(bundle.sh("cat /new/dir/file; probe open /new/dir/file w")) == \
        "from the host\nEROFS\n"
    assert (bundle.rootfs / "new/dir/file").read_text() == ""


def test_a_bind_source_may_be_relative_to_the_bundle(cay, bundle):
    (bundle.path / "data").mkdir()
    (bundle.path / "data" / "x").write_text("y\n")
    bundle.mount("/mnt", type="bind", source="data", options=["rbind"])
    assert cay.out(bundle.args("cat", "/mnt/x")) == "y\n"


def test_a_missing_bind_source_is_an_error_that_names_it(cay, bundle):
    bundle.mount("/mnt", type="bind", source="/not/there", options=["bind"])
    assert "/not/there" in cay.error_line(cay.run(bundle.args("true")))


@pytest.mark.parametrize("link,target", [("in", "/mnt"), ("up", "../../../../mnt"),
                                         ("relative", "mnt"), ("twice", "in")])
def test_a_symlink_in_a_target_stays_in_the_root(cay, bundle, link, target):
    os.symlink("/mnt", bundle.rootfs / "in")
    if link != "in":
        os.symlink(target, bundle.rootfs / link)
    bundle.mount(f"/{link}/data", type="tmpfs", source="tmpfs", options=["size=64k"])
    out = cay.out(bundle.sh("cat /proc/self/mountinfo"))
    assert mount_at(out, "/mnt/data")["type"] == "tmpfs"


def test_a_symlink_out_of_the_root_touches_nothing_outside(cay, bundle):
    outside = cay.dir / "outside"
    outside.mkdir()
    os.symlink(str(outside), bundle.rootfs / "out")
    bundle.mount("/out/data", type="tmpfs", source="tmpfs", options=["size=64k"])
    out = cay.out(bundle.sh("cat /proc/self/mountinfo"))
    assert mount_at(out, f"{outside}/data")["type"] == "tmpfs"
    assert list(outside.iterdir()) == []


def test_mounts_on_mounts_come_in_the_order_of_the_config(cay, bundle):
    bundle.mount("/mnt", type="tmpfs", source="one")
    bundle.mount("/mnt/in", type="tmpfs", source="two")
    bundle.mount("/mnt", type="tmpfs", source="three")
    rows = [r["source"] for r in parse_mountinfo(cay.out(bundle.sh("cat /proc/self/mountinfo")))
            if r["target"].startswith("/mnt")]
    assert rows == ["one", "two", "three"]


def test_an_unknown_mount_option_is_an_error(cay, bundle):
    bundle.mount("/mnt", type="tmpfs", source="tmpfs", options=["nonsense=1"])
    assert "nonsense" in cay.error_line(cay.run(bundle.args("true"))) or IS_RUNC


def test_a_mount_is_idmapped(cay, bundle):
    cay_only("idmapped mounts")
    src = cay.dir / "src"
    src.mkdir()
    (src / "f").touch()
    os.chown(src / "f", 0, 0)
    (src / "g").touch()
    os.chown(src / "g", 1000, 1000)
    maps = [{"containerID": 0, "hostID": 5000, "size": 2000}]
    bundle.mount("/mnt", type="bind", source=str(src), options=["bind"], uidMappings=maps,
                 gidMappings=maps)
    out = cay.out(bundle.sh("stat -c '%u:%g' /mnt/f /mnt/g"))
    assert out.split() == ["5000:5000", "6000:6000"]


def test_an_idmapped_mount_shows_the_containers_own_ids_in_a_user_namespace(cay, bundle):
    cay_only("idmapped mounts")
    src = cay.dir / "src"
    src.mkdir()
    (src / "f").touch()
    in_user_namespace(bundle)
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.mount("/mnt", type="bind", source=str(src), options=["bind", "idmap"], uidMappings=maps,
                 gidMappings=maps)
    bundle.mount("/tmp", type="bind", source=str(src), options=["bind"])
    out = cay.out(bundle.sh("stat -c '%u:%g' /mnt/f /tmp/f; touch /mnt/new"))
    assert out.split() == ["0:0", "65534:65534"]
    assert (src / "new").stat().st_uid == 0


def test_cgroups_are_mounted_readonly_and_only_their_own_part(cay, bundle):
    bundle.namespace("cgroup")
    bundle.mount("/sys/fs/cgroup", type="cgroup", source="cgroup",
                 options=["nosuid", "noexec", "nodev", "relatime", "ro"])
    same_mounts(cay, bundle)
    pids = "/sys/fs/cgroup/pids" if (CGROUP_ROOT / "pids").is_dir() else "/sys/fs/cgroup"
    out = cay.out(bundle.sh(f"cat {pids}/cgroup.procs; probe mkdir {pids}/x"))
    assert "1" in out.split()
    assert out.split()[-1] == "EROFS"


def test_cgroups_without_a_cgroup_namespace_are_those_of_runc(cay, bundle):
    bundle.mount("/sys/fs/cgroup", type="cgroup", source="cgroup",
                 options=["nosuid", "noexec", "nodev", "relatime", "ro"])
    if (CGROUP_ROOT / "cgroup.controllers").exists():
        # On v2 runc shows every cgroup of the host then; here, as on v1, it is the own one.
        id = cay.id()
        row = mount_at(cay.out(bundle.sh("cat /proc/self/mountinfo"), id=id), "/sys/fs/cgroup")
        assert row["root"].endswith(f"/{id}") and "ro" in row["options"]
        return
    same_mounts(cay, bundle)


# ---- namespaces -----------------------------------------------------------------------------

def links(kinds):
    return "for n in " + " ".join(NAMESPACES[k] for k in kinds) + \
        "; do echo $n $(readlink /proc/self/ns/$n); done"


def inside(out):
    return dict(ln.split() for ln in out.splitlines())


def outside(kinds, pid="self"):
    return {NAMESPACES[k]: os.readlink(f"/proc/{pid}/ns/{NAMESPACES[k]}") for k in kinds}


ALL = [k for k in NAMESPACES if not (IS_RUNC and k == "time")]


def in_user_namespace(bundle):
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.namespace("user")
    bundle.linux["uidMappings"] = maps
    bundle.linux["gidMappings"] = maps


def test_each_namespace_is_new(cay, bundle):
    for k in ALL:
        bundle.namespace(k)
    in_user_namespace(bundle)
    got, host = inside(cay.out(bundle.sh(links(ALL)))), outside(ALL)
    assert {k for k in got if got[k] == host[k]} == set()


@pytest.mark.parametrize("kind", [k for k in ALL if k not in ("mount", "user")])
def test_a_namespace_that_is_not_named_is_the_hosts(cay, bundle, kind):
    bundle.namespace(kind, remove=True)
    if kind == "uts":
        del bundle.config["hostname"]
    if kind == "network":  # sysfs wants its own network namespace
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] != "sysfs"]
    if kind == "ipc":
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] != "mqueue"]
    assert inside(cay.out(bundle.sh(links([kind])))) == outside([kind])


@pytest.mark.parametrize("kind", [k for k in ALL if k not in ("mount", "user")])
def test_a_namespace_is_joined_by_path(cay, bundle, kind):
    for k in ALL:
        if k != "user":
            bundle.namespace(k)
    host = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(host)
    guest = cay.bundle("guest").sh(links([kind]))
    # A clock namespace shows in the children; the joined one is that of the first process.
    guest.namespace(kind, f"/proc/{pid}/ns/{NAMESPACES[kind]}")
    if kind == "uts":
        del guest.config["hostname"]
    assert inside(cay.out(guest)) == outside([kind], pid)
    cay.destroy(host)


def test_a_user_namespace_is_joined_by_path(cay, bundle):
    cay_only("joined user namespace without mappings")
    in_user_namespace(bundle)
    host = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(host)
    guest = cay.bundle("guest").sh("cat /proc/self/uid_map; " + links(["user"]))
    guest.namespace("user", f"/proc/{pid}/ns/user")
    for k in ("network", "ipc", "uts"):
        guest.namespace(k, f"/proc/{pid}/ns/{NAMESPACES[k]}")
    del guest.config["hostname"]
    out = cay.out(guest).splitlines()
    assert out[0].split() == ["0", "100000", "65536"]
    assert inside(out[1]) == outside(["user"], pid)
    cay.destroy(host)


def test_a_pod_shares_network_ipc_uts_and_pid(cay, bundle):
    bundle.config["hostname"] = "pod"
    sandbox = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(sandbox)
    shared = ["network", "ipc", "uts", "pid"]
    guest = cay.bundle("guest").sh("hostname; " + links(shared) + "; cat /proc/1/cmdline; echo; echo $$")
    for k in shared:
        guest.namespace(k, f"/proc/{pid}/ns/{NAMESPACES[k]}")
    del guest.config["hostname"]
    lines = cay.out(guest).splitlines()
    assert lines[0] == "pod"
    assert inside("\n".join(lines[1:5])) == outside(shared, pid)
    assert lines[5].startswith("sleep")
    assert int(lines[6]) > 1
    assert cay.status(sandbox) == "running"
    cay.destroy(sandbox)


def test_a_guest_in_a_shared_pid_namespace_dies_with_all_its_processes(cay, bundle):
    sandbox = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(sandbox)
    guest = cay.bundle("guest").sh("sleep 2000 & sleep 3000 & wait")
    guest.namespace("pid", f"/proc/{pid}/ns/pid")
    id = cay.start(guest)
    wait_for(lambda: len(json.loads(cay.ok("ps", "--format", "json", id).out)) == 3, "three processes")
    cay.destroy(id)
    assert cay.status(sandbox) == "running"
    assert json.loads(cay.ok("ps", "--format", "json", sandbox).out) == [pid]
    cay.destroy(sandbox)


def test_the_path_of_a_wrong_namespace_is_an_error(cay, bundle):
    bundle.namespace("network", "/proc/self/ns/uts")
    cay.error_line(cay.run(bundle.args("true")))


def test_ids_are_mapped_in_a_user_namespace(cay, bundle):
    in_user_namespace(bundle)
    bundle.sh("cat /proc/self/uid_map /proc/self/gid_map; id -u; cat /proc/self/setgroups; "
              "stat -c %u:%g /proc/1 /bin/busybox; ls -l /dev/null; echo x > /dev/null && echo ok")
    out = cay.out(bundle).splitlines()
    assert out[0].split() == out[1].split() == ["0", "100000", "65536"]
    assert out[2:4] == ["0", "allow"]
    assert out[4] == "0:0"
    assert out[5] == "65534:65534"
    assert out[-1] == "ok"


def test_in_a_user_namespace_the_mount_table_is_that_of_runc(cay, bundle):
    in_user_namespace(bundle)
    same_mounts(cay, bundle)


def test_processes_of_a_user_namespace_have_mapped_ids_on_the_host(cay, bundle):
    in_user_namespace(bundle)
    bundle.process["user"] = {"uid": 5, "gid": 6, "additionalGids": [9]}
    id = cay.start(bundle.args("sleep", "1000"))
    s = parse_status(read(f"/proc/{cay.pid(id)}/status").decode())
    assert (s["Uid"].split()[0], s["Gid"].split()[0], s["Groups"]) == ("100005", "100006", "100009")
    cay.destroy(id)


# ---- cgroups --------------------------------------------------------------------------------

def value(pid, controller, name):
    f = cgroup_dirs_of(pid).get(controller, pathlib.Path("/nowhere")) / name
    if not f.parent.is_dir():
        skip(f"cgroup controller {controller}")
    if not f.exists():
        skip(f"{name} of this kernel")
    return f.read_text().strip()


def test_the_container_lives_in_a_cgroup_of_its_name(cay, bundle):
    id = cay.start(bundle.args("sleep", "1000"))
    dirs = cgroup_dirs_of(cay.pid(id))
    assert all(d.name == id for d in dirs.values() if d.is_dir()), dirs
    cay.destroy(id)


def test_the_cgroups_path_of_the_config_is_used(cay, bundle):
    path = f"/{cay.token}/deep/er"
    bundle.linux["cgroupsPath"] = path
    id = cay.start(bundle.args("sleep", "1000"))
    dirs = cgroup_dirs_of(cay.pid(id))
    assert str(dirs.get("pids") or dirs["unified"]).endswith(path)
    cay.destroy(id)
    # What lay above it is not the container's to remove: engines make it. Nothing of ours stays
    # in it, so it can go.
    for base in (CGROUP_ROOT, *CGROUP_ROOT.iterdir()):
        for d in (base / cay.token / "deep", base / cay.token):
            if d.is_dir():
                d.rmdir()


def test_memory_is_limited(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 64 << 20, "reservation": 32 << 20}
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    assert value(pid, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert value(pid, "memory", "memory.soft_limit_in_bytes") == str(32 << 20)
    cay.destroy(id)


def test_who_takes_more_memory_is_killed(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 32 << 20}
    assert cay.run(bundle.args("probe", "memory", "16")).out == "ok\n"
    assert cay.run(bundle.args("probe", "memory", "128")).rc == 128 + 9


def test_a_memory_limit_smaller_than_the_runtime_is_no_obstacle(cay, bundle):
    bundle.linux["resources"]["memory"] = {"limit": 4 << 20}
    assert cay.out(bundle.args("echo", "ok")) == "ok\n"


def test_the_number_of_processes_is_limited(cay, bundle):
    bundle.linux["resources"]["pids"] = {"limit": 10}
    assert int(cay.out(bundle.args("probe", "fork", "50"))) == 9
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "pids", "pids.max") == "10"
    cay.destroy(id)


def test_cpu_shares_and_quota_are_set(cay, bundle):
    bundle.linux["resources"]["cpu"] = {"shares": 512, "quota": 50000, "period": 100000}
    id = cay.start(bundle.args("sleep", "1000"))
    pid = cay.pid(id)
    assert value(pid, "cpu", "cpu.shares") == "512"
    assert value(pid, "cpu", "cpu.cfs_quota_us") == "50000"
    assert value(pid, "cpu", "cpu.cfs_period_us") == "100000"
    cay.destroy(id)


def test_the_cpu_set_is_that_of_the_config(cay, bundle):
    bundle.linux["resources"]["cpu"] = {"cpus": "1", "mems": "0"}
    if os.cpu_count() < 2:
        skip("a second CPU")
    assert parse_status(cay.out(bundle.args("cat", "/proc/self/status")))["Cpus_allowed_list"] == "1"


def test_block_io_is_limited(cay, bundle):
    dev = os.stat("/tmp").st_dev
    bundle.linux["resources"]["blockIO"] = {
        "throttleReadBpsDevice": [{"major": os.major(dev), "minor": os.minor(dev), "rate": 1048576}]}
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "blkio", "blkio.throttle.read_bps_device") == \
        f"{os.major(dev)}:{os.minor(dev)} 1048576"
    cay.destroy(id)


def test_huge_pages_are_limited_through_the_unified_hierarchy(cay, bundle):
    cay_only("hugetlb of a hybrid hierarchy")
    bundle.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "unified", "hugetlb.2MB.max") == str(4 << 20)
    cay.destroy(id)


def test_unified_values_are_written(cay, bundle):
    cay_only("unified values of a hybrid hierarchy")
    bundle.linux["resources"]["unified"] = {"hugetlb.2MB.max": str(6 << 20)}
    id = cay.start(bundle.args("sleep", "1000"))
    assert value(cay.pid(id), "unified", "hugetlb.2MB.max") == str(6 << 20)
    cay.destroy(id)


def test_a_unified_value_that_is_no_file_name_is_refused(cay, bundle):
    cay_only("unified values of a hybrid hierarchy")
    for key in ("../x", "a/b", "cgroup.procs/../x"):
        bundle.linux["resources"]["unified"] = {key: "1"}
        cay.error_line(cay.run(bundle.args("true")))


def test_a_cgroups_path_may_not_climb(cay, bundle):
    bundle.linux["cgroupsPath"] = f"/{cay.token}/../../{cay.token}-up"
    r = cay.run(bundle.sh("cat /proc/self/cgroup"))
    assert r.rc != 0 or "/../" not in r.out


# ---- hooks ----------------------------------------------------------------------------------

HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


def hooked(cay, bundle):
    """The log directory has the same name on both sides, so one script does for all kinds."""
    log = cay.dir / "log"
    log.mkdir(exist_ok=True)
    bundle.mount(str(log), type="bind", source=str(log), options=["bind", "rw"])
    return log


def test_hooks_run_in_order_and_get_the_state(cay, bundle):
    log = hooked(cay, bundle)
    bundle.config["annotations"] = {"org.cay.test": "a \"b\"\nc"}
    for k in HOOKS:
        bundle.hook(k, f"echo {k} >> {log}/order; cat > {log}/{k}")
        bundle.hook(k, f"echo {k}2 >> {log}/order; cat > /dev/null")
    id = cay.create(bundle.sh(f"echo program >> {log}/order"))
    pid = cay.pid(id)
    if IS_RUNC:  # runs the poststart hooks in create: opencontainers/runc#4347
        cay.destroy(id)
        return
    before = (log / "order").read_text().split()
    assert before == [k + n for k in HOOKS[:3] for n in ("", "2")]
    cay.ok("start", id)
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)
    after = (log / "order").read_text().split()[6:]
    assert [x for x in after if x not in ("program", "poststart", "poststart2")] == \
        ["startContainer", "startContainer2", "poststop", "poststop2"]
    assert after.index("program") > after.index("startContainer2")
    assert after.index("poststart2") == after.index("poststart") + 1 or "program" in after
    status = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
              "startContainer": "created", "poststart": "running", "poststop": "stopped"}
    for k in HOOKS:
        s = json.loads((log / k).read_text())
        assert s["id"] == id
        assert s["bundle"] == str(bundle.path)
        assert s["annotations"] == bundle.config["annotations"]
        assert s["ociVersion"]
        if not (IS_RUNC and k in ("startContainer", "poststart")):
            assert s["status"] == status[k], k
        if k in ("prestart", "createRuntime", "poststart"):
            assert s["pid"] == pid, k


def test_hooks_run_where_the_specification_says(cay, bundle):
    log = hooked(cay, bundle)
    for k in HOOKS:
        bundle.hook(k, f"readlink /proc/self/ns/mnt > {log}/{k}; cat >/dev/null", )
    bundle.sh(f"readlink /proc/self/ns/mnt > {log}/program")
    assert cay.run(bundle).rc == 0
    host = os.readlink("/proc/self/ns/mnt")
    seen = {k: (log / k).read_text().strip() for k in [*HOOKS, "program"]}
    for k in ("prestart", "createRuntime", "poststart", "poststop"):
        assert seen[k] == host, k
    for k in ("createContainer", "startContainer"):
        assert seen[k] == seen["program"] != host, k


def test_hooks_get_exactly_their_environment_and_arguments(cay, bundle):
    log = hooked(cay, bundle)
    for k in HOOKS:
        bundle.hook(k, f'echo "$0 $1" > {log}/{k}; env >> {log}/{k}',
                    env=[f"PATH={os.environ['PATH']}", "ONLY=this"])
        bundle.config["hooks"][k][0]["args"] += ["zero", "one"]
    assert cay.run(bundle.args("true"), env={**os.environ, "SECRET": "leak"}).rc == 0
    for k in HOOKS:
        lines = (log / k).read_text().splitlines()
        assert lines[0] == "zero one"
        assert "ONLY=this" in lines
        assert "SECRET=leak" not in lines


def test_hooks_have_no_descriptor_of_the_runtime(cay, bundle):
    cay_only("such care")
    log = hooked(cay, bundle)
    for k in HOOKS:
        bundle.hook(k, f"ls /proc/self/fd > {log}/{k}")
    assert cay.run(bundle.args("true")).rc == 0
    for k in HOOKS:
        fds = set((log / k).read_text().split())
        assert fds <= {"0", "1", "2", "3"}, (k, fds)  # 3: of ls itself


@pytest.mark.parametrize("kind", HOOKS[:4])
def test_a_hook_that_fails_stops_the_creation(cay, bundle, kind):
    log = hooked(cay, bundle)
    bundle.hook(kind, "cat >/dev/null; echo because >&2; exit 3")
    bundle.hook(kind, f"cat >/dev/null; touch {log}/second")
    r = cay.run(bundle.sh(f"touch {log}/program"))
    assert r.rc != 0, r
    assert list(log.iterdir()) == []
    if not IS_RUNC:
        assert kind in r.errlines[-1]
        assert "3" in r.errlines[-1]
    assert cay.ok("list", "-q").out == ""


def test_a_poststart_hook_that_fails_stops_the_container(cay, bundle):
    cay_only("poststart in start")
    bundle.hook("poststart", "exit 3")
    id = cay.create(bundle.args("sleep", "1000"))
    cay.fails("start", id)
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_a_poststop_hook_that_fails_changes_nothing(cay, bundle):
    log = hooked(cay, bundle)
    bundle.hook("poststop", "exit 3")
    bundle.hook("poststop", f"touch {log}/second")
    r = cay.run(bundle.sh("exit 5"))
    assert r.rc == 5, r
    if not IS_RUNC:
        assert "poststop" in r.err


@pytest.mark.parametrize("kind", HOOKS[:4])
def test_a_hook_that_takes_too_long_is_killed(cay, bundle, kind):
    hooked(cay, bundle)
    # exec: the sleeper is the hook; its name is searched for leaks through its environment.
    bundle.hook(kind, "exec sleep 1000", timeout=1, env=[f"PATH={os.environ['PATH']}", f"T={cay.token}"])
    r = cay.run(bundle.args("true"))
    assert r.rc != 0, r


def test_a_hook_that_reads_nothing_does_not_block(cay, bundle):
    bundle.config["annotations"] = {f"k{i}": "x" * 1000 for i in range(200)}
    for k in HOOKS:
        bundle.hook(k, "exit 0")
    assert cay.run(bundle.args("true")).rc == 0


def test_a_hook_that_is_not_there_is_an_error_that_names_it(cay, bundle):
    bundle.config["hooks"] = {"createRuntime": [{"path": "/not/there"}]}
    assert "/not/there" in cay.error_line(cay.run(bundle.args("true")))


def test_a_hook_may_ask_for_the_state(cay, bundle):
    cay_only("state before createRuntime")
    log = hooked(cay, bundle)
    bundle.hook("createRuntime", f"cat >/dev/null; {cay.program} --root {cay.root} state "
                                 f"{cay.token}-me > {log}/state")
    assert cay.run(bundle.args("true"), id=f"{cay.token}-me").rc == 0
    assert json.loads((log / "state").read_text())["status"] == "creating"


# ---- terminals and descriptors --------------------------------------------------------------

def test_a_terminal_goes_through_the_console_socket(cay, bundle):
    bundle.process["terminal"] = True
    bundle.process["consoleSize"] = {"height": 33, "width": 101}
    bundle.args("sh", "-c", "probe tty; read x; echo got $x; stat -c %t:%T /dev/console")
    bundle.write()
    with ConsoleSocket(cay.shm / "console") as s:
        id = cay.create(bundle, "--console-socket", s.path)
        fd, name = s.receive()
        try:
            assert os.isatty(fd)
            assert b"ptmx" in name or b"pts" in name
            cay.ok("start", id)
            out = read_fd(fd, until="session")
            os.write(fd, b"hello\n")
            out += read_fd(fd)
        finally:
            os.close(fd)
    assert "isatty 1 1 1" in out
    assert "ttyname /dev/pts/0" in out or "ttyname /dev/console" in out
    assert "size 33 101" in out
    assert "session 1 1" in out
    assert "got hello" in out
    cay.wait_status(id, "stopped")
    cay.ok("delete", id)


def test_run_gives_the_program_a_terminal(cay, bundle):
    bundle.process["terminal"] = True
    bundle.args("sh", "-c", "probe tty; read x; echo got $x; exit 6").write()
    rc, out = run_pty(cay.argv("run", "-b", bundle.path, cay.id()), input="hello\n")
    assert rc == 6, out
    assert "isatty 1 1 1" in out
    assert "size 31 97" in out
    assert "got hello" in out


def test_the_terminal_belongs_to_the_user(cay, bundle):
    bundle.process["terminal"] = True
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.args("sh", "-c", "stat -L -c '%u %a' /proc/self/fd/0; ls -l /dev/pts; echo x > $(tty)").write()
    rc, out = run_pty(cay.argv("run", "-b", bundle.path, cay.id()))
    assert rc == 0, out
    assert out.split()[0] == "1000", out


def test_run_without_a_terminal_at_hand_says_so(cay, bundle):
    bundle.process["terminal"] = True
    r = cay.run(bundle.args("echo", "x"))
    if r.rc == 0:  # crun and cay may give one anyway and copy
        assert "x" in r.out
    else:
        assert len(r.errlines) == 1, r


def test_create_with_a_terminal_needs_a_console_socket(cay, bundle):
    bundle.process["terminal"] = True
    bundle.args("true").write()
    line = cay.error_line(cay("create", "-b", bundle.path, cay.id()))
    assert "cannot allocate tty if" in line and "will detach without setting console socket" in line


def test_a_console_socket_without_a_terminal_is_refused(cay, bundle):
    bundle.args("true").write()
    with ConsoleSocket(cay.shm / "console") as s:
        cay.error_line(cay("create", "-b", bundle.path, "--console-socket", s.path, cay.id()))


def test_preserved_descriptors_go_through_and_no_more(cay, bundle):
    bundle.sh("cat <&4; probe fds").write()
    for name, n in (("a", 3), ("b", 4), ("c", 5)):
        (cay.dir / name).write_text(f"{n}\n")
    r = run(["sh", "-c", 'd=$1; shift; exec "$@" 3<$d/a 4<$d/b 5<$d/c', "sh", cay.dir,
             *cay.argv("run", "--preserve-fds", "2", "-b", bundle.path, cay.id())])
    assert r.rc == 0, r
    assert r.lines[0] == "4"
    assert [ln.split()[0] for ln in r.lines[1:]] == ["0", "1", "2", "3", "4"]


def test_a_descriptor_to_preserve_that_is_not_open_is_an_error(cay, bundle):
    cay_only("check of --preserve-fds")
    bundle.args("true").write()
    cay.error_line(cay("run", "--preserve-fds", "2", "-b", bundle.path, cay.id()))


def test_sockets_of_systemd_go_through(cay, bundle):
    bundle.sh("echo $LISTEN_FDS $LISTEN_PID $$; probe fds").write()
    (cay.dir / "a").write_text("a")
    r = run(["sh", "-c", 'd=$1; shift; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<$d/a 4<$d/a',
             "sh", cay.dir, *cay.argv("run", "-b", bundle.path, cay.id())])
    assert r.rc == 0, r
    assert r.lines[0] == "1 1 1"
    assert [ln.split()[0] for ln in r.lines[1:]] == ["0", "1", "2", "3"]


def test_the_pid_file_names_the_first_process(cay, bundle):
    path = cay.dir / "pid"
    id = cay.create(bundle.args("sleep", "1000"), "--pid-file", path)
    assert path.read_text() == str(cay.pid(id))
    assert stat.S_IMODE(path.stat().st_mode) & 0o022 == 0
    cay.destroy(id)


def test_a_pid_file_that_can_not_be_written_is_an_error(cay, bundle):
    bundle.args("sleep", "1000").write()
    r = cay.fails("create", "--pid-file", "/not/there/pid", "-b", bundle.path, cay.id())
    assert "/not/there" in r.err


def test_run_detached_leaves_it_running(cay, bundle):
    id = cay.id()
    bundle.args("sleep", "1000").write()
    with open(os.devnull, "r+b") as null:
        rc = subprocess.run(cay.argv("run", "-d", "-b", bundle.path, id), stdin=null, stdout=null,
                            timeout=TIMEOUT).returncode
    assert rc == 0
    assert cay.status(id) == "running"
    cay.destroy(id)


def test_run_keep_keeps_the_stopped_container(cay, bundle):
    id = cay.id()
    assert cay.run(bundle.sh("exit 3"), "--keep", id=id).rc == 3
    assert cay.status(id) == "stopped"
    cay.ok("delete", id)


def test_a_program_that_is_not_there_is_an_error_as_of_runc(cay, bundle):
    r = cay.run(bundle.args("nosuch"))
    assert r.rc != 0
    assert 'executable file not found in $PATH' in cay.error_line(r)


def test_pid_1_that_ends_takes_its_children_along(cay, bundle):
    r = cay.run(bundle.sh("sleep 1000 & sleep 1000 & exit 7"))
    assert r.rc == 7


def test_the_keyring_of_the_session_is_new(cay, bundle):
    bundle.args("probe", "keyring")
    a, b = cay.run(bundle), cay.run(bundle)
    if a.out.strip() == "-1":
        skip("keyrings in this kernel")
    assert a.out != b.out
