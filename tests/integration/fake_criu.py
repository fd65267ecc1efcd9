#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A criu that freezes nobody: it speaks the RPC of `criu swrk FD` (criu.org/RPC) and does as it is told.

FAKE_CRIU is a JSON object: "record" is a file that gets each request as a line of JSON; "fail" and "die"
name a request (VERSION, DUMP, RESTORE…); "features" are the ones it claims; "version" is a list. A dump
kills the process unless it is to run on; a restore starts one as a child of whoever asked, in "root".
"""
import ctypes
import json
import os
import pty
import signal
import socket
import struct
import sys

TYPES = {1: "DUMP", 2: "RESTORE", 4: "PRE_DUMP", 6: "NOTIFY", 9: "FEATURE_CHECK", 10: "VERSION"}
TEXT = {10: "log_file", 13: "root", 14: "parent_img", 37: "external", 44: "freeze_cgroup", 51: "config_file",
        53: "lsm_profile", 63: "lsm_mount_context"}
PAIRS = {23: "ext_mnt", 25: "cg_root", 27: "inherit_fd", 39: "join_ns", 11: "ps"}
NUMBERS = {1: "images_dir_fd", 2: "pid", 3: "leave_running", 4: "ext_unix_sk", 5: "tcp_established",
           6: "evasive_devices", 7: "shell_job", 8: "file_locks", 9: "log_level", 12: "notify_scripts",
           15: "track_mem", 16: "auto_dedup", 17: "work_dir_fd", 18: "link_remap", 24: "manage_cgroups",
           26: "rst_sibling", 34: "manage_cgroups_mode", 38: "empty_ns", 46: "tcp_skip_in_flight",
           48: "lazy_pages", 49: "status_fd", 50: "orphan_pts_master", 52: "tcp_close", 64: "network_lock"}
CLONE_PARENT = 0x8000
told = json.loads(os.environ.get("FAKE_CRIU", "{}"))


def fields(data):
    at = 0

    def varint():
        nonlocal at
        v = shift = 0
        while True:
            c = data[at]
            at += 1
            v |= (c & 127) << shift
            shift += 7
            if c < 128:
                return v
    while at < len(data):
        tag = varint()
        v = varint()
        if tag & 7 == 2:
            v, at = data[at:at + v], at + v
        yield tag >> 3, v


def options(data):
    o = {"external": [], "ext_mnt": [], "cg_root": [], "inherit_fd": [], "join_ns": []}
    for n, v in fields(data):
        if n in PAIRS:
            pair = [x.decode() if isinstance(x, bytes) else x for _, x in fields(v)]
            if n == 11:
                o["ps"] = pair
            else:
                o[PAIRS[n]].append(pair)
        elif n in TEXT and n == 37:
            o["external"].append(v.decode())
        elif n in TEXT:
            o[TEXT[n]] = v.decode()
        else:
            o[NUMBERS.get(n, str(n))] = v
    return o


def number(v):
    out = b""
    while True:
        out += bytes([v & 127 | (128 if v > 127 else 0)])
        v >>= 7
        if not v:
            return out


def uint(field, v):
    return number(field << 3) + number(v)


def blob(field, b):
    return number(field << 3 | 2) + number(len(b)) + b


class Server:
    def __init__(self, fd):
        self.sock = socket.socket(fileno=fd)
        cred = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.peer = struct.unpack("iII", cred)[0]

    def notify(self, script, pid=None, fd=None):
        m = blob(1, script.encode()) + (uint(2, pid) if pid is not None else b"")
        m = uint(1, 6) + uint(2, 1) + blob(5, m)
        if fd is None:
            self.sock.send(m)
        else:
            socket.send_fds(self.sock, [m], [fd])
        answer = dict(fields(self.sock.recv(65536)))
        if not answer:
            raise ConnectionError
        return answer.get(3) == 1

    def log(self, o, text):
        where = o.get("work_dir_fd", o["images_dir_fd"])
        with open(f"/proc/{self.peer}/fd/{where}/{o['log_file']}", "a") as f:
            f.write(text + "\n")

    def images(self, o):
        return f"/proc/{self.peer}/fd/{o['images_dir_fd']}"

    def dump(self, kind, o):
        for script in ("pre-dump", "network-lock"):
            if not self.notify(script):
                return False
        if kind == "DUMP":
            with open(self.images(o) + "/inventory.img", "w") as f:
                f.write("fake")
            if o.get("lazy_pages") and not self.notify("status-ready"):
                return False
            if not self.notify("post-dump"):
                return False
            if not o.get("leave_running"):
                os.kill(o["pid"], signal.SIGKILL)
        return True

    def restored(self, o):
        """The child whose parent is that of ours."""
        pid = ctypes.CDLL(None).syscall(56, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
        if pid:
            return pid
        try:
            os.close(self.go[1])
            if not os.read(self.go[0], 1):
                os._exit(99)  # nobody is left to be restored for
            if "stdout" in told:
                # What the container's stdout was, it is again.
                os.dup2([fd for key, fd in o["inherit_fd"] if key == told["stdout"]][0], 1)
            os.chroot(o["root"])
            os.chdir("/")
            os.execv("/bin/sh", told.get("argv", ["sh", "-c", "exec sleep 1000"]))
        finally:
            os._exit(99)

    def restore(self, o):
        open(self.images(o) + "/inventory.img").close()
        self.go = os.pipe()
        pid = self.restored(o)
        good = self.notify("setup-namespaces", pid)
        if good and told.get("terminal"):
            outer, _ = pty.openpty()
            good = self.notify("orphan-pts-master", fd=outer)
        if good and told.get("fail") == "after":
            good = self.notify("post-restore", pid) and False
        elif good:
            good = self.notify("post-restore", pid)
        if good:
            os.write(self.go[1], b"x")
            self.pid = pid
        else:
            os.kill(pid, signal.SIGKILL)
        return good

    def features(self):
        have = told.get("features", ["mem_track", "lazy_pages"])
        return blob(8, uint(1, "mem_track" in have) + uint(2, "lazy_pages" in have))

    def answer(self, kind, o):
        good, more = told.get("fail") != kind, b""
        if kind == "VERSION":
            v = told.get("version", [3, 17, 1])
            more = blob(10, uint(1, v[0]) + uint(2, v[1]) + uint(4, v[2]))
        elif kind == "FEATURE_CHECK":
            more = self.features()
        elif kind in ("DUMP", "PRE_DUMP", "RESTORE"):
            self.log(o, f"(00.000001) fake criu: {kind}")
            if good:
                good = self.restore(o) if kind == "RESTORE" else self.dump(kind, o)
            if good and kind == "RESTORE":
                more = blob(4, uint(1, self.pid))
            if not good:
                self.log(o, "(00.000002)      7: Error (criu/fake.c:7): told to fail")
                self.log(o, "(00.000003) dumping or not, this is no error")
        return good, more

    def serve(self):
        data = dict(fields(self.sock.recv(65536)))
        if not data:
            raise ConnectionError
        kind = TYPES[data[1]]
        o = options(data.get(2, b""))
        if "record" in told:
            with open(told["record"], "a") as f:
                json.dump({"type": kind, "pid": os.getpid(), "ppid": os.getppid(), "peer": self.peer,
                           "cgroup": open("/proc/self/cgroup").read(),
                           "mounts": open("/proc/self/mountinfo").read(), "opts": o}, f)
                f.write("\n")
        if told.get("die") == kind:
            sys.exit(1)
        if told.get("hang") == kind:
            self.sock.recv(1)
            sys.exit(1)
        good, more = self.answer(kind, o)
        code = data[1]
        self.sock.send(uint(1, code) + uint(2, good) + more + (b"" if good else uint(7, 3)))


if len(sys.argv) != 3 or sys.argv[1] != "swrk":
    sys.exit("fake criu: swrk FD")
server = Server(int(sys.argv[2]))
try:
    server.serve()
except ConnectionError:
    sys.exit(1)  # whoever asked is gone
