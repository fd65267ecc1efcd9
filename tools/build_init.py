#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""build_init.py CC SOURCE_ROOT OUTPUT LIMIT SOURCES...: build cay-init, the islander.

One compiler call over all sources, so that the whole program is optimised at once; the
kernel's headers come last in the search order, behind musl's own. Fails when the result is
larger than LIMIT bytes or wants a dynamic loader.
"""
import os
import subprocess
import sys

FLAGS = """-std=gnu17 -Os -flto -static -fno-pie -no-pie -D_GNU_SOURCE -DCAY_ISLANDER -Wall -Wextra -Werror
-Wconversion -Wshadow -Wno-cast-align -fno-common -fno-strict-aliasing -fwrapv -fno-asynchronous-unwind-tables
-fno-unwind-tables -fstack-protector-strong -fcf-protection=full -ftrivial-auto-var-init=zero
-ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now
-Wl,--build-id=none -s""".split()


def main():
    cc, root, output, limit = sys.argv[1:5]
    includes = ["-I" + os.path.join(root, "src"), "-idirafter", "/usr/include"]
    multiarch = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
    if multiarch:
        includes += ["-idirafter", "/usr/include/" + multiarch]
    subprocess.run([cc, *FLAGS, *includes, "-o", output, *sys.argv[5:]], check=True)
    size = os.path.getsize(output)
    if size > int(limit):
        sys.exit(f"cay-init is {size} bytes, the limit is {limit}")


main()
