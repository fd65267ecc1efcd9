# SPDX-License-Identifier: Apache-2.0
"""Debian's buildah with cay as its runtime: `buildah run --runtime` and RUN lines of `buildah build`,
with --isolation oci (a container as podman's) and chroot beside it for the comparison."""
import pytest

from engine import RUNC, SLOW, Engine, call, write_archive
from harness import CAY, cap_mask, need, run_pty

NAME = "localhost/cay-base"


class Buildah(Engine):
    def __init__(self):
        super().__init__("b")
        b, self.shared = self.base, "none"
        (b / "tmp").mkdir()
        (b / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
        (b / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
        (b / "storage.conf").write_text('[storage]\ndriver = "overlay"\n')
        self.env.update(CONTAINERS_CONF=str(b / "containers.conf"), TMPDIR=str(b / "tmp"), BUILDAH_RUNTIME=CAY,
                        CONTAINERS_STORAGE_CONF=str(b / "storage.conf"), BUILDAH_ISOLATION="oci")
        self.ok("pull", "--quiet", f"docker-archive:{write_archive(b / 'image.tar')}")

    def argv(self, *args):
        command, *rest = args
        policy = ["--signature-policy", self.base / "policy.json"] \
            if command in ("pull", "from", "build", "commit") else []
        return ["buildah", "--root", self.base / "root", "--runroot", self.base / "run", "--storage-driver=overlay",
                command, *policy, *rest]

    def __call__(self, *args, env=None, **kw):
        return call(self.argv(*args), {**self.env, **(env or {})}, **kw)

    def ok(self, *args, **kw):
        r = self(*args, **kw)
        assert r.rc == 0, r
        return r

    def start(self, *options):
        return self.ok("from", "--pull-never", "--cgroup-parent", f"/{self.token}", *options, "cay:test").out.strip()

    def build(self, dockerfile, *options, **kw):
        d = self.base / "context"
        d.mkdir(exist_ok=True)
        (d / "Dockerfile").write_text(dockerfile)
        return self("build", "--pull-never", "--no-cache", "--network=none", "--cgroup-parent", f"/{self.token}",
                    *options, d, **kw)


@pytest.fixture(scope="module")
def buildah():
    need("buildah", "busybox")
    b = Buildah()
    yield b
    b("rm", "-a")
    b("rmi", "-af")
    left = b.done()
    assert left == {}


@pytest.fixture(autouse=True)
def nothing_left(buildah):
    yield
    ids = [c for c in buildah.ok("containers", "-q").out.split() if c != buildah.shared]
    assert ids == []
    buildah.check_quiet([], "run/")


@pytest.fixture(scope="module")
def working(buildah):
    """A working container for tests that leave it as it was."""
    c = buildah.start()
    buildah.shared = buildah.ok("inspect", "-f", "{{.ContainerID}}", c).out.strip()
    yield c
    buildah.ok("rm", c)


@pytest.fixture
def fresh(buildah):
    """A working container of one's own."""
    c = buildah.start()
    yield c
    buildah.ok("rm", c)


def both(buildah, *args, **kw):
    """The same under runc; returns what cay gave after comparing."""
    got = buildah("run", *args, **kw)
    if RUNC:
        want = buildah("run", *args, env={"BUILDAH_RUNTIME": RUNC}, **kw)
        assert (got.rc, got.out) == (want.rc, want.out), (got, want)
    return got


def test_echo_and_status(buildah, working):
    r = both(buildah, working, "--", "sh", "-c", "echo hello; exit 42")
    assert (r.rc, r.out) == (42, "hello\n"), r


def test_stdin(buildah, working):
    assert both(buildah, working, "cat", input="text\n").out == "text\n"


def test_terminal(buildah, working):
    rc, out = run_pty(buildah.argv("run", "-t", working, "probe", "tty"), env=buildah.env, timeout=SLOW)
    assert rc == 0 and "isatty 1 1 1" in out and "session 1 1" in out, out


def test_user_directory_environment_and_hostname(buildah, fresh):
    buildah.ok("config", "--user", "1000:1000", "--workingdir", "/tmp", "--env", "A=b c", fresh)
    r = both(buildah, "--hostname", "h", fresh, "sh", "-c", "id -u; id -g; pwd; echo $A; hostname")
    assert r.out.splitlines() == ["1000", "1000", "/tmp", "b c", "h"], r


def test_volume(buildah, working):
    d = buildah.base / "volume"
    d.mkdir(exist_ok=True)
    (d / "file").write_text("from the host\n")
    r = both(buildah, "-v", f"{d}:/mnt:ro", working, "sh", "-c", "cat /mnt/file; probe mkdir /mnt/x")
    assert r.out == "from the host\nEROFS\n", r


def test_what_is_inside_is_the_same_as_under_runc(buildah, working):
    r = both(buildah, "--hostname", "h", working, "sh", "-c",
             "grep -E 'Cap|NoNew|Seccomp|Umask|Groups' /proc/self/status; probe rlimits; env | sort; pwd; "
             "ls -l /dev | grep -v total; ls /proc/self/fd | wc -l; "
             "cut -d ' ' -f 5 /proc/self/mountinfo | grep -v unified | sort")
    assert r.rc == 0, r


def test_capabilities(buildah, working):
    r = both(buildah, "--cap-drop", "CAP_CHOWN", "--cap-add", "CAP_NET_ADMIN", working,
             "grep", "CapEff", "/proc/self/status")
    assert int(r.out.split()[1], 16) & (cap_mask("CHOWN", "NET_ADMIN")) == cap_mask("NET_ADMIN"), r


def test_a_memory_limit(buildah):
    c = buildah.start("--memory", "64m")
    r = both(buildah, c, "sh", "-c",
             "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null")
    buildah.ok("rm", c)
    assert r.out.split() == [str(64 << 20)], r


def test_a_command_that_is_not_there(buildah, working):
    r = buildah("run", working, "nosuch")
    assert r.rc != 0 and "not found in $PATH" in r.err, r


def test_what_run_changes_is_committed(buildah, fresh):
    buildah.ok("run", fresh, "sh", "-c", "echo made >/made")
    buildah.ok("commit", "--rm=false", fresh, NAME)
    c = buildah.ok("from", "--pull-never", "--cgroup-parent", f"/{buildah.token}", NAME).out.strip()
    assert buildah.ok("run", c, "cat", "/made").out == "made\n"
    buildah.ok("rm", c)
    buildah.ok("rmi", NAME)


DOCKERFILE = """FROM cay:test
ENV A=b
RUN echo $A $FROM > /built && id -u >> /built
RUN --mount=type=tmpfs,target=/mnt mkdir /mnt/x
USER 1000
WORKDIR /tmp
RUN id -u > who && pwd >> who
"""


def test_a_dockerfile(buildah):
    r = buildah.build(DOCKERFILE, "-t", NAME)
    assert r.rc == 0, r
    c = buildah.ok("from", "--pull-never", "--cgroup-parent", f"/{buildah.token}", NAME).out.strip()
    assert buildah.ok("run", c, "cat", "/built", "/tmp/who").out.split() == ["b", "image", "0", "1000", "/tmp"]
    assert buildah("run", c, "test", "-e", "/mnt/x").rc == 1
    buildah.ok("rm", c)
    buildah.ok("rmi", NAME)


def test_a_failing_line_fails_the_build_with_its_status(buildah):
    r = buildah.build("FROM cay:test\nRUN exit 9\n", "-t", NAME)
    assert r.rc == 9, r
    assert 'RUN exit 9' in r.err or "exit status 9" in r.err, r


def test_a_dockerfile_with_a_user_namespace(buildah):
    r = buildah.build("FROM cay:test\nRUN cat /proc/self/uid_map\n", "--userns-uid-map", "0:100000:5000",
                      "--userns-gid-map", "0:100000:5000")
    assert r.rc == 0 and "100000" in r.out, r
    buildah.ok("rmi", "-f", buildah.ok("images", "-q", "--filter", "dangling=true").out.split()[0])
