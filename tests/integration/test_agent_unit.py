# SPDX-License-Identifier: Apache-2.0
"""contrib/systemd/cay-agent.service: what it takes away from the agent, the agent does not need."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types

import pytest

import confine
import harness
from agent import BASE, CALLS, Agent, User, ask, ext4, rootless_bundle
from harness import CAY, HERE, need, wait_for

TEMPLATE = HERE.parents[1] / "contrib/systemd/cay-agent.service.in"
pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
POLICY = "default deny\n" + BASE + """allow mount tmpfs on /mnt/** size<=1M
allow mount bind from /tmp/** on /mnt/**
allow mknod c 1:3
allow socket inet icmp
allow socket inet udp
allow socket inet raw icmp
allow connect udp 127.0.0.1:*
allow sched fifo priority<=10
allow sched cpus 0
allow xattr trusted.overlay.opaque
allow chown /mnt/**
allow view sysinfo cpuinfo
allow bpf device load
allow mount ext4 from ** on /mnt/** shift options remount
"""


@pytest.fixture
def unit(tmp_path):
    path = tmp_path / "cay-agent.service"
    path.write_text(TEMPLATE.read_text().replace("@BINDIR@", str(pathlib.Path(CAY).parent)))
    return path


class Service(Agent):
    """As the unit would start it."""

    def __init__(self, cay, policies, unit):
        self.around = ("unshare", "-m", "-n", "-i", "-u", "--propagation", "slave", sys.executable, HERE / "confine.py",
                       unit, cay.dir)
        super().__init__(cay, policies)


class Started(Agent):
    """By systemd itself, under names of its own."""

    def __init__(self, cay, policies, unit):
        self.name = f"cay-agent-test-{os.getpid()}"
        self.unit = pathlib.Path(f"/run/systemd/system/{self.name}.service")
        self.unit.write_text(re.sub(r"(Directory=|/etc/|/run/|/var/log/)cay\b", rf"\1{self.name}", unit.read_text()))
        self.cay, self.process = cay, None
        self.dir, self.sock = pathlib.Path(f"/etc/{self.name}/policy.d"), f"/run/{self.name}/agent.sock"
        self.audit = pathlib.Path(f"/var/log/{self.name}/agent.log")
        self.log = cay.dir / "agent.log"
        self.dir.mkdir(parents=True)
        for name, text in policies.items():
            self.write(name, text)
        self.control("daemon-reload")
        self.control("start", self.name)
        wait_for(self.answers, "the agent")
        self.process = types.SimpleNamespace(pid=int(self.control("show", "-P", "MainPID", self.name)))

    def control(self, *args):
        r = harness.run(["systemctl", *args], timeout=90)
        assert r.rc == 0, (r, harness.run(["journalctl", "-u", self.name]).out)
        return r.out

    def __exit__(self, kind, *more):
        if kind:
            print(harness.run(["journalctl", "-u", self.name]).out)
        self.control("stop", self.name)
        self.unit.unlink()
        for top in "/etc", "/run", "/var/log":
            shutil.rmtree(f"{top}/{self.name}", ignore_errors=True)
        self.control("daemon-reload")


def test_systemd_understands_the_unit(unit):
    need("systemd-analyze")
    shutil.which("man") or unit.write_text(unit.read_text().replace("Documentation=man:cay-agent(1)\n", ""))
    r = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    said = [ln for ln in r.stderr.splitlines() if "cay-agent" in ln]
    assert not [ln for ln in said if "man " not in ln], r


def test_nothing_is_set_that_would_hold_for_containers_too(unit):
    s = confine.settings(unit)
    for name in ("PrivateDevices", "DeviceAllow", "DevicePolicy", "ProtectClock", "IPAddressDeny", "IPAddressAllow",
                 "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RestrictFileSystems", "ProtectProc"):
        assert name not in s, name


@pytest.mark.parametrize("service", [Service, Started])
def test_the_agent_does_all_its_work_inside_the_unit(cay, unit, loop, service):
    need("setpriv", "unshare", "systemd-analyze")
    if service is Started and not os.path.isdir("/run/systemd/system"):
        harness.skip("a running systemd")
    user = User(cay)
    with service(cay, {"a": POLICY}, unit) as agent:
        status = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
        b = ask(rootless_bundle(cay, uid=user.uid), agent.sock, "a", [*CALLS, "chown", "chmod", "sysinfo", "open", "openat"])
        (b.rootfs / "mnt/x").mkdir()
        (b.rootfs / "mnt/y").mkdir()
        b.mount("/dev/disk", type="bind", source=loop(ext4(cay)), options=["bind"])
        a = user.start(b.args("sleep", "1000"))
        r = user.sh(a, "ask mount t /mnt/x tmpfs 0 size=64k; echo hello >/mnt/x/f; mkdir /tmp/d; echo seen >/tmp/d/f; "
                       "ask mount /tmp/d /mnt/y '' 4096 ''; cat /mnt/x/f /mnt/y/f; ask mount t /etc tmpfs 0 ''; umount /mnt/y; "
                       "ask mknod /tmp/null c 1 3; echo lost >/tmp/null; ask mknod /tmp/sda b 8 0; "
                       "ask socket 2 2 1; ask socket 2 3 1; ask socket 17 3 768; ask affinity 0; ask affinity 1")
        assert r.lines == ["ok", "ok", "hello", "seen", "EPERM", "ok", "EPERM", "ok", "ok", "EPERM", "ok", "EPERM"], (r, agent.records())
        if subprocess.run(["chrt", "-f", "5", "true"], capture_output=True).returncode == 0:
            assert user.sh(a, "ask sched 1 5; ask sched 1 50").lines == ["ok", "1 5", "EPERM", "0 0"]
        # 4129 is MS_REMOUNT | MS_BIND | MS_RDONLY.
        assert user.sh(a, "ask mount /dev/disk /mnt/y ext4 0 ''; touch /mnt/y/f; ask mount '' /mnt/y '' 4129 ''; touch /mnt/y/g || ls /mnt/y; ask umount /mnt/y 0; "
                          "ask setxattr path /mnt/x/d trusted.overlay.opaque y; mkdir /mnt/x/d; ask setxattr path /mnt/x/d trusted.overlay.opaque y"
                       ).lines == ["ok", "ok", "f", "lost+found", "ok", "ENOENT", "ok"], agent.records()
        assert user.sh(a, "ask bpf load ''; ask bpf load call").lines == ["ok", "EPERM"], agent.records()
        r = user.sh(a, "touch /mnt/new; ask owner /mnt/new 5 6; chmod 604 /mnt/new; ask owner /etc 5 6; ask sysinfo | wc -w; ask view open /proc/cpuinfo")
        assert r.lines[:3] == ["ok", "EPERM", "4"] and "memfd:cpuinfo" in r.lines[3], (r, agent.records())
        assert os.getxattr(b.rootfs / "mnt/new", "user.containers.override_stat") == b"5:6:0604"
        agent.write("a", "default deny\n")
        if service is Started:
            agent.control("reload", agent.name)
        else:
            agent.ok("reload")
        assert user.sh(a, "ask mknod /tmp/other c 1 3").lines == ["EPERM"]
        assert 'cay_agent_calls_total{call="mount",verdict="allow"} 4' in agent.ok("metrics")
        user.delete(a)
