#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gen_docs.py: manual pages and shell completion from `cay help --format json`, the tables that cay parses with.

  gen_docs.py pages MAIN_C              names of the pages, from the table of commands
  gen_docs.py texts DIR                 what else they are made of
  gen_docs.py man CAY TEXTS OUT         write them; TEXTS/NAME.txt is what the tables can't say
  gen_docs.py completion CAY OUT        write OUT/cay (bash), OUT/_cay (zsh), OUT/cay.fish
"""
import json
import pathlib
import re
import subprocess
import sys

SIGNALS = "KILL TERM INT HUP QUIT STOP CONT USR1 USR2".split()
PATH_VALUES = {"FILE": "file", "SOCKET": "file", "DIR": "dir"}


def table(cay):
    text = subprocess.run([cay, "help", "--format", "json"], check=True, stdout=subprocess.PIPE).stdout
    d = json.loads(text)
    for k in [d, *d["commands"]]:
        k["options"] = [o for o in k["options"] if not o["hidden"]]
        k["options"].append({"name": "help", "letter": "h", "type": "flag", "help": "tell how it is used"})
    return d


def words(o):
    """The words an option's value can be, where its help lists them: "a (default), b or c"."""
    m = re.search(r"(?:^|: )(\w+)(?: \(default\))?((?:, \w+)*) or (\w+)(?::|$)", o["help"])
    if m and o["type"] == "string":
        return [m[1], *re.findall(r"\w+", m[2]), m[3]]
    return o["value"].split("|") if "|" in o.get("value", "") else []


# ---- manual pages ---------------------------------------------------------------------------

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + ln if ln.startswith((".", "'")) else ln for ln in text.split("\n"))


def option_head(o):
    names = [f"\\-{o['letter']}"] if o.get("letter") else []
    names.append("\\-\\-" + roff(o["name"]))
    value = f" \\fI{roff(o['value'])}\\fR" if o.get("value") else ""
    return ", ".join(f"\\fB{n}\\fR{value}" for n in names)


def options(rows, title):
    out = [f".SH {title}"]
    for o in rows:
        help = o["help"][:1].upper() + o["help"][1:]
        more = " May be given again." if o["type"] in ("strings", "numbers") else ""
        out += [".TP", option_head(o), roff(help + "." + more)]
    return out


def prose(path):
    """Paragraphs; "# HEADING"; lines that begin with four blanks are shown as they are."""
    out, literal = [], False
    if not path.exists():
        return out
    for ln in path.read_text().splitlines():
        if ln.startswith("    ") != literal:
            literal = not literal
            out.append(".nf\n.RS 4" if literal else ".RE\n.fi")
        if ln.startswith("# "):
            out.append(f".SH {roff(ln[2:])}")
        elif not ln.strip():
            out.append(".PP")
        else:
            out.append(roff(ln[4:] if literal else ln.strip()))
    return out + ([".RE\n.fi"] if literal else [])


def header(name, summary, version):
    return [f'.TH {name.upper()} 1 "" "cay {version}" "User Commands"', ".SH NAME", f"{roff(name)} \\- {roff(summary)}",
            ".SH SYNOPSIS"]


def page_of(k, version, texts):
    out = header(f"cay-{k['name']}", k["summary"], version)
    out += [f"\\fBcay\\fR [global options] \\fB{k['name']}\\fR {roff(k['arguments'])}"]
    text = prose(texts / f"{k['name']}.txt")
    first = next((i for i, ln in enumerate(text) if ln.startswith(".SH")), len(text))
    out += [".SH DESCRIPTION"] * bool(first) + text[:first] + options(k["options"], "OPTIONS") + text[first:]
    return out + [".SH SEE ALSO", "\\fBcay\\fR(1)"]


def main_page(d, texts):
    out = header("cay", "put a program on an island of its own: an OCI container runtime", d["version"])
    out += ["\\fBcay\\fR [global options] COMMAND [options] [arguments]", ".SH DESCRIPTION"]
    out += prose(texts / "cay.txt") + [".SH COMMANDS"]
    for k in d["commands"]:
        out += [".TP", f"\\fBcay\\-{k['name']}\\fR(1)", roff(k["summary"][:1].upper() + k["summary"][1:] + ".")]
    return out + options(d["options"], "GLOBAL OPTIONS") + prose(texts / "cay-end.txt")


def man(cay, texts, out):
    d = table(cay)
    texts, out = pathlib.Path(texts), pathlib.Path(out)
    pages = {"cay.1": main_page(d, texts)}
    pages.update({f"cay-{k['name']}.1": page_of(k, d["version"], texts) for k in d["commands"]})
    for name, lines in pages.items():
        (out / name).write_text('.\\" Made by tools/gen_docs.py\n' + "\n".join(lines) + "\n")


# ---- completion -----------------------------------------------------------------------------

def names(o):
    return ["--" + o["name"]] + (["-" + o["letter"]] if o.get("letter") else [])


def takes_value(o):
    return o["type"] != "flag"


def positional(k):
    """What the arguments behind the options are: "id", "signal", "file", words."""
    out = []
    for w in re.findall(r"[A-Za-z|]+", k["arguments"].replace("[options]", "").split("...")[0]):
        out.append({"ID": "id", "SIGNAL": "signal", "FILE": "file", "COMMAND": "command"}.get(
            w, w.split("|") if "|" in w and w.islower() else ""))
    return out


def bash_value(o):
    kind = PATH_VALUES.get(o.get("value", ""))
    if kind:
        return f"compgen -{'d' if kind == 'dir' else 'f'} -- \"$cur\""
    return f"compgen -W '{' '.join(words(o))}' -- \"$cur\"" if words(o) else ":"


def bash_cases(rows):
    return [f"\t\t{'|'.join(names(o))}) COMPREPLY=($({bash_value(o)})); return ;;" for o in rows if takes_value(o)]


def bash_argument(kind):
    if isinstance(kind, list):
        return f"COMPREPLY=($(compgen -W '{' '.join(kind)}' -- \"$cur\"))"
    return {"id": 'COMPREPLY=($(compgen -W "$(_cay_ids)" -- "$cur"))',
            "signal": f"COMPREPLY=($(compgen -W '{' '.join(SIGNALS)}' -- \"$cur\"))",
            "command": 'COMPREPLY=($(compgen -W "$commands" -- "$cur"))',
            "file": 'COMPREPLY=($(compgen -f -- "$cur"))'}.get(kind, ":")


def bash(d):
    valued = " ".join(n for o in d["options"] if takes_value(o) for n in names(o))
    out = ["# bash completion for cay; made by tools/gen_docs.py", "_cay_ids()", "{",
           '\tcay ${root:+--root "$root"} list -q 2>/dev/null', "}", "", "_cay()", "{",
           '\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command="" root="" i at=0',
           f"\tlocal commands='{' '.join(k['name'] for k in d['commands'])}'",
           f"\tlocal valued=' {valued} '",
           "\tCOMPREPLY=()",
           "\tfor ((i = 1; i < COMP_CWORD; i++)); do",
           '\t\tcase ${COMP_WORDS[i]} in',
           '\t\t--root) root=${COMP_WORDS[i+1]} ;;',
           '\t\tesac',
           '\t\tif [[ -n $command ]]; then',
           '\t\t\t[[ ${COMP_WORDS[i]} == -* ]] || at=$((at + 1))',
           '\t\telif [[ $valued == *" ${COMP_WORDS[i]} "* ]]; then',
           '\t\t\ti=$((i + 1))',
           '\t\telif [[ ${COMP_WORDS[i]} != -* ]]; then',
           '\t\t\tcommand=${COMP_WORDS[i]}',
           '\t\tfi',
           '\tdone',
           '\tcase $command in',
           "\t'') case $prev in", *bash_cases(d["options"]), "\t\tesac",
           '\t\tif [[ $cur == -* ]]; then',
           f"\t\t\tCOMPREPLY=($(compgen -W '{' '.join('--' + o['name'] for o in d['options'])}' -- \"$cur\"))",
           '\t\telse', '\t\t\tCOMPREPLY=($(compgen -W "$commands" -- "$cur"))', "\t\tfi ;;"]
    for k in d["commands"]:
        out += [f"\t{k['name']}) case $prev in", *bash_cases(k["options"]), "\t\tesac",
                '\t\tif [[ $cur == -* ]]; then',
                f"\t\t\tCOMPREPLY=($(compgen -W '{' '.join('--' + o['name'] for o in k['options'])}' -- \"$cur\"))",
                '\t\t\treturn', "\t\tfi", "\t\tcase $at in"]
        out += [f"\t\t{i}) {bash_argument(p)} ;;" for i, p in enumerate(positional(k))]
        out += ["\t\tesac ;;"]
    return "\n".join(out + ["\tesac", "}", "", "complete -o filenames -F _cay cay"]) + "\n"


def zsh_quote(s):
    return s.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def zsh_action(o):
    kind = PATH_VALUES.get(o.get("value", ""))
    if kind:
        return "_files" + (" -/" if kind == "dir" else "")
    return f"({' '.join(words(o))})" if words(o) else " "


def zsh_options(rows):
    out = []
    for o in rows:
        value = f":{zsh_quote(o.get('value', 'value'))}:{zsh_action(o)}" if takes_value(o) else ""
        star = "*" if o["type"] in ("strings", "numbers") else ""
        for n in names(o):
            out.append(f"'{star}{n}[{zsh_quote(o['help'])}]{value}'")
    return out


def zsh_argument(kind, at):
    if isinstance(kind, list):
        return f"'{at}:word:({' '.join(kind)})'"
    return {"id": f"'{at}:container:_cay_ids'", "signal": f"'{at}:signal:({' '.join(SIGNALS)})'",
            "command": f"'{at}:command:_cay_commands'", "file": f"'{at}:file:_files'"}.get(kind, f"'{at}:argument: '")


def zsh(d):
    out = ["#compdef cay", "# made by tools/gen_docs.py", "", "_cay_ids() {",
           "\tlocal -a ids", "\tids=(${(f)\"$(cay ${opt_args[--root]:+--root ${opt_args[--root]}} list -q 2>/dev/null)\"})",
           "\tcompadd -a ids", "}", "", "_cay_commands() {", "\tlocal -a commands", "\tcommands=("]
    out += [f"\t\t'{k['name']}:{zsh_quote(k['summary'])}'" for k in d["commands"]]
    out += ["\t)", "\t_describe command commands", "}", "", "_cay() {", "\tlocal curcontext=$curcontext state line",
            "\ttypeset -A opt_args", "\t_arguments -C \\"]
    out += [f"\t\t{o} \\" for o in zsh_options(d["options"])]
    out += ["\t\t'1:command:_cay_commands' '*::argument:->command'", "\t[[ $state == command ]] || return",
            "\tcase $words[1] in"]
    for k in d["commands"]:
        rows = zsh_options(k["options"]) + [zsh_argument(p, i + 1) for i, p in enumerate(positional(k))]
        if "..." in k["arguments"]:
            rows.append("'*::argument:_normal'")
        out += [f"\t{k['name']})", "\t\t_arguments \\", " \\\n".join("\t\t\t" + r for r in rows), "\t\t;;"]
    return "\n".join(out + ["\tesac", "}", "", '_cay "$@"']) + "\n"


def fish_quote(s):
    return s.replace("\\", "\\\\").replace("'", "\\'")


def fish_option(o, when):
    line = f"complete -c cay -n {when} -l {o['name']} -d '{fish_quote(o['help'])}'"
    if o.get("letter"):
        line += f" -s {o['letter']}"
    if not takes_value(o):
        return line
    kind = PATH_VALUES.get(o.get("value", ""))
    if kind:
        return line + (" -x -a '(__fish_complete_directories)'" if kind == "dir" else " -r -F")
    return line + (f" -x -a '{' '.join(words(o))}'" if words(o) else " -x")


def fish_argument(name, kind):
    when = f"'__fish_seen_subcommand_from {name}'"
    if isinstance(kind, list):
        return f"complete -c cay -n {when} -a '{' '.join(kind)}'"
    return {"id": f"complete -c cay -n {when} -a '(cay list -q 2>/dev/null)'",
            "signal": f"complete -c cay -n {when} -a '{' '.join(SIGNALS)}'",
            "file": f"complete -c cay -n {when} -F"}.get(kind)


def fish(d):
    out = ["# fish completion for cay; made by tools/gen_docs.py", "complete -c cay -f"]
    out += [fish_option(o, "__fish_use_subcommand") for o in d["options"]]
    for k in d["commands"]:
        out.append(f"complete -c cay -n __fish_use_subcommand -a {k['name']} -d '{fish_quote(k['summary'])}'")
        out += [fish_option(o, f"'__fish_seen_subcommand_from {k['name']}'") for o in k["options"]]
        out += [ln for ln in (fish_argument(k["name"], p) for p in positional(k)) if ln]
    return "\n".join(out) + "\n"


def completion(cay, out):
    d = table(cay)
    for name, text in (("cay", bash(d)), ("_cay", zsh(d)), ("cay.fish", fish(d))):
        (pathlib.Path(out) / name).write_text(text)


def pages(main_c):
    text = pathlib.Path(main_c).read_text()
    rows = text[text.index("cli_commands[] = {"):]
    rows = rows[:rows.index("};")]
    print("\n".join(["cay.1"] + [f"cay-{n}.1" for n in re.findall(r'^\t\{ "([a-z-]+)", cmd_', rows, re.M)]))


def texts(folder):
    print("\n".join(sorted(str(p) for p in pathlib.Path(folder).glob("*.txt"))))


if __name__ == "__main__":
    {"pages": pages, "texts": texts, "man": man, "completion": completion}[sys.argv[1]](*sys.argv[2:])
