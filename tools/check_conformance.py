#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_conformance.py ROOT CAY: hold docs/conformance.md to the source, the tests and the program, and
docs/threat-model.md to the attack tests.

Every test it names exists; every field of src/oci/tables.c and every command and option of CAY has a row;
no row says yes of what CAY does not have, or no of what it has. One line a finding, `file:line: what`;
exit status 1 when there is one.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

DOCUMENT = "docs/conformance.md"
THREATS = "docs/threat-model.md"
STATES = ("yes", "refused", "differs", "no")
# Known to the parser of options itself, not to a table.
BUILT_IN = {"--help", "-h", "-?", "--usage", "h"}
Row = collections.namedtuple("Row", "line names state proof")


def expand(name):
    """a.{b,c} is a.b and a.c."""
    m = re.search(r"\{([^{}]*)\}", name)
    if not m:
        return [name]
    return [x for part in m[1].split(",") for x in expand(name[:m.start()] + part.strip() + name[m.end():])]


class Document:
    def __init__(self, path):
        self.findings = []
        self.fields, self.commands, self.others = [], {}, []
        self.tests = []  # (line, name) of each test named anywhere
        section, table = "", ""
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            self.tests += [(n, t) for t in re.findall(r"`([\w./-]+::\w+)`", line)]
            if line.startswith("## "):
                section = table = line[3:].strip()
            elif line.startswith("### "):
                table = line[4:].strip()
            elif line.startswith("| `"):
                self.row(n, section, table, [c.strip() for c in line.strip().strip("|").split("|")])

    def error(self, line, text):
        self.findings.append(f"{DOCUMENT}:{line}: {text}")

    def row(self, n, section, table, cells):
        names = [x for t in re.findall(r"`([^`]+)`", cells[0]) for x in expand(t)]
        at = 1 if section == "Fields" else 3
        if len(cells) != at + 3:
            self.error(n, f"{len(cells)} cells, expected {at + 3}")
            return
        row = Row(n, names, cells[at], cells[at + 1])
        if row.state not in STATES:
            self.error(n, f'state "{row.state}": must be one of {", ".join(STATES)}')
        if not re.fullmatch(r"(`[^`]+`(, )?)+" + ("|—" if row.state == "no" else ""), row.proof):
            self.error(n, f'"{row.proof}": must be names of tests')
        if section == "Fields":
            self.fields.append(row)
        elif section == "Commands":
            self.commands.setdefault(table.strip("`"), []).append(row)
        else:
            self.others.append(row)

    def rows(self):
        return self.fields + [r for rows in self.commands.values() for r in rows] + self.others


def has_test(path, name):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.search(rf"^def {name}\(", text, re.M)
    return re.search(rf"\b(?:cmocka_unit_test\w*|TEST)\(\s*{name}\b", text)


def check_tests(root, doc):
    files = collections.defaultdict(list)
    for path in (root / "tests").rglob("test_*.*"):
        files[path.name].append(path)
    for line, test in doc.tests:
        name, _, function = test.partition("::")
        if not any(has_test(p, function) for p in files[name]):
            doc.error(line, f"no such test: {test}")


def spec_fields(path):
    """Every leaf of config.json as the tables know it: mounts[].destination, linux.netDevices.*.name."""
    text = re.sub(r"^#(?:[^\n]*\\\n)*[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.M)
    entry = re.compile(r'(\w+)\("(\w+)",([^()]*)\)|\{ \.key = "(\w+)",([^{}]*)\}')
    tables = {}
    for m in re.finditer(r"^(?:PUBLIC_)?TABLE\((\w+),(.*?)\);", text, re.M | re.S):
        tables[m[1]] = [(e[1] or "INLINE", e[2] or e[4], re.split(r"[\s,&]+", (e[3] or e[5]).strip()))
                        for e in entry.finditer(m[2])]

    def leaves(table, prefix):
        for kind, key, words in tables[table]:
            below = words[-1] if words[-1] in tables else next((w for w in words if w in tables), None)
            mark = {"ARRAY": "[]", "MAP": ".*"}.get(kind, "")
            if kind in ("OBJECT", "ARRAY", "MAP", "INLINE") or "OCI_ROW_INLINE" in words:
                yield from leaves(below, f"{prefix}{key}{mark}.")
            else:
                yield prefix + key

    return list(leaves("oci_spec_table", ""))


def check_fields(root, doc):
    known = spec_fields(root / "src/oci/tables.c")
    seen = [name for row in doc.fields for name in row.names]
    for name in known:
        if seen.count(name) != 1:
            doc.error(1, f"field {name}: {seen.count(name)} rows, expected one")
    for row in doc.fields:
        for name in row.names:
            if name not in known and row.state != "no":
                doc.error(row.line, f"{name}: not in src/oci/tables.c, so its state is not {row.state}")
    return len(known)


def check_options(doc, where, options, *commands):
    """One table of the document against what the program says of itself."""
    known = {f"--{o['name']}" for o in options} | {f"-{o['letter']}" for o in options if o.get("letter")}
    known |= {*BUILT_IN, *commands}
    seen = collections.Counter(x for row in doc.commands.get(where, []) for x in row.names)
    for name in sorted(known - BUILT_IN):
        if seen[name] != 1:
            doc.error(1, f"{where} {name}: {seen[name]} rows, expected one")
    for row in doc.commands.get(where, []):
        for name in row.names:
            if (name in known) != (row.state not in ("no", "refused")):
                doc.error(row.line, f"{where} {name}: says {row.state}, "
                          f"but the program {'has' if name in known else 'does not have'} it")
    return len(options)


def check_commands(cay, doc):
    out = subprocess.run([cay, "help", "--format", "json"], capture_output=True, text=True, timeout=60, check=True)
    program = json.loads(out.stdout)
    count = check_options(doc, "global options", program["options"])
    names = {k["name"] for k in program["commands"]}
    for k in program["commands"]:
        count += check_options(doc, k["name"], k["options"], k["name"])
    for where in set(doc.commands) - names - {"global options"}:
        check_options(doc, where, [])
    return count


def check_threats(root, doc):
    """Each test it names exists, and each attack test has its row."""
    named = []
    for n, line in enumerate((root / THREATS).read_text(encoding="utf-8").splitlines(), 1):
        tests = re.findall(r"`([\w.]+)::(\w+)`", line)
        named += [f"{f}::{t}" for f, t in tests]
        if line.startswith("| ") and not line.startswith("| attack") and not tests:
            doc.findings.append(f"{THREATS}:{n}: no test")
        doc.findings += [f"{THREATS}:{n}: no such test: {f}::{t}" for f, t in tests
                         if not (root / "tests/attack" / f).exists() or not has_test(root / "tests/attack" / f, t)]
    for path in sorted((root / "tests/attack").glob("test_*.py")):
        for t in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.M):
            if f"{path.name}::{t}" not in named:
                doc.findings.append(f"{THREATS}:1: no row for {path.name}::{t}")
    return len(named)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    doc = Document(root / DOCUMENT)
    check_tests(root, doc)
    fields = check_fields(root, doc)
    options = check_commands(sys.argv[2], doc)
    attacks = check_threats(root, doc)
    for text in sorted(doc.findings, key=lambda t: int(t.split(":")[1])):
        print(text)
    for title, rows in (("fields", doc.fields), ("all", doc.rows())):
        n = collections.Counter(r.state for r in rows for _ in r.names)
        print(f"{title}: " + ", ".join(f"{n[s]} {s}" for s in STATES))
    print(f"conformance: {fields} fields, {options} options, {len(doc.tests)} tests named, {attacks} attacks, "
          f"{len(doc.findings)} findings")
    sys.exit(1 if doc.findings or not doc.fields or not doc.commands else 0)


main()
