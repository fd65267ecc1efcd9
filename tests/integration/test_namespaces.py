# SPDX-License-Identifier: Apache-2.0
"""Each namespace: new, the host's, joined."""
import json
import os
import subprocess

import pytest

from harness import IS_RUNC, cay_only, in_user_namespace, our_mounts, parse_status, read, same_mounts, wait_for


NAMESPACES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt",
              "cgroup": "cgroup", "user": "user", "time": "time"}


def links(kinds):
    return "for n in " + " ".join(NAMESPACES[k] for k in kinds) + \
        "; do echo $n $(readlink /proc/self/ns/$n); done"


def inside(out):
    return dict(ln.split() for ln in out.splitlines())


def outside(kinds, pid="self"):
    return {NAMESPACES[k]: os.readlink(f"/proc/{pid}/ns/{NAMESPACES[k]}") for k in kinds}


ALL = [k for k in NAMESPACES if not (IS_RUNC and k == "time")]


def test_each_namespace_is_new(cay, bundle):
    for k in ALL:
        bundle.namespace(k)
    in_user_namespace(bundle)
    got, host = inside(cay.out(bundle.sh(links(ALL)))), outside(ALL)
    assert {k for k in got if got[k] == host[k]} == set()


@pytest.mark.parametrize("user", [False, True])
def test_a_new_network_can_talk_to_itself(cay, bundle, user):
    """Its loopback interface is up, as runc and crun leave it."""
    if user:
        in_user_namespace(bundle)
    assert cay.out(bundle.sh("probe count tcp | head -n 2")) == "1\n2\n"


# runc makes the mounts on the host then, and leaves them there.
@pytest.mark.parametrize("kind", [k for k in ALL if k != "user" and not (IS_RUNC and k == "mount")])
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


@pytest.mark.parametrize("way", ["new", "joined"])
def test_clocks_are_offset_in_a_user_namespace(cay, bundle, way):
    """The file of the offsets belongs to the host's root as soon as a process has changed its ids."""
    cay_only("time namespaces")
    in_user_namespace(bundle)
    guest = bundle
    if way == "joined":
        host = cay.start(bundle.args("sleep", "1000"))
        guest = cay.bundle("guest")
        guest.namespace("user", f"/proc/{cay.pid(host)}/ns/user")
    guest.namespace("time")
    guest.linux["timeOffsets"] = {"monotonic": {"secs": 1000}, "boottime": {"secs": 2000, "nanosecs": 7}}
    out = cay.out(guest.sh("cat /proc/self/timens_offsets; readlink /proc/self/ns/time; cat /proc/self/uid_map"))
    lines = [ln.split() for ln in out.splitlines()]
    assert lines[:2] == [["monotonic", "1000", "0"], ["boottime", "2000", "7"]]
    assert lines[2] != [os.readlink("/proc/self/ns/time")] and lines[3] == ["0", "100000", "65536"]
    if way == "joined":
        cay.destroy(host)


@pytest.mark.parametrize("cwd", ["/", "/etc"])
def test_without_a_mount_namespace_the_root_is_the_root_all_the_same(cay, bundle, cwd):
    """A chroot to wherever the caller happens to stand would be the host."""
    cay_only("a container without a mount namespace")
    bundle.namespace("mount", remove=True).config["mounts"] = []
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    assert sorted(cay.out(bundle.args("ls", "-A", "/"), cwd=cwd).split()) == sorted(os.listdir(bundle.rootfs))


def test_in_the_hosts_mount_namespace_are_mounts_that_the_host_has_not(cay, bundle):
    """It is the host's by its link, the root holds what it would hold elsewhere, and outside nothing is seen of it."""
    cay_only("such mounts")
    bundle.namespace("mount", remove=True)
    bundle.mount("/data", source=str(bundle.rootfs / "etc"), options=["rbind", "ro"])
    bundle.mount("/scratch", type="tmpfs", source="tmpfs")
    look = ("readlink /proc/self/ns/mnt; ls -d /proc/1 /data/passwd; echo x > /scratch/new && echo /scratch; cat /proc/kcore | wc -c; "
            "for f in /data/x /proc/sys/kernel/domainname; do echo x 2>/dev/null > $f || echo no $f; done; stat -c %t:%T /dev/null; pwd")
    want = [os.readlink("/proc/self/ns/mnt"), "/data/passwd", "/proc/1", "/scratch", "0", "no /data/x",
            "no /proc/sys/kernel/domainname", "1:3", "/"]
    assert cay.out(bundle.sh(look)).splitlines() == want
    id = cay.start(bundle.args("sleep", "1000"))
    assert our_mounts(cay.token) == [] and not (bundle.rootfs / "scratch" / "new").exists()
    r = cay.ok("exec", id, "sh", "-c", look.replace("exec", "") + "; ls /scratch")
    assert r.lines == [*want, "new"]
    assert cay.ok("exec", "--cwd", "/data", id, "probe", "cwd").out == "/data\n"
    assert "no mount namespace" in cay.error_line(cay("checkpoint", id))
    cay.destroy(id)
    assert our_mounts(cay.token) == []


@pytest.mark.parametrize("change,word", [
    (lambda b: in_user_namespace(b), "mounts: with a user namespace"),
    (lambda b: b.linux.update(rootfsPropagation="rslave"), "rootfsPropagation"),
    (lambda b: b.mount("/data", source="/etc", options=["bind", "rshared"]), "mounts[6]: options"),
    (lambda b: b.mount("/data", source="/etc", options=["bind", "unbindable"]), "mounts[6]: options"),
], ids=["user namespace", "root", "shared", "unbindable"])
def test_what_the_hosts_mount_namespace_can_not_have_is_refused(cay, bundle, change, word):
    cay_only("such mounts")
    bundle.namespace("mount", remove=True).args("true")
    change(bundle)
    assert word in cay.error_line(cay.run(bundle))


def test_a_network_of_the_host_is_joined_together_with_a_user_namespace(cay, bundle):
    """The user namespace that is joined does not own the network: it has to be entered before."""
    cay_only("joined user namespace without mappings")
    in_user_namespace(bundle)
    host = cay.start(bundle.args("sleep", "1000"))
    net = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    wait_for(lambda: os.readlink(f"/proc/{net.pid}/ns/net") != os.readlink("/proc/self/ns/net"),
             "a network")
    try:
        guest = cay.bundle("guest").sh(links(["user", "network"]))
        guest.namespace("user", f"/proc/{cay.pid(host)}/ns/user")
        guest.namespace("network", f"/proc/{net.pid}/ns/net")
        # The kernel shows a network in a sysfs only to who owns it.
        guest.config["mounts"] = [m for m in guest.config["mounts"]
                                  if not m["destination"].startswith("/sys")]
        assert inside(cay.out(guest)) == {**outside(["user"], cay.pid(host)),
                                          **outside(["network"], net.pid)}
    finally:
        net.kill()
        net.wait()
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
