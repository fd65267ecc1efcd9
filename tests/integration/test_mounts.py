# SPDX-License-Identifier: Apache-2.0
"""The root, its mounts and its devices."""
import contextlib
import json
import os
import re
import subprocess

import pytest

from harness import (CGROUP_ROOT, IS_RUNC, TIMEOUT, both, cay_only, in_user_namespace, mount_at,
                     normal_mounts, parse_mountinfo, same_mounts)


@contextlib.contextmanager
def host_tmpfs(path, *options):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(path)], check=True,
                   timeout=TIMEOUT)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=TIMEOUT)


def owned(path, **files):
    """A directory of files, each of which belongs to the user and the group of that number."""
    path.mkdir()
    for name, number in files.items():
        (path / name).touch()
        os.chown(path / name, number, number)
    return path


def test_errors_from_inside_have_the_words_of_linux(cay, bundle):
    (bundle.rootfs / "loop").symlink_to("loop")
    bundle.mount("/loop", type="tmpfs", source="tmpfs")
    assert "too many levels of symbolic links" in cay.error_line(cay.run(bundle.args("true")))


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


@pytest.mark.parametrize("host_id", [0, 100000])
def test_devices_that_the_host_lacks_are_made_for_a_user_namespace_too(cay, bundle, host_id):
    cay_only("devices of a user namespace that the host lacks")
    bundle.namespace("user")
    maps = [{"containerID": 0, "hostID": host_id, "size": 65536}]
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = maps
    bundle.linux["devices"] = [
        {"path": "/dev/own-null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o646, "uid": 7, "gid": 8},
        {"path": "/dev/deep/er/block", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600}]
    id = cay.start(bundle.sh("stat -c '%t:%T %a %u:%g' /dev/own-null /dev/deep/er/block > /tmp/x; sleep 1000"))
    out = cay.ok("exec", id, "sh", "-c", "cat /tmp/x; echo x > /dev/own-null && echo written").out
    assert out.splitlines() == ["1:3 646 7:8", "7:3 600 0:0", "written"]
    state = cay.root / id
    assert sorted(p.name for p in state.glob("node*")) == ["node.0", "node.1"]
    assert state.stat().st_mode & 0o77 == 0
    cay.destroy(id)
    assert not state.exists()


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
    src = owned(cay.dir / "src", f=0, g=1000)
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


def test_an_idmapped_mount_shows_the_ids_of_the_user_namespace_that_is_joined(cay, bundle):
    cay_only("idmapped mounts")
    src = cay.dir / "src"
    src.mkdir()
    (src / "f").touch()
    in_user_namespace(bundle)
    host = cay.start(bundle.args("sleep", "1000"))
    guest = cay.bundle("guest").sh("stat -c '%u:%g' /mnt/f /tmp/f; touch /mnt/new")
    subprocess.run(["chown", "-hR", "100000:100000", guest.rootfs], check=True, timeout=60)
    guest.namespace("user", f"/proc/{cay.pid(host)}/ns/user")
    guest.mount("/mnt", type="bind", source=str(src), options=["bind", "idmap"])
    guest.mount("/tmp", type="bind", source=str(src), options=["bind"])
    assert cay.out(guest).split() == ["0:0", "65534:65534"]
    assert (src / "new").stat().st_uid == 0
    cay.destroy(host)


@pytest.mark.parametrize("option,below", [("idmap", "0:0"), ("ridmap", "6000:6000")])
def test_a_mount_of_the_container_is_idmapped_where_it_shows_again(cay, bundle, option, below):
    """Made by the container, the mount can't be opened before: its maps are."""
    cay_only("idmapped mounts")
    for name in ("a", "b"):
        (cay.dir / name / "in").mkdir(parents=True)
        (cay.dir / name / "f").touch()
        os.chown(cay.dir / name / "f", 1, 1)
    os.chown(cay.dir / "b" / "f", 0, 0)
    maps = [{"containerID": 0, "hostID": 6000, "size": 10}]
    bundle.mount("/mnt", type="bind", source=str(cay.dir / "a"), options=["bind"])
    bundle.mount("/mnt/in", type="bind", source=str(cay.dir / "b"), options=["bind"])
    bundle.mount("/tmp", type="bind", source=str(bundle.rootfs / "mnt"), options=["rbind", option],
                 uidMappings=maps, gidMappings=maps)
    out = cay.out(bundle.sh("stat -c %u:%g /mnt/f /mnt/in/f /tmp/f /tmp/in/f"))
    assert out.split() == ["1:1", "0:0", "6001:6001", below]


@pytest.mark.parametrize("option,below", [("idmap", "65534:65534"), ("ridmap", "2:2")])
def test_a_mount_of_the_container_is_idmapped_in_its_own_user_namespace(cay, bundle, option, below):
    """The islander may not do that there, so the planner does it to the mount that it is brought. Two of them, and
    others between, so that each gets its own map."""
    cay_only("idmapped mounts")
    in_user_namespace(bundle)
    own = {}
    for name in ("a", "b"):
        own[name] = owned(cay.dir / name, f=2)
        (own[name] / "in").mkdir()
    for n, first in (("1", 100000), ("2", 100010)):
        maps = [{"containerID": 0, "hostID": first, "size": 10}]
        for name in (f"m{n}", f"out{n}"):
            (bundle.rootfs / name).mkdir()
        bundle.mount(f"/m{n}", type="bind", source=str(own["a"]), options=["bind"])
        bundle.mount(f"/m{n}/in", type="bind", source=str(own["b"]), options=["bind"])
        bundle.mount(f"/out{n}", type="bind", source=str(bundle.rootfs / f"m{n}"), options=["rbind", option],
                     uidMappings=maps, gidMappings=maps)
    out = cay.out(bundle.sh("stat -c %u:%g /m1/f /m2/in/f /out1/f /out1/in/f /out2/f"))
    assert out.split() == ["65534:65534", "65534:65534", "2:2", below, "12:12"]


def test_a_file_system_without_id_maps_is_named_when_the_mount_is_the_containers(cay, bundle):
    cay_only("idmapped mounts")
    in_user_namespace(bundle)
    bundle.mount("/mnt", type="tmpfs", source="tmpfs")
    bundle.mount("/mnt/proc", type="proc", source="proc")
    bundle.mount("/tmp", type="bind", source=str(bundle.rootfs / "mnt/proc"), options=["bind", "idmap"])
    bundle.args("true").write()
    line = cay.error_line(cay("run", "-b", bundle.path, cay.id()))
    assert re.search(r'mounts\[8\]: id-map: the file system of "/mnt/proc"', line)


@pytest.mark.parametrize("way", ["joined", "added"])
def test_a_mount_of_the_container_is_not_idmapped_where_others_are_already(cay, bundle, way):
    """They could bring another mount than the islander would."""
    cay_only("idmapped mounts")
    in_user_namespace(bundle)
    host = cay.start(bundle.args("sleep", "1000"))
    mounts = [{"destination": "/mnt", "type": "bind", "source": str(cay.dir), "options": ["bind"]},
              {"destination": "/tmp", "type": "bind", "source": str(bundle.rootfs / "mnt"), "options": ["bind", "idmap"]}]
    if way == "joined":
        guest = cay.bundle("guest").args("true")
        guest.namespace("user", f"/proc/{cay.pid(host)}/ns/user")
        mounts[1]["source"] = str(guest.rootfs / "mnt")
        guest.config["mounts"] += mounts
        r = cay.run(guest)
    else:
        (cay.dir / "add.json").write_text(json.dumps({"mounts": mounts}))
        r = cay("mounts", "add", host, cay.dir / "add.json")
    assert "id-mapping: not of mounts of the container" in cay.error_line(r)
    cay.destroy(host)


def test_ids_of_a_mount_can_stand_in_its_option_as_with_crun(cay, bundle):
    cay_only("idmapped mounts")
    src = owned(cay.dir / "src", f=0, g=1000, h=5)
    bundle.mount("/mnt", type="bind", source=str(src),
                 options=["bind", "idmap=uids=0-5000-2#1000-6000-1;gids=0-7000-1001"])
    out = cay.out(bundle.sh("stat -c '%u:%g' /mnt/f /mnt/g /mnt/h"))
    assert out.split() == ["5000:7000", "6000:8000", "65534:7005"]


def test_ids_in_the_option_can_be_those_of_the_container(cay, bundle):
    cay_only("idmapped mounts")
    src = owned(cay.dir / "src", f=1)
    in_user_namespace(bundle)
    bundle.mount("/mnt", type="bind", source=str(src),
                 options=["rbind", "ridmap=uids=@0-0-1#@1-20-1;gids=@0-0-70000"])
    out = cay.out(bundle.sh("stat -c '%u:%g' /mnt/f; touch /mnt/new"))
    assert out.split() == ["20:1"]
    assert (src / "new").stat().st_uid == 0


def test_a_relative_range_may_not_run_into_another_mapping(cay, bundle):
    cay_only("idmapped mounts")
    bundle.namespace("user")
    bundle.linux["uidMappings"] = bundle.linux["gidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 10}, {"containerID": 10, "hostID": 300000, "size": 10}]
    bundle.mount("/mnt", type="bind", source=str(cay.dir), options=["bind", "idmap=uids=@0-5-6;gids=0-0-1"])
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and '"@0-5-6" does not lie in one mapping' in r.err, r


@pytest.mark.parametrize("option,why", [
    ("idmap=", "give both"), ("idmap=uids=0-1-1", "give both"), ("idmap=gids=0-1-1", "give both"),
    ("idmap=uids=;gids=0-1-1", "FILE-HOST-SIZE"), ("idmap=uids=0-1;gids=0-1-1", "FILE-HOST-SIZE"),
    ("idmap=uids=0-1-1-1;gids=0-1-1", "FILE-HOST-SIZE"), ("idmap=uids=0-1-0;gids=0-1-1", "FILE-HOST-SIZE"),
    ("idmap=uids=0-1-x;gids=0-1-1", "FILE-HOST-SIZE"), ("idmap=uids=0-1-1#;gids=0-1-1", "FILE-HOST-SIZE"),
    ("idmap=uids=0-1-4294967296;gids=0-1-1", "FILE-HOST-SIZE"),
    ("idmap=uids=@0-0-1;gids=0-1-1", "does not lie in one mapping"),
    ("idmap=uids=0-1-1;uids=0-1-1;gids=0-1-1", "twice"), ("idmap=pids=0-1-1", "not uids= or gids="),
])
def test_a_bad_idmap_option_is_refused(cay, bundle, option, why):
    cay_only("idmapped mounts")
    bundle.mount("/mnt", type="bind", source=str(cay.dir), options=["bind", option])
    r = cay.run(bundle.args("true"))
    assert r.rc != 0 and 'mounts[6]: option "idmap"' in r.err and why in r.err, r


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
    bundle.sh("cat /proc/self/mountinfo")
    got, want = both(cay, bundle, lambda t: normal_mounts(t, bundle.linux.get("maskedPaths", [])))
    # A controller that runc 1.1 doesn't know: there the container stays where its creator is.
    misc = [m for m in got if m[0] == "/sys/fs/cgroup/misc"]
    assert all(len(m[1]) > 1 for m in misc)
    assert [m for m in got if m not in misc] == [m for m in want if m[0] != "/sys/fs/cgroup/misc"]
