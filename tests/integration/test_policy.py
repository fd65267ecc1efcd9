# SPDX-License-Identifier: Apache-2.0
"""cay policy: what it says of files; what a policy means is in tests/tables/test_policy.c."""
import json
import pathlib
import re
import subprocess

import pytest

from agent import Agent

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def policy(cay, tmp_path):
    """policy(TEXT, COMMAND...): run it; FILE in the command is the file with that text."""
    file = tmp_path / "ci.policy"

    def run(text, *command):
        if text is not None:
            file.write_bytes(text.encode() if isinstance(text, str) else text)
        return subprocess.run([cay.program, "policy", *(str(file) if c == "FILE" else c for c in command)],
                              capture_output=True, text=True, timeout=60)
    run.file = file
    return run


def test_check_tells_every_fault_with_its_place(policy):
    r = policy("allow read /a/../b\nallow exec /bin/*\nallow  foo\n  default maybe\n", "check", "FILE")
    assert r.returncode == 1
    at = [line.removeprefix(f"{policy.file}:").split(": ")[0] for line in r.stdout.splitlines()]
    assert at == ["1:12", "3:8", "4:11"]
    r = policy("allow exec /bin/*\n", "check", "FILE")
    assert (r.returncode, r.stdout) == (0, f"{policy.file}: ok\n")


def test_check_takes_several_files_and_fails_for_one(policy, tmp_path):
    good, missing = tmp_path / "good", tmp_path / "missing"
    good.write_text("default deny\n")
    r = policy("nonsense\n", "check", str(good), "FILE", str(missing))
    assert r.returncode == 1
    assert f"{good}: ok" in r.stdout and f"{policy.file}:1:1: " in r.stdout
    assert f'policy "{missing}": no such file' in r.stderr


@pytest.mark.parametrize("text", [b"\0", b"\xff\xfe", b"a" * (1 << 20), b"allow read /a\r\n", b"\n" * 100 + b"x",
                                  b"#" * ((1 << 20) + 1), b"allow read /a\n" * 5000, b"\x1b]0;x\x07\n"],
                         ids=["nul", "not-utf8", "one-long-line", "crlf", "late", "too-large", "too-many", "escape"])
def test_whatever_is_in_the_file_is_told_and_not_repeated(policy, text):
    r = policy(text, "check", "FILE")
    assert r.returncode == 1
    assert r.stdout or r.stderr
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", r.stdout + r.stderr)
    assert len(r.stdout + r.stderr) < 65536


def test_explain_says_who_carries_each_line(policy):
    r = policy("default deny\n\nallow mount tmpfs on /mnt/**\nallow read /usr/**\nlimit pids 5\n", "explain", "FILE")
    assert r.returncode == 1, r
    lines = [line.split(None, 2) for line in r.stdout.splitlines()]
    assert lines[0] == ["1", "broker", "default deny"]
    assert lines[1] == ["3", "broker", "allow mount tmpfs on /mnt/**"]
    assert lines[2] == ["4", "nobody", "allow read /usr/**"] and lines[3][0] == "->"
    assert lines[4] == ["5", "nobody", "limit pids 5"] and lines[5][0] == "->"
    r = policy("default deny\nallow mount tmpfs on /mnt/**\nlog socket **\n", "explain", "FILE")
    assert r.returncode == 0 and "nobody" not in r.stdout


def test_explain_tells_faults_on_stderr(policy):
    r = policy("nonsense\n", "explain", "FILE")
    assert r.returncode == 1 and r.stdout == ""
    assert r.stderr.startswith(f"{policy.file}:1:1: ")


def test_a_question_is_answered_with_the_line_that_decides(policy):
    text = "allow mount tmpfs on /mnt/** size<=64M shift\ndeny mount * on /mnt/keep/**\nlog mount **\n"
    r = policy(text, "explain", "FILE", "mount", "tmpfs", "on", "/mnt/x", "options", "size=1M")
    assert r.returncode == 0
    assert r.stdout == ("allow, log, line 1: allow mount tmpfs on /mnt/** size<=64M shift\n"
                        "with nosuid nodev size<=67108864 shift\n")
    r = policy(None, "explain", "FILE", "--", "mount tmpfs on /mnt/keep/x")
    assert (r.returncode, r.stdout) == (1, "deny, log, line 2: deny mount * on /mnt/keep/**\n")
    r = policy(None, "explain", "FILE", "--", "socket", "inet", "raw", "icmp")
    assert (r.returncode, r.stdout) == (1, "deny, default deny\n")
    r = policy(None, "explain", "FILE", "--", "mount", "tmpfs", "on", "/mnt/*")
    assert r.returncode == 1 and "question: 20: " in r.stderr


def test_json_says_the_same(policy):
    r = policy("allow read a\nallow foo\n", "check", "--format", "json", "FILE", str(policy.file) + ".missing")
    docs = json.loads(r.stdout)
    assert r.returncode == 1
    assert [(f["line"], f["column"]) for f in docs[0]["faults"]] == [(1, 12), (2, 7)]
    assert not docs[0]["ok"] and "error" in docs[1]
    r = policy("allow mount tmpfs on /m\nallow read /a /b\n", "explain", "FILE", "-f", "json")
    doc = json.loads(r.stdout)
    assert r.returncode == 1 and not doc["carried"]
    assert [(li["line"], li["enforcer"]) for li in doc["lines"]] == [(1, "broker"), (2, None)]
    assert doc["canonical"] == ("default deny\nallow mount tmpfs on /m nosuid nodev\n"
                                "allow read /a\nallow read /b\n")
    r = policy(None, "explain", "-f", "json", "FILE", "mount", "tmpfs", "on", "/m")
    assert json.loads(r.stdout) == {"question": "mount tmpfs on /m", "verdict": "allow", "line": 1,
                                    "text": "allow mount tmpfs on /m", "log": False, "terms": "nosuid nodev"}


def test_an_unknown_command_is_named(policy):
    r = policy("", "chekc", "FILE")
    assert r.returncode == 1 and "must be check or explain" in r.stderr


def test_an_agent_takes_no_policy_with_a_line_that_nobody_carries(cay):
    with Agent(cay, {"a": "default deny\nallow mount tmpfs on /mnt/**\n"}) as agent:
        for text, why in (("allow mount tmpfs on /m\nallow read /usr/**\n", "2: "), ("limit pids 5\n", "1: "),
                          ("allow mount ext4 from /dev/loop0 on /m dev\n", "1: "), ("allow syscall @default\n", "1: ")):
            agent.write("a", text)
            r = agent("reload")
            assert r.rc == 1 and f"a.policy:{why}" in r.err, r
        agent.write("a", "deny syscall @mount\nlog mount **\n")
        agent.ok("reload")
