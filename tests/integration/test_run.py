# SPDX-License-Identifier: Apache-2.0
"""`run`: what the program sees of its arguments, streams, terminal and descriptors."""
import os
import signal
import stat
import subprocess

import pytest

from harness import ConsoleSocket, TIMEOUT, cay_only, read_fd, run, run_pty, skip, wait_for


# ---- the program and its streams ------------------------------------------------------------------

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


def test_makes_a_missing_working_directory_in_a_readonly_root(cay, bundle):
    bundle.config["root"]["readonly"] = True
    bundle.process["cwd"] = "/made/for/me"
    out = cay.out(bundle.args("sh", "-c", "probe cwd; touch x || echo readonly")).splitlines()
    assert out == ["/made/for/me", "readonly"]


def test_of_two_values_of_a_variable_the_program_gets_the_last(cay, bundle):
    bundle.process["env"] += ["A=1", "AB=2", "A=3", "TERM=vt100"]
    env = [x for x in cay.out(bundle.args("cat", "/proc/self/environ")).split("\0") if x]
    assert sorted(x for x in env if x.startswith("A")) == ["A=3", "AB=2"]
    assert [x for x in env if x.startswith("TERM=")] == ["TERM=vt100"]
    assert len({x.partition("=")[0] for x in env}) == len(env)


def test_a_root_path_may_be_absolute(cay, bundle):
    bundle.config["root"]["path"] = str(bundle.rootfs)
    assert cay.out(bundle.args("echo", "x")) == "x\n"


def test_the_bundle_may_be_the_current_directory(cay, bundle):
    bundle.args("echo", "x").write()
    r = cay("run", cay.id(), cwd=bundle.path)
    assert (r.rc, r.out) == (0, "x\n"), r


# ---- terminals and descriptors --------------------------------------------------------------------

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
    r = run(["sh", "-c", 'exec 3</dev/null; exec "$@"', "sh", *cay.argv("run", "--preserve-fds", "2", "-b", bundle.path, cay.id())])
    assert "fd 4, to be passed to the container (preserved-fd 1), is not open" in cay.error_line(r)
    r = run(["sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh", *cay.argv("run", "-b", bundle.path, cay.id())])
    assert "fd 3, one of LISTEN_FDS, is not open" in cay.error_line(r)


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


@pytest.mark.parametrize("path", ["link", "link/", "link/.", "{dir}/link", "{dir}/link//./"])
@pytest.mark.parametrize("user", [False, True])
def test_a_root_that_is_a_symlink_is_refused(cay, bundle, path, user):
    """Whoever can put a link in its place would choose another root: runc refuses it, too."""
    if user:
        bundle.namespace("user")
        for k in ("uidMappings", "gidMappings"):
            bundle.linux[k] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    (bundle.path / "link").symlink_to(bundle.rootfs)
    bundle.config["root"]["path"] = path.format(dir=bundle.path)
    bundle.args("true").write()
    assert "a symlink" in cay.error_line(cay("run", "-b", bundle.path, cay.id()))


def test_a_symlink_on_the_way_to_the_root_is_followed(cay, bundle):
    cay_only("as crun")
    (bundle.path / "here").symlink_to(".")
    bundle.config["root"]["path"] = f"here/{bundle.rootfs.name}/"
    assert cay.out(bundle.args("echo", "yes")) == "yes\n"
