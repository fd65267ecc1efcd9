# SPDX-License-Identifier: Apache-2.0
"""Debian's dockerd with cay as an added runtime (`--add-runtime cay=PATH`, `docker run --runtime cay`).

The daemon has its own directories, socket, containerd and cgroup parent, no bridge and no iptables.
"""
import json
import os
import re
import shutil
import signal
import threading

import pytest

from apparmor import need_apparmor
from engine import RUNC, SLOW, Engine, call, limit_of, need_checkpoint, write_archive
from harness import CAY, CGROUP_ROOT, need, read, run_pty, skip, wait_for

IMAGE = "cay:test"
# Of `docker exec`; `docker run` has 127. Docker 20.10 says so for every runtime.
NOT_FOUND = 126
QUIET = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")


class Docker(Engine):
    def __init__(self):
        super().__init__("d")
        b = self.base
        # The client of the daemon's own version, where there is another one, too.
        self.client = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else shutil.which("docker")
        self.env.update(DOCKER_CONFIG=str(b / "client"), DOCKER_HOST=f"unix://{b}/docker.sock")
        for k in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
            self.env.pop(k, None)
        (b / "daemon.json").write_text(json.dumps({"deprecated-key-path": str(b / "key.json")}))
        self.daemon("dockerd", "--config-file", b / "daemon.json", "--iptables=false", "--ip6tables=false",
                    "--bridge=none", "--ip-forward=false", "--ip-masq=false", "--data-root", b / "root",
                    "--exec-root", b / "run", "--experimental",
                    "-p", b / "docker.pid", "-H", self.env["DOCKER_HOST"], "-G", "root",
                    "--exec-opt", "native.cgroupdriver=cgroupfs", "--storage-driver=overlay2",
                    "--cgroup-parent", f"/{self.token}", "--add-runtime", f"cay={CAY}",
                    "--add-runtime", f"recorded={self.recorder}")
        self.wait_ready(lambda: self("version"))
        self.ok("load", "-i", write_archive(b / "image.tar", {"Healthcheck": {"Test": ["NONE"]}}))

    def __call__(self, *args, **kw):
        return call([self.client, *args], self.env, **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, (r, self.log_end())
        return r

    def run_args(self, *options, runtime="cay"):
        return ["run", "--network=none", "--runtime", runtime, *options]

    def run(self, *args, runtime="cay", **kw):
        return self(*self.run_args("--rm", *args, runtime=runtime), **kw)

    def background(self, *options, command=("sleep", "1000"), runtime="cay"):
        return self.ok(*self.run_args("-d", *options, IMAGE, *command, runtime=runtime)).out.strip()

    def inspect(self, c, what):
        return self.ok("inspect", "-f", "{{" + what + "}}", c).out.strip()

    def pid(self, c):
        return int(self.inspect(c, ".State.Pid"))

    def remove(self, c):
        self.ok("rm", "-f", "-v", c)


@pytest.fixture(scope="module")
def docker():
    need("dockerd", "docker", "containerd", "busybox")
    d = Docker()
    yield d
    left = d.done()
    assert left == {}


@pytest.fixture(autouse=True)
def nothing_left(docker):
    """After each test: no container, no state of ours, no cgroup, no mount."""
    yield
    ids = docker.ok("ps", "-aq", "--no-trunc").out.split()
    for i in ids:
        docker("rm", "-f", "-v", i)
    assert ids == []
    docker.check_quiet(list((docker.base / "run").glob("runtime-*/moby")), "root/overlay2/")


def both(docker, *args, **kw):
    """The same under runc; returns what cay gave after comparing."""
    got = docker.run(*args, **kw)
    if RUNC:
        want = docker.run(*args, runtime="runc", **kw)
        assert (got.rc, got.out) == (want.rc, want.out), (got, want)
    return got


def test_cay_is_among_the_runtimes(docker):
    assert "cay" in docker.ok("info", "-f", "{{range $k, $v := .Runtimes}}{{$k}} {{end}}").out.split()


def test_echo(docker):
    assert both(docker, IMAGE, "echo", "hello").out == "hello\n"


def test_the_exit_status_of_the_program(docker):
    assert both(docker, IMAGE, "sh", "-c", "exit 42").rc == 42


def test_stdin_stdout_and_stderr(docker):
    r = both(docker, "-i", IMAGE, "sh", "-c", "cat; echo oops >&2", input="text\n")
    assert (r.out, r.err) == ("text\n", "oops\n"), r


def test_environment_user_and_directory(docker):
    r = both(docker, "-e", "A=b c", "-u", "1000:1000", "-w", "/tmp", "--hostname", "h", IMAGE, "sh", "-c",
             "echo $FROM $A; id -u; id -g; pwd; hostname; echo $HOME")
    assert r.out.splitlines()[:4] == ["image b c", "1000", "1000", "/tmp"], r


def test_a_terminal(docker):
    rc, out = run_pty([docker.client, *docker.run_args("--rm", "-t", IMAGE, "probe", "tty")], env=docker.env,
                      timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out and "session 1 1" in out, out


def test_an_interactive_terminal(docker):
    rc, out = run_pty([docker.client, *docker.run_args("--rm", "-it", IMAGE, "sh", "-c",
                                                "read x; echo got $x; exit 3")],
                      input="hello\n", env=docker.env, timeout=SLOW)
    assert rc == 3 and "got hello" in out, out


def test_what_is_inside_is_the_same_as_under_runc(docker):
    both(docker, "--hostname", "h", IMAGE, "sh", "-c",
         "grep -E 'Cap|NoNew|Seccomp|Umask|Groups' /proc/self/status; probe rlimits; env | sort; pwd; "
         "ls -l /dev | grep -v total; cat /proc/self/oom_score_adj; ls /proc/sys/kernel | wc -l; "
         "ls /proc/self/fd | wc -l; cat /etc/hostname")


def test_the_mount_points_are_those_of_runc(docker):
    def points(r):
        assert r.rc == 0, r
        return sorted(ln.split()[4] for ln in r.out.splitlines() if ln.split()[4] != "/sys/fs/cgroup/unified")
    args = (IMAGE, "cat", "/proc/self/mountinfo")
    got = points(docker.run(*args))
    if RUNC:
        assert got == points(docker.run(*args, runtime="runc"))


def test_privileged(docker):
    # Docker asks for capabilities that we may not have ourselves; runc fails then, where cay leaves them out.
    r = docker.run("--privileged", IMAGE, "sh", "-c",
                   "grep -E 'Cap|NoNew|Seccomp' /proc/self/status; probe mkdir /sys/fs/cgroup/x")
    assert "Seccomp:\t0" in r.out, r


def test_the_default_seccomp_filter(docker):
    script = "probe syscall 135 0x40000"
    assert docker.run("-u", "1000", IMAGE, "sh", "-c", script).out in ("EPERM\n", "ENOSYS\n")
    assert docker.run("-u", "1000", "--security-opt", "seccomp=unconfined", IMAGE, "sh", "-c", script).out == "ok\n"


def test_volumes(docker):
    d = docker.base / "volume"
    d.mkdir(exist_ok=True)
    (d / "file").write_text("from the host\n")
    r = both(docker, "-v", f"{d}:/mnt:ro", IMAGE, "sh", "-c", "cat /mnt/file; probe mkdir /mnt/x")
    assert r.out == "from the host\nEROFS\n"
    docker.ok("volume", "create", "--name", "vol")
    docker.ok(*docker.run_args("--rm", "-v", "vol:/data", IMAGE, "sh", "-c", "echo kept >/data/x"))
    assert both(docker, "-v", "vol:/data", IMAGE, "cat", "/data/x").out == "kept\n"
    docker.ok("volume", "rm", "vol")


def test_tmpfs_and_shm(docker):
    r = both(docker, "--tmpfs", "/t:size=1m,mode=1777", "--shm-size", "2m", IMAGE, "sh", "-c",
             "df -k /t /dev/shm | awk 'NR > 1 { print $2 }'; ls -ld /t | cut -c 1-10")
    assert r.out.split() == ["1024", "2048", "drwxrwxrwt"], r


def test_read_only_root(docker):
    assert both(docker, "--read-only", IMAGE, "probe", "mkdir", "/x").out == "EROFS\n"


def test_limits_arrive(docker):
    c = docker.background("--memory", "64m", "--cpus", "0.5", "--pids-limit", "20", "--cpuset-cpus", "0")
    pid = docker.pid(c)
    assert limit_of(pid, "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert limit_of(pid, "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert limit_of(pid, "pids.max", "pids.max") == "20"
    assert limit_of(pid, "cpuset.cpus", "cpuset.cpus") == "0"
    docker.remove(c)


def test_sysctl_ulimit_device_and_capability(docker):
    r = both(docker, "--sysctl", "net.ipv4.ip_unprivileged_port_start=80", "--ulimit", "nofile=100:200",
             "--device", "/dev/null:/dev/nothing", "--cap-drop", "ALL", "--cap-add", "CHOWN", IMAGE, "sh", "-c",
             "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ulimit -n; "
             "ls /dev/nothing; grep CapEff /proc/self/status")
    assert r.out.split() == ["80", "100", "/dev/nothing", "CapEff:", "0000000000000001"], r


COMPARED = {
    "no-new-privileges": ("--security-opt", "no-new-privileges"),
    "cgroup-namespace": ("--cgroupns", "private"),
    "groups": ("--group-add", "5", "--group-add", "1234", "-u", "1000"),
    "masks": ("--security-opt", "systempaths=unconfined"),
    "oom": ("--oom-score-adj", "500", "--memory", "64m", "--memory-reservation", "32m"),
    "cpu": ("--cpu-shares", "512", "--cpu-period", "50000", "--cpu-quota", "25000",
            "--cpuset-cpus", "0", "--cpuset-mems", "0"),
    "devices": ("--device-cgroup-rule", "c 10:229 rwm", "--device", "/dev/zero:/dev/z:r"),
    "hosts": ("--add-host", "there:10.0.0.1", "--dns", "10.0.0.2", "--domainname", "d", "--hostname", "h"),
    "mounts": ("--mount", "type=tmpfs,dst=/t,tmpfs-size=1m", "--mount", "type=bind,src=/etc/hostname,dst=/f,ro",
               "--mount", "type=bind,src=/etc,dst=/p,bind-propagation=rprivate"),
    "read-only": ("--read-only", "--tmpfs", "/run"),
}
LOOK = """grep -E 'Cap|NoNew|Seccomp|Groups|Cpus_allowed_list|Mems_allowed_list' /proc/self/status
cat /proc/self/oom_score_adj /etc/hosts /etc/resolv.conf /proc/sys/kernel/domainname; ls /dev
wc -c </proc/keys | grep -c '^0$'
probe mkdir /x; echo >/dev/z; dd if=/dev/z of=/dev/null bs=1 count=1; for f in cpu/cpu.shares cpu/cpu.cfs_quota_us
do cat /sys/fs/cgroup/$f; done; cut -d ' ' -f 5- /proc/self/mountinfo | grep -vE 'cgroup|overlay|^/proc|^/sys' | sort"""


@pytest.mark.parametrize("options", COMPARED.values(), ids=COMPARED)
def test_an_option_does_what_it_does_under_runc(docker, options):
    def plain(r):
        assert r.rc == 0, r
        text = r.out + r.err
        return re.sub(r"[0-9a-f]{64}|root/overlay2/[0-9a-f]+|^.*\t[0-9a-f]{12}$", "", text, flags=re.M).splitlines()
    args = (*(() if "--hostname" in options else ("--hostname", "h")), *options, IMAGE, "sh", "-c", LOOK)
    got = plain(docker.run(*args))
    if RUNC:
        assert got == plain(docker.run(*args, runtime="runc"))


def test_init_process(docker):
    if not (shutil.which("docker-init")):
        skip("docker-init")
    r = both(docker, "--init", IMAGE, "sh", "-c", "cat /proc/1/comm; exit 4")
    assert (r.rc, r.out) == (4, "docker-init\n"), r


def test_exec(docker):
    c = docker.background()
    r = docker("exec", "-i", "-u", "1000", "-w", "/tmp", "-e", "A=b", c, "sh", "-c",
               "id -u; pwd; echo $A; cat; exit 5", input="in\n")
    assert (r.rc, r.out.split()) == (5, ["1000", "/tmp", "b", "in"]), r
    assert docker("exec", c, "nosuch").rc == docker("exec", c, "/no/such").rc == NOT_FOUND
    assert docker("exec", c, "/etc/passwd").rc == 126
    rc, out = run_pty([docker.client, "exec", "-it", c, "probe", "tty"], env=docker.env, timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out and "session 1" in out, out
    r = docker.ok("exec", "--privileged", c, "grep", "CapEff", "/proc/self/status")
    assert r.out != docker.ok("exec", c, "grep", "CapEff", "/proc/self/status").out
    assert docker.ok("top", c).out.count("sleep 1000") == 1
    docker.remove(c)


def test_a_command_that_can_not_run_has_the_status_it_has_under_runc(docker):
    for command, status in (("nosuch", 127), ("/no/such", 127), ("/etc/passwd", 126), ("/etc", 126)):
        r = docker.run(IMAGE, command)
        assert r.rc == status, r
    assert "not found in $PATH" in docker.run(IMAGE, "nosuch").err


def test_stop_and_start_again(docker):
    c = docker.background(command=QUIET)
    docker.ok("stop", "-t", "20", c)
    assert docker.inspect(c, ".State.Status") + docker.inspect(c, ".State.ExitCode") == "exited0"
    docker.ok("start", c)
    assert docker.inspect(c, ".State.Running") == "true"
    docker.ok("restart", "-t", "20", c)
    assert docker.inspect(c, ".State.Running") == "true"
    docker.ok("kill", c)
    wait_for(lambda: docker.inspect(c, ".State.Status") == "exited", "the container to end")
    assert docker.inspect(c, ".State.ExitCode") == "137"
    docker.remove(c)


def test_kill_with_a_signal(docker):
    c = docker.background(command=("sh", "-c", "trap 'echo usr1; exit 6' USR1; "
                                              "echo ready; while :; do sleep 0.1; done"))
    wait_for(lambda: docker.ok("logs", c).out == "ready\n", "the trap")
    docker.ok("kill", "-s", "USR1", c)
    assert docker.ok("wait", c).out == "6\n"
    assert docker.ok("logs", c).out == "ready\nusr1\n"
    docker.remove(c)


def test_pause(docker):
    c = docker.background()
    docker.ok("pause", c)
    assert docker.inspect(c, ".State.Status") == "paused"
    assert docker("exec", c, "true").rc != 0
    docker.ok("unpause", c)
    assert docker.ok("exec", c, "echo", "on").out == "on\n"
    docker.remove(c)


def test_update(docker):
    c = docker.background("--memory", "64m", "--memory-swap", "64m")
    pid = docker.pid(c)
    docker.ok("update", "--memory", "96m", "--memory-swap", "96m", "--cpu-shares", "512", "--pids-limit", "33", c)
    assert limit_of(pid, "memory.limit_in_bytes", "memory.max") == str(96 << 20)
    assert limit_of(pid, "pids.max", "pids.max") == "33"
    docker.ok("update", "--memory", "48m", "--memory-swap", "48m", c)
    assert limit_of(pid, "memory.limit_in_bytes", "memory.max") == str(48 << 20)
    docker.remove(c)


def test_out_of_memory_is_told(docker):
    c = docker.background("--memory", "16m", "--memory-swap", "16m",
                          # The shim asks for the event once `start` has come back.
                          command=("sh", "-c", "sleep 2; exec dd if=/dev/zero of=/dev/null bs=64M count=1"))
    assert docker.ok("wait", c).out == "137\n"
    wait_for(lambda: docker.inspect(c, ".State.OOMKilled") == "true", "the engine to have been told")
    docker.remove(c)


def test_stats(docker):
    c = docker.background("--memory", "64m")
    form = "{{.MemUsage}} {{.PIDs}}"
    wait_for(lambda: docker.ok("stats", "--no-stream", "--format", form, c).out.endswith("64MiB 1\n"), "figures", SLOW)
    docker.remove(c)


def test_the_first_process_of_a_restart_policy_comes_back(docker):
    c = docker.background("--restart", "always")
    first = docker.pid(c)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: docker.pid(c) not in (0, first), "the restart")
    docker.remove(c)


def test_healthcheck(docker):
    c = docker.background("--health-cmd", "test -e /ok", "--health-interval", "0.2s", "--health-retries", "1")
    wait_for(lambda: docker.inspect(c, ".State.Health.Status") == "unhealthy", "ill health")
    docker.ok("exec", c, "touch", "/ok")
    wait_for(lambda: docker.inspect(c, ".State.Health.Status") == "healthy", "good health")
    docker.remove(c)


def test_copying_in_and_out(docker):
    c = docker.background()
    f = docker.base / "file"
    f.write_text("copied\n")
    docker.ok("cp", f, f"{c}:/tmp/x")
    assert docker.ok("exec", c, "cat", "/tmp/x").out == "copied\n"
    docker.ok("cp", f"{c}:/tmp/x", docker.base / "back")
    assert (docker.base / "back").read_text() == "copied\n"
    assert "A /tmp/x" in docker.ok("diff", c).out
    docker.remove(c)


def test_shared_namespaces(docker):
    c = docker.background("--hostname", "pod", "--ipc", "shareable")
    r = both(docker, f"--pid=container:{c}", f"--ipc=container:{c}", IMAGE, "sh", "-c",
             "grep -c . /dev/null; ps | grep -c '[s]leep 1000'; readlink /proc/self/ns/ipc")
    assert r.out.split()[1:] == ["1", os.readlink(f"/proc/{docker.pid(c)}/ns/ipc")], r
    docker.remove(c)


def test_the_namespaces_of_the_host(docker):
    r = both(docker, "--pid=host", "--ipc=host", "--uts=host", IMAGE, "sh", "-c",
             "for n in pid ipc uts; do readlink /proc/self/ns/$n; done")
    assert r.out.split() == [os.readlink(f"/proc/self/ns/{n}") for n in ("pid", "ipc", "uts")]


def test_a_host_pid_container_takes_its_children_along(docker):
    c = docker.background("--pid=host", command=("sh", "-c", "sleep 987 & sleep 986"))
    pid = docker.pid(c)
    children = wait_for(lambda: read(f"/proc/{pid}/task/{pid}/children").split(), "children")
    docker.ok("kill", c)
    wait_for(lambda: not [x for x in children if os.path.exists(f"/proc/{int(x)}")], "the children to die")
    docker.remove(c)


def test_a_daemon_that_comes_back_finds_its_containers(docker):
    """Without live-restore: what ran is ended, and can be started again."""
    c = docker.background(command=QUIET)
    os.kill(docker.daemons[0].pid, signal.SIGTERM)
    docker.daemons[0].wait(SLOW)
    assert [p for p in CGROUP_ROOT.glob(f"*/{docker.token}/*/")] == []
    argv = docker.daemons.pop().args
    docker.daemon(*argv)
    docker.wait_ready(lambda: docker("version"))
    assert docker.inspect(c, ".State.Status") == "exited"
    docker.ok("start", c)
    docker.remove(c)


def test_six_at_once(docker):
    got = {}
    ts = [threading.Thread(target=lambda n=n: got.update({n: docker.run(IMAGE, "sh", "-c", f"echo {n}; exit {n}")}))
          for n in range(1, 7)]
    for t in ts:
        t.start()
    for t in ts:
        t.join(SLOW)
    assert {n: (r.rc, r.out) for n, r in got.items()} == {n: (n, f"{n}\n") for n in range(1, 7)}


def test_the_calls_are_those_that_docker_is_known_for(docker):
    docker.calls.unlink(missing_ok=True)
    c = docker.background("--memory", "64m", "--memory-swap", "64m", runtime="recorded")
    docker.ok("exec", c, "true")
    docker.ok("top", c)
    docker.ok("update", "--memory", "80m", "--memory-swap", "80m", c)
    docker.ok("pause", c)
    docker.ok("unpause", c)
    docker.remove(c)
    calls = docker.recorded()
    for part in (" create --bundle ", f" start {c}", " exec --process ", f" update --resources - {c}", f" pause {c}",
                 f" resume {c}", f" delete {c}"):
        assert any(part in x for x in calls), (part, calls)


def test_the_default_profile_of_apparmor_confines(docker):
    need_apparmor()
    look = "cat /proc/self/attr/current; echo 0 2>/dev/null >/proc/sys/kernel/randomize_va_space || echo refused"
    c = docker.background(command=("sh", "-c", f"{look}; exec sleep 1000"))
    assert docker.ok("exec", c, "cat", "/proc/self/attr/current").out == "docker-default (enforce)\n"
    assert docker.ok("logs", c).out == "docker-default (enforce)\nrefused\n"
    docker.remove(c)


def test_checkpoint_and_restore(docker):
    need_checkpoint()
    c = docker.background("--security-opt", "seccomp=unconfined",
                          command=("sh", "-c", "n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done"))

    def count():
        return int((docker.ok("logs", "--tail", "1", c).out.split() or ["0"])[-1])
    wait_for(lambda: count() > 3, "the program to count")
    docker.ok("checkpoint", "create", c, "point")
    wait_for(lambda: docker.inspect(c, ".State.Status") == "exited", "the container to be gone")
    before = count()
    docker.ok("start", "--checkpoint", "point", c)
    wait_for(lambda: count() > before, "the program to go on counting")
    docker.remove(c)
