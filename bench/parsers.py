#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""parsers.py BUILD: the JSON libraries of the distribution on config.json, side by side, as a table.

Each is a program of its own (bench/parsers.c). Time: of the first parse of a process and of a repeated one. Memory and size: above
a program that parses nothing. Contract: what base/json.h promises of hostile and of unusual text, and who breaks it.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import filters

LIBRARIES = {"cay": "base/json.h on json-c", "json_c": "json-c", "fastjson": "libfastjson", "jansson": "jansson", "cjson": "cJSON",
             "jsonparser": "json-parser", "yajl": "yajl", "jsmn": "jsmn (tokens only)"}

# What it is, the text, and the values that have to come out; None: refused.
CONTRACT = [
    ("2^64 - 1", "[18446744073709551615]", ["n18446744073709551615"]),
    ("-2^63", "[-9223372036854775808]", ["n-9223372036854775808"]),
    ("2^64 refused", "[18446744073709551616]", None),
    ("NUL in a value seen", r'["a\u0000b"]', ["sa\0b"]),
    ("NUL in a name refused", r'{"a\u0000b":1}', None),
    ("raw NUL refused", '["a\0b"]', None),
    ("text behind it refused", "[1] x", None),
    ("64 deep", "[" * 64 + "]" * 64, []),
    ("65 deep refused", "[" * 65 + "]" * 65, None),
    ("100,000 deep refused", "[" * 100000 + "]" * 100000, None),
    ("last of equal names", '{"a":1,"a":2}', ["ka", "n2"]),
    ("bad UTF-8 refused", b'["\xff"]', None),
    ("surrogates in UTF-8 refused", b'["\xed\xa0\x80"]', None),
    ("overlong UTF-8 refused", b'["\xc0\xae"]', None),
    ("escapes decoded", r'["\u00e9\n"]', ["sé\n"]),
    ("control in a string refused", '["a\tb"]', None),
    ("NaN refused", "[NaN]", None),
    ("Infinity refused", "[-Infinity]", None),
    ("leading zero refused", "[01]", None),
    ("1. refused", "[1.]", None),
    ("single quotes refused", "['a']", None),
    ("comment refused", "[1/**/]", None),
    ("last comma refused", "[1,]", None),
    ("comma missing refused", "[1 2]", None),
    ("colon missing refused", '{"a" 1}', None),
    ("number as a name refused", "{1:2}", None),
    ("cut off refused", '[{"a":', None),
]


def call(*words):
    return subprocess.run([str(w) for w in words], capture_output=True, check=False, timeout=60)


def configurations(cay, place):
    """An ordinary config.json, and the same with the engines' seccomp profile."""
    subprocess.run([cay, "spec"], cwd=place, check=True, stdout=subprocess.DEVNULL)
    spec = json.loads((place / "config.json").read_text())
    (place / "ordinary").write_text(json.dumps(spec))
    spec["linux"]["seccomp"] = filters.large()
    (place / "large").write_text(json.dumps(spec))
    return place / "ordinary", place / "large"


def times(program, text, rounds):
    """Microseconds: (best of the first parse of 40 processes, best of all repeated ones)."""
    first = min(int(call(program, "time", text, 1).stdout.split()[0]) for _ in range(40))
    return first / 1e3, min(int(call(program, "time", text, rounds).stdout.split()[1]) for _ in range(5)) / 1e3


def peak(program, text):
    return min(int(call(program, "peak", text).stdout) for _ in range(10))


def broken(program, place):
    """What of the contract does not hold."""
    found, text = [], place / "text"
    for name, source, wanted in CONTRACT:
        text.write_bytes(source if isinstance(source, bytes) else source.encode())
        got = call(program, "show", text)
        values = None if got.returncode == 1 else got.stdout
        if got.returncode < 0:
            found.append(name + " (crashes)")
        elif values != (None if wanted is None else "".join(line + "\n" for line in wanted).encode()):
            found.append(name)
    return found


def size(program, place):
    """Kilobytes of a static program, stripped; None if there is no static library."""
    if b"INTERP" in call("readelf", "-lW", program).stdout:
        return None
    call("strip", "-o", place / "stripped", program)
    return os.path.getsize(place / "stripped") / 1024


def main(build):
    programs = pathlib.Path(build).resolve()
    print("| library | ordinary, first, µs | again | large profile, first | again | memory, KB | static size, KB | breaks |\n"
          "|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        texts = configurations(programs / "cay", place)
        nothing = programs / "bench" / "parser-none"
        for name, title in LIBRARIES.items():
            program = programs / "bench" / ("parser-" + name)
            figures = [f"{t:.0f}" for text, rounds in zip(texts, (2000, 500)) for t in times(program, text, rounds)]
            kilobytes = size(program, place)
            if kilobytes is None:
                more = ["–", "no static library"]
            else:
                more = [str(peak(program, texts[1]) - peak(nothing, texts[1])), f"{kilobytes - size(nothing, place):.0f}"]
            print(f"| {' | '.join([title, *figures, *more, '; '.join(broken(program, place)) or 'nothing'])} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
