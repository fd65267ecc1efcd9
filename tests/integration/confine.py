# SPDX-License-Identifier: Apache-2.0
"""confine.py UNIT WRITABLE COMMAND...: run COMMAND as a systemd service with the sandboxing of UNIT would be run.

What needs namespaces is done before, by unshare(1); here mounts, the filter of system calls and capabilities.
"""
import ctypes
import errno
import os
import pathlib
import subprocess
import sys

FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
ALLOW, MASK_WX, PROT_EXEC = 0x7FFF0000, 7, 4
EQ, NE, MASKED_EQ = 4, 1, 7


def settings(unit):
    """Each name and its values, in order."""
    out = {}
    for line in pathlib.Path(unit).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            out.setdefault(name, []).append(value)
    return out


def calls(group):
    """All calls of a group of systemd."""
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    for word in text.split("\n")[1:]:
        word = word.strip()
        if word.startswith("@"):
            yield from calls(word)
        elif word and not word.startswith("#"):
            yield word


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    def __init__(self):
        self.lib = ctypes.CDLL("libseccomp.so.2")
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.seccomp_init(ALLOW))

    def refuse(self, name, error, *compare):
        nr = self.lib.seccomp_syscall_resolve_name(name.encode())
        if nr < 0:  # of another architecture
            return
        array = (Compare * max(len(compare), 1))(*compare)
        r = self.lib.seccomp_rule_add_array(self.context, 0x00050000 | error, nr, len(compare), array)
        assert r == 0, (name, r)

    def load(self):
        assert self.lib.seccomp_load(self.context) == 0


def filter_calls(s):
    f = Filter()
    for value in s["SystemCallFilter"]:
        assert value.startswith("~")
        for group in value[1:].split():
            for name in calls(group):
                f.refuse(name, getattr(errno, s["SystemCallErrorNumber"][0]))
    families = {FAMILIES[w] for v in s["RestrictAddressFamilies"] for w in v.split()}
    for family in set(range(46)) - families:
        f.refuse("socket", errno.EAFNOSUPPORT, Compare(0, EQ, family, 0))
    if s["MemoryDenyWriteExecute"] == ["yes"]:
        f.refuse("mmap", errno.EPERM, Compare(2, MASKED_EQ, 6, 6))
        f.refuse("mprotect", errno.EPERM, Compare(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
    if s["LockPersonality"] == ["yes"]:
        f.refuse("personality", errno.EPERM, Compare(0, NE, 0xFFFFFFFF, 0))
    f.load()


def mounts(s, writable, program):
    def mount(*args):
        subprocess.run(["mount", *args], check=True)
    if s["ProtectHome"] == ["yes"]:
        for d in ("/home", "/root"):
            if os.path.isdir(d) and not f"{program}/".startswith(d + "/"):
                mount("-t", "tmpfs", "-o", "ro", "none", d)
    if s["ProtectSystem"] == ["strict"]:
        mount("--bind", writable, writable)
        mount("-o", "remount,bind,ro", "/")
    if s["ProtectKernelTunables"] == ["yes"]:
        mount("--bind", "/proc/sys", "/proc/sys")
        mount("-o", "remount,bind,ro", "/proc/sys")


def main():
    unit, writable, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    s = settings(unit)
    mounts(s, writable, command[0])
    caps = [w.removeprefix("CAP_").lower() for v in s["CapabilityBoundingSet"] for w in v.split()]
    os.umask(int(s["UMask"][0], 8))
    # No fork behind the filter: setpriv only executes.
    filter_calls(s)
    os.execvp("setpriv", ["setpriv", "--inh-caps=-all", "--bounding-set=" + ",".join(["-all", *("+" + c for c in caps)]),
                          *(["--no-new-privs"] if s["NoNewPrivileges"] == ["yes"] else []), "--", *command])


if __name__ == "__main__":
    main()
