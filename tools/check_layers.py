#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_layers.py [ROOT]: hold the source to its shape.

tools/layers.txt says who may include whom and what the islander is made of. Also checked:
include cycles, sizes of files, headers and functions, and functions nobody may call.
One line a finding, `file:line: what`; exit status 1 when there is one. Warnings do not count.
"""
import fnmatch
import pathlib
import re
import sys

MAX_FILE, MAX_HEADER, MAX_FUNCTION = 800, 200, 80

BANNED = {
    **dict.fromkeys("strcpy strcat sprintf vsprintf stpcpy gets".split(), "does not know its buffer's size"),
    **dict.fromkeys("strtok atoi atol atoll atof".split(), "hides errors; base/parse.h has what you need"),
    **dict.fromkeys("strtol strtoul strtoll strtoull strtod strtoimax strtoumax".split(),
                    "hides errors; base/parse.h has what you need"),
    **dict.fromkeys("system popen".split(), "goes through a shell; use sys/spawn.h"),
    "alloca": "takes stack without a limit",
}
# The islander has no heap and reads nothing but its plan.
BANNED_ISLANDER = dict.fromkeys(
    "malloc calloc realloc reallocarray strdup strndup asprintf vasprintf fopen fdopen opendir fdopendir".split(),
    "the islander allocates nothing")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


class Findings:
    def __init__(self):
        self.errors = 0

    def error(self, path, line, text):
        self.errors += 1
        print(f"{path}:{line}: {text}")

    @staticmethod
    def warn(path, line, text):
        print(f"{path}:{line}: warning: {text}")


class Rules:
    """tools/layers.txt."""

    def __init__(self, path, found):
        self.layers, self.files = {}, {}
        self.islander, self.islander_headers, self.private = [], [], []
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            word, _, rest = line.partition(" ")
            name, _, values = rest.partition(":")
            if word == "layer":
                self.layers[name] = (n, values.split())
                for below in values.split():
                    if below == name or below not in self.layers:
                        found.error("tools/layers.txt", n, f"{name} names {below}, which does not stand below it")
                    elif name.startswith("mech/") and below.startswith("mech/"):
                        found.error("tools/layers.txt", n, f"{name} names {below}: mechanisms never include each other")
            elif word == "file":
                self.files[name] = values.split()
            elif word in ("islander", "islander-header", "private"):
                {"islander": self.islander, "islander-header": self.islander_headers,
                 "private": self.private}[word].extend(rest.split())
            else:
                found.error("tools/layers.txt", n, f"no such rule: {word}")


def matches(name, patterns):
    # Unlike fnmatch alone, "*" does not cross a "/".
    return any(name.count("/") == p.count("/") and fnmatch.fnmatchcase(name, p) for p in patterns)


def folder_of(name):
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] == "mech" and len(parts) > 2 else parts[0]


def blank(text, keep_strings=False):
    """The source with comments (and strings) blanked, every newline kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def sub(m):
        s = m.group(0)
        if keep_strings and s[0] in "\"'":
            return s
        return re.sub(r"[^\n]", " ", s)
    return re.sub(pattern, sub, text, flags=re.S)


def line_of(text, pos):
    return text.count("\n", 0, pos) + 1


def functions(code):
    """(name, first line, lines from signature to closing brace) of each function in blanked code."""
    # Preprocessor lines, continued ones too, hold no function of ours.
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code, flags=re.M)
    depth, last_end = 0, 0
    start = name = None
    for m in re.finditer(r"[{};]", code):
        c = m.group(0)
        if c == "{":
            if depth == 0:
                head = code[last_end:m.start()]
                call = re.search(r"\b(?!__attribute__)([A-Za-z_]\w*)\s*\(", head)
                start = name = None
                if call and "=" not in head and re.search(r"\)[\sA-Za-z_]*$", head):
                    name = call.group(1)
                    start = last_end + len(head) - len(head.lstrip())
            depth += 1
        elif c == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if name:
                    first = line_of(code, start)
                    yield name, first, line_of(code, m.start()) - first + 1
                last_end, name = m.end(), None
        elif depth == 0:
            last_end = m.end()


def check_sizes(path, shown, text, found):
    lines = text.count("\n")
    if lines > MAX_FILE:
        found.error(shown, lines, f"file of {lines} lines, the limit is {MAX_FILE}")
    if path.suffix == ".h" and lines > MAX_HEADER:
        found.warn(shown, lines, f"header of {lines} lines, aim for {MAX_HEADER}")
    for name, first, n in functions(blank(text)):
        if n > MAX_FUNCTION:
            found.error(shown, first, f"{name}: {n} lines, the limit is {MAX_FUNCTION}")


def check_banned(shown, text, banned, found):
    code = blank(text)
    for m in re.finditer(r"(?<![\w.>])(" + "|".join(sorted(banned)) + r")\s*\(", code):
        found.error(shown, line_of(code, m.start()), f"{m.group(1)}: {banned[m.group(1)]}")


def check_edges(rules, includes, found):
    for name, targets in sorted(includes.items()):
        own = folder_of(name)
        if own not in rules.layers:
            found.error(f"src/{name}", 1, f"folder {own} is not in tools/layers.txt")
            continue
        allowed = rules.layers[own][1]
        for line, header in targets:
            other = folder_of(header)
            if header not in includes:
                found.error(f"src/{name}", line, f'no header src/{header} (includes are rooted at src/)')
            elif other != own and other not in allowed and header not in rules.files.get(name, []):
                found.error(f"src/{name}", line, f"{own} may not include {header} (tools/layers.txt)")
            elif other != own and matches(header.rsplit("/", 1)[-1], rules.private):
                found.error(f"src/{name}", line, f"{header} belongs to {other} alone")


def check_cycles(includes, found):
    state = {}

    def visit(name, trail):
        state[name] = "open"
        for line, header in includes.get(name, []):
            if state.get(header) == "open":
                ring = trail[trail.index(header):] if header in trail else [header]
                found.error(f"src/{name}", line, "include cycle: " + " > ".join(ring + [header]))
            elif header not in state:
                visit(header, trail + [header])
        state[name] = "done"

    for name in sorted(includes):
        if name not in state:
            visit(name, [name])


def closure(name, includes):
    """Every header in sight of a file, with the one that brought it."""
    seen, todo = {}, [name]
    while todo:
        at = todo.pop()
        for _, header in includes.get(at, []):
            if header not in seen:
                seen[header] = at
                todo.append(header)
    return seen


def check_islander(root, rules, includes, sources, found):
    text = (root / "src/meson.build").read_text(encoding="utf-8")
    m = re.search(r"init_sources\s*=\s*files\((.*?)\)", text, re.S)
    linked = re.findall(r"'([^']+\.c)'", m.group(1)) if m else []
    if not linked:
        found.error("src/meson.build", 1, "found no init_sources = files(...)")
    for name in linked:
        if not matches(name, rules.islander):
            found.error("src/meson.build", line_of(text, m.start()), f"{name} may not be part of cay-init")
        if name not in sources:
            found.error("src/meson.build", line_of(text, m.start()), f"no such file: src/{name}")
            continue
        for header, by in sorted(closure(name, includes).items()):
            if not matches(header, rules.islander_headers):
                found.error(f"src/{name}", 1, f"cay-init sees {header} (through {by})")
        check_banned(f"src/{name}", sources[name], BANNED_ISLANDER, found)


def check_all_built(root, sources, found):
    listed = (root / "src/meson.build").read_text(encoding="utf-8")
    for name in sorted(sources):
        if name.endswith(".c") and f"'{name}'" not in listed:
            found.error(f"src/{name}", 1, "is not in src/meson.build: nobody builds it")
    listed = (root / "tests/meson.build").read_text(encoding="utf-8")
    for kind in ("unit", "tables"):
        for path in sorted((root / "tests" / kind).glob("test_*.c")):
            if f"'{path.stem[5:]}'" not in listed:
                found.error(f"tests/{kind}/{path.name}", 1, "is not in tests/meson.build: nobody runs it")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    found = Findings()
    rules = Rules(root / "tools/layers.txt", found)
    sources, includes, count = {}, {}, 0
    for top in ("src", "bpf", "bench", "tests"):
        for path in sorted((root / top).rglob("*.[ch]")):
            text = path.read_text(encoding="utf-8")
            shown = str(path.relative_to(root))
            count += 1
            check_sizes(path, shown, text, found)
            # Programs that integration tests put into a container stand alone: no base/parse.h for them.
            if top != "tests" or path.parent.name in ("unit", "tables"):
                check_banned(shown, text, BANNED, found)
            if top == "src":
                name = str(path.relative_to(root / "src"))
                sources[name] = text
                code = blank(text, keep_strings=True)
                includes[name] = [(line_of(code, m.start()), m.group(1)) for m in INCLUDE.finditer(code)]
    check_edges(rules, includes, found)
    check_cycles(includes, found)
    check_islander(root, rules, includes, sources, found)
    check_all_built(root, sources, found)
    print(f"layers: {count} files, {found.errors} findings")
    sys.exit(1 if found.errors or not count else 0)


main()
