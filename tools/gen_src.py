#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gen_src.py: bring the lists of files in src/meson.build up to date with src/.

Run it after a file has come or gone. A list is known by the folder of its first file; a new
module and what the islander is made of are written by hand.
"""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parent.parent
SRC = TOP / "src"
BUILD = SRC / "meson.build"
MADE = "islander_blob.c"


def in_folder(folder, but):
    return sorted(str(f.relative_to(SRC)) for f in (SRC / folder).glob("*.c") if f.name not in (MADE, but))


def listed(match):
    name, first = match["name"], match["first"]
    # The program around a module is no part of it.
    files = in_folder(str(pathlib.PurePath(first).parent), "main.c" if name.startswith("'") else "")
    indent = "\n" + (" " * 6 if name.startswith("'") else " " * 2)
    return f"{name}files(" + f",{indent}".join(f"'{f}'" for f in files) + ")"


def main():
    before = BUILD.read_text()
    pattern = r"^ *(?P<name>'sources': |(?!init_)\w+_sources = )files\('(?P<first>[^']+)'[^)]*\)"
    after = re.sub(pattern, lambda m: m[0][:len(m[0]) - len(m[0].lstrip())] + listed(m), before, flags=re.M)
    if after != before:
        BUILD.write_text(after)


main()
