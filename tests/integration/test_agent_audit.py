# SPDX-License-Identifier: Apache-2.0
"""What an agent writes down of a container that calls as fast as it can, and of one that names strange things."""
import json
import os
import re
import time

import pytest

import harness
from agent import BASE, Agent, ask, rootless_bundle
from harness import wait_for

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" and not harness.MUST_RUN, reason="x86_64")
POLICY = "default deny\n" + BASE + "allow socket inet stream\nlog socket **\n"


def metric(agent, name):
    found = re.search(rf"^{re.escape(name)} (\d+)$", agent.ok("metrics"), re.M)
    return int(found[1]) if found else 0


def test_a_flood_is_counted_and_not_written(cay, user):
    count = 20000
    with Agent(cay, {"a": POLICY}) as agent:
        a = user.start(ask(rootless_bundle(cay), agent.sock, "a", ["socket"]).args("sleep", "1000"))
        begun = time.monotonic()
        assert user.exec(a, "ask", "many", count, 2, 1, 0).rc == 0
        most = 1000 + 100 * (time.monotonic() - begun + 2)
        written = len(agent.records("socket"))
        assert 1000 <= written <= most < count / 2
        wait_for(lambda: metric(agent, 'cay_agent_calls_total{call="socket",verdict="allow"}') >= count, "all to be counted")
        dropped = metric(agent, "cay_agent_audit_dropped_total")
        assert count - most <= dropped
        # The gap is told as soon as there is room again.
        time.sleep(0.1)
        assert user.exec(a, "ask", "socket", "2", "1", "0").out == "ok\n"
        told = wait_for(lambda: [r for r in agent.records("socket") if r.get("dropped")], "the gap in the log")
        assert sum(r["dropped"] for r in agent.records("socket") if r.get("dropped")) >= count - most, told
        assert len(agent.records("socket")) + metric(agent, "cay_agent_audit_dropped_total") >= count
        user.delete(a)


def test_what_a_guest_names_can_forge_no_line(cay, user):
    name = '/tmp/a"}\n{"verdict":"allow"} \x1b]0;x\x07 \u202e'
    with Agent(cay, {"a": "default deny\n" + BASE}) as agent:
        a = user.start(ask(rootless_bundle(cay), agent.sock, "a", ["mknod", "mknodat"]).args("sleep", "1000"))
        assert user.exec(a, "ask", "mknod", name, "c", "1", "3").out == "EPERM\n"
        record = agent.record(container=a)
        assert record["verdict"] == "deny"
        assert record["what"] == ("mknod c 1:3 on /tmp/a\\x22\\x7d\\x0a\\x7b\\x22verdict\\x22:\\x22allow\\x22\\x7d\\x20"
                                  "\\x1b\\x5d0;x\\x07\\x20\\xe2\\x80\\xae")
        raw = agent.audit.read_bytes()
        assert raw.isascii() and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
        assert all(json.loads(ln)["verdict"] == "deny" for ln in raw.splitlines())
        # The way back: these words behind "allow" are the rule for just this call.
        agent.write("a", "default deny\n" + BASE + "allow " + record["what"] + "\n")
        agent.ok("reload")
        assert user.exec(a, "ask", "mknod", name, "c", "1", "3").out == "ok\n"
        assert user.exec(a, "ask", "mknod", "/tmp/other", "c", "1", "3").out == "EPERM\n"
        user.delete(a)
