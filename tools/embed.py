#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py PROGRAM OUTPUT.c: write a program's bytes as the C array islander_blob."""
import sys


def main():
    data = open(sys.argv[1], "rb").read()
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write('#include "launch/islander_blob.h"\n\n')
        out.write("const unsigned char islander_blob[] = {\n")
        for i in range(0, len(data), 32):
            out.write(",".join(str(b) for b in data[i : i + 32]) + ",\n")
        out.write("};\nconst size_t islander_blob_size = sizeof(islander_blob);\n")


main()
