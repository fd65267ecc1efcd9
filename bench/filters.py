# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles: the one of the system's engines resolved for a default container, and two small shapes of it."""
import json
import pathlib

import measure

# Debian's golang-github-containers-common, then other places engines put it.
PLACES = ("/usr/share/containers/seccomp.json", "/etc/containers/seccomp.json")
CAPABILITIES = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
ARCHES = {"amd64"}
ARCHITECTURES = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
# What bench/work calls; stat is newfstatat to newer kernels' libcs.
CHECKED = ("getppid", "read", "write", "stat", "newfstatat", "fstatat64")


def _applies(rule):
    needs, spares = rule.get("includes", {}), rule.get("excludes", {})
    return (set(needs.get("caps", ())) <= CAPABILITIES
            and (not needs.get("arches") or ARCHES & set(needs["arches"]))
            and not CAPABILITIES & set(spares.get("caps", ()))
            and not ARCHES & set(spares.get("arches", ())))


def _source():
    for place in PLACES:
        if pathlib.Path(place).exists():
            return json.loads(pathlib.Path(place).read_text())
    raise measure.Failed("no default profile of an engine on this system")


def large():
    """The engines' default profile as they would put it into config.json."""
    profile = _source()
    rules = [{k: rule[k] for k in ("names", "action", "args", "errnoRet") if rule.get(k) or k == "names"}
             for rule in profile["syscalls"] if _applies(rule)]
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ARCHITECTURES, "syscalls": rules}


def names(profile):
    return sorted({name for rule in profile["syscalls"] for name in rule["names"]})


def plain():
    """Only names: for each call the answer is always the same, so the kernel keeps it in a bitmap."""
    allowed = sorted({name for rule in large()["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"
                      for name in rule["names"]})
    return {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ARCHITECTURES,
            "syscalls": [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]}


def checking():
    """The same calls, but those of bench/work look at an argument: the filter is run each time."""
    profile = plain()
    profile["syscalls"][0]["names"] = [n for n in profile["syscalls"][0]["names"] if n not in CHECKED]
    odd = {"index": 0, "value": 0x7fffffff0000, "op": "SCMP_CMP_NE"}
    profile["syscalls"] += [{"names": [name], "action": "SCMP_ACT_ALLOW", "args": [odd]} for name in CHECKED]
    return profile


def use(profile):
    """A change for World.bundle."""
    def change(spec):
        spec["linux"]["seccomp"] = profile
    return change
